import math
import random

import pytest

from leaderboards.statistics import difference_interval, mean_interval

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
    from leaderboards import statistics

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
