"""How sure a score is: intervals of means, and of differences between models.

Two things vary, and both enter, apart: the questions drawn, by clusters (see `xreason.leaderboards.statistics.answers`), and the
luck of trainings, from the spread between runs of one method. What a run answers to a question by luck of its own is in both, and
is taken off once, as in two-way clustering (Cameron, Gelbach and Miller, "Robust Inference With Multiway Clustering", JBES 2011).
The sum is judged by t with Satterthwaite's degrees of freedom (Biometrics 1946).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import BaseModel, computed_field

from xreason.leaderboards.statistics.answers import Answers, Floats

LEVEL = 0.05
#: A method with so many seeds speaks of its own luck; one with fewer is helped by the others of its board.
OWN_SEEDS = 8
#: Below this a variance is rounding: an answer more or less moves it by more.
_NO_SPREAD = 1e-20


class Interval(BaseModel, frozen=True):
    """A value and its 95 % interval, as fractions: accuracies lie in 0..1."""

    value: float
    low: float
    high: float
    se: float  #: its standard error, from both of these together, which share what a run answers by luck of its own
    se_questions: float  #: standard error from the questions drawn, for these very runs
    se_seeds: float | None  #: standard error from the luck of trainings; None where no such luck is in question, or none is known
    df: float  #: degrees of freedom of both together


class Difference(Interval, frozen=True):
    """A paired difference of accuracies and its 95 % interval, in -1..1."""

    p: float  #: the chance of a difference so large or larger between equals, for this difference alone
    #: the same in its family of claims, after Holm; None where it is looked at alone.
    p_adjusted: float | None = None
    #: what it speaks of: methods, or these trainings alone where one side is a single one. A given model is as good as a method.
    claims: Literal["methods", "trainings"] = "methods"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def significant(self) -> bool:
        """Whether it is more than chance, in its family where it has one."""
        return (self.p if self.p_adjusted is None else self.p_adjusted) <= LEVEL

    @computed_field  # type: ignore[prop-decorator]
    @property
    def marked(self) -> bool:
        """Whether a table may mark it: significant, and of methods."""
        return self.significant and self.claims == "methods"


@dataclass(frozen=True)
class Luck:
    """How much the means of trainings that differ in their seed alone vary.

    A method that is nearly always right, or wrong, has little room for luck, so what methods share is no variance but a share of
    the most that there can be, p (1 - p), as answers of one cluster share it in a beta-binomial model (Williams, Applied Statistics
    1982).
    """

    share: float  #: of p (1 - p), p being a method's accuracy in 0..1
    df: int  #: degrees of freedom that it is known with: seeds less one, summed over methods

    def variance(self, model: Answers) -> float:
        """Returns how much the accuracies of such a model's trainings vary, in 0..1 squared."""
        return self.share * _room(model)


def pooled_luck(models: Sequence[Answers]) -> Luck | None:
    """Returns the luck of a board's methods, pooled over those with several seeds; None where there are none."""
    lucky = [model for model in models if model.by_luck]
    return _luck(lucky) if lucky else None


def mean_interval(model: Answers, luck: Luck | None = None) -> Interval:
    """Returns a model's mean accuracy with its interval.

    This is Wilson's interval (JASA 1927), at the number of independent answers that would vary as much as this mean does, as for
    complex surveys (Dean and Pagano, "Evaluating confidence interval methods for binomial proportions in clustered surveys", JSSAM
    2015), with t in place of z. One run's accuracy in one language without families is the plain one. Where nothing varies (all
    right, all wrong), there are as many answers as clusters. Where few questions make up most of how a mean over languages varies
    (2 % right: the easy ones, in all languages), there are no more degrees of freedom than such questions.

    Args:
        model: its answers.
        luck: what is pooled over a board; that of its own seeds for None.
    """
    residuals = model.residuals.mean(axis=0)[None]
    (variance,), (questions,), (seeds,), (df,) = _variances(
        residuals, [[model]], luck, few=_spread_over(residuals[0]) if model.languages > 1 else math.inf
    )
    value = float(model.value)
    if model.binary is not None:
        size, quantile = model.clusters, _normal()
    else:
        size = value * (1 - value) / variance if variance > _NO_SPREAD and 0 < value < 1 else model.clusters
        quantile = float(_quantile(np.array([df]))[0])
    squared = quantile**2
    middle, spread = value + squared / (2 * size), quantile * np.sqrt(value * (1 - value) / size + squared / (4 * size**2))
    low, high = ((middle + side * spread) / (1 + squared / size) for side in (-1, 1))
    return Interval(
        value=value,
        low=float(min(max(low, 0.0), value)),
        high=float(max(min(high, 1.0), value)),
        se=math.sqrt(variance),
        se_questions=math.sqrt(questions),
        se_seeds=math.sqrt(seeds) if model.by_luck else None,
        df=float(df),
    )


