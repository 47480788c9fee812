"""A board compares like with like, or says where it does not."""

import csv
import io
import json
from typing import Any

import pytest

from tests.leaderboards.conftest import make_record, score, stage
from tests.leaderboards.forms.test_terminal import printed
from xreason.leaderboards.board import Board, BoardError, build_board
from xreason.leaderboards.combined.combined import Merged, TranslateTested
from xreason.leaderboards.forms.as_csv import boards_csv
from xreason.leaderboards.forms.as_json import boards_json
from xreason.leaderboards.forms.markdown import board_markdown
from xreason.leaderboards.records import Record, StageCost, Training
from xreason.leaderboards.statistics.answers import Answered
from xreason.leaderboards.statistics.families import together
from xreason.leaderboards.statistics.intervals import differences

SCORES = {"en": 0.6, "sw": 0.2}


def trained(method: str = "slam", accuracies: dict[str, float] = SCORES, *, seed: int = 0, **changes: Any) -> Record:
    """A record of format 3; what its Training holds is in `changes`, its machine as `place`."""
    stages = changes.pop("stages", (stage(),))
    cost = {name: changes.pop(name) for name in list(changes) if name in Training.model_fields.keys() - {"machine"}}
    cost["machine"] = changes.pop("place", None)
    record = make_record(method, accuracies, seed=seed, **changes)
    return record.model_copy(update={"training": Training(stages=stages, **cost), "format": 3})


def model(name: str, accuracies: dict[str, float], **changes: Any) -> Record:
    """A record of a model without a training, scored as it is."""
    told = {"model": name, "model_hash": f"hash-{name}", "weights_hash": f"hash-{name}"} | changes
    record = make_record(f"base-{name}", accuracies, **told)
    return record.model_copy(update={"method": name, "format": 3})


def asked(record: Record, **hashes: str) -> Record:
    """The record, with the hash of the questions of some languages."""
    scores = {code: each.model_copy(update={"questions_hash": hashes.get(code)}) for code, each in record.scores["mgsm"].items()}
    return record.model_copy(update={"scores": {"mgsm": scores}})


def board(*records: Record, languages: tuple[str, ...] = ("en", "sw"), **options: Any) -> Board:
    return build_board(records, "mgsm", average_languages=languages, **options)


def names(found: Board) -> list[str]:
    return [row.name for row in found.rows]


def everywhere(found: Board) -> list[str]:
    """Its forms: terminal, page and JSON, each on one line."""
    page = board_markdown([found]).replace("\\", "")
    return [
        " ".join(text.split())
        for text in (printed(found, width=200, wide=True), page, json.dumps(boards_json([found]), ensure_ascii=False))
    ]


# rows are recipes


def test_two_recipes_of_one_method_are_two_rows_that_say_what_differs() -> None:
    few, all_of_it = stage("align", 0.06), stage("align", 1.0)
    for recipes in (("a" * 64, "b" * 64), (None, None)):
        records = [trained(recipe=recipes[0], stages=(few,)), trained(recipe=recipes[1], stages=(all_of_it,), seed=1)]
        found = board(*records)
        assert sorted(names(found)) == ["slam (100 % tuned)", "slam (6 % tuned)"]
        assert [row.seeds for row in sorted(found.rows, key=lambda row: row.seeds)] == [(0,), (1,)]
        assert all(name in text for name in names(found) for text in everywhere(found))


def test_seeds_of_one_recipe_are_one_row_whatever_their_trainings_took() -> None:
    one, other = trained(recipe="a" * 64), trained(recipe="a" * 64, seed=1)
    other = other.model_copy(update={"training": Training(recipe="a" * 64, stages=(stage(seconds=9.0),), devices=8)})
    (row,) = board(one, other).rows
    assert (row.name, row.seeds, row.recipe) == ("slam", (0, 1), "a" * 64)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tuned": "up_proj, down_proj of layers 2-3"}, ("up_proj, down_proj of layers 0-1", "up_proj, down_proj of layers 2-3")),
        ({"learning_rate": 1e-4}, ("learning rate 2e-5", "learning rate 0.0001")),
        ({"epochs": 3.0}, ("4 epochs", "3 epochs")),
        ({"rows": 100}, ("7,200 rows", "100 rows")),
        ({"batch_size": 128}, ("32 sequences a step", "128 sequences a step")),
        ({"steps": 20}, ("900 steps", "20 steps")),
        ({"languages": ("th",)}, ("sw th", "th")),
        ({"name": "reasoning"}, ("align", "reasoning")),
    ],
)
def test_trainings_of_which_no_recipe_is_recorded_are_one_where_their_stages_tell_the_same(
    changes: dict[str, Any], words: tuple[str, str]
) -> None:
    first, same = trained(), trained(seed=1)
    other = trained(seed=2, stages=(stage().model_copy(update=changes),))
    rows = {row.seeds: row.name for row in board(first, same, other).rows}
    assert rows == {(0, 1): f"slam ({words[0]})", (2,): f"slam ({words[1]})"}


