"""A board: the records of one suite put side by side.

Records enter, already read; rows leave in the order they are printed, each with its intervals, its place against the base model
and what its training cost. How a row looks is for the terminal table and the page to say.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from leaderboards._comparable import BoardError, check_comparable
from leaderboards.records import Provenance, Record, Training
from leaderboards.statistics import Difference, Interval, Verdicts, difference_interval, mean_interval

__all__ = ["Board", "BoardError", "Row", "build_board"]

ENGLISH = "en"


@dataclass(frozen=True)
class Row:
    """One model on one suite.

    Attributes:
        rank: place among the methods, shared by those that cannot be told apart; None for the base model.
        method: name of the method.
        seeds: seeds it was trained with, ascending.
        languages: language code to accuracy, in the board's column order.
        mean: mean accuracy over the board's average languages.
        others: mean accuracy over the same without English; None where only English was averaged.
        gain: `others` minus that of the base model; None for the base, and where either is missing.
        english: English accuracy minus that of the base model; None for the base, and where either is missing.
        trainings: what each seed's training took, in the order of `seeds`; empty for the base model.
        checkpoint_bytes: size of each seed's checkpoint, in the order of `seeds`.
    """

    rank: int | None
    method: str
    seeds: tuple[int, ...]
    languages: Mapping[str, Interval]
    mean: Interval
    others: Interval | None
    gain: Difference | None
    english: Difference | None
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
            "seeds": list(self.seeds),
            "languages": {code: asdict(interval) for code, interval in self.languages.items()},
            "mean": asdict(self.mean),
            "others": asdict(self.others) if self.others else None,
            "gain": _difference_as_dict(self.gain),
            "english": _difference_as_dict(self.english),
            "english_verdict": self.english_verdict,
            "tuned_parameters": self.tuned_parameters,
            "tuned_share": self.tuned_share,
            "training_seconds": self.seconds,
            "trainings": [json.loads(training.model_dump_json()) for training in self.trainings],
            "checkpoint_bytes": list(self.checkpoint_bytes),
        }


@dataclass(frozen=True)
class Board:
    """The records of one suite, compared.

    Attributes:
        suite: name of the suite.
        languages: codes of the languages scored, in column order: English, the averaged ones, then the rest by code.
        average_languages: those of them that means run over.
        questions: language code to number of questions.
        rows: the base model first, then the methods by mean.
        provenance: where the records come from, each distinct one once.
    """

    suite: str
    languages: tuple[str, ...]
    average_languages: tuple[str, ...]
    questions: Mapping[str, int]
    rows: tuple[Row, ...]
    provenance: tuple[Provenance, ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything the board holds, ready for JSON, at full precision."""
        return {
            "format": 1,
            "suite": self.suite,
            "languages": list(self.languages),
            "average_languages": list(self.average_languages),
            "questions": dict(self.questions),
            "rows": [row.as_dict() for row in self.rows],
            "provenance": [provenance.model_dump(mode="json") for provenance in self.provenance],
        }


@dataclass(frozen=True)
class _Contender:
    """All records of one method, by seed."""

    method: str
    records: tuple[Record, ...]
    verdicts: tuple[Verdicts, ...]

    @property
    def is_base(self) -> bool:
        return self.records[0].training is None


@dataclass(frozen=True)
class _Columns:
    """Which languages are shown and which are averaged."""

    shown: tuple[str, ...]
    averaged: tuple[str, ...]

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(code for code in self.averaged if code != ENGLISH)


