import math
from itertools import combinations

import pytest

from xreason.leaderboards.statistics.answers import pass_at_k


@pytest.mark.parametrize("samples", range(1, 8))
def test_pass_at_k_is_the_share_of_all_subsets_that_hold_a_right_sample(samples: int) -> None:
    for right in range(samples + 1):
        verdict = [place < right for place in range(samples)]
        for k in range(1, samples + 1):
            subsets = [any(subset) for subset in combinations(verdict, k)]
            assert pass_at_k(samples, right, k) == pytest.approx(sum(subsets) / len(subsets), abs=1e-12)


def test_pass_at_k_of_many_samples_neither_overflows_nor_cancels() -> None:
    exact = 1 - math.comb(9_990, 64) / math.comb(10_000, 64)
    assert pass_at_k(10_000, 10, 64) == pytest.approx(exact, rel=1e-9)
    assert pass_at_k(10_000, 0, 64) == 0
    assert pass_at_k(10_000, 10_000, 1) == 1


@pytest.mark.parametrize(("samples", "right", "k"), [(4, 1, 0), (4, 1, 5), (4, 5, 1), (4, -1, 1)])
def test_pass_at_k_needs_as_many_samples_as_it_draws(samples: int, right: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"pass@{k}"):
        pass_at_k(samples, right, k)
