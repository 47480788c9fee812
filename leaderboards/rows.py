"""What stands in a row of a board, and what a board says about a row."""

from pydantic import computed_field

from xreason.leaderboards.records import Frozen, ResponseShares, Training
from xreason.leaderboards.statistics.intervals import Difference, Interval
from xreason.leaderboards.styles import Style


class Sampling(Frozen):
    """What several samples a question tell, by the board's reading, as means over its average languages."""

    #: k to pass@k, the chance that one of k samples is right, for 1, 2, 4, ... up to the number of samples.
    pass_at: dict[int, Interval]
    majority: Interval  #: accuracy of the answer that most samples give

    def columns(self) -> dict[str, Interval]:
        """Heading to value, as tables print them: "pass@1", "pass@2", ..., "majority"."""
        return {f"pass@{k}": chance for k, chance in self.pass_at.items()} | {"majority": self.majority}


class Note(Frozen):
    """A place where the two readings differ too much to cite either without looking at the responses."""

    name: str  #: the row's
    language: str | None  #: its code; None for the mean over the average languages
    strict_minus_paper: Difference  #: accuracy by the strict reading minus that by the papers'


class Row(Frozen):
    """One model on one suite."""

    rank: int | None  #: place among the methods, shared by those that cannot be told apart; None for the base model
    method: str
    style: Style
    name: str  #: the method, followed by what tells its base model and style from the others on the board
    seeds: tuple[int, ...]  #: ascending
    languages: dict[str, Interval]  #: language code to accuracy, in the board's column order, by the board's reading
    mean: Interval  #: mean accuracy over the board's average languages
    mean_without_english: Interval | None  #: the same without English; None where only English was averaged
    #: as `languages`, by the reading that does not rank; likewise `mean_by_other_reading`.
    languages_by_other_reading: dict[str, Interval]
    mean_by_other_reading: Interval
    #: `mean_without_english` minus that of the base model asked in the same style; None for the base, or without either.
    gain: Difference | None
    english: Difference | None  #: English accuracy minus that of the base model; None for the base, and where either is missing
    #: language code to how the responses look; `mean_responses` is their mean over the average languages.
    responses: dict[str, ResponseShares]
    mean_responses: ResponseShares
    sampling: Sampling | None  #: None with one sample a question
    trainings: tuple[Training, ...]  #: what each seed's training took, in the order of `seeds`; empty for the base model
    checkpoint_bytes: tuple[int | None, ...]  #: size of each seed's checkpoint, in the order of `seeds`

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tuned_parameters(self) -> int | None:
        """The most parameters a stage tuned, None for the base model."""
        return max((training.tuned for training in self.trainings), default=None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tuned_share(self) -> float | None:
        """The same over all parameters, 0..1, None for the base model."""
        return max((training.tuned_share for training in self.trainings), default=None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def training_seconds(self) -> float | None:
        """Training time of one seed, the mean over seeds, in seconds; None for the base model."""
        return sum(training.seconds for training in self.trainings) / len(self.trainings) if self.trainings else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def english_verdict(self) -> str | None:
        """What became of English: "lost" or "gained" where the interval says so, else "kept"; None where not compared."""
        if self.english is None:
            return None
        if not self.english.significant:
            return "kept"
        return "gained" if self.english.value > 0 else "lost"
