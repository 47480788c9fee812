"""Memory: what a stage takes of a device, estimated before anything is loaded; what this machine has free; the most that was held.

    needed(skeleton("meta-llama/Llama-2-7b-hf"), stage, device="cuda").total      121 GB where all parameters are tuned

The estimate is of tensors: no kernel's workspace, no allocator's gaps. benchmarks/memory.py holds it against PyTorch's own peak.
"""

import contextlib
import os
import re
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xreason.trainers.stages import AllParameters, FeedForward, LowRank, Prefer, Reward, Stage
from xreason.trainers.tuning.counting import active_width, inner_width, lowest
from xreason.trainers.tuning.structure import choose, is_attention, layer_count, layers_path, linear_layers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: Tokens whose scores over the vocabulary are held in float32 at a time.
SCORED_AT_ONCE = 1024
#: Share of a GPU's free memory that tensors can have: the rest goes to the allocator's gaps, workspaces and communication.
USABLE = 0.9
# bytes a number
_FLOAT32, _BFLOAT16 = 4, 2


@dataclass(frozen=True)
class Memory:
    """Memory that training takes on one device, in bytes; estimated (see needed)."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    saving: int = 0  #: the copy of which a step checkpoint is written while training goes on

    @property
    def states(self) -> int:
        """What is there whatever the batch, and what several GPUs can share out: weights, gradients and optimizer."""
        return self.weights + self.gradients + self.optimizer

    @property
    def total(self) -> int:
        """The sum."""
        return self.states + self.activations + self.saving


def needed(
    model: "PreTrainedModel",
    stage: Stage,
    *,
    device: str,
    devices: int = 1,
    recompute: int | None = None,
    tokens: int | None = None,
    labels: int | None = None,
    mixed_precision: bool | None = None,
    saves: bool = False,
) -> Memory:
    """Estimates what a stage takes at its peak on each of so many devices; of a model with weights or, on the meta device, without.

    With N parameters, T of them tuned (adapters come on top of the model's own, and count in both), bytes are:

    - weights, in bfloat16 over float32: 2 N + 4 T, and on a CPU 4 for each frozen one that is not stored in bfloat16, which is kept
      as it was beside its copy; 4 N where all is float32.
    - gradients 4 T, summed over micro-batches in float32. Optimizer 8 T (AdamW's two moments), in 8 bits 2 T. For T = N that is
      18 N: "Model training anatomy" in the documentation of Transformers counts the same.
    - activations of a micro-batch: what autograd keeps of each layer from the lowest tuned one on (see _Layer), or its input alone
      where it is recomputed; and the larger of what the loss and of what one layer takes for the time of its backward pass. Of
      scores over V words, s bytes each, of more than 1024 tokens there are those and their gradients, 2 s V a token, and 14 V of
      the 1024 that are made float32 at a time; of fewer, 12 V. FFN experts count as far as a token takes them.
    - saving: 4 T and the moments, where `saves` says that step checkpoints are written, in main memory.

    Of a stage that earns rewards weights are 4 N, and 4 N more with a KL term. What generating takes, the cache of Transformers or
    an engine of vLLM beside the model, is not in it.

    Over several devices (FSDP2) weights, gradients and optimizer are shared out; each gathers what lies outside of the layers and
    two layers at a time, and has one layer's gradients whole before they are.

    Args:
        model: its parameters' dtypes are those in which it lies in memory.
        stage: what is tuned, its optimizer, and how many rows of which length a micro-batch has where `tokens` does not say.
        device: "cpu" or "cuda".
        devices: how many share the model.
        recompute: 0 keeps all activations, 1 recomputes every layer's, 2 every second layer's; None is the least memory, as 1.
        tokens: of a micro-batch; None is the least that the stage allows.
        labels: how many of them bear loss; None is all.
        mixed_precision: bfloat16 over float32; None is so on GPUs alone.
        saves: whether step checkpoints are written.

    Raises:
        UserError: the stage does not fit the model.
    """
    mixed = device == "cuda" if mixed_precision is None else mixed_precision
    # of a pair both sides go through the model at once
    sequences = (stage.micro_batch_size or 1) * (2 if isinstance(stage.objective, Prefer) else 1)
    tokens = sequences * stage.max_length if tokens is None else tokens
    chosen = choose(model, stage.tune)
    tuned = sum(each.count for each in chosen)
    size = _BFLOAT16 if mixed else _FLOAT32
    whole = sum(parameter.numel() for parameter in model.parameters())
    frozen = whole - (0 if isinstance(stage.tune, LowRank) else tuned)
    weights = size * frozen + (_FLOAT32 + (_BFLOAT16 if mixed and devices == 1 else 0)) * tuned
    if isinstance(stage.objective, Reward):
        # TRL computes in bfloat16 with weights that all are float32, and has the weights of the start beside them for the KL term
        weights = _FLOAT32 * whole * (2 if stage.objective.beta else 1)
    elif mixed and device == "cpu" and devices == 1:
        weights += sum(_FLOAT32 * each.numel() for each in _frozen_in_float32(model, {each.name for each in chosen}))
    gradients, optimizer = _FLOAT32 * tuned, _moments(stage) * tuned
    if devices > 1:
        layer = sum(each.numel() for each in model.get_submodule(f"{layers_path(model)}.0").parameters())
        outside = whole - layer * layer_count(model)
        share = min(1.0, tuned / whole)
        weights = weights // devices + size * (outside + 2 * layer)
        gradients = gradients // devices + int(share * (size + _FLOAT32) * max(layer, outside))
        optimizer //= devices
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        activations=activations(model, stage, tokens, labels, recompute, device=device, mixed_precision=mixed),
        saving=saved_bytes(stage, tuned) // devices if saves and device == "cpu" else 0,
    )


def saved_bytes(stage: Stage, tuned: int) -> int:
    """Returns how large a step checkpoint of a stage is that tunes so many numbers: what learns, in float32, and its moments."""
    return (_FLOAT32 + _moments(stage)) * tuned


def _moments(stage: Stage) -> int:
    return 2 if stage.optimizer == "adamw-8bit" else 2 * _FLOAT32


def _frozen_in_float32(model: "PreTrainedModel", tuned: set[str]) -> list[Any]:
    import torch

    # what is stored in float16 is loaded as float32
    return [each for name, each in model.named_parameters() if name not in tuned and each.dtype != torch.bfloat16]


@dataclass(frozen=True)
class _Layer:
    """What one decoder layer keeps for the backward pass, in bytes a token, of width h, heads' widths q and k, and FFN width f.

    Numbers of s bytes, but for Transformers' RMS norms, which compute in float32. Korthikanti et al. 2022, arXiv 2205.05198,
    section 4, count the same terms for another block.
    """

    width: int
    queries: int
    keys: int
    inner: int
    gated: bool  #: the FFN multiplies two projections
    float32_norms: int  #: RMS norms, which keep their input in float32
    other_norms: int
    size: int

    def kept(self, attention: bool, ffn: bool, norms: bool) -> int:
        """Returns it where the projections of attention, of the FFN, and the norms learn: what learns keeps its input too."""
        h, q, k, f = self.width, self.queries, self.keys, self.inner
        of_norms = self.float32_norms * (_FLOAT32 + self.size * norms) * h + self.other_norms * self.size * h
        # queries, keys, values and what attention gives; then gate, its activation and up
        numbers = 2 * q + 2 * k + (3 if self.gated else 1) * f + attention * (h + q) + ffn * (h + f)
        return of_norms + self.size * numbers

    @property
    def in_passing(self) -> int:
        """What its backward pass takes beside that: gradients of the FFN's numbers and of the layer's output and input."""
        return self.size * ((3 if self.gated else 1) * self.inner + 3 * self.width)


def _layer(model: "PreTrainedModel", size: int) -> _Layer:
    config: Any = model.config.get_text_config()
    h, f = int(config.hidden_size), active_width(config)
    heads = int(getattr(config, "num_attention_heads", 1) or 1)
    head = int(getattr(config, "head_dim", None) or h // heads)
    keys = int(getattr(config, "num_key_value_heads", None) or heads)
    layer = model.get_submodule(f"{layers_path(model)}.0")
    own = [each for each in layer.modules() if any(p.shape == (h,) for p in each.parameters(recurse=False)) and not _linear(each)]
    # by its name, for an outline is made without PyTorch
    others = sum(type(each).__name__ == "LayerNorm" for each in own)
    matrices = sum(p.numel() for name, p in layer.named_parameters() if p.ndim > 1 and not is_attention(name))
    gated = matrices >= 3 * h * inner_width(config)
    return _Layer(h, heads * head, keys * head, f, gated, len(own) - others, others, size)


def _linear(module: Any) -> bool:
    return any(each.ndim > 1 for each in module.parameters(recurse=False))


def activations(
    model: "PreTrainedModel",
    stage: Stage,
    tokens: int,
    labels: int | None = None,
    recompute: int | None = None,
    *,
    device: str,
    mixed_precision: bool,
) -> int:
    """Returns the bytes of what a micro-batch keeps for its backward pass, and of what that takes; see needed."""
    labels, size = tokens if labels is None else labels, _BFLOAT16 if mixed_precision else _FLOAT32
    tune, layer, count = stage.tune, _layer(model, size), layer_count(model)
    first = lowest(tune)
    every = range(first, count)
    learn = {number: _learn(model, stage, number) for number in every}
    kept = {number: layer.kept(*learn[number]) for number in every}
    if isinstance(tune, LowRank):
        adapters = _of_adapters(model, tune, size, device)
        kept = {number: each + adapters for number, each in kept.items()}
    if isinstance(tune, FeedForward):
        # of the lowest, what comes before its own feed-forward sub-layer is not gone back through
        kept[first] -= layer.size * (2 * layer.queries + 2 * layer.keys) + layer.float32_norms // 2 * _FLOAT32 * layer.width
    again = [number for number in every if recompute != 0 and number % (recompute or 1) == 0]
    once = sum(each for number, each in kept.items() if number not in again) + size * layer.width * len(again)
    words = int(model.config.get_text_config().vocab_size)
    tuned_head = not isinstance(tune, FeedForward | LowRank)
    ending = tokens * (_FLOAT32 + size) * layer.width + labels * size * layer.width * (1 + tuned_head)
    parts = labels > SCORED_AT_ONCE
    loss = words * (2 * size * labels + 14 * SCORED_AT_ONCE if parts else 12 * labels)
    one = tokens * (layer.in_passing + max((kept[number] for number in again), default=0))
    return tokens * once + ending + max(loss, one)


def _learn(model: "PreTrainedModel", stage: Stage, number: int) -> tuple[bool, bool, bool]:
    """Returns whether of a layer the projections of attention, those of the FFN, and the norms learn."""
    tune = stage.tune
    if isinstance(tune, AllParameters):
        return True, True, True
    if isinstance(tune, FeedForward):
        return False, number in tune.indices, False
    if isinstance(tune, LowRank):
        return False, False, False
    prefix = f"{layers_path(model)}.{number}."
    names = [name.removeprefix(prefix) for name, _ in model.named_parameters() if name.startswith(prefix)]
    mine = Counter(_kind(name) for name in names if re.fullmatch(tune.pattern, prefix + name))
    return bool(mine["attention"]), bool(mine["ffn"]), bool(mine["norm"])


def _kind(name: str) -> str:
    return "norm" if "norm" in name or "ln" in name else "attention" if is_attention(name) else "ffn"


def _of_adapters(model: "PreTrainedModel", tune: LowRank, size: int, device: str) -> int:
    """Returns what the adapters of a layer keep, in bytes a token: inputs, with what dropout left of them, and what A gives."""
    layers = linear_layers(model, tune.targets).values()
    inputs = sum(int(each.get_parameter("weight").shape[1]) for each in layers)
    mask = (size if device == "cpu" else 1) if tune.dropout else 0
    return ((size + mask) * inputs + size * tune.rank * len(layers)) // layer_count(model)


def peak_memory(device: str, *, anew: bool = False) -> int:
    """Returns the most that was held, in bytes: by tensors on the current GPU, else by this process; `anew` begins from now."""
    if device == "cuda":
        import torch

        if anew:
            torch.cuda.reset_peak_memory_stats()
        return torch.cuda.max_memory_allocated()
    # where this is not Linux, or not allowed, the peak since the process began is the best there is
    with contextlib.suppress(OSError):
        if anew:
            Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak resident set size to the current one
        return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def give_back_memory() -> None:
    """Lets go of what passes that ran out of memory have left."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def now() -> float:
    """Returns the time in seconds, once the GPU, where there is one, has done what it was told."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def free_memory(device: str) -> int:
    """Returns what tensors can have of what is free on the current GPU, or of main memory, in bytes; where no one says, enough."""
    if device == "cuda":
        import torch

        # what PyTorch has reserved and does not use is free to it
        return int(USABLE * (torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()))
    with contextlib.suppress(OSError):
        return int(Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]) * 1024
    return sys.maxsize


def room_for(model: "PreTrainedModel | None", device: str) -> int:
    """Returns what a training can have of the device, in bytes: what is free, and what `model`, which lies there, holds already.

    Processes that train together on a CPU share what is free.
    """
    free = free_memory(device)
    if device == "cpu":
        free //= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return free + sum(each.untyped_storage().nbytes() for each in model.parameters()) if model else free
