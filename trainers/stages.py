"""What a method is made of: stages, and what a stage tunes.

A Stage is one pass of fine-tuning: which corpora, which parameters, how long, how fast. A Method is a name and a tuple of stages,
and nothing else: the loop that runs a stage never learns which method it belongs to.

All are pydantic dataclasses, which raise UserError for what they cannot be made of: a pydantic model may hold one, and
TypeAdapter(Method) writes a method as JSON and reads it back as it was. Text is read as a number where one is meant, because YAML
1.1 reads `2e-5` as text.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, fields, replace
from itertools import groupby
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic.dataclasses import dataclass

from xreason.tasks.errors import UserError
from xreason.tasks.names import unknown
from xreason.trainers.settings.checked import CONFIG as _CONFIG
from xreason.trainers.settings.checked import BelowOne as _BelowOne
from xreason.trainers.settings.checked import Checked as _Checked
from xreason.trainers.settings.checked import Layers as _Layers
from xreason.trainers.settings.checked import Name as _Name
from xreason.trainers.settings.checked import Names as _Names
from xreason.trainers.settings.checked import Number as _Number
from xreason.trainers.settings.checked import Positive as _Positive
from xreason.trainers.settings.checked import Whole as _Whole
from xreason.trainers.settings.checked import WholeOrNone as _WholeOrNone
from xreason.trainers.settings.objectives import Imitate as Imitate
from xreason.trainers.settings.objectives import Objective, kind_of
from xreason.trainers.settings.objectives import Prefer as Prefer
from xreason.trainers.settings.objectives import Reward as Reward
from xreason.trainers.settings.objectives import Samples as Samples

#: Transformers' learning-rate schedules that need to know nothing but the numbers of steps and of warm-up steps.
Schedule = Literal["linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt"]
SCHEDULES: tuple[str, ...] = get_args(Schedule)

#: The prompt styles of xreason.tasks.prompts that training text can stand in.
Frame = Literal["alpaca", "octopus"]
#: Where a row that is too long is cut; see Stage.truncation.
Truncation = Literal["right", "proportional"]
#: What bears loss; see Stage.loss_on.
LossOn = Literal["response", "all"]


_Mix = Annotated[dict[_Name, _Positive], Field(min_length=1)]

_Share = Annotated[float, Field(gt=0, lt=1)]
_Own = Annotated[str, Field(pattern=r"\A(file|hub):.")]
#: Settings of held-out loss, with what they are where nobody asks for it; the others say nothing without the first.
OF_HELD_OUT: Mapping[str, Any] = {"held_out": None, "look_every": None, "keep": "last", "patience": None}


@dataclass(frozen=True, config=_CONFIG)
class AllParameters(_Checked):
    """Tunes every parameter of the model, embeddings included."""

    kind: Literal["all-parameters"] = field(default="all-parameters", kw_only=True, repr=False)

    def describe(self) -> str:
        """Returns the choice in words."""
        return "all parameters"


@dataclass(frozen=True, config=_CONFIG)
class FeedForward(_Checked):
    """Tunes the `mlp.up_proj` and `mlp.down_proj` weights of some layers; everything else is frozen."""

    #: different indices from 0; or a count, which means so many of the lowest layers; or "auto", the language layers of the model
    #: in question, which are to be found before a stage can run.
    layers: Annotated[
        _Layers | _Whole | Literal["auto"], Field(description="a count (6), different indices from 0 ([0, 1, 2]), or auto")
    ]
    evidence: str | None = None  #: why these layers, in words, where they were found
    kind: Literal["feed-forward"] = field(default="feed-forward", kw_only=True, repr=False)

    @property
    def indices(self) -> tuple[int, ...]:
        """The indices of the layers that are tuned.

        Raises:
            UserError: they are not found yet.
        """
        if self.layers == "auto":
            raise UserError(
                "layers=auto must be found in a model first; run `xreason layers MODEL`, and give what it finds, such as [0, 1, 2]."
            )
        return tuple(range(self.layers)) if isinstance(self.layers, int) else self.layers

    def describe(self) -> str:
        """Returns the choice in words, as in "up_proj, down_proj of layers 0-1", with its evidence in brackets."""
        if self.layers == "auto":
            return "up_proj, down_proj of the language layers (auto)"
        words = f"up_proj, down_proj of layers {ranges(self.indices)}"
        return f"{words} ({self.evidence})" if self.evidence else words


@dataclass(frozen=True, config=_CONFIG)
class Named(_Checked):
    r"""Tunes the parameters whose whole names a regular expression matches; everything else is frozen.

    Named(r"model\.embed_tokens\..*|model\.layers\.(30|31)\..*")    the embeddings and the last two layers of Llama-2-7B
    Named(r".*\.self_attn\..*")                                      attention, in every layer
    """

    #: is held by re.fullmatch against the names of model.named_parameters(), as PEFT holds a text in `target_modules` against those
    #: of modules. A tensor that two modules share is chosen by either of its names.
    pattern: Annotated[_Name, Field(description="a regular expression over parameter names")]
    kind: Literal["named"] = field(default="named", kw_only=True, repr=False)

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise UserError(f"pattern={self.pattern!r} is no regular expression ({error}); escape what is meant.") from error
        return self

    def describe(self) -> str:
        """Returns the choice in words, as in "parameters named .*[.]self_attn[.].*"."""
        return f"parameters named {self.pattern}"


@dataclass(frozen=True, config=_CONFIG)
class LowRank(_Checked):
    """Tunes low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685) beside frozen linear layers; they are merged when done.

    Where a layer computes W x it computes W x + (alpha / rank) B A x while the stage runs; A is [rank, in], B is [out, rank]. The
    defaults are those of QLoRA's script for Llama-2-7B (artidoro/qlora, finetune_llama2_guanaco_7b.sh; Dettmers et al. 2023,
    arXiv 2305.14314), without its quantization: rank 64, alpha 16, dropout 0.1, all linear layers.
    """

    rank: _Whole = 64  #: of the adapters
    alpha: _Positive = 16.0  #: scale of what they add, over the rank
    dropout: _BelowOne = 0.1  #: share of an adapter's inputs that is dropped in training
    #: last parts of the names of the layers that get one, such as "q_proj"; empty means every linear layer within the decoder's
    #: layers. Experts that lie in one tensor, and the embeddings, get none.
    targets: Annotated[_Names, Field(description="names of linear layers, such as [q_proj, v_proj]")] = ()
    #: False keeps them beside the base, as PEFT writes them, and so they are served; of a method with one stage.
    merge: Annotated[bool, Field(description="true or false")] = True
    kind: Literal["low-rank"] = field(default="low-rank", kw_only=True, repr=False)

    @model_serializer(mode="wrap")
    def _as_before_it_could_be_chosen(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # merged adapters, which all were, keep their keys
        said: dict[str, Any] = handler(self)
        return {name: value for name, value in said.items() if name != "merge" or value is False}

    def describe(self) -> str:
        """Returns the choice in words, as in "adapters of rank 64 (alpha 16) of q_proj, v_proj, merged"."""
        of = f"of {', '.join(self.targets) or 'all linear layers'}, {'merged' if self.merge else 'kept beside the base'}"
        return f"adapters of rank {self.rank} (alpha {self.alpha:g}) {of}"


#: `kind` tells them apart in JSON.
Tune = Annotated[AllParameters | FeedForward | Named | LowRank, Field(discriminator="kind")]


def ranges(numbers: Sequence[int]) -> str:
    """Returns numbers in words: (0, 1, 2, 5) is "0-2, 5"."""
    # within a run, number and place grow together
    grouped = groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0])
    runs = ([number for _, number in run] for _, run in grouped)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


@dataclass(frozen=True, config=_CONFIG)
class Stage(_Checked):
    """One pass of fine-tuning."""

    name: _Name  #: what the stage is for, in a word or two
    #: names of the corpora that it trains on, joined in this order and then shuffled: those in the box, of packages, or one's own,
    #: as file:PATH and hub:OWNER/NAME. Or a mix, names with weights: as many rows as there are without one of them twice.
    corpora: Annotated[
        Annotated[_Names, Field(min_length=1)] | _Mix, Field(description="names of corpora, at least one, or names with weights")
    ]
    #: which parameters it trains.
    tune: Annotated[Tune, Field(description="AllParameters(), FeedForward(...), Named(...) or LowRank(...)")]
    epochs: _Positive = 3.0  #: how often each row is seen
    learning_rate: _Positive = 2e-5  #: peak of the schedule
    batch_size: _Whole = 128  #: sequences an optimizer step, over all accumulation
    #: sequences a forward pass; must divide batch_size. None lets the loop choose for the device.
    micro_batch_size: _WholeOrNone = None
    max_steps: _WholeOrNone = None  #: optimizer steps after which the stage ends, whatever `epochs` says. None sets no limit.
    #: tokens; a longer row is cut off there, as in every paper's code, and counted. SLAM's is 1024, the other papers' 512.
    max_length: _Whole = 1024
    #: "right" takes from the end, so that the end-of-text token goes first (QAlign, MathOctopus, MetaMath); "proportional" leaves
    #: prompt and response their shares, and cuts the end of each (LLaMA-Factory, with which SLAM was trained).
    truncation: Annotated[Truncation, Field(description="right or proportional")] = "right"
    #: the prompt style that instructions stand in. Rows in "octopus" are joined as MathOctopus's code joins them, with a space
    #: before the prompt and one before the response.
    frame: Annotated[Frame, Field(description="alpaca or octopus")] = "alpaca"
    loss_on: Annotated[LossOn, Field(description="response or all")] = "response"  #: "all" is the prompt, too
    #: one of SCHEDULES.
    schedule: Annotated[Schedule, Field(description=f"the name of a schedule: {', '.join(SCHEDULES)}")] = "cosine"
    #: share of the steps in which the learning rate rises from 0, rounded down (the papers' Trainer rounds up: a step at most).
    warmup_ratio: Annotated[float, Field(ge=0, le=1, description="a number from 0 to 1"), _Number] = 0.03
    #: "adamw", or "adamw-8bit", whose moments take a quarter of the memory (package bitsandbytes).
    optimizer: Annotated[Literal["adamw", "adamw-8bit"], Field(description="adamw or adamw-8bit")] = "adamw"
    #: AdamW's, how slowly its two moments forget.
    betas: Annotated[tuple[_BelowOne, _BelowOne], Field(description="two numbers below 1, such as [0.9, 0.999]")] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0, description="a number from 0"), _Number] = 0.0  #: AdamW's
    max_grad_norm: _Positive = 1.0  #: gradients whose norm is larger are scaled down to it
    rows: _WholeOrNone = None  #: at most so many rows a language and corpus. None takes all.
    #: rows that no stage of the method trains on, and whose loss is told: a share of each language of each corpus, or file:PATH.
    held_out: Annotated[_Share | _Own | None, Field(description="a share of the rows, such as 0.05, or file:PATH")] = None
    #: optimizer steps between two looks at their loss; None looks ten times.
    look_every: _WholeOrNone = None
    #: weights that the stage ends with: those of its last step, or of the one whose held-out loss was lowest.
    keep: Annotated[Literal["last", "best"], Field(description="last or best")] = "last"
    patience: _WholeOrNone = None  #: ends the stage after so many looks in a row without a lower loss. None never does.
    #: what is learnt of the rows; of pairs, `batch_size` and `micro_batch_size` count pairs, of rewards completions.
    objective: Annotated[Objective, Field(description="imitate, {loss: dpo}, {loss: simpo}, or {reward: {correct: 1}}")] = field(
        default_factory=Imitate
    )
    #: how pairs to prefer are made of the corpora's questions; None where their rows are pairs (Example.rejected).
    samples: Annotated[Samples | None, Field(description="a mapping such as {count: 8, pairs: right}")] = None

    @model_serializer(mode="wrap")
    def _as_before_there_was_more(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # stages that imitate and hold nothing out, which all did, keep their keys
        said: dict[str, Any] = handler(self)
        usual = {**OF_HELD_OUT, "objective": {"kind": "imitate"}, "samples": None}
        return {name: value for name, value in said.items() if name not in usual or value != usual[name]}

    @model_validator(mode="after")
    def _objective_fits(self) -> Self:
        if self.samples and not isinstance(self.objective, Prefer):
            does = "imitates" if isinstance(self.objective, Imitate) else "samples as it learns"
            raise UserError(f"samples make pairs, and stage {self.name!r} {does}; set objective: prefer.")
        if isinstance(self.objective, Imitate):
            return self
        does = "prefers" if isinstance(self.objective, Prefer) else "earns rewards"
        if self.held_out is not None:
            raise UserError(f"held_out tells the loss of what is imitated, and stage {self.name!r} {does}; leave it out.")
        if (self.loss_on, self.truncation) != ("response", "right"):
            raise UserError(
                f"Stage {self.name!r} {does} by responses to a prompt, which is whole and bears no loss; leave "
                "loss_on: response and truncation: right."
            )
        if isinstance(self.objective, Reward):
            if self.batch_size % self.objective.num_generations:
                sizes = f"batch_size={self.batch_size} of stage {self.name!r}"
                raise UserError(
                    f"{sizes} counts completions; choose a multiple of num_generations={self.objective.num_generations}."
                )
            if self.max_length <= self.objective.max_completion_length:
                lengths = f"max_length={self.max_length} of stage {self.name!r} holds a prompt and its completion"
                most = self.objective.max_completion_length
                raise UserError(f"{lengths}; raise it, or set max_completion_length, which is {most}, lower.")
        return self

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            sizes = f"micro_batch_size={self.micro_batch_size} does not divide batch_size={self.batch_size}"
            raise UserError(f"{sizes} in stage {self.name!r}; choose a divisor.")
        return self


@dataclass(frozen=True, config=_CONFIG)
class Method(_Checked):
    """A way of teaching: a name and the stages that it runs, one after another."""

    name: _Name  #: as it is typed and printed
    #: in the order in which they run.
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, description="its stages, at least one")]
    source: str  #: the paper, with its arXiv number
    description: str  #: one sentence that says what it does
    #: what it starts from, where that is its own: a folder, a hub id, or "pocket". None means the base of the experiment.
    base: Annotated[str | None, Field(min_length=1, description="a folder, a hub id, or pocket")] = None
    #: another row of the experiment, of which the same seed counts, or a checkpoint's folder: its weights are what the first stage
    #: starts from, in place of the base's.
    start: Annotated[str | None, Field(min_length=1, description="the name of another row, or a checkpoint's folder")] = None

    @model_validator(mode="after")
    def _samples_first(self) -> Self:
        if any(stage.samples for stage in self.stages[1:]):
            raise UserError(
                f"Samples are of the weights that {self.name} starts from, so they are its first stage's; let another row do what "
                "comes before, and start from that: `start: ROW`."
            )
        return self

    @model_validator(mode="after")
    def _one_adapter(self) -> Self:
        if len(self.stages) > 1 and any(isinstance(stage.tune, LowRank) and not stage.tune.merge for stage in self.stages):
            raise UserError(f"{self.name} has several stages, and adapters kept beside the base are those of one; set merge: true.")
        return self

    def with_settings(self, settings: Mapping[str, Any]) -> "Method":
        """Returns this method with some settings changed.

        They are fields of Stage (all but name and tune) for every stage; under "stages" a list with one mapping a stage, which
        wins over the others; "base" and "start".

        Raises:
            UserError: a key is not a setting, a value is not of its kind, or the list has not one mapping a stage.
        """
        common = {key: value for key, value in settings.items() if key not in METHOD_SETTINGS}
        own = settings.get("stages", [{}] * len(self.stages))
        if not isinstance(own, Sequence) or not all(isinstance(entry, Mapping) for entry in own) or len(own) != len(self.stages):
            names = ", ".join(stage.name for stage in self.stages)
            raise UserError(f"`stages` of {self.name} must be a list of {len(self.stages)} mappings, one for each of: {names}.")
        for key in (key for entry in (common, *own) for key in entry):
            if key not in STAGE_SETTINGS:
                raise unknown("setting", str(key), STAGE_SETTINGS)
        changed = (replace(stage, **_over(stage, {**common, **entry})) for stage, entry in zip(self.stages, own, strict=True))
        return replace(self, stages=tuple(changed), **{name: settings[name] for name in ("base", "start") if name in settings})


def _over(stage: Stage, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings of a stage; of its objective and its samples, what is not said stays as it is."""
    laid = {}
    for name in ("objective", "samples"):
        said, own = settings.get(name), getattr(stage, name)
        if not isinstance(said, Mapping) or own is None:
            continue
        if name == "samples" or kind_of(said, "prefer" if isinstance(own, Imitate) else own.kind) == own.kind:
            laid[name] = {each.name: getattr(own, each.name) for each in fields(own)} | dict(said)
    return {**settings, **laid}


#: What can be set of a method as a whole: settings of each stage apart, and what it starts from.
METHOD_SETTINGS: tuple[str, ...] = ("stages", "base", "start")
#: What can be set from outside: every field of Stage but its name and what it tunes, which make the method what it is.
STAGE_SETTINGS: tuple[str, ...] = tuple(field.name for field in fields(Stage) if field.name not in ("name", "tune"))
