"""Where a decoder's feed-forward sub-layers are, found by the model's shape and behaviour instead of by a list of model names.

Any decoder that Transformers loads will do, on any device, the meta device included: only modules and shapes are read, and what
shapes cannot say is asked of a copy of one feed-forward module with a handful of neurons.

How they are found. The layers are the longest list of modules that lies in no other such list. In a layer, attention aside, a
feed-forward module is one that holds, by itself or as its direct children, two matrices between the model's width and one other
width (up and down), or three (gate, up and down), or a double one and a single one (gate and up in one tensor, and down);
expert tensors `[experts, rows, columns]` count as matrices.

Which is the gate. Shapes cannot say, for gate and up are alike. But by what a gated feed-forward sub-layer is,
`down(activation(gate(x)) * up(x))`, its output is affine in the weights of up and of down and is not in those of gate. So the small
copy is run with the weights in question times -1, 0, 1 and 2, and second differences of the output tell. This needs no name, and
finds the halves of a fused tensor too, whether they lie side by side (Phi-3, Mixtral) or row by row in turn (gpt-oss).
"""

import copy
import difflib
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xreason.tasks.errors import UserError
from xreason.trainers.stages import AllParameters, FeedForward, LowRank, Named, Tune, ranges

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

Slices = tuple[slice, ...]

#: What PEFT calls an adapter where there is but one; a part of the names of its parameters.
ADAPTER = "default"

_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
# Widths of the small copy. Different from each other, so that no axis is taken for another.
_SMALL_WIDTH, _SMALL_HIDDEN = 6, 10


@dataclass(frozen=True)
class FeedForwardPart:
    """One projection of a feed-forward sub-layer.

    Attributes:
        layer: index of the decoder layer, from 0.
        parameter: full name of the weight.
        role: "gate", "up" or "down".
        slices: which part of the weight it is, one slice an axis; None where it is all of it.
    """

    layer: int
    parameter: str
    role: Literal["gate", "up", "down"]
    slices: Slices | None = None


@dataclass(frozen=True)
class FeedForwardBlock:
    """One feed-forward sub-layer, or all experts of one in one tensor.

    Attributes:
        layer: index of the decoder layer, from 0.
        path: full name of the module that holds the projections.
        up: the projection that neurons read the model with.
        down: the projection that they write with.
        gate: the projection whose activation is multiplied with up's output; None in an ungated sub-layer, where up's output goes
            through the activation.
        activation: full name of the activation's module; None where the activation is no module of its own.
    """

    layer: int
    path: str
    up: FeedForwardPart
    down: FeedForwardPart
    gate: FeedForwardPart | None
    activation: str | None


@dataclass(frozen=True)
class Tuned:
    """A parameter, or a part of one, that a stage trains.

    Attributes:
        name: full name of the parameter.
        slices: which part of it is trained, one slice an axis; None where it is all of it.
        count: numbers that are trained.
    """

    name: str
    slices: Slices | None
    count: int


def choose(model: "PreTrainedModel", tune: Tune) -> list[Tuned]:
    """Returns what `tune` trains of a model, which may be on the meta device.

    Of a feed-forward sub-layer that is the weights of up and down (of every expert), never gate, router or biases: SLAM's models
    have no biases there, its 6.5 to 8 % count matrices, and a bias is a thousandth of its matrix. Tied parameters come once.
    Adapters have the names that they will have in the model.

    Raises:
        UserError: the model's feed-forward sub-layers cannot be made out, or it has none of the layers or names that are chosen.
    """
    if isinstance(tune, LowRank):
        return [adapter for name, layer in linear_layers(model, tune.targets).items() for adapter in _adapters(name, layer, tune)]
    parameters = dict(model.named_parameters())
    if isinstance(tune, AllParameters):
        return [Tuned(name, None, parameter.numel()) for name, parameter in parameters.items()]
    if isinstance(tune, Named):
        return [Tuned(name, None, parameters[name].numel()) for name in _named(model, tune.pattern)]
    _check_layers(tune, layer_count(model))
    chosen = set(tune.indices)
    parts = [part for block in feed_forward_blocks(model, chosen) for part in (block.up, block.down)]
    return [Tuned(part.parameter, part.slices, _count(parameters[part.parameter], part.slices)) for part in parts]


