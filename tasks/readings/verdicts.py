"""What the readings make of the responses to one question; the one place where a response is counted as right or wrong.

`paper` counts as the papers do (paper.py), `strict` as a careful reader (strict.py), `metamath` as MetaMath's own script does
(metamath.py). Of several samples, each also has a majority.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from xreason.tasks.prompts import STYLES
from xreason.tasks.readings.metamath import metamath_reading
from xreason.tasks.readings.numbers import ARITHMETIC
from xreason.tasks.readings.paper import paper_reading
from xreason.tasks.readings.strict import strict_reading

_Reading = TypeVar("_Reading", int, Decimal)
_TOLERANCE = Decimal("0.001")  # the least difference to the gold at which a reading is wrong (MathOctopus)


@dataclass(frozen=True)
class Verdicts:
    """What the readings make of the samples of one question.

    Of each sample: whether the papers count it as right, whether a careful reader does, whether the strict reading finds an answer
    in it at all, and whether MetaMath counts it as right. Of all: whether the papers' reading that most samples share is right (of
    several such, the one that was read first), and the same of the two others, where a sample without an answer has no vote.
    """

    paper: tuple[bool, ...]
    strict: tuple[bool, ...]
    answered: tuple[bool, ...]
    metamath: tuple[bool, ...]
    majority_paper: bool
    majority_strict: bool
    majority_metamath: bool


def verdicts(texts: Sequence[str], gold: str, language: str) -> Verdicts:
    """Returns the verdicts on one question's samples, at least one.

    As in the papers, a reading must differ from the gold by less than 1e-3, so 0.333 is right for a third. A response without a
    number reads as 0.0 to the papers, so it is right for a gold of 0; to a careful reader it is never right, and neither is
    anything for a gold without a number. MetaMath's reading, a whole number, must be the gold itself. Read is the `answer_part` of
    each sample; the gold is as MGSM and MSVAMP publish it, in English style ("2,125", "8.0"); the language is the responses', by
    any code that CLDR knows.

    Raises:
        ValueError: CLDR knows no language of that code.
    """
    paper, paper_gold = [paper_reading(text) for text in texts], paper_reading(gold)
    strict, strict_gold = [strict_reading(text, language) for text in texts], strict_reading(gold, "en")
    metamath = [metamath_reading(text) for text in texts]

    def paper_right(reading: float) -> bool:
        return abs(reading - paper_gold) < float(_TOLERANCE)

    def strict_right(reading: Decimal | None) -> bool:
        return reading is not None and strict_gold is not None and abs(ARITHMETIC.subtract(reading, strict_gold)) < _TOLERANCE

    def metamath_right(reading: int | None) -> bool:
        return reading is not None and strict_gold is not None and float(reading) == float(strict_gold)

    return Verdicts(
        paper=tuple(map(paper_right, paper)),
        strict=tuple(map(strict_right, strict)),
        answered=tuple(reading is not None for reading in strict),
        metamath=tuple(map(metamath_right, metamath)),
        majority_paper=paper_right(Counter(paper).most_common(1)[0][0]),
        majority_strict=strict_right(_majority(strict)),
        majority_metamath=metamath_right(_majority(metamath)),
    )


def _majority(readings: Iterable[_Reading | None]) -> _Reading | None:
    votes = Counter(reading for reading in readings if reading is not None)
    return votes.most_common(1)[0][0] if votes else None


def answer_part(response: str, document: Mapping[str, str]) -> str:
    """Returns the part of a response that is read for an answer.

    In a style that ends responses at certain texts that is what stands before the first of them, such as the next question that the
    model invents; under a chat template what stands after
    the last thinking section, and nothing where it was still thinking when it ended.
    """
    style = STYLES[document["style"]]
    if style.chat:
        return response.rpartition("</think>")[2].partition("<think>")[0]
    for stop in style.stops(document["language"]):
        response = response.partition(stop)[0]
    return response
