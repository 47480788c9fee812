"""A board: the records of one suite put side by side, in rows as they are printed. How a row looks is for the forms to say."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, Literal

from pydantic import Field, computed_field

from xreason.leaderboards.cautions import cautions_of
from xreason.leaderboards.comparable import BoardError, check_comparable
from xreason.leaderboards.contenders import Contender, contenders_of, is_system, key_of
from xreason.leaderboards.means.measured import Measured
from xreason.leaderboards.means.subsets import subset_means
from xreason.leaderboards.published.reported import PublishedRow
from xreason.leaderboards.records import Frozen, LanguageScore, Provenance, Reading, Record, ResponseShares
from xreason.leaderboards.rows import (
    ENGLISH_MARGIN,
    Failure,
    Family,
    MeanOver,
    Misses,
    Note,
    Pair,
    Row,
    Sampling,
    Subset,
    is_empty,
)
from xreason.leaderboards.statistics.answers import Outcomes, pass_at_k
from xreason.leaderboards.statistics.families import smallest_difference, together
from xreason.leaderboards.statistics.intervals import Difference, Interval, mean_interval, reread
from xreason.leaderboards.styles import Style

__all__ = ["Board", "BoardError", "Failure", "Family", "Note", "Pair", "ResponseShares", "Row", "Sampling", "build_board"]

ENGLISH = "en"


class Board(Frozen):
    """The records of one suite, compared."""

    format: Literal[5] = 5  #: version of what a board is written as, see `xreason.leaderboards.forms.as_json`
    suite: str
    reading: Reading  #: how answers were read for ranks, gains and everything else in a row that does not say otherwise
    languages: tuple[str, ...]  #: codes of the languages scored, in column order: English, the averaged ones, then the rest by code
    partial_languages: tuple[str, ...]  #: the last of them: those that some rows were not scored in, which no mean counts
    average_languages: tuple[str, ...]  #: those of them that means run over, and with them ranks, gains and pairs
    claims: Literal["methods", "trainings"]  #: what ranks are of: trainings where one of the ranked rows is a single one
    families: tuple[Family, ...]  #: the claims that are corrected together
    mean_over: MeanOver  #: whether English was left out of these
    english_margin: float  #: how many points English may lose or gain and be the same for all that matters
    clusters: int  #: independent questions: families of those that vary the same problem count once
    questions: dict[str, int]
    rows: tuple[Row, ...]  #: the bases that others were made from first, then all others by mean
    pairs: tuple[Pair, ...]  #: all ranked rows against each other, in the order of the rows
    notes: tuple[Note, ...]  #: where the two readings differ too much to cite either as it stands, see `build_board`
    cautions: tuple[str, ...]  #: where rows are not quite like with like, see `xreason.leaderboards.cautions`
    failures: tuple[Failure, ...]  #: rows that should stand here and do not
    provenance: tuple[Provenance, ...]  #: where the records come from, each distinct one once
    #: what values are where they are no accuracies (see xreason.leaderboards.measured.board): "chrf (higher is better)".
    measure: str | None = None
    #: what has a mean of its own beside the one that ranks; only where groups were asked for, or questions have levels.
    subsets: tuple[Subset, ...] = Field(default=(), exclude_if=is_empty)
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

    @property
    def without_english(self) -> tuple[str, ...]:
        return tuple(code for code in self.averaged if code != ENGLISH)


def build_board(
    records: Sequence[Record],
    suite: str,
    *,
    average_languages: tuple[str, ...],
    reading: Reading = "paper",
    mean: MeanOver = "all",
    english_margin: float = ENGLISH_MARGIN,
    across_styles: bool = False,
    groups: Mapping[str, Sequence[str]] = {},
    levels: Mapping[str, int] = {},
    failures: Sequence[Failure] = (),
    cautions: Sequence[str] = (),
) -> Board:
    """Puts the records of one suite side by side.

    A row is a recipe from one base, asked in one style: trainings that share its hash are its seeds, where it is not recorded those
    whose stages tell the same. Bases that another row was made from come first; all others follow by mean accuracy, equal means by
    name. A row's rank is one more than the rows that are significantly better, after Holm's correction over all pairs. Gains over
    bases are a family of claims of their own. What rests on a single training speaks of that training (`Difference.claims`).

    Means, ranks and differences run over languages that all records were scored in; others are shown where they are there.

    Both readings of the answers stand on the board. It notes where they disagree, in the mean or in a language: where
    strict minus paper, over the same responses, is significant and larger than half the width of the accuracy's own interval by
    `reading`. Then the reading, not only the questions drawn, decides what the number says.

    Args:
        records: each (recipe, base, style, seed) once; their order changes nothing.
        suite: what to compare on.
        average_languages: codes that means run over, as far as they were scored; their order is the column order after English.
        reading: how answers are read for ranks and gains.
        mean: what ranks, gains and pairs are of: the mean over all average languages, or over those but English.
        english_margin: how many points English may lose or gain and be the same for all that matters.
        across_styles: whether records may differ in prompt, shots, worked examples, system instruction, samples, temperature and
            what bounds sampling. A recipe asked in two styles is then two rows, ranked together, and its gain is over the base
            asked in the same style.
        groups: name of a group to the codes of its languages: rows have a mean over those of them that all were scored in.
        levels: name of a level of questions to what each of them weighs; likewise.
        failures: rows that should stand on the board and do not.
        cautions: what a reader must know and records do not tell.

    Raises:
        BoardError: there is nothing to compare, a (recipe, base, style, seed) is there twice, a base has a method's name, a model
            without a training is there under two names, the records differ in limit, response length, version of the suite,
            number or hash of questions, or, unless `across_styles`, in style, or no averaged language was scored in all of them.
    """
    check_comparable(ordered := _ordered(records), suite, across_styles=across_styles)
    columns = _columns(ordered, average_languages, suite, reading, mean)
    contenders = contenders_of(ordered, suite)
    measured = Measured(contenders, suite)
    means = {each.key: measured.mean(each, columns.averaged, reading) for each in contenders}
    started_from = {contender.key.model_hash for contender in contenders if not contender.is_base}
    first = {contender.key for contender in contenders if contender.is_base and contender.key.model_hash in started_from}
    contenders.sort(key=lambda contender: (contender.key not in first, -means[contender.key].value, contender.key))
    ranked = contenders[len(first) :]
    pairs = list(combinations(ranked, 2))
    compared = together(measured.differences(pairs, columns.averaged, reading))
    better = Counter(
        (other if difference.value > 0 else one).key
        for (one, other), difference in zip(pairs, compared, strict=True)
        if difference.significant
    )
    # a gain is over the same base model, asked in the same style
    bases = {(contender.key.model_hash, contender.key.style): contender for contender in contenders if contender.is_base}
    over = [(each, base) for each in contenders if not each.is_base and (base := bases.get((each.key.model_hash, each.key.style)))]
    gained = together(measured.differences(over, columns.averaged, reading))
    gains = {each.key: gain for (each, _), gain in zip(over, gained, strict=True)}
    others = measured.differences(over, columns.without_english, reading) if columns.without_english else []
    gains_without_english = {each.key: gain for (each, _), gain in zip(over, others, strict=False)}
    common = [code for code in columns.shown if code not in columns.partial]
    parts = subset_means(
        measured,
        contenders,
        groups=groups,
        levels=levels,
        languages=common,
        averaged=columns.averaged,
        reading=reading,
        pairs=pairs,
        over=over,
    )
    everywhere = ENGLISH in common
    of_use = any(is_system(record) for record in ordered)
    compared_english = measured.differences(over, [ENGLISH], reading) if everywhere else []
    english = {each.key: difference for (each, _), difference in zip(over, compared_english, strict=False)}
    rows = [
        _row(
            each,
            measured,
            columns,
            of_use=of_use,
            rank=None if each.key in first else 1 + better[each.key],
            mean=means[each.key],
            gain=gains.get(each.key),
            gain_without_english=gains_without_english.get(each.key),
            subsets=dict(parts.means.get(each.key, {})),
            subset_gains=dict(parts.gains.get(each.key, {})),
            english=english.get(each.key),
            english_verdict=_english_verdict(english.get(each.key), english_margin),
        )
        for each in contenders
    ]
    single = any(each.is_trained and len(each.records) == 1 for each in ranked)
    return Board(
        suite=suite,
        reading=reading,
        languages=columns.shown,
        partial_languages=columns.partial,
        average_languages=columns.averaged,
        claims="trainings" if single else "methods",
        families=(
            Family(name="pairs", claims=len(compared), smallest_difference=smallest_difference(compared)),
            Family(name="gains", claims=len(gained), smallest_difference=smallest_difference(gained)),
        ),
        mean_over=mean,
        english_margin=english_margin,
        clusters=measured.answers(contenders[0], columns.averaged, reading).residuals.shape[1],
        questions={code: _asked(ordered, suite, code) for code in columns.shown},
        rows=tuple(rows),
        pairs=tuple(
            Pair(first=one.name, second=other.name, difference=each) for (one, other), each in zip(pairs, compared, strict=True)
        ),
        subsets=parts.subsets,
        notes=tuple(note for each, row in zip(contenders, rows, strict=True) for note in _notes(each, row, measured, columns)),
        cautions=(*cautions, *cautions_of(contenders, suite, columns.partial)),
        failures=tuple(failures),
        provenance=tuple({record.provenance.model_dump_json(): record.provenance for record in ordered}.values()),
    )


def _english_verdict(difference: Difference | None, margin: float) -> Literal["lost", "gained", "within", "not settled"] | None:
    if difference is None:
        return None
    if max(-difference.low, difference.high) <= margin / 100:
        return "within"
    if difference.high < 0 or difference.low > 0:
        return "lost" if difference.high < 0 else "gained"
    return "not settled"


def _ordered(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (*key_of(record), record.seed))


def _asked(records: Sequence[Record], suite: str, code: str) -> int:
    return next(record.scores[suite][code].questions for record in records if code in record.scores[suite])


def _other(reading: Reading) -> Reading:
    return "strict" if reading == "paper" else "paper"


def _columns(
    records: Sequence[Record], average_languages: tuple[str, ...], suite: str, reading: Reading, mean: MeanOver
) -> _Columns:
    scored = [set(record.scores[suite]) for record in records]
    common, anywhere = set.intersection(*scored), set.union(*scored)
    averaged = sorted((code for code in average_languages if code in common), key=lambda code: code != ENGLISH)
    if mean == "without-english" and averaged == [ENGLISH]:
        raise BoardError(f"{suite} was averaged over {ENGLISH} alone: score other languages too, or rank by --mean all.")
    if mean == "without-english":
        averaged = [code for code in averaged if code != ENGLISH]
    if not averaged:
        every = " by all of these" if anywhere - common else ""
        found = f"{suite} was scored in {', '.join(sorted(common)) or 'no language'}{every}"
        others = f"none of which is averaged ({', '.join(average_languages)})"
        raise BoardError(f"{found}, {others}: score one of these or average over others.")
    first = [code for code in dict.fromkeys([ENGLISH, *averaged]) if code in common]
    partial = tuple(sorted(anywhere - common))
    return _Columns((*first, *sorted(common - set(first)), *partial), partial, tuple(averaged), reading)


def _row(contender: Contender, measured: Measured, columns: _Columns, *, of_use: bool, **found: Any) -> Row:
    shown = [code for code in columns.shown if all(code in scores for scores in contender.scores)]
    responses = {code: _mean_responses([scores[code].responses for scores in contender.said]) for code in shown}
    trainings, other, without_english = contender.trainings, _other(columns.reading), columns.without_english
    asked = contender.records[0].provenance.translate_test

    def mean(languages: Sequence[str], reading: Reading = columns.reading) -> Interval:
        return measured.mean(contender, languages, reading)

    return Row(
        method=contender.key.method,
        model=contender.records[0].provenance.model,
        model_hash=contender.key.model_hash,
        recipe=trainings[0].recipe if trainings else None,
        style=contender.key.style,
        name=contender.name,
        setting=contender.setting,
        seeds=tuple(record.seed for record in contender.records),
        languages={code: mean([code]) for code in shown},
        mean_in_language=_mean_in_language(contender, measured, columns),
        mean_in_language_thinking=_mean_in_language(contender, measured, columns, thinking=True),
        misses={code: each for code in shown if (each := _misses(contender, measured, [code], columns.reading))},
        mean_misses=_misses(contender, measured, columns.averaged, columns.reading),
        mean_without_english=mean(without_english) if without_english else None,
        languages_by_other_reading={code: mean([code], other) for code in shown},
        mean_by_other_reading=mean(columns.averaged, other),
        responses=responses,
        mean_responses=_mean_responses([responses[code] for code in columns.averaged]),
        mean_tokens=_mean_tokens(contender, columns, lambda score: score.mean_tokens),
        mean_thinking_tokens=_mean_tokens(contender, columns, lambda score: score.mean_thinking_tokens),
        tokens_in_use=_mean_tokens(contender, columns, partial(_tokens_in_use, translated=asked is not None)) if of_use else None,
        models_in_use=(asked.models if asked else 1) if of_use else None,
        sampling=_sampling(contender, measured, columns) if contender.key.style.samples > 1 else None,
        trainings=trainings,
        checkpoint_bytes=tuple(record.checkpoint_bytes for record in contender.records),
        **found,
    )


def _mean_in_language(contender: Contender, measured: Measured, columns: _Columns, *, thinking: bool = False) -> Interval | None:
    """The mean of what is right and in the question's language; None where one of the languages was not told."""
    runs = [
        {code: scores[code].right_in_language(columns.reading, thinking=thinking) for code in columns.averaged}
        for scores in contender.scores
    ]
    told = [{code: each for code, each in run.items() if each is not None} for run in runs]
    return mean_interval(measured.of(told, contender).over(columns.averaged)) if runs == told else None


