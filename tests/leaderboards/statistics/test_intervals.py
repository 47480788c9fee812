import gc
import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binom, binomtest, ttest_ind, ttest_rel
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from xreason.leaderboards.statistics.answers import Answered, Answers, Counts, Verdicts
from xreason.leaderboards.statistics.families import holm, smallest_difference, together
from xreason.leaderboards.statistics.intervals import (
    Difference,
    Interval,
    Luck,
    differences,
    mean_interval,
    mid_p,
    pooled_luck,
    reread,
)

LANGUAGES = ("en", "sw", "th", "zh")


def verdicts(questions: int, accuracy: float, seed: int) -> str:
    """Verdicts with exactly this accuracy, in random order."""
    right = round(questions * accuracy)
    bits = ["1"] * right + ["0"] * (questions - right)
    random.Random(seed).shuffle(bits)
    return "".join(bits)


def answers(*runs: Verdicts, families: Sequence[int] | None = None, trained: bool = True) -> Answers:
    return Answered(runs, families=families, trained=trained).over(list(runs[0]))


def of(*runs: Verdicts, families: Sequence[int] | None = None) -> Interval:
    return mean_interval(answers(*runs, families=families))


def between(first: Sequence[Verdicts], second: Sequence[Verdicts], **options: bool) -> Difference:
    two = answers(*first, **options), answers(*second, **options)
    return differences([two], pooled_luck(two))[0]


def half(interval: Interval) -> float:
    return (interval.high - interval.low) / 2


@pytest.mark.parametrize("right", [0, 5, 100, 249, 250])
def test_one_run_in_one_language_has_wilsons_interval(right: int) -> None:
    interval = of({"en": "1" * right + "0" * (250 - right)})
    assert (interval.low, interval.high) == pytest.approx(proportion_confint(right, 250, method="wilson"), abs=1e-12)


def test_languages_that_fail_independently_narrow_the_interval_and_those_that_fail_together_do_not() -> None:
    one = of({"en": verdicts(1000, 0.4, 0)})
    apart = of({code: verdicts(1000, 0.4, seed) for seed, code in enumerate(LANGUAGES)})
    same = of(dict.fromkeys(LANGUAGES, verdicts(1000, 0.4, 0)))
    assert half(apart) == pytest.approx(half(one) / 2, rel=0.1)
    assert half(same) == pytest.approx(half(one), rel=0.01)


@pytest.mark.parametrize("bit", ["1", "0"])
def test_all_right_and_all_wrong_are_as_sure_as_there_are_questions(bit: str) -> None:
    many, one = of(dict.fromkeys(LANGUAGES, bit * 20)), of({"en": bit * 20})
    assert many.value == float(bit)
    assert half(many) == pytest.approx(half(one), rel=0.15)
    assert half(one) > 0.07


def test_a_single_question_claims_nothing() -> None:
    one = of({"en": "1", "sw": "0"})
    assert one.low < 0.1
    assert one.high > 0.9
    difference = between([{"en": "1", "sw": "1"}], [{"en": "0", "sw": "0"}])
    assert (difference.low, difference.high) == (-1, 1)
    assert not difference.significant


def test_families_that_stand_and_fall_together_are_no_more_than_their_number() -> None:
    problems = verdicts(50, 0.4, 1)
    varied = "".join(bit * 10 for bit in problems)
    families = [problem for problem in range(50) for _ in range(10)]
    assert half(of({"en": varied}, families=families)) == pytest.approx(half(of({"en": problems})), rel=0.05)
    assert half(of({"en": varied})) < half(of({"en": problems})) / 2


def test_questions_beyond_the_families_that_are_told_are_one_each() -> None:
    bits = verdicts(40, 0.4, 1)
    told, whole = answers({"en": bits}, families=[0, 0, 0]), answers({"en": bits}, families=[0, 0, 0, *range(1, 38)])
    assert told.residuals.shape == (1, 38)
    assert np.array_equal(told.residuals, whole.residuals)


