"""Which questions of MSVAMP vary the same problem."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from xreason.tasks.msvamp.families import FAMILIES, SIZES, sizes_of
from xreason.tasks.suites import SUITES

REAL = os.environ.get("XREASON_DATA")

JULIA = [
    "Julia played tag with 18 kids on Monday.",
    "Julia played tag with 4 kids on Tuesday.",
    "On Monday she played with 3 kids.",
]
PEACHES = ["17 red peaches are in the basket.", "5 green peaches are in the basket.", "How many peaches are in the basket?"]


def test_questions_that_share_their_words_with_one_before_are_a_family() -> None:
    assert sizes_of([*JULIA, *PEACHES]) == (3, 3)
    assert sizes_of(["Julia played tag.", "A red peach.", "An old house.", "Some green cars.", "Julia played tag."]) == (1,) * 5


def test_only_msvamp_has_families_one_for_each_question() -> None:
    assert {name: len(suite.families) for name, suite in SUITES.items() if suite.families} == {"msvamp": 1000}
    assert len(SIZES) == 99
    assert tuple(Counter(FAMILIES).values()) == SIZES


@pytest.mark.skipif(REAL is None, reason="XREASON_DATA names no folder with the real sets")
def test_the_families_are_what_the_rule_finds_in_the_real_set() -> None:
    text = (Path(str(REAL)) / "msvamp" / "en.jsonl").read_text(encoding="utf-8")
    assert sizes_of([json.loads(line)["m_query"] for line in text.splitlines()]) == SIZES
