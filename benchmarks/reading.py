"""What reading answers costs: responses a second, and seconds for responses that are a megabyte of something unkind.

    python -m benchmarks.reading           # one core, no data needed

Prints JSON: responses of 300 characters that both readings read in a second, and for each kind of megabyte the seconds of each
reading and how much longer two megabytes take.
"""

import json
import timeit
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import report
from xreason.tasks.languages import IN_BOX
from xreason.tasks.readings.paper import paper_reading
from xreason.tasks.readings.strict import strict_reading

LENGTH = 300
MEGABYTE = 1_000_000
REPETITIONS = 5
# as responses end in the eleven languages, two in English style; a quarter of them declares no answer
ENDINGS: list[tuple[str, str]] = json.loads((Path(__file__).parent / "endings.json").read_text(encoding="utf-8"))
# what a megabyte is made of, over and over: digits, groups, fractions, boxes, declarations, times, ordinals, one-letter markers
UNKIND = (
    "1",
    "1,",
    "1.",
    "1,111",
    "1/",
    " ",
    "(",
    "-",
    "\\boxed{",
    "\\frac{1",
    "the answer is ",
    "10:30 ",
    "3rd ",
    "答",
    "54 dollars in 3 days ",
)


def main() -> None:
    """Reads them all, and prints what it took."""
    assert {language for language, _ in ENDINGS} == set(IN_BOX)  # noqa: S101
    mix = [(((text + " ") * (LENGTH // len(text) + 1))[-LENGTH:], language) for language, text in ENDINGS] * 500
    both = _seconds(lambda: [(paper_reading(text), strict_reading(text, language)) for text, language in mix])
    report(responses_per_second=round(len(mix) / both), megabytes={unit: _unkind(unit) for unit in UNKIND})


def _unkind(unit: str) -> dict[str, float]:
    one, two = (unit * (megabytes * MEGABYTE // len(unit)) for megabytes in (1, 2))
    paper, paper_two = (_seconds(lambda text=text: paper_reading(text)) for text in (one, two))
    # the number at the end keeps the strict reading from stopping at once, where the unit has none; German reads the whole
    # response, for evidence of English style
    strict, strict_two = (_seconds(lambda text=text: strict_reading(text + " 18", "de")) for text in (one, two))
    seconds = {"paper_seconds": round(paper, 4), "strict_seconds": round(strict, 4)}
    return seconds | {"paper_twice_over_once": round(paper_two / paper, 2), "strict_twice_over_once": round(strict_two / strict, 2)}


def _seconds(read: Callable[[], object]) -> float:
    """Returns the seconds of the fastest of some repetitions; the first, which may compile patterns, is left out."""
    return min(timeit.repeat(read, number=1, repeat=REPETITIONS + 1)[1:])


if __name__ == "__main__":
    main()