def _adapters(name: str, layer: "nn.Module", tune: LowRank) -> Iterator[Tuned]:
    from transformers.pytorch_utils import Conv1D

    shape = layer.get_parameter("weight").shape
    inputs, outputs = shape if isinstance(layer, Conv1D) else reversed(shape)
    yield Tuned(f"{name}.lora_A.{ADAPTER}.weight", None, tune.rank * inputs)
    yield Tuned(f"{name}.lora_B.{ADAPTER}.weight", None, tune.rank * outputs)


def linear_layers(model: "PreTrainedModel", targets: Sequence[str] = ()) -> dict[str, "nn.Module"]:
    """Returns the linear modules within the decoder's layers, by their full names.

    Args:
        model: a decoder, on any device.
        targets: last parts of the names, such as "q_proj"; none means all.

    Raises:
        UserError: there is no linear module of such a name.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    path = layers_path(model)
    linear = {
        name: module
        for name, module in model.named_modules()
        if name.startswith(f"{path}.") and isinstance(module, nn.Linear | Conv1D)
    }
    own_names = list(dict.fromkeys(name.rpartition(".")[2] for name in linear))
    absent = [target for target in targets if target not in own_names]
    if absent or not linear:
        raise UserError(
            f"No linear layer of this {type(model).__name__} is called {', '.join(absent) or 'anything'}; choose `targets` among: "
            f"{', '.join(own_names) or 'none'}."
        )
    return {name: module for name, module in linear.items() if not targets or name.rpartition(".")[2] in targets}


def layer_count(model: "PreTrainedModel") -> int:
    """Returns how many decoder layers a model has.

    Raises:
        UserError: it has no list of layers.
    """
    return len(_layers(model)[1])


def layers_path(model: "PreTrainedModel") -> str:
    """Returns the full name of the list of decoder layers, as in "model.layers".

    Raises:
        UserError: the model has no list of layers.
    """
    return _layers(model)[0]


def feed_forward_parts(model: "PreTrainedModel") -> tuple[FeedForwardPart, ...]:
    """Returns the projections that SLAM's rule tunes, up and down, of all layers in order.

    Raises:
        UserError: as feed_forward_blocks.
    """
    return tuple(part for block in feed_forward_blocks(model) for part in (block.up, block.down))


def feed_forward_blocks(model: "PreTrainedModel", layers: set[int] | None = None) -> tuple[FeedForwardBlock, ...]:
    """Returns the feed-forward sub-layers of a model, in order; several a layer where it keeps its experts apart.

    Args:
        model: a decoder, on any device.
        layers: indices of the layers to look at; None means all.

    Raises:
        UserError: one of these layers has no feed-forward sub-layer that can be made out.
    """
    path, blocks = _layers(model)
    width = int(model.config.get_text_config().hidden_size)
    known: dict[object, _Layout | None] = {}
    found: list[FeedForwardBlock] = []
    for layer, block in enumerate(blocks):
        if layers is not None and layer not in layers:
            continue
        here = list(_blocks_of_layer(layer, f"{path}.{layer}", block, width, known))
        if not here:
            raise UserError(
                f"No feed-forward sub-layer can be made out in {path}.{layer} ({type(block).__name__}) of this "
                f"{type(model).__name__}; tune all parameters instead. The layer has: {_tree(block)}."
            )
        found.extend(here)
    return tuple(found)


def _named(model: "PreTrainedModel", pattern: str) -> list[str]:
    """Returns the first name of each tensor of which any name matches as a whole, in the order of named_parameters."""
    names = dict(model.named_parameters(remove_duplicate=False))
    matching = {id(parameter) for name, parameter in names.items() if re.fullmatch(pattern, name)}
    if not matching:
        nearest = difflib.get_close_matches(pattern.replace("\\", ""), names, n=3, cutoff=0)
        raise UserError(
            f"pattern={pattern!r} matches no whole name of a parameter of this {type(model).__name__}; its names are such as "
            f"{', '.join(nearest)}."
        )
    return [name for name, parameter in model.named_parameters() if id(parameter) in matching]


def _check_layers(tune: FeedForward, count: int) -> None:
    absent = [layer for layer in tune.indices if layer >= count]
    if absent:
        raise UserError(
            f"The model has no layers {ranges(absent)}: it has layers {ranges(range(count))}. Choose among those with `layers`."
        )


def _count(parameter: "nn.Parameter", slices: Slices | None) -> int:
    return parameter.numel() if slices is None else parameter[slices].numel()


def _layers(model: "PreTrainedModel") -> tuple[str, "nn.ModuleList"]:
    from torch import nn

    # experts are lists too, and longer ones, but lie in the layers' list
    lists = {name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList) and len(module)}
    outer = [name for name in lists if not any(name.startswith(f"{other}.") for other in lists)]
    if not outer:
        raise UserError(f"{type(model).__name__} has no list of layers, so no layers can be chosen; tune all parameters instead.")
    longest = max(outer, key=lambda name: len(lists[name]))
    return longest, lists[longest]


def _tree(block: "nn.Module") -> str:
    names = [f"{name} {list(parameter.shape)}" for name, parameter in block.named_parameters() if parameter.ndim > 1]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


@dataclass(frozen=True)
class _Matrix:
    """A weight that maps between the model's width and another; `name` is relative to the module that holds it."""

    name: str
    shape: tuple[int, ...]
    other: int
    transposed: bool | None  # False: [rows out, columns in], as nn.Linear; True: the other way, as Conv1D; None: not known


