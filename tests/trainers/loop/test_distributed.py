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
from tests.trainers.conftest import papers_data
from tests.trainers.families import save_tiny_model
from tests.trainers.run_training import main
from xreason.tasks.prompts import alpaca
from xreason.trainers.checkpoints.delta import Checkpoint, iterate_tensors, read_checkpoint
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.pairs.made import MadePairs, write_pairs
from xreason.trainers.loop.resuming import last_step

ModelOf = Callable[..., Path]
Both = Callable[[str], tuple[Checkpoint, Checkpoint]]
SETTINGS = {"learning_rate": 1e-3, "batch_size": 8, "epochs": 1, "max_length": 250}


#: What is trained by one process and by two: its kind of model, the method, its settings, and what else is told.
CASES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "phi3": ("phi3", "slam", {"layers": [1]}, {}),
    "mixtral": ("mixtral", "slam", {"layers": [1]}, {}),
    "adapters": ("llama", "lora", {"rank": 4, "dropout": 0.0, "held_out": 0.1, "look_every": 2, "keep": "best"}, {}),
    "slam": ("llama", "slam", {"layers": [1]}, {}),
    # several micro-batches a process: gradients are added up over processes on the last one alone
    "full": ("qwen2", "full", {"micro_batch_size": 1}, {}),
    "two-stage": ("tied", "two-stage", {"micro_batch_size": 1}, {}),
    "mapo": ("llama", "mapo", {"frame": "alpaca", "batch_size": 4, "warmup_ratio": 0}, {"pairs": "pairs"}),
    "bfloat16": ("bfloat16", "slam", {"layers": [1], "learning_rate": 1e-2}, {"mixed_precision": True}),
    "float32": ("llama", "slam", {"layers": [1], "learning_rate": 1e-2}, {"mixed_precision": True}),
}


def run(*told: dict[str, Any], processes: int) -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *launcher, "-m", "tests.trainers.run_training", *map(json.dumps, told)]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=300, capture_output=True, text=True)


def trained(told: dict[str, Any], processes: int) -> Checkpoint:
    if processes == 1:
        main(told)
    else:
        done = run(told, processes=processes)
        assert done.returncode == 0, done.stderr[-3000:]
    return read_checkpoint(told["out"])


@pytest.fixture(scope="module")
def both(model_of: ModelOf, tokenizer_folder: Path, octopus_rows: Any, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Returns what gives a case's checkpoints, of one process and of two; two processes train all of them, one after another."""
    place = tmp_path_factory.mktemp("both")
    data = papers_data(place / "data", octopus_rows)
    bases = {kind: save_tiny_model(place / kind, tokenizer_folder, kind) for kind in ("phi3", "mixtral")}
    bases |= {"llama": model_of(), "qwen2": model_of("qwen2"), "tied": model_of(tied=True), "bfloat16": model_of(dtype="bfloat16")}
    made = MadePairs(
        **{"name": "pairs", "description": "pairs", "languages": ("de",), "sources": (), "left_out": 0, "questions": 9},
        **{"samples": {}, "right": {}, "pairs": {}, "seconds": 1.0},
    )
    pairs = [Example(alpaca(f"{one}?"), f"{one} is right.", "de", f"{one}{'!' * one} is not.") for one in range(9)]
    write_pairs(place, made, pairs)

    def told(case: str, processes: str) -> dict[str, Any]:
        kind, method, settings, more = CASES[case]
        about = {"method": method, "settings": {**SETTINGS, **settings}, "base": str(bases[kind]), "data": str(data)}
        return {**about, **more, **({"pairs": str(place)} if "pairs" in more else {}), "out": str(place / f"{case}-{processes}")}

    done = run(*(told(case, "two") for case in CASES), processes=2)
    assert done.returncode == 0, done.stderr[-3000:]
    return lambda case: (trained(told(case, "one"), 1), read_checkpoint(told(case, "two")["out"]))


def reports(*checkpoints: Checkpoint) -> list[dict[str, Any]]:
    return [json.loads(Path(f"{each.directory}.json").read_text()) for each in checkpoints]


def assert_close(one: Checkpoint, other: Checkpoint, tolerance: float) -> None:
    assert (one.kind, one.tensors, one.base_hash) == (other.kind, other.tensors, other.base_hash)
    before, after = dict(iterate_tensors(one)), dict(iterate_tensors(other))
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype
        assert (tensor - after[name]).abs().max().item() <= tolerance, name


@pytest.mark.parametrize("family", ["phi3", "mixtral"])
def test_a_tensor_of_which_only_a_part_learns_is_sharded_too(family: str, both: Both) -> None:
    assert_close(*both(family), 1e-5)


def test_adapters_are_sharded_too_and_what_is_held_out_is_shared_among_processes(both: Both) -> None:
    one, two = both("adapters")
    assert_close(one, two, 1e-5)
    alone, together = (each["held_out"] for each in reports(one, two))
    assert [step for step, _ in alone] == [step for step, _ in together] == [2, 4, 6, 8]
    for (_, losses), (_, other) in zip(alone, together, strict=True):
        assert losses == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize("method", ["slam", "full", "two-stage", "mapo"])
def test_two_processes_end_in_the_checkpoint_of_one(method: str, both: Both) -> None:
    one, two = both(method)
    assert_close(one, two, 1e-5)
    alone, together = reports(one, two)
    assert alone["tokens"] == together["tokens"]
    for (stage, step, loss, norm), other in zip(alone["seen"], together["seen"], strict=True):
        assert [stage, step] == other[:2]
        assert [loss, norm] == pytest.approx(other[2:], rel=1e-4)


@pytest.mark.parametrize("stored", ["bfloat16", "float32"])
def test_two_processes_compute_in_bfloat16_over_float32_as_one_does(stored: str, both: Both) -> None:
    alone, together = reports(*both(stored))
    assert [loss for _, loss in alone["losses"]] == pytest.approx([loss for _, loss in together["losses"]], rel=2e-3)
    assert alone["losses"][-1][1] < 0.9 * alone["losses"][0][1]


def test_two_processes_that_are_killed_go_on_and_end_in_the_same_weights(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "layers": 2, "held_out": 0.1, "look_every": 1, "keep": "best"}
    told = {"method": "slam", "settings": settings, "base": str(model_of("llama")), "data": str(data)}
    whole = trained({**told, "out": str(tmp_path / "whole")}, 2)
    step = random.SystemRandom().randrange(3, 8)
    again = {**told, "out": str(tmp_path / "again"), "work": str(tmp_path / "work")}
    assert run({**again, "kill": ["language alignment", step]}, processes=2).returncode != 0
    (stage,) = (tmp_path / "work").glob("*/stage-0")
    assert last_step(stage) is not None
    assert_close(whole, trained(again, 2), 0)


def test_one_process_goes_on_from_what_two_have_left(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    told = {"method": "slam", "settings": {**SETTINGS, "layers": 2}, "base": str(model_of("llama")), "data": str(data)}
    one = trained({**told, "out": str(tmp_path / "one")}, 1)
    again = {**told, "out": str(tmp_path / "again"), "work": str(tmp_path / "work")}
    assert run({**again, "kill": ["language alignment", 5]}, processes=2).returncode != 0
    assert_close(one, trained(again, 1), 1e-5)
