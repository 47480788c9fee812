"""What a method is made of: stages, and what a stage tunes.

A Stage is one pass of fine-tuning: which corpora, which parameters, how long, how fast. A Method is a name and a tuple of stages,
and nothing else: the loop that runs a stage never learns which method it belongs to.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from tasks.errors import UserError
from tasks.names import unknown

# Llama, Mistral and Qwen2 name their feed-forward projections alike. gate_proj is not among them on purpose: SLAM's released
# code (fmm170/SLAM) tunes up_proj and down_proj only.
_FEED_FORWARD = re.compile(r"(?:^|\.)layers\.(\d+)\.mlp\.(?:up_proj|down_proj)\.weight$")


@dataclass(frozen=True)
class AllParameters:
    """Tunes every parameter of the model, embeddings included."""

    def describe(self) -> str:
        """Returns the choice in words."""
        return "all parameters"


@dataclass(frozen=True)
class FeedForward:
    """Tunes the `mlp.up_proj` and `mlp.down_proj` weights of some layers; everything else is frozen.

    Attributes:
        layers: the indices of the layers, counted from 0; or a count, which means so many of the lowest layers; or "auto", the
            language layers of the model in question, which are to be found before a stage can run.
        evidence: why these layers, in words, where they were found.

    Raises:
        UserError: no layer is chosen, one is negative, or one is named twice.
    """

    layers: tuple[int, ...] | int | Literal["auto"]
    evidence: str | None = None

    def __post_init__(self) -> None:
        if self.layers == "auto":
            return
        indices = self.indices
        if not all(isinstance(index, int) for index in indices):
            raise UserError(f"layers={self.layers!r} is neither a count nor a list of indices; give 6, [0, 1, 2], or auto.")
        if not indices or min(indices) < 0 or len(set(indices)) < len(indices):
            raise UserError(
                f"layers={self.layers!r} chooses no layers to tune; give a count (6) or different indices from 0 ([0, 1, 2])."
            )

    @property
    def indices(self) -> tuple[int, ...]:
        """The indices of the layers that are tuned.

        Raises:
            UserError: they are not found yet.
        """
        if self.layers == "auto":
            raise UserError(
                "layers=auto must be found in a model first; run `xreason layers MODEL`, and give its layers as a count (6) or as "
                "indices ([0, 1, 2])."
            )
        return tuple(range(self.layers)) if isinstance(self.layers, int) else self.layers

    def describe(self) -> str:
        """Returns the choice in words, as in "up_proj, down_proj of layers 0-1", with its evidence in brackets."""
        if self.layers == "auto":
            return "up_proj, down_proj of the language layers (auto)"
        words = f"up_proj, down_proj of layers {ranges(self.indices)}"
        return f"{words} ({self.evidence})" if self.evidence else words


Tune = AllParameters | FeedForward


def tuned_names(parameter_names: Iterable[str], tune: Tune) -> list[str]:
    """Returns the names of the parameters that `tune` trains, in the order given.

    Works on names alone, so it needs no model in memory.

    Raises:
        UserError: the model has no feed-forward projections of that name, or lacks one of the layers.
    """
    names = list(parameter_names)
    if isinstance(tune, AllParameters):
        return names
    layer_of = {name: int(match.group(1)) for name in names if (match := _FEED_FORWARD.search(name))}
    if not layer_of:
        modules = sorted({re.sub(r"\.\d+\.", ".N.", name) for name in names})
        raise UserError(
            "No parameter is called layers.N.mlp.up_proj.weight or layers.N.mlp.down_proj.weight, so this model cannot "
            f"be tuned by layers yet; tune all parameters instead. It has: {', '.join(modules[:20])}."
        )
    present = sorted(set(layer_of.values()))
    absent = [layer for layer in tune.indices if layer not in present]
    if absent:
        raise UserError(
            f"The model has no layers {ranges(absent)}: it has layers {ranges(present)}. Choose among those with `layers`."
        )
    chosen = set(tune.indices)
    return [name for name, layer in layer_of.items() if layer in chosen]


def ranges(numbers: Sequence[int]) -> str:
    """Returns numbers in words: (0, 1, 2, 5) is "0-2, 5"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


