"""Held against a device: whether a stage fits its memory, what would, and how much a forward pass takes at a time.

    cannot_fit(skeleton("meta-llama/Llama-2-7b-hf"), stage, 80 * 2**30, device="cuda")

gives the UserError whose text is: Stage 'reasoning' needs 115.3 GiB at least on one GPU (...) and 80.0 GiB are there; what would
fit is --launch 2, or lora.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from xreason.tasks.errors import UserError
from xreason.trainers.stages import LowRank, Stage
from xreason.trainers.tuning.memory import activations, give_back_memory, needed, now, saved_bytes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Tokens a forward pass where the stage says no rows: a CPU gains nothing beyond 512.
_AT_ONCE = {"cpu": (512, 256, 128), "cuda": (16384, 8192, 4096, 2048, 1024, 512)}
# Every layer's activations are kept, every fourth's or second's are computed again, or all.
_RECOMPUTE = (0, 4, 2, 1)
# What it costs a pass to be started, in tokens that could have been computed.
_STARTING = 256
# More devices than these are no advice.
_MOST_DEVICES = 64
# Choices that are measured against each other: on a CPU the expected one is taken.
_CANDIDATES = {"cpu": 1, "cuda": 3}
_SHORTEST = 64  # tokens of a row that could still teach


@dataclass(frozen=True)
class Choice:
    """How much a forward pass takes, and what of it is computed again in the backward pass."""

    rows: int | None  #: sequences a forward pass; None goes by tokens
    tokens: int  #: about so many a forward pass
    recompute: int  #: 0 keeps all activations, n recomputes those of every n-th layer

    @property
    def cost(self) -> float:
        """What a token takes, over what it takes without recomputation in an endless pass; expected, not measured."""
        again = 1 / self.recompute if self.recompute else 0.0
        # a forward pass is a third of a step
        return (1 + again / 3) * (1 + _STARTING / self.tokens)

    def describe(self) -> str:
        """Returns it in words, as in "8192 tokens a forward pass, every second layer recomputed"."""
        size = f"{self.rows} rows" if self.rows else f"{self.tokens} tokens"
        which = {0: "nothing", 1: "every layer", 2: "every second layer", 4: "every fourth layer"}
        return f"{size} a forward pass, {which.get(self.recompute, f'every {self.recompute}th layer')} recomputed"

    def too_large(self, stage: Stage, step: int) -> UserError:
        """Returns what a person is told where a step ran out of memory, and no smaller choice is left to try."""
        said = f"Step {step} of stage {stage.name!r} ran out of memory with {self.describe()}"
        return UserError(f"{said}; give a smaller max_length or micro_batch_size, --launch with more GPUs, or lora.")


def choices(stage: Stage, device: str, recompute: int | None = None) -> list[Choice]:
    """Returns what can be chosen for a stage on "cpu" or "cuda", the cheapest first; a `recompute` that is asked for is kept to."""
    again = _RECOMPUTE if recompute is None else (int(recompute),)
    sizes = _AT_ONCE[device][: 1 if stage.micro_batch_size else None]
    every = [Choice(stage.micro_batch_size, tokens, each) for tokens in sizes for each in again]
    return sorted(every, key=lambda choice: choice.cost)


@dataclass(frozen=True)
class Fitting:
    """What can be chosen for a stage on a device."""

    candidates: tuple[Choice, ...]  #: those that fit, the cheapest first: of a CPU one, of a GPU as many as are worth measuring
    #: whether gradients can wait, whole on each device, for the last micro-batch of a step before they are summed over devices
    gradients_can_wait: bool
    sizes: Mapping[Choice, int]  #: of every choice, the cheapest first: bytes of its activations

    def smaller(self, choice: Choice) -> Choice | None:
        """Returns the cheapest choice that takes less memory than one that was too large; None where there is none."""
        return next((each for each, size in self.sizes.items() if size < self.sizes[choice]), None)


def fitting(
    model: "PreTrainedModel",
    stage: Stage,
    room: int,
    most_tokens: Callable[[Choice], int],
    label_share: float,
    *,
    device: str,
    devices: int,
    mixed_precision: bool,
    recompute: int | None,
    saves: bool,
) -> Fitting:
    """Returns what can be chosen so that a stage fits `room` bytes.

    Where a `recompute` that is asked for does not fit, it is tried all the same. `most_tokens` says how many tokens a choice's
    micro-batch has at most, `label_share` how many of them bear loss, in 0..1. For the others see
    xreason.trainers.tuning.memory.needed.

    Raises:
        UserError: nothing fits.
    """

    def size(choice: Choice) -> int:
        tokens = most_tokens(choice)
        labels = math.ceil(label_share * tokens)
        return activations(model, stage, tokens, labels, choice.recompute, device=device, mixed_precision=mixed_precision)

    sizes = {choice: size(choice) for choice in choices(stage, device, recompute)}
    estimate = partial(needed, model, stage, device=device, mixed_precision=mixed_precision, tokens=1)
    states = estimate(devices=devices, saves=saves)
    left = room - states.states - states.saving
    found = [choice for choice, size in sizes.items() if size <= left][: _CANDIDATES[device]]
    if not found:
        found = [min(sizes, key=sizes.__getitem__)]
        tokens = most_tokens(found[0])
        if wrong := cannot_fit(model, stage, room, device=device, devices=devices, tokens=tokens, mixed_precision=mixed_precision):
            raise wrong
    whole = estimate().gradients if devices > 1 else 0
    return Fitting(tuple(found), sizes[found[0]] + whole <= left, sizes)


def fastest(candidates: Sequence[Choice], attempt: Callable[[Choice], int]) -> Choice:
    """Returns the candidate that took least a token; one that runs out of memory is out, and where all do, it is the last.

    `attempt` does the passes of a candidate over the rows of a few steps, changes nothing, and returns how many tokens they were.
    """
    import torch

    taken: dict[Choice, float] = {}
    for candidate in candidates:
        try:
            attempt(candidate)  # a first time warms up
            began = now()
            tokens = attempt(candidate)
            taken[candidate] = (now() - began) / tokens
        except torch.OutOfMemoryError:
            pass
        give_back_memory()
    return min(taken, key=taken.__getitem__, default=candidates[-1])


def cannot_fit(
    model: "PreTrainedModel",
    stage: Stage,
    room: int,
    *,
    device: str,
    devices: int = 1,
    tokens: int | None = None,
    mixed_precision: bool | None = None,
) -> UserError | None:
    """Returns what a person is told where `room` bytes on each device cannot hold a stage, however it is laid out; else None.

    What is named as a remedy fits by the estimate, alone. For `model` and the others see xreason.trainers.tuning.memory.needed;
    `tokens` are those of the smallest forward pass there can be.
    """

    def least(stage: Stage, devices: int) -> int:
        return needed(model, stage, device=device, devices=devices, mixed_precision=mixed_precision).total

    need = needed(model, stage, device=device, devices=devices, tokens=tokens, mixed_precision=mixed_precision)
    if need.total <= room:
        return None
    parts = ", ".join(f"{part} {getattr(need, part) / 2**30:.1f}" for part in ("weights", "gradients", "optimizer", "activations"))
    kind = "GPU" if device == "cuda" else "process"
    each = f"each of {devices} {kind}s" if devices > 1 else "one GPU" if device == "cuda" else "this machine"
    named: dict[str, str] = {}
    for words, changed, number in _remedies(stage, device, devices):
        # the gentlest of a kind will do
        if (remedy := words.split(" ")[0]) not in named and least(changed, number) <= room:
            named[remedy] = words
    advice = (
        f"what would fit is {', or '.join(named.values())}" if named else "no setting would do, take a smaller base or more memory"
    )
    said = f"Stage {stage.name!r} needs {need.total / 2**30:.1f} GiB at least on {each} ({parts})"
    return UserError(f"{said}, and {room / 2**30:.1f} GiB are to be had there; {advice}.")


def _remedies(stage: Stage, device: str, devices: int) -> Iterator[tuple[str, Stage, int]]:
    """Yields what could be done in words, and the stage and the devices that come of it, the gentlest of a kind first."""
    if device == "cuda":
        for number in range(devices + 1, _MOST_DEVICES + 1):
            yield f"--launch {number}", replace(stage, optimizer="adamw"), number
        if devices == 1 and stage.optimizer == "adamw":
            yield "optimizer: adamw-8bit", replace(stage, optimizer="adamw-8bit"), devices
    if not isinstance(stage.tune, LowRank):
        yield "lora", replace(stage, tune=LowRank()), devices
    for number in range((stage.micro_batch_size or 1) - 1, 0, -1):
        if stage.batch_size % number == 0:
            yield f"micro_batch_size: {number}", replace(stage, micro_batch_size=number), devices
    length = stage.max_length // 2
    while length >= _SHORTEST:
        yield f"max_length: {length}", replace(stage, max_length=length), devices
        length //= 2


def cannot_save(stage: Stage, tuned: int, free: int, folder: str) -> UserError | None:
    """Returns what a person is told where a disk with `free` bytes cannot hold the step checkpoints of a stage; else None.

    Two stand side by side while one replaces the other. `tuned` is how many numbers the stage tunes, `folder` where they go.
    """
    size = saved_bytes(stage, tuned)
    if 2 * size <= free:
        return None
    said = f"Step checkpoints of stage {stage.name!r} take {size / 1e9:,.1f} GB each, and two stand side by side"
    return UserError(
        f"{said}, but {free / 1e9:,.1f} GB are free in {folder}; give --save-minutes 0 to write none, or another disk with --out."
    )