def test_recipes_whose_stages_tell_the_same_are_told_apart_by_their_hash() -> None:
    found = board(trained(recipe="a1b2c3" * 10), trained(recipe="d4e5f6" * 10, seed=1))
    assert sorted(names(found)) == ["slam (a1b2c3)", "slam (d4e5f6)"]


def test_three_recipes_that_no_single_setting_tells_apart_are_told_apart_by_two() -> None:
    settings = ({"epochs": 1.0}, {"epochs": 3.0}, {"epochs": 3.0, "learning_rate": 1e-3})
    records = [
        trained(recipe=f"{place}" * 64, seed=place, stages=(stage().model_copy(update=changes),))
        for place, changes in enumerate(settings)
    ]
    assert sorted(names(board(*records))) == [
        "slam (learning rate 0.001, 3 epochs)",
        "slam (learning rate 2e-5, 1 epochs)",
        "slam (learning rate 2e-5, 3 epochs)",
    ]


def test_each_recipe_has_a_line_of_its_own_among_the_stages() -> None:
    page = board_markdown([board(trained(recipe="a" * 64), trained(recipe="b" * 64, stages=(stage(share=1.0),)))])
    assert "| slam (6 % tuned) | 0 | align |" in page
    assert "| slam (100 % tuned) | 0 | align |" in page


def test_one_recipe_from_two_bases_of_one_name_is_two_rows() -> None:
    found = board(trained(recipe="a" * 64), trained(recipe="a" * 64, model_hash="77b02e00"))
    assert sorted(names(found)) == ["slam (from pocket-llama 77b02e)", "slam (from pocket-llama 9f3c1a)"]


# the same questions


def test_other_questions_of_the_same_number_are_refused() -> None:
    base, slam = asked(model("pocket", SCORES), en="e" * 64, sw="3f9a" * 16), asked(trained(), en="e" * 64, sw="77b0" * 16)
    with pytest.raises(BoardError) as caught:
        board(base, slam)
    text = str(caught.value)
    assert (
        "pocket (seed 0) and slam (seed 0) were asked other questions of mgsm in sw (hash 3f9a3f9a3f9a against 77b077b077b0)"
        in text
    )
    assert len(text) <= 400
    assert len(board(base, asked(trained(), en="e" * 64, sw="3f9a" * 16)).rows) == 2


def test_two_records_of_other_questions_do_not_pass_beside_one_that_does_not_tell() -> None:
    records = [trained("a"), asked(trained("b"), en="1" * 64), asked(trained("c"), en="2" * 64)]
    with pytest.raises(BoardError, match="other questions of mgsm in en"):
        board(*records)


def test_where_the_questions_are_not_recorded_their_number_is_compared_and_the_board_says_so() -> None:
    known = asked(trained("known"), en="1" * 64, sw="2" * 64)
    found = board(known, trained("unknown"))
    assert "Which questions were asked is not recorded for unknown: their number was compared, not they." in found.cautions
    assert all("Which questions were asked is not recorded for unknown" in text for text in everywhere(found))
    with pytest.raises(BoardError, match="number of questions of mgsm"):
        board(known, trained("unknown", questions=100))
    assert board(known, asked(trained("too"), en="1" * 64, sw="2" * 64)).cautions == (
        "What trainings ran on is not recorded, so their times may not compare.",
    )


# names are unique


def test_two_models_of_one_name_are_two_rows_of_two_names_with_their_own_numbers() -> None:
    first, second = (
        model("base", {"en": 0.6, "sw": 0.2}),
        model("base", {"en": 0.4, "sw": 0.1}, model_hash="other", weights_hash="other"),
    )
    found = board(first, second)
    assert sorted(names(found)) == ["base (hash-b)", "base (other)"]
    assert [row.mean.value for row in found.rows] == pytest.approx([0.4, 0.25])
    ranking = printed(found).split("by language")[0]
    assert (ranking.count("40.0"), ranking.count("25.0")) == (1, 1)
    named = board(first, second.model_copy(update={"provenance": second.provenance.model_copy(update={"model": "plain"})}))
    assert sorted(names(named)) == ["base (base)", "base (plain)"]


