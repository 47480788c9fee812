"""Lets a stage train what it tunes and nothing else, bit for bit, also where that is only a part of a tensor.

    tuned = freeze_all_but(model, stage.tune)
    try:
        ...  # any loop, any optimizer over the parameters that have requires_grad
    finally:
        thaw(model)

A tensor of which only a part learns (Phi-3's gate and up in one, the experts' of Mixtral) is split into two parameters while a
stage runs, `NAME_tuned` and `NAME_frozen`, and put together again for each forward pass of its module. A mask on the gradient would
not do: weight decay moves what has no gradient, and the optimizer would hold moments for it. Low-rank adapters are put in while a
stage runs, and merged after it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xreason.trainers.stages import LowRank, Tune
from xreason.trainers.tuning.adapters import add_adapters, has_adapters, merge_adapters
from xreason.trainers.tuning.structure import Slices, Tuned, choose, linear_layers

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

_SPLITS = "_split_parameters"


def freeze_all_but(model: "PreTrainedModel", tune: Tune, *, seed: int = 0) -> int:
    """Lets only what `tune` chooses have gradients, in float32, and returns how many numbers that is.

    The parameters together stay as many as they were; adapters come on top. Tied parameters stay tied. Call thaw before the model
    is saved or frozen anew.

    Args:
        model: is changed in place.
        tune: which parameters are trained.
        seed: of the numbers that adapters begin with.

    Raises:
        UserError: as xreason.trainers.tuning.structure.choose.
        RuntimeError: the model is frozen already.
    """
    import torch

    if has_adapters(model) or any(hasattr(module, _SPLITS) for module in model.modules()):
        raise RuntimeError("The model has split parameters or adapters from a former stage; call thaw first.")
    if isinstance(tune, LowRank):
        return add_adapters(model, tune, seed=seed)
    chosen = {tuned.name: tuned for tuned in choose(model, tune)}
    for name, parameter in list(model.named_parameters()):
        tuned = chosen.get(name)
        parameter.requires_grad_(tuned is not None and tuned.slices is None)
        if tuned is None:
            continue
        if tuned.slices is None:
            # a step of 2e-5 is lost in bfloat16, whose neighbours of 1.0 are 2^-8 apart
            parameter.data = parameter.data.to(torch.float32)
        else:
            path, _, own_name = name.rpartition(".")
            _split(model.get_submodule(path), own_name, tuned.slices)
    return sum(tuned.count for tuned in chosen.values())


def thaw(model: "PreTrainedModel") -> None:
    """Makes whole again what freeze_all_but split, under the old names and in float32; every parameter may learn again.

    Adapters are merged into their weights, which keep their dtype. A model without either is only unfrozen.
    """
    merge_adapters(model)
    for module in model.modules():
        for split in module.__dict__.pop(_SPLITS, ()):
            split.undo(module)
    model.requires_grad_(True)


@contextmanager
def float32_masters(model: "PreTrainedModel", wanted: bool) -> Iterator[dict["torch.Tensor", "torch.Tensor"]]:
    """Makes all parameters bfloat16 for a while, and yields the float32 masters of those that learn; nothing where not `wanted`.

    Each backward pass adds its gradients to the masters', for an optimizer to step; the caller copies masters into parameters. In
    the end each parameter is what its master is, or, frozen, what it was before, so that no stage rounds what another left.
    """
    import torch

    whole = {parameter: parameter.data for parameter in model.parameters()} if wanted else {}
    masters: dict[torch.Tensor, torch.Tensor] = {each: data for each, data in whole.items() if each.requires_grad}
    places = {parameter: data.device for parameter, data in whole.items()}

    def hand_over(parameter: torch.Tensor) -> None:
        master, gradient = masters[parameter], parameter.grad
        if gradient is not None:
            master.grad = gradient.float() if master.grad is None else master.grad.add_(gradient)
        parameter.grad = None

    hooks = [each.register_post_accumulate_grad_hook(hand_over) for each in masters]  # type: ignore[no-untyped-call]
    try:
        for parameter in whole:
            if parameter not in masters and parameter.dtype != torch.bfloat16:
                # what it was waits in main memory: a GPU's is for what is computed with
                whole[parameter] = parameter.data.cpu()
            parameter.data = parameter.data.to(torch.bfloat16)
        yield masters
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, data in whole.items():
            parameter.data = data.to(places[parameter])


def changed_weights(model: "PreTrainedModel", tune: Tune) -> list[str]:
    """Returns the names of the whole model's weights that a stage which tunes this may leave changed.

    Raises:
        UserError: as xreason.trainers.tuning.structure.choose.
    """
    if isinstance(tune, LowRank):
        return [f"{name}.weight" for name in linear_layers(model, tune.targets)]
    return [tuned.name for tuned in choose(model, tune)]


def tuned_in_all(model: "PreTrainedModel", tunes: Sequence[Tune]) -> int:
    """Returns how many numbers stages that tune these, one after another, tune together.

    Of one stage that is what it trains. Of several it is the numbers of the model that any of them may leave changed, each once: of
    a tensor of which a stage trains a part that part, of merged adapters the weights that they stand beside.

    Raises:
        UserError: as xreason.trainers.tuning.structure.choose.
    """
    if len(tunes) == 1:
        return sum(tuned.count for tuned in choose(model, tunes[0]))
    counts: dict[str, dict[str, int]] = {}
    for tune in tunes:
        adapted = [Tuned(name, None, model.get_parameter(name).numel()) for name in changed_weights(model, tune)]
        for each in adapted if isinstance(tune, LowRank) else choose(model, tune):
            counts.setdefault(each.name, {})[str(each.slices)] = each.count
    # a whole tensor holds its parts; different parts of one, as they are cut, have nothing in common
    return sum(parts.get(str(None)) or sum(parts.values()) for parts in counts.values())


@dataclass(frozen=True)
class _Split:
    """One parameter of a module, held in two parts; `handles` are of the hooks that join them."""

    name: str
    parameter: "nn.Parameter"
    tuned: Slices
    frozen: Slices
    shape: "torch.Size"
    handles: tuple[Any, ...]

    def undo(self, module: "nn.Module") -> None:
        import torch

        for handle in self.handles:
            handle.remove()
        tuned = module.get_parameter(f"{self.name}_tuned")
        frozen = module.get_parameter(f"{self.name}_frozen")
        whole = _joined(tuned.detach(), frozen.detach(), self.tuned, self.frozen, self.shape, torch.float32)
        delattr(module, f"{self.name}_tuned")
        delattr(module, f"{self.name}_frozen")
        # the object that it was, for whoever else holds it
        self.parameter.data = whole
        module.register_parameter(self.name, self.parameter)


def _split(module: "nn.Module", name: str, tuned: Slices) -> None:
    import torch
    from torch import nn

    parameter = module.get_parameter(name)
    shape, frozen = parameter.shape, _rest(tuned, parameter.shape)
    delattr(module, name)
    # copies, so that the whole can go while the stage runs
    learning = nn.Parameter(parameter.detach()[tuned].to(torch.float32, copy=True))
    kept = nn.Parameter(parameter.detach()[frozen].clone(), requires_grad=False)
    parameter.data = parameter.data.new_empty(0)
    module.register_parameter(f"{name}_tuned", learning)
    module.register_parameter(f"{name}_frozen", kept)

    def join(module: "nn.Module", *_: Any) -> None:
        # in the dtype of the frozen part, as the weights around it; once a pass, for experts read it once an expert
        tuned_now, frozen_now = module.get_parameter(f"{name}_tuned"), module.get_parameter(f"{name}_frozen")
        module.__dict__[name] = _joined(tuned_now, frozen_now, tuned, frozen, shape, frozen_now.dtype)

    def part(module: "nn.Module", *_: Any) -> None:
        # or the graph of the last pass lives on
        module.__dict__.pop(name, None)

    handles = (module.register_forward_pre_hook(join), module.register_forward_hook(part, always_call=True))
    split = _Split(name, parameter, tuned, frozen, shape, handles)
    module.__dict__.setdefault(_SPLITS, []).append(split)


def _joined(
    tuned: "torch.Tensor", frozen: "torch.Tensor", where: Slices, rest: Slices, shape: "torch.Size", dtype: "torch.dtype"
) -> "torch.Tensor":
    whole = frozen.new_empty(shape, dtype=dtype)
    whole[rest] = frozen.to(dtype)
    whole[where] = tuned.to(dtype)
    return whole


def _rest(tuned: Slices, shape: "torch.Size") -> Slices:
    """Returns the slices of what `tuned` leaves of its last axis: the other half, or every other row."""
    axis = len(tuned) - 1
    start, stop, step = tuned[axis].indices(shape[axis])
    rest = slice(1 - start, None, 2) if step == 2 else slice(stop, None) if start == 0 else slice(0, start)
    return (*tuned[:axis], rest)
