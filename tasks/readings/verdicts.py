"""What the readings make of the responses to one question; the one place where a response is counted as right or wrong.

`paper` counts as the papers do (paper.py), `strict` as a careful reader (strict.py). Of several samples, each also has a majority.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from xreason.tasks.prompts import STYLES
from xreason.tasks.readings.numbers import ARITHMETIC
from xreason.tasks.readings.paper import paper_reading
from xreason.tasks.readings.strict import strict_reading

_TOLERANCE = Decimal("0.001")  # the least difference to the gold at which a reading is wrong (MathOctopus)


@dataclass(frozen=True)
class Verdicts:
    """What the readings make of the samples of one question.

    Of each sample: whether the papers count it as right, whether a careful reader does, and whether the strict reading finds an
    answer in it at all. Of all: whether the papers' reading that most samples share is right (of several such, the one that was
    read first), and the same of the strict reading, where a sample without an answer has no vote.
    """

    paper: tuple[bool, ...]
    strict: tuple[bool, ...]
    answered: tuple[bool, ...]
    majority_paper: bool
    majority_strict: bool


def verdicts(texts: Sequence[str], gold: str, language: str) -> Verdicts:
    """Returns the verdicts on one question's samples, at least one.

    As in the papers, a reading must differ from the gold by less than 1e-3, so 0.333 is right for a third. A response without a
    number reads as 0.0 to the papers, so it is right for a gold of 0; to a careful reader it is never right, and neither is
    anything for a gold without a number. Read is the `answer_part` of each sample; the gold is as MGSM and MSVAMP publish it, in
    English style ("2,125", "8.0"); the language is the responses', by any code that CLDR knows.

    Raises:
        ValueError: CLDR knows no language of that code.
    """
    paper, paper_gold = [paper_reading(text) for text in texts], paper_reading(gold)
    strict, strict_gold = [strict_reading(text, language) for text in texts], strict_reading(gold, "en")

    def paper_right(reading: float) -> bool:
        return abs(reading - paper_gold) < float(_TOLERANCE)

    def strict_right(reading: Decimal | None) -> bool:
        return reading is not None and strict_gold is not None and abs(ARITHMETIC.subtract(reading, strict_gold)) < _TOLERANCE

    votes = Counter(reading for reading in strict if reading is not None)
    return Verdicts(
        paper=tuple(map(paper_right, paper)),
        strict=tuple(map(strict_right, strict)),
        answered=tuple(reading is not None for reading in strict),
        majority_paper=paper_right(Counter(paper).most_common(1)[0][0]),
        majority_strict=strict_right(votes.most_common(1)[0][0] if votes else None),
    )


def answer_part(response: str, document: Mapping[str, str]) -> str:
    """Returns the part of a response that is read for an answer.

    In a few-shot style that is what stands before the next question that the model invents; under a chat template what stands after
    the last thinking section, and nothing where it was still thinking when it ended.
    """
    style = STYLES[document["style"]]
    if style.chat:
        return response.rpartition("</think>")[2].partition("<think>")[0]
    for stop in style.stops(document["language"]):
        response = response.partition(stop)[0]
    return response
