"""Scores of answers that are no numbers: what is stored of them, and when they are read again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from xreason.harness.scoring.verdicts import language_score, read_scores, write_verdicts
from xreason.tasks.suites import SUITES


def sample(number: int, gold: str, *responses: str, **said: object) -> dict[str, object]:
    document = {"question": "?", "answer": gold, "language": "en", "style": "alpaca", **said}
    return {"doc_id": number, "doc": document, "resps": [list(responses)]}


def test_scores_of_expressions_have_no_metamath_and_are_read_again_by_another_math_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = replace(SUITES["pocket"], kind="expression")
    samples = [
        sample(0, r"$\frac{1}{2}$", r"\boxed{0.5}", "It is 3.", kind="expression"),
        sample(1, "7", "7", "8", kind="expression"),
    ]
    score = language_score(samples, None)
    assert (score.paper, score.strict, score.metamath, score.majority_metamath) == (("11", "00"), ("11", "00"), None, None)
    lines = "".join(json.dumps(each) + "\n" for each in samples)
    (tmp_path / "samples_pocket_en_2026.jsonl").write_text(lines, encoding="utf-8")
    write_verdicts(tmp_path, suite, {"en": score.model_copy(update={"strict": ("00", "00")})})
    assert read_scores(tmp_path, suite)["en"].strict == ("00", "00")  # as stored
    monkeypatch.setattr("xreason.harness.scoring.verdicts.judges", lambda _: {"math-verify": "99"})
    assert read_scores(tmp_path, suite)["en"] == score


def test_scores_of_choices_have_no_metamath() -> None:
    said = {"kind": "choice", "choices": ["red", "blue"]}
    score = language_score([sample(0, "B", "The answer is (B).", **said), sample(1, "A", "So it is blue.", **said)], None)
    assert (score.paper, score.strict, score.answered, score.metamath) == (("10",), ("10",), ("11",), None)
