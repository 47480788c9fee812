"""How sure a score is: intervals of a mean over languages, and of the difference between two methods.

Question i of a suite is the same problem in every language and for every method: a hard one is hard in ten languages at once. The
intervals here come from a bootstrap that draws question ids with replacement; an id brings its verdicts in all languages (a cluster
bootstrap: Davison and Hinkley, "Bootstrap Methods and their Application", 1997) and of both methods (a paired one: Koehn,
"Statistical Significance Tests for Machine Translation Evaluation", EMNLP 2004).

Several seeds of a method are a second source of chance: the value is the mean over seeds, and every resample draws seeds with
replacement too (a hierarchical bootstrap). With two or three seeds that still understates the spread between trainings.

A question answered by several samples enters as one number, the mean over them. Drawing questions then draws their samples' luck
too, so these intervals need no second bootstrap over samples.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, computed_field

#: One outcome a question, in question order: a string of "0" and "1", or numbers in 0..1 where a question has several samples.
Outcomes = str | tuple[float, ...]
#: One training's verdicts: language code to outcomes.
Verdicts = Mapping[str, Outcomes]
Floats = npt.NDArray[np.float64]

RESAMPLES = 10_000
CONFIDENCE = 0.95

#: Below this a spread is rounding, not chance.
_NO_SPREAD = 1e-12
# Numbers are summed as whole multiples of 2 ** -40, about 1e-12. Up to 8,192 drawn questions such a sum is exact in float64.
_FIXED_POINT = 2.0**40
_QUESTION_STREAM, _FIRST_SEED_STREAM, _SECOND_SEED_STREAM = 0, 1, 2


class Interval(BaseModel, frozen=True):
    """A value and its 95 % interval, as fractions: accuracies lie in 0..1."""

    value: float
    low: float
    high: float


class Difference(Interval, frozen=True):
    """A paired difference of accuracies and its 95 % interval, in -1..1."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0. Nothing is corrected for how many differences a reader looks at."""
        return self.low > 0 or self.high < 0


def mean_interval(runs: Sequence[Verdicts], languages: Sequence[str]) -> Interval:
    """The mean accuracy of one method's runs, one a seed, over languages, and how sure it is.

    Languages weigh the same whatever their number of questions. Where they differ in length, ids up to the longest are drawn and
    each language's accuracy is over the drawn ids that it has. The interval is the 95 % percentile interval of 10,000 resamples,
    the same ones in every call, expanded for few questions, where plain percentiles are too narrow (the expanded percentile
    interval of Hesterberg, "What Teachers Should Know about the Bootstrap", arXiv 1411.5279): it hardly moves for 250 questions.

    Where no resample differs from another (all right, all wrong, a single question) a bootstrap would claim certainty. The interval
    is then the mean over languages of the Clopper-Pearson bounds of each (Biometrika 1934), whose number of trials is the number of
    distinct questions, not of questions times languages. Numbers between 0 and 1 vary no more than "0" and "1" of the same mean, so
    their sum takes the place of the number of right answers there, rounded down for the low bound and up for the high one.

    Raises:
        ValueError: there are no runs or no languages, or a run lacks one of them.
    """
    longest = _longest(runs, languages)
    resampled = _resampled_means(runs, languages, longest, _FIRST_SEED_STREAM)
    exact = (_exact_bounds(_rights(run[code]), len(run[code])) for run in runs for code in languages)
    return Interval(**_bounded(_mean(runs, languages), resampled, longest, exact))


