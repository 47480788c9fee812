"""A model's answers as numbers: the mean of each of its runs, and how far each cluster of questions pulls that mean.

Question i of a suite is the same problem in every language and for every model: a hard one is hard in ten languages at once. So
the unit is not the answer but the cluster: a question in all its languages, or, where a suite tells which of its questions vary one
problem, that family. A mean over languages of means over questions, in which questions may weigh differently, is a sum over
clusters; what a cluster adds beyond its share is its residual, and variances are sums of squared residuals (linearisation: Wolter,
"Introduction to Variance Estimation", 2007). Levels and sources that weigh differently are no strata here: that one is harder than
another widens intervals a little.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Counts(NamedTuple):
    """How many of its samples answer each question right, in question order."""

    rights: Sequence[int]
    samples: int


#: One outcome a question, in question order: "0" or "1", counts of several samples, or chances in 0..1.
Outcomes = str | Counts | tuple[float, ...]
#: One run's outcomes by language code.
Verdicts = Mapping[str, Outcomes]


@dataclass(frozen=True)
class Answers:
    """What the runs of one model made of the questions in some languages. All models of a comparison have the same clusters."""

    means: tuple[Fraction, ...]  #: of each run, exactly: the mean over languages of the (weighted) mean over questions
    residuals: Floats  #: `[runs, clusters]`: what each cluster adds to the run's mean, less its share of that; a run's sum to 0
    shares: Floats  #: `[clusters]`: the share of the mean that each cluster is, together 1
    trained: bool  #: whether its runs are trainings of one method, whose luck is part of chance; a given model is what it is
    languages: int  #: how many it is a mean over
    #: `[questions]`, whether each was answered right, where that is all there is: one run, language, sample, no families or weights
    binary: npt.NDArray[np.bool_] | None = None
    clusters: float = 0.0  #: how many there are; where questions weigh differently, as many as would weigh the same (Kish 1965)

    @property
    def value(self) -> Fraction:
        """The mean over runs, exactly."""
        return sum(self.means, Fraction(0)) / len(self.means)

    @property
    def of_one_training(self) -> bool:
        """Whether this is one training, which tells nothing of how another by the same method would fare."""
        return self.trained and len(self.means) == 1

    @property
    def by_luck(self) -> bool:
        """Whether its runs tell how much trainings of its method differ."""
        return self.trained and len(self.means) > 1


class Answered:
    """The answers of one model's runs by language, from which those of any of these languages together are put together."""

    def __init__(
        self,
        runs: Sequence[Verdicts],
        *,
        families: Sequence[int] | None = None,
        weights: Sequence[int] | None = None,
        trained: bool = True,
    ) -> None:
        """Takes the outcomes of each run, all in the same languages.

        Args:
            runs: one mapping a run.
            families: the family of each question, in question order; questions beyond its end are of none. None for no families.
            weights: how much each question weighs, in question order, at least as many as questions; None where all weigh the same.
            trained: see `Answers`.

        Raises:
            ValueError: there are no runs, one has other languages or numbers of questions than the first, or weights are missing.
        """
        if not runs:
            raise ValueError("there are no runs to compare")
        self._trained, self._families, self._weights = trained, families, weights
        self._plain = len(runs) == 1 and families is None and weights is None
        self._together: dict[tuple[str, ...], Answers] = {}
        self._clusters: dict[int, npt.NDArray[np.intp]] = {}
        self._of = {code: self._linearised([run[code] for run in runs if code in run], code, len(runs)) for code in runs[0]}

    def over(self, languages: Sequence[str]) -> Answers:
        """Returns the answers in these languages together, each weighing the same whatever its number of questions.

        Raises:
            ValueError: there are no languages, or no outcomes in one of them.
        """
        if not languages:
            raise ValueError("a mean needs at least one language")
        if missing := sorted(set(languages) - set(self._of)):
            raise ValueError(f"a run has no verdicts in {', '.join(missing)}")
        if len(languages) == 1:
            return self._of[languages[0]]
        if (known := self._together.get(tuple(languages))) is None:
            known = self._together[tuple(languages)] = self._put_together([self._of[code] for code in languages])
        return known

    def _put_together(self, parts: Sequence[Answers]) -> Answers:
        means = tuple(sum(each, Fraction(0)) / len(parts) for each in zip(*(part.means for part in parts), strict=True))
        residuals = np.zeros((len(means), max(part.residuals.shape[1] for part in parts)))
        shares = np.zeros(residuals.shape[1])
        for part in parts:
            residuals[:, : part.residuals.shape[1]] += part.residuals / len(parts)
            shares[: part.residuals.shape[1]] += part.shares / len(parts)
        return Answers(means, residuals, shares, self._trained, len(parts), clusters=self._counted(shares))

    def _counted(self, shares: Floats) -> float:
        return float(len(shares)) if self._weights is None else float(shares.sum() ** 2 / (shares**2).sum())

    def _linearised(self, outcomes: Sequence[Outcomes], code: str, runs: int) -> Answers:
        counted = [_counted(each) for each in outcomes]
        if len(counted) != runs or not all(len(right) for right, _ in counted):
            raise ValueError(f"a run has no verdicts in {code}")
        if len({len(right) for right, _ in counted}) > 1:
            raise ValueError(f"runs were asked different numbers of questions in {code}: they cannot be paired")
        rights = np.stack([right / samples for right, samples in counted])
        questions = rights.shape[1]
        if self._weights is not None and len(self._weights) < questions:
            raise ValueError(f"there are {questions} questions in {code}, and weights of {len(self._weights)}")
        weights = np.ones(questions) if self._weights is None else np.array(self._weights[:questions], dtype=np.float64)
        whole = float(weights.sum())
        means = tuple(Fraction(float((right * weights).sum())) / (samples * int(whole)) for right, samples in counted)
        residuals = (rights - np.array([float(mean) for mean in means])[:, None]) * weights / whole
        shares: npt.NDArray[Any] = weights / whole
        if self._families is not None:
            if (of := self._clusters.get(questions)) is None:
                of = self._clusters[questions] = _clusters(self._families, questions)
            residuals = np.stack([np.bincount(of, weights=each) for each in residuals])
            shares = np.bincount(of, weights=shares)
        binary = self._plain and counted[0][1] == 1 and isinstance(outcomes[0], str | Counts)
        return Answers(means, residuals, shares, self._trained, 1, rights[0] > 0 if binary else None, self._counted(shares))


