"""PolyMath and MMATH: whole, in every language, asked and averaged as their authors do."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from xreason.leaderboards.statistics.answers import Answered
from xreason.tasks import data
from xreason.tasks.data import text_problem
from xreason.tasks.errors import UserError
from xreason.tasks.prompts import prompt
from xreason.tasks.protocol import weighted_mean
from xreason.tasks.sets import mmath, polymath
from xreason.tasks.suites import SUITES

REAL = os.environ.get("XREASON_DATA")
real = pytest.mark.skipif(REAL is None, reason="XREASON_DATA names no folder with the real sets")


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def of_level(level: str, numbers: range, code: str = "sw") -> str:
    rows = ({"id": f"{level}-{code}-{each}", "question": f"{level} {each}?", "answer": "$\\pi$"} for each in numbers)
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XREASON_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@real
def test_polymath_is_read_whole_and_its_broken_questions_are_those_that_it_lists() -> None:
    broken = set()
    for code in SUITES["polymath"].languages:
        rows = SUITES["polymath"].rows(code)
        assert [row["id"] for row in rows[:5]] == [
            f"{level}-{code}-{n}" for n, level in ((0, "low"), (0, "medium"), (0, "high"), (0, "top"), (1, "low"))
        ]
        assert tuple(row["weight"] for row in rows) == SUITES["polymath"].weights
        for row in rows:
            assert row["instruction"] == row["published"] == f"{row['question']}\n{polymath.NOTES[code]}"
            if text_problem(row["question"], "question"):
                broken.add(row["id"])
    assert broken == polymath.POLYMATH.broken


@real
def test_mmath_is_read_whole_in_one_order_in_all_languages() -> None:
    golds = {tuple((row["id"], row["answer"]) for row in SUITES["mmath"].rows(code)) for code in SUITES["mmath"].languages}
    assert len(golds) == 1
    for code in SUITES["mmath"].languages:
        assert tuple(row["weight"] for row in SUITES["mmath"].rows(code)) == SUITES["mmath"].weights


def test_levels_are_asked_by_turns_and_a_level_that_is_not_there_is_named(folder: Path) -> None:
    for level, count in (("low", 2), ("medium", 2), ("high", 1), ("top", 2)):
        write(folder / "polymath" / "sw" / f"{level}.jsonl", of_level(level, range(count)))
    rows = data.rows("polymath", "sw")
    assert [row["question"] for row in rows] == ["low 0?", "medium 0?", "high 0?", "top 0?", "low 1?", "medium 1?", "top 1?"]
    assert data.where("polymath", "sw") == "polymath/sw/{low,medium,high,top}.jsonl"
    (folder / "polymath" / "sw" / "high.jsonl").unlink()
    with pytest.raises(UserError, match=r"polymath/sw/high.jsonl does not exist, and Qwen/PolyMath could not be had"):
        data.rows("polymath", "sw")


def test_a_set_that_is_not_whole_is_not_scored_as_one(folder: Path) -> None:
    from xreason.harness.scoring.questions import scorings

    for level, count in (("low", 2), ("medium", 2), ("high", 1), ("top", 2)):
        write(folder / "polymath" / "te" / f"{level}.jsonl", of_level(level, range(count), "te"))
    with pytest.raises(UserError, match=r"is not all of PolyMath in te"):
        scorings(["polymath"], ["te"])[0].identity()


def test_a_gold_of_latex_is_text_and_a_source_is_known(folder: Path) -> None:
    row: dict[str, Any] = {
        "question": "How many?",
        "answer": 18,
        "data_source": "CNMO",
        "data_source_id": 0,
        "lang": "fr",
        "gid": 3,
    }
    for change, says in (
        ({}, "the answer 18 is no text"),
        ({"answer": "$2$", "data_source": "AMC"}, "data_source 'AMC' is none of"),
    ):
        write(folder / "mmath" / "fr.json", json.dumps([row | change]))
        with pytest.raises(UserError, match=f"fr.json, row 1: .*{says}"):
            data.rows("mmath", "fr")


def test_dw_acc_is_that_of_its_authors() -> None:
    # by hand: right are 100 of low, 50 of medium, 25 of high, 10 of top, each of 125
    rights = {"low": 100, "medium": 50, "high": 25, "top": 10}
    bits = ["1" if number < rights[level] else "0" for number in range(125) for level in rights]
    theirs = sum(2**place * rights[level] / 125 for place, level in enumerate(rights)) / 15
    assert theirs == pytest.approx((0.8 + 2 * 0.4 + 4 * 0.2 + 8 * 0.08) / 15)
    answered = Answered([{"en": "".join(bits)}], weights=polymath.WEIGHTS).over(["en"])
    assert float(answered.value) == pytest.approx(theirs, abs=1e-12)
    assert weighted_mean([(float(bit), weight) for bit, weight in zip(bits, polymath.WEIGHTS, strict=True)]) == pytest.approx(
        theirs
    )


def test_mmath_is_the_plain_mean_over_its_four_sources() -> None:
    # by hand: 3 of 30, 6 of 15, 9 of 18, 311 of 311
    rights = {"AIME2024": 3, "AIME2025": 6, "CNMO": 9, "MATH500": 311}
    bits = "".join("1" * right + "0" * (mmath.SOURCES[source] - right) for source, right in rights.items())
    theirs = (0.1 + 0.5 + 0.4 + 1.0) / 4
    assert float(Answered([{"en": bits}], weights=mmath.WEIGHTS).over(["en"]).value) == pytest.approx(theirs, abs=1e-12)
    assert weighted_mean([(float(bit), weight) for bit, weight in zip(bits, mmath.WEIGHTS, strict=True)]) == pytest.approx(theirs)


def test_prompts_are_the_authors_to_the_byte() -> None:
    # QwenLM/PolyMath instruction.py (fbf4e41), where a backslash stands before each brace; RUCAIBox/MMATH mmath_eval.py (8796b04)
    assert polymath.NOTES["sw"] == "Kumbuka: Tafadhali weka jibu la mwisho katika $\\boxed\\{\\}$."
    assert set(polymath.NOTES) == set(SUITES["polymath"].languages)
    assert mmath.REQUESTS["th"] == "กรุณาเหตุผลขั้นตอนต่อขั้นตอนและใส่คำตอบสุดท้ายของคุณใน \\boxed{}."
    assert set(mmath.REQUESTS) == set(SUITES["mmath"].languages)
    # of all their languages, as their files have them
    texts = [
        hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16] for said in (polymath.NOTES, mmath.REQUESTS)
    ]
    assert texts == ["6f96c0a13ba9db3b", "1d5e5225355d481d"]
    row = mmath.MMATH.make(["Wie viele?", "7", 1, "CNMO"], "fr")
    assert row is not None
    asked = "Wie viele?\nVeuillez raisonner étape par étape et mettre votre réponse finale dans \\boxed{}."
    assert prompt({"style": "published-chat", "language_name": "French", **row}) == asked
    assert f"### Instruction:\n{asked}\n\n### Response:" in prompt({"style": "alpaca", "language_name": "French", **row})
