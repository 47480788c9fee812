import json
from typing import Any

import pytest

from leaderboards.board import Board, BoardError, build_board
from leaderboards.records import Record

Make = Any
SMALL = ("en", "sw")


def small_board(*records: Record) -> Board:
    return build_board(records, "mgsm", average_languages=SMALL)


def test_the_base_comes_first_and_methods_follow_by_mean(comparison: list[Record], average: tuple[str, ...]) -> None:
    board = build_board(comparison, "mgsm", average_languages=average)
    assert [row.method for row in board.rows] == ["base", "slam", "two-stage", "full"]
    assert board.rows[0].rank is None
    means = [row.mean.value for row in board.rows[1:]]
    assert means == sorted(means, reverse=True)


def test_columns_are_english_then_the_averaged_then_the_rest(comparison: list[Record], average: tuple[str, ...]) -> None:
    board = build_board(comparison, "mgsm", average_languages=average)
    assert board.languages == ("en", "sw", "zh", "bn", "de", "es", "fr", "ja", "ru", "th", "te")
    assert all(tuple(row.languages) == board.languages for row in board.rows)


def test_english_leads_even_where_it_is_not_averaged_or_listed_late(make: Make) -> None:
    record = make("slam", {"sw": 0.2, "en": 0.6, "de": 0.4})
    assert build_board([record], "mgsm", average_languages=("sw", "en")).languages == ("en", "sw", "de")
    board = build_board([record], "mgsm", average_languages=("sw",))
    assert board.languages == ("en", "sw", "de")
    assert board.average_languages == ("sw",)


def test_languages_that_are_not_averaged_are_shown_but_move_no_mean(make: Make) -> None:
    row = small_board(make("slam", {"en": 0.6, "sw": 0.2, "te": 1.0})).rows[0]
    assert row.languages["te"].value == 1.0
    assert row.mean.value == pytest.approx(0.4)
    assert row.others is not None
    assert row.others.value == pytest.approx(0.2)


def test_the_mean_runs_over_the_languages_that_were_scored(make: Make, average: tuple[str, ...]) -> None:
    board = build_board([make("slam", {"th": 0.2, "en": 0.6})], "mgsm", average_languages=average)
    assert board.average_languages == ("en", "th")
    assert board.rows[0].mean.value == pytest.approx(0.4)


def test_gain_is_against_the_base_without_english(comparison: list[Record], average: tuple[str, ...]) -> None:
    base, slam, _, full = build_board(comparison, "mgsm", average_languages=average).rows
    assert base.gain is None
    assert slam.gain is not None
    assert slam.gain.value == pytest.approx(0.16, abs=0.005)
    assert slam.gain.significant
    assert slam.gain.low > 0.1
    assert full.gain is not None
    assert full.gain.value == pytest.approx(0.04, abs=0.005)


@pytest.mark.parametrize(("english", "verdict"), [(0.3, "lost"), (0.6, "kept"), (0.9, "gained")])
def test_english_is_kept_unless_its_interval_says_otherwise(make: Make, english: float, verdict: str) -> None:
    board = small_board(make("base", {"en": 0.6, "sw": 0.1}), make("slam", {"en": english, "sw": 0.5}))
    assert board.rows[1].english is not None
    assert board.rows[1].english.value == pytest.approx(english - 0.6)
    assert board.rows[1].english_verdict == verdict
    assert board.rows[0].english_verdict is None


def test_methods_that_cannot_be_told_apart_share_a_rank(comparison: list[Record], average: tuple[str, ...]) -> None:
    rows = build_board(comparison, "mgsm", average_languages=average).rows
    # two-stage differs from slam by four answers of 2,500; full is far behind, and third.
    assert [(row.method, row.rank) for row in rows[1:]] == [("slam", 1), ("two-stage", 1), ("full", 3)]


def test_methods_that_differ_have_ranks_of_their_own(make: Make) -> None:
    records = [make(name, {"en": accuracy, "sw": accuracy}) for name, accuracy in (("c", 0.2), ("a", 0.8), ("b", 0.5))]
    assert [(row.method, row.rank) for row in small_board(*records).rows] == [("a", 1), ("b", 2), ("c", 3)]


def test_seeds_of_a_method_are_one_row_with_their_mean(make: Make) -> None:
    records = [make("slam", {"en": accuracy, "sw": 0.2}, seed=seed) for seed, accuracy in ((3, 0.5), (1, 0.7))]
    (row,) = small_board(*records).rows
    assert row.seeds == (1, 3)
    assert row.languages["en"].value == pytest.approx(0.6)
    assert len(row.trainings) == len(row.checkpoint_bytes) == 2


