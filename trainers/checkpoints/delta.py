"""Trained models on disk: only the tensors that changed beside a pointer to the base, or a whole model folder.

A checkpoint is a folder with checkpoint.json and safetensors. Kind "delta" holds exactly the tensors that differ from the base's
stored ones; kind "full", where all differ, is a model folder that Transformers and vLLM load as it is; kind "adapter" is a LoRA
adapter as PEFT writes it, beside an unchanged base.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic.dataclasses import dataclass

from xreason.tasks.errors import UserError
from xreason.tasks.files import read_object
from xreason.trainers.checkpoints.base import (
    CHECKPOINT_FILE,
    base_hash,
    resolve_model,
    stored_tensors,
    tensor_files,
    tensors_of_file,
    weight_files,
)
from xreason.trainers.pocket import MODELS

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_FORMAT = 1
_DELTA_FILE = "model.safetensors"
_ADAPTER_CONFIG, _ADAPTER_FILE = "adapter_config.json", "adapter_model.safetensors"
_WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".gguf", ".msgpack", ".h5"}


@dataclass(frozen=True)
class Checkpoint:
    """A trained model on disk."""

    directory: Path
    kind: Literal["delta", "full", "adapter"]
    base: str  #: the base model's folder (absolute) or hub id
    base_hash: str  #: of the base at the time of training (see xreason.trainers.checkpoints.base.base_hash)
    tensors: tuple[str, ...]  #: names of those that differ from the base, as its files name them; an adapter's own
    method: str  #: the method's name
    seed: int  #: of the training


def save_checkpoint(
    model: "PreTrainedModel",
    base: str | Path,
    directory: Path,
    *,
    method: str,
    seed: int,
    hash_of_base: str | None = None,
    adapter: tuple[Any, dict[str, "torch.Tensor"]] | None = None,
) -> Checkpoint:
    """Writes what training changed into `directory`, and returns the checkpoint.

    Each tensor is cast to the dtype in which the base stores it and compared bit by bit. Names and shapes are those of the base's
    files, also where Transformers holds them otherwise in memory (Mixtral's experts, each a tensor in the files, are one there), so
    that a delta's tensors take the place of the base's; tied weights are written once. Config and tokenizer of a full checkpoint
    are the base's own files, byte for byte: training changes neither.

    Args:
        model: the trained model.
        base: folder or hub id that it was loaded from.
        directory: is made where it does not exist.
        method: for the record, as is `seed`.
        seed: of the training.
        hash_of_base: where it is known already; hashing a 7B takes half a minute.
        adapter: PEFT's config and the tensors of adapters that are merged in `model`, to be written in its place.

    Raises:
        UserError: nothing changed, the base's folder is gone, or its files have no place for a weight of the model.
    """
    from safetensors.torch import save_file

    folder = resolve_model(base)
    trained = _as_in_files(model, folder)
    same = {
        name: same_bits(_as_stored(trained[name], stored), stored) for name, stored in stored_tensors(folder) if name in trained
    }
    changed = tuple(name for name in same if not same[name])
    if not changed:
        raise UserError(f"Training {method} changed no weight as {base} stores them; raise learning_rate or the number of steps.")
    kind: Literal["delta", "full", "adapter"] = "adapter" if adapter else "full" if len(changed) == len(same) else "delta"
    if adapter:
        changed = tuple(adapter[1])
    checkpoint = Checkpoint(
        directory=directory,
        kind=kind,
        base=str(Path(base).expanduser().resolve()) if base not in MODELS and Path(base).expanduser().is_dir() else str(base),
        base_hash=hash_of_base or base_hash(folder),
        tensors=changed,
        method=method,
        seed=seed,
    )
    directory.mkdir(parents=True, exist_ok=True)
    if adapter:
        config, parts = adapter
        config.base_model_name_or_path = checkpoint.base
        config.save_pretrained(directory)
        parts = {name: part.cpu().contiguous() for name, part in parts.items()}
        save_file(parts, directory / _ADAPTER_FILE, metadata={"format": "pt"})
    elif checkpoint.kind == "full":
        _write_model(folder, directory, trained)
    else:
        tensors = {name: _as_stored(trained[name], stored) for name, stored in stored_tensors(folder) if not same.get(name, True)}
        save_file(tensors, directory / _DELTA_FILE, metadata={"format": "pt"})
    return describe_checkpoint(checkpoint)


def describe_checkpoint(checkpoint: Checkpoint) -> Checkpoint:
    """Writes what a checkpoint is beside its tensors, and returns it."""
    said = {name: getattr(checkpoint, name) for name in ("kind", "tensors", "method", "seed")}
    of_base = {"id": checkpoint.base, "hash": checkpoint.base_hash}
    content = json.dumps({"format": _FORMAT, "base": of_base, **said}, indent=2, ensure_ascii=False)
    (checkpoint.directory / CHECKPOINT_FILE).write_text(content + "\n", encoding="utf-8")
    return checkpoint


def _as_in_files(model: "PreTrainedModel", folder: Path) -> dict[str, "torch.Tensor"]:
    """Returns the model's tensors under the names, and cut in the way, in which it was loaded from `folder`."""
    from transformers.core_model_loading import revert_weight_conversion

    trained: dict[str, torch.Tensor] = dict(revert_weight_conversion(model, model.state_dict()))
    stored = tensor_files(folder)
    # a tied weight has a second name, which the files lack
    has_place = {tensor.data_ptr() for name, tensor in trained.items() if name in stored}
    known = stored.keys() | {name for name, _ in model.named_buffers()}
    lost = [name for name, tensor in trained.items() if name not in known and tensor.data_ptr() not in has_place]
    if lost:
        raise UserError(
            f"The files of {folder} have no tensor for {', '.join(sorted(lost)[:5])}, so a checkpoint would lose it; load the "
            "base in Transformers, write it with save_pretrained into a new folder, and train from there."
        )
    return trained


def _as_stored(tensor: "torch.Tensor", stored: "torch.Tensor") -> "torch.Tensor":
    return tensor.detach().to(device="cpu", dtype=stored.dtype).contiguous()


def same_bits(one: "torch.Tensor", other: "torch.Tensor") -> bool:
    """Returns whether two tensors are the same, shape and every bit."""
    import torch

    # as bytes: to numbers, -0.0 equals 0.0 and no NaN equals itself
    return one.shape == other.shape and torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))


