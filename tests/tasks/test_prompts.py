"""Prompts against what the installed lm-eval builds, byte for byte; each difference has its reason here."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import lm_eval.tasks.mgsm
import pytest

from xreason.tasks import protocol
from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.prompts import ALPACA, STYLES, WORDS, prompt, target
from xreason.tasks.readings.verdicts import answer_part
from xreason.tasks.suites import SUITES, TASKS_FOLDER

REAL = os.environ.get("XREASON_DATA")
needs_data = pytest.mark.skipif(REAL is None, reason="XREASON_DATA names no folder with the real sets")

QUESTIONS = 12
THEIR_NAMES = {"native-cot": "native_cot", "en-cot": "en_cot", "direct": "direct"}
LM_EVAL_TASKS = str(Path(next(iter(lm_eval.tasks.mgsm.__path__))))

#: (style, language) to how lm-eval's worked examples differ from ours: its text, ours.
DAMAGED = {
    ("native-cot", "zh"): "the first character of every worked answer is cut off",
    ("native-cot", "ja"): "the first character of every worked answer is cut off",
    ("native-cot", "ru"): "two spaces, or a second colon, before every worked answer",
    **{("en-cot", code): "the worked answers are not in English" for code in WORDS if code != "en"},
}


def built(style: str, code: str, shots: int, manager: Any, name: str, **overrides: Any) -> tuple[list[str], list[str]]:
    """The first prompts and stop words of a task as lm-eval builds them, with the seed of its command line."""
    spec = {"group": "held_against", "task": [{"task": name, **overrides}]}
    task = manager.load([spec])["tasks"][name]
    task.set_fewshot_seed(1234)
    documents = list(task.test_docs())[:QUESTIONS]
    return [task.fewshot_context(document, shots) for document in documents], task.config.generation_kwargs["until"]


def theirs(style: str, code: str, shots: int, folder: Path) -> tuple[list[str], list[str]]:
    """lm-eval's own task, its rows those of the data folder in the hub's columns."""
    from lm_eval.tasks import TaskManager

    test = [
        {"question": row["question"], "answer": None, "answer_number": int(row["answer"].replace(",", ""))}
        for row in SUITES["mgsm"].rows(code)
    ]
    lines = [json.loads(line) for line in (Path(str(REAL)) / "mgsm/exemplars.jsonl").read_text(encoding="utf-8").splitlines()]
    train = [
        {"question": line["q"], "answer": line["a"], "answer_number": line["number_answer"]}
        for line in lines
        if line["language"] == code
    ]
    for split, rows in (("test", test), ("train", train)):
        (folder / f"{split}.json").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    files = {"data_files": {split: str(folder / f"{split}.json") for split in ("train", "test")}}
    manager = TaskManager(include_path=LM_EVAL_TASKS, include_defaults=False)
    name = f"mgsm_{THEIR_NAMES[style]}_{code}"
    return built(style, code, shots, manager, name, dataset_path="json", dataset_name=None, dataset_kwargs=files)


def ours(style: str, code: str, shots: int) -> tuple[list[str], list[str]]:
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(TASKS_FOLDER), include_defaults=False, metadata={"style": style})
    prompts, _ = built(style, code, shots, manager, f"mgsm_{code}")
    return prompts, STYLES[style].stops(code)


@needs_data
@pytest.mark.parametrize("code", SUITES["mgsm"].languages)
@pytest.mark.parametrize("style", THEIR_NAMES)
def test_prompts_are_those_of_lm_eval_byte_for_byte(style: str, code: str, tmp_path: Path) -> None:
    assert ours(style, code, 0) == theirs(style, code, 0, tmp_path)
    our_prompts, their_prompts = ours(style, code, 8)[0], theirs(style, code, 8, tmp_path)[0]
    if (style, code) not in DAMAGED:
        assert our_prompts == their_prompts
        return
    for our_prompt, their_prompt in zip(our_prompts, their_prompts, strict=True):
        assert our_prompt != their_prompt
        assert our_prompt == mended(their_prompt, style, code)


def mended(their_prompt: str, style: str, code: str) -> str:
    """lm-eval's prompt, with the worked answers that it damages put right and nothing else touched."""
    cut = {"zh": 6, "ja": 11, "ru": 18, "bn": 17, "de": 29, "es": 23, "fr": 26, "sw": 25, "te": 19, "th": 18}[code]
    own, english = ([json.loads(line) for line in exemplar_lines(each)] for each in (code, "en"))
    for line, english_line in zip(own, english, strict=True):
        damaged = " " + line["a"][cut:]
        if style == "en-cot":
            whole = english_line["a"].removeprefix("Step-by-Step Answer: ")
        else:
            whole = line["a"].partition(":")[2].strip() if code == "ru" else line["a"][cut - 1 :]
        assert their_prompt.count(damaged) == 1
        their_prompt = their_prompt.replace(damaged, " " + whole)
    return their_prompt