def _misses(contender: Contender, measured: Measured, codes: Sequence[str], reading: Reading) -> Misses | None:
    """The means of what became of answers that are not right; None where thinking is not told apart."""
    told = [{code: scores[code].missed(reading) for code in codes} for scores in contender.scores]
    runs = [{code: each for code, each in run.items() if each is not None} for run in told]
    if runs != told:
        return None
    means = {
        name: mean_interval(measured.of([{code: run[code][name] for code in codes} for run in runs], contender).over(codes))
        for name in Misses.model_fields
    }
    return Misses.model_validate(means)


def _mean_responses(shares: Sequence[ResponseShares]) -> ResponseShares:
    """The mean of each share, over those that know it."""
    columns = {name: [getattr(each, name) for each in shares] for name in ResponseShares.model_fields}
    known = {name: [share for share in column if share is not None] for name, column in columns.items()}
    return ResponseShares.model_validate({name: sum(column) / len(column) if column else None for name, column in known.items()})


def _mean_tokens(contender: Contender, columns: _Columns, told: Callable[[LanguageScore], float | None]) -> float | None:
    """The mean over seeds and average languages; None where one of them was not told."""
    means = [told(scores[code]) for scores in contender.said for code in columns.averaged]
    known = [each for each in means if each is not None]
    return sum(known) / len(known) if len(known) == len(means) else None


