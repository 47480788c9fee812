"""What steps will take, as pure data: what `--dry-run` prints."""

from pathlib import Path
from typing import Any

from pydantic import computed_field

from xreason.harness.training.lengths import How, Missing
from xreason.leaderboards.records import Frozen


class StageOutlook(Frozen):
    """What one stage will read, tune and take."""

    name: str
    corpora: tuple[str, ...]
    tuned: str  #: which parameters, in words
    tuned_parameters: int  #: how many numbers that is, exact, of `total_parameters` that the model has
    total_parameters: int
    rows: int
    epochs: float  #: as set; `steps` says what comes of it
    steps: int  #: of the optimizer
    tokens: int  #: trained on, over all epochs
    known_by: tuple[How, ...]  #: how rows and tokens are known, of each part of the text
    missing: tuple[Missing, ...] = ()  #: text that is not here
    flops_per_token: int  #: floating-point operations that must be computed, nothing recomputed
    device_seconds: float  #: of all devices together
    seconds_from: str  #: what tells them

    @computed_field  # type: ignore[prop-decorator]
    @property
    def flops(self) -> int:
        """Floating-point operations of the stage."""
        return self.flops_per_token * self.tokens

    @property
    def rows_read(self) -> float:
        """Rows over all epochs."""
        return self.rows * self.epochs


class TrainingOutlook(Frozen):
    """What one training will take."""

    row: str
    seed: int
    method: str
    base: str
    done: bool
    devices: int
    stages: tuple[StageOutlook, ...]
    tuned_parameters: int  #: numbers that its stages tune together
    #: the most that a stage needs on each device of this machine, or, where main memory is not enough, on a GPU; estimated.
    memory_bytes: int
    memory_at: str  #: what has that much, in words: this machine, or how many GPUs
    checkpoint: str  #: "delta" or "full"
    checkpoint_bytes: int
    step_checkpoint_bytes: int  #: of the largest stage; two stand side by side while one is written

    @computed_field  # type: ignore[prop-decorator]
    @property
    def device_seconds(self) -> float:
        """Of all devices together."""
        return sum(stage.device_seconds for stage in self.stages)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tokens(self) -> int:
        """Trained on in all stages."""
        return sum(stage.tokens for stage in self.stages)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def flops(self) -> int:
        """Floating-point operations of all stages."""
        return sum(stage.flops for stage in self.stages)


class MergeOutlook(Frozen):
    """What one merge of other rows' checkpoints will leave; it takes no training."""

    row: str
    seed: int
    how: str  #: what is merged, in words
    base: str
    done: bool
    checkpoint: str  #: "delta" or "full"
    checkpoint_bytes: int  #: at most


class LayersOutlook(Frozen):
    """The finding of a model's language layers."""

    base: str
    done: bool


class PairsOutlook(Frozen):
    """The making of pairs of a model's samples."""

    row: str  #: that prefers between them
    seed: int
    done: bool
    questions: int  #: each asked `samples` times
    samples: int
    device_seconds: float
    seconds_from: str  #: what tells them


class ScoreOutlook(Frozen):
    """What the scoring of one model on one suite will take."""

    row: str
    seed: int
    suite: str
    done: bool
    questions: int
    tokens_at_most: int  #: of all responses, were none shorter than it may be
    device_seconds: float
    seconds_from: str  #: what tells them
    voting: int | None = None  #: responses a question that a vote is over; None without one


class EngineStart(Frozen):
    """A start of vLLM."""

    row: str  #: the model that it starts with
    why: str
    then: tuple[str, ...] = ()  #: those that take turns in it


class RecipeRatio(Frozen):
    """What one training takes over another, and the factors that make it."""

    row: str
    over: str
    seed: int
    rows: float  #: of the corpora
    epochs: float  #: passes, on average over the rows
    tokens_a_row: float
    flops_a_token: float  #: what of the way back is computed
    device_seconds: float

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tokens(self) -> float:
        """Tokens trained on, over all epochs."""
        return self.rows * self.epochs * self.tokens_a_row

    @computed_field  # type: ignore[prop-decorator]
    @property
    def flops(self) -> float:
        """Floating-point operations."""
        return self.tokens * self.flops_a_token


class Outlook(Frozen):
    """What a plan will take; sizes in bytes, times in seconds."""

    folder: Path  #: where all of it goes
    flops_per_second: float  #: a device, that trainings are reckoned with where no earlier run tells
    rate_from: str
    layers: tuple[LayersOutlook, ...]
    pairs: tuple[PairsOutlook, ...]
    trainings: tuple[TrainingOutlook, ...]
    merges: tuple[MergeOutlook, ...]
    engines: tuple[EngineStart, ...]
    translations: tuple[ScoreOutlook, ...]  #: of questions into English, before they are asked
    scores: tuple[ScoreOutlook, ...]
    ratios: tuple[RecipeRatio, ...]
    notes: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]  #: rows that are left out, and why
    disk_free_bytes: int

    @property
    def _all(self) -> tuple[tuple[Any, ...], ...]:
        return self.layers, self.pairs, self.trainings, self.merges, self.translations, self.scores

    @computed_field  # type: ignore[prop-decorator]
    @property
    def steps(self) -> int:
        """How many steps there are; `steps_done` of them stand."""
        return sum(map(len, self._all))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def steps_done(self) -> int:
        """How many need not be done again."""
        done = ([each.done for each in some] for some in self._all)
        return sum(map(sum, done))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def device_seconds(self) -> float:
        """Of all that is still to be done."""
        every: list[PairsOutlook | TrainingOutlook | ScoreOutlook] = [
            *self.pairs,
            *self.trainings,
            *self.translations,
            *self.scores,
        ]
        return sum(each.device_seconds for each in every if not each.done)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def checkpoint_bytes(self) -> int:
        """Of all checkpoints that are still to be written."""
        left = [each.checkpoint_bytes for each in self.trainings if not each.done]
        return sum(left) + sum(each.checkpoint_bytes for each in self.merges if not each.done)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def most_bytes(self) -> int:
        """The most that will stand at once: checkpoints, and of one training two step checkpoints."""
        return self.checkpoint_bytes + 2 * max((each.step_checkpoint_bytes for each in self.trainings if not each.done), default=0)
