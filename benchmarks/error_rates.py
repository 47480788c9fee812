"""How often a board errs: its own tests and intervals on simulated comparisons whose truth is known.

    python -m benchmarks.error_rates                2,000 boards a cell: the table of docs/statistics.md, written into it, and JSON
    python -m benchmarks.error_rates --boards 100   a look in about a minute; writes nothing

An answer is right where a sum of normal luck is above a threshold: the question's (40 % of the variance), the method's with that
question (10 %), the language's with it (20 %), and the run's own (30 %). Of the first two, a share is common to a family of
questions. The luck of a training shifts all its answers. "MSVAMP" has its 1,000 questions and their families, "MGSM" 250 questions;
both have ten languages.
"""

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri
from scipy.stats import binom, binomtest, ttest_ind, ttest_rel

from benchmarks.report import report
from xreason.leaderboards.statistics.answers import Answered, Answers, Counts
from xreason.leaderboards.statistics.families import holm, together
from xreason.leaderboards.statistics.intervals import differences, mean_interval, mid_p, pooled_luck
from xreason.tasks.msvamp.families import FAMILIES

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
BEGIN, END = "<!-- error rates -->", "<!-- /error rates -->"
LANGUAGES = 10
QUESTION, METHOD, LANGUAGE = 0.4, 0.1, 0.2
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """What a comparison is of."""

    suite: str
    accuracies: tuple[float, ...]  #: of each method, over all trainings and questions
    luck: tuple[float, ...]  #: of each method, the standard deviation of its trainings' accuracy, in points
    seeds: int = 3
    share: float = 0.0  #: of the variance between questions, what families have in common

    @property
    def families(self) -> tuple[int, ...] | None:
        """The family of each question, None where none vary the same problem."""
        return FAMILIES if self.suite == "MSVAMP" else None

    def drawn(self, generator: np.random.Generator) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
        """Returns the answers, `[methods, seeds, languages, questions]`, and each training's own accuracy, `[methods, seeds]`."""
        methods, questions = len(self.accuracies), 1000 if self.families else 250
        middle = ndtri(np.array(self.accuracies))
        # a shift of the threshold moves accuracy by the density there
        unit = np.array(self.luck) / 100 * np.sqrt(2 * np.pi) * np.exp(middle**2 / 2)
        # luck spreads the sum, which would draw accuracies to the middle
        shifts = middle * np.sqrt(1 + unit**2)
        shifts = shifts[:, None] + unit[:, None] * generator.standard_normal((methods, self.seeds))

        def luck(variance: float, *shape: int) -> Floats:
            own = generator.standard_normal((*shape, questions), dtype=np.float32) * np.float32(
                np.sqrt(variance * (1 - self.share))
            )
            if not self.share or self.families is None:
                return own
            common = generator.standard_normal((*shape, max(self.families) + 1), dtype=np.float32)
            return own + common[..., np.array(self.families)] * np.float32(np.sqrt(variance * self.share))

        run = (methods, self.seeds, LANGUAGES, questions)
        total = luck(QUESTION) + luck(METHOD, methods)[:, None, None, :]
        total = total + np.float32(np.sqrt(LANGUAGE)) * generator.standard_normal((LANGUAGES, questions), dtype=np.float32)
        total = total + np.float32(np.sqrt(1 - QUESTION - METHOD - LANGUAGE)) * generator.standard_normal(run, dtype=np.float32)
        return total > -shifts[:, :, None, None].astype(np.float32), ndtr(shifts)

    def answered(self, runs: npt.NDArray[np.bool_], *, trained: bool = True) -> Answered:
        """Returns one method's runs, `[seeds, languages, questions]`, as the board takes them."""
        counted = [{str(code): Counts(right, 1) for code, right in enumerate(run)} for run in runs]  # type: ignore[arg-type]
        return Answered(counted, families=self.families, trained=trained)


MEAN = [str(code) for code in range(LANGUAGES)]


