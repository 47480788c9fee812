"""What a method is made of: stages, and what a stage tunes.

A Stage is one pass of fine-tuning: which corpora, which parameters, how long, how fast. A Method is a name and a tuple of stages,
and nothing else: the loop that runs a stage never learns which method it belongs to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from xreason.tasks.errors import UserError
from xreason.tasks.names import unknown


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


@dataclass(frozen=True)
class LowRank:
    """Tunes low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685) beside frozen linear layers, and merges them when done.

    Where a layer computes W x it computes W x + (alpha / rank) B A x while the stage runs; A is [rank, in], B is [out, rank]. The
    defaults are those of QLoRA's script for Llama-2-7B (artidoro/qlora, finetune_llama2_guanaco_7b.sh; Dettmers et al. 2023,
    arXiv 2305.14314), without its quantization: rank 64, alpha 16, dropout 0.1, all linear layers.

    Attributes:
        rank: of the adapters.
        alpha: scale of what they add, over the rank.
        dropout: share of an adapter's inputs that is dropped in training.
        targets: last parts of the names of the layers that get one, such as "q_proj"; empty means every linear layer within the
            decoder's layers. Experts that lie in one tensor, and the embeddings, get none.

    Raises:
        UserError: a value is out of its range.
    """

    rank: int = 64
    alpha: float = 16
    dropout: float = 0.1
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.rank, bool) or not isinstance(self.rank, int) or self.rank < 1:
            raise UserError(f"rank={self.rank!r} is not possible; give a whole number from 1, such as 64.")
        if isinstance(self.alpha, bool) or not isinstance(self.alpha, int | float) or not 0 < self.alpha < float("inf"):
            raise UserError(f"alpha={self.alpha!r} is not possible; give a number above 0, such as 16.")
        if isinstance(self.dropout, bool) or not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise UserError(f"dropout={self.dropout!r} is not possible; give a number from 0 to less than 1, such as 0.1.")
        if not isinstance(self.targets, tuple) or not all(isinstance(name, str) and name for name in self.targets):
            raise UserError(f"targets={self.targets!r} are no names of linear layers; give such as [q_proj, v_proj].")

    def describe(self) -> str:
        """Returns the choice in words, as in "adapters of rank 64 (alpha 16) of q_proj, v_proj, merged"."""
        return f"adapters of rank {self.rank} (alpha {self.alpha:g}) of {', '.join(self.targets) or 'all linear layers'}, merged"


Tune = AllParameters | FeedForward | LowRank


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
        optimizer: "adamw", or "adamw-8bit", whose moments take a quarter of the memory (package bitsandbytes).
        betas: AdamW's, how slowly its two moments forget.
        weight_decay: AdamW's.
        max_grad_norm: gradients whose norm is larger are scaled down to it.
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
    optimizer: Literal["adamw", "adamw-8bit"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
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
        base: what it starts from, where that is its own: a folder, a hub id, or "pocket". None means the base of the experiment.
    """

    name: str
    stages: tuple[Stage, ...]
    source: str
    description: str
    base: str | None = None

    def __post_init__(self) -> None:
        if not self.stages:
            raise UserError(f"Method {self.name!r} has no stages; give it at least one.")
        if self.base is not None and (not isinstance(self.base, str) or not self.base):
            raise UserError(f"base={self.base!r} of method {self.name!r} is no model; give a folder, a hub id, or pocket.")

    def with_settings(self, settings: Mapping[str, Any]) -> "Method":
        """Returns this method with some settings changed.

        Args:
            settings: fields of Stage (all but name and tune) for every stage; under "stages" a list with one mapping a stage,
                which wins over the others; and "base". Text is read as a number where one is meant, because YAML 1.1 reads `2e-5`
                as text.

        Raises:
            UserError: a key is not a setting, a value is not of its kind, or the list has not one mapping a stage.
        """
        common = {key: value for key, value in settings.items() if key not in METHOD_SETTINGS}
        own = settings.get("stages", [{}] * len(self.stages))
        if not isinstance(own, Sequence) or not all(isinstance(entry, Mapping) for entry in own) or len(own) != len(self.stages):
            names = ", ".join(stage.name for stage in self.stages)
            raise UserError(f"`stages` of {self.name} must be a list of {len(self.stages)} mappings, one for each of: {names}.")
        changed = (replace(stage, **_checked({**common, **entry})) for stage, entry in zip(self.stages, own, strict=True))
        return replace(self, stages=tuple(changed), base=settings.get("base", self.base))


#: What can be set of a method as a whole: settings of each stage apart, and what it starts from.
METHOD_SETTINGS: tuple[str, ...] = ("stages", "base")
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
