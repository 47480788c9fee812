"""The experiment `pocket-paper`: the models that it ships with, what it trains, and what settings may be chosen by."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from xreason.harness.experiment import Experiment, experiment_file, read_experiment
from xreason.harness.plan import plan_comparison
from xreason.tasks.pocket import world
from xreason.trainers.pocket import MODELS, build
from xreason.trainers.stages import FeedForward, Method

SEEDS = {"a": 10, "b": 11}


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return read_experiment(experiment_file("pocket-paper"), {})


def method(experiment: Experiment, row: str) -> Method:
    found = experiment.method(row)
    assert isinstance(found, Method)
    return found


def test_every_method_is_trained_from_the_base_that_it_was_published_with_over_both_bases_and_three_seeds(
    experiment: Experiment, tmp_path: Path
) -> None:
    assert experiment.seeds == (0, 1, 2)
    # a seed alone: writing what all of them read takes seconds
    plan = plan_comparison(experiment.model_copy(update={"seeds": (0,)}), tmp_path)
    assert plan.failures == ()
    starts = {"slam": "reasoner", "two-stage": "plain", "full": "plain"}
    assert [(task.row, task.base.name) for task in plan.trainings] == [
        (f"{name}-{base}", f"pocket-{starts[name]}-{base}") for name in starts for base in "ab"
    ]
    assert {row.base.name for row in plan.rows if row.train is None} == set(MODELS) - {"pocket"}
    # one engine serves them all
    assert len({row.base.signature() for row in plan.rows}) == 1
    assert all(row.cautions == experiment.cautions != () for row in plan.rows)


def test_what_differs_between_the_bases_is_the_base_alone(experiment: Experiment) -> None:
    for name in ("slam", "two-stage", "full"):
        one, other = (replace(method(experiment, f"{name}-{base}"), base=None) for base in "ab")
        assert one == other
    (slam,) = method(experiment, "slam-a").stages
    assert slam.tune == FeedForward(1)


@pytest.mark.parametrize("base", SEEDS)
def test_the_reasoner_learnt_from_as_many_english_rows_as_two_stage_does_and_the_board_says_so(
    experiment: Experiment, base: str
) -> None:
    made = json.loads((MODELS[f"pocket-reasoner-{base}"] / "recipe.json").read_text(encoding="utf-8"))
    english = method(experiment, f"two-stage-{base}").stages[1]
    assert made["base"] == f"pocket-plain-{base}"
    assert {name: made[name] for name in ("rows", "epochs", "batch_size")} == {
        name: getattr(english, name) for name in ("rows", "epochs", "batch_size")
    }
    said = " ".join(experiment.cautions)
    assert f"{made['rows']:,} problems in English" in said
    assert f"{made['seconds']:.0f}" in said


def test_the_models_are_small_of_one_shape_and_tokenizer_and_made_by_the_recipe() -> None:
    folders = [folder for name, folder in MODELS.items() if name != "pocket"]
    sizes = [sum(path.stat().st_size for path in folder.iterdir()) for folder in folders]
    assert max(sizes) < 3_000_000
    assert sum(sizes) < 12_000_000
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        assert len({hashlib.sha256((folder / name).read_bytes()).hexdigest() for folder in folders}) == 1
    for base, seed in SEEDS.items():
        made = json.loads((MODELS[f"pocket-plain-{base}"] / "recipe.json").read_text(encoding="utf-8"))
        assert made == build.recipe(seed, build.PLAIN)


def test_the_recipe_makes_the_same_bits_twice_and_others_of_another_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoTokenizer

    # whose training takes longer than all else here
    monkeypatch.setattr(build, "train_tokenizer", lambda digits: AutoTokenizer.from_pretrained(MODELS["pocket-plain-a"]))
    short = {"translated": {"de": 2}, "transferred": {"de": 2}, "reasoned": 8, "written": 16, "problems": 32}
    made = replace(build.PLAIN, steps=2, **short)  # type: ignore[arg-type]
    written = []
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        build.build(tmp_path / name, seed=seed, made=made)
        written.append((tmp_path / name / "model.safetensors").read_bytes())
    assert written[0] == written[1] != written[2]


def test_no_validation_problem_is_in_the_test_or_in_what_is_trained_on(experiment: Experiment) -> None:
    chosen = world.validation_problems(100)
    kept = {name: set(world.held_out(name)) for name in world.SITUATIONS}
    assert not any((each.item, each.numbers) in kept[each.situation] for each in chosen)
    assert not {name for each in chosen for name in (each.first, each.second)} & set(world.TEST_PEOPLE)
    assert set(chosen).isdisjoint(world.test_problems())
    most = max(stage.rows or 0 for row in experiment.methods for stage in method(experiment, row).stages)
    for seed in experiment.seeds:
        assert set(chosen).isdisjoint(world.training_problems(most, seed))
    for seed in SEEDS.values():
        assert set(chosen).isdisjoint(world.training_problems(build.PLAIN.problems, seed))