def type_one(world: World, boards: int, generator: np.random.Generator) -> dict[str, float]:
    """Two equal methods, and one equal to the model that both started from: the share of boards that tell them apart."""
    found: dict[str, list[bool]] = {"pair": [], "gain": [], "one seed, of methods": [], "one seed, of trainings": []}
    # the third is the model that both started from
    given = replace(world, accuracies=(*world.accuracies, world.accuracies[0]), luck=(*world.luck, 0.0))
    for _ in range(boards):
        right, own = given.drawn(generator)
        two = [world.answered(runs).over(MEAN) for runs in right[:2]]
        base = world.answered(right[2][:1], trained=False).over(MEAN)
        (pair,), (gain,) = (differences([each], pooled_luck(two)) for each in ((two[0], two[1]), (two[0], base)))
        first, second = (replace(each, means=each.means[:1], residuals=each.residuals[:1]) for each in two)
        (single,) = differences([(first, second)], pooled_luck([first, second]))
        found["pair"].append(pair.marked)
        found["gain"].append(gain.marked)
        found["one seed, of methods"].append(single.marked)
        found["one seed, of trainings"].append(not single.low <= own[0, 0] - own[1, 0] <= single.high)
    return _shares(found)


def coverage(world: World, boards: int, generator: np.random.Generator) -> dict[str, float]:
    """The share of intervals that hold the truth: of one training its own accuracy, of a method that over all trainings."""
    found: dict[str, list[bool]] = {"mean, one run": [], "language, one run": [], "mean, 3 seeds": [], "language, 3 seeds": []}
    for _ in range(boards):
        right, own = world.drawn(generator)
        one, methods = world.answered(right[0][:1]), [world.answered(runs) for runs in right]
        for name, codes in (("mean", [MEAN]), ("language", [[code] for code in MEAN[:2]])):
            for each in codes:
                of_all = [method.over(each) for method in methods]
                said = {"one run": mean_interval(one.over(each)), "3 seeds": mean_interval(of_all[0], pooled_luck(of_all))}
                truth = {"one run": own[0, 0], "3 seeds": world.accuracies[0]}
                for runs, interval in said.items():
                    found[f"{name}, {runs}"].append(bool(interval.low <= truth[runs] <= interval.high))
    return _shares(found)


def many(world: World, boards: int, generator: np.random.Generator) -> dict[str, float]:
    """Five methods, the first of which may be better: boards with a false claim, and its pairs that are found different."""
    found: dict[str, list[bool]] = {"family-wise error": [], "found": [], "found, Bonferroni t": [], "found, t of seeds": []}
    better = world.accuracies[0] > world.accuracies[1]
    for _ in range(boards):
        right, _ = world.drawn(generator)
        methods = [world.answered(runs).over(MEAN) for runs in right]
        pairs = list(combinations(methods, 2))
        told = together(differences(pairs, pooled_luck(methods)))
        # the first method's pairs come first
        others = len(methods) - 1
        found["family-wise error"].append(any(each.marked for each in (told[others:] if better else told)))
        for each, (one, other) in zip(told[:others], pairs[:others], strict=True):
            found["found"].append(each.marked)
            found["found, Bonferroni t"].append(_t(one, other) * len(pairs) <= 0.05)
            found["found, t of seeds"].append(
                bool(ttest_ind(*([float(mean) for mean in each.means] for each in (one, other))).pvalue * len(pairs) <= 0.05)
            )
    return _shares(found)


def _t(one: Answers, other: Answers) -> float:
    """The p-value of two methods alone, of no help to each other's few seeds."""
    return differences([(one, other)], pooled_luck([one, other]))[0].p


def _shares(found: dict[str, list[bool]]) -> dict[str, float]:
    return {name: round(100 * float(np.mean(each)), 2) for name, each in found.items()}


