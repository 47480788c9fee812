"""What a method is made of that takes other rows: a Merge of their weights, or a way of asking one: in English, or for a vote.

Where a Method trains, these compute or ask: they have no stages. `of` names rows of the same comparison, of the same base and seed;
a row that nobody asked for is a method of that name, which is then trained too. All are frozen and checked as a Method is.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from xreason.tasks.errors import UserError
from xreason.trainers.settings.checked import CONFIG as _CONFIG
from xreason.trainers.settings.checked import Checked as _Checked
from xreason.trainers.settings.checked import Name as _Name
from xreason.trainers.settings.checked import Names as _Names
from xreason.trainers.settings.checked import Number as _Number
from xreason.trainers.settings.checked import Whole as _Whole
from xreason.trainers.stages import ranges

#: The decoder layers of Llama 3.1 8B, of which layer swapping was published.
_PUBLISHED_LAYERS, _PUBLISHED_BOTTOM, _PUBLISHED_TOP = 32, 5, 2

_Layers = Annotated[int, Field(ge=0, description="a whole number from 0"), _Number]
_LayersOrNone = Annotated[_Layers | None, Field(description="a whole number from 0")]
_Share = Annotated[float, Field(ge=0, le=1, description="a number from 0 to 1"), _Number]
_Factor = Annotated[float, Field(description="a number"), _Number]
_Part = Annotated[float, Field(gt=0, le=1, description="a number above 0, up to 1"), _Number]


@dataclass(frozen=True, config=_CONFIG)
class LayerSwap(_Checked):
    """The first row's model, its lowest and highest layers replaced by the second's, with averaged layers where the two meet.

    Bandarkar et al., ICLR 2025, arXiv 2410.01335: the first is a math expert, the second a language expert.
    """

    #: how many of the lowest layers are the second's; None for 5 of 32, as published, and that share of another number, at least 1.
    bottom: _LayersOrNone = None
    top: _LayersOrNone = None  #: how many of the highest; None likewise for 2 of 32
    transition: Annotated[_Layers, Field(description="a whole number from 0")] = 1  #: averaged layers beside each of these
    share: Annotated[_Share, Field(description="a number from 0 to 1")] = 0.5  #: of the second row in an averaged layer
    #: whose the tensors outside the layers are (embeddings, last norm, head): the "second" row's, or the "first" one's.
    outside: Annotated[Literal["first", "second"], Field(description="first or second")] = "second"
    kind: Literal["layer-swap"] = "layer-swap"

    def shares(self, layers: int) -> tuple[float, ...]:
        """Returns the second row's share of each of a model's layers, the lowest first: 0, 1, or `share` where the two meet.

        Raises:
            UserError: the model has fewer layers than that takes.
        """
        bottom, top = (
            max(1, round(published / _PUBLISHED_LAYERS * layers)) if told is None else told
            for told, published in ((self.bottom, _PUBLISHED_BOTTOM), (self.top, _PUBLISHED_TOP))
        )
        below, above = ([1.0] * count + [self.share] * (self.transition if count else 0) for count in (bottom, top))
        if len(below) + len(above) > layers:
            takes = f"bottom={bottom}, top={top} and transition={self.transition} take {len(below) + len(above)} layers"
            raise UserError(f"{takes}, and the model has {layers}; give fewer.")
        return (*below, *[0.0] * (layers - len(below) - len(above)), *reversed(above))

    def describe(self, of: tuple[str, ...], layers: int) -> str:
        """Returns it in words: "layers 0-4, 30-31 and all outside of language, 6-28 of math, 5, 29 averaged (0.5 of language)"."""
        shares, (first, second) = self.shares(layers), of
        places = {share: [place for place, each in enumerate(shares) if each == share] for share in {*shares}}
        parts = {first: places.pop(0.0, []), second: places.pop(1.0, [])}
        said = [f"layers {ranges(parts[name])} of {name}" if parts[name] else "" for name in (second, first)]
        said += [f"layers {ranges(met)} averaged ({share:g} of {second})" for share, met in places.items()]
        said.append(f"embeddings, last norm and head of {second if self.outside == 'second' else first}")
        return "; ".join(filter(None, said))


@dataclass(frozen=True, config=_CONFIG)
class Linear(_Checked):
    """The weighted mean of the rows' weights."""

    #: of each row, which add up to 1; none for all alike.
    weights: Annotated[tuple[_Factor, ...], Field(description="a number a row, such as [0.7, 0.3]")] = ()
    kind: Literal["linear"] = "linear"

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        if self.weights and abs(sum(self.weights) - 1) > 1e-9:
            raise UserError(f"weights={list(self.weights)} add up to {sum(self.weights):g}; give numbers that add up to 1.")
        return self

    def describe(self, of: tuple[str, ...], layers: int) -> str:
        """Returns it in words: "0.7 math + 0.3 language"."""
        return " + ".join(f"{weight:.3g} {name}" for weight, name in zip(self.weights or [1 / len(of)] * len(of), of, strict=True))