def test_a_mid_p_is_that_of_scipys_exact_test_less_half_of_what_it_counts_twice() -> None:
    generator = np.random.default_rng(0)
    for more, less in generator.integers(0, 200, (1000, 2)):
        exact = binomtest(int(more), int(more + less)).pvalue - binom.pmf(more, more + less, 0.5) if more != less else 1.0
        assert mid_p(int(more), int(less)) == pytest.approx(exact, abs=1e-9)


def test_holms_p_values_are_those_of_statsmodels() -> None:
    generator = np.random.default_rng(1)
    # statsmodels collects garbage in every call: what is there already is none
    gc.freeze()
    try:
        for _ in range(1000):
            chances = generator.random(generator.integers(1, 40)) ** 3
            assert holm(chances.tolist()) == pytest.approx(multipletests(chances, method="holm")[1], abs=1e-9)
    finally:
        gc.unfreeze()


def test_a_difference_by_t_is_scipys_paired_test() -> None:
    generator = np.random.default_rng(2)
    for _ in range(1000):
        first, second = generator.integers(0, 5, (2, generator.integers(5, 200))).tolist()
        difference = between([{"en": Counts(first, 4)}], [{"en": Counts(second, 4)}])
        assert difference.p == pytest.approx(ttest_rel(first, second).pvalue, abs=1e-9)


def test_families_of_one_size_are_statsmodels_clusters() -> None:
    generator = np.random.default_rng(3)
    families = [family for family in range(30) for _ in range(5)]
    for _ in range(50):
        first, second = generator.integers(0, 2, (2, 150))
        fitted = OLS(first - second, np.ones(150)).fit(cov_type="cluster", cov_kwds={"groups": families}, use_t=True)
        runs = [[{"en": "".join(map(str, bits))}] for bits in (first, second)]
        two = [answers(*each, families=families) for each in runs]
        assert differences([(two[0], two[1])])[0].p == pytest.approx(fitted.pvalues[0], abs=1e-9)


def test_trainings_that_differ_in_nothing_but_luck_are_judged_by_scipys_t_over_seeds() -> None:
    # every question of a run has the same share of right samples, so that seeds are all that varies
    runs = [[{"en": Counts([right] * 50, 100)} for right in rights] for rights in ((50, 55, 57), (41, 52, 50))]
    difference = between(*runs)
    assert difference.p == pytest.approx(ttest_ind((0.50, 0.55, 0.57), (0.41, 0.52, 0.50)).pvalue, abs=1e-9)
    assert (difference.se_questions, difference.df) == (pytest.approx(0), pytest.approx(4))
    assert difference.se_seeds == pytest.approx(difference.se)


def test_luck_of_an_answer_is_counted_once() -> None:
    generator = np.random.default_rng(4)
    found = []
    for _ in range(300):
        # equal methods: every answer is a coin of its own, so the truth is known
        runs = [[{"en": "".join("01"[bit] for bit in generator.integers(0, 2, 200))} for _ in range(3)] for _ in range(2)]
        found.append(between(*runs).se ** 2)
    assert np.mean(found) == pytest.approx(2 * 0.25 / 200 / 3, rel=0.1)


def test_what_seeds_and_questions_bring_is_told_apart() -> None:
    runs = [{"en": verdicts(250, accuracy, 9)} for accuracy in (0.2, 0.4, 0.6)]
    several, single = of(*runs), of(runs[1])
    assert several.value == pytest.approx(0.4)
    assert several.se_seeds == pytest.approx(0.2 / math.sqrt(3))
    assert several.se_questions < several.se_seeds
    assert single.se_seeds is None
    assert half(several) > 3 * half(single)


def test_few_seeds_are_helped_by_the_other_methods_of_their_board() -> None:
    lucky = [{"en": verdicts(250, accuracy, seed)} for seed, accuracy in enumerate((0.3, 0.5))]
    steady = [{"en": verdicts(250, 0.4, seed)} for seed in range(4, 7)]
    models = [answers(*lucky), answers(*steady), answers({"en": verdicts(250, 0.4, 9)})]
    luck = pooled_luck(models)
    assert luck is not None
    assert luck.df == 3
    assert luck.variance(models[0]) == luck.variance(models[1]) == pytest.approx(0.02 / 3)
    assert half(mean_interval(models[1], luck)) > half(mean_interval(models[1]))
    many = answers(*({"en": verdicts(250, 0.4, seed)} for seed in range(8)))
    assert mean_interval(many, luck) == mean_interval(many)
    assert pooled_luck([models[2], answers(*lucky, trained=False)]) is None