@dataclass(frozen=True)
class _Layout:
    """The roles in one kind of feed-forward module; names are relative to it."""

    up: tuple[str, Slices | None]
    down: tuple[str, Slices | None]
    gate: tuple[str, Slices | None] | None


def _blocks_of_layer(
    layer: int, path: str, block: "nn.Module", width: int, known: dict[object, _Layout | None]
) -> Iterator[FeedForwardBlock]:
    """Yields the feed-forward sub-layers of one layer; `known` remembers the layouts of modules seen before."""
    found: list[tuple[str, nn.Module, _Layout]] = []
    for name, module in block.named_modules():
        if module is not block and _ATTENTION.search(f"{name} {type(module).__name__}"):
            continue
        matrices = _matrices(module, width)
        key = (type(module), tuple(matrices))
        if key not in known:
            known[key] = _layout(module, matrices, width)
        layout = known[key]
        if layout is None and any(len(matrix.shape) == 3 for matrix in matrices):
            raise UserError(
                f"{path}.{name} ({type(module).__name__}) holds experts of which it cannot be made out what is the gate, so the "
                f"model cannot be tuned by layers; tune all parameters instead. The layer has: {_tree(block)}."
            )
        if layout is not None:
            found.append((name, module, layout))
    # OPT keeps its two projections in the layer itself; but where a sub-module is one, other matrices there are something else
    # (Gemma 3n's inputs per layer), and so is a pair without an activation beside modules that have one (its low-rank pairs)
    inner = [entry for entry in found if entry[0]] or found
    active = [entry for entry in inner if entry[2].gate or _activation(entry[1])] or inner
    for name, module, layout in active:
        here = f"{path}.{name}" if name else path
        activation = _activation(module)
        yield FeedForwardBlock(
            layer=layer,
            path=here,
            up=FeedForwardPart(layer, f"{here}.{layout.up[0]}", "up", layout.up[1]),
            down=FeedForwardPart(layer, f"{here}.{layout.down[0]}", "down", layout.down[1]),
            gate=layout.gate and FeedForwardPart(layer, f"{here}.{layout.gate[0]}", "gate", layout.gate[1]),
            activation=f"{here}.{activation}" if activation else None,
        )


