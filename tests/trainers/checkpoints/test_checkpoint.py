"""Checkpoints: what they hold, that they load as the trained model, and that a changed base is noticed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.base import base_hash, load_base, stored_tensors, weight_files
from xreason.trainers.checkpoints.delta import (
    Checkpoint,
    iterate_tensors,
    materialise,
    read_checkpoint,
    save_checkpoint,
    verify_base,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ModelOf = Callable[..., Path]
UP = "model.layers.1.mlp.up_proj.weight"


def nudged(base: Path, *names: str) -> "PreTrainedModel":
    """Returns the model of `base` with the named parameters (none: all) moved."""
    import torch

    model, _ = load_base(base, device="cpu", mixed_precision=False)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in names or not names:
                parameter.add_(0.25)
    return model


def save(base: Path, directory: Path, *names: str) -> Checkpoint:
    return save_checkpoint(nudged(base, *names), base, directory, method="some", seed=3)


def logits(folder: Path | None = None, model: Any = None) -> Any:
    import torch

    model = model or load_base(folder, device="cpu", mixed_precision=False)[0]  # type: ignore[arg-type]
    with torch.no_grad():
        return model.eval()(torch.arange(20)[None]).logits


def test_a_delta_holds_exactly_what_changed_and_points_to_its_base(model_of: ModelOf, tmp_path: Path) -> None:
    base = model_of("llama")
    saved = save(base, tmp_path / "delta", UP)
    assert sorted(file.name for file in (tmp_path / "delta").iterdir()) == ["checkpoint.json", "model.safetensors"]
    assert [name for name, _ in iterate_tensors(saved)] == [UP] == list(saved.tensors)
    assert read_checkpoint(tmp_path / "delta") == saved
    described = json.loads((tmp_path / "delta/checkpoint.json").read_text())
    assert described == {
        "format": 1,
        "kind": "delta",
        "base": {"id": str(base), "hash": base_hash(base)},
        "tensors": [UP],
        "method": "some",
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("tied", "dtype", "shard"), [(False, "float32", "5GB"), (True, "bfloat16", "5GB"), (False, "bfloat16", "60KB")]
)
@pytest.mark.parametrize("names", [(UP,), ()])
def test_a_materialised_checkpoint_answers_as_the_trained_model(
    tied: bool, dtype: str, shard: str, names: tuple[str, ...], model_of: ModelOf, tmp_path: Path
) -> None:
    import torch

    base = model_of("llama", tied=tied, dtype=dtype, shard=shard)
    model = nudged(base, *names)
    checkpoint = save_checkpoint(model, base, tmp_path / "saved", method="some", seed=0)
    assert checkpoint.kind == ("delta" if names else "full")
    whole = materialise(checkpoint, tmp_path / "whole")
    for parameter in model.parameters():
        # trained in float32, stored as the base is
        parameter.data = parameter.data.to(getattr(torch, dtype)).float()
    expected = logits(model=model)
    assert logits(whole).equal(expected)
    assert not logits(base).equal(expected)
    assert {name: tensor.dtype for name, tensor in stored_tensors(whole)} == {
        name: tensor.dtype for name, tensor in stored_tensors(base)
    }
    assert not (whole / "checkpoint.json").exists()


def test_a_sharded_base_stays_sharded(model_of: ModelOf, tmp_path: Path) -> None:
    base = model_of("llama", dtype="bfloat16", shard="60KB")
    assert len(weight_files(base)) > 1
    save(base, tmp_path / "full")
    assert [file.name for file in weight_files(tmp_path / "full")] == [file.name for file in weight_files(base)]


def test_tied_embeddings_are_saved_once(model_of: ModelOf, tmp_path: Path) -> None:
    base = model_of("llama", tied=True)
    assert save(base, tmp_path / "delta", "model.embed_tokens.weight").tensors == ("model.embed_tokens.weight",)
    assert "lm_head.weight" not in dict(iterate_tensors(save(base, tmp_path / "full")))


def test_a_full_checkpoint_is_a_model_folder_with_the_base_s_own_tokenizer(model_of: ModelOf, tmp_path: Path) -> None:
    base = model_of("llama")
    save(base, tmp_path / "full")
    for file in base.iterdir():
        if file.suffix != ".safetensors":
            assert (tmp_path / "full" / file.name).read_bytes() == file.read_bytes()
    load_base(tmp_path / "full", device="cpu", mixed_precision=False)


def test_training_that_changed_nothing_is_refused(model_of: ModelOf, tmp_path: Path) -> None:
    base = model_of("llama")
    with pytest.raises(UserError, match="changed no weight"):
        save(base, tmp_path / "none", "no such parameter")
    assert not (tmp_path / "none").exists()


def test_a_weight_for_which_the_base_has_no_place_is_not_lost_in_silence(model_of: ModelOf, tmp_path: Path) -> None:
    import torch

    base = model_of("llama")
    model = nudged(base, UP)
    model.model.extra = torch.nn.Linear(2, 2)
    with pytest.raises(UserError, match=r"no tensor for model\.extra\.bias, model\.extra\.weight"):
        save_checkpoint(model, base, tmp_path / "delta", method="some", seed=0)


def test_a_base_that_changed_or_is_gone_is_noticed(model_of: ModelOf, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(model_of("llama"), base)
    checkpoint = save(base, tmp_path / "delta", UP)
    verify_base(checkpoint)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    with pytest.raises(UserError, match=r"which is now \w{12}; train again, or restore the base"):
        verify_base(checkpoint)
    with pytest.raises(UserError, match="which is now"):
        materialise(checkpoint, tmp_path / "whole")
    shutil.rmtree(base)
    with pytest.raises(UserError, match="which is not to be had"):
        verify_base(checkpoint)


def test_a_delta_is_not_taken_for_a_model(model_of: ModelOf, tmp_path: Path) -> None:
    save(model_of("llama"), tmp_path / "delta", UP)
    with pytest.raises(UserError, match="holds only what changed"):
        base_hash(tmp_path / "delta")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is not a checkpoint"),
        ("nonsense", "is not JSON"),
        ("[]", "no JSON object but a list"),
        ('{"format": 1}', "is damaged"),
        ('{"format": 2}', "of format 2, this version reads 1"),
    ],
)
def test_a_damaged_description_is_named(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "checkpoint.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_checkpoint(tmp_path)


def test_damaged_and_missing_weights_are_named(model_of: ModelOf, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(model_of("llama", dtype="bfloat16", shard="60KB"), base)
    first = weight_files(base)[0]
    first.write_bytes(b"nonsense")
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        list(stored_tensors(base))
    first.unlink()
    with pytest.raises(UserError, match="is missing, though"):
        base_hash(base)