def test_what_is_nearly_always_right_has_as_little_luck_as_it_has_room_for() -> None:
    lucky = answers(*({"en": verdicts(200, accuracy, seed)} for seed, accuracy in enumerate((0.5, 0.56, 0.62))))
    nearly = answers({"en": "1" * 200}, {"en": "1" * 200}, {"en": "1" * 199 + "0"})
    always = answers({"en": "1" * 200}, {"en": "1" * 200}, {"en": "1" * 200})
    luck = pooled_luck([lucky, nearly, always])
    one_wrong, none_wrong = (mean_interval(each, luck) for each in (nearly, always))
    assert 0.96 < one_wrong.low < none_wrong.low < 0.99
    assert mean_interval(lucky, luck).se_seeds == pytest.approx(0.06 / math.sqrt(3), rel=0.05)
    # pooled over methods that are always right, it is none
    assert pooled_luck([always, always]) == Luck(0.0, 4)


def test_a_single_training_speaks_for_itself_and_a_given_model_needs_no_seeds() -> None:
    better, worse = {"en": "1" * 200 + "0" * 50}, {"en": "1" * 50 + "0" * 200}
    one, three, given = answers(better), answers(better, better, better), answers(worse, trained=False)
    claims = differences([(one, given), (three, given), (three, answers(worse))])
    assert [each.claims for each in claims] == ["trainings", "methods", "trainings"]
    assert [each.significant for each in claims] == [True, True, True]
    assert [each.marked for each in claims] == [False, True, False]


def test_equal_counts_are_no_difference_and_have_a_width() -> None:
    same = verdicts(20, 0.5, 3)
    for difference in (
        between([{"en": same}], [{"en": same}]),
        between([dict.fromkeys(LANGUAGES, same)] * 2, [dict.fromkeys(LANGUAGES, same)]),
    ):
        assert (difference.value, difference.p) == (0, 1)
        assert difference.high == -difference.low == pytest.approx(1.96 * math.sqrt(2) / 22, rel=0.01)
        assert not difference.significant


def test_a_difference_of_rounding_is_none() -> None:
    # 0.1 + 0.2 is not 0.3: means are compared as fractions
    first = {"a": "1" + "0" * 9, "b": "11" + "0" * 8, "c": "0" * 10}
    second = {"a": "111" + "0" * 7, "b": "0" * 10, "c": "0" * 10}
    assert between([first] * 3, [second] * 3).value == 0
    assert between([first] * 3, [second] * 3).p == 1


@pytest.mark.parametrize(("first", "second"), [("1", "0"), ("1111", "0000"), ("1110", "0000")])
def test_a_handful_of_questions_decides_nothing(first: str, second: str) -> None:
    assert not between([{"en": first}], [{"en": second}]).significant
    assert not between([{"en": first, "sw": first}], [{"en": second, "sw": second}]).significant


def test_all_right_against_all_wrong_on_many_questions_is_significant() -> None:
    for codes in (["en"], LANGUAGES):
        better = between([dict.fromkeys(codes, "1" * 20)], [dict.fromkeys(codes, "0" * 20)])
        assert better.value == better.high == 1
        assert better.low > 0.5
        assert better.significant


def test_pairing_sees_a_small_gain_that_separate_intervals_hide() -> None:
    before = verdicts(250, 0.5, 5)
    wrong = [place for place, bit in enumerate(before) if bit == "0"]
    after = "".join("1" if place in wrong[:10] else bit for place, bit in enumerate(before))
    gain = between([{"en": after}], [{"en": before}])
    assert gain.significant
    assert gain.value == pytest.approx(0.04)
    assert of({"en": after}).low < of({"en": before}).high


