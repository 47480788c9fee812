import math
import random
from itertools import combinations

import pytest

from xreason.leaderboards.statistics.intervals import (
    Interval,
    difference_interval,
    mean_interval,
    pass_at_k,
)

LANGUAGES = ("en", "sw", "th", "zh")


def verdicts(questions: int, accuracy: float, seed: int) -> str:
    """Verdicts with exactly this accuracy, in random order."""
    right = round(questions * accuracy)
    bits = ["1"] * right + ["0"] * (questions - right)
    random.Random(seed).shuffle(bits)
    return "".join(bits)


def standard_error(accuracy: float, questions: int) -> float:
    return math.sqrt(accuracy * (1 - accuracy) / questions)


def half_width(low: float, high: float) -> float:
    return (high - low) / 2


def test_one_language_has_the_binomial_interval() -> None:
    interval = mean_interval([{"en": verdicts(250, 0.4, 1)}], ["en"])
    assert interval.value == pytest.approx(0.4)
    assert half_width(interval.low, interval.high) == pytest.approx(1.96 * standard_error(0.4, 250), rel=0.05)


def test_languages_that_fail_independently_narrow_the_interval() -> None:
    run = {code: verdicts(1000, 0.4, seed) for seed, code in enumerate(LANGUAGES)}
    interval = mean_interval([run], LANGUAGES)
    assert half_width(interval.low, interval.high) == pytest.approx(1.96 * standard_error(0.4, 4000), rel=0.1)


def test_languages_that_fail_together_are_no_more_evidence_than_one() -> None:
    same = verdicts(250, 0.4, 1)
    four = mean_interval([dict.fromkeys(LANGUAGES, same)], LANGUAGES)
    one = mean_interval([{"en": same}], ["en"])
    assert (four.low, four.high) == pytest.approx((one.low, one.high))


@pytest.mark.parametrize(("questions", "languages"), [(12, 1), (50, 3), (250, 3)])
def test_about_95_of_100_intervals_hold_the_truth(questions: int, languages: int) -> None:
    generator = random.Random(7)
    codes, trials, held = LANGUAGES[:languages], 400, 0
    for _ in range(trials):
        # A question is easy or hard in every language at once; a right answer comes at 0.8 or 0.2, at 0.5 overall.
        easy = [generator.choice((0.2, 0.8)) for _ in range(questions)]
        run = {code: "".join("01"[generator.random() < chance] for chance in easy) for code in codes}
        interval = mean_interval([run], codes)
        held += interval.low <= 0.5 <= interval.high
    assert 0.92 <= held / trials <= 0.99


def test_about_95_of_100_difference_intervals_hold_the_truth() -> None:
    generator = random.Random(11)
    trials, held = 400, 0
    for _ in range(trials):
        easy = [generator.choice((0.2, 0.7)) for _ in range(60)]
        first = "".join("01"[generator.random() < chance + 0.1] for chance in easy)
        second = "".join("01"[generator.random() < chance] for chance in easy)
        interval = difference_interval([{"en": first}], [{"en": second}], ["en"])
        held += interval.low <= 0.1 <= interval.high
    assert 0.92 <= held / trials <= 0.99


@pytest.mark.parametrize(("bit", "value"), [("1", 1.0), ("0", 0.0)])
def test_all_right_and_all_wrong_are_bounded_by_the_distinct_questions(bit: str, value: float) -> None:
    interval = mean_interval([dict.fromkeys(LANGUAGES, bit * 20)], LANGUAGES)
    assert interval.value == value
    # Clopper-Pearson with no failure among 20: 1 - 0.025 ** (1 / 20), whatever the number of languages.
    assert interval.high - interval.low == pytest.approx(1 - 0.025 ** (1 / 20))


@pytest.mark.parametrize("run", [{"en": "1", "sw": "0"}, {"en": "1111", "sw": "0000"}])
def test_a_constant_bootstrap_claims_no_certainty(run: dict[str, str]) -> None:
    interval = mean_interval([run], ["en", "sw"])
    assert interval.value == 0.5
    assert interval.high - interval.low > 0.5


def test_equal_verdicts_are_a_difference_of_nothing_with_a_width() -> None:
    same = verdicts(20, 0.5, 3)
    difference = difference_interval([{"en": same}], [{"en": same}], ["en"])
    assert difference.value == 0
    assert difference.high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert difference.low == -difference.high
    assert not difference.significant


@pytest.mark.parametrize(("first", "second"), [("1", "0"), ("1111", "0000"), ("1110", "0000")])
def test_a_handful_of_questions_decides_nothing(first: str, second: str) -> None:
    assert not difference_interval([{"en": first}], [{"en": second}], ["en"]).significant


def test_all_right_against_all_wrong_on_many_questions_is_significant() -> None:
    better = difference_interval([{"en": "1" * 20}], [{"en": "0" * 20}], ["en"])
    assert better.value == 1
    assert better.significant
    assert difference_interval([{"en": "0" * 20}], [{"en": "1" * 20}], ["en"]).significant


