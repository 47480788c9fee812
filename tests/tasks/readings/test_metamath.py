"""MetaMath's reading, against its rule written a second time, letter by letter."""

import random
import unicodedata
from fractions import Fraction

import pytest

from xreason.tasks.readings.metamath import metamath_reading
from xreason.tasks.readings.verdicts import verdicts


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("#### 18\nThe answer is: 18", 18),
        ("The answer is: 3. The answer is: 4", 4),  # the last one
        ("The answer is: $18.00 a day, in 3 days", 18),  # its first number
        ("The answer is 18", None),  # no colon
        ("the answer is: 18", None),
        ("The answer is:18", None),
        ("The answer is: eighteen", None),
        ("18", None),
        ("", None),
        ("The answer is: 2,125", 2125),
        ("The answer is: 1,234,567", 1234),  # a number has one mark
        ("The answer is: 1.234,5", 1),
        ("The answer is: -5", -5),
        ("The answer is: +5", 5),
        ("The answer is: .7", 1),
        ("The answer is: ,7", 7),
        ("The answer is: 2.5", 2),  # a half goes to the even number
        ("The answer is: 3.5", 4),
        ("The answer is: 7/2", 4),
        ("The answer is: -1/2", 0),
        ("The answer is: 7/0", 7),
        ("The answer is: 7/00", None),  # where its script stops with an error
        ("The answer is: /2", None),
        ("The answer is: ๔๒", 42),
        ("The answer is: " + "9" * 400, None),
        ("The answer is: -" + "9" * 400, None),
        ("The answer is: " + "9" * 5000 + "/7", None),
    ],
)
def test_the_number_behind_the_last_phrase_is_read_as_metamath_reads_it(text: str, reading: int | None) -> None:
    assert metamath_reading(text) == reading


def test_no_phrase_is_never_right_and_a_fraction_neither() -> None:
    assert verdicts(["It is 0."], "0", "en").metamath == (False,)
    assert verdicts(["The answer is: 8.4"], "8.0", "de").metamath == (True,)
    assert verdicts(["The answer is: 2,125 eggs"], "2,125", "de").metamath == (True,)
    assert verdicts(["The answer is: 2.5"], "2.5", "en").metamath == (False,)
    assert verdicts(["The answer is: -3"], "3", "en").metamath == (False,)


def test_a_response_without_the_phrase_has_no_vote() -> None:
    read = verdicts(["no", "no", "The answer is: 4", "The answer is: 3", "The answer is: 3"], "3", "en")
    assert (read.metamath, read.majority_metamath) == ((False, False, False, True, True), True)
    assert not verdicts(["no", "no"], "0", "en").majority_metamath


def literal_reading(text: str) -> int | None:
    """The rule as MetaMath's eval_gsm8k.py has it, without a regular expression."""
    pieces = text.split("The answer is: ")
    if len(pieces) == 1:
        return None
    said = pieces[-1].strip()

    def digits(start: int) -> int:
        end = start
        while end < len(said) and unicodedata.category(said[end]) == "Nd":
            end += 1
        return end

    for start, character in enumerate(said):
        first = start + 1 if character in "+-" else start
        end = digits(first)
        if end < len(said) and said[end] in ".,/" and digits(end + 1) > end + 1:
            end = digits(end + 1)
        elif end == first:
            continue
        number = said[start:end].replace(",", "")
        break
    else:
        return None
    try:
        if "/" not in number:
            return round(float(number))
        top, under = number.split("/")
        return round(float(top)) if under == "0" else round(float(Fraction(int(top), int(under))))
    except (ValueError, OverflowError, ZeroDivisionError):
        return None


ALPHABET = "0123456789012345,,.../+-- e%$#\n\t\x00\u00a0\u202f\ud800٣৪๗３²½π😀答:TheT "
PHRASE = "The answer is: "


@pytest.mark.timeout(60)
def test_reading_equals_the_rule_written_literally_on_two_hundred_thousand_strings() -> None:
    generator, read = random.Random(0), 0
    for number in range(200_000):
        length = 20_000 if number % 50_000 == 0 else number % 14
        before, behind = ("".join(generator.choices(ALPHABET, k=length)) for _ in range(2))
        phrase = (
            PHRASE if number % 10 else generator.choice(["", PHRASE * 2, PHRASE.lower(), PHRASE.rstrip(), PHRASE + "no " + PHRASE])
        )
        text = before + phrase + behind
        reading = metamath_reading(text)
        read += reading is not None
        assert reading == literal_reading(text), repr(text)
    assert read > 100_000


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", ["1", "1,", "1/", "+", ".", " ", "The answer is: ", "T"])
def test_a_megabyte_of_anything_is_read(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    metamath_reading(text)
    metamath_reading(PHRASE + text)
    assert metamath_reading(text + PHRASE + "18") == 18
