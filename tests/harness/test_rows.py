"""Rows that take other rows: which are meant, which come along, in which order they are made, and how they are told apart."""

import json
import pickle
from pathlib import Path

import pytest

from tests.harness.conftest import Run
from tests.harness.test_plan import other as other
from tests.harness.test_plan import planned as planned_of
from tests.places import ROOT
from xreason.harness.outlook import outlook
from xreason.harness.plan import Plan
from xreason.harness.run import _scorings, _trainings
from xreason.tasks.errors import UserError

EXPERTS = "  math: {method: english-sft, rows: 8}\n  slam: {layers: 1, rows: 8}\n"


def planned(tmp_path: Path, methods: str, **said: object) -> Plan:
    return planned_of(tmp_path, methods, languages=["en", "sw"], **said)


def titles(plan: Plan) -> list[str]:
    return [task.row for task in (*plan.trainings, *plan.merges)]


def test_a_merge_comes_after_the_rows_that_it_takes_seed_by_seed_and_the_plan_comes_back_from_json(tmp_path: Path) -> None:
    methods = f"  soup: {{method: linear, of: [swap, slam]}}\n  swap: {{method: layer-swap, of: [math, slam]}}\n{EXPERTS}"
    plan = planned(tmp_path, methods, seeds=[0, 1])
    assert [(task.row, task.seed) for task in plan.merges] == [("swap", 0), ("swap", 1), ("soup", 0), ("soup", 1)]
    made = {(task.row, task.seed): task.folder for task in (*plan.trainings, *plan.merges)}
    assert [task.needs for task in plan.merges] == [
        *((made["math", seed], made["slam", seed]) for seed in (0, 1)),
        *((made["swap", seed], made["slam", seed]) for seed in (0, 1)),
    ]
    stood: set[Path] = set()
    for step in plan.steps():
        assert stood.issuperset(step.needs)
        stood.add(step.folder)
    # rows stand in the order in which they were asked for
    assert [row.name for row in plan.rows[1::2]] == ["soup", "swap", "math", "slam"]
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_rows_that_start_from_rows_and_merges_of_them_have_one_order_and_no_circle(tmp_path: Path) -> None:
    methods = "  linear: {of: [more, math]}\n  more: {method: full, start: slam, rows: 8}\n"
    plan = planned(tmp_path, f"{methods}{EXPERTS}")
    assert titles(plan) == ["slam", "more", "math", "linear"]
    made = {task.row: task for task in (*plan.trainings, *plan.merges)}
    assert made["more"].needs == (made["slam"].folder,)
    assert made["linear"].needs == (made["more"].folder, made["math"].folder)
    stood: set[Path] = set()
    for step in plan.steps():
        assert stood.issuperset(step.needs)
        stood.add(step.folder)
    with pytest.raises(UserError, match="linear takes more takes linear: a row cannot be made of itself"):
        planned(tmp_path, f"{methods.replace('start: slam', 'start: linear')}{EXPERTS}")
    merged = "  linear: {of: [slam, math]}\n  more: {method: full, start: linear, rows: 8}\n"
    plan = planned(tmp_path, f"{merged}{EXPERTS}")
    assert plan.failures == (("more", "more starts from linear, which no stages of its own have trained; name another row."),)


def test_what_was_changed_where_a_row_starts_is_in_its_checkpoint_and_in_a_merge_of_it(tmp_path: Path) -> None:
    methods = "  upper: {method: slam, layers: 5, start: slam, rows: 8}\n  linear: {of: [upper, slam]}\n"
    seen = outlook(planned(tmp_path, f"{EXPERTS}{methods}"), tmp_path / "runs")
    size = {each.row: each.checkpoint_bytes for each in (*seen.trainings, *seen.merges)}
    assert size["upper"] > 1.5 * size["slam"]
    assert size["linear"] == pytest.approx(size["upper"], rel=0.05)


def test_rows_that_nobody_asked_for_are_trained_and_not_scored_and_the_plan_says_so(tmp_path: Path) -> None:
    plan = planned(tmp_path, "  layer-swap:\n  linear:\n")
    assert titles(plan) == ["english-sft", "language-sft", "layer-swap", "linear"]
    assert [row.name for row in plan.rows] == ["base", "layer-swap", "linear"]
    (note,) = plan.notes
    assert note.startswith(
        "layer-swap takes english-sft and language-sft, which nobody asked for: trained with settings of their own"
    )
    assert note in outlook(plan, tmp_path / "runs").notes