def test_costs_are_read_off_the_training(comparison: list[Record], average: tuple[str, ...]) -> None:
    base, slam, two_stage, _ = build_board(comparison, "mgsm", average_languages=average).rows
    assert (base.tuned_parameters, base.tuned_share, base.seconds) == (None, None, None)
    assert (slam.tuned_parameters, slam.seconds) == (78_336, 83.0)
    assert slam.tuned_share == pytest.approx(0.06)
    assert (two_stage.tuned_share, two_stage.seconds) == (1.0, 4300.0)


def test_a_board_without_the_base_has_no_gains(make: Make) -> None:
    (row,) = small_board(make("slam", {"en": 0.6, "sw": 0.2})).rows
    assert (row.rank, row.gain, row.english) == (1, None, None)


def test_a_board_of_english_alone_has_no_others(make: Make) -> None:
    base, slam = small_board(make("base", {"en": 0.6}), make("slam", {"en": 0.2})).rows
    assert (slam.others, slam.gain) == (None, None)
    assert slam.english_verdict == "lost"
    assert base.others is None


def test_the_order_of_records_changes_nothing(comparison: list[Record], average: tuple[str, ...]) -> None:
    forward = build_board(comparison, "mgsm", average_languages=average)
    assert build_board(comparison[::-1], "mgsm", average_languages=average) == forward


def test_the_dictionary_holds_everything_at_full_precision(comparison: list[Record], average: tuple[str, ...]) -> None:
    board = build_board(comparison, "mgsm", average_languages=average)
    content = json.loads(json.dumps(board.as_dict(), allow_nan=False))
    assert content["format"] == 1
    slam = content["rows"][1]
    assert slam["gain"]["low"] == board.rows[1].gain.low  # type: ignore[union-attr]
    assert slam["gain"]["significant"] is True
    assert slam["english_verdict"] == "kept"
    assert slam["languages"]["te"]["value"] == board.rows[1].languages["te"].value
    assert slam["trainings"][0]["stages"][0]["losses"] == [[1, 3.2], [900, 0.4]]
    assert content["questions"]["te"] == 250
    assert content["provenance"][0]["commit"] == "0123abc"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_hash": "other"}, "base model"),
        ({"prompt_hash": "other"}, "prompt"),
        ({"limit": 8}, "limit"),
        ({"max_new_tokens": {"mgsm": 128}}, "max_new_tokens of mgsm"),
    ],
)
def test_records_asked_differently_are_not_compared(make: Make, change: dict[str, object], words: str) -> None:
    records = make("base", {"en": 0.6}), make("slam", {"en": 0.6}, **change)
    with pytest.raises(BoardError) as caught:
        small_board(*records)
    text = str(caught.value)
    assert words in text
    assert "base (seed 0) and slam (seed 0)" in text
    assert str(next(iter(change.values()))).strip("{}").split(": ")[-1] in text
    assert "\n" not in text


def test_another_suites_response_length_is_no_difference(make: Make) -> None:
    records = make("base", {"en": 0.6}), make("slam", {"en": 0.6}, max_new_tokens={"mgsm": 600, "msvamp": 8})
    assert len(small_board(*records).rows) == 2


def test_records_over_other_languages_or_questions_are_not_compared(make: Make) -> None:
    with pytest.raises(BoardError, match=r"languages of mgsm \(en, sw against en\)"):
        small_board(make("base", {"en": 0.6, "sw": 0.1}), make("slam", {"en": 0.6}))
    with pytest.raises(BoardError, match=r"number of questions of mgsm \(en 250 against en 100\)"):
        small_board(make("base", {"en": 0.6}), make("slam", {"en": 0.6}, questions=100))


def test_the_same_method_and_seed_twice_is_refused(make: Make) -> None:
    with pytest.raises(BoardError, match=r"2 records of slam \(seed 0\)"):
        small_board(make("slam", {"en": 0.6}), make("slam", {"en": 0.5}))


def test_a_record_without_the_suite_is_refused_by_name(make: Make) -> None:
    records = make("slam", {"en": 0.6}), make("full", {"en": 0.6}, suites=("msvamp",))
    with pytest.raises(BoardError, match=r"full \(seed 0\) was not scored on mgsm"):
        small_board(*records)


def test_two_bases_are_refused(make: Make) -> None:
    base = make("base", {"en": 0.6})
    with pytest.raises(BoardError, match="base and other both have no training"):
        small_board(base, base.model_copy(update={"method": "other"}))
    with pytest.raises(BoardError, match="slam has records with and without a training"):
        small_board(make("slam", {"en": 0.6}), base.model_copy(update={"method": "slam", "seed": 1}))


def test_nothing_to_compare_is_refused(make: Make) -> None:
    with pytest.raises(BoardError, match="no records"):
        small_board()
    with pytest.raises(BoardError, match="mgsm was scored in te, none of which is averaged"):
        small_board(make("slam", {"te": 0.5}))
