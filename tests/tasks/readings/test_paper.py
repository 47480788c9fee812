"""The papers' reading, against its rule written a second time, letter by letter."""

import random
import unicodedata

import pytest

from xreason.tasks.readings.paper import paper_reading
from xreason.tasks.readings.verdicts import verdicts


def paper_correct(text: str, gold: str) -> bool:
    return verdicts([text], gold, "en").paper == (True,)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("The answer is 18.", 18.0),
        ("2,125", 2125.0),
        ("1,234,567", 1234567.0),
        ("1,2,3", 3.0),  # "12,3" after the one pass: the last number is 3
        ("-5", 5.0),  # no sign is read
        ("1.234,5", 1.2345),
        ("1e5", 5.0),
        ("3.", 3.0),
        (".5", 5.0),
        ("1.2.3", 3.0),
        ("উত্তর হল ১২।", 12.0),
        ("คำตอบคือ ๔๒", 42.0),
        ("答案是３", 3.0),
        ("x²", 0.0),  # a superscript is no decimal digit
        ("eighteen", 0.0),
        ("", 0.0),
        ("9" * 400, float("inf")),
    ],
)
def test_the_last_number_is_read_as_the_papers_read_it(text: str, reading: float) -> None:
    assert paper_reading(text) == reading


def test_a_gold_of_zero_is_right_for_an_empty_answer_as_in_the_papers() -> None:
    assert paper_correct("", "0")


def test_the_gold_is_read_by_the_same_rule() -> None:
    assert paper_correct("That makes 2125 eggs.", "2,125")
    assert paper_correct("8", "8.0")
    assert not paper_correct("8.0011", "8.0")
    assert paper_correct("8.0009", "8.0")


def test_a_number_too_large_for_a_float_is_never_right() -> None:
    assert not paper_correct("9" * 400, "9" * 400)


def literal_reading(text: str) -> float:
    """The rule as reference/methods.md words it, without a regular expression."""

    def digit(character: str) -> bool:
        return unicodedata.category(character) == "Nd"

    kept, position = [], 0
    while position < len(text):
        if (
            text[position + 1 : position + 2] == ","
            and digit(text[position])
            and position + 2 < len(text)
            and digit(text[position + 2])
        ):
            kept += [text[position], text[position + 2]]
            position += 3
        else:
            kept.append(text[position])
            position += 1
    last, position = "", 0
    while position < len(kept):
        if not digit(kept[position]):
            position += 1
            continue
        end = position
        while end < len(kept) and digit(kept[end]):
            end += 1
        if end + 1 < len(kept) and kept[end] == "." and digit(kept[end + 1]):
            end += 1
            while end < len(kept) and digit(kept[end]):
                end += 1
        last, position = "".join(kept[position:end]), end
    return float(last) if last else 0.0


ALPHABET = "0123456789012345,,,,....--+ e%$#\n\t\x00\u00a0\u202f\u200b\ud800\udfff٣৪๗３౮²½⑦π😀答"
GOLDS = {"0": 0.0, "3": 3.0, "12": 12.0, "8.0": 8.0, "2,125": 2125.0}


@pytest.mark.timeout(180)
def test_reading_and_verdict_equal_the_rule_written_literally_on_a_million_strings() -> None:
    generator = random.Random(0)
    golds = list(GOLDS.items())
    for number in range(1_000_000):
        length = 20_000 if number % 100_000 == 0 else number % 12
        text = "".join(generator.choices(ALPHABET, k=length))
        expected = literal_reading(text)
        assert paper_reading(text) == expected, repr(text)
        gold, value = golds[number % len(golds)]
        if number % 100 == 0:
            assert paper_correct(text, gold) == (abs(expected - value) < 1e-3), (text, gold)


@pytest.mark.parametrize("unit", ["1", "1,", "1,2,", "1.", "1.2,", "12,3", "1,234,", "0.", ",", ".", "1,,", "1. ", "٣,"])
def test_long_repetitions_are_read_by_the_rule(unit: str) -> None:
    for length in (0, 1, 2, 3, 4, 5, 20_000, 20_001):
        for text in (unit * length, "7," + unit * length, unit * length + ".5"):
            assert paper_reading(text) == literal_reading(text), repr(text[:40])