def _activation(module: "nn.Module") -> str | None:
    """Returns the name of the direct child that is an activation: a module with neither parameters nor children, no dropout."""
    from torch import nn

    for name, child in module.named_children():
        empty = next(child.children(), None) is None and next(child.parameters(), None) is None
        if empty and not isinstance(child, nn.Dropout | nn.Identity):
            return name
    return None


def _matrices(module: "nn.Module", width: int) -> list[_Matrix]:
    """Returns the matrices that a module holds, itself or in a direct child that is one projection."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    weights: list[tuple[str, torch.Tensor, bool | None]] = [
        (name, parameter, None) for name, parameter in module.named_parameters(recurse=False)
    ]
    for name, child in module.named_children():
        if isinstance(child, nn.Linear | Conv1D):
            weights.append((f"{name}.weight", child.weight, isinstance(child, Conv1D)))
    # beside tensors of all experts, what has two axes is the experts' biases
    axes = max((weight.ndim for _, weight, _ in weights), default=0)
    matrices = []
    for name, weight, transposed in weights:
        if weight.ndim == axes and axes in (2, 3) and width in weight.shape[-2:]:
            rows, columns = weight.shape[-2:]
            other = columns if rows == width else rows
            if other > 1:
                matrices.append(_Matrix(name, tuple(weight.shape), other, transposed))
    return matrices


def _layout(module: "nn.Module", matrices: Sequence[_Matrix], width: int) -> _Layout | None:
    """Returns which matrix is what, or None where the module is no feed-forward sub-layer."""
    others = sorted(matrix.other for matrix in matrices)
    if len(others) == 2 and others[0] == others[1]:
        up, down = _up_and_down(matrices, width)
        return _Layout((up.name, None), (down.name, None), None)
    gated = len(others) == 3 and len(set(others)) == 1
    fused = len(others) == 2 and others[1] == 2 * others[0]
    if not gated and not fused:
        return None
    try:
        probe = _Probe(module, width, others[0])
        return _gated(probe, matrices, width) if gated else _fused(probe, matrices, width)
    except Exception:  # a module that cannot be run on hidden states alone is something else, a state-space one
        return None


def _up_and_down(matrices: Sequence[_Matrix], width: int) -> tuple[_Matrix, _Matrix]:
    """Returns (up, down) of two matrices: by their shapes, and where these are alike, by the order in which they were made."""
    first, second = matrices
    return (second, first) if _reads(second, width) and not _reads(first, width) else (first, second)


def _reads(matrix: _Matrix, width: int) -> bool:
    """Returns whether a matrix maps from the model's width."""
    return matrix.shape[-2 if matrix.transposed else -1] == width


def _gated(probe: "_Probe", matrices: Sequence[_Matrix], width: int) -> _Layout | None:
    gates = [matrix for matrix in matrices if not probe.affine(matrix.name, None)]
    if len(gates) != 1:
        return None
    up, down = _up_and_down([matrix for matrix in matrices if matrix is not gates[0]], width)
    return _Layout((up.name, None), (down.name, None), (gates[0].name, None))


def _fused(probe: "_Probe", matrices: Sequence[_Matrix], width: int) -> _Layout | None:
    down, both = sorted(matrices, key=lambda matrix: matrix.other)
    half = down.other
    if 2 * half != width:
        axis = both.shape.index(2 * half, len(both.shape) - 2)
    else:
        # a square tensor does not say which axis is which, but it lies as down does
        transposed = down.shape[-1] == width if down.transposed is None else down.transposed
        axis = len(both.shape) - (1 if transposed else 2)
    for one, other in (
        (slice(0, half), slice(half, 2 * half)),
        (slice(half, 2 * half), slice(0, half)),
        (slice(0, None, 2), slice(1, None, 2)),
        (slice(1, None, 2), slice(0, None, 2)),
    ):
        if probe.affine(both.name, probe.shrunk(axis, other)) and not probe.affine(both.name, probe.shrunk(axis, one)):
            return _Layout((both.name, _along(axis, other)), (down.name, None), (both.name, _along(axis, one)))
    return None


