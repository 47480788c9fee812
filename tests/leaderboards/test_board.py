import json
from typing import Any

import pytest

from xreason.leaderboards.board import Board, BoardError, build_board
from xreason.leaderboards.forms.as_json import boards_json
from xreason.leaderboards.records import Record
from xreason.leaderboards.statistics.answers import Answered, Counts
from xreason.leaderboards.statistics.intervals import mean_interval, reread

Make = Any
SMALL = ("en", "sw")


def small_board(*records: Record, **options: Any) -> Board:
    return build_board(records, "mgsm", average_languages=SMALL, **options)


def flipped(bits: str, rights: int) -> str:
    """Verdicts with so many more right answers, or fewer where negative."""
    return bits.replace("0", "1", rights) if rights > 0 else bits.replace("1", "0", -rights)


def read_twice(make: Make, method: str, more: dict[str, int], **options: Any) -> Record:
    """A record of 250 questions a language, half of them right as the papers read them, and `more` as strict does."""
    record: Record = make(method, dict.fromkeys(more, 0.5), **options)
    scores = {
        code: score.model_copy(update={"strict": tuple(flipped(bits, more[code]) for bits in score.paper)})
        for code, score in record.scores["mgsm"].items()
    }
    return record.model_copy(update={"scores": {"mgsm": scores}})


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
    assert row.mean_without_english is not None
    assert row.mean_without_english.value == pytest.approx(0.2)


def test_the_mean_runs_over_the_languages_that_were_scored(make: Make, average: tuple[str, ...]) -> None:
    board = build_board([make("slam", {"th": 0.2, "en": 0.6})], "mgsm", average_languages=average)
    assert board.average_languages == ("en", "th")
    assert board.rows[0].mean.value == pytest.approx(0.4)


def test_gain_is_against_the_base_of_the_same_mean_as_the_rank(comparison: list[Record], average: tuple[str, ...]) -> None:
    base, slam, _, _ = build_board(comparison, "mgsm", average_languages=average).rows
    assert base.gain is None
    assert slam.gain is not None
    assert slam.gain.value == pytest.approx(slam.mean.value - base.mean.value)
    assert slam.gain.significant
    assert slam.gain.low > 0.1
    board = build_board(comparison, "mgsm", average_languages=average, mean="without-english")
    assert (board.mean_over, board.average_languages) == ("without-english", average[1:])
    base, slam, _, full = board.rows
    assert slam.mean == slam.mean_without_english
    assert slam.gain is not None
    assert slam.gain.value == pytest.approx(0.16, abs=0.005)
    assert full.gain is not None
    assert full.gain.value == pytest.approx(0.04, abs=0.005)
    assert board.pairs[0].difference.value == pytest.approx(slam.mean.value - board.rows[2].mean.value)


def test_a_mean_without_english_needs_another_language(make: Make) -> None:
    with pytest.raises(BoardError, match="averaged over en alone"):
        build_board([make("slam", {"en": 0.5})], "mgsm", average_languages=("en",), mean="without-english")


@pytest.mark.parametrize(("english", "verdict"), [(0.3, "lost"), (0.58, "not settled"), (0.6, "not settled"), (0.9, "gained")])
def test_english_is_settled_where_both_bounds_say_so(make: Make, english: float, verdict: str) -> None:
    board = small_board(make("base", {"en": 0.6, "sw": 0.1}), make("slam", {"en": english, "sw": 0.5}))
    assert board.rows[1].english is not None
    assert board.rows[1].english.value == pytest.approx(english - 0.6)
    assert board.rows[1].english_verdict == verdict
    assert board.rows[0].english_verdict is None


def test_english_is_within_a_margin_that_holds_its_interval(make: Make) -> None:
    records = [make("base", {"en": 0.6, "sw": 0.1}), make("slam", {"en": 0.6, "sw": 0.5})]
    english = small_board(*records).rows[1].english
    assert english is not None
    wide, narrow = 100 * english.high + 0.1, 100 * english.high - 0.1
    assert small_board(*records, english_margin=wide).rows[1].english_verdict == "within"
    assert small_board(*records, english_margin=narrow).rows[1].english_verdict == "not settled"


