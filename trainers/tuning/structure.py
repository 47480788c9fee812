"""Where a decoder's feed-forward sub-layers are, found by the model's shape and behaviour instead of by a list of model names.

Any decoder that Transformers loads will do, on any device, the meta device included: only modules and shapes are read. The layers
are the longest list of modules that lies in no other such list. In a layer, attention aside, a feed-forward module is known by the
shapes of its matrices, and what shapes cannot say is asked of a small copy of it (probing.py). Of an Outline all of it is known.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.outline import LAYERS, Linear, Outline
from xreason.trainers.stages import AllParameters, LowRank, Named, Tune, ranges
from xreason.trainers.tuning.probing import Layout, Part, layout_of, matrices_of
from xreason.trainers.tuning.probing import Slices as Slices

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

#: What PEFT calls an adapter where there is but one; a part of the names of its parameters.
ADAPTER = "default"

_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)


@dataclass(frozen=True)
class FeedForwardBlock:
    """One feed-forward sub-layer, or all experts of one in one tensor."""

    layer: int  #: index of the decoder layer, from 0
    path: str  #: full name of the module that holds the projections
    up: Part  #: the projection that neurons read the model with
    down: Part  #: the projection that they write with
    gate: Part | None  #: its activation is multiplied with up's output; None where up's goes through the activation itself
    activation: str | None  #: full name of the activation's module; None where the activation is no module of its own


@dataclass(frozen=True)
class Tuned:
    """A parameter, or a part of one, that a stage trains."""

    name: str  #: full name of the parameter
    slices: Slices | None  #: which part of it is trained, one slice an axis; None where it is all of it
    count: int  #: numbers that are trained


def choose(model: "PreTrainedModel", tune: Tune) -> list[Tuned]:
    """Returns what `tune` trains of a model, which may be on the meta device.

    Of a feed-forward sub-layer that is the weights of up and down (of every expert), never gate, router or biases: SLAM's models
    have no biases there, its 6.5 to 8 % count matrices, and a bias is a thousandth of its matrix. Tied parameters come once.
    Adapters have the names that they will have in the model.

    Raises:
        UserError: the model's feed-forward sub-layers cannot be made out, or it has none of the layers or names that are chosen.
    """
    if isinstance(tune, LowRank):
        linear = linear_layers(model, tune.targets).items()
        return [
            Tuned(f"{name}.lora_{matrix}.{ADAPTER}.weight", None, tune.rank * width)
            for name, layer in linear
            for matrix, width in zip("AB", _widths(layer), strict=True)
        ]
    parameters = dict(model.named_parameters())
    if isinstance(tune, AllParameters):
        parts = [Part(name) for name in parameters]
    elif isinstance(tune, Named):
        parts = [Part(name) for name in _named(model, tune.pattern)]
    else:
        layers = range(layer_count(model))
        absent = [layer for layer in tune.indices if layer not in layers]
        if absent:
            has = f"The model has no layers {ranges(absent)}: it has layers {ranges(layers)}"
            raise UserError(f"{has}. Choose among those with `layers`.")
        parts = [part for block in feed_forward_blocks(model, set(tune.indices)) for part in (block.up, block.down)]
    return [Tuned(part.parameter, part.slices, parameters[part.parameter][part.slices or ...].numel()) for part in parts]


def _widths(layer: "nn.Module") -> tuple[int, ...]:
    """Returns how wide a linear module's inputs and its outputs are."""
    if isinstance(layer, Linear):
        return tuple(reversed(layer.get_parameter("weight").shape))
    from transformers.pytorch_utils import Conv1D

    shape = layer.get_parameter("weight").shape
    return tuple(shape if isinstance(layer, Conv1D) else reversed(shape))


def linear_layers(model: "PreTrainedModel", targets: Sequence[str] = ()) -> dict[str, "nn.Module"]:
    """Returns the linear modules within the decoder's layers, by their full names.

    Only those whose names end in one of `targets`, such as "q_proj"; all where none are named.

    Raises:
        UserError: there is no linear module of such a name.
    """
    path = layers_path(model)
    modules = ((name, module) for name, module in model.named_modules() if name.startswith(f"{path}."))
    linear: dict[str, nn.Module] = {name: module for name, module in modules if isinstance(module, _linear_types(model))}
    own_names = dict.fromkeys(name.rpartition(".")[2] for name in linear)
    absent = [target for target in targets if target not in own_names]
    if absent or not linear:
        wanted, known = ", ".join(absent) or "anything", ", ".join(own_names) or "none"
        kind = model.kind if isinstance(model, Outline) else type(model).__name__
        raise UserError(f"No linear layer of this {kind} is called {wanted}; choose `targets` among: {known}.")
    return {name: module for name, module in linear.items() if not targets or name.rpartition(".")[2] in targets}