def exemplar_lines(code: str) -> list[str]:
    lines = (Path(str(REAL)) / "mgsm/exemplars.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if json.loads(line)["language"] == code]


@needs_data
@pytest.mark.parametrize("code", SUITES["mgsm"].languages)
def test_worked_answers_are_whole(code: str) -> None:
    rows, lines = SUITES["mgsm"].exemplars(code), exemplar_lines(code)  # type: ignore[misc]
    assert len(rows) == len(lines) == 8
    for row, line in zip(rows, lines, strict=True):
        published = json.loads(line)["a"]
        assert published.endswith(row["rationale"])
        assert published.removesuffix(row["rationale"]).rstrip()[-1] in ":："
        assert "The answer is" in row["english_rationale"]


def document(style: str, code: str = "sw", question: str = "Je, {language} ni {steps}?", **more: str) -> Mapping[str, str]:
    return {"style": style, "language": code, "language_name": LANGUAGES[code].english, "question": question, "answer": "7", **more}


def test_a_question_is_put_as_it_is_whatever_is_in_it() -> None:
    for style in STYLES:
        assert prompt(document(style, published="Je, {language} ni {steps}?")).count("Je, {language} ni {steps}?") == 1


def test_octopus_asks_for_an_answer_in_the_language() -> None:
    asked = prompt(document("octopus"))
    assert "appropriately completes the request in Swahili. Please answer in Swahili.\n\n### Instruction:\n" in asked
    assert prompt(document("alpaca")) == ALPACA.replace("{instruction}", "Je, {language} ni {steps}?")


def test_metamath_asks_and_stops_as_its_own_script_does() -> None:
    asked = prompt(document("metamath", "de", "Was ist 3 + 4?"))
    assert asked == ALPACA.replace("{instruction}", "Was ist 3 + 4?") + " Let's think step by step."
    words = ("Question", "USER", "ASSISTANT", "Instruction", "Response")
    assert STYLES["metamath"].stops("de") == [each for word in words for each in (f"{word}:", word)]
    said = " The answer is: 7\n\n### Instruction:\nWas ist 5 + 6?\n\n### Response: The answer is: 11"
    assert answer_part(said, document("metamath", "de")) == " The answer is: 7\n\n### "
    assert protocol.score(document("metamath"), [said])["metamath"] == 1.0
    assert STYLES["metamath"].speaks("it")


def test_a_style_that_ends_elsewhere_is_another() -> None:
    style = STYLES["metamath"]
    assert replace(style, ends=()).hash != style.hash
    assert STYLES["alpaca"].hash == "35101bc36d10"  # as boards print it since there were styles


def test_only_who_is_known_to_ask_so_is_named() -> None:
    # what SLAM was scored with is not in its repository, and it trains in LLaMA-Factory's frame
    assert all("SLAM" not in style.source for style in STYLES.values())
    assert "QAlign trains and scores with it, MetaMath trains with it" in STYLES["alpaca"].source


def test_direct_examples_answer_with_the_number_alone() -> None:
    worked = document("direct", rationale="Tano na mbili ni saba.", english_rationale="Five and two are seven.")
    assert target(worked) == "7"
    assert target({**worked, "style": "native-cot"}) == " Tano na mbili ni saba."
    assert target({**worked, "style": "en-cot"}) == " Five and two are seven."


def test_styles_have_a_source_and_a_hash_of_their_own() -> None:
    assert all(style.source for style in STYLES.values())
    assert len({style.hash for style in STYLES.values()}) == len(STYLES)


def test_what_follows_the_next_invented_question_is_not_read() -> None:
    said = " 3 + 4 = 7. Jibu ni 7.\n\nSwali: Je, 5 + 6?\nJibu ni 11."
    assert answer_part(said, document("native-cot")) == " 3 + 4 = 7. Jibu ni 7.\n\n"
    assert answer_part(said, document("alpaca")) == said


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("<think>12 or 13?</think>It is 12.", "It is 12."),
        ("12 or 13?</think>It is 12.", "It is 12."),
        ("<think>12 or 13", ""),
        ("<think>a</think>b<think>c</think>d", "d"),
        ("It is 12.", "It is 12."),
    ],
)
def test_thinking_is_not_read_under_a_chat_template(said: str, read: str) -> None:
    assert answer_part(said, document("chat")) == read
    assert answer_part(said, document("alpaca")) == said


def test_metrics_are_the_mean_over_samples() -> None:
    row = document("alpaca")
    assert protocol.score(row, ["Jibu ni 7."]) == {"paper": 1.0, "strict": 1.0, "answered": 1.0, "metamath": 0.0}
    several = ["Jibu ni 7.", "Jibu ni -7.", "sijui", "The answer is: 7"]
    assert protocol.score(row, [several]) == {"paper": 0.75, "strict": 0.5, "answered": 0.75, "metamath": 0.25}


def test_an_unknown_style_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'native-cot'"):
        protocol.questions("pocket", "sw", style="native-cott")
