"""Weights that come only as pickles (`pytorch_model*.bin`), written anew as safetensors, once; the originals stay as they are.

    ~/.cache/huggingface/xreason/MetaMath-7B-V1.0-0123456789ab/      config and tokenizer, copied, and a safetensors file a .bin

A pickle can run code when it is read; these are read by torch.load(weights_only=True), which refuses all that is no tensor.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from xreason.tasks.errors import UserError

PICKLED = "pytorch_model*.bin"
_FOLDER = "xreason"
_COPIED = {".json", ".txt", ".model", ".jinja"}
_INDEX = "pytorch_model.bin.index.json"


def is_pickled(folder: Path) -> bool:
    """Returns whether a model folder has weights, and only as pickles."""
    return any(folder.glob(PICKLED)) and not any(folder.glob("*.safetensors"))


def converted(folder: Path) -> Path:
    """Returns a folder with the model of `folder`, whose weights are pickles, in safetensors; makes it where it is not there yet.

    It lies in the cache of the Hugging Face hub (HF_HOME), named for the model and for the size and time of its files. Of several
    processes one makes it. What it does is said on the error stream.

    Raises:
        UserError: a file is damaged, missing, or holds something else than tensors, or the cache cannot be written.
    """
    from filelock import FileLock
    from huggingface_hub.constants import HF_HOME

    files = _files(folder)
    said = [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    name = folder.parents[1].name.rpartition("--")[2] if folder.parent.name == "snapshots" else folder.resolve().name
    cache = Path(HF_HOME) / _FOLDER
    target = cache / f"{name}-{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{target.name}.lock"):
            if not target.is_dir():
                sys.stderr.write(f"{folder} has its weights only as .bin: converting them, once, into {target}\n")
                _convert(folder, files, target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(
            f"{folder} cannot be converted to safetensors in {cache} ({reason}); set HF_HOME to a folder that can."
        ) from error
    return target


def _files(folder: Path) -> list[Path]:
    index = folder / _INDEX
    if not index.is_file():
        whole = folder / "pytorch_model.bin"
        return [whole] if whole.is_file() else sorted(folder.glob(PICKLED))
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{index} cannot be read ({type(error).__name__}); fetch the model again.") from error
    for name in names:
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing, though {index.name} names it; fetch the model again.")
    return [folder / name for name in names]


def _convert(folder: Path, files: list[Path], target: Path) -> None:
    """Writes the model into `target`, which appears whole or not at all."""
    from safetensors.torch import save_file

    aside = target.with_name(f".{target.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    names: dict[str, str] = {}
    total = 0
    for file in files:
        tensors = _tensors(file)
        written = f"{file.name.removesuffix('.bin').replace('pytorch_model', 'model')}.safetensors"
        save_file(tensors, aside / written, metadata={"format": "pt"})
        names |= dict.fromkeys(tensors, written)
        total += sum(tensor.nbytes for tensor in tensors.values())
    if len(files) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": names}
        (aside / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.suffix in _COPIED and file.name != _INDEX:
            shutil.copyfile(file, aside / file.name)
    aside.rename(target)


def _tensors(file: Path) -> dict[str, Any]:
    """Returns the tensors of one file by their names, read as it is written, without a copy of it in memory where it can be."""
    import pickle
    import zipfile

    import torch

    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, AttributeError, ImportError) as error:
        raise UserError(
            f"{file} holds no weights that can be read without running code ({type(error).__name__}); fetch it again, or give a "
            "model with safetensors."
        ) from error
    if not isinstance(loaded, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in loaded.values()):
        raise UserError(f"{file} holds something else than named tensors; give a model with safetensors.")
    # tied tensors share their memory, which safetensors does not write: all but the first are copied
    held: set[int] = set()
    for name, tensor in loaded.items():
        place = tensor.untyped_storage().data_ptr()
        loaded[name] = tensor.clone() if place in held else tensor.contiguous()
        held.add(place)
    return loaded