def _linear_types(model: "PreTrainedModel") -> tuple[type[Any], ...]:
    if isinstance(model, Outline):
        return (Linear,)
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    return nn.Linear, Conv1D


def layer_count(model: "PreTrainedModel") -> int:
    """Returns how many decoder layers a model has; raises UserError where it has no list of layers."""
    return len(_layers(model)[1])


def layers_path(model: "PreTrainedModel") -> str:
    """Returns the full name of the list of decoder layers, as in "model.layers"; raises UserError where there is none."""
    return _layers(model)[0]


def feed_forward_blocks(model: "PreTrainedModel", layers: set[int] | None = None) -> tuple[FeedForwardBlock, ...]:
    """Returns the feed-forward sub-layers of some layers (None: of all), in order; several a layer where it keeps experts apart.

    Raises:
        UserError: one of these layers has no feed-forward sub-layer that can be made out.
    """
    path, blocks = _layers(model)
    if isinstance(model, Outline):
        chosen = range(len(blocks)) if layers is None else sorted(layers)
        return tuple(_block_of_outline(layer, f"{path}.{layer}.mlp") for layer in chosen)
    width = int(model.config.get_text_config().hidden_size)
    known: dict[object, Layout | None] = {}
    found: list[FeedForwardBlock] = []
    for layer in range(len(blocks)) if layers is None else sorted(layers):
        block = blocks[layer]
        here = list(_blocks_of_layer(layer, f"{path}.{layer}", block, width, known))
        if not here:
            raise UserError(
                f"No feed-forward sub-layer can be made out in {path}.{layer} ({type(block).__name__}) of this "
                f"{type(model).__name__}; tune all parameters instead. The layer has: {_tree(block)}."
            )
        found.extend(here)
    return tuple(found)


def _block_of_outline(layer: int, path: str) -> FeedForwardBlock:
    up, down, gate = (Part(f"{path}.{name}_proj.weight") for name in ("up", "down", "gate"))
    return FeedForwardBlock(layer, path, up, down, gate, f"{path}.act_fn")


def _named(model: "PreTrainedModel", pattern: str) -> list[str]:
    names = dict(model.named_parameters(remove_duplicate=False))
    matching = {id(parameter) for name, parameter in names.items() if re.fullmatch(pattern, name)}
    if not matching:
        nearest = difflib.get_close_matches(pattern.replace("\\", ""), names, n=3, cutoff=0)
        raise UserError(f"pattern={pattern!r} matches no whole name of a parameter; names are such as {', '.join(nearest)}.")
    # a shared tensor has several names, of which any may match; the first is what it goes by
    return [name for name, parameter in model.named_parameters() if id(parameter) in matching]


def _layers(model: "PreTrainedModel") -> tuple[str, Any]:
    if isinstance(model, Outline):
        return LAYERS, model.layers
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


def _blocks_of_layer(
    layer: int, path: str, block: "nn.Module", width: int, known: dict[object, Layout | None]
) -> Iterator[FeedForwardBlock]:
    """Yields the feed-forward sub-layers of one layer; `known` remembers the layouts of modules seen before."""
    found: list[tuple[str, nn.Module, Layout]] = []
    for name, module in block.named_modules():
        if module is not block and _ATTENTION.search(f"{name} {type(module).__name__}"):
            continue
        matrices = matrices_of(module, width)
        key = (type(module), tuple(matrices))
        if key not in known:
            known[key] = layout_of(module, matrices, width)
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
    active = [entry for entry in inner if entry[2][2] or _activation(entry[1])] or inner
    for name, module, (up, down, gate) in active:
        here = f"{path}.{name}" if name else path
        activation = _activation(module)
        seen = f"{here}.{activation}" if activation else None
        yield FeedForwardBlock(layer, here, up.within(here), down.within(here), gate and gate.within(here), seen)


def _activation(module: "nn.Module") -> str | None:
    """Returns the name of the direct child that is an activation: a module with neither parameters nor children, no dropout."""
    from torch import nn

    for name, child in module.named_children():
        empty = next(child.children(), None) is None and next(child.parameters(), None) is None
        if empty and not isinstance(child, nn.Dropout | nn.Identity):
            return name
    return None
