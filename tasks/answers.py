r"""Reads the final answer out of a response, and says whether it is right.

The reading `paper` is what MathOctopus, QAlign and SLAM count with (arXiv 2310.20246, 2401.07817, 2501.03681): the last number of
the response against the gold, within 1e-3.

    >>> paper_reading("She has 1,234 + 5 = 1,239 eggs. The answer is 1,239.")
    1239.0

lm-eval loads this file by its path (`process_results: !function answers.score`), so it imports nothing of ours.
"""

import re
from collections.abc import Mapping, Sequence

#: The largest difference to the gold, itself excluded, at which a reading is right (MathOctopus).
TOLERANCE = 1e-3

_COMMA_BETWEEN_DIGITS = re.compile(r"(\d),(\d)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def paper_reading(text: str) -> float:
    """Returns the last number in `text` as the papers read it; 0.0 where there is none.

    First, in one left-to-right pass, every digit-comma-digit loses its comma; then a number is a run of digits, optionally one dot
    and more digits. Digits are Unicode decimal digits. What follows from that rule is kept, because published scores rest on it:
    no sign is read ("-5" reads as 5), "1,2,3" reads as 3, "1.234,5" as 1.2345, "1e5" as 5, and no number at all as 0.0.
    A number too large for a float reads as infinity.
    """
    numbers = _NUMBER.findall(_COMMA_BETWEEN_DIGITS.sub(r"\1\2", text))
    return float(numbers[-1]) if numbers else 0.0


def paper_correct(text: str, gold: str) -> bool:
    """Returns whether the papers count the response `text` as right; `gold` is read by the same rule ("2,125" is 2125)."""
    return abs(paper_reading(text) - paper_reading(gold)) < TOLERANCE


def score(document: Mapping[str, str], responses: Sequence[str]) -> dict[str, float]:
    """Returns lm-eval's metrics of one question: `paper`, 1.0 for a right response and 0.0 for a wrong one."""
    return {"paper": float(paper_correct(responses[0], document["answer"]))}
