"""What an experiment means: which steps, under which keys, where, and what each of them needs."""

import shutil
from pathlib import Path

import pytest

from xreason.harness.experiment import read_experiment
from xreason.harness.plan import Plan, plan_comparison, plan_scoring
from xreason.harness.scoring.questions import scorings
from xreason.tasks.errors import UserError
from xreason.trainers.pocket import MODEL
from xreason.trainers.stages import FeedForward


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Returns a model that differs from the pocket model in what its config says, so in its hash."""
    folder = tmp_path / "other"
    shutil.copytree(MODEL, folder)
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    return folder


def planned(tmp_path: Path, methods: str, **said: object) -> Plan:
    path = tmp_path / "bases.yaml"
    path.write_text(f"name: bases\nbase: pocket\nsuites: [pocket]\nsource: pocket\nmethods:\n{methods}")
    return plan_comparison(read_experiment(path, said), tmp_path / "runs")


def test_each_base_is_scored_once_and_what_was_made_from_it_follows(tmp_path: Path, other: Path) -> None:
    methods = f"  slam: {{base: '{other}', layers: 1}}\n  two-stage: {{base: '{MODEL}'}}\n  full: {{base: '{other}'}}\n"
    plan = planned(tmp_path, methods)
    assert [task.base.name for task in plan.trainings] == [str(other), str(MODEL), str(other)]
    first, two_stage, second, slam, full = [row.name for row in plan.rows]
    assert (first, two_stage, slam, full) == ("base", "two-stage", "slam", "full")
    assert second.startswith("base-")
    assert second.endswith("other")


def test_without_a_base_of_its_own_a_method_starts_from_the_experiment_s(tmp_path: Path) -> None:
    plan = planned(tmp_path, "  slam: {layers: 1}\n  full:\n")
    assert [row.base.name for row in plan.rows] == ["pocket"] * 3


def test_a_row_with_the_name_of_a_base_s_folder_is_refused(tmp_path: Path, other: Path) -> None:
    taken = planned(tmp_path, f"  full: {{base: '{other}'}}\n").rows[1].name
    with pytest.raises(UserError, match="folder of the base"):
        planned(tmp_path, f"  {taken}: {{method: full, base: '{other}'}}\n")


def test_a_base_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 6: "):
        planned(tmp_path, "  full: {base: 7}\n")


def test_every_step_comes_after_those_that_it_needs_and_the_plan_comes_back_from_json(tmp_path: Path) -> None:
    plan = planned(tmp_path, "  slam:\n  lora: {rank: 2}\n  upper: {method: slam, layers: [3, 4]}\n", seeds=[0, 1])
    steps = list(plan.steps())
    assert [type(step).__name__ for step in steps] == ["FindLayers"] + ["Train"] * 6 + ["Score"] * 7
    made: set[Path] = set()
    for step in steps:
        assert made.issuperset(step.needs)
        made.add(step.folder)
    assert len(made) == len(steps)
    assert [task.needs for task in plan.trainings] == [(plan.layers[0].folder,)] * 2 + [()] * 4
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_a_plan_made_again_has_the_same_keys_and_another_setting_another(tmp_path: Path) -> None:
    def keys(methods: str) -> list[str]:
        return [step.key for step in planned(tmp_path, methods).steps()]

    assert keys("  slam:\n") == keys("  slam:\n")
    assert set(keys("  slam: {layers: 1}\n")) & set(keys("  slam: {layers: 1, epochs: 2}\n")) == {
        planned(tmp_path, "  full:\n").rows[0].scores[0].key
    }


def test_layers_that_a_base_lacks_are_said_when_the_plan_is_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no layers 6-7"):
        planned(tmp_path, "  slam: {layers: 8}\n")


def test_layers_auto_stays_open_until_they_are_found(tmp_path: Path) -> None:
    (task,) = planned(tmp_path, "  slam:\n").trainings
    assert task.method.stages[0].tune == FeedForward("auto")


def test_two_models_never_share_a_row(tmp_path: Path) -> None:
    twice = [str(shutil.copytree(MODEL, tmp_path / name)) for name in ("a/b", "a-b")]
    rows = plan_scoring(twice, scorings(("pocket",), ("en",), limit=1), tmp_path).rows
    assert [row.name for row in rows] == twice
    assert rows[0].folder != rows[1].folder