def test_methods_that_cannot_be_told_apart_share_a_rank(comparison: list[Record], average: tuple[str, ...]) -> None:
    rows = build_board(comparison, "mgsm", average_languages=average).rows
    # two-stage differs from slam by four answers of 2,500; full is far behind, and third.
    assert [(row.method, row.rank) for row in rows[1:]] == [("slam", 1), ("two-stage", 1), ("full", 3)]


def test_methods_that_differ_have_ranks_of_their_own(make: Make) -> None:
    records = [make(name, {"en": accuracy, "sw": accuracy}) for name, accuracy in (("c", 0.2), ("a", 0.8), ("b", 0.5))]
    assert [(row.method, row.rank) for row in small_board(*records).rows] == [("a", 1), ("b", 2), ("c", 3)]


def flat(make: Make, method: str, accuracy: float) -> Record:
    """A record whose right answers are the first ones: one that is better is better on these questions alone."""
    record: Record = make(method, dict.fromkeys(SMALL, 0.5))
    right = round(accuracy * 250)
    bits = ("1" * right + "0" * (250 - right),)
    scores = {code: each.model_copy(update={"paper": bits, "strict": bits}) for code, each in record.scores["mgsm"].items()}
    return record.model_copy(update={"scores": {"mgsm": scores}})


def test_a_rank_counts_the_rows_that_are_better_and_no_chain_of_ties(make: Make) -> None:
    # each against the next may be chance, the ends differ
    board = small_board(*(flat(make, name, accuracy) for name, accuracy in (("a", 0.536), ("b", 0.516), ("c", 0.5))))
    assert [(row.method, row.rank) for row in board.rows] == [("a", 1), ("b", 1), ("c", 2)]
    assert [pair.difference.significant for pair in board.pairs] == [False, True, False]


def test_pairs_and_gains_are_two_families_and_each_claim_has_both_p_values(
    comparison: list[Record], average: tuple[str, ...]
) -> None:
    board = build_board(comparison, "mgsm", average_languages=average)
    assert [(family.name, family.claims) for family in board.families] == [("pairs", 3), ("gains", 3)]
    assert all(0.02 < (family.smallest_difference or 0) < 0.05 for family in board.families)
    full = board.rows[3].gain
    assert full is not None
    assert (full.p_adjusted, full.significant) == (pytest.approx(full.p), True)
    assert board.rows[3].rank == 3


def test_a_board_of_single_trainings_marks_nothing_and_says_so(make: Make) -> None:
    others = [make("full", {"en": 0.4, "sw": 0.4}, seed=seed) for seed in range(3)] + [make("base", {"en": 0.2, "sw": 0.2})]
    one, three = (
        small_board(*others, *(make("slam", {"en": 0.6, "sw": 0.6}, seed=seed) for seed in range(seeds))) for seeds in (1, 3)
    )
    assert (one.claims, three.claims) == ("trainings", "methods")
    gains = {row.name: row.gain for row in one.rows if row.gain is not None}
    assert {name: (gain.claims, gain.significant, gain.marked) for name, gain in gains.items()} == {
        "slam": ("trainings", True, False),
        "full": ("methods", True, True),
    }
    assert [pair.difference.claims for pair in (*one.pairs, *three.pairs)] == ["trainings", "methods"]


