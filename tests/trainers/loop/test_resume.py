"""A training that is killed and started again ends in the very weights of one that was not."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.places import ROOT
from xreason.trainers.checkpoints.base import load_base, stored_tensors
from xreason.trainers.checkpoints.delta import iterate_tensors, read_checkpoint
from xreason.trainers.corpora.examples import Example
from xreason.trainers.loop import resuming
from xreason.trainers.loop.loop import run_stage
from xreason.trainers.loop.reports import StageProgress
from xreason.trainers.loop.resuming import Saving, last_step
from xreason.trainers.stages import FeedForward, Stage

ModelOf = Callable[..., Path]
SETTINGS = {"learning_rate": 0.005, "batch_size": 8, "epochs": 2, "max_length": 250}
KILLED = -9


def run(told: dict[str, Any]) -> int:
    command = [sys.executable, "-m", "tests.trainers.run_training", json.dumps(told)]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=300, capture_output=True).returncode


def same(one: Path, other: Path) -> bool:
    before, after = (dict(iterate_tensors(read_checkpoint(folder))) for folder in (one, other))
    return before.keys() == after.keys() and all(before[name].equal(after[name]) for name in before)


def test_a_killed_stage_goes_on_and_ends_in_the_same_weights(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    told = {"method": "slam", "settings": {**SETTINGS, "layers": 2}, "base": str(model_of("llama")), "data": str(data)}
    assert run({**told, "out": str(tmp_path / "whole")}) == 0
    step = random.SystemRandom().randrange(3, 16)
    work = tmp_path / "work"
    again = {**told, "out": str(tmp_path / "again"), "work": str(work)}
    assert run({**again, "kill": ["language alignment", step]}) == KILLED
    (stage,) = work.glob("*/stage-0")
    saved = last_step(stage)
    assert saved is not None
    assert saved.name == f"step-{(step - 1) // 2 * 2}"
    assert [folder.name for folder in stage.iterdir()] == [saved.name]
    assert run(again) == 0
    assert same(tmp_path / "whole", tmp_path / "again"), f"killed at step {step}"
    whole, resumed = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "again"))
    assert resumed["seen"][0][1] == int(saved.name.removeprefix("step-")) + 1
    assert [loss for _, loss in resumed["losses"]] == pytest.approx([loss for _, loss in whole["losses"]], abs=0)
    assert resumed["tokens"] == whole["tokens"]


def test_a_step_checkpoint_holds_what_is_tuned_and_nothing_frozen(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    from torch.distributed.checkpoint import FileSystemReader

    base = model_of("llama")
    told = {"method": "slam", "settings": {**SETTINGS, "layers": 1}, "base": str(base), "data": str(data)}
    assert run({**told, "out": str(tmp_path / "out"), "work": str(tmp_path / "work"), "kill": ["language alignment", 3]}) == KILLED
    (stage,) = (tmp_path / "work").glob("*/stage-0")
    saved = last_step(stage)
    assert saved is not None
    names = {name for name in FileSystemReader(saved).read_metadata().state_dict_metadata if "layers" in name}
    assert names
    assert all(".layers.0.mlp.up_proj." in name or ".layers.0.mlp.down_proj." in name for name in names)
    size = sum(file.stat().st_size for file in saved.iterdir())
    tuned = 3 * 4 * 2 * 64 * 128  # weights and two moments, float32
    assert tuned < size < tuned + 200_000 < sum(tensor.nbytes for _, tensor in stored_tensors(base))


def test_a_finished_first_stage_is_not_trained_again(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    told = {"method": "two-stage", "settings": {**SETTINGS, "epochs": 1}, "base": str(model_of("qwen2")), "data": str(data)}
    assert run({**told, "out": str(tmp_path / "whole")}) == 0
    again = {**told, "out": str(tmp_path / "again"), "work": str(tmp_path / "work")}
    assert run({**again, "kill": ["response alignment", 3]}) == KILLED
    assert run(again) == 0
    assert same(tmp_path / "whole", tmp_path / "again")
    seen = json.loads((tmp_path / "again.json").read_text())["seen"]
    assert {stage for stage, *_ in seen} == {"response alignment"}


def test_another_training_leaves_alone_what_this_one_left(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    told = {"method": "slam", "base": str(model_of("llama")), "data": str(data), "work": str(tmp_path / "work")}
    first = {**told, "settings": {**SETTINGS, "layers": 1}, "out": str(tmp_path / "first")}
    assert run({**first, "kill": ["language alignment", 5]}) == KILLED
    left = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*") if path.is_file()}
    other = {**told, "settings": {**SETTINGS, "layers": 1, "learning_rate": 0.001}, "out": str(tmp_path / "other")}
    assert run(other) == 0
    assert json.loads((tmp_path / "other.json").read_text())["seen"][0][1] == 1
    assert {path: path.stat().st_mtime_ns for path in left} == left


def stage_and_model(model_of: ModelOf) -> tuple[Stage, Any, Any]:
    stage = Stage("stage", ("x",), FeedForward(1), max_steps=6, batch_size=8, max_length=250)
    return stage, *load_base(model_of("llama"), device="cpu", mixed_precision=False)


def test_step_checkpoints_are_written_by_the_clock_and_0_minutes_writes_none(
    model_of: ModelOf, examples: list[Example], tmp_path: Path
) -> None:
    for minutes, steps in ((1e-9, ["step-5"]), (None, [])):
        stage, model, tokenizer = stage_and_model(model_of)
        saving = Saving(tmp_path / str(minutes), None, minutes)
        run_stage(model, tokenizer, stage, examples, seed=0, saving=saving)
        assert [folder.name for folder in saving.directory.glob("*")] == steps


def test_an_interrupt_waits_for_the_step_checkpoint_that_is_being_written(
    model_of: ModelOf, examples: list[Example], tmp_path: Path
) -> None:
    stage, model, tokenizer = stage_and_model(model_of)
    writes = resuming.StepWriter.write

    def interrupt(self: Any, *arguments: Any) -> None:
        writes(self, *arguments)
        if arguments[2][-1].step == 4:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(resuming.StepWriter, "write", interrupt)
        run_stage(model, tokenizer, stage, examples, seed=0, saving=Saving(tmp_path, 2, None))
    assert [folder.name for folder in tmp_path.iterdir()] == ["step-4"]


def test_what_a_step_checkpoint_holds_is_of_its_moment_while_training_goes_on(tmp_path: Path) -> None:
    import torch

    weight = torch.nn.Parameter(torch.ones(256, 256))
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    progress: dict[str, Any] = {"total_steps": 9, "loss": 1.0, "tokens": 1, "tokens_per_second": 1.0, "learning_rate": 0.1}
    log = [StageProgress(stage="stage", step=1, gradient_norm=1.0, memory_bytes=1, **progress)]
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    then, state = weight.detach().clone(), optimizer.state[weight]["exp_avg"].clone()
    writer = resuming.StepWriter(tmp_path)
    writer.write({"weight": weight}, optimizer, log)
    with torch.no_grad():
        weight.zero_()
        optimizer.state[weight]["exp_avg"].zero_()
    writer.close()
    saved = last_step(tmp_path)
    assert saved is not None
    assert resuming.load_step(saved, {"weight": weight}, optimizer) == log
    assert weight.equal(then)
    assert optimizer.state[weight]["exp_avg"].equal(state)
