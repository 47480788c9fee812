"""Merging as a step: after what it takes, found done, made anew where that was, and its costs those of all it is made of."""

import shutil
from pathlib import Path

import pytest

from xreason.harness.plan import Plan
from xreason.harness.run import run
from xreason.harness.serving.models import checkpoint_model, plain_model
from xreason.harness.showing.export import export
from xreason.harness.training.merge import Merging, plan_merge
from xreason.harness.training.rates import EarlierRuns
from xreason.harness.training.train import Train, plan_training, read_training
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.delta import read_checkpoint
from xreason.trainers.combining.declared import Formula, LayerSwap, Merge, TaskArithmetic
from xreason.trainers.methods import load_method

QUICK = {"max_steps": 1, "batch_size": 4, "rows": 8, "learning_rate": 1e-2, "warmup_ratio": 0, "schedule": "constant"}


def plan_of(folder: Path, formula: Formula, **math: float) -> Plan:
    base = plain_model("pocket")

    def training(row: str, method: str, **settings: float) -> Train:
        chosen = load_method(method, {**QUICK, **settings})
        return plan_training(row, 0, folder / row / "0", chosen, base, ["en", "sw"], source="pocket", data=None)

    trainings = (training("math", "english-sft", **math), training("slam", "slam", layers=1))
    told = Merge(name="merge", of=("math", "slam"), formula=formula, source="", description="")
    merge = plan_merge("merged", 0, folder / "merged" / "0", told, base, trainings)
    return Plan(folder=folder, trainings=trainings, merges=(merge,))


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Merging]:
    folder = tmp_path_factory.mktemp("merged")
    plan = plan_of(folder, LayerSwap(transition=0, outside="first"))
    run(plan)
    return folder, plan.merges[0]


def test_its_report_tells_the_stages_of_all_that_it_is_made_of_and_what_was_merged(merged: tuple[Path, Merging]) -> None:
    training, parts = read_training(merged[1].report), [read_training(need / "training.json") for need in merged[1].needs]
    assert [stage.name for stage in training.stages] == ["math: response alignment", "slam: language alignment"]
    assert training.merged is not None
    assert training.merged.rows == ("math", "slam")
    assert training.merged.how == "layers 0, 5 of slam; layers 1-4 of math; embeddings, last norm and head of math"
    assert training.seconds == pytest.approx(sum(part.seconds for part in parts) + training.merged.seconds)
    assert (training.device, training.devices, training.total_parameters) == (parts[0].device, 1, parts[0].total_parameters)
    # layer 5 is the base's: slam never touched it
    checkpoint = read_checkpoint(merged[1].folder)
    assert (checkpoint.kind, checkpoint.method) == ("delta", "merge")
    assert not any("layers.5." in name for name in checkpoint.tensors)
    assert 0 < training.tuned < parts[0].tuned
    assert (merged[1].folder.parent / "checkpoint").resolve() == merged[1].folder.resolve()


def test_a_stage_that_a_merge_tells_again_is_one_earlier_run(merged: tuple[Path, Merging]) -> None:
    slam = read_training(merged[1].report).stages[1]
    told = EarlierRuns(merged[0]).tokens_per_second(slam.tuned_parameters, slam.total_parameters, rewards=False)
    assert told == (pytest.approx(slam.tokens_per_second), 1)


def test_a_stage_that_two_of_its_rows_went_through_is_counted_once(merged: tuple[Path, Merging]) -> None:
    slam = plan_of(merged[0], LayerSwap()).trainings[1]
    told = load_method("english-sft", QUICK)
    more = plan_training("more", 0, merged[0] / "more" / "0", told, slam.base, ["en", "sw"], source="pocket", data=None, start=slam)
    both = Merge(name="merge", of=("slam", "more"), formula=TaskArithmetic(scale=0.5), source="", description="")
    merge = plan_merge("both", 0, merged[0] / "both" / "0", both, slam.base, [slam, more])
    run(Plan(folder=merged[0], trainings=(slam, more), merges=(merge,)))
    training = read_training(merge.report)
    assert [stage.name for stage in training.stages] == ["slam: language alignment", "more: response alignment"]
    assert training.merged is not None
    assert training.seconds == pytest.approx(read_training(more.report).seconds + training.merged.seconds)


def test_it_is_found_done_and_made_anew_where_what_it_takes_was(
    merged: tuple[Path, Merging], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(merged[0], folder, symlinks=True)
    again = plan_of(folder, LayerSwap(transition=0, outside="first"))
    run(again)
    assert "merged, seed 0: merged before" in capsys.readouterr().err
    model = checkpoint_model(again.merges[0].folder, "merged")[0]
    for file in again.trainings[1].folder.iterdir():
        file.unlink()
    assert not again.merges[0].is_done()
    run(again)
    assert "merged, seed 0: merged in" in capsys.readouterr().err
    # the same training gives the same weights, and so does the same merge
    assert checkpoint_model(again.merges[0].folder, "merged")[0].hash == model.hash


def test_what_it_ran_on_is_told_where_all_that_it_is_made_of_ran_alike(merged: tuple[Path, Merging], tmp_path: Path) -> None:
    parts = [read_training(need / "training.json") for need in merged[1].needs]
    assert read_training(merged[1].report).machine == parts[0].machine
    shutil.copytree(merged[0], tmp_path / "store", symlinks=True)
    again = plan_of(tmp_path / "store", LayerSwap(transition=0, outside="first"))
    again.trainings[1].report.write_text(parts[1].model_copy(update={"machine": "another"}).model_dump_json())
    shutil.rmtree(again.merges[0].folder)
    run(again)
    made = read_training(again.merges[0].report)
    assert (made.machine, made.device, made.devices) == (None, None, None)
    # another formula is another recipe, which boards tell rows apart by
    run(other := plan_of(tmp_path / "store", LayerSwap(transition=0)))
    assert read_training(other.merges[0].report).recipe != made.recipe == read_training(merged[1].report).recipe


def test_where_a_training_fails_so_does_what_is_merged_of_it_and_a_merge_of_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"merge of math, slam changes no weight of pocket"):
        run(plan_of(tmp_path, TaskArithmetic(scale=0.0)))


def test_the_card_of_its_export_says_what_was_merged(merged: tuple[Path, Merging], tmp_path: Path) -> None:
    export(merged[1].folder, tmp_path / "whole")
    card = (tmp_path / "whole" / "README.md").read_text()
    assert "merged by the method merge from math and slam: layers 0, 5 of slam; layers 1-4 of math; embeddings" in " ".join(
        card.split()
    )
    assert "| merge |" in " ".join(card.split())