def _tokens_in_use(score: LanguageScore, *, translated: bool) -> float | None:
    """Tokens a question, of all its responses and of putting it into English; None where one of these was not told."""
    took = (score.tokens, score.translation_tokens) if translated else (score.tokens,)
    known = [each for each in took if each is not None]
    return sum(known) / score.questions if len(known) == len(took) else None


def _sampling(contender: Contender, measured: Measured, columns: _Columns) -> Sampling:
    samples, reading = contender.key.style.samples, columns.reading

    def mean_of(outcomes: Callable[[LanguageScore], Outcomes]) -> Interval:
        runs = [{code: outcomes(scores[code]) for code in columns.averaged} for scores in contender.scores]
        return mean_interval(measured.of(runs, contender).over(columns.averaged))

    def mean_pass_at(k: int) -> Interval:
        # how many samples are right says it all, so one estimate for each number serves all questions
        chances = [pass_at_k(samples, right, k) for right in range(samples + 1)]
        return mean_of(lambda score: tuple(chances[right] for right in score.rights(reading)))

    pass_at = {2**power: mean_pass_at(2**power) for power in range(samples.bit_length())}
    return Sampling(pass_at=pass_at, majority=mean_of(lambda score: score.majority(reading)))


def _notes(contender: Contender, row: Row, measured: Measured, columns: _Columns) -> list[Note]:
    places: list[tuple[str | None, Sequence[str], Interval]] = [(None, columns.averaged, row.mean)]
    places += [(code, [code], accuracy) for code, accuracy in row.languages.items()]
    notes = []
    for language, codes, accuracy in places:
        difference = reread(*(measured.answers(contender, codes, reading) for reading in ("strict", "paper")))
        if difference.significant and abs(difference.value) > (accuracy.high - accuracy.low) / 2:
            notes.append(Note(name=contender.name, language=language, strict_minus_paper=difference))
    return notes
