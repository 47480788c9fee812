"""What a stage learns of its rows: to imitate them, to prefer one response over another, or to earn rewards with its own.

And how a model makes pairs to prefer between.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from xreason.tasks.errors import UserError
from xreason.trainers.settings.checked import CONFIG, Checked, Name, Number, Positive, Whole, WholeOrNone

LossType = Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"]


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


def _weighted(names: Any) -> Any:
    named = [names] if isinstance(names, str) else names
    return dict.fromkeys(named, 1.0) if isinstance(named, list | tuple) else named


_Weights = Annotated[
    dict[Name, Annotated[float, Number]],
    Field(min_length=1, description="names of rewards, or names with weights, such as {correct: 1, in_language: 0.5}"),
    BeforeValidator(_weighted),
]
_FromZero = Annotated[float, Field(ge=0, description="a number from 0"), Number]
_Share = Annotated[float, Field(gt=0, le=1, description="a number above 0, at most 1"), Number]
_Switch = Annotated[bool, Field(description="true or false")]


@dataclass(frozen=True, config=CONFIG)
class Reward(Checked):
    """Learns to write what earns reward: of each question it samples several responses, and those better than their mean gain.

    GRPO (Shao et al. 2024, arXiv 2402.03300) and its kin by TRL's GRPOTrainer. All but `reward` is called as in TRL's GRPOConfig,
    and is what TRL 1.16 has where it is not set, but for `use_vllm`. A stage's `batch_size` counts completions, and `max_length`
    is of a prompt together with `max_completion_length`.
    """

    #: rewards by name (of xreason.tasks.rewards, or of another package), each with its weight in the sum; a name alone has 1.
    reward: _Weights = field(default_factory=lambda: {"correct": 1.0})
    num_generations: Annotated[int, Field(ge=2, description="a whole number from 2"), Number] = 8  #: completions a question
    max_completion_length: Whole = 512  #: tokens
    temperature: Positive = 1.0
    top_p: _Share = 1.0
    beta: _FromZero = 0.0  #: of the KL divergence from the weights that the stage starts from; DeepSeekMath's is 0.04
    loss_type: Annotated[LossType, Field(description=f"one of {', '.join(get_args(LossType))}")] = "dapo"
    epsilon: Positive = 0.2  #: how far from 1 a token's ratio counts
    epsilon_high: Annotated[Positive | None, Field(description="a number above 0")] = None  #: above 1; None is epsilon
    num_iterations: Whole = 1  #: optimizer steps on the same completions
    scale_rewards: Annotated[Literal["group", "batch", "none"], Field(description="group, batch or none")] = "group"
    importance_sampling_level: Annotated[Literal["token", "sequence"], Field(description="token or sequence")] = "token"
    mask_truncated_completions: _Switch = False  #: whether what was cut off teaches nothing
    #: whether vLLM generates; None is so on GPUs, where it is installed and the stage tunes whole weights.
    use_vllm: Annotated[bool | None, Field(description="true or false")] = None
    vllm_mode: Annotated[Literal["colocate", "server"], Field(description="colocate or server")] = "colocate"
    vllm_server_base_url: Annotated[Name | None, Field(description="the address of a vLLM server")] = None
    vllm_gpu_memory_utilization: _Share = 0.3  #: of a colocated engine
    kind: Literal["reward"] = field(default="reward", kw_only=True, repr=False)

    def describe(self) -> str:
        """Returns the objective in words, as in "reward (GRPO, dapo, correct + 0.5 in_language, 8 generations)"."""
        rewards = " + ".join(name if weight == 1 else f"{weight:g} {name}" for name, weight in self.reward.items())
        beta = f", beta {self.beta:g}" if self.beta else ""
        return f"reward (GRPO, {self.loss_type}, {rewards}, {self.num_generations} generations{beta})"


def kind_of(said: Mapping[str, Any], otherwise: str = "prefer") -> str:
    """Returns which objective a mapping of settings means: the one that it names, or whose first setting it has."""
    return str(said.get("kind", "reward" if "reward" in said else "prefer" if "loss" in said else otherwise))


def _of_kind(value: Any) -> Any:
    # "prefer" alone will do, and what else is said of an objective is said of that, unless it says reward
    said = {"kind": value} if isinstance(value, str) else value
    return {**said, "kind": kind_of(said)} if isinstance(said, Mapping) else said


#: `kind` tells them apart in JSON.
Objective = Annotated[Imitate | Prefer | Reward, Field(discriminator="kind"), BeforeValidator(_of_kind)]


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