def only(outcomes: Outcomes, places: Sequence[int] | None) -> Outcomes:
    """Returns the outcomes of the questions in these places, as far as so many were asked; of all for None."""
    if places is None:
        return outcomes
    if isinstance(outcomes, Counts):
        return Counts([outcomes.rights[place] for place in places if place < len(outcomes.rights)], outcomes.samples)
    if isinstance(outcomes, str):
        return "".join(outcomes[place] for place in places if place < len(outcomes))
    return tuple(outcomes[place] for place in places if place < len(outcomes))


def _counted(outcomes: Outcomes) -> tuple[Floats, int]:
    if isinstance(outcomes, str):
        return (np.frombuffer(outcomes.encode(), dtype=np.uint8) - ord("0")).astype(np.float64), 1
    if isinstance(outcomes, Counts):
        return np.asarray(outcomes.rights, dtype=np.float64), outcomes.samples
    return np.asarray(outcomes, dtype=np.float64), 1


def _clusters(families: Sequence[int], questions: int) -> npt.NDArray[np.intp]:
    """`[questions]`: the number of each one's family, in order of appearance; those beyond the end are one each."""
    named = {family: place for place, family in enumerate(dict.fromkeys(families))}
    known = [named[family] for family in families[:questions]]
    return np.array([*known, *range(len(named), len(named) + questions - len(known))])


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