def differences(pairs: Sequence[tuple[Answers, Answers]], luck: Luck | None = None) -> list[Difference]:
    """Returns the mean of the first of each pair minus that of the second, on the same questions.

    What is hard for both cancels out. Where nothing else is to be said, the difference is judged by t; single runs in one language
    without families by McNemar's test in its mid-p form (Fagerland, Lydersen and Laake, BMC Medical Research Methodology 2013) and
    the interval of Bonett and Price (2012). Equal means, compared as exact fractions, have p = 1.

    Raises:
        ValueError: the models of a pair were asked different numbers of questions.
    """
    for first, second in pairs:
        if first.residuals.shape[1] != second.residuals.shape[1]:
            raise ValueError("runs were asked different numbers of questions: they cannot be paired")
    if not pairs:
        return []
    from scipy.special import stdtr  # not in the time of commands that show no board

    residuals = np.stack([first.residuals.mean(axis=0) - second.residuals.mean(axis=0) for first, second in pairs])
    variance, questions, seeds, df = _variances(residuals, pairs, luck)
    values = [first.value - second.value for first, second in pairs]
    errors = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        chances = 2 * stdtr(df, -np.abs(np.array([float(value) for value in values])) / errors)
    halves = _quantile(df) * errors
    found = []
    for place, ((first, second), value) in enumerate(zip(pairs, values, strict=True)):
        low, high, p = float(value) - halves[place], float(value) + halves[place], chances[place]
        if (counts := _discordant(first, second)) is not None:
            (low, high), p = _discordant_interval(*counts), mid_p(*counts[:2])
        elif variance[place] <= _NO_SPREAD:
            # every cluster differs alike: as many of them, and no more, have said so
            clusters = round(first.clusters)
            low, high = _discordant_interval(clusters if value else 0, 0, clusters)
            low, high = sorted((low * float(value), high * float(value))) if value else (low, high)
            p = mid_p(clusters, 0)
        found.append(
            Difference(
                value=float(value),
                low=max(-1.0, min(low, float(value))),
                high=min(1.0, max(high, float(value))),
                se=float(errors[place]),
                se_questions=math.sqrt(questions[place]),
                se_seeds=math.sqrt(seeds[place]) if first.by_luck or second.by_luck else None,
                df=float(df[place]),
                p=float(p) if value else 1.0,
                claims="trainings" if first.of_one_training or second.of_one_training else "methods",
            )
        )
    return found


def reread(first: Answers, second: Answers) -> Difference:
    """Returns the difference between two readings of the same responses; the luck of trainings is the same in both."""
    return differences([(replace(first, trained=False), replace(second, trained=False))])[0]


def mid_p(more: int, less: int) -> float:
    """Returns the two-sided mid-p of so many questions that only one model got right, and so many that only the other did."""
    from scipy.special import bdtr

    if more == less:
        return 1.0
    # twice the chance of fewer, and once of as many: the mean of those of "fewer or as many" and of "fewer"
    fewer, discordant = min(more, less), more + less
    return float(bdtr(fewer, discordant, 0.5) + (bdtr(fewer - 1, discordant, 0.5) if fewer else 0.0))