def test_questions_of_a_family_are_one(make: Make) -> None:
    families = {"mgsm": tuple(place // 10 for place in range(250))}

    def records(*told: dict[str, tuple[int, ...]] | None) -> list[Record]:
        made = [make(name, {"en": accuracy, "sw": accuracy}) for name, accuracy in (("a", 0.5), ("b", 0.56))]
        return [record.model_copy(update={"families": each}) for record, each in zip(made, told, strict=True)]

    told, untold, none = (small_board(*records(each, each)) for each in (families, None, {}))
    assert (told.clusters, untold.clusters, none.clusters) == (25, 250, 250)
    assert untold.rows == none.rows
    assert told.rows[0].mean.value == untold.rows[0].mean.value
    assert told.rows[0].mean.df == 24
    # one that tells speaks for all that were asked the same questions
    assert small_board(*records(families, None)).rows == told.rows


def test_records_that_tell_other_families_are_not_compared(make: Make) -> None:
    made = [make(name, {"en": 0.5}).model_copy(update={"families": {"mgsm": of}}) for name, of in (("a", (0, 0)), ("b", (0, 1)))]
    with pytest.raises(BoardError, match="families of questions of mgsm"):
        small_board(*made)


def test_a_board_of_weighted_questions_averages_ranks_and_compares_by_their_weights(make: Make) -> None:
    weights = tuple((1, 2, 4, 8)[place % 4] for place in range(40))

    def record(method: str, right: int) -> Record:
        # right are the questions of one weight alone
        bits = "".join("1" if weight == right else "0" for weight in weights)
        made = make(method, {"en": 0.5, "sw": 0.5}, questions=40)
        scores = {code: each.model_copy(update={"paper": (bits,)}) for code, each in made.scores["mgsm"].items()}
        return made.model_copy(update={"scores": {"mgsm": scores}, "weights": {"mgsm": weights}})

    board = small_board(record("easy", 1), record("hard", 8))
    assert [(row.name, row.rank) for row in board.rows] == [("hard", 1), ("easy", 2)]
    assert [row.mean.value for row in board.rows] == pytest.approx([8 / 15, 1 / 15])
    assert [row.languages["sw"].value for row in board.rows] == pytest.approx([8 / 15, 1 / 15])
    assert board.pairs[0].difference.value == pytest.approx(7 / 15)
    with pytest.raises(BoardError, match="differ in the weights of questions of mgsm"):
        small_board(record("easy", 1), record("hard", 8).model_copy(update={"weights": {}}))


def test_right_and_in_the_questions_language_is_a_mean_of_its_own(make: Make, score: Any) -> None:
    scores = {"en": score("1100", in_language=("1011",)), "sw": score("1110", in_language=("11-0",))}
    (row,) = small_board(make("slam", {}, scores=scores)).rows
    assert row.mean_in_language is not None
    assert row.mean_in_language.value == pytest.approx((1 / 4 + 2 / 4) / 2)
    (row,) = small_board(make("slam", {}, scores=scores | {"sw": score("1110", in_language=None)})).rows
    assert row.mean_in_language is None


def test_seeds_of_a_method_are_one_row_with_their_mean(make: Make) -> None:
    records = [make("slam", {"en": accuracy, "sw": 0.2}, seed=seed) for seed, accuracy in ((3, 0.5), (1, 0.7))]
    (row,) = small_board(*records).rows
    assert row.seeds == (1, 3)
    assert row.languages["en"].value == pytest.approx(0.6)
    assert len(row.trainings) == len(row.checkpoint_bytes) == 2


def test_costs_are_read_off_the_training(comparison: list[Record], average: tuple[str, ...]) -> None:
    base, slam, two_stage, _ = build_board(comparison, "mgsm", average_languages=average).rows
    assert (base.tuned_parameters, base.tuned_share, base.training_seconds) == (None, None, None)
    assert (slam.tuned_parameters, slam.training_seconds) == (78_336, 83.0)
    assert slam.tuned_share == pytest.approx(0.06)
    assert (two_stage.tuned_share, two_stage.training_seconds) == (1.0, 4300.0)


def test_a_board_without_the_base_has_no_gains(make: Make) -> None:
    (row,) = small_board(make("slam", {"en": 0.6, "sw": 0.2})).rows
    assert (row.rank, row.gain, row.english) == (1, None, None)


def test_a_board_of_english_alone_has_no_others(make: Make) -> None:
    base, slam = small_board(make("base", {"en": 0.6}), make("slam", {"en": 0.2})).rows
    assert slam.mean_without_english is None
    assert slam.gain is not None
    assert slam.gain.value == pytest.approx(-0.4)
    assert slam.english_verdict == "lost"
    assert base.mean_without_english is None


def test_the_order_of_records_changes_nothing(comparison: list[Record], average: tuple[str, ...]) -> None:
    forward = build_board(comparison, "mgsm", average_languages=average)
    assert build_board(comparison[::-1], "mgsm", average_languages=average) == forward


def test_the_dictionary_holds_everything_at_full_precision(comparison: list[Record], average: tuple[str, ...]) -> None:
    board = build_board(comparison, "mgsm", average_languages=average)
    content = boards_json([board])["boards"][0]
    assert content["format"] == 5
    assert (content["reading"], content["other_reading"]) == ("paper", "strict")
    assert content["styles"][0] | {"prompt_hash": ""} == {
        "prompt": "alpaca",
        "prompt_hash": "",
        "shots": 0,
        "samples": 1,
        "temperature": 0.0,
        "worked_examples": "drawn",
        "bounds": [],
        "system": "",
        "chat_args": [],
        "think_end": "",
        "thinking_tokens": 0,
    }
    slam = content["rows"][1]
    assert slam["languages_by_other_reading"]["te"]["value"] == board.rows[1].languages_by_other_reading["te"].value
    assert slam["mean_by_other_reading"]["high"] == board.rows[1].mean_by_other_reading.high
    assert slam["responses"]["te"] == {"answered": 1.0, "cut_off": 0.0, "in_language": 1.0}
    assert slam["mean_responses"] == slam["responses"]["te"]
    assert slam["sampling"] is None
    assert content["notes"] == []
    assert slam["gain"]["low"] == board.rows[1].gain.low  # type: ignore[union-attr]
    assert slam["gain"]["significant"] is True
    assert slam["english_verdict"] == "not settled"
    assert slam["languages"]["te"]["value"] == board.rows[1].languages["te"].value
    assert slam["trainings"][0]["stages"][0]["losses"] == [[1, 3.2], [900, 0.4]]
    assert content["questions"]["te"] == 250
    assert content["provenance"][0]["commit"] == "0123abc"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": "octopus"}, "prompt style"),
        ({"prompt_hash": "other"}, "hash of the prompt"),
        ({"shots": 8}, "number of shots"),
        ({"temperature": 0.7}, "temperature"),
        ({"suite_versions": {"mgsm": "2.0"}}, "version of mgsm"),
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
    assert str(next(iter(change.values()))).strip("{}").split(": ")[-1].strip("'") in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "change", [{"max_new_tokens": {"mgsm": 600, "msvamp": 8}}, {"suite_versions": {"mgsm": "1.0", "msvamp": "7"}}]
)
def test_what_is_another_suites_is_no_difference(make: Make, change: dict[str, object]) -> None:
    records = make("base", {"en": 0.6}), make("slam", {"en": 0.6}, **change)
    assert len(small_board(*records).rows) == 2


def test_records_over_another_number_of_questions_are_not_compared(make: Make) -> None:
    with pytest.raises(BoardError, match=r"number of questions of mgsm \(en 250 against en 100\)"):
        small_board(make("base", {"en": 0.6}), make("slam", {"en": 0.6}, questions=100))


def test_the_same_method_and_seed_twice_is_refused(make: Make) -> None:
    with pytest.raises(BoardError, match=r"2 records of slam \(seed 0\)"):
        small_board(make("slam", {"en": 0.6}), make("slam", {"en": 0.5}))


def test_a_record_without_the_suite_is_refused_by_name(make: Make) -> None:
    records = make("slam", {"en": 0.6}), make("full", {"en": 0.6}, suites=("msvamp",))
    with pytest.raises(BoardError, match=r"full \(seed 0\) was not scored on mgsm"):
        small_board(*records)


def test_a_gain_is_over_the_base_that_the_method_started_from(make: Make) -> None:
    reasoner, plain = (
        make("base", {"en": 0.6, "sw": 0.2}),
        make("base-plain", {"en": 0.2, "sw": 0.1}, model_hash="plain", model="plain"),
    )
    slam, two_stage = (
        make("slam", {"en": 0.6, "sw": 0.5}),
        make("two-stage", {"en": 0.6, "sw": 0.5}, model_hash="plain", model="plain"),
    )
    board = small_board(reasoner, plain, slam, two_stage)
    rows = {row.method: row for row in board.rows}
    assert [row.rank for row in board.rows[:2]] == [None, None]
    assert {row.method for row in board.rows[:2]} == {"base", "base-plain"}
    assert rows["two-stage"].name == "two-stage (from plain)"
    assert rows["base-plain"].name == "base-plain"
    for method, base in (("slam", "base"), ("two-stage", "base-plain")):
        gain = rows[method].gain
        assert gain is not None
        assert gain.value == pytest.approx(rows[method].mean.value - rows[base].mean.value)


def test_one_base_twice_is_refused(make: Make) -> None:
    base = make("base", {"en": 0.6})
    with pytest.raises(BoardError, match="base and other are the same model"):
        small_board(base, base.model_copy(update={"method": "other"}))
    with pytest.raises(BoardError, match="slam has records with and without a training"):
        small_board(make("slam", {"en": 0.6}), base.model_copy(update={"method": "slam", "seed": 1}))


def test_nothing_to_compare_is_refused(make: Make) -> None:
    with pytest.raises(BoardError, match="no records"):
        small_board()
    with pytest.raises(BoardError, match="mgsm was scored in te, none of which is averaged"):
        small_board(make("slam", {"te": 0.5}))


def test_a_greedy_board_has_the_figures_that_boards_have_printed_since_format_5(
    comparison: list[Record], average: tuple[str, ...]
) -> None:
    base, slam, two_stage, full = build_board(comparison, "mgsm", average_languages=average).rows
    estimates = [
        base.mean,
        slam.mean,
        two_stage.mean,
        slam.gain,
        full.gain,
        full.english,
        slam.languages["sw"],
        base.languages["te"],
    ]
    found = [(each.value, each.low, each.high) for each in estimates if each is not None]
    # to the last digits that scipy's special functions may move between machines
    assert found == [
        pytest.approx(figures, rel=1e-9, abs=1e-9)
        for figures in (
            (0.3296, 0.2916196285827431, 0.3699436375909502),
            (0.4736, 0.42790386931214663, 0.5197426999002157),
            (0.472, 0.4264508976929977, 0.5180201226888637),
            (0.144, 0.12378778499627849, 0.1642122150037215),
            (0.0172, 0.0016586564099538327, 0.03274134359004617),
            (-0.188, -0.239392494755236, -0.13362337826063703),
            (0.228, 0.18034129807610463, 0.2838912168494172),
            (0.0, 0.0, 0.015133299495444574),
        )
    ]


def test_both_readings_stand_in_a_row_and_the_chosen_one_ranks(make: Make) -> None:
    records = [
        read_twice(make, "base", {"en": 0, "sw": 0}),
        read_twice(make, "slam", {"en": 0, "sw": 75}),
        read_twice(make, "full", {"en": 0, "sw": -75}),
    ]
    paper, strict = small_board(*records), small_board(*records, reading="strict")
    assert (paper.reading, paper.other_reading) == ("paper", "strict")
    assert (strict.reading, strict.other_reading) == ("strict", "paper")
    assert [(row.method, row.rank) for row in paper.rows[1:]] == [("full", 1), ("slam", 1)]
    assert [(row.method, row.rank) for row in strict.rows[1:]] == [("slam", 1), ("full", 2)]
    slam_by_paper, slam_by_strict = paper.rows[2], strict.rows[1]
    assert slam_by_strict.languages["sw"].value == pytest.approx(0.8)
    assert slam_by_strict.languages_by_other_reading["sw"].value == pytest.approx(0.5)
    assert (slam_by_strict.mean, slam_by_strict.languages) == (
        slam_by_paper.mean_by_other_reading,
        slam_by_paper.languages_by_other_reading,
    )
    assert (slam_by_strict.mean_by_other_reading, slam_by_strict.languages_by_other_reading) == (
        slam_by_paper.mean,
        slam_by_paper.languages,
    )
    assert slam_by_strict.gain is not None
    assert slam_by_strict.gain.value == pytest.approx(0.15)
    assert slam_by_paper.gain is not None
    assert slam_by_paper.gain.value == pytest.approx(0.0)


def test_readings_that_disagree_by_more_than_the_interval_are_noted(make: Make) -> None:
    record = read_twice(make, "slam", {"en": -50, "sw": 25, "te": 0, "th": 10})
    notes = small_board(record).notes
    assert [(note.name, note.language) for note in notes] == [("slam", "en"), ("slam", "sw")]
    assert [note.strict_minus_paper.value for note in notes] == pytest.approx([-0.2, 0.1])
    # th differs by 4 points for sure, and en and sw together by 5: less than half the accuracies' intervals, about 6 and 5.
    strict, paper = (Answered([record.verdicts("mgsm", reading)]).over(["th"]) for reading in ("strict", "paper"))
    assert reread(strict, paper).significant


def test_a_mean_whose_readings_disagree_is_noted_first(make: Make) -> None:
    notes = small_board(read_twice(make, "slam", {"en": 40, "sw": 40})).notes
    assert [note.language for note in notes] == [None, "en", "sw"]
    assert notes[0].strict_minus_paper.value == pytest.approx(0.16)
    assert notes[0].model_dump()["strict_minus_paper"]["significant"] is True


def test_a_large_difference_that_may_be_chance_is_not_noted(make: Make, score: Any) -> None:
    scores = {"en": score("1100", strict=("0110",)), "sw": score("1000", strict=("1110",))}
    assert small_board(make("slam", {}, scores=scores)).notes == ()


def test_shares_of_responses_are_means_over_seeds_and_languages(make: Make, score: Any) -> None:
    first = {
        "en": score("1100", answered=("1110",), cut_off=("0001",), in_language=("11--",)),
        "sw": score("1100", answered=("1100",), cut_off=None, in_language=("----",)),
        "te": score("1100", answered=("0000",)),
    }
    second = {
        "en": score("1100", answered=("1111",), cut_off=("0111",), in_language=("1000",)),
        "sw": score("1100", answered=("1100",), cut_off=None, in_language=("0001",)),
        "te": score("1100", answered=("0000",)),
    }
    (row,) = small_board(*(make("slam", {}, scores=scores, seed=seed) for seed, scores in enumerate((first, second)))).rows
    english, swahili = row.responses["en"], row.responses["sw"]
    assert (english.answered, english.cut_off, english.in_language) == (0.875, 0.5, 0.625)
    assert (swahili.answered, swahili.cut_off, swahili.in_language) == (0.5, None, 0.25)
    mean = row.mean_responses
    assert (mean.answered, mean.cut_off, mean.in_language) == (0.6875, 0.5, 0.4375)


def sampled(make: Make, score: Any, **options: Any) -> Record:
    """Four samples a question: 4, 2, 1, 0 of them right by the papers' reading, all of them by the strict one."""
    samples = ("1110", "1100", "1000", "1000")
    one = score(*samples, strict=("1111",) * 4, majority_paper="1000", majority_strict="1111")
    record: Record = make("slam", {}, scores={"en": one, "sw": one}, samples=4, temperature=0.7, **options)
    return record


def test_samples_are_averaged_by_question(make: Make, score: Any) -> None:
    record = sampled(make, score)
    (row,) = small_board(record).rows
    expected = mean_interval(Answered([dict.fromkeys(SMALL, Counts((4, 2, 1, 0), 4))]).over(SMALL))
    assert row.mean == expected
    assert row.mean.value == pytest.approx(7 / 16)
    assert row.mean_by_other_reading.value == 1


def test_several_samples_show_pass_at_k_and_the_majority_vote_by_the_boards_reading(make: Make, score: Any) -> None:
    record = sampled(make, score)
    (row,) = small_board(record).rows
    assert row.sampling is not None
    assert list(row.sampling.pass_at) == [1, 2, 4]
    # of 4 samples with c right, 1 - C(4 - c, k) / C(4, k)
    assert [chance.value for chance in row.sampling.pass_at.values()] == pytest.approx(
        [(1 + 1 / 2 + 1 / 4) / 4, (1 + 5 / 6 + 1 / 2) / 4, 3 / 4]
    )
    assert row.sampling.pass_at[1] == row.mean
    assert row.sampling.majority == mean_interval(Answered([dict.fromkeys(SMALL, "1000")]).over(SMALL))
    (strict,) = small_board(record, reading="strict").rows
    assert strict.sampling is not None
    assert strict.sampling.majority.value == strict.sampling.pass_at[4].value == 1
    assert json.loads(row.model_dump_json())["sampling"]["pass_at"]["2"]["value"] == row.sampling.pass_at[2].value


@pytest.mark.parametrize(("samples", "ks"), [(2, [1, 2]), (3, [1, 2]), (7, [1, 2, 4]), (8, [1, 2, 4, 8])])
def test_pass_at_k_doubles_k_up_to_the_samples(make: Make, samples: int, ks: list[int]) -> None:
    (row,) = small_board(make("slam", {"en": 0.5}, samples=samples, questions=8)).rows
    assert row.sampling is not None
    assert list(row.sampling.pass_at) == ks


def test_seeds_of_samples_are_one_row(make: Make) -> None:
    (row,) = small_board(*(make("slam", {"en": 0.5, "sw": 0.25}, samples=2, questions=40, seed=seed) for seed in (0, 1))).rows
    assert row.seeds == (0, 1)
    assert row.sampling is not None
    assert row.sampling.pass_at[1].value == pytest.approx(0.375)


STYLES: list[dict[str, Any]] = [
    {"prompt": "octopus"},
    {"prompt_hash": "other"},
    {"shots": 8},
    {"temperature": 0.7},
    {"samples": 2},
]


@pytest.mark.parametrize("change", STYLES)
def test_ranks_run_across_styles_only_where_they_are_told_to(make: Make, change: dict[str, Any]) -> None:
    records = make("slam", {"en": 0.6}), make("full", {"en": 0.2}, **change)
    with pytest.raises(BoardError, match=r", or rank across styles with --across-styles\.$"):
        small_board(*records)
    assert [row.rank for row in small_board(*records, across_styles=True).rows] == [1, 2]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"prompt": "octopus"}, ("slam (alpaca)", "slam (octopus)")),
        ({"prompt_hash": "other"}, ("slam (4b1de0)", "slam (other)")),
        ({"shots": 8}, ("slam (zero-shot)", "slam (8-shot)")),
        ({"samples": 2, "temperature": 0.7}, ("slam (greedy)", "slam (2 samples at temperature 0.7)")),
        ({"prompt": "octopus", "shots": 8}, ("slam (alpaca, zero-shot)", "slam (octopus, 8-shot)")),
    ],
)
def test_a_method_asked_in_two_styles_is_two_rows_named_for_them(
    make: Make, change: dict[str, Any], names: tuple[str, ...]
) -> None:
    board = small_board(make("slam", {"en": 0.6}), make("slam", {"en": 0.2}, **change), across_styles=True)
    assert tuple(row.name for row in board.rows) == names
    assert {row.method for row in board.rows} == {"slam"}
    assert board.styles == tuple(row.style for row in board.rows)