def _write_model(folder: Path, directory: Path, replaced: dict[str, "torch.Tensor"]) -> None:
    """Writes a model folder like `folder`, file by file, with the tensors that `replaced` has in place of the stored ones."""
    from safetensors.torch import save_file

    for file in weight_files(folder):
        tensors = {name: _as_stored(replaced.get(name, stored), stored) for name, stored in tensors_of_file(file)}
        save_file(tensors, directory / file.name, metadata={"format": "pt"})
    copy_beside(folder, directory)


def copy_beside(folder: Path, directory: Path) -> None:
    """Copies what a model folder holds beside its weights: config, tokenizer, templates, licence."""
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.suffix not in _WEIGHTS and file.name != CHECKPOINT_FILE and not file.name.startswith("."):
            shutil.copyfile(file, directory / file.name)


def read_checkpoint(directory: str | Path) -> Checkpoint:
    """Returns the checkpoint in `directory`.

    Raises:
        UserError: there is none, or its description is damaged or of a later format.
    """
    path = Path(directory) / CHECKPOINT_FILE
    if not path.is_file():
        raise UserError(f"{directory} is not a checkpoint: it has no {path.name}; give a folder that `xreason train` wrote.")
    try:
        fields = read_object(path, "train again")
        if fields["format"] != _FORMAT:
            raise UserError(f"{path} is of format {fields['format']}, this version reads {_FORMAT}; use the version that wrote it.")
        base = fields["base"]
        return Checkpoint(**{**fields, "directory": directory, "base": base["id"], "base_hash": base["hash"]})
    except (ValueError, KeyError, TypeError) as error:
        said = " ".join(str(error).partition("[type=")[0].split())
        raise UserError(f"{path} is damaged ({type(error).__name__}: {said}); train again.") from error


def verify_base(checkpoint: Checkpoint) -> None:
    """Makes sure that the base is what the checkpoint was trained from.

    Raises:
        UserError: the base is gone or has changed.
    """
    trained = f"{checkpoint.directory} was trained from {checkpoint.base}"
    try:
        now = base_hash(checkpoint.base)
    except UserError as error:
        raise UserError(f"{trained}, which is not to be had: {error}") from error
    if now != checkpoint.base_hash:
        was = checkpoint.base_hash[:12]
        raise UserError(f"{trained} with hash {was}, which is now {now[:12]}; train again, or restore the base.")


def iterate_tensors(source: Checkpoint | str | Path) -> Iterator[tuple[str, "torch.Tensor"]]:
    """Yields (name, tensor) for all that a checkpoint itself, or a model folder or hub id, stores; see stored_tensors."""
    return stored_tensors(source.directory if isinstance(source, Checkpoint) else resolve_model(source))


def materialise(checkpoint: Checkpoint, directory: Path) -> Path:
    """Writes the whole trained model as a Transformers folder into `directory`, and returns it.

    Raises:
        UserError: the checkpoint is a delta and its base is gone or has changed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if checkpoint.kind == "full":
        _write_model(checkpoint.directory, directory, {})
    else:
        verify_base(checkpoint)
        folder = resolve_model(checkpoint.base)
        _write_model(
            folder, directory, _merged(checkpoint, folder) if checkpoint.kind == "adapter" else dict(iterate_tensors(checkpoint))
        )
    return directory


def _merged(checkpoint: Checkpoint, folder: Path) -> dict[str, "torch.Tensor"]:
    """Returns the weights of a base that an adapter stands beside, merged: W + (alpha / rank) B A, in float32."""
    from xreason.trainers.checkpoints.base import read_tensors

    config = read_object(checkpoint.directory / _ADAPTER_CONFIG, "train again")
    parts = dict(iterate_tensors(checkpoint))
    names = {name.removeprefix("base_model.model.").removesuffix(".lora_A.weight") for name in parts if ".lora_A." in name}
    stored = tensor_files(folder)
    merged = {}
    for name, weight in read_tensors({f"{name}.weight": stored[f"{name}.weight"] for name in names}):
        a, b = (parts[f"base_model.model.{name.removesuffix('.weight')}.lora_{side}.weight"] for side in "AB")
        added = config["lora_alpha"] / config["r"] * (b.float() @ a.float())
        merged[name] = weight.float() + (added.T if config.get("fan_in_fan_out") else added)
    return merged