@dataclass(frozen=True, config=_CONFIG)
class TaskArithmetic(_Checked):
    """The base, and what each row's training changed of it, scaled: B + the sum of scale (W - B).

    Ilharco et al., ICLR 2023, arXiv 2212.04089. A scale below 0 takes back what a row learnt.
    """

    #: of every row, or of each.
    scale: Annotated[_Factor | tuple[_Factor, ...], Field(description="a number such as 0.5, or one a row, such as [1, -0.5]")]
    kind: Literal["task-arithmetic"] = "task-arithmetic"

    def scales(self, count: int) -> tuple[float, ...]:
        """Returns the scale of each of so many rows."""
        return self.scale if isinstance(self.scale, tuple) else (self.scale,) * count

    def describe(self, of: tuple[str, ...], layers: int) -> str:
        """Returns it in words: "base + 0.5 (math - base) + 0.5 (language - base)"."""
        return "base" + "".join(f" + {scale:g} ({name} - base)" for scale, name in zip(self.scales(len(of)), of, strict=True))


#: `kind` tells them apart in JSON.
Formula = Annotated[LayerSwap | Linear | TaskArithmetic, Field(discriminator="kind")]


@dataclass(frozen=True, config=_CONFIG)
class Merge(_Checked):
    """A model made of other rows' weights, exactly by a formula, without training."""

    name: _Name  #: as it is typed and printed
    #: rows that it is made of, in the order in which the formula names them.
    of: Annotated[_Names, Field(min_length=1, description="names of rows, such as [english-sft, language-sft]")]
    formula: Annotated[Formula, Field(description="LayerSwap(...), Linear(...) or TaskArithmetic(...)")]
    source: str  #: the paper, with its arXiv number
    description: str  #: one sentence that says what it does
    #: what all of `of` started from; None for what they say themselves.
    base: Annotated[str | None, Field(min_length=1, description="a folder, a hub id, or pocket")] = None

    @model_validator(mode="after")
    def _as_many_as_it_takes(self) -> Self:
        formula, count = self.formula, len(self.of)
        told = formula.weights if isinstance(formula, Linear) else ()
        told = formula.scale if isinstance(formula, TaskArithmetic) and isinstance(formula.scale, tuple) else told
        if isinstance(formula, LayerSwap) and count != 2:
            raise UserError(f"{self.name} is made of two rows, not of {count}; give `of` as [MATH, LANGUAGE].")
        if told and len(told) != count:
            raise UserError(f"{self.name} has {len(told)} numbers for {count} rows ({', '.join(self.of)}); give one a row.")
        if len({*self.of}) < count:
            raise UserError(f"{self.name} names a row twice ({', '.join(self.of)}); name each once.")
        return self


@dataclass(frozen=True, config=_CONFIG)
class TranslateTest(_Checked):
    """A row's model that is asked in English: each question is put into English first, then answered as an English one."""

    name: _Name  #: as it is typed and printed
    source: str
    description: str
    of: Annotated[_Name, Field(description="the name of a row, or base")] = "base"  #: the row whose model answers
    #: what puts questions into English: a row, a model folder or a hub id; None for the model that answers, itself.
    translator: Annotated[str | None, Field(min_length=1, description="a row, a model folder or a hub id")] = None


@dataclass(frozen=True, config=_CONFIG)
class SelfConsistency(_Checked):
    """A row's model that answers each question several times, by sampling; the answer that most responses give is the row's."""

    name: _Name  #: as it is typed and printed
    source: str
    description: str
    of: Annotated[_Name, Field(description="the name of a row, or base")] = "base"  #: the row whose model answers
    samples: Annotated[int, Field(ge=2, description="a whole number from 2"), _Number] = 40  #: responses a question
    temperature: Annotated[float, Field(gt=0, le=100, description="a number above 0, such as 0.7"), _Number] = 0.7
    top_p: Annotated[_Part | None, Field(description="a number above 0, up to 1")] = None  #: as vLLM's; likewise the next two
    top_k: Annotated[_Whole | None, Field(description="a whole number from 1")] = None
    min_p: Annotated[_Share | None, Field(description="a number from 0 to 1")] = None

    @property
    def asking(self) -> dict[str, float | None]:
        """How it samples, by the names of vLLM."""
        return {name: getattr(self, name) for name in ("samples", "temperature", "top_p", "top_k", "min_p")}


#: A way of asking a row's model, which makes no model.
Way = TranslateTest | SelfConsistency
#: What takes other rows.
Combined = Merge | Way