@dataclass(frozen=True)
class Stage:
    """One pass of fine-tuning.

    Attributes:
        name: what the stage is for, in a word or two.
        corpora: names of the corpora that it trains on, joined in this order and then shuffled.
        tune: which parameters it trains.
        epochs: how often each row is seen.
        learning_rate: peak of the schedule.
        batch_size: sequences an optimizer step, over all accumulation.
        micro_batch_size: sequences a forward pass; must divide batch_size. None lets the loop choose for the device.
        max_steps: optimizer steps after which the stage ends, whatever `epochs` says. None sets no limit.
        max_length: tokens; a longer row is left out and counted (1024 is where the papers cut off).
        schedule: name of a Transformers learning-rate schedule.
        warmup_ratio: share of the steps in which the learning rate rises from 0, rounded down.
        weight_decay: AdamW's.
        rows: at most so many rows a language and corpus. None takes all.

    Raises:
        UserError: a number is out of its range, or micro_batch_size does not divide batch_size.
    """

    name: str
    corpora: tuple[str, ...]
    tune: Tune
    epochs: float = 3
    learning_rate: float = 2e-5
    batch_size: int = 128
    micro_batch_size: int | None = None
    max_steps: int | None = None
    max_length: int = 1024
    schedule: str = "cosine"
    warmup_ratio: float = 0.03
    weight_decay: float = 0.0
    rows: int | None = None

    def __post_init__(self) -> None:
        if not self.corpora:
            raise UserError(f"Stage {self.name!r} names no corpora; give at least one.")
        for field in ("epochs", "learning_rate", "batch_size", "micro_batch_size", "max_steps", "max_length", "rows"):
            value = getattr(self, field)
            if value is not None and not value > 0:
                raise UserError(f"{field}={value} is not possible in stage {self.name!r}; give a number above 0.")
        for field, limit in (("warmup_ratio", 1.0), ("weight_decay", float("inf"))):
            if not 0 <= getattr(self, field) <= limit:
                raise UserError(f"{field}={getattr(self, field)} is not possible in stage {self.name!r}; give 0 to {limit}.")
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise UserError(
                f"micro_batch_size={self.micro_batch_size} does not divide batch_size={self.batch_size} in stage {self.name!r}; "
                "choose a divisor."
            )


@dataclass(frozen=True)
class Method:
    """A way of teaching: a name and the stages that it runs, one after another.

    Attributes:
        name: as it is typed and printed.
        stages: in the order in which they run.
        source: the paper, with its arXiv number.
        description: one sentence that says what it does.
    """

    name: str
    stages: tuple[Stage, ...]
    source: str
    description: str

    def __post_init__(self) -> None:
        if not self.stages:
            raise UserError(f"Method {self.name!r} has no stages; give it at least one.")

    def with_settings(self, settings: Mapping[str, Any]) -> "Method":
        """Returns this method with some settings changed.

        Args:
            settings: fields of Stage (all but name and tune) for every stage, and under "stages" a list with one mapping a stage,
                which wins over the others. Text is read as a number where one is meant, because YAML 1.1 reads `2e-5` as text.

        Raises:
            UserError: a key is not a setting, a value is not of its kind, or the list has not one mapping a stage.
        """
        common = {key: value for key, value in settings.items() if key != "stages"}
        own = settings.get("stages", [{}] * len(self.stages))
        if not isinstance(own, Sequence) or not all(isinstance(entry, Mapping) for entry in own) or len(own) != len(self.stages):
            names = ", ".join(stage.name for stage in self.stages)
            raise UserError(f"`stages` of {self.name} must be a list of {len(self.stages)} mappings, one for each of: {names}.")
        changed = (replace(stage, **_checked({**common, **entry})) for stage, entry in zip(self.stages, own, strict=True))
        return replace(self, stages=tuple(changed))


#: What can be set from outside: every field of Stage but its name and what it tunes, which make the method what it is.
STAGE_SETTINGS: tuple[str, ...] = tuple(field.name for field in fields(Stage) if field.name not in ("name", "tune"))
_WHOLE_NUMBERS = ("batch_size", "micro_batch_size", "max_steps", "max_length", "rows")
_OPTIONAL = ("micro_batch_size", "max_steps", "rows")


def _checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    for key in settings:
        if key not in STAGE_SETTINGS:
            raise unknown("setting", str(key), STAGE_SETTINGS)
    return {key: _converted(key, value) for key, value in settings.items()}


def _converted(key: str, value: Any) -> Any:
    if key == "corpora":
        names = (value,) if isinstance(value, str) else value
        if isinstance(names, Sequence) and all(isinstance(name, str) for name in names):
            return tuple(names)
    elif key == "schedule":
        if isinstance(value, str):
            return value
    elif value is None and key in _OPTIONAL:
        return None
    elif not isinstance(value, bool) and isinstance(value, int | float | str):
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if key not in _WHOLE_NUMBERS and number == number:
            return number
        if number.is_integer():
            return int(number)
    raise UserError(f"{key}={value!r} is not a value for {key}; {_KINDS.get(key, _kind_of_number(key))}.")


_KINDS = {"corpora": "give names of corpora", "schedule": "give the name of a Transformers schedule, such as cosine"}


def _kind_of_number(key: str) -> str:
    return "give a whole number" if key in _WHOLE_NUMBERS else "give a number"
