"""Low-rank adapters for the time of one stage: PEFT's LoRA layers go in, learn, and are merged into the weights they stand beside.

What is left behind is the model as it was, with the same names and shapes, so that its checkpoint, its engine and the next stage
need to know nothing of adapters.
"""

from typing import TYPE_CHECKING, Any

from xreason.trainers.stages import LowRank
from xreason.trainers.tuning.structure import ADAPTER, choose, linear_layers

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_TUNER, _KEPT = "_low_rank_tuner", "_low_rank_kept"
_SIDES = ("lora_A", "lora_B")


def add_adapters(model: "PreTrainedModel", tune: LowRank, *, seed: int) -> int:
    """Puts adapters into a model, in float32 and alone with gradients, and returns how many numbers they hold.

    They begin as zero: A is drawn from `seed`, B is 0. The generator of everything else that is random is left as it was.

    Raises:
        UserError: the model has none of the layers that `tune` names.
    """
    import torch
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel
    from transformers.pytorch_utils import Conv1D

    layers = linear_layers(model, tune.targets)
    count = sum(tuned.count for tuned in choose(model, tune))
    config = LoraConfig(
        r=tune.rank,
        lora_alpha=tune.alpha,
        lora_dropout=tune.dropout,
        target_modules=list(layers),
        fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in layers.values()),
    )
    stored = {layer: layer.get_parameter("weight").data for layer in layers.values()}
    for layer, data in stored.items():
        # an adapter is made in its weight's dtype: beside these it is float32 from the first, whatever is stored
        layer.get_parameter("weight").data = torch.zeros((), device=data.device).expand_as(data)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        tuner = LoraModel(model, config, ADAPTER)
    for layer, data in stored.items():
        layer.get_parameter("weight").data = data
    model.__dict__.pop(_KEPT, None)
    # past nn.Module, which would make the model a part of itself
    model.__dict__[_TUNER] = tuner, tune.merge
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.float32)
    return count


def has_adapters(model: "PreTrainedModel") -> bool:
    """Returns whether add_adapters was here and merge_adapters was not."""
    return _TUNER in model.__dict__


def merge_adapters(model: "PreTrainedModel") -> None:
    """Adds W + (alpha / rank) B A in float32, rounds it to the dtype of W, and takes the adapters out; does nothing without any.

    Those of a stage that does not merge are kept as they were, see kept_adapters.
    """
    tuner, forgotten = model.__dict__.pop(_TUNER, (None, True))
    if tuner is None:
        return
    if not forgotten:
        layers = {name: module for name, module in model.named_modules() if ADAPTER in getattr(module, "lora_A", ())}
        sides = {f"{name}.{side}": getattr(layer, side)[ADAPTER].weight for name, layer in layers.items() for side in _SIDES}
        tensors = {f"base_model.model.{name}.weight": weight.detach() for name, weight in sides.items()}
        model.__dict__[_KEPT] = tuner.peft_config[ADAPTER], tensors
    tuner.merge_and_unload()


def kept_adapters(model: "PreTrainedModel") -> tuple[Any, dict[str, "torch.Tensor"]] | None:
    """Returns PEFT's config of adapters that were merged and are to be kept, and their tensors by its names; None for none."""
    kept: tuple[Any, dict[str, torch.Tensor]] | None = model.__dict__.get(_KEPT)
    return kept