def test_a_name_means_the_row_of_that_name_or_the_only_one_of_that_method(tmp_path: Path) -> None:
    plan = planned(tmp_path, f"{EXPERTS}  linear: {{of: [English_SFT, slam]}}\n")
    assert plan.merges[0].merge.of == ("math", "slam")
    assert plan.notes == ()
    with pytest.raises(UserError, match="english-sft may be any of the rows math, more; give `of` the one that is meant"):
        planned(tmp_path, f"{EXPERTS}  more: {{method: english-sft, epochs: 1}}\n  linear: {{of: [english-sft, slam]}}\n")


def test_another_formula_another_order_and_another_row_have_other_keys_and_the_same_ones_the_same(tmp_path: Path) -> None:
    said = ["of: [math, slam]", "of: [slam, math]", "of: [math, slam], weights: [0.4, 0.6]", "of: [math, full]", "of: [math, slam]"]
    keys = [planned(tmp_path, f"{EXPERTS}  full: {{rows: 8}}\n  linear: {{{each}}}\n").merges[0].key for each in said]
    assert len(set(keys)) == 4
    assert keys[0] == keys[4]


WRONG = [
    ("  linear: {of: [slam, nothing]}\n", "linear takes nothing, which is neither a row nor a method"),
    ("  linear: {of: [slam, base]}\n", "linear takes rows, not the base itself"),
    ("  linear: {of: [slam, translate-test]}\n", "linear takes translate-test, which is a way of asking a model"),
    (
        "  one: {method: linear, of: [slam, two]}\n  two: {method: linear, of: [slam, one]}\n",
        "one takes two takes one: a row cannot be",
    ),
    ("  translate-test: {of: nothing}\n", "translate-test takes nothing, which is neither a row nor a method"),
    (
        "  one: {method: translate-test, of: slam}\n  two: {method: translate-test, of: math, translator: one}\n",
        "two has one translate, which is a way of asking a model; give a model's row",
    ),
    ("  linear: {of: [slam, self-consistency]}\n", "linear takes self-consistency, which is a way of asking a model"),
    ("  translate-test: {of: self-consistency}\n", "translate-test takes self-consistency, which is a way of asking a model"),
    ("  self-consistency: {of: slam, samples: 1}\n", "line 8: samples=1 is not possible .* give a whole number from 2"),
]


