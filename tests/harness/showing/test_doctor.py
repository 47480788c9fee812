"""What a machine has, what methods need, and whether one fits the other."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.places import CONFIGS
from xreason.harness.showing.doctor import advice, diagnose, doctor_tables
from xreason.harness.training.counting import GIB, MethodCount, StageCount, count_method, count_table
from xreason.tasks.errors import UserError
from xreason.trainers.methods import load_method, method_names
from xreason.trainers.tuning.counting import Counts, Memory

LLAMA_7B = str(CONFIGS / "llama-2-7b")


def printed(*tables: Any) -> str:
    out = StringIO()
    for table in tables:
        Console(file=out, width=200).print(table)
    return out.getvalue()


def test_a_method_s_count_is_that_of_the_stage_that_tunes_most() -> None:
    counted = count_method(LLAMA_7B, load_method("slam")).as_dict()
    assert (counted["tuned"], counted["total"]) == (541_065_216, 6_738_415_616)
    assert counted["share"] == pytest.approx(0.0803, abs=5e-5)
    two = count_method(LLAMA_7B, load_method("two-stage")).as_dict()
    assert (two["tuned"], two["share"], len(two["stages"])) == (6_738_415_616, 1.0, 2)
    json.dumps(counted)


def test_the_table_shows_counts_and_says_what_is_estimated() -> None:
    text = printed(count_table(count_method(LLAMA_7B, load_method("slam"))))
    assert "541,065,216 of 6,738,415,616" in text
    assert "8.0%" in text
    assert "estimates" in text


def test_layers_that_the_model_lacks_are_refused() -> None:
    with pytest.raises(UserError, match="no layers 32-39"):
        count_method(LLAMA_7B, load_method("slam", {"layers": 40}))


def test_the_diagnosis_holds_this_machine_and_every_method(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mgsm").mkdir()
    monkeypatch.setenv("XREASON_DATA", str(tmp_path))
    diagnosis = diagnose()
    json.dumps(diagnosis)
    assert [need["method"] for need in diagnosis["needs"]] == list(method_names())
    assert diagnosis["data"] == {"folder": str(tmp_path), "sets": ["mgsm"]}
    # a processor of this century, and no machine there is
    assert 1e8 < diagnosis["flops_per_second"] < 1e16
    need = {need["method"]: need for need in diagnosis["needs"]}
    assert need["slam"]["tuned"] == 541_065_216
    assert need["slam"]["memory_bytes"] < need["full"]["memory_bytes"] / 4
    assert need["slam"]["tokens_per_second_at_most"] > need["full"]["tokens_per_second_at_most"]
    text = printed(*doctor_tables(diagnosis))
    assert all(f"{name} needs about" in text for name in method_names())
    assert f"{tmp_path}: mgsm" in text


def method(states: float, activations: float) -> MethodCount:
    memory = Memory(int(states * GIB), 0, 0, int(activations * GIB))
    stage = StageCount("stage", "all parameters", Counts(1, 1), 1, 1, 1024, memory, 1)
    return MethodCount("model", "full", (stage,))


def gpus(*sizes: int) -> list[dict[str, Any]]:
    return [{"memory_bytes": size * GIB} for size in sizes]


@pytest.mark.parametrize(
    ("states", "activations", "here", "said"),
    [
        (20, 1, (), "full needs about 21 GiB: 1 x 24 GiB GPU, and PyTorch sees no GPU here"),
        (112, 1, (), "full needs about 113 GiB: 2 x 80 GiB GPUs with FSDP, and PyTorch sees no GPU here"),
        (20, 1, (24,), "full needs about 21 GiB: one GPU of this machine will do"),
        (112, 1, (80, 80), "full needs about 113 GiB: 2 GPUs of this machine with FSDP"),
        (112, 1, (80,), "full needs about 113 GiB: 2 x 80 GiB GPUs with FSDP, more than is here"),
        # each GPU holds activations of its own: 3 x (72 - 30) is less than 140, though 2 x 72 is more than that
        (140, 30, (80, 80, 80), "full needs about 170 GiB: 4 x 80 GiB GPUs with FSDP, more than is here"),
        (10, 100, (), "full needs about 110 GiB: more than 80 GiB GPUs can share out; lower micro_batch_size or max_length"),
    ],
)
def test_advice_says_what_will_do(states: float, activations: float, here: tuple[int, ...], said: str) -> None:
    assert advice(method(states, activations), gpus(*here)) == said
