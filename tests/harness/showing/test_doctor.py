"""What a machine has, what methods need, and whether one fits the other."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.places import CONFIGS
from xreason.harness.showing.doctor import GIB, advice, diagnose, doctor_tables
from xreason.harness.showing.tables import count_table
from xreason.harness.training.counting import MethodCount, StageCount, count_method
from xreason.tasks.errors import UserError
from xreason.trainers.methods import load_method, load_row, method_names
from xreason.trainers.stages import Method
from xreason.trainers.tuning.counting import skeleton
from xreason.trainers.tuning.memory import Memory


def count_7b(name: str, **settings: Any) -> MethodCount:
    return count_method(skeleton(CONFIGS / "llama-2-7b"), "Llama-2-7B", load_method(name, settings))


def printed(*tables: Any) -> str:
    out = StringIO()
    for table in tables:
        Console(file=out, width=200).print(table)
    return out.getvalue()


def test_a_method_s_count_is_that_of_the_stage_that_tunes_most() -> None:
    counted = count_7b("slam")
    assert (counted.tuned, counted.total) == (541_065_216, 6_738_415_616)
    assert counted.share == pytest.approx(0.0803, abs=5e-5)
    two = count_7b("two-stage")
    assert (two.tuned, two.share, len(two.stages)) == (6_738_415_616, 1.0, 2)


def test_a_count_in_json_has_bytes_and_their_sum() -> None:
    (stage,) = json.loads(count_7b("slam").model_dump_json())["stages"]
    memory = stage["memory_bytes"]
    assert memory.pop("total") == sum(memory.values()) > 18 * 541_065_216
    assert list(memory) == ["weights", "gradients", "optimizer", "activations", "saving"]
    assert list(stage)[:5] == ["stage", "what", "tuned", "total", "share"]


def test_the_table_shows_counts_and_says_what_is_estimated() -> None:
    text = printed(count_table(count_7b("slam")))
    assert "541,065,216 of 6,738,415,616" in text
    assert "8.0 %" in text
    assert "estimates" in text


def test_layers_that_the_model_lacks_are_refused() -> None:
    with pytest.raises(UserError, match="no layers 32-39"):
        count_7b("slam", layers=40)


def test_the_diagnosis_holds_this_machine_and_every_method(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mgsm").mkdir()
    monkeypatch.setenv("XREASON_DATA", str(tmp_path))
    diagnosis = diagnose()
    json.dumps(diagnosis)
    assert [need["method"] for need in diagnosis["needs"]] == [
        name for name in method_names() if isinstance(load_row(name), Method)
    ]
    assert diagnosis["data"] == {"folder": str(tmp_path), "sets": ["mgsm"]}
    # a processor of this century, and no machine there is
    assert 1e8 < diagnosis["flops_per_second"] < 1e16
    need = {need["method"]: need for need in diagnosis["needs"]}
    assert need["slam"]["tuned"] == 541_065_216
    assert need["slam"]["memory_bytes"] < need["full"]["memory_bytes"] / 4
    assert need["slam"]["tokens_per_second_at_most"] > need["full"]["tokens_per_second_at_most"]
    text = printed(*doctor_tables(diagnosis))
    assert all(f"{name} needs about" in text for name in need)
    assert "grpo needs about 127 GiB: 1 x 141 GiB GPU" in text
    assert f"{tmp_path}: mgsm" in text


def method(states: float, activations: float, *, on_one: bool = False) -> MethodCount:
    memory = Memory(int(states * GIB), 0, 0, int(activations * GIB))
    counts: dict[str, Any] = {"tuned": 1, "total": 1, "share": 1.0}
    told: dict[str, Any] = {"changed": 1, "sequences": 1, "length": 1024, "flops_per_token": 1, "on_one": on_one}
    stage = StageCount(stage="s", what="all", memory_bytes=memory, **told, **counts)
    return MethodCount(model="model", method="full", memory_bytes=memory.total, stages=(stage,), **counts)


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
    assert advice(method(states, activations), [size * GIB for size in here]) == said


@pytest.mark.parametrize(
    ("states", "here", "said"),
    [
        (112, (80, 80), "full needs about 113 GiB: 1 x 141 GiB GPU, more than is here"),
        (112, (141,), "full needs about 113 GiB: one GPU of this machine will do"),
        (300, (), "full needs about 301 GiB: more than one GPU of 180 GiB holds, and several cannot share it out; tune less"),
    ],
)
def test_what_several_gpus_cannot_share_out_is_one_gpu_s(states: float, here: tuple[int, ...], said: str) -> None:
    assert advice(method(states, 1, on_one=True), [size * GIB for size in here]) == said