def test_pairing_sees_a_small_gain_that_separate_intervals_hide() -> None:
    before = verdicts(250, 0.5, 5)
    wrong = [place for place, bit in enumerate(before) if bit == "0"]
    after = "".join("1" if place in wrong[:10] else bit for place, bit in enumerate(before))
    gain = difference_interval([{"en": after}], [{"en": before}], ["en"])
    separate = [mean_interval([{"en": each}], ["en"]) for each in (after, before)]
    assert gain.significant
    assert gain.value == pytest.approx(0.04)
    assert separate[0].low < separate[1].high


def test_a_difference_turned_round_changes_its_sign() -> None:
    first, second = {"en": verdicts(100, 0.6, 1)}, {"en": verdicts(100, 0.5, 2)}
    forward, backward = difference_interval([first], [second], ["en"]), difference_interval([second], [first], ["en"])
    assert (backward.value, backward.low, backward.high) == pytest.approx((-forward.value, -forward.high, -forward.low))


def test_the_value_is_the_mean_over_seeds_and_unequal_seeds_widen_the_interval() -> None:
    runs = [{"en": verdicts(250, accuracy, 9)} for accuracy in (0.2, 0.4, 0.6)]
    several = mean_interval(runs, ["en"])
    single = mean_interval([{"en": verdicts(250, 0.4, 9)}], ["en"])
    assert several.value == pytest.approx(0.4)
    assert several.high - several.low > 1.5 * (single.high - single.low)


def test_seeds_that_agree_add_no_width() -> None:
    run = {"en": verdicts(250, 0.4, 9)}
    assert mean_interval([run, run, run], ["en"]).high == pytest.approx(mean_interval([run], ["en"]).high)


def test_seeds_of_two_methods_are_drawn_apart() -> None:
    runs = [{"en": verdicts(250, accuracy, 9)} for accuracy in (0.3, 0.6)]
    difference = difference_interval(runs, runs, ["en"])
    # With both seeds drawn together every resample would be exactly 0, as if the same training had been compared with itself.
    assert difference.value == 0
    assert difference.high > 0.25


def test_languages_of_different_length_weigh_the_same() -> None:
    run = {"en": "1" * 30 + "0" * 10, "te": "0" * 8 + "11"}
    interval = mean_interval([run], ["en", "te"])
    assert interval.value == pytest.approx((0.75 + 0.2) / 2)
    assert interval.low < interval.value < interval.high


def test_a_language_with_one_question_among_many_is_no_obstacle() -> None:
    interval = mean_interval([{"en": verdicts(100, 0.5, 1), "te": "1"}], ["en", "te"])
    assert interval.value == pytest.approx(0.75)
    assert 0 <= interval.low < interval.high <= 1


def test_intervals_are_the_same_every_time() -> None:
    from xreason.leaderboards.statistics import intervals as statistics

    runs = [{"en": verdicts(50, accuracy, 1)} for accuracy in (0.3, 0.5)]
    before = mean_interval(runs, ["en"]), difference_interval(runs, runs[:1], ["en"])
    statistics._draws.cache_clear()
    statistics._resampled_accuracy.cache_clear()
    assert (mean_interval(runs, ["en"]), difference_interval(runs, runs[:1], ["en"])) == before


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        mean_interval([], ["en"])
    with pytest.raises(ValueError, match="at least one run and one language"):
        mean_interval([{"en": "1"}], [])
    with pytest.raises(ValueError, match="no verdicts in sw"):
        mean_interval([{"en": "1"}], ["en", "sw"])
    with pytest.raises(ValueError, match="different numbers of questions in en"):
        difference_interval([{"en": "10"}], [{"en": "101"}], ["en"])


def fixed(value: float, low: float, high: float) -> Interval:
    """To the last digits that scipy's special functions may move between machines."""
    return pytest.approx((value, low, high), rel=1e-12, abs=1e-12)  # type: ignore[no-any-return]


def test_greedy_intervals_are_the_figures_that_boards_have_printed_since_the_first() -> None:
    first = {code: verdicts(250, 0.4, seed) for seed, code in enumerate(LANGUAGES)}
    second = {code: verdicts(250, 0.5, seed + 10) for seed, code in enumerate(LANGUAGES)}
    unequal = {"en": verdicts(40, 0.75, 1), "te": verdicts(10, 0.2, 2)}
    computed = [
        mean_interval([first], LANGUAGES),
        mean_interval([first, second], LANGUAGES),
        difference_interval([first], [second], LANGUAGES),
        difference_interval([first, second], [second], LANGUAGES),
        mean_interval([unequal], ("en", "te")),
        mean_interval([{"en": "1" * 20}], ["en"]),
        difference_interval([{"en": "1110"}], [{"en": "1110"}], ["en"]),
        difference_interval([{"en": "1111"}], [{"en": "0000"}], ["en"]),
    ]
    assert [(each.value, each.low, each.high) for each in computed] == [
        fixed(0.4, 0.368, 0.433),
        fixed(0.45, 0.378, 0.521),
        fixed(-0.09999999999999998, -0.14600000000000002, -0.052999999999999936),
        fixed(-0.04999999999999999, -0.131, 0.0),
        fixed(0.475, 0.325, 0.6472222222222221),
        fixed(1.0, 0.8315665290169145, 1.0),
        fixed(0.0, -0.6023646356164858, 0.6023646356164858),
        fixed(1.0, -0.20472927123297158, 1.0),
    ]