def difference_interval(
    first: Sequence[Verdicts], second: Sequence[Verdicts], languages: Sequence[str], *, same_seeds: bool = False
) -> Difference:
    """The mean accuracy of the first method's runs minus that of the second's on the same questions, and how sure it is.

    Both methods keep their verdicts on a drawn question, so what is hard for both cancels out. Seeds of two methods have nothing in
    common and are drawn apart. With `same_seeds`, run i of both is the same training, read twice: seeds are drawn together, so a
    lucky one is lucky in both and cancels out.

    Where no resample differs from another (equal verdicts everywhere, a single question) the interval is the mean over languages of
    the exact bounds on the share of questions that only the first gets right minus those on the share that only the second gets
    right: methods that agree on 10 questions may still differ on the next.

    Raises:
        ValueError: there are no runs or no languages, a run lacks one of them, a language was asked different numbers of questions,
            or the same seeds are not as many in both.
    """
    pairs = list(zip(first, second, strict=True) if same_seeds else itertools.product(first, second))
    longest = _longest([*first, *second], languages)
    for code in languages:
        if len({len(run[code]) for run in (*first, *second)}) > 1:
            raise ValueError(f"runs were asked different numbers of questions in {code}: they cannot be paired")
    first_means = _resampled_means(first, languages, longest, _FIRST_SEED_STREAM)
    second_means = _resampled_means(second, languages, longest, _FIRST_SEED_STREAM if same_seeds else _SECOND_SEED_STREAM)
    exact = (_exact_difference_bounds(one[code], two[code]) for one, two in pairs for code in languages)
    return Difference(**_bounded(_mean(first, languages) - _mean(second, languages), first_means - second_means, longest, exact))


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that one of k samples or more is right, estimated without bias from `samples` of which so many are `right`.

    This is 1 - C(samples - right, k) / C(samples, k), as the product that Chen et al. ("Evaluating Large Language Models Trained on
    Code", arXiv 2107.03374) give for it: its factors lie in 0..1, so nothing overflows or cancels.

    Raises:
        ValueError: k is not in 1..samples, or `right` not in 0..samples.
    """
    if not 1 <= k <= samples or not 0 <= right <= samples:
        raise ValueError(f"pass@{k} cannot be estimated from {right} right of {samples} samples")
    if samples - right < k:
        return 1.0
    return 1 - math.prod(1 - k / place for place in range(samples - right + 1, samples + 1))


def _longest(runs: Sequence[Verdicts], languages: Sequence[str]) -> int:
    if not runs or not languages:
        raise ValueError("an interval needs at least one run and one language")
    if missing := sorted({code for code in languages for run in runs if not run.get(code)}):
        raise ValueError(f"a run has no verdicts in {', '.join(missing)}")
    return max(len(run[code]) for run in runs for code in languages)


def _mean(runs: Sequence[Verdicts], languages: Sequence[str]) -> float:
    accuracies = [_rights(run[code]) / len(run[code]) for run in runs for code in languages]
    return sum(accuracies) / len(accuracies)


def _rights(outcomes: Outcomes) -> float:
    return outcomes.count("1") if isinstance(outcomes, str) else math.fsum(outcomes)


def _resampled_means(runs: Sequence[Verdicts], languages: Sequence[str], longest: int, stream: int) -> Floats:
    """The mean over seeds and languages in every resample, `[resamples]`."""
    means = np.stack([np.mean([_resampled_accuracy(run[code], longest) for code in languages], axis=0) for run in runs])
    if len(runs) == 1:
        return np.asarray(means[0], dtype=np.float64)
    generator = np.random.default_rng([stream, len(runs)])
    drawn = generator.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), size=RESAMPLES)
    return np.asarray((means * drawn.T).sum(axis=0) / len(runs), dtype=np.float64)


@lru_cache(maxsize=1024)
def _resampled_accuracy(outcomes: Outcomes, longest: int) -> Floats:
    """One language's accuracy in every resample, `[resamples]`.

    Sums of whole numbers are exact, small ones in float32, so the result does not depend on the order in which a machine adds them.
    A resample that drew none of a short language's questions says nothing about it and keeps the accuracy that was measured.
    """
    drawn = _draws(longest)[:, : len(outcomes)]
    asked = drawn.sum(axis=1)
    right: npt.NDArray[np.floating]
    if isinstance(outcomes, str):
        right = drawn @ np.array([*outcomes], dtype=np.float32)
    else:
        right = drawn @ np.round(np.array(outcomes) * _FIXED_POINT) / _FIXED_POINT
    measured = np.full(RESAMPLES, _rights(outcomes) / len(outcomes))
    np.divide(right, asked, out=measured, where=asked > 0, dtype=np.float64)
    return measured


@lru_cache(maxsize=4)
def _draws(questions: int) -> npt.NDArray[np.float32]:
    """How often each resample drew each question, `[resamples, questions]`: the same for all methods, which pairs them."""
    generator = np.random.default_rng([_QUESTION_STREAM, questions])
    return generator.multinomial(questions, np.full(questions, 1 / questions), size=RESAMPLES).astype(np.float32)


def _bounded(value: float, resampled: Floats, questions: int, exact: Iterable[tuple[float, float]]) -> dict[str, float]:
    """A value with the percentiles of its resamples, or, where no resample differs from another, the mean of its exact bounds."""
    tail = _tail(questions)
    low, high = map(float, np.quantile(resampled, [tail, 1 - tail]))
    if high - low < _NO_SPREAD:
        low, high = (sum(side) / len(side) for side in zip(*exact, strict=True))
    return {"value": value, "low": min(low, value), "high": max(high, value)}


@lru_cache
def _tail(questions: int) -> float:
    """The share of resamples beyond either end of an interval: 2.5 % for many questions, less for few."""
    from scipy.special import ndtr, stdtrit  # type: ignore[import-untyped]

    tail = (1 - CONFIDENCE) / 2
    return tail if questions == 1 else float(ndtr(stdtrit(questions - 1, tail) * np.sqrt(questions / (questions - 1))))


@lru_cache(maxsize=4096)
def _exact_bounds(rights: float, questions: int) -> tuple[float, float]:
    from scipy.stats import binomtest  # type: ignore[import-untyped]  # slow to import, and rarely needed

    # rounded first: three thirds may add up to a little less than 1
    whole = round(rights, 9)
    low, high = (binomtest(count, questions).proportion_ci(CONFIDENCE) for count in (math.floor(whole), math.ceil(whole)))
    return float(low.low), float(high.high)


def _exact_difference_bounds(first: Outcomes, second: Outcomes) -> tuple[float, float]:
    differences = [ours - theirs for ours, theirs in zip(map(float, first), map(float, second), strict=True)]
    more, less = (math.fsum(max(sign * difference, 0.0) for difference in differences) for sign in (1, -1))
    only_first, only_second = _exact_bounds(more, len(differences)), _exact_bounds(less, len(differences))
    return max(-1.0, only_first[0] - only_second[1]), min(1.0, only_first[1] - only_second[0])
