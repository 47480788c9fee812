"""A board: the records of one suite put side by side, in rows as they are printed. How a row looks is for the forms to say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from pydantic import computed_field

from xreason.leaderboards.cautions import cautions_of
from xreason.leaderboards.comparable import BoardError, check_comparable
from xreason.leaderboards.contenders import Contender, contenders_of, key_of
from xreason.leaderboards.published.reported import PublishedRow
from xreason.leaderboards.records import Frozen, LanguageScore, Provenance, Reading, Record, ResponseShares
from xreason.leaderboards.rows import Failure, Note, Pair, Row, Sampling
from xreason.leaderboards.statistics.intervals import (
    Difference,
    Interval,
    Outcomes,
    difference_interval,
    mean_interval,
    pass_at_k,
)
from xreason.leaderboards.styles import Style

__all__ = ["Board", "BoardError", "Failure", "Note", "Pair", "ResponseShares", "Row", "Sampling", "build_board"]

ENGLISH = "en"


class Board(Frozen):
    """The records of one suite, compared."""

    format: Literal[4] = 4  #: version of what a board is written as, see `xreason.leaderboards.forms.as_json`
    suite: str
    reading: Reading  #: how answers were read for ranks, gains and everything else in a row that does not say otherwise
    languages: tuple[str, ...]  #: codes of the languages scored, in column order: English, the averaged ones, then the rest by code
    partial_languages: tuple[str, ...]  #: the last of them: those that some rows were not scored in, which no mean counts
    average_languages: tuple[str, ...]  #: those of them that means run over
    questions: dict[str, int]
    rows: tuple[Row, ...]  #: the bases that others were made from first, then all others by mean
    pairs: tuple[Pair, ...]  #: all ranked rows against each other, in the order of the rows
    notes: tuple[Note, ...]  #: where the two readings differ too much to cite either as it stands, see `build_board`
    cautions: tuple[str, ...]  #: where rows are not quite like with like, see `xreason.leaderboards.cautions`
    failures: tuple[Failure, ...]  #: rows that should stand here and do not
    provenance: tuple[Provenance, ...]  #: where the records come from, each distinct one once
    published: tuple[PublishedRow, ...] = ()  #: what others report, where that is to be shown beside; not ranked

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


@dataclass(frozen=True)
class _Columns:
    """The languages shown, those that not all were scored in, those averaged, and how their answers are read."""

    shown: tuple[str, ...]
    partial: tuple[str, ...]
    averaged: tuple[str, ...]
    reading: Reading


def build_board(
    records: Sequence[Record],
    suite: str,
    *,
    average_languages: tuple[str, ...],
    reading: Reading = "paper",
    across_styles: bool = False,
    failures: Sequence[Failure] = (),
) -> Board:
    """Puts the records of one suite side by side.

    A row is a recipe from one base, asked in one style: trainings that share its hash are its seeds, where it is not recorded those
    whose stages tell the same. Bases that another row was made from come first; all others follow by mean accuracy, equal means by
    name. A row takes its place in this order as its rank, unless the paired interval of its mean against the row just above
    includes 0: then it shares that row's rank. So neighbours share a rank through a chain, and the ends of a long chain may still
    differ; `pairs` holds all against each other.

    Means, ranks and differences run over languages that all records were scored in; others are shown where they are there.

    Both readings of the answers stand on the board. It notes where they disagree, in the mean or in a language: where the paired
    interval of strict minus paper, over the same responses, excludes 0 and this difference is larger than half the width of the
    accuracy's own interval by `reading`. Then the reading, not only the questions drawn, decides what the number says.

    Args:
        records: each (recipe, base, style, seed) once; their order changes nothing.
        suite: what to compare on.
        average_languages: codes that means run over, as far as they were scored; their order is the column order after English.
        reading: how answers are read for ranks and gains.
        across_styles: whether records may differ in prompt, shots, worked examples, system instruction, samples, temperature and
            what bounds sampling. A recipe asked in two styles is then two rows, ranked together, and its gain is over the base
            asked in the same style.
        failures: rows that should stand on the board and do not.

    Raises:
        BoardError: there is nothing to compare, a (recipe, base, style, seed) is there twice, a base has a method's name, a model
            without a training is there under two names, the records differ in limit, response length, version of the suite,
            number or hash of questions, or, unless `across_styles`, in style, or no averaged language was scored in all of them.
    """
    check_comparable(ordered := _ordered(records), suite, across_styles=across_styles)
    columns = _columns(ordered, average_languages, suite, reading)
    contenders = contenders_of(ordered, suite)
    means = {contender.key: mean_interval(contender.verdicts(reading), columns.averaged) for contender in contenders}
    started_from = {contender.key.model_hash for contender in contenders if not contender.is_base}
    first = {contender.key for contender in contenders if contender.is_base and contender.key.model_hash in started_from}
    contenders.sort(key=lambda contender: (contender.key not in first, -means[contender.key].value, contender.key))
    # a gain is over the same base model, asked in the same style
    bases = {(contender.key.model_hash, contender.key.style): contender for contender in contenders if contender.is_base}
    ranked = contenders[len(first) :]
    rows = [
        _row(contender, rank, means[contender.key], bases.get((contender.key.model_hash, contender.key.style)), columns)
        for contender, rank in zip(contenders, [*([None] * len(first)), *_ranks(ranked, columns)], strict=True)
    ]
    return Board(
        suite=suite,
        reading=reading,
        languages=columns.shown,
        partial_languages=columns.partial,
        average_languages=columns.averaged,
        questions={code: _asked(ordered, suite, code) for code in columns.shown},
        rows=tuple(rows),
        pairs=tuple(
            Pair(first=one.name, second=other.name, difference=_difference(one, other, columns))
            for one, other in combinations(ranked, 2)
        ),
        notes=tuple(note for contender, row in zip(contenders, rows, strict=True) for note in _notes(contender, row, columns)),
        cautions=tuple(cautions_of(contenders, suite, columns.partial)),
        failures=tuple(failures),
        provenance=tuple({record.provenance.model_dump_json(): record.provenance for record in ordered}.values()),
    )


def _ordered(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (*key_of(record), record.seed))


def _asked(records: Sequence[Record], suite: str, code: str) -> int:
    return next(record.scores[suite][code].questions for record in records if code in record.scores[suite])


def _other(reading: Reading) -> Reading:
    return "strict" if reading == "paper" else "paper"


def _columns(records: Sequence[Record], average_languages: tuple[str, ...], suite: str, reading: Reading) -> _Columns:
    scored = [set(record.scores[suite]) for record in records]
    common, anywhere = set.intersection(*scored), set.union(*scored)
    averaged = sorted((code for code in average_languages if code in common), key=lambda code: code != ENGLISH)
    if not averaged:
        every = " by all of these" if anywhere - common else ""
        found = f"{suite} was scored in {', '.join(sorted(common)) or 'no language'}{every}"
        others = f"none of which is averaged ({', '.join(average_languages)})"
        raise BoardError(f"{found}, {others}: score one of these or average over others.")
    first = [code for code in dict.fromkeys([ENGLISH, *averaged]) if code in common]
    partial = tuple(sorted(anywhere - common))
    return _Columns((*first, *sorted(common - set(first)), *partial), partial, tuple(averaged), reading)


def _difference(first: Contender, second: Contender, columns: _Columns) -> Difference:
    return difference_interval(first.verdicts(columns.reading), second.verdicts(columns.reading), columns.averaged)


def _ranks(contenders: Sequence[Contender], columns: _Columns) -> list[int]:
    ranks: list[int] = []
    for place, contender in enumerate(contenders, start=1):
        tied = place > 1 and not _difference(contenders[place - 2], contender, columns).significant
        ranks.append(ranks[-1] if tied else place)
    return ranks


def _row(contender: Contender, rank: int | None, mean: Interval, base: Contender | None, columns: _Columns) -> Row:
    verdicts, otherwise = contender.verdicts(columns.reading), contender.verdicts(_other(columns.reading))
    without_english = [code for code in columns.averaged if code != ENGLISH]
    shown = [code for code in columns.shown if all(code in scores for scores in contender.scores)]
    responses = {code: _mean_responses([scores[code].responses for scores in contender.scores]) for code in shown}
    trainings = contender.trainings

    def against_base(languages: Sequence[str]) -> Difference | None:
        if base is None or contender.is_base or not languages:
            return None
        return difference_interval(verdicts, base.verdicts(columns.reading), languages)

    return Row(
        rank=rank,
        method=contender.key.method,
        model=contender.records[0].provenance.model,
        model_hash=contender.key.model_hash,
        recipe=trainings[0].recipe if trainings else None,
        style=contender.key.style,
        name=contender.name,
        setting=contender.setting,
        seeds=tuple(record.seed for record in contender.records),
        languages={code: mean_interval(verdicts, [code]) for code in shown},
        mean=mean,
        mean_without_english=mean_interval(verdicts, without_english) if without_english else None,
        languages_by_other_reading={code: mean_interval(otherwise, [code]) for code in shown},
        mean_by_other_reading=mean_interval(otherwise, columns.averaged),
        gain=against_base(without_english),
        english=against_base([ENGLISH] if ENGLISH in {*columns.shown} - {*columns.partial} else []),
        responses=responses,
        mean_responses=_mean_responses([responses[code] for code in columns.averaged]),
        sampling=_sampling(contender, columns) if contender.key.style.samples > 1 else None,
        trainings=trainings,
        checkpoint_bytes=tuple(record.checkpoint_bytes for record in contender.records),
    )


def _mean_responses(shares: Sequence[ResponseShares]) -> ResponseShares:
    """The mean of each share, over those that know it."""
    columns = {name: [getattr(each, name) for each in shares] for name in ResponseShares.model_fields}
    known = {name: [share for share in column if share is not None] for name, column in columns.items()}
    return ResponseShares.model_validate({name: sum(column) / len(column) if column else None for name, column in known.items()})


def _sampling(contender: Contender, columns: _Columns) -> Sampling:
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


def _notes(contender: Contender, row: Row, columns: _Columns) -> list[Note]:
    strict, paper = contender.verdicts("strict"), contender.verdicts("paper")
    places: list[tuple[str | None, Sequence[str], Interval]] = [(None, columns.averaged, row.mean)]
    places += [(code, [code], accuracy) for code, accuracy in row.languages.items()]
    notes = []
    for language, codes, accuracy in places:
        difference = difference_interval(strict, paper, codes, same_seeds=True)
        if difference.significant and abs(difference.value) > (accuracy.high - accuracy.low) / 2:
            notes.append(Note(name=contender.name, language=language, strict_minus_paper=difference))
    return notes