def test_no_two_rows_share_a_name_even_where_a_method_is_called_like_another_row() -> None:
    records = [trained(recipe="a" * 64), trained(recipe="b" * 64, stages=(stage(share=1.0),)), trained("slam (6 % tuned)")]
    found = names(board(*records))
    assert len(set(found)) == 3


def test_a_checkpoint_without_a_report_is_a_row_beside_its_base() -> None:
    base = model("pocket", {"en": 0.6, "sw": 0.2})
    checkpoint = model("runs-slam", {"en": 0.6, "sw": 0.5}, model="pocket", model_hash="hash-pocket", weights_hash="changed")
    found = board(base, checkpoint)
    assert [(row.name, row.rank, row.trainings) for row in found.rows] == [("pocket", None, ()), ("runs-slam", 1, ())]
    assert found.rows[1].gain is not None
    assert found.rows[1].gain.value == pytest.approx(0.15)


def test_the_same_weights_under_two_names_are_refused() -> None:
    twice = model("again", SCORES, model="pocket", model_hash="hash-pocket", weights_hash="hash-pocket")
    with pytest.raises(BoardError, match="again and pocket are the same model"):
        board(model("pocket", SCORES), twice)


# models without a training


def test_models_without_a_training_are_ranked_and_compared_in_pairs() -> None:
    records = [model("a", {"en": 0.8, "sw": 0.5}), model("b", {"en": 0.5, "sw": 0.2}), model("c", {"en": 0.5, "sw": 0.204})]
    found = board(*records)
    assert [(row.name, row.rank, row.gain) for row in found.rows] == [("a", 1, None), ("c", 2, None), ("b", 2, None)]
    assert [(pair.first, pair.second) for pair in found.pairs] == [("a", "c"), ("a", "b"), ("c", "b")]
    a, b, c = (Answered([each.verdicts("mgsm", "paper")], trained=False).over(("en", "sw")) for each in records)
    assert [pair.difference for pair in found.pairs] == together(differences([(a, c), (a, b), (c, b)]))
    terminal, page, _ = everywhere(found)
    assert "differences of means first" in terminal
    assert "### Differences of means | first | second | first minus second |" in page
    assert "| a | b | +30.0†" in page


def test_a_base_that_something_was_made_from_is_no_rival_of_it() -> None:
    slam = trained(model="a", model_hash="hash-a", weights_hash="slam-of-a")
    found = board(model("a", SCORES), slam, model("b", {"en": 0.9, "sw": 0.9}))
    assert [(row.name, row.rank) for row in found.rows] == [("a", None), ("b", 1), ("slam (from a)", 2)]
    assert [row.gain is None for row in found.rows] == [True, True, False]


def test_a_comparison_over_one_base_shows_gains_and_no_pairs() -> None:
    found = board(make_record("base", SCORES), trained(), trained("full", {"en": 0.5, "sw": 0.5}))
    assert [(pair.first, pair.second) for pair in found.pairs] == [("full", "slam")]
    assert "ifferences of means" not in board_markdown([found])
    assert "differences of means" not in printed(found)


# costs


def test_eight_devices_for_an_hour_are_eight_device_hours() -> None:
    hour = (stage(seconds=3600.0),)
    place = {"device": "NVIDIA H200", "place": "a node"}
    found = board(trained("one", stages=hour, devices=1, **place), trained("eight", stages=hour, devices=8, **place))
    costs = {row.name: (row.training_seconds, row.device_seconds) for row in found.rows}
    assert costs == {"one": (3600.0, 3600.0), "eight": (3600.0, 8 * 3600.0)}
    terminal, page, _ = everywhere(found)
    assert "| 8 h 00 m (8 x 1 h 00 m) |" in page
    assert "| 1 h 00 m |" in page
    assert "8 h 00 m" in terminal
    assert "8 x 1 h 00 m" in terminal
    assert "trained on: 8 x NVIDIA H200, a node, 1 x NVIDIA H200, a node;" in page
    assert not any("compare" in line for line in found.cautions if "rain" in line)