def _along(axis: int, part: slice) -> Slices:
    return (slice(None),) * axis + (part,)


class _Probe:
    """A copy of a feed-forward module with few neurons and random float64 weights, to be run on the CPU.

    Args:
        module: the one to copy, on any device; its own numbers are not read.
        width: of the model's hidden states.
        hidden: neurons (of one expert).
    """

    def __init__(self, module: "nn.Module", width: int, hidden: int) -> None:
        import torch
        from torch import nn

        # equal widths stay equal: an axis is known by its size alone
        self._width = {hidden: _SMALL_HIDDEN, 2 * hidden: 2 * _SMALL_HIDDEN}.get(width, _SMALL_WIDTH)
        self._sizes = {hidden: _SMALL_HIDDEN, 2 * hidden: 2 * _SMALL_HIDDEN, width: self._width}
        self._hidden = hidden
        self._chance = torch.Generator().manual_seed(0)
        memo: dict[int, object] = {}
        for child in module.modules():
            for owned in child._parameters.values():
                if owned is not None:
                    memo[id(owned)] = nn.Parameter(self._random(tuple(owned.shape)), requires_grad=False)
            for buffer in child._buffers.values():
                if buffer is not None:
                    memo[id(buffer)] = self._random(tuple(buffer.shape))
            if hasattr(child, "config"):
                memo[id(child.config)] = child.config
        self._module: nn.Module = copy.deepcopy(module, memo).eval()
        self._experts = any(parameter.ndim == 3 for parameter in module.parameters(recurse=False))
        self._states = torch.randn(4, self._width, generator=self._chance, dtype=torch.float64)

    def _random(self, shape: tuple[int, ...]) -> "torch.Tensor":
        import torch

        small = [self._sizes.get(size, size) for size in shape]
        # about 1 after a projection, so that no activation is saturated and no clamp reached
        return torch.randn(small, generator=self._chance, dtype=torch.float64) * 0.3

    def shrunk(self, axis: int, part: slice) -> Slices:
        """Returns a slice of the full-size fused axis as it lies in the copy."""

        def small(bound: int | None) -> int | None:
            return bound if part.step or bound is None else bound * _SMALL_HIDDEN // self._hidden

        return _along(axis, slice(small(part.start), small(part.stop), part.step))

    def affine(self, name: str, slices: Slices | None) -> bool:
        """Returns whether the output is affine in, and depends on, a weight or a part of one."""
        below, zero, one, two = (self._output(name, slices, factor) for factor in (-1.0, 0.0, 1.0, 2.0))
        scale = one.sub(zero).abs().max()
        bends = (below - 2 * zero + one).abs().max(), (zero - 2 * one + two).abs().max()
        # float64 keeps 16 digits; a bend that is meant is of the size of the output
        return bool(scale > 0) and all(bool(bend < 1e-9 * scale) for bend in bends)

    def _output(self, name: str, slices: Slices | None, factor: float) -> "torch.Tensor":
        import torch

        weight = self._module.get_parameter(name)
        kept = weight.detach().clone()
        with torch.no_grad():
            weight[slices or ...] *= factor
            output = self._run()
            weight.copy_(kept)
        return output

    def _run(self) -> "torch.Tensor":
        import torch

        if not self._experts:
            output = self._module(self._states)
        else:
            # beneath the wrapper that picks a faster kernel for the device; the router is left out: all goes to expert 0
            forward = inspect.unwrap(type(self._module).forward)
            chosen = torch.zeros(len(self._states), 1, dtype=torch.long)
            output = forward(self._module, self._states, chosen, torch.ones(len(self._states), 1, dtype=torch.float64))
        if not isinstance(output, torch.Tensor):
            raise TypeError(f"{type(self._module).__name__} returns no tensor")
        return output