def against_scipy(tables: int, generator: np.random.Generator) -> dict[str, float]:
    """The largest difference of p-values from scipy's and statsmodels', over random tables."""
    from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

    # statsmodels collects garbage in every call: what is there already is none
    gc.freeze()
    apart: dict[str, list[float]] = {"mid-p McNemar": [], "t": [], "Holm": []}
    for _ in range(tables):
        more, less = (int(each) for each in generator.integers(0, 120, 2))
        exact = binomtest(more, more + less).pvalue - binom.pmf(more, more + less, 0.5) if more != less else 1.0
        apart["mid-p McNemar"].append(abs(mid_p(more, less) - exact))
        sides = generator.integers(0, 5, (2, int(generator.integers(10, 300))))
        answers = [Answered([{"en": Counts(rights.tolist(), 4)}]).over(["en"]) for rights in sides]
        apart["t"].append(abs(differences([(answers[0], answers[1])])[0].p - ttest_rel(*sides).pvalue))
        chances = generator.random(int(generator.integers(2, 30))) ** 3
        apart["Holm"].append(float(np.abs(holm(chances.tolist()) - multipletests(chances, method="holm")[1]).max()))
    gc.unfreeze()
    return {name: float(max(each)) for name, each in apart.items()}


LUCK, ACCURACIES = (0.0, 0.5, 1.0, 2.0), (0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98)


def cells() -> dict[str, list[tuple[Callable[..., dict[str, float]], World]]]:
    """Returns what is simulated, by the table that it stands in."""
    shares = [("MGSM", 0.0), *(("MSVAMP", share) for share in (0.0, 0.25, 0.5))]
    return {
        "type I error": [
            (type_one, World(suite, (0.5, 0.5), (luck, luck), share=share)) for suite, share in shares for luck in LUCK
        ],
        "coverage": [
            # where there is little to be right or wrong, luck moves little
            (coverage, World(suite, (each, each), (4 * each * (1 - each),) * 2, share=share))
            for suite, share in (("MGSM", 0.0), ("MSVAMP", 0.25))
            for each in ACCURACIES
        ],
        # whose luck is pooled with that of a method that has the most room for it
        "coverage beside a method at 0.5": [
            (coverage, World("MGSM", (each, 0.5), (4 * each * (1 - each), 1.0))) for each in ACCURACIES if each != 0.5
        ],
        "five methods": [
            (many, World("MGSM", (0.5 + better / 100, *(0.5,) * 4), (luck,) * 5)) for better in (0, 4) for luck in LUCK
        ],
    }


def simulated(told: tuple[int, tuple[Callable[..., dict[str, float]], World]], boards: int) -> dict[str, Any]:
    """Returns one line of a table; its draws are those of its place in it. Of coverage, with most cells, there are two."""
    number, (what, world) = told
    streams: list[list[int]] = [[number, boards], *([[number, boards, 1]] if what is coverage else [])]
    halves = [what(world, boards, np.random.default_rng(stream)) for stream in streams]
    of = {"suite": world.suite, "accuracy": world.accuracies[0], "luck": round(world.luck[0], 3), "families": world.share}
    line = of | {name: round(float(np.mean([half[name] for half in halves])), 2) for name in halves[0]}
    sys.stderr.write(json.dumps(line) + "\n")
    return line


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Returns rows as markdown, shares in percent."""
    lines = [[*rows[0]], ["---:"] * len(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(found: dict[str, list[dict[str, Any]]], boards: int) -> None:
    """Puts the tables between the marks of docs/statistics.md."""
    boards_said = f"{boards:,} boards a line, {2 * boards:,} of coverage"
    parts = [f"{boards_said}; shares in percent, luck in points, families as their share of what questions vary."]
    parts += [f"### {name[0].upper()}{name[1:]}\n\n{table(rows)}" for name, rows in found.items()]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Simulates every cell, in as many processes as there are cores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=2000)
    parser.add_argument(
        "--processes", type=int, default=os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()
    )
    parser.add_argument("--only", nargs="*", choices=[*cells()], default=[*cells()], help="these tables alone; writes nothing")
    told = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {}
    with ProcessPoolExecutor(told.processes) as pool:
        for name in told.only:
            found[name] = list(pool.map(partial(simulated, boards=told.boards), enumerate(cells()[name])))
    if told.boards >= 2000 and len(found) == len(cells()):
        write(found, told.boards)
    report(boards=told.boards, largest_difference_of_p=against_scipy(1000, np.random.default_rng(0)), **found)


if __name__ == "__main__":
    main()