@pytest.mark.parametrize(("methods", "says"), WRONG)
def test_what_cannot_be_taken_is_said_in_one_sentence(tmp_path: Path, methods: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        planned(tmp_path, f"{EXPERTS}{methods}")


def test_a_merge_of_different_bases_fails_alone(tmp_path: Path, other: Path) -> None:
    plan = planned(tmp_path, f"{EXPERTS}  full: {{rows: 8, base: '{other}'}}\n  linear: {{of: [math, full]}}\n")
    assert titles(plan) == ["math", "slam", "full"]
    ((row, reason),) = plan.failures
    assert row == "linear"
    assert reason.startswith(f"linear merges rows of one base, and full starts from {other}, not from pocket")


def test_a_merge_that_is_told_its_base_has_what_it_brings_along_start_from_it(tmp_path: Path, other: Path) -> None:
    plan = planned(tmp_path, f"  linear: {{base: '{other}'}}\n")
    assert {task.base.name for task in (*plan.trainings, *plan.merges)} == {str(other)}
    assert not plan.failures


@pytest.mark.parametrize("first", ["linear", "layer-swap"])
def test_a_row_that_two_bring_along_from_different_bases_is_refused_whichever_comes_first(
    tmp_path: Path, other: Path, first: str
) -> None:
    said = {"linear": f"  linear: {{base: '{other}'}}\n", "layer-swap": "  layer-swap:\n"}
    second = next(name for name in said if name != first)
    with pytest.raises(UserError, match=f"{first} and {second} take english-sft, each from another base"):
        planned(tmp_path, said[first] + said[second])


def test_adapters_beside_their_base_and_too_few_layers_are_said_when_the_plan_is_made(tmp_path: Path) -> None:
    apart = planned(tmp_path, f"{EXPERTS}  lora: {{rank: 2, rows: 8, merge: false}}\n  linear: {{of: [lora, slam]}}\n")
    assert apart.failures[0][1].endswith("lora keeps adapters beside its base; set merge: true of lora.")
    deep = planned(tmp_path, f"{EXPERTS}  swap: {{method: layer-swap, of: [math, slam], bottom: 4, top: 2}}\n")
    assert deep.failures == (("swap", "bottom=4, top=2 and transition=1 take 8 layers, and the model has 6; give fewer."),)


def test_a_row_whose_expert_is_left_out_is_left_out_too(tmp_path: Path) -> None:
    plan = planned(
        tmp_path, "  slam: {layers: 1, rows: 8}\n  far: {method: slam, layers: [77], rows: 8}\n  linear: {of: [slam, far]}\n"
    )
    assert [row for row, _ in plan.failures] == ["far", "linear"]
    assert plan.failures[1][1].startswith("It takes far, left out: The model has no layers 77")


def test_a_row_asked_in_english_whose_model_is_left_out_fails_once_and_takes_no_other_with_it(tmp_path: Path) -> None:
    far = "  far: {method: slam, layers: [77], rows: 8}\n"
    plan = planned(tmp_path, f"{far}  full: {{rows: 8}}\n  own: {{method: translate-test, of: far}}\n")
    assert [row for row, _ in plan.failures] == ["far", "own"]
    assert [row.name for row in plan.rows] == ["base", "full"]
    plan = planned(tmp_path, f"{far}  full: {{rows: 8}}\n  translate-test: {{translator: far}}\n")
    assert [row for row, _ in plan.failures] == ["far", "translate-test"]


def test_the_base_is_asked_once_for_each_seed_of_a_row_that_translates_for_it(tmp_path: Path) -> None:
    plan = planned(tmp_path, f"{EXPERTS}  translate-test: {{translator: slam}}\n", seeds=[3, 5])
    rows = [row for row in plan.rows if row.translator]
    assert [(row.name, row.seed) for row in rows] == [("translate-test", 3), ("translate-test", 5)]
    assert [(each.name, each.seed) for each in plan.translations] == [("slam", 3), ("slam", 5)]
    jobs = [job.name for job in _scorings(plan) if job.what == "scoring"]
    assert len({*jobs}) == len(jobs) == len(plan.rows)


def test_merges_and_translations_are_jobs_of_their_own_which_another_machine_can_be_given(tmp_path: Path) -> None:
    methods = "  swap: {method: layer-swap, of: [math, slam]}\n  own: {method: translate-test, of: swap, translator: math}\n"
    plan = planned(tmp_path, f"{EXPERTS}{methods}", seeds=[0, 1])
    jobs = [*_trainings(plan, ()), *_scorings(plan)]
    assert len({job.key for job in jobs}) == len(jobs)
    assert [pickle.loads(pickle.dumps(job)) for job in jobs] == jobs
    lost = {job.key: {*job.rows} for job in jobs}
    both = {f"{row}, seed 0" for row in ("swap", "own")}
    assert lost["training", "slam, seed 0"] == both | {"slam, seed 0"}
    assert lost["merging", "swap, seed 0"] == both
    assert lost["training", "math, seed 0"] == both | {"math, seed 0"}
    assert lost["translating", "math, seed 0, pocket"] == {"own, seed 0"}


def test_each_row_is_asked_in_english_by_its_own_translation_or_one_that_they_share(tmp_path: Path) -> None:
    own, theirs = "own: {method: translate-test, of: slam}", "theirs: {method: translate-test, of: slam, translator: base}"
    methods = f"  slam: {{layers: 1, rows: 8}}\n  {own}\n  {theirs}\n"
    plan = planned(tmp_path, f"{methods}  translate-test:\n", seeds=[0, 1])
    assert [(row.name, row.seed) for row in plan.rows if row.translator] == [
        *(("own", seed) for seed in (0, 1)),
        *(("theirs", seed) for seed in (0, 1)),
        ("translate-test", 0),
    ]
    assert [(each.name, each.seed) for each in plan.translations] == [("slam", 0), ("slam", 1), ("base", 0)]
    for row in plan.rows:
        (score,) = row.scores
        assert (score.translate is None) == (row.translator is None)
        assert score.translate is None or score.translate.folder in score.needs
    assert len({score.key for row in plan.rows for score in row.scores}) == 8
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_a_chain_of_300_rows_and_names_without_end_are_one_sentence_too(tmp_path: Path) -> None:
    said = []
    for last in ("row-0", "nothing"):
        after = [*(f"row-{number}" for number in range(1, 300)), last]
        rows = "".join(f"  row-{number}: {{method: linear, of: [{each}, slam]}}\n" for number, each in enumerate(after))
        with pytest.raises(UserError) as raised:
            planned(tmp_path, rows)
        said.append(str(raised.value))
    assert said[0].startswith(
        "row-0 takes row-1 takes row-2 takes (295 more) takes row-298 takes row-299 takes row-0: a row cannot"
    )
    assert said[1].endswith("name a row (row-0, row-1, row-2, (294 more), row-297, row-298, row-299) or see `xreason methods`.")
    names = [f"{letter}{'x' * 900}" for letter in "abc"]
    circle = "".join(f"  {name}: {{method: full, start: {names[place - 1]}}}\n" for place, name in enumerate(names))
    with pytest.raises(UserError, match="a row cannot be made of itself") as raised:
        planned(tmp_path, circle)
    assert max(map(len, [*said, str(raised.value)])) <= 400


def test_a_vote_is_taken_of_each_seed_of_its_row_and_of_the_base_once(tmp_path: Path) -> None:
    methods = "  slam: {layers: 1, rows: 8}\n  vote: {method: self-consistency, of: slam, samples: 5}\n  self-consistency:\n"
    plan = planned(tmp_path, methods, seeds=[0, 1])
    votes = [row for row in plan.rows if row.voting]
    assert [(row.name, row.seed, row.of) for row in votes] == [
        ("vote", 0, "slam"),
        ("vote", 1, "slam"),
        ("self-consistency", 0, "base"),
    ]
    made = {task.seed: task.folder for task in plan.trainings}
    for row in votes:
        (score,) = row.scores
        assert score.votes
        assert score.needs == ((made[row.seed],) if row.train else ())
        assert score.scoring.asking.samples == (5 if row.of == "slam" else 40)
        assert score.scoring.asking.temperature == 0.7
    # it replaces nothing: each is in a folder of its own
    assert len({score.folder for row in plan.rows for score in row.scores}) == len(plan.rows)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_a_vote_beside_samples_fails_alone(tmp_path: Path) -> None:
    plan = planned(tmp_path, "  slam: {layers: 1, rows: 8}\n  self-consistency:\n", samples=4, temperature=0.6)
    ((row, reason),) = plan.failures
    assert row == "self-consistency"
    assert reason.startswith("self-consistency stands beside greedy answers and samples for itself; leave out temperature")
    assert [row.name for row in plan.rows] == ["base", "slam"]


def test_the_dry_run_shows_what_is_merged_translated_and_voted_for(xreason: Run, tmp_path: Path) -> None:
    path = tmp_path / "merges.yaml"
    said = "base: pocket\nsuites: [pocket]\nlanguages: [en, sw]\nsource: pocket\nlimit: 2\nmethods:\n"
    path.write_text(
        f"{said}{EXPERTS}  swap: {{method: layer-swap, of: [math, slam]}}\n  translate-test: {{of: swap}}\n  self-consistency:\n"
    )
    shown = xreason("compare", path, "--out", tmp_path / "runs", "--dry-run").stdout
    assert "What is merged, without training" in shown
    assert "layers 0, 5 of slam; layers 2-3 of math" in " ".join(shown.split()).replace("│ │ │ ", "")
    assert "Put into English before it is asked: pocket by swap (to do)." in shown
    assert "Answered several times, for a vote: pocket by self-consistency, 40 times (to do)." in " ".join(shown.split())
    told = json.loads(xreason("compare", path, "--out", tmp_path / "runs", "--dry-run", "--json").stdout)
    assert (told["steps"], told["steps_done"]) == (10, 0)
    first, *_ = told["engines"]
    assert (first["row"], first["then"][:2]) == ("swap, seed 0, to translate", ["base", "math, seed 0"])
    assert [each["tokens_at_most"] for each in told["scores"] if each["voting"]] == [40 * told["scores"][0]["tokens_at_most"]]
    (merge,) = told["merges"]
    assert (merge["row"], merge["checkpoint"]) == ("swap", "full")


def test_the_rows_of_the_guide_that_take_others_are_planned(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "a-method-of-your-own.md").read_text().partition("## What takes other rows")[2].partition("\n## ")[0]
    rows = "".join(block.partition("```")[0] for block in guide.split("```yaml\n")[1:]).removeprefix("methods:\n")
    plan = planned(tmp_path, f"{rows}  slam: {{layers: 1, rows: 8}}\n", limit=2)
    assert not plan.failures
    assert {row.name for row in plan.rows if row.voting} == {"self-consistency", "slam-voted"}
