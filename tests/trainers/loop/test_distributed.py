"""Two processes with a model in shards against one process: same checkpoint, within rounding."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.places import ROOT
from tests.trainers.families import save_tiny_model
from xreason.tasks.prompts import alpaca
from xreason.trainers.checkpoints.delta import Checkpoint, iterate_tensors, read_checkpoint
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.pairs.made import MadePairs, write_pairs
from xreason.trainers.loop.resuming import last_step

ModelOf = Callable[..., Path]
SETTINGS = {"learning_rate": 1e-3, "batch_size": 8, "epochs": 1, "max_length": 250}


def run(told: dict[str, Any], processes: int) -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "tests.trainers.run_training", json.dumps(told)]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=300, capture_output=True, text=True)


def trained(told: dict[str, Any], processes: int) -> Checkpoint:
    done = run(told, processes)
    assert done.returncode == 0, done.stderr[-3000:]
    return read_checkpoint(told["out"])


def assert_close(one: Checkpoint, other: Checkpoint, tolerance: float) -> None:
    assert (one.kind, one.tensors, one.base_hash) == (other.kind, other.tensors, other.base_hash)
    before, after = dict(iterate_tensors(one)), dict(iterate_tensors(other))
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype
        assert (tensor - after[name]).abs().max().item() <= tolerance, name


@pytest.mark.parametrize("family", ["phi3", "mixtral"])
def test_a_tensor_of_which_only_a_part_learns_is_sharded_too(
    family: str, tokenizer_folder: Path, data: Path, tmp_path: Path
) -> None:
    base = save_tiny_model(tmp_path / "base", tokenizer_folder, family)
    told = {"method": "slam", "settings": {**SETTINGS, "layers": [1]}, "base": str(base), "data": str(data)}
    assert_close(trained({**told, "out": str(tmp_path / "one")}, 1), trained({**told, "out": str(tmp_path / "two")}, 2), 1e-5)


def test_adapters_are_sharded_too_and_what_is_held_out_is_shared_among_processes(
    model_of: ModelOf, data: Path, tmp_path: Path
) -> None:
    settings = {**SETTINGS, "rank": 4, "dropout": 0.0, "held_out": 0.1, "look_every": 2, "keep": "best"}
    told = {"method": "lora", "settings": settings, "base": str(model_of("llama")), "data": str(data)}
    assert_close(trained({**told, "out": str(tmp_path / "one")}, 1), trained({**told, "out": str(tmp_path / "two")}, 2), 1e-5)
    one, two = (json.loads((tmp_path / f"{name}.json").read_text())["held_out"] for name in ("one", "two"))
    assert [step for step, _ in one] == [step for step, _ in two] == [2, 4, 6, 8]
    for (_, losses), (_, other) in zip(one, two, strict=True):
        assert losses == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize(
    ("method", "kind", "tied"), [("slam", "llama", False), ("full", "qwen2", False), ("two-stage", "llama", True)]
)
def test_two_processes_end_in_the_checkpoint_of_one(
    method: str, kind: str, tied: bool, model_of: ModelOf, data: Path, tmp_path: Path
) -> None:
    # several micro-batches a process: gradients are added up over processes on the last one alone
    settings = {**SETTINGS, **({"layers": [1]} if method == "slam" else {"micro_batch_size": 1})}
    told = {"method": method, "settings": settings, "base": str(model_of(kind, tied)), "data": str(data)}
    one = trained({**told, "out": str(tmp_path / "one")}, 1)
    two = trained({**told, "out": str(tmp_path / "two")}, 2)
    assert_close(one, two, 1e-5)
    reports = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two")]
    assert reports[0]["tokens"] == reports[1]["tokens"]
    for (stage, step, loss, norm), other in zip(*(report["seen"] for report in reports), strict=True):
        assert [stage, step] == other[:2]
        assert [loss, norm] == pytest.approx(other[2:], rel=1e-4)


def test_two_processes_that_prefer_end_in_the_checkpoint_of_one(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    made = MadePairs(
        **{"name": "pairs", "description": "pairs", "languages": ("de",), "sources": (), "left_out": 0, "questions": 9},
        **{"samples": {}, "right": {}, "pairs": {}, "seconds": 1.0},
    )
    pairs = [Example(alpaca(f"{one}?"), f"{one} is right.", "de", f"{one}{'!' * one} is not.") for one in range(9)]
    write_pairs(tmp_path, made, pairs)
    settings = {**SETTINGS, "frame": "alpaca", "batch_size": 4, "warmup_ratio": 0}
    told = {"method": "mapo", "settings": settings, "base": str(model_of()), "data": str(data), "pairs": str(tmp_path)}
    one, two = (trained({**told, "out": str(tmp_path / name)}, processes) for name, processes in (("one", 1), ("two", 2)))
    assert_close(one, two, 1e-5)
    reports = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two")]
    for (stage, step, loss, norm), other in zip(*(report["seen"] for report in reports), strict=True):
        assert [stage, step] == other[:2]
        assert [loss, norm] == pytest.approx(other[2:], rel=1e-4)


@pytest.mark.parametrize("stored", ["bfloat16", "float32"])
def test_two_processes_compute_in_bfloat16_over_float32_as_one_does(
    stored: str, model_of: ModelOf, data: Path, tmp_path: Path
) -> None:
    settings = {**SETTINGS, "layers": [1], "learning_rate": 1e-2}
    told = {"method": "slam", "settings": settings, "base": str(model_of("llama", dtype=stored)), "data": str(data)}
    for name, processes in (("one", 1), ("two", 2)):
        trained({**told, "mixed_precision": True, "out": str(tmp_path / name)}, processes)
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert [loss for _, loss in one["losses"]] == pytest.approx([loss for _, loss in two["losses"]], rel=2e-3)
    assert one["losses"][-1][1] < 0.9 * one["losses"][0][1]


def test_two_processes_that_are_killed_go_on_and_end_in_the_same_weights(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "layers": 2, "held_out": 0.1, "look_every": 1, "keep": "best"}
    told = {"method": "slam", "settings": settings, "base": str(model_of("llama")), "data": str(data)}
    whole = trained({**told, "out": str(tmp_path / "whole")}, 2)
    step = random.SystemRandom().randrange(3, 8)
    again = {**told, "out": str(tmp_path / "again"), "work": str(tmp_path / "work")}
    assert run({**again, "kill": ["language alignment", step]}, 2).returncode != 0
    (stage,) = (tmp_path / "work").glob("*/stage-0")
    assert last_step(stage) is not None
    assert_close(whole, trained(again, 2), 0)


def test_one_process_goes_on_from_what_two_have_left(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    told = {"method": "slam", "settings": {**SETTINGS, "layers": 2}, "base": str(model_of("llama")), "data": str(data)}
    one = trained({**told, "out": str(tmp_path / "one")}, 1)
    again = {**told, "out": str(tmp_path / "again"), "work": str(tmp_path / "work")}
    assert run({**again, "kill": ["language alignment", 5]}, 2).returncode != 0
    assert_close(one, trained(again, 1), 1e-5)