def test_a_difference_turned_round_changes_its_sign() -> None:
    runs = [{code: verdicts(100, accuracy, seed) for code in ("en", "sw")} for seed, accuracy in ((1, 0.6), (2, 0.5))]
    forward, backward = between(runs[:1], runs[1:]), between(runs[1:], runs[:1])
    assert (backward.value, backward.low, backward.high) == pytest.approx((-forward.value, -forward.high, -forward.low))
    assert backward.p == pytest.approx(forward.p)


def test_languages_of_different_length_weigh_the_same() -> None:
    interval = of({"en": "1" * 30 + "0" * 10, "te": "0" * 8 + "11"})
    assert interval.value == pytest.approx((0.75 + 0.2) / 2)
    assert interval.low < interval.value < interval.high
    assert of({"en": verdicts(100, 0.5, 1), "te": "1"}).value == pytest.approx(0.75)


def test_samples_of_equal_questions_narrow_the_interval_and_those_that_agree_do_not() -> None:
    generator = random.Random(3)
    rights = [sum(generator.random() < 0.4 for _ in range(8)) for _ in range(250)]
    assert half(of({"en": Counts(rights, 8)})) == pytest.approx(1.96 * math.sqrt(0.24 / 2000), rel=0.1)
    bits = verdicts(250, 0.4, 1)
    agreeing = of({"en": Counts([8 * int(bit) for bit in bits], 8)})
    assert half(agreeing) == pytest.approx(half(of({"en": bits})), rel=0.02)


def test_readings_of_the_same_responses_share_their_luck() -> None:
    strict = [{"en": verdicts(250, accuracy, 9)} for accuracy in (0.6, 0.3)]
    paper = [{"en": "0" * 25 + run["en"][25:]} for run in strict]
    together_read, apart = reread(answers(*strict), answers(*paper)), between(strict, paper)
    assert together_read.value == apart.value > 0
    assert together_read.se_seeds is None
    assert together_read.significant
    assert not apart.significant


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="no runs"):
        Answered([])
    with pytest.raises(ValueError, match="at least one language"):
        Answered([{"en": "1"}]).over([])
    with pytest.raises(ValueError, match="no verdicts in sw"):
        Answered([{"en": "1"}]).over(["en", "sw"])
    with pytest.raises(ValueError, match="no verdicts in sw"):
        Answered([{"en": "1", "sw": "1"}, {"en": "1"}])
    with pytest.raises(ValueError, match="different numbers of questions in en"):
        Answered([{"en": "10"}, {"en": "101"}])
    with pytest.raises(ValueError, match="different numbers of questions"):
        between([{"en": "10"}], [{"en": "101"}])


def test_claims_made_together_are_harder_to_make() -> None:
    alone = between([{"en": verdicts(250, 0.5, 1)}], [{"en": verdicts(250, 0.4, 2)}])
    assert 0.01 < alone.p < 0.05
    (one, *_) = together([alone] * 3)
    assert (one.p_adjusted, one.significant) == (pytest.approx(3 * alone.p), False)
    assert together([]) == []


def test_the_smallest_difference_is_found_in_4_of_5_cases() -> None:
    generator = np.random.default_rng(5)
    drawn = generator.random((400, 2, 200))
    base = [
        between([{"en": Counts((a < 0.5).astype(int).tolist(), 2)}], [{"en": Counts((b < 0.5).astype(int).tolist(), 2)}])
        for a, b in drawn
    ]
    # twice as many samples as answers: neither is a plain yes or no, so t judges; its differences are half as large
    least = smallest_difference(base[:1])
    assert least is not None
    found = [
        between(
            [{"en": Counts((a < 0.5 + 2 * least).astype(int).tolist(), 2)}], [{"en": Counts((b < 0.5).astype(int).tolist(), 2)}]
        )
        for a, b in drawn
    ]
    assert np.mean([each.significant for each in found]) == pytest.approx(0.8, abs=0.06)
    assert np.mean([each.significant for each in base]) == pytest.approx(0.05, abs=0.03)
    assert smallest_difference([]) is None
    assert smallest_difference([between([{"en": "1"}], [{"en": "0"}])]) is None
    assert smallest_difference([between([{"en": "11"}], [{"en": "11"}])]) is None