def test_numbers_that_are_zeros_and_ones_are_counted_as_their_strings() -> None:
    first = {code: verdicts(40, 0.4, seed) for seed, code in enumerate(LANGUAGES)}
    second = {code: verdicts(40, 0.6, seed + 10) for seed, code in enumerate(LANGUAGES)}
    numbers = {code: tuple(float(bit) for bit in first[code]) for code in LANGUAGES}
    assert mean_interval([numbers], LANGUAGES) == mean_interval([first], LANGUAGES)
    assert difference_interval([numbers], [second], LANGUAGES) == difference_interval([first], [second], LANGUAGES)
    constant = {"en": (1.0,) * 20}
    assert mean_interval([constant], ["en"]) == mean_interval([{"en": "1" * 20}], ["en"])
    assert difference_interval([constant], [constant], ["en"]) == difference_interval([{"en": "1" * 20}], [constant], ["en"])


def test_samples_of_equal_questions_narrow_the_interval_as_that_many_answers_do() -> None:
    generator = random.Random(3)
    samples = [[generator.random() < 0.4 for _ in range(8)] for _ in range(250)]
    outcomes = tuple(sum(question) / 8 for question in samples)
    interval = mean_interval([{"en": outcomes}], ["en"])
    assert interval.value == pytest.approx(sum(outcomes) / 250)
    assert half_width(interval.low, interval.high) == pytest.approx(1.96 * standard_error(0.4, 2000), rel=0.1)


def test_samples_that_always_agree_are_no_more_evidence_than_one() -> None:
    bits = verdicts(250, 0.4, 1)
    thirds = tuple(float(bit) / 3 for bit in bits)
    whole, third = mean_interval([{"en": bits}], ["en"]), mean_interval([{"en": thirds}], ["en"])
    assert (third.low, third.high) == pytest.approx((whole.low / 3, whole.high / 3))


def test_about_95_of_100_intervals_over_samples_hold_the_truth() -> None:
    generator = random.Random(17)
    trials, held = 300, 0
    for _ in range(trials):
        easy = [generator.choice((0.1, 0.6)) for _ in range(60)]
        outcomes = tuple(sum(generator.random() < chance for _ in range(3)) / 3 for chance in easy)
        interval = mean_interval([{"en": outcomes}], ["en"])
        held += interval.low <= 0.35 <= interval.high
    assert 0.92 <= held / trials <= 0.99


def test_equal_fractions_everywhere_are_at_least_as_unsure_as_whole_answers() -> None:
    half = mean_interval([{"en": (0.5,) * 20}], ["en"])
    # Clopper-Pearson of 10 right among 20, which are as many right answers
    assert (half.value, half.low, half.high) == pytest.approx((0.5, 0.27195, 0.72805), abs=1e-5)
    # a third of 4 questions is 1.33 right answers: the low bound is that of 1, the high one that of 2
    third = mean_interval([{"en": (1 / 3,) * 4}], ["en"])
    assert (third.low, third.high) == pytest.approx((1 - 0.975 ** (1 / 4), 0.93241), abs=1e-4)
    # three thirds add up to one right answer, not to a little less
    three = mean_interval([{"en": (1 / 3,) * 3}], ["en"])
    assert three.low == pytest.approx(1 - 0.975 ** (1 / 3))


def test_equal_fractional_differences_are_no_certainty() -> None:
    difference = difference_interval([{"en": (0.75,) * 4}], [{"en": (0.5,) * 4}], ["en"])
    assert difference.value == pytest.approx(0.25)
    assert not difference.significant


def test_seeds_read_twice_are_drawn_together() -> None:
    lucky, unlucky = verdicts(250, 0.6, 9), verdicts(250, 0.3, 9)
    strict = [{"en": lucky}, {"en": unlucky}]
    paper = [{"en": "0" * 25 + run["en"][25:]} for run in strict]
    together, apart = difference_interval(strict, paper, ["en"], same_seeds=True), difference_interval(strict, paper, ["en"])
    assert together.value == apart.value > 0
    assert together.significant
    assert not apart.significant
    with pytest.raises(ValueError, match="shorter"):
        difference_interval(strict, paper[:1], ["en"], same_seeds=True)


def test_readings_that_always_agree_differ_by_nothing_with_a_width() -> None:
    runs = [{"en": verdicts(20, accuracy, 3)} for accuracy in (0.3, 0.6)]
    difference = difference_interval(runs, runs, ["en"], same_seeds=True)
    assert difference.value == 0
    assert difference.high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert difference.low == -difference.high


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
