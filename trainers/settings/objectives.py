"""What a stage learns of its rows: to imitate them, or to prefer one response over another; and how a model makes such pairs."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from xreason.tasks.errors import UserError
from xreason.trainers.settings.checked import CONFIG, Checked, Name, Number, Positive, Whole, WholeOrNone


@dataclass(frozen=True, config=CONFIG)
class Imitate(Checked):
    """Learns to write each response: its tokens' cross entropy."""

    kind: Literal["imitate"] = field(default="imitate", kw_only=True, repr=False)

    def describe(self) -> str:
        """Returns the objective in words."""
        return "imitate"


@dataclass(frozen=True, config=CONFIG)
class Prefer(Checked):
    """Learns to find one response to a prompt likelier than another: -log sigmoid of how much better it does, a pair.

    dpo     beta * (log p(chosen) - log p(rejected)), each less what the weights give it that the stage starts from: Rafailov et al.
            2023, arXiv 2305.18290; beta is 0.1 where it is not set, as MAPO's and TRL's
    simpo   beta * (log p(chosen) - log p(rejected)) - gamma, each a token's mean, without a reference: Meng et al. 2024, arXiv
            2405.14734; beta is 2 where it is not set, and gamma half of it
    """

    loss: Annotated[Literal["dpo", "simpo"], Field(description="dpo or simpo")] = "dpo"
    beta: Positive | None = None  #: scale of what is compared; None is 0.1 for dpo, 2 for simpo
    #: margin of simpo, in the units of the loss; None is half of beta. dpo has none.
    gamma: Annotated[Annotated[float, Field(ge=0), Number] | None, Field(description="a number from 0")] = None
    kind: Literal["prefer"] = field(default="prefer", kw_only=True, repr=False)

    @model_validator(mode="after")
    def _no_margin_of_dpo(self) -> Self:
        if self.loss == "dpo" and self.gamma is not None:
            raise UserError(f"gamma={self.gamma} is a margin of simpo, which dpo has not; set loss: simpo, or leave gamma out.")
        return self

    @property
    def scale(self) -> float:
        """Beta, as set or by default."""
        return self.beta if self.beta is not None else {"dpo": 0.1, "simpo": 2.0}[self.loss]

    @property
    def margin(self) -> float:
        """Gamma, as set or by default; 0 for dpo."""
        return self.gamma if self.gamma is not None else self.scale / 2 if self.loss == "simpo" else 0.0

    def describe(self) -> str:
        """Returns the objective in words, as in "prefer (DPO, beta 0.1)"."""
        margin = f", gamma {self.margin:g}" if self.loss == "simpo" else ""
        return f"prefer ({'DPO' if self.loss == 'dpo' else 'SimPO'}, beta {self.scale:g}{margin})"


def _of_kind(value: Any) -> Any:
    # "prefer" alone will do, and what else is said of an objective is said of that
    said = {"kind": value} if isinstance(value, str) else value
    return {"kind": "prefer", **said} if isinstance(said, Mapping) else said


#: `kind` tells them apart in JSON.
Objective = Annotated[Imitate | Prefer, Field(discriminator="kind"), BeforeValidator(_of_kind)]


@dataclass(frozen=True, config=CONFIG)
class Samples(Checked):
    """Pairs that a model makes: responses sampled of the weights that the stage starts from, to the questions of its corpora.

    A row's own response gives the gold answer. A sample is right where both readings read that in it, and wrong where neither does;
    what they disagree on makes no pair. Chosen over rejected are, by `pairs`:

    right       a right one over a wrong one
    language    one that is right and in the question's language over one that is not both
    alignment   of two, the one that a translation model finds nearer to the English samples of the same question, where it is right
                (MAPO, arXiv 2401.06838)
    """

    pairs: Annotated[Literal["right", "language", "alignment"], Field(description="right, language or alignment")] = "right"
    count: Whole = 8  #: responses a question
    temperature: Positive = 0.8
    max_new_tokens: Whole = 512  #: of the longest response
    most: WholeOrNone = None  #: pairs a question, drawn by the seed. None takes all.
    #: folder or hub id of the model that `alignment` asks, one that translates into English.
    translator: Annotated[Name, Field(description="a folder or hub id")] = "facebook/nllb-200-distilled-600M"

    def describe(self) -> str:
        """Returns in words what the pairs are."""
        which = {
            "right": "right over wrong",
            "language": "right and in language over not",
            "alignment": f"nearer to English by {self.translator.rstrip('/').rpartition('/')[2]} over farther",
        }
        most = f", at most {self.most:,} a question" if self.most else ""
        return f"pairs, {which[self.pairs]}, of {self.count} own samples a question (temperature {self.temperature:g}){most}"