def weighted(*runs: Verdicts, weights: Sequence[int], trained: bool = True) -> Answers:
    return Answered(runs, weights=weights, trained=trained).over(list(runs[0]))


def test_equal_weights_give_the_figures_of_no_weights() -> None:
    runs = [{code: verdicts(60, 0.4, seed + place) for place, code in enumerate(LANGUAGES)} for seed in (0, 10, 20)]
    for first, second in ((runs, runs[:2]), (runs[:1], runs[1:2])):
        plain = Answered(first).over(LANGUAGES), Answered(second).over(LANGUAGES)
        weighing = weighted(*first, weights=[3] * 60), weighted(*second, weights=[3] * 60)
        for one, other in zip(plain, weighing, strict=True):
            assert mean_interval(one).model_dump(exclude_none=True, exclude={"claims"}) == pytest.approx(
                mean_interval(other).model_dump(exclude_none=True, exclude={"claims"}), rel=1e-9
            )
        one, other = (
            differences([pair], pooled_luck(pair))[0].model_dump(exclude_none=True, exclude={"claims"})
            for pair in (plain, weighing)
        )
        assert one == pytest.approx(other, rel=1e-9)


def test_a_question_of_weight_two_is_as_two_that_stand_and_fall_together() -> None:
    bits = verdicts(80, 0.3, 1)
    doubled = "".join(bit * (1 + place % 2) for place, bit in enumerate(bits))
    family = [place for place in range(80) for _ in range(1 + place % 2)]
    weights = [1 + place % 2 for place in range(80)]
    one, other = of({"en": doubled}, families=family), mean_interval(weighted({"en": bits}, weights=weights))
    assert one.model_dump(exclude_none=True, exclude={"claims"}) == pytest.approx(
        other.model_dump(exclude_none=True, exclude={"claims"}), rel=1e-9
    )
    against = verdicts(80, 0.5, 2)
    twice = "".join(bit * (1 + place % 2) for place, bit in enumerate(against))
    pairs = [
        (answers({"en": doubled}, families=family), answers({"en": twice}, families=family)),
        (weighted({"en": bits}, weights=weights), weighted({"en": against}, weights=weights)),
    ]
    first, second = differences(pairs)
    assert first.model_dump(exclude_none=True, exclude={"claims"}) == pytest.approx(
        second.model_dump(exclude_none=True, exclude={"claims"}), rel=1e-9
    )


def test_weighted_intervals_hold_the_mean_as_often_as_they_say() -> None:
    # four levels of PolyMath: 125 questions each, of weights 1, 2, 4, 8, and accuracies as its strong models have
    generator, held = np.random.default_rng(0), 0
    weights, chances = (1, 2, 4, 8) * 125, np.array([0.9, 0.7, 0.4, 0.2] * 125)
    truth = float((np.array(weights) * chances).sum() / sum(weights))
    for _ in range(400):
        bits = "".join("1" if right else "0" for right in generator.random(500) < chances)
        interval = mean_interval(weighted({"en": bits}, weights=weights, trained=False))
        held += interval.low <= truth <= interval.high
    # levels are no strata here, so a little more often
    assert 0.94 <= held / 400 <= 0.995


def test_all_wrong_is_as_wide_as_the_number_of_questions_that_would_weigh_the_same() -> None:
    interval = mean_interval(weighted({"en": "0" * 400}, weights=(1, 2, 4, 8) * 100, trained=False))
    assert interval.high == pytest.approx(mean_interval(Answered([{"en": "0" * 265}], trained=False).over(["en"])).high, rel=0.03)


def test_weights_are_there_for_every_question() -> None:
    with pytest.raises(ValueError, match="there are 4 questions in en, and weights of 3"):
        weighted({"en": "0101"}, weights=(1, 2, 4))
