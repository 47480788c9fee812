"""Which matrix of a feed-forward module is what: up, down, and where there is one, the gate.

A feed-forward module is one that holds, by itself or as its direct children, two matrices between the model's width and one other
width (up and down), or three (gate, up and down), or a double one and a single one (gate and up in one tensor, and down);
expert tensors `[experts, rows, columns]` count as matrices.

Shapes cannot say which is the gate, for gate and up are alike. But by what a gated feed-forward sub-layer is,
`down(activation(gate(x)) * up(x))`, its output is affine in the weights of up and of down and is not in those of gate. So a copy
with a handful of neurons is run with the weights in question times -1, 0, 1 and 2, and second differences of the output tell.
This needs no name, and finds the halves of a fused tensor too, whether they lie side by side (Phi-3, Mixtral) or row by row in
turn (gpt-oss).
"""

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

Slices = tuple[slice, ...]

# Widths of the small copy. Different from each other, so that no axis is taken for another.
_SMALL_WIDTH, _SMALL_HIDDEN = 6, 10


@dataclass(frozen=True)
class Part:
    """One projection of a feed-forward sub-layer."""

    parameter: str  #: name of the weight
    slices: Slices | None = None  #: which part of the weight it is, one slice an axis; None where it is all of it

    def within(self, path: str) -> "Part":
        """Returns it by its full name, of a module at `path`."""
        return replace(self, parameter=f"{path}.{self.parameter}")


@dataclass(frozen=True)
class Matrix:
    """A weight that maps between the model's width and another; `name` is relative to the module that holds it."""

    name: str
    shape: tuple[int, ...]
    other: int
    transposed: bool | None  # False: [rows out, columns in], as nn.Linear; True: the other way, as Conv1D; None: not known


#: Up, down, and where there is one, gate, of one kind of feed-forward module; names are relative to it.
Layout = tuple[Part, Part, Part | None]