def test_a_gain_across_styles_is_over_the_base_asked_in_the_same_style(make: Make) -> None:
    records = [
        make("base", {"en": 0.6, "sw": 0.1}),
        make("base", {"en": 0.6, "sw": 0.3}, prompt="octopus"),
        make("slam", {"en": 0.6, "sw": 0.5}),
        make("slam", {"en": 0.6, "sw": 0.4}, prompt="octopus"),
        make("slam", {"en": 0.6, "sw": 0.2}, prompt="direct"),
    ]
    rows = small_board(*records, across_styles=True).rows
    assert [(row.name, row.rank is None) for row in rows[:2]] == [("base (octopus)", True), ("base (alpaca)", True)]
    gains = {row.style.prompt: row.gain for row in rows[2:]}
    assert gains["direct"] is None
    assert gains["alpaca"] is not None
    assert gains["alpaca"].value == pytest.approx(0.2)
    assert gains["octopus"] is not None
    assert gains["octopus"].value == pytest.approx(0.05)


def test_styles_never_excuse_another_version_of_the_suite(make: Make) -> None:
    records = make("base", {"en": 0.6}), make("slam", {"en": 0.6}, suite_versions={"mgsm": "2.0"})
    with pytest.raises(BoardError, match=r"version of mgsm \(1\.0 against 2\.0\)"):
        small_board(*records, across_styles=True)


def test_the_same_method_seed_and_style_twice_is_refused_across_styles(make: Make) -> None:
    with pytest.raises(BoardError, match=r"2 records of slam \(seed 0\)"):
        small_board(make("slam", {"en": 0.6}), make("slam", {"en": 0.5}), across_styles=True)
