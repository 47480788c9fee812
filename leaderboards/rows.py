"""What stands in a row of a board, and what a board says about a row."""

from typing import Literal

from pydantic import Field, computed_field

from xreason.leaderboards.records import Frozen, ResponseShares, Training
from xreason.leaderboards.statistics.intervals import Difference, Interval
from xreason.leaderboards.styles import Style

#: Which languages ranks, gains and pairs are of, of those that a board averages over.
MeanOver = Literal["all", "without-english"]
#: How many points English may lose or gain: about what one language of MSVAMP can show between two models.
ENGLISH_MARGIN = 3.0


def is_empty(value: object) -> bool:
    """Returns whether there is nothing to be written of what not every board has."""
    return not value


class Sampling(Frozen):
    """What several samples a question tell, by the board's reading, as means over its average languages."""

    #: k to pass@k, the chance that one of k samples is right, for 1, 2, 4, ... up to the number of samples.
    pass_at: dict[int, Interval]
    majority: Interval  #: accuracy of the answer that most samples give

    def columns(self) -> dict[str, Interval]:
        """Heading to value, as tables print them: "pass@1", "pass@2", ..., "majority"."""
        return {f"pass@{k}": chance for k, chance in self.pass_at.items()} | {"majority": self.majority}


class Misses(Frozen):
    """What became of answers that are not right, by the board's reading: shares of all, which add up with the right ones."""

    cut_off_thinking: Interval  #: thinking was cut off, at its budget or with the response, and no answer after it was right
    cut_off_answering: Interval  #: the answer ended at the token limit
    wrong: Interval  #: answered to the end, after thinking to the end


class Note(Frozen):
    """A place where the two readings differ too much to cite either without looking at the responses."""

    name: str  #: the row's
    language: str | None  #: its code; None for the mean over the average languages
    strict_minus_paper: Difference  #: accuracy by the strict reading minus that by the papers'


class Pair(Frozen):
    """Two rows held against each other."""

    first: str  #: a row's name
    second: str
    difference: Difference  #: the first one's mean minus the second one's, by the board's reading


class Subset(Frozen):
    """What has a mean of its own on a board, beside the one that ranks: the languages of a group, or the questions of a level."""

    name: str  #: "low resource", "level top": what its values stand under in rows
    kind: Literal["group", "level"]
    languages: tuple[str, ...]  #: codes that its means run over
    questions: int  #: asked in these, in all
    pairs: tuple[Pair, ...]  #: as those of the board, by this mean; those of all subsets are one family of claims


class Family(Frozen):
    """Claims that are made together, and hold together with 95 %, by Holm's correction."""

    name: Literal["pairs", "gains"]  #: all pairs of ranked rows, or the gains of all rows over their base
    claims: int  #: how many
    #: the difference that it would have shown in 4 of 5 cases, in 0..1; None where there is no claim, or none could show
    smallest_difference: float | None


class Failure(Frozen):
    """A row that should stand on the board and does not."""

    row: str  #: what it would be called
    reason: str  #: in words for people


class Row(Frozen):
    """One model on one suite: a recipe from one base, asked in one style, over its seeds."""

    rank: int | None  #: one more than ranked rows that are significantly better; None for a base that another row was made from
    method: str
    model: str  #: name of the base model, itself for one
    model_hash: str
    recipe: str | None  #: see `xreason.leaderboards.records.Training`; None without a training, and where it is not recorded
    style: Style
    name: str  #: the method, followed by what tells its recipe, base model and style from the others on the board
    setting: str  #: of this, what tells recipe and base; "" where nothing needs telling
    seeds: tuple[int, ...]  #: ascending
    #: language code to accuracy, in the board's column order, by the board's reading; without those that a seed was not scored in.
    languages: dict[str, Interval]
    mean: Interval  #: mean accuracy over the board's average languages: what rank, gain and pairs are of
    #: the mean of answers that are right and in the question's language, as far as text tells; None where nothing told it.
    mean_in_language: Interval | None
    mean_without_english: Interval | None  #: `mean` without English; None where only English was averaged
    #: the mean of answers that are right where neither they nor their thinking is in another language; None where nothing told it.
    mean_in_language_thinking: Interval | None = Field(default=None, exclude_if=is_empty)
    #: language code to what became of the others, where thinking is told apart; `mean_misses` is over the average languages.
    misses: dict[str, Misses] = Field(default={}, exclude_if=is_empty)
    mean_misses: Misses | None = Field(default=None, exclude_if=is_empty)
    #: as `languages`, by the reading that does not rank; likewise `mean_by_other_reading`.
    languages_by_other_reading: dict[str, Interval]
    mean_by_other_reading: Interval
    gain: Difference | None  #: `mean` minus that of the base model asked in the same style; None for the base, or without one
    gain_without_english: Difference | None  #: `mean_without_english` minus that of the base model; None where `gain` or it is None
    #: name of a subset to the mean over it; only where the board has subsets.
    subsets: dict[str, Interval] = Field(default={}, exclude_if=is_empty)
    #: name of a subset to this mean minus that of the base model; only where it has, and the row has a gain.
    subset_gains: dict[str, Difference] = Field(default={}, exclude_if=is_empty)
    english: Difference | None  #: English accuracy minus that of the base model; None for the base, and where either is missing
    #: "lost", "gained", or "within" the board's margin, as its interval's bounds say; None where English is not compared.
    english_verdict: Literal["lost", "gained", "within", "not settled"] | None
    #: language code to how the responses look; `mean_responses` is their mean over the average languages.
    responses: dict[str, ResponseShares]
    mean_responses: ResponseShares
    mean_tokens: float | None  #: tokens a response, a mean over the average languages; None where a record does not tell
    mean_thinking_tokens: float | None  #: those of them that are thinking; None also where a model cannot mark it
    sampling: Sampling | None  #: None with one sample a question
    #: what each seed's training took, in the order of `seeds`; empty for a base, and where no report of one is there.
    trainings: tuple[Training, ...]
    checkpoint_bytes: tuple[int | None, ...]  #: size of each seed's checkpoint, in the order of `seeds`

    #: tokens that a question takes, all its responses and putting it into English together, a mean over the average languages;
    #: None where a record does not tell, and, as the next, where no row of the board is a model and a way of asking it.
    tokens_in_use: float | None = Field(default=None, exclude_if=is_empty)
    models_in_use: int | None = Field(default=None, exclude_if=is_empty)  #: models that answering a question takes

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tuned_parameters(self) -> int | None:
        """Parameters that any stage may have changed, the most over seeds; None without a training."""
        return max((training.tuned for training in self.trainings), default=None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tuned_share(self) -> float | None:
        """The same over all parameters, 0..1."""
        return max((training.tuned_share for training in self.trainings), default=None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tuned_at_least(self) -> bool:
        """Whether these two are the largest stage's, and all stages together may have changed more."""
        return any(training.tuned_at_least for training in self.trainings)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def training_seconds(self) -> float | None:
        """Wall-clock time of one seed's training, the mean over seeds, in seconds; None without a training."""
        return sum(training.seconds for training in self.trainings) / len(self.trainings) if self.trainings else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def device_seconds(self) -> float | None:
        """The same times the devices it ran on; None also where their number is not recorded."""
        known = [each for each in (training.device_seconds for training in self.trainings) if each is not None]
        return sum(known) / len(known) if known and len(known) == len(self.trainings) else None
