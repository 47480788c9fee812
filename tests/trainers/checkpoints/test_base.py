"""A base on disk: what cannot be read is one sentence, and weights that come only as .bin are converted once, safely."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.places import ROOT
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.base import base_hash, load_base, resolve_model, stored_tensors
from xreason.trainers.checkpoints.delta import materialise, save_checkpoint
from xreason.trainers.methods import load_method
from xreason.trainers.train import train

ModelOf = Callable[..., Path]


def of_config(**change: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **change}))

    return spoil


def cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])


def rewritten(content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / "model.safetensors").write_bytes(content) and None


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut short": (cut_short, "cannot be read as safetensors"),
    "garbage": (rewritten(b"nonsense" * 100), "cannot be read as safetensors"),
    "empty": (rewritten(b""), "cannot be read as safetensors"),
    "other shapes": (of_config(intermediate_size=256), r"down_proj.weight is \[64, 128\], and its config asks for \[64, 256\]"),
    "a layer too few": (of_config(num_hidden_layers=5, layer_types=None), "lacks weights that its config asks for"),
    "heads that cannot be": (of_config(num_attention_heads=7), "fetch|put the model's own"),
    "an index that is none": (
        lambda folder: (folder / "model.safetensors.index.json").write_text("{") and None,
        "index.json is not JSON",
    ),
}


@pytest.fixture
def base(model_of: ModelOf, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_of("llama"), tmp_path / "base"))


@pytest.mark.parametrize("how", SPOILT)
def test_weights_that_cannot_be_read_are_one_sentence_from_training(
    how: str, base: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spoil, message = SPOILT[how]
    spoil(base)
    with pytest.raises(UserError, match=message) as raised:
        train(
            load_method("slam", {"layers": 1}), base, tmp_path / "out", languages=["de"], source="papers", data=data, device="cpu"
        )
    said = str(raised.value).replace(str(tmp_path), "")
    assert "\n" not in said
    assert len(said) <= 400
    # Transformers' own report of it would say the same, at length
    assert "LOAD REPORT" not in "".join(capfd.readouterr())


def test_the_command_says_it_in_one_line_with_exit_code_2(base: Path, tmp_path: Path) -> None:
    cut_short(base)
    settings = ["--source", "pocket", "--languages", "en,de", "--max-steps", "1", "--out", tmp_path / "runs"]
    command = [sys.executable, "-m", "xreason.harness.cli", "train", "slam", "--layers", "1", "--model", base, *settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "cannot be read as safetensors" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "runs").rglob("checkpoint"))


@pytest.fixture
def pickled(model_of: ModelOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Path, Path]]:
    """Returns a function that makes (a model with safetensors, the same with .bin weights alone), with a hub cache of its own."""
    import torch

    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "cache"))

    def make(shards: int = 1, tied: bool = False) -> tuple[Path, Path]:
        safe = model_of("llama", tied=tied)
        folder = tmp_path / "only-bin"
        folder.mkdir()
        for file in safe.iterdir():
            if file.suffix != ".safetensors":
                shutil.copyfile(file, folder / file.name)
        tensors = dict(stored_tensors(safe))
        if tied:
            tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
        names = sorted(tensors)
        files = [f"pytorch_model-{n + 1:05}-of-{shards:05}.bin" for n in range(shards)] if shards > 1 else ["pytorch_model.bin"]
        for number, file in enumerate(files):
            torch.save({name: tensors[name] for name in names[number::shards]}, folder / file)
        if shards > 1:
            weight_map = {name: files[place % shards] for place, name in enumerate(names)}
            (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
        # lies beside real ones, and is no weights
        torch.save({"learning_rate": 1}, folder / "training_args.bin")
        return safe, folder

    return make


@pytest.mark.parametrize(("shards", "tied"), [(1, False), (3, False), (1, True)])
def test_weights_that_come_only_as_bin_are_converted_once_beside_the_cache_and_said(
    shards: int, tied: bool, pickled: Callable[..., tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    safe, folder = pickled(shards, tied)
    before = sorted(path.name for path in folder.iterdir())
    made = resolve_model(folder)
    assert "only as .bin: converting them, once, into " + str(made) in capsys.readouterr().err
    assert made.parent == tmp_path / "cache" / "xreason"
    stored, expected = dict(stored_tensors(made)), dict(stored_tensors(safe))
    assert stored.keys() - {"lm_head.weight"} == expected.keys() - {"lm_head.weight"}
    assert all(stored[name].equal(tensor) for name, tensor in expected.items())
    load_base(made, device="cpu", mixed_precision=False)
    # once: the second time nothing is written or said, and the folder itself never changes
    written = {path.name: path.stat().st_mtime_ns for path in made.iterdir()}
    assert resolve_model(folder) == made
    assert {path.name: path.stat().st_mtime_ns for path in made.iterdir()} == written
    assert capsys.readouterr().err == ""
    assert sorted(path.name for path in folder.iterdir()) == before
    assert base_hash(folder) == base_hash(made)


def test_a_checkpoint_of_a_converted_base_finds_it_again(pickled: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    import torch

    _, folder = pickled()
    model, _ = load_base(resolve_model(folder), device="cpu", mixed_precision=False)
    with torch.no_grad():
        model.get_parameter("model.layers.1.mlp.up_proj.weight").add_(0.25)
    checkpoint = save_checkpoint(model, folder, tmp_path / "delta", method="some", seed=0)
    assert (checkpoint.kind, checkpoint.base) == ("delta", str(folder))
    shutil.rmtree(tmp_path / "cache")
    whole = materialise(checkpoint, tmp_path / "whole")
    assert dict(stored_tensors(whole))["model.layers.1.mlp.up_proj.weight"].equal(model.model.layers[1].mlp.up_proj.weight)


class Runs:
    """What a pickle does that runs code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch was-run",))


@pytest.mark.parametrize("content", ["code", "garbage", "cut short", "empty", "a list"])
def test_a_bin_that_would_run_code_or_cannot_be_read_is_refused_and_leaves_nothing(
    content: str, pickled: Callable[..., tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    _, folder = pickled()
    file = folder / "pytorch_model.bin"
    monkeypatch.chdir(tmp_path)
    if content in ("code", "a list"):
        torch.save({"weight": Runs()} if content == "code" else [torch.ones(1)], file)
    else:
        file.write_bytes({"garbage": b"nonsense" * 99, "cut short": file.read_bytes()[:3000], "empty": b""}[content])
    with pytest.raises(
        UserError, match=r"pytorch_model.bin holds (no weights that can be read without running|something else than)"
    ):
        resolve_model(folder)
    assert not (tmp_path / "was-run").exists()
    # it is not taken for a conversion the next time
    with pytest.raises(UserError):
        resolve_model(folder)