def test_times_of_other_devices_or_machines_are_said_not_to_compare() -> None:
    records = [trained("a", device="NVIDIA H200", devices=1, place="x"), trained("b", device="cpu", devices=1, place="x")]
    says = "What trainings ran on differs, so training times do not compare: NVIDIA H200, x (a); cpu, x (b)."
    assert says in board(*records).cautions
    assert all(says in text for text in everywhere(board(*records)))
    records = [trained(seed=seed, device="cpu", devices=1, place=f"node {seed}") for seed in (0, 1)]
    assert "cpu, node 0 (slam); cpu, node 1 (slam)" in " ".join(board(*records).cautions)
    half = board(trained("old"), trained("new", device="cpu", devices=1, place="x"))
    assert "so training times do not compare: cpu, x (new); not recorded (old)." in " ".join(half.cautions)
    none = board(trained("old"), trained("older"))
    assert "What trainings ran on is not recorded, so their times may not compare." in none.cautions


# languages


def test_a_language_more_in_one_record_is_shown_and_counts_nowhere() -> None:
    base, slam = model("pocket", {"en": 0.6, "sw": 0.2}), trained(accuracies={"en": 0.6, "sw": 0.5, "th": 1.0})
    found = board(base, slam, languages=("en", "sw", "th"))
    assert (found.languages, found.partial_languages, found.average_languages) == (("en", "sw", "th"), ("th",), ("en", "sw"))
    by_name = {row.method: row for row in found.rows}
    assert by_name["slam"].mean == board(base, slam).rows[0].mean
    assert by_name["slam"].mean.value == pytest.approx(0.55)
    assert list(by_name["slam"].languages) == ["en", "sw", "th"]
    assert list(by_name["pocket"].languages) == ["en", "sw"]
    says = "No mean, rank or difference counts th: pocket lacks it."
    assert says in found.cautions
    terminal, page, _ = everywhere(found)
    assert says in terminal
    assert says in page
    assert "| mean | en | sw | th* |" in page
    assert "th*" in terminal
    assert " – " in terminal


def test_a_language_that_one_seed_lacks_is_left_out_of_its_row() -> None:
    first, second = trained(accuracies={"en": 0.6, "te": 0.4}), trained(seed=1, accuracies={"en": 0.6})
    (row,) = board(first, second).rows
    assert list(row.languages) == ["en"]


def test_a_language_that_some_lack_must_still_be_the_same_questions() -> None:
    records = [
        trained("a", {"en": 0.6}),
        asked(trained("b", {"en": 0.6, "te": 0.4}), te="1" * 64),
        asked(trained("c", {"en": 0.6, "te": 0.4}), te="2" * 64),
    ]
    with pytest.raises(BoardError, match="other questions of mgsm in te"):
        board(*records)


def test_records_without_a_language_in_common_are_refused() -> None:
    with pytest.raises(BoardError, match="mgsm was scored in no language by all of these"):
        board(trained("a", {"en": 0.5}), trained("b", {"sw": 0.5}))


# the tuned share


def test_the_tuned_share_is_that_of_all_stages_together() -> None:
    three = tuple(stage(name, 0.062) for name in ("layer 0", "adapters", "layer 5"))
    (row,) = board(trained(stages=three, tuned_parameters=300_000, total_parameters=1_305_600)).rows
    assert (row.tuned_parameters, row.tuned_share) == (300_000, pytest.approx(300_000 / 1_305_600))
    assert not row.tuned_at_least
    assert "| 23.0 % (300,000) |" in board_markdown(
        [board(trained(stages=three, tuned_parameters=300_000, total_parameters=1_305_600))]
    )


def test_a_share_of_which_only_the_largest_stage_is_recorded_is_a_least() -> None:
    three = tuple(stage(name, 0.062) for name in ("layer 0", "adapters", "layer 5"))
    found = board(trained(stages=three))
    assert found.rows[0].tuned_at_least
    terminal, page, _ = everywhere(found)
    assert "≥6.2 %" in terminal
    assert "≥6.2 % (≥80,947)" in page
    assert "The tuned share of slam is its largest stage's" in page
    everything: tuple[StageCost, ...] = (stage(share=0.06), stage(share=1.0))
    assert not board(trained(stages=everything)).rows[0].tuned_at_least


# what else differs


def test_rows_cut_off_are_told_by_language() -> None:
    cut = tuple(stage().model_copy(update={"truncated": told}) for told in ({"bn": 12, "sw": 0}, {"bn": 3, "th": 1_040}))
    found = board(trained(stages=cut))
    says = "slam: training rows cut off at the length limit: bn 15, th 1,040."
    assert all(says in text for text in everywhere(found))
    page = board_markdown([found])
    assert "| bn 12 |" in page
    assert "| bn 3, th 1,040 |" in page
    assert not any("cut off at" in line for line in board(trained(stages=(stage().model_copy(update={"truncated": {}}),))).cautions)


