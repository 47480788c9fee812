"""X-CSQA: its languages aligned by id, each with its own letters."""

import json
from pathlib import Path
from typing import Any

import pytest

from xreason.tasks import data
from xreason.tasks.errors import UserError
from xreason.tasks.prompts import prompt


def row(name: str, stem: str, texts: list[str], gold: str) -> dict[str, Any]:
    choices = [{"label": label, "text": text} for label, text in zip("ABCDE", texts, strict=False)]
    return {"id": name, "lang": "??", "question": {"stem": stem, "choices": choices}, "answerKey": gold}


#: As published: other orders of questions and of choices.
ENGLISH = [row("b2", "Where?", ["town", "hospital"], "B"), row("a1", "What?", ["red", "blue"], "A")]
JAPANESE = [row("a1", "なに?", ["青", "赤"], "B"), row("b2", "どこ?", ["町", "病院"], "B")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XREASON_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def write(folder: Path, code: str, rows: list[dict[str, Any]]) -> None:
    (folder / "xcsqa" / code).mkdir(parents=True, exist_ok=True)
    (folder / "xcsqa" / code / "dev.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))


def test_languages_stand_in_one_order_each_with_its_own_letters(folder: Path) -> None:
    write(folder, "en", ENGLISH)
    write(folder, "jap", JAPANESE)
    english, japanese = data.rows("xcsqa", "en"), data.rows("xcsqa", "ja")
    assert [each["id"] for each in english] == [each["id"] for each in japanese] == ["a1", "b2"]
    assert [(each["answer"], each["choices"]) for each in english] == [("A", ["red", "blue"]), ("B", ["town", "hospital"])]
    assert [each["answer"] for each in japanese] == ["B", "B"]
    assert data.where("xcsqa", "ja") == "xcsqa/jap/dev.jsonl"


def test_the_prompt_is_mindmergers_to_the_byte(folder: Path) -> None:
    write(folder, "en", ENGLISH)
    asked = {"language_name": "English", **data.rows("xcsqa", "en")[1]}
    assert prompt({**asked, "style": "published"}) == "Where?\nOptions:A. town\tB. hospital\nAnswer:"
    assert "### Instruction:\nWhere?\nOptions:A. town\tB. hospital\n\n### Response:" in prompt({**asked, "style": "alpaca"})


def test_the_hub_has_choices_as_two_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    import pyarrow
    from pyarrow import parquet

    monkeypatch.delenv("XREASON_DATA", raising=False)
    told = "configs:\n- config_name: X-CSQA-jap\n  data_files:\n  - split: validation\n    path: jap.parquet\n"
    (tmp_path / "README.md").write_text(f"---\n{told}---\n")
    of_hub = [
        {
            **each,
            "question": {
                "stem": each["question"]["stem"],
                "choices": {key: [c[key] for c in each["question"]["choices"]] for key in ("label", "text")},
            },
        }
        for each in JAPANESE
    ]
    parquet.write_table(pyarrow.Table.from_pylist(of_hub), tmp_path / "jap.parquet")
    monkeypatch.setitem(data.SOURCES, "xcsqa", replace(data.SOURCES["xcsqa"], hub_id=str(tmp_path)))
    assert [(each["id"], each["choices"]) for each in data.rows("xcsqa", "ja")] == [("a1", ["青", "赤"]), ("b2", ["町", "病院"])]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (row("c", "What?", ["red", "blue"], "C"), "the answer 'C' is no letter of its 2 choices"),
        (row("c", "What?", ["red", "blue"], ""), "the answer is empty"),
        (row("c", "What?", ["red"], "A"), "it has 1 options, not two to ten"),
        ({"id": "c", "question": {"stem": "What?"}, "answerKey": "A"}, "column question.choices is missing"),
        (ENGLISH[1], "the row is that of line 2"),
    ],
)
def test_a_row_that_is_no_question_of_choices_is_named(folder: Path, broken: dict[str, Any], says: str) -> None:
    write(folder, "en", [*ENGLISH, broken])
    with pytest.raises(UserError, match=f"dev.jsonl, line 3: {says}"):
        data.rows("xcsqa", "en")


def test_languages_that_share_a_part_of_their_questions_are_not_scored_together(folder: Path) -> None:
    from xreason.harness.scoring.questions import scorings

    write(folder, "hi", [row("a0", "Kya?", ["x", "y"], "A"), *ENGLISH])
    write(folder, "zh", JAPANESE)
    said = "hi and zh share some questions of X-CSQA and not all, so they cannot be scored together: put xcsqa/hi/dev.jsonl and"
    with pytest.raises(UserError, match=said) as raised:
        scorings(["xcsqa"], ["hi", "zh"])[0].identity()
    assert str(raised.value).endswith("or leave one of the two out of --languages.")
    assert scorings(["xcsqa"], ["hi"])[0].identity()
