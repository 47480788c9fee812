"""What a record tells of a merge, and of ways of asking."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Merged(_Frozen):
    """What a model was merged of that no stage of its own trained."""

    how: str  #: in words for people: "0.5 english-sft + 0.5 language-sft"
    rows: tuple[str, ...]  #: that it was made of, whose stages are those of its training
    tensors: Annotated[int, Field(ge=0)]  #: that differ from the base's
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]  #: that the merging took


class TranslateTested(_Frozen):
    """A way of asking: every question was put into English first, and asked in English."""

    of: str  #: the row whose model answered
    translator: str  #: what translated, the same row for itself
    models: Annotated[int, Field(gt=0)]  #: how many models that takes
    made: str | None = None  #: a hash of the recipe of the translator's training, or of its weights where it was not trained here


class SelfConsistent(_Frozen):
    """A way of asking: the answer to a question is the one that most of its samples give."""

    of: str  #: the row whose model answered