def test_a_row_that_was_asked_in_another_prompt_than_it_was_trained_in_is_named() -> None:
    own, other = (trained(name, stages=(stage().model_copy(update={"frame": name}),)) for name in ("alpaca", "octopus"))
    says = "Trained in the prompt octopus and asked in alpaca: octopus."
    assert [line for line in board(own, other).cautions if "Trained in" in line] == [says]


def test_the_dtype_served_in_is_told_and_where_it_differs_is_said() -> None:
    assert "dtype: bfloat16;" in board_markdown([board(trained(dtype="bfloat16"))])
    assert "dtype: not recorded;" in board_markdown([board(trained())])
    found = board(trained("a", dtype="bfloat16"), trained("b", dtype="float32"))
    assert "Rows differ in dtype served in: bfloat16 (a); float32 (b)." in found.cautions


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"identifier": ""}, "Rows differ in identifier of languages: lingua 2.1.1 (a); none (b)."),
        ({"machine": "H200"}, "Rows differ in machine that scored: Xeon, 2 cores (a); H200 (b)."),
        ({"data": {"mgsm": "mine"}}, "Rows differ in source of the questions: juletxara/mgsm (a); mine (b)."),
        ({"versions": {"vllm": "0.9", "torch": "2.13.0"}}, "Rows differ in vllm: 0.32.0 (a); 0.9 (b)."),
        ({"versions": {"torch": "2.13.0"}}, "Rows differ in vllm: 0.32.0 (a); not recorded (b)."),
    ],
)
def test_other_circumstances_are_a_line_each(change: dict[str, Any], says: str) -> None:
    found = board(trained("a"), trained("b", **change))
    assert says in found.cautions
    assert all(says in text for text in everywhere(found))


def test_the_same_questions_from_two_places_are_no_difference() -> None:
    first, second = (asked(each, en="1" * 64, sw="2" * 64) for each in (trained("a"), trained("b", data={"mgsm": "a folder"})))
    assert not any("source of the questions" in line for line in board(first, second).cautions)


def test_seeds_with_the_same_weights_are_said_to_be_one() -> None:
    found = board(trained(weights_hash="w"), trained(seed=1, weights_hash="w"), trained(seed=2, weights_hash="v"))
    assert [line for line in found.cautions if "same weights" in line] == [
        "slam: seeds 0 and 1 are the same weights, so its interval is too narrow."
    ]


# styles


@pytest.mark.parametrize(
    ("same", "change", "named"),
    [
        ({"shots": 8}, {"worked_examples": "first"}, ("slam (8-shot)", "slam (8-shot, first examples)")),
        (
            {"temperature": 0.7},
            {"sampling": {"top_p": 0.9}},
            ("slam (1 sample at temperature 0.7)", "slam (1 sample at temperature 0.7, top_p 0.9)"),
        ),
        ({}, {"system": "Be brief."}, ("slam (no system instruction)", "slam (system instruction 213c22)")),
    ],
)
def test_how_a_model_was_asked_keeps_rows_apart(same: dict[str, Any], change: dict[str, Any], named: tuple[str, str]) -> None:
    records = trained(**same), trained(accuracies={"en": 0.2, "sw": 0.1}, **same, **change)
    with pytest.raises(BoardError, match=r"differ in .* or rank across styles with --across-styles"):
        board(*records)
    found = board(*records, across_styles=True)
    assert tuple(names(found)) == named
    assert "".join(named[1].split("(")[1].split()) in "".join(printed(found, width=200, wide=True).split())


def test_what_changes_no_response_tells_no_styles_apart() -> None:
    records = trained("a"), trained("b", worked_examples="first", sampling={"top_p": 0.9})
    assert names(board(*records)) == ["a", "b"]


def test_a_system_instruction_stands_in_full_on_the_page_and_its_error_is_short() -> None:
    text = "Answer [briefly]. " * 60
    assert "system instruction: Answer \\[briefly\\]. Answer" in board_markdown([board(trained(system=text))])
    with pytest.raises(BoardError) as caught:
        board(trained("a", system=text), trained("b"))
    assert len(str(caught.value)) <= 400


# rows that failed