def matrices_of(module: "nn.Module", width: int) -> list[Matrix]:
    """Returns the matrices that a module holds, itself or in a direct child that is one projection."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    weights: list[tuple[str, torch.Tensor, bool | None]] = [(*named, None) for named in module.named_parameters(recurse=False)]
    for name, child in module.named_children():
        if isinstance(child, nn.Linear | Conv1D):
            weights.append((f"{name}.weight", child.weight, isinstance(child, Conv1D)))
    # beside tensors of all experts, what has two axes is the experts' biases
    axes = max((weight.ndim for _, weight, _ in weights), default=0)
    matrices = []
    for name, weight, transposed in weights:
        if weight.ndim == axes and axes in (2, 3) and width in weight.shape[-2:]:
            other = weight.shape[-1] if weight.shape[-2] == width else weight.shape[-2]
            if other > 1:
                matrices.append(Matrix(name, tuple(weight.shape), other, transposed))
    return matrices


def layout_of(module: "nn.Module", matrices: Sequence[Matrix], width: int) -> Layout | None:
    """Returns which matrix is what, or None where the module is no feed-forward sub-layer."""
    others = sorted(matrix.other for matrix in matrices)
    relative = [other / others[0] for other in others]
    if relative == [1, 1]:
        up, down = _up_and_down(matrices, width)
        return Part(up.name), Part(down.name), None
    if relative not in ([1, 1, 1], [1, 2]):
        return None
    try:
        probe = _Probe(module, width, others[0])
        return _fused(probe, matrices, width) if len(others) == 2 else _gated(probe, matrices, width)
    except Exception:  # a module that cannot be run on hidden states alone is something else, a state-space one
        return None


def _up_and_down(matrices: Sequence[Matrix], width: int) -> tuple[Matrix, Matrix]:
    """Returns (up, down) of two matrices: by their shapes, and where these are alike, by the order in which they were made."""
    first, second = matrices
    from_width = [matrix.shape[-2 if matrix.transposed else -1] == width for matrix in matrices]
    return (second, first) if from_width == [False, True] else (first, second)


def _gated(probe: "_Probe", matrices: Sequence[Matrix], width: int) -> Layout | None:
    gates = [matrix for matrix in matrices if not probe.affine(matrix.name, None)]
    if len(gates) != 1:
        return None
    up, down = _up_and_down([matrix for matrix in matrices if matrix is not gates[0]], width)
    return Part(up.name), Part(down.name), Part(gates[0].name)


def _fused(probe: "_Probe", matrices: Sequence[Matrix], width: int) -> Layout | None:
    down, both = sorted(matrices, key=lambda matrix: matrix.other)
    half = down.other
    if 2 * half != width:
        axis = both.shape.index(2 * half, len(both.shape) - 2)
    else:
        # a square tensor does not say which axis is which, but it lies as down does
        transposed = down.shape[-1] == width if down.transposed is None else down.transposed
        axis = len(both.shape) - (1 if transposed else 2)
    halves, turns = (slice(0, half), slice(half, 2 * half)), (slice(0, None, 2), slice(1, None, 2))
    for one, other in (halves, halves[::-1], turns, turns[::-1]):
        if probe.affine(both.name, probe.shrunk(axis, other)) and not probe.affine(both.name, probe.shrunk(axis, one)):
            return Part(both.name, _along(axis, other)), Part(down.name), Part(both.name, _along(axis, one))
    return None


def _along(axis: int, part: slice) -> Slices:
    return (slice(None),) * axis + (part,)


class _Probe:
    """A copy of a module with few neurons (of `hidden`, of one expert) and random float64 weights, to be run on the CPU."""

    def __init__(self, module: "nn.Module", width: int, hidden: int) -> None:
        import torch
        from torch import nn

        # equal widths stay equal: an axis is known by its size alone
        self._width = {hidden: _SMALL_HIDDEN, 2 * hidden: 2 * _SMALL_HIDDEN}.get(width, _SMALL_WIDTH)
        self._sizes = {hidden: _SMALL_HIDDEN, 2 * hidden: 2 * _SMALL_HIDDEN, width: self._width}
        self._hidden = hidden
        self._chance = torch.Generator().manual_seed(0)
        memo: dict[int, object] = {}
        for parameter in module.parameters():
            memo[id(parameter)] = nn.Parameter(self._random(parameter.shape), requires_grad=False)
        for buffer in module.buffers():
            memo[id(buffer)] = self._random(buffer.shape)
        for config in (child.config for child in module.modules() if hasattr(child, "config")):
            memo[id(config)] = config
        self._module: nn.Module = copy.deepcopy(module, memo).eval()
        self._experts = any(parameter.ndim == 3 for parameter in module.parameters(recurse=False))
        self._states = torch.randn(4, self._width, generator=self._chance, dtype=torch.float64)

    def _random(self, shape: Sequence[int]) -> "torch.Tensor":
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
        scale = float((one - zero).abs().max())
        bends = (float(bend.abs().max()) for bend in (below - 2 * zero + one, zero - 2 * one + two))
        # float64 keeps 16 digits; a bend that is meant is of the size of the output
        return scale > 0 and all(bend < 1e-9 * scale for bend in bends)

    def _output(self, name: str, slices: Slices | None, factor: float) -> "torch.Tensor":
        import torch

        weight = self._module.get_parameter(name)
        kept = weight.detach().clone()
        with torch.no_grad():
            weight[slices or ...] *= factor
            if not self._experts:
                output = self._module(self._states)
            else:
                # beneath the wrapper that picks a faster kernel for the device; the router is left out: all goes to expert 0
                forward = inspect.unwrap(type(self._module).forward)
                chosen = torch.zeros(len(self._states), 1, dtype=torch.long)
                output = forward(self._module, self._states, chosen, torch.ones(len(self._states), 1, dtype=torch.float64))
            weight.copy_(kept)
        if not isinstance(output, torch.Tensor):
            raise TypeError(f"{type(self._module).__name__} returns no tensor")
        return output
