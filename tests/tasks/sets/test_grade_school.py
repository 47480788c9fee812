"""Sets of numbers in their published forms, and asked as their authors ask."""

import json
import os
from pathlib import Path

import pytest

from xreason.tasks.errors import UserError
from xreason.tasks.prompts import prompt
from xreason.tasks.suites import SUITES

REAL = os.environ.get("XREASON_DATA")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XREASON_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def asked(suite: str, code: str, style: str) -> str:
    document = SUITES[suite].rows(code)[0]
    return prompt({"style": style, "language_name": "Swahili", **document})


@pytest.mark.skipif(REAL is None, reason="XREASON_DATA names no folder with the real sets")
def test_mgsm_rev2_asks_other_questions_under_the_golds_of_mgsm() -> None:
    changed = json.loads((Path(str(REAL)) / "mgsm_rev2" / "replaced_questions.json").read_text())
    for code in SUITES["mgsm_rev2"].languages:
        before, now = SUITES["mgsm"].rows(code), SUITES["mgsm_rev2"].rows(code)
        assert [row["answer"] for row in before] == [row["answer"] for row in now]
        differing = [number for number, (old, new) in enumerate(zip(before, now, strict=True), start=1) if old != new]
        assert differing == changed[code]


def test_afrimgsm_is_read_by_its_own_codes_and_asked_as_lm_eval_asks(folder: Path) -> None:
    from importlib.util import find_spec

    from jinja2 import Environment, StrictUndefined

    (folder / "afrimgsm").mkdir()
    row = {"question": "Bata wa Janet hutaga mayai 16?", "answer": None, "answer_number": 18, "equation_solution": None}
    (folder / "afrimgsm" / "swa.jsonl").write_text(json.dumps(row) + "\n")
    (document,) = SUITES["afrimgsm"].rows("sw")
    assert (document["answer"], SUITES["afrimgsm"].where("sw")) == ("18", "afrimgsm/swa.jsonl")
    task = Path(str(find_spec("lm_eval").origin)).parent / "tasks" / "afrimgsm" / "direct" / "prompt_1" / "afrimgsm_yaml"  # type: ignore[union-attr]
    (template,) = (line for line in task.read_text().splitlines() if line.startswith("doc_to_text:"))
    # as lm-eval renders templates (lm_eval/utils.py)
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    theirs = environment.from_string(template.partition("'")[2].rpartition("'")[0]).render(**row)
    assert asked("afrimgsm", "sw", "published") == theirs == "Question: Bata wa Janet hutaga mayai 16?\nAnswer:"
    assert "### Instruction:\nBata wa Janet hutaga mayai 16?\n\n" in asked("afrimgsm", "sw", "alpaca")


def test_mnumgluesub_is_one_array_of_all_languages_each_in_mathoctopus_frame(folder: Path) -> None:
    def framed(language: str, question: str) -> str:
        request = f"Write a response that appropriately completes the request in {language}. Please answer in {language}."
        return f"Below is an instruction that describes a task. {request}\n\n### Instruction:\n{question}\n\n### Response:"

    rows = [("Swahili", "Ni ngapi?", 8.0), ("English", "How many?", 8.0), ("Swahili", "Wangapi\n\nwapo?", 2.5)]
    told = [{"prompt": framed(name, question), "answer": gold} for name, question, gold in rows]
    (folder / "mnumgluesub").mkdir()
    path = folder / "mnumgluesub" / "NumGLUE_test_multi_genen_collect.json"
    path.write_text(json.dumps(told))
    own = SUITES["mnumgluesub"].rows("sw")
    assert [(row["question"], row["answer"]) for row in own] == [("Ni ngapi?", "8.0"), ("Wangapi\n\nwapo?", "2.5")]
    assert asked("mnumgluesub", "sw", "published") == asked("mnumgluesub", "sw", "octopus") == told[0]["prompt"]
    path.write_text(json.dumps([*told, {"prompt": "How many?", "answer": 1}]))
    with pytest.raises(UserError, match=r"collect.json, row 4: the prompt names no language, or holds no instruction"):
        SUITES["mnumgluesub"].rows("sw")


def test_a_set_that_is_not_on_the_hub_says_where_it_is(folder: Path) -> None:
    with pytest.raises(UserError, match=r"not on the hub, but to be had from https://github.com/NJUNLP/MAPO"):
        SUITES["mnumgluesub"].rows("sw")
