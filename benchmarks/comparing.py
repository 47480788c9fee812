"""What comparing expressions takes: 10,000 comparisons in one batch beside math_verify asked in turn, and hostile ones.

    XREASON_DATA=../shared/data python -m benchmarks.comparing

Prints JSON. The comparisons are those of one evaluation of PolyMath and MMATH in all their languages: of each question the gold
answer with a right or a wrong one, by turns. `times_in_turn` is how many times longer math_verify takes for as many, asked in this
process one after the other, measured on some of them; `hostile` the longest that a hostile answer took, in seconds of the clock.
"""

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import report
from xreason.tasks.readings.expression import TIME_LIMIT, all_equal, equal

COMPARISONS, IN_TURN = 10_000, 100
HOSTILE = (
    "{" * 1_900 + "1" + "}" * 1_900,
    "1e9!",
    "9^{9^{9^9}}",
    r"\begin{pmatrix}" + r"x & y \\" * 50 + r"\end{pmatrix}^{99}",
    "{" * 999,
)


def main() -> None:
    """Compares, and prints what it took."""
    from math_verify import parse, verify

    golds = _golds(Path(os.environ["XREASON_DATA"]))
    chance = random.Random(0)
    pairs = [(gold, (gold if number % 2 else chance.choice(golds)).replace("$", "")) for number, gold in enumerate(golds)]
    pairs = chance.sample(pairs, COMPARISONS)
    equal("$0.5$", r"\frac{1}{2}")  # whose process has loaded
    batch = _seconds(lambda: all_equal(pairs))
    turn = _seconds(lambda: [verify(parse(f"${gold.replace('$', '')}$"), parse(f"${answer}$")) for gold, answer in pairs[:IN_TURN]])
    report(
        comparisons=COMPARISONS,
        different=len(set(pairs)),
        seconds=round(batch, 1),
        again=round(_seconds(lambda: all_equal(pairs)), 2),
        times_in_turn=round(turn * COMPARISONS / IN_TURN / batch, 1),
        hostile=round(max(_seconds(lambda each=each: equal("18", each)) for each in HOSTILE), 2),
        limit=TIME_LIMIT,
    )


def _golds(data: Path) -> list[str]:
    found = []
    for path in sorted(data.glob("polymath/*/*.jsonl")):
        found += [json.loads(line)["answer"] for line in path.read_text(encoding="utf-8").splitlines()]
    for path in sorted(data.glob("mmath/*.json")):
        found += [str(row["answer"]) for row in json.loads(path.read_text(encoding="utf-8"))]
    return found


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
