"""Merging: a checkpoint out of those of other rows, tensor by tensor.

Every number is computed in float64 and rounded once to the type that the base stores, so that it is the formula's value as near as
the file can hold it. What is no arithmetic (a layer that is taken over, a tensor that no row changed) is copied bit for bit. A few
tensors are in memory at a time, and what is written goes to files of `SHARD_BYTES`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.base import base_hash, read_tensors, resolve_model, stored_tensors, tensor_files
from xreason.trainers.checkpoints.delta import Checkpoint, copy_beside, describe_checkpoint, same_bits, verify_base
from xreason.trainers.combining.declared import LayerSwap, Linear, Merge
from xreason.trainers.tuning.counting import sketch
from xreason.trainers.tuning.structure import layer_count, layers_path

if TYPE_CHECKING:
    import torch

#: Bytes of tensors that are collected before a file is written.
SHARD_BYTES = 2**30
#: Numbers that are computed at once, each of 8 bytes and a few times over.
_AT_ONCE = 2**22


def merge(
    merge: Merge,
    rows: Sequence[Checkpoint],
    directory: Path,
    *,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Checkpoint:
    """Writes the merged model into `directory` as other checkpoints are stored, what differs from the base alone, and returns it.

    Args:
        merge: how.
        rows: the checkpoints of those that it is `of`, in that order.
        directory: is made where it does not exist.
        seed: of the rows' trainings, for the record.
        progress: told how many tensors are made, of how many.

    Raises:
        UserError: the base is gone or has changed, rows have other bases, adapters, or numbers that cannot be averaged, a number
            becomes too large, the model's layers cannot be made out or are too few, or the merged model is the base itself.
    """
    first = rows[0]
    for name, each in zip(merge.of, rows, strict=True):
        verify_base(each)
        if each.base_hash != first.base_hash:
            raise UserError(
                f"{merge.of[0]} and {name} started from different bases, and weights of one base are merged; choose others."
            )
        if each.kind == "adapter":
            raise UserError(f"{name} keeps its adapters beside the base, and weights are merged; set merge: true of it.")
    folder = resolve_model(first.base)
    directory.mkdir(parents=True, exist_ok=True)
    shards, total = _Shards(directory), len(tensor_files(folder))
    files = [tensor_files(folder) | tensor_files(each.directory) for each in rows]
    for done, (name, tensor, stored) in enumerate(_merged(merge, files, folder), start=1):
        if not same_bits(tensor, stored):
            shards.add(name, tensor)
        progress(done, total)
    changed = shards.close()
    if not changed:
        raise UserError(f"{merge.name} of {', '.join(merge.of)} changes no weight of {first.base}; give other numbers or rows.")
    kind: Literal["delta", "full"] = "full" if len(changed) == total else "delta"
    if kind == "full":
        copy_beside(folder, directory)
    shards.index()
    hash_of_base = base_hash(folder)
    return describe_checkpoint(Checkpoint(directory, kind, first.base, hash_of_base, changed, merge.name, seed))


def _merged(
    merge: Merge, files: Sequence[Mapping[str, Path]], folder: Path
) -> Iterator[tuple[str, "torch.Tensor", "torch.Tensor"]]:
    """Yields (name, merged, the base's own) for every tensor that the base stores."""
    formula = merge.formula
    shares = _shares(formula, folder) if isinstance(formula, LayerSwap) else {}
    for name, stored in stored_tensors(folder):
        rows = [next(tensor for _, tensor in read_tensors({name: each[name]})) for each in files]
        if isinstance(formula, LayerSwap):
            weights: tuple[float, ...] = (1 - shares[name], shares[name])
        elif isinstance(formula, Linear):
            weights = formula.weights or (1 / len(rows),) * len(rows)
        else:
            weights = formula.scales(len(rows))
        around = None if isinstance(formula, LayerSwap | Linear) else stored
        yield name, _combined(name, rows, weights, around), stored


def _shares(formula: LayerSwap, folder: Path) -> dict[str, float]:
    """Returns the second row's share of every tensor, by its name in the files."""
    model = sketch(folder)
    shares = formula.shares(layer_count(model))
    # files may lack the first parts of a name: those of GPT-2 say h.0, the model transformer.h.0
    layer = re.compile(rf"(?:^|\.){re.escape(layers_path(model).rpartition('.')[2])}\.(\d+)\.")
    outside = 1.0 if formula.outside == "second" else 0.0
    places = {name: layer.search(name) for name in tensor_files(folder)}
    return {name: shares[int(found[1])] if found else outside for name, found in places.items()}


def _combined(name: str, rows: Sequence["torch.Tensor"], weights: Sequence[float], around: "torch.Tensor | None") -> "torch.Tensor":
    """Returns the sum of weight times row, or, `around` a tensor, that and the sum of weight times (row - that)."""
    import torch

    if around is None and 1.0 in weights and weights.count(0.0) == len(weights) - 1:
        return rows[weights.index(1.0)]
    first = rows[0] if around is None else around
    if all(same_bits(row, first) for row in rows):
        return first
    if not first.dtype.is_floating_point or first.dtype.itemsize < 2:
        raise UserError(
            f"{name} is stored as {first.dtype}, which cannot be averaged; start from a base that is stored in bfloat16."
        )
    made = torch.empty_like(first)
    target, parts = made.view(-1), [row.reshape(-1) for row in rows]
    for start in range(0, target.numel(), _AT_ONCE):
        here = slice(start, start + _AT_ONCE)
        if around is None:
            exact = _sum([weight * part[here].double() for weight, part in zip(weights, parts, strict=True)])
        else:
            middle = around.reshape(-1)[here].double()
            exact = middle + _sum([scale * (part[here].double() - middle) for scale, part in zip(weights, parts, strict=True)])
        target[here] = rounded(exact, made.dtype)
    if not made.isfinite().all() and all(row.isfinite().all() for row in rows):
        raise UserError(f"{name} becomes more than {made.dtype}, in which the base stores it, can hold; give smaller numbers.")
    return made


def _sum(parts: Sequence["torch.Tensor"]) -> "torch.Tensor":
    return reduce(add, parts)


def rounded(exact: "torch.Tensor", dtype: "torch.dtype") -> "torch.Tensor":
    """Returns float64 numbers in another type, each rounded once, to the nearest.

    PyTorch goes from float64 to 16 bits by float32, and so rounds twice. Here the way to float32 is rounded to odd: what is not
    exact gets the neighbour whose last bit is 1, and so stays on its side of every tie of 16 bits (Boldo and Melquiond, 2008).
    """
    import torch

    near = exact.to(torch.float32)
    if dtype.itemsize >= near.dtype.itemsize:
        return exact.to(dtype)
    back = near.double()
    upwards = torch.where(exact > back, torch.inf, -torch.inf).to(torch.float32)
    even = near.view(torch.int32) & 1 == 0
    return torch.where((exact != back) & even, torch.nextafter(near, upwards), near).to(dtype)


class _Shards:
    """Files of tensors, each written as soon as it is full."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: dict[str, torch.Tensor] = {}
        self._places: dict[str, str] = {}
        self._bytes = 0

    def add(self, name: str, tensor: "torch.Tensor") -> None:
        self._held[name] = tensor.contiguous()
        self._bytes += tensor.nbytes
        if self._bytes >= SHARD_BYTES:
            self._write()

    def _write(self) -> None:
        from safetensors.torch import save_file

        file = f"model-{len({*self._places.values()}) + 1:05}.safetensors"
        save_file(self._held, self._directory / file, metadata={"format": "pt"})
        self._places |= dict.fromkeys(self._held, file)
        self._held, self._bytes = {}, 0

    def close(self) -> tuple[str, ...]:
        """Writes what is left; returns the names of all tensors."""
        if self._held:
            self._write()
        return tuple(self._places)

    def index(self) -> None:
        """Writes where each tensor is, over the index of another model that was copied beside."""
        index, files = self._directory / "model.safetensors.index.json", sorted({*self._places.values()})
        index.unlink(missing_ok=True)
        if len(files) == 1:
            (self._directory / files[0]).rename(self._directory / "model.safetensors")
        else:
            size = sum((self._directory / file).stat().st_size for file in files)
            said = {"metadata": {"total_size": size}, "weight_map": self._places}
            index.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