def build_board(records: Sequence[Record], suite: str, *, average_languages: tuple[str, ...]) -> Board:
    """Puts the records of one suite side by side.

    The base model, the one record without a training, comes first. The methods follow by mean accuracy, equal means by name. A
    method takes its place in this order as its rank, unless the paired interval of its mean against the method just above includes
    0: then it shares that method's rank. So neighbours share a rank through a chain, and the ends of a long chain may still differ.

    Args:
        records: in any order; each (method, seed) once.
        suite: the suite to compare on.
        average_languages: codes that means run over, as far as they were scored; their order is the column order after English.

    Returns:
        The same board for the same records, whatever their order.

    Raises:
        BoardError: there is nothing to compare, a (method, seed) is there twice, a method mixes trained and untrained records,
            there are two base models, or the records differ in base model, prompt, limit, response length, languages or number of
            questions.
    """
    ordered = sorted(records, key=lambda record: (record.method, record.seed))
    check_comparable(ordered, suite)
    columns = _columns(tuple(ordered[0].scores[suite]), average_languages, suite)
    contenders = _contenders(ordered, suite)
    base = next((contender for contender in contenders if contender.is_base), None)
    means = {contender.method: mean_interval(contender.verdicts, columns.averaged) for contender in contenders}
    methods = [contender for contender in contenders if contender is not base]
    methods.sort(key=lambda contender: (-means[contender.method].value, contender.method))
    ranks = _ranks(methods, columns)
    rows = [_row(method, rank, means[method.method], base, columns) for method, rank in zip(methods, ranks, strict=True)]
    if base is not None:
        rows.insert(0, _row(base, None, means[base.method], None, columns))
    return Board(
        suite=suite,
        languages=columns.shown,
        average_languages=columns.averaged,
        questions={code: ordered[0].scores[suite][code].questions for code in columns.shown},
        rows=tuple(rows),
        provenance=_distinct([record.provenance for record in ordered]),
    )


def _columns(scored: tuple[str, ...], average_languages: tuple[str, ...], suite: str) -> _Columns:
    averaged = sorted((code for code in average_languages if code in scored), key=lambda code: code != ENGLISH)
    if not averaged:
        raise BoardError(
            f"{suite} was scored in {', '.join(sorted(scored))}, none of which is averaged ({', '.join(average_languages)}): "
            "score one of these or average over others."
        )
    english = [ENGLISH] if ENGLISH in scored else []
    first = list(dict.fromkeys(english + averaged))
    return _Columns(tuple(first + sorted(set(scored) - set(first))), tuple(averaged))


def _contenders(ordered: Sequence[Record], suite: str) -> list[_Contender]:
    names = list(dict.fromkeys(record.method for record in ordered))
    grouped = [tuple(record for record in ordered if record.method == name) for name in names]
    return [_Contender(group[0].method, group, tuple(record.verdicts(suite) for record in group)) for group in grouped]


def _ranks(methods: Sequence[_Contender], columns: _Columns) -> list[int]:
    ranks: list[int] = []
    for place, method in enumerate(methods, start=1):
        tied = place > 1 and not difference_interval(methods[place - 2].verdicts, method.verdicts, columns.averaged).significant
        ranks.append(ranks[-1] if tied else place)
    return ranks


def _row(contender: _Contender, rank: int | None, mean: Interval, base: _Contender | None, columns: _Columns) -> Row:
    def against_base(languages: Sequence[str]) -> Difference | None:
        if base is None or not languages:
            return None
        return difference_interval(contender.verdicts, base.verdicts, languages)

    return Row(
        rank=rank,
        method=contender.method,
        seeds=tuple(record.seed for record in contender.records),
        languages={code: mean_interval(contender.verdicts, [code]) for code in columns.shown},
        mean=mean,
        others=mean_interval(contender.verdicts, columns.others) if columns.others else None,
        gain=against_base(columns.others),
        english=against_base([ENGLISH] if ENGLISH in columns.shown else []),
        trainings=tuple(record.training for record in contender.records if record.training is not None),
        checkpoint_bytes=tuple(record.checkpoint_bytes for record in contender.records),
    )


def _distinct(provenances: Sequence[Provenance]) -> tuple[Provenance, ...]:
    distinct: list[Provenance] = []
    for provenance in provenances:
        if provenance not in distinct:
            distinct.append(provenance)
    return tuple(distinct)


def _difference_as_dict(difference: Difference | None) -> dict[str, Any] | None:
    return None if difference is None else asdict(difference) | {"significant": difference.significant}