def test_a_row_that_failed_is_shown_with_its_reason() -> None:
    from xreason.leaderboards.board import Failure

    failures = [Failure(row="two_stage", reason="its loss diverged\nat step 7 <b>")]
    found = board(trained(), failures=failures)
    terminal, page = printed(found, width=200, wide=True), board_markdown([found])
    assert "two_stage failed: its loss diverged at step 7 <b>" in terminal
    assert "- two\\_stage failed: its loss diverged at step 7 &lt;b&gt;" in page
    assert boards_json([found])["boards"][0]["failures"] == [{"row": "two_stage", "reason": "its loss diverged\nat step 7 <b>"}]


def test_a_record_of_format_2_and_one_of_format_3_stand_on_one_board() -> None:
    old = make_record("base", SCORES)
    new = trained(recipe="a" * 64, weights_hash="w", dtype="float32", device="cpu", devices=1, place="x")
    assert old.format == 2
    assert names(board(old, new)) == ["base", "slam"]


def test_a_board_may_rank_by_the_reading_of_metamath() -> None:
    both = {"en": score("1100", metamath=("1111",))}
    found = board(trained(scores=both), languages=("en",), reading="metamath")
    assert (found.reading, found.other_reading, found.rows[0].mean.value) == ("metamath", "paper", 1.0)
    assert "ranked by: MetaMath's reading" in board_markdown([found])


def in_english(seed: int = 0, *, made: str = "recipe", tokens: int | None = 500, **changes: Any) -> Record:
    """A record of the base that was asked in English, by a translator of this recipe."""
    told = TranslateTested(of="base", translator="slam", models=2, made=made)
    record = model("pocket", SCORES, translate_test=told, seed=seed, **changes)
    took = {
        code: each.model_copy(update={"tokens": 1_000, "translation_tokens": tokens})
        for code, each in record.scores["mgsm"].items()
    }
    return record.model_copy(update={"method": "translate-test", "scores": {"mgsm": took}})


def test_translations_of_another_translator_are_another_row_and_another_seed_of_one_is_the_same() -> None:
    board = build_board([model("pocket", SCORES), in_english(), in_english(1)], "mgsm", average_languages=("en", "sw"))
    assert [(row.name, row.seeds) for row in board.rows] == [
        ("pocket", (0,)),
        ("translate-test (base asked in English, translated by slam)", (0, 1)),
    ]
    assert (board.rows[1].models_in_use, board.rows[1].tokens_in_use) == (2, 6.0)
    others = [in_english(), in_english(1, made="another")]
    board = build_board([model("pocket", SCORES), *others], "mgsm", average_languages=("en", "sw"))
    assert sorted(row.seeds for row in board.rows if row.method == "translate-test") == [(0,), (1,)]
    assert len({row.name for row in board.rows}) == 3


def test_what_use_costs_is_not_told_where_what_translating_took_is_not() -> None:
    board = build_board([model("pocket", SCORES), in_english(tokens=None)], "mgsm", average_languages=("en", "sw"))
    assert board.rows[1].tokens_in_use is None


def test_what_use_costs_is_two_numbers_a_row_for_programs_and_one_column_for_people() -> None:
    board = build_board([model("pocket", SCORES), in_english()], "mgsm", average_languages=("en", "sw"))
    told = [(row["cost of use"], row["models in use"]) for row in csv.DictReader(io.StringIO(boards_csv([board]), newline=""))]
    assert told == [("", "1"), ("6", "2")]
    page = board_markdown([board])
    assert "| cost of use |" in page and "| 6 tokens 2 models |" in page
    assert "Cost of use: tokens that a question takes, all its responses and its translation, and models in use." in page


def test_a_board_says_of_a_merged_row_what_it_is_made_of_and_of_two_models_whose_training_is_counted() -> None:
    merged = Merged(how="0.5 slam + 0.5 full", rows=("slam", "full"), tensors=9, seconds=0.5)
    rows = [model("pocket", SCORES), trained("linear", merged=merged, model="pocket", model_hash="hash-pocket"), in_english()]
    page = board_markdown([build_board(rows, "mgsm", average_languages=("en", "sw"))])
    assert (
        "- linear was merged, not trained: 0.5 slam + 0.5 full; its training time is that of slam and full, and of merging.\n"
        in page
    )
    asked = "translate-test (base asked in English, translated by slam)"
    assert f"- {asked} takes 2 models; its training time is that of base, which answers, alone.\n" in page
