"""What stands in a row of a board, and what a board says about a row."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xreason.leaderboards.records import Training
from xreason.leaderboards.statistics.intervals import Difference, Interval
from xreason.leaderboards.styles import Style


@dataclass(frozen=True)
class ResponseShares:
    """How responses look whatever they answer, as shares in 0..1.

    Attributes:
        answered: those in which the strict reading found an answer at all.
        cut_off: those that ended at the token limit; None where the server did not tell.
        in_language: those in the question's language, of those whose language is known; None where that is none of them.
    """

    answered: float
    cut_off: float | None
    in_language: float | None


@dataclass(frozen=True)
class Sampling:
    """What several samples a question tell, by the board's reading, as means over its average languages.

    Attributes:
        pass_at: k to pass@k, the chance that one of k samples is right, for 1, 2, 4, ... up to the number of samples.
        majority: accuracy of the answer that most samples give.
    """

    pass_at: Mapping[int, Interval]
    majority: Interval

    def columns(self) -> dict[str, Interval]:
        """Heading to value, as tables print them: "pass@1", "pass@2", ..., "majority"."""
        return {f"pass@{k}": chance for k, chance in self.pass_at.items()} | {"majority": self.majority}

    def as_dict(self) -> dict[str, Any]:
        """The same, ready for JSON, at full precision."""
        return {"pass_at": {str(k): asdict(chance) for k, chance in self.pass_at.items()}, "majority": asdict(self.majority)}


@dataclass(frozen=True)
class Note:
    """A place where the two readings differ too much to cite either without looking at the responses.

    Attributes:
        name: the row's name.
        language: code of the language; None for the mean over the average languages.
        difference: accuracy by the strict reading minus that by the papers'.
    """

    name: str
    language: str | None
    difference: Difference

    def as_dict(self) -> dict[str, Any]:
        """The note, ready for JSON, at full precision."""
        return {"name": self.name, "language": self.language, "strict_minus_paper": _as_dict(self.difference)}


@dataclass(frozen=True)
class Row:
    """One model on one suite.

    Attributes:
        rank: place among the methods, shared by those that cannot be told apart; None for the base model.
        method: name of the method.
        style: how the model was asked.
        name: the method, followed by what tells its base model and style from the others on the board.
        seeds: seeds it was trained with, ascending.
        languages: language code to accuracy, in the board's column order, by the board's reading.
        mean: mean accuracy over the board's average languages.
        others: mean accuracy over the same without English; None where only English was averaged.
        other_languages: as `languages`, by the other reading.
        other_mean: as `mean`, by the other reading.
        gain: `others` minus that of the base model asked in the same style; None for the base, and where either is missing.
        english: English accuracy minus that of the base model; None for the base, and where either is missing.
        responses: language code to how the responses look.
        mean_responses: the mean of these over the average languages.
        sampling: what several samples a question tell; None with one.
        trainings: what each seed's training took, in the order of `seeds`; empty for the base model.
        checkpoint_bytes: size of each seed's checkpoint, in the order of `seeds`.
    """

    rank: int | None
    method: str
    style: Style
    name: str
    seeds: tuple[int, ...]
    languages: Mapping[str, Interval]
    mean: Interval
    others: Interval | None
    other_languages: Mapping[str, Interval]
    other_mean: Interval
    gain: Difference | None
    english: Difference | None
    responses: Mapping[str, ResponseShares]
    mean_responses: ResponseShares
    sampling: Sampling | None
    trainings: tuple[Training, ...]
    checkpoint_bytes: tuple[int | None, ...]

    @property
    def tuned_parameters(self) -> int | None:
        """The most parameters a stage tuned, None for the base model."""
        return max((training.tuned_parameters for training in self.trainings), default=None)

    @property
    def tuned_share(self) -> float | None:
        """The same over all parameters, 0..1, None for the base model."""
        return max((training.tuned_share for training in self.trainings), default=None)

    @property
    def seconds(self) -> float | None:
        """Training time of one seed, the mean over seeds, in seconds; None for the base model."""
        if not self.trainings:
            return None
        return sum(training.seconds for training in self.trainings) / len(self.trainings)

    @property
    def english_verdict(self) -> str | None:
        """What became of English: "lost" or "gained" where the interval says so, else "kept"; None where not compared."""
        if self.english is None:
            return None
        if not self.english.significant:
            return "kept"
        return "gained" if self.english.value > 0 else "lost"

    def as_dict(self) -> dict[str, Any]:
        """The row with everything derived, ready for JSON, at full precision."""
        return {
            "rank": self.rank,
            "method": self.method,
            "style": asdict(self.style),
            "name": self.name,
            "seeds": list(self.seeds),
            "languages": {code: asdict(interval) for code, interval in self.languages.items()},
            "mean": asdict(self.mean),
            "others": asdict(self.others) if self.others else None,
            "other_languages": {code: asdict(interval) for code, interval in self.other_languages.items()},
            "other_mean": asdict(self.other_mean),
            "gain": _as_dict(self.gain),
            "english": _as_dict(self.english),
            "english_verdict": self.english_verdict,
            "responses": {code: asdict(shares) for code, shares in self.responses.items()},
            "mean_responses": asdict(self.mean_responses),
            "sampling": self.sampling.as_dict() if self.sampling else None,
            "tuned_parameters": self.tuned_parameters,
            "tuned_share": self.tuned_share,
            "training_seconds": self.seconds,
            "trainings": [json.loads(training.model_dump_json()) for training in self.trainings],
            "checkpoint_bytes": list(self.checkpoint_bytes),
        }


def _as_dict(difference: Difference | None) -> dict[str, Any] | None:
    return None if difference is None else asdict(difference) | {"significant": difference.significant}
