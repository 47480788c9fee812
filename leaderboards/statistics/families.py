"""Many claims at once: Holm's correction, and the smallest difference that a family of claims could have shown."""

from collections.abc import Sequence

import numpy as np

from xreason.leaderboards.statistics.intervals import LEVEL, Difference

POWER = 0.8


def holm(chances: Sequence[float]) -> list[float]:
    """Returns adjusted p-values, in the same order: at or below 5 %, claims hold together with 95 % (Holm 1979)."""
    order, adjusted, highest = np.argsort(chances, kind="stable"), [1.0] * len(chances), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - place) * chances[index]))
        adjusted[index] = highest
    return adjusted


def together(claims: Sequence[Difference]) -> list[Difference]:
    """Returns the same differences, judged as one family."""
    adjusted = holm([each.p for each in claims])
    return [each.model_copy(update={"p_adjusted": p}) for each, p in zip(claims, adjusted, strict=True)]


def smallest_difference(claims: Sequence[Difference]) -> float | None:
    """Returns the difference that the middle one of a family of claims would have shown in 4 of 5 cases.

    It is that of Holm's first step, where the level is divided by all claims (Bloom, Evaluation Review 1995). None where there are
    no claims, where no two models ever differ, and where no difference could have shown.
    """
    from scipy.special import stdtrit

    varying = [each for each in claims if each.se]
    sizes = [(stdtrit(each.df, 1 - LEVEL / len(claims) / 2) + stdtrit(each.df, POWER)) * each.se for each in varying]
    return float(np.median(sizes)) if sizes and np.median(sizes) <= 1 else None
