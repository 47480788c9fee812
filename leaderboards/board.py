"""A board: the records of one suite put side by side, in rows as they are printed. How a row looks is for the forms to say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

from pydantic import computed_field

from xreason.leaderboards.comparable import BoardError, check_comparable
from xreason.leaderboards.records import Frozen, LanguageScore, Provenance, Reading, Record, ResponseShares
from xreason.leaderboards.rows import Note, Row, Sampling
from xreason.leaderboards.statistics.intervals import (
    Difference,
    Interval,
    Outcomes,
    Verdicts,
    difference_interval,
    mean_interval,
    pass_at_k,
)
from xreason.leaderboards.styles import Style, distinguishing, style_of

__all__ = ["Board", "BoardError", "Note", "ResponseShares", "Row", "Sampling", "build_board"]

ENGLISH = "en"


class Board(Frozen):
    """The records of one suite, compared."""

    format: Literal[3] = 3  #: version of what a board is written as, see `xreason.leaderboards.forms.as_json`
    suite: str
    reading: Reading  #: how answers were read for ranks, gains and everything else in a row that does not say otherwise
    languages: tuple[str, ...]  #: codes of the languages scored, in column order: English, the averaged ones, then the rest by code
    average_languages: tuple[str, ...]  #: those of them that means run over
    questions: dict[str, int]
    rows: tuple[Row, ...]  #: the base model first, then the methods by mean
    notes: tuple[Note, ...]  #: where the two readings differ too much to cite either as it stands, see `build_board`
    provenance: tuple[Provenance, ...]  #: where the records come from, each distinct one once

    @computed_field  # type: ignore[prop-decorator]
    @property
    def other_reading(self) -> Reading:
        """The reading that stands beside the one that ranks."""
        return _other(self.reading)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def styles(self) -> tuple[Style, ...]:
        """The ways in which models were asked, each once, in the order of the rows."""
        return tuple(dict.fromkeys(row.style for row in self.rows))


class _Key(NamedTuple):
    method: str
    model_hash: str
    style: Style


@dataclass(frozen=True)
class _Contender:
    """All records of one method from one base model, asked in one style, by seed."""

    key: _Key
    name: str
    suite: str
    records: tuple[Record, ...]

    @property
    def is_base(self) -> bool:
        return self.records[0].training is None

    def verdicts(self, reading: Reading) -> tuple[Verdicts, ...]:
        return tuple(record.verdicts(self.suite, reading) for record in self.records)

    @property
    def scores(self) -> list[dict[str, LanguageScore]]:
        return [record.scores[self.suite] for record in self.records]


@dataclass(frozen=True)
class _Columns:
    """The languages shown, those averaged, and how their answers are read."""

    shown: tuple[str, ...]
    averaged: tuple[str, ...]
    reading: Reading


def build_board(
    records: Sequence[Record],
    suite: str,
    *,
    average_languages: tuple[str, ...],
    reading: Reading = "paper",
    across_styles: bool = False,
) -> Board:
    """Puts the records of one suite side by side.

    The base models, the records without a training, come first. The methods follow by mean accuracy, equal means by name. A
    method takes its place in this order as its rank, unless the paired interval of its mean against the method just above includes
    0: then it shares that method's rank. So neighbours share a rank through a chain, and the ends of a long chain may still differ.

    Both readings of the answers stand on the board. It notes where they disagree, in the mean or in a language: where the paired
    interval of strict minus paper, over the same responses, excludes 0 and this difference is larger than half the width of the
    accuracy's own interval by `reading`. Then the reading, not only the questions drawn, decides what the number says.

    Args:
        records: each (method, seed, style) once; their order changes nothing.
        suite: what to compare on.
        average_languages: codes that means run over, as far as they were scored; their order is the column order after English.
        reading: how answers are read for ranks and gains.
        across_styles: whether records may differ in prompt, shots, samples and temperature. A method asked in two styles is then
            two rows, ranked together, and its gain is over the base asked in the same style.

    Raises:
        BoardError: there is nothing to compare, a (method, seed) is there twice, a method mixes trained and untrained records,
            two untrained records are of one base model, or the records differ in limit, response length, version of the suite,
            languages or number of questions, or, unless `across_styles`, in prompt, shots, samples or temperature.
    """
    ordered = sorted(records, key=lambda record: (*_key(record), record.seed))
    check_comparable(ordered, suite, across_styles=across_styles)
    columns = _columns(tuple(ordered[0].scores[suite]), average_languages, suite, reading)
    contenders = _contenders(ordered, suite)
    means = {contender.key: mean_interval(contender.verdicts(reading), columns.averaged) for contender in contenders}
    contenders.sort(key=lambda contender: (not contender.is_base, -means[contender.key].value, contender.key))
    # a gain is over the same base model, asked in the same style
    bases = {contender.key[1:]: contender for contender in contenders if contender.is_base}
    ranks = [*([None] * len(bases)), *_ranks(contenders[len(bases) :], columns)]
    rows = [
        _row(contender, rank, means[contender.key], bases.get(contender.key[1:]), columns)
        for contender, rank in zip(contenders, ranks, strict=True)
    ]
    return Board(
        suite=suite,
        reading=reading,
        languages=columns.shown,
        average_languages=columns.averaged,
        questions={code: ordered[0].scores[suite][code].questions for code in columns.shown},
        rows=tuple(rows),
        notes=tuple(note for contender, row in zip(contenders, rows, strict=True) for note in _notes(contender, row, columns)),
        provenance=tuple({record.provenance.model_dump_json(): record.provenance for record in ordered}.values()),
    )


def _other(reading: Reading) -> Reading:
    return "strict" if reading == "paper" else "paper"


def _columns(scored: tuple[str, ...], average_languages: tuple[str, ...], suite: str, reading: Reading) -> _Columns:
    averaged = sorted((code for code in average_languages if code in scored), key=lambda code: code != ENGLISH)
    if not averaged:
        found = f"{suite} was scored in {', '.join(sorted(scored))}, none of which is averaged ({', '.join(average_languages)})"
        raise BoardError(f"{found}: score one of these or average over others.")
    first = [code for code in dict.fromkeys([ENGLISH, *averaged]) if code in scored]
    return _Columns((*first, *sorted(set(scored) - set(first))), tuple(averaged), reading)


def _contenders(ordered: Sequence[Record], suite: str) -> list[_Contender]:
    grouped = {key: tuple(group) for key, group in groupby(ordered, _key)}
    styles, models = [key.style for key in grouped], {key.model_hash for key in grouped}
    contenders = []
    for key, group in grouped.items():
        # a base model has a name of its own; of a method, the board says what it started from where that is not all the same
        start = f"from {group[0].provenance.model}" if len(models) > 1 and group[0].training else ""
        apart = ", ".join(filter(None, (start, distinguishing(key.style, styles))))
        contenders.append(_Contender(key, f"{key.method} ({apart})" if apart else key.method, suite, group))
    return contenders


def _key(record: Record) -> _Key:
    return _Key(record.method, record.provenance.model_hash, style_of(record.provenance))


def _ranks(methods: Sequence[_Contender], columns: _Columns) -> list[int]:
    verdicts = [method.verdicts(columns.reading) for method in methods]
    ranks: list[int] = []
    for place, method in enumerate(verdicts, start=1):
        tied = place > 1 and not difference_interval(verdicts[place - 2], method, columns.averaged).significant
        ranks.append(ranks[-1] if tied else place)
    return ranks


def _row(contender: _Contender, rank: int | None, mean: Interval, base: _Contender | None, columns: _Columns) -> Row:
    verdicts, otherwise = contender.verdicts(columns.reading), contender.verdicts(_other(columns.reading))
    without_english = [code for code in columns.averaged if code != ENGLISH]
    responses = {code: _mean_responses([scores[code].responses for scores in contender.scores]) for code in columns.shown}

    def against_base(languages: Sequence[str]) -> Difference | None:
        if base is None or contender.is_base or not languages:
            return None
        return difference_interval(verdicts, base.verdicts(columns.reading), languages)

    return Row(
        rank=rank,
        method=contender.key.method,
        style=contender.key.style,
        name=contender.name,
        seeds=tuple(record.seed for record in contender.records),
        languages={code: mean_interval(verdicts, [code]) for code in columns.shown},
        mean=mean,
        mean_without_english=mean_interval(verdicts, without_english) if without_english else None,
        languages_by_other_reading={code: mean_interval(otherwise, [code]) for code in columns.shown},
        mean_by_other_reading=mean_interval(otherwise, columns.averaged),
        gain=against_base(without_english),
        english=against_base([ENGLISH] if ENGLISH in columns.shown else []),
        responses=responses,
        mean_responses=_mean_responses([responses[code] for code in columns.averaged]),
        sampling=_sampling(contender, columns) if contender.key.style.samples > 1 else None,
        trainings=tuple(record.training for record in contender.records if record.training is not None),
        checkpoint_bytes=tuple(record.checkpoint_bytes for record in contender.records),
    )


def _mean_responses(shares: Sequence[ResponseShares]) -> ResponseShares:
    """The mean of each share, over those that know it."""
    columns = {name: [getattr(each, name) for each in shares] for name in ResponseShares.model_fields}
    known = {name: [share for share in column if share is not None] for name, column in columns.items()}
    return ResponseShares.model_validate({name: sum(column) / len(column) if column else None for name, column in known.items()})


def _sampling(contender: _Contender, columns: _Columns) -> Sampling:
    samples, reading = contender.key.style.samples, columns.reading

    def mean_of(outcomes: Callable[[LanguageScore], Outcomes]) -> Interval:
        runs = [{code: outcomes(scores[code]) for code in columns.averaged} for scores in contender.scores]
        return mean_interval(runs, columns.averaged)

    def mean_pass_at(k: int) -> Interval:
        # how many samples are right says it all, so one estimate for each number serves all questions
        chances = [pass_at_k(samples, right, k) for right in range(samples + 1)]
        return mean_of(lambda score: tuple(chances[right] for right in score.rights(reading)))

    pass_at = {2**power: mean_pass_at(2**power) for power in range(samples.bit_length())}
    return Sampling(pass_at=pass_at, majority=mean_of(lambda score: score.majority(reading)))


def _notes(contender: _Contender, row: Row, columns: _Columns) -> list[Note]:
    strict, paper = contender.verdicts("strict"), contender.verdicts("paper")
    places: list[tuple[str | None, Sequence[str], Interval]] = [(None, columns.averaged, row.mean)]
    places += [(code, [code], row.languages[code]) for code in columns.shown]
    notes = []
    for language, codes, accuracy in places:
        difference = difference_interval(strict, paper, codes, same_seeds=True)
        if difference.significant and abs(difference.value) > (accuracy.high - accuracy.low) / 2:
            notes.append(Note(name=contender.name, language=language, strict_minus_paper=difference))
    return notes
