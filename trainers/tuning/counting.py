"""What a stage tunes of a model, counted to the parameter, and what training it will take, estimated before anything is loaded.

Models are built on the meta device, from their config.json alone: a 70B model is counted in a second and takes no memory.

    count("meta-llama/Llama-2-13b-hf", FeedForward(6))    Counts(tuned=849346560, total=13015864320), share 6.5 %

Counts are exact; FLOPs are an estimate, by a formula that its docstring gives, with its source.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xreason.tasks.errors import UserError
from xreason.tasks.files import read_object
from xreason.trainers.checkpoints.base import tensor_files
from xreason.trainers.checkpoints.outline import outline_of
from xreason.trainers.pocket import MODELS
from xreason.trainers.stages import FeedForward, LowRank, Tune
from xreason.trainers.tuning.structure import choose, feed_forward_blocks, layers_path

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


@dataclass(frozen=True)
class Counts:
    """How much of a model a stage tunes."""

    tuned: int  #: numbers that are trained
    total: int  #: parameters of the model, tied ones once

    @property
    def share(self) -> float:
        """The tuned share, in 0..1."""
        return self.tuned / self.total


def count(model: str | Path, tune: Tune) -> Counts:
    """Returns what `tune` trains of "pocket", a folder (config.json is enough), or a hub id.

    Raises:
        UserError: there is no such model, or `tune` does not fit it.
    """
    return count_of(skeleton(model), tune)


def count_of(model: "PreTrainedModel", tune: Tune) -> Counts:
    """Returns the same of a model that is built already, with or without weights.

    Raises:
        UserError: `tune` does not fit the model.
    """
    return Counts(sum(tuned.count for tuned in choose(model, tune)), sum(parameter.numel() for parameter in model.parameters()))


def skeleton(model: str | Path) -> "PreTrainedModel":
    """Returns "pocket", a folder's model, or a hub id's, of which only the config is read, without weights, on the meta device.

    Raises:
        UserError: there is no such model, or it is no decoder that Transformers knows.
    """
    from transformers import AutoConfig

    where = MODELS.get(model, Path(model).expanduser())
    if (where / "config.json").is_file():
        # Transformers does not bound how deep it may be
        read_object(where / "config.json", "give a folder with a model's own")
    try:
        config = AutoConfig.from_pretrained(where if where.is_dir() else str(model), trust_remote_code=False)
    except Exception as error:  # each family's config checks its own keys, and raises what it likes
        raise UserError(
            f"{model} has no config.json that Transformers can read ({_reason(error)}); fetch it again, or give another folder, or "
            "a hub id such as meta-math/MetaMath-7B-V1.0 on a machine with network."
        ) from error
    return skeleton_of(config)


def sketch(folder: Path) -> "PreTrainedModel":
    """Returns what counts as the model of a folder does, in no time where its family is known, else its skeleton.

    Raises:
        UserError: as skeleton.
    """
    outline: Any = outline_of(read_object(folder / "config.json", "give a folder with a model's own"))
    return outline or skeleton(folder)


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:120]


def check_fits(folder: Path) -> None:
    """Makes sure, without loading a weight, that the tensors of a model folder have the shapes that its config says.

    What the files name otherwise than the model in memory does (Mixtral's experts) is not looked at.

    Raises:
        UserError: the config describes no decoder, a file is damaged, or a tensor has another shape.
    """
    from safetensors import safe_open

    wanted = {name: list(tensor.shape) for name, tensor in skeleton(folder).state_dict().items()}
    by_file: dict[Path, list[str]] = {}
    for name, file in tensor_files(folder).items():
        by_file.setdefault(file, []).append(name)
    for file, names in by_file.items():
        with safe_open(file, framework="pt") as opened:
            for name in names:
                shape = opened.get_slice(name).get_shape()
                if wanted.get(name, shape) != shape:
                    said = f"{file} does not fit the config beside it: {name} is {shape} and should be {wanted[name]}"
                    raise UserError(f"{said}; fetch the model again.")


def skeleton_of(config: "PreTrainedConfig") -> "PreTrainedModel":
    """Returns the decoder that a config describes, without weights, on the meta device.

    Raises:
        UserError: it describes no decoder.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:  # a layer of the model meets the value that is wrong, and says so in its own way
        if "Unrecognized configuration class" in str(error):
            raise UserError(
                f"A {config.model_type} model is no decoder that Transformers knows; give a causal language model such as Llama."
            ) from error
        raise UserError(
            f"No {config.model_type} model can be made of its config.json ({_reason(error)}); fetch it again."
        ) from error
    model.tie_weights()
    return model


def estimate_flops(model: "PreTrainedModel", tune: Tune, *, checkpointing: bool = True) -> int:
    """Estimates the floating-point operations of training on one token, without attention's own, which are few in short texts.

    A parameter that multiplies costs 2 a token in the forward pass, 2 in the backward pass for the gradient of its input, and 2
    for its own gradient (Kaplan et al. 2020, arXiv 2001.08361, section 2.1: 6 N). So with A parameters that a token meets (all
    but a table of embeddings; of the experts, those that it takes), T of them tuned, and B those through which the gradient comes
    back, it is 2 A + 2 B + 2 T: 6 A where all are tuned. What is frozen saves its own gradient; only what lies before the lowest
    tuned weights saves the way back too: the layers beneath, and of that layer all but the down projection. A tensor of which a
    part is tuned costs as if all of it were: its gradient is made whole.

    Gradient checkpointing repeats the forward pass of the layers from the lowest tuned one on, 2 more for each of their parameters
    (6 A becomes 8 A, but for the projection onto the vocabulary).

    Raises:
        UserError: `tune` does not fit the model.
    """
    shares = _met_by_a_token(model)
    sizes = {name: shares[name] * parameter.numel() for name, parameter in model.named_parameters()}
    chosen = choose(model, tune)
    if isinstance(tune, LowRank):
        sizes |= {each.name: float(each.count) for each in chosen}
    layer_of = _layer_of(model, sizes)
    tuned = sum(sizes[each.name] for each in chosen)
    met = sum(sizes.values())
    back = met
    if isinstance(tune, FeedForward):
        # up is the first that is tuned, so the gradient comes through down and no further
        downs = {block.down.parameter for block in feed_forward_blocks(model, {lowest(tune)})}
        back -= sum(sizes[name] for name, layer in layer_of.items() if layer <= lowest(tune) and name not in downs)
    repeated = sum(sizes[name] for name, layer in layer_of.items() if layer >= lowest(tune)) if checkpointing else 0
    return int(2 * (met + back + tuned + repeated))


def lowest(tune: Tune) -> int:
    """Returns the index of the lowest layer that a stage tunes anything of."""
    return min(tune.indices) if isinstance(tune, FeedForward) else 0


def _layer_of(model: "PreTrainedModel", names: Iterable[str]) -> dict[str, int]:
    """Returns the index of the layer of every parameter that lies in one."""
    prefix = f"{layers_path(model)}."
    return {name: int(name.removeprefix(prefix).partition(".")[0]) for name in names if name.startswith(prefix)}


def _met_by_a_token(model: "PreTrainedModel") -> dict[str, float]:
    """Returns for every parameter how much of it multiplies a token's states: 0 for a table that is read, k of E for experts."""
    config = model.config.get_text_config()
    inputs, outputs = model.get_input_embeddings().weight, model.get_output_embeddings()
    tied = outputs is not None and outputs.weight is inputs
    taken = _experts_taken(config)
    shares = {}
    for name, parameter in model.named_parameters():
        if parameter is inputs:
            shares[name] = float(tied)
        else:
            shares[name] = min(1.0, taken / parameter.shape[0]) if parameter.ndim == 3 else 1.0
    return shares


def _experts_taken(config: Any) -> int:
    return int(getattr(config, "num_experts_per_tok", None) or 1)


def active_width(config: Any) -> int:
    """Returns how many feed-forward neurons of a layer a token meets; four times the width where a config does not say."""
    return inner_width(config) * _experts_taken(config)


def inner_width(config: Any) -> int:
    """Returns how many feed-forward neurons a layer has, or one of its experts; 4 times the width where none is said."""
    said = getattr(config, "moe_intermediate_size", None) or getattr(config, "intermediate_size", None)
    return int(said or 4 * config.hidden_size)