def _discordant(first: Answers, second: Answers) -> tuple[int, int, int] | None:
    """How many questions only the first got right, how many only the second, and of how many; None where more is to be said."""
    if first.binary is None or second.binary is None:
        return None
    ones, others = first.binary, second.binary
    return int((ones & ~others).sum()), int((others & ~ones).sum()), len(ones)


def _discordant_interval(more: int, less: int, questions: int) -> tuple[float, float]:
    """Bonett and Price's interval: Wald's, after two questions more, of which each model alone got one right."""
    up, down, size = more + 1, less + 1, questions + 2
    middle = (up - down) / size
    spread = _normal() * math.sqrt(((up + down) / size - middle**2) / size)
    return middle - spread, middle + spread


def _spread_over(residuals: Floats) -> float:
    """Over how many clusters a spread is spread: where few of them are all there is, they tell little of how sure they are."""
    squares = residuals**2
    return float(3 * squares.sum() ** 2 / (squares**2).sum()) if squares.any() else math.inf


def _variances(
    residuals: Floats, sides: Sequence[Sequence[Answers]], luck: Luck | None, *, few: float = math.inf
) -> tuple[Floats, Floats, Floats, Floats]:
    """Of each contrast: its variance, that from questions, that from seeds, and its degrees of freedom, each `[contrasts]`.

    Args:
        residuals: `[contrasts, clusters]`.
        sides: the models of each contrast.
        luck: what is pooled over a board.
        few: at most so many degrees of freedom come from questions.
    """
    clusters = residuals.shape[1]
    if clusters == 1:
        # one question tells nothing of how questions vary: as much as they can
        everything = np.ones(len(residuals))
        return everything, everything, 0 * everything, everything
    # each cluster moved the mean that it is held against: Bell and McCaffrey's correction, G / (G - 1) for equal clusters
    shares = sides[0][0].shares
    questions = (residuals**2 / (1 - shares)).sum(axis=1)
    # clusters less one; as unequal as families may be, as many as would be equal
    freedom = max(min(round(float((shares**2).sum() ** 2 / (shares**4).sum()) - 1, 6), few), 1.0)
    known: dict[int, tuple[float, Luck]] = {}
    both, seeds, weight, least = (np.zeros(len(residuals)) for _ in range(4))
    for place, models in enumerate(sides):
        parts: dict[Luck, float] = {}
        for model in models:
            if not model.by_luck:
                continue
            runs = len(model.means)
            if id(model) not in known:
                chosen = _luck([model]) if luck is None or runs >= OWN_SEEDS else luck
                known[id(model)] = float((model.residuals.var(axis=0, ddof=1) / (1 - model.shares)).sum()) / runs, chosen
            interaction, chosen = known[id(model)]
            both[place] += interaction
            parts[chosen] = parts.get(chosen, 0.0) + chosen.variance(model) / runs
        seeds[place] = sum(parts.values())
        weight[place] = sum(part**2 / chosen.df for chosen, part in parts.items())
        least[place] = min((chosen.df for chosen in parts), default=0)
    variance = np.maximum(questions - both, 0) + seeds
    with np.errstate(divide="ignore", invalid="ignore"):
        df = variance**2 / (questions**2 / freedom + weight)
    # Satterthwaite's number is too high where a few seeds happen to agree: two less is the better by simulation
    df = np.where(least > 0, np.maximum(df - 2, least), df)
    return variance, questions, seeds, np.where(variance > _NO_SPREAD, df, freedom)


def _luck(models: Sequence[Answers]) -> Luck:
    freedom = [len(model.means) - 1 for model in models]
    spread, room = (sum(of(model) * df for model, df in zip(models, freedom, strict=True)) for of in (_spread, _room))
    return Luck(spread / room if room else 0.0, sum(freedom))


def _spread(model: Answers) -> float:
    return float(np.var([float(mean) for mean in model.means], ddof=1))


def _room(model: Answers) -> float:
    return float(model.value * (1 - model.value))


def _quantile(df: Floats) -> Floats:
    from scipy.special import stdtrit

    return np.asarray(stdtrit(df, 1 - LEVEL / 2), dtype=np.float64)


def _normal() -> float:
    from scipy.special import ndtri

    return float(ndtri(1 - LEVEL / 2))
