"""Puts what lm-eval reports of its own tasks side by side: its number with its own standard error, nothing ranked."""

import math
from collections.abc import Iterator, Mapping, Sequence

from xreason.leaderboards.board import Board, BoardError
from xreason.leaderboards.cautions import cautions_of
from xreason.leaderboards.comparable import check_measured
from xreason.leaderboards.contenders import Contender, contenders_of
from xreason.leaderboards.records import Measure, Reading, Record, ResponseShares
from xreason.leaderboards.rows import ENGLISH_MARGIN, Failure, Row, Subset
from xreason.leaderboards.statistics.intervals import Interval

#: Measures that are no share of 1; any other is taken for one where it is at most 1 everywhere.
_NO_SHARES = {"bleu", "chrf", "ter", "perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"}
_NORMAL_95 = 1.959964


def measured_board(
    records: Sequence[Record],
    suite: str,
    *,
    languages: Sequence[str] | None = None,
    reading: Reading = "paper",
    failures: Sequence[tuple[str, str]] = (),
    groups: Mapping[str, Sequence[str]] = {},
) -> Board:
    """Returns the board of a suite of lm-eval's tasks whose questions have no verdict of 0 or 1.

    Values are in hundredths where they are no shares, so that every form, which writes percent, writes lm-eval's own number. Of
    several seeds a row has the mean, and the mean of their standard errors: its interval is for these trainings.

    Raises:
        BoardError: the records were not asked the same, or not in one language all of them.
    """
    check_measured(records, suite)
    contenders = contenders_of(records, suite)
    shown = [code for code in records[0].measures[suite] if all(code in record.measures[suite] for record in records)]
    codes = tuple(code for code in shown if languages is None or code in languages)
    if not codes:
        raise BoardError(f"{suite} was scored by these in no language that all have: score them all in one, or leave {suite} off.")
    measures = [record.measures[suite][code] for record in records for code in codes]
    name = measures[0].metric
    scale = 100.0 if name in _NO_SHARES or any(abs(each.value) > 1 for each in measures) else 1.0
    present = {name: each for name, members in groups.items() if (each := tuple(code for code in codes if code in members))}
    rows = [_row(each, suite, codes, scale, present) for each in contenders]
    questions = {code: records[0].measures[suite][code].questions for code in codes}
    return Board(
        suite=suite,
        reading=reading,
        measure=f"{name} ({'higher' if measures[0].higher_is_better else 'lower'} is better)",
        languages=codes,
        partial_languages=(),
        average_languages=codes,
        claims="methods",
        families=(),
        mean_over="all",
        english_margin=ENGLISH_MARGIN,
        clusters=max(questions.values()),
        questions=questions,
        rows=tuple(sorted(rows, key=lambda row: (-row.mean.value if measures[0].higher_is_better else row.mean.value, row.name))),
        pairs=(),
        subsets=tuple(
            Subset(name=name, kind="group", languages=each, questions=sum(questions[code] for code in each), pairs=())
            for name, each in present.items()
        ),
        notes=(),
        cautions=(*measure_cautions(records, suite), *_unknown_errors(measures, name), *cautions_of(contenders, suite, ())),
        failures=tuple(Failure(row=row, reason=reason) for row, reason in failures),
        provenance=tuple({record.provenance.model_dump_json(): record.provenance for record in records}.values()),
    )


def measure_cautions(records: Sequence[Record], suite: str) -> Iterator[str]:
    """Yields what a reader must know of a board of tasks of lm-eval: what counts there, and how they were asked."""
    measures = [each for record in records for each in record.measures.get(suite, {}).values()]
    if not measures:
        return
    names = " and ".join(dict.fromkeys(_told(each) for each in measures))
    tasks = {task for each in measures for task in each.tasks}
    several = "tasks" if len(tasks) > 1 else "task"
    counts = "what is right is" if all(suite in record.scores for record in records) else "the value is"
    yield f"{suite} is {len(tasks):,} {several} of lm-eval, asked in prompts of their own: {counts} lm-eval's {names}."


def _told(measure: Measure) -> str:
    return measure.metric if measure.filter == "none" else f"{measure.metric} after {measure.filter}"


def _unknown_errors(measures: Sequence[Measure], name: str) -> Iterator[str]:
    if any(each.standard_error is None for each in measures):
        yield f"lm-eval gives no standard error of {name} everywhere: ±0.0 is none."


def _row(contender: Contender, suite: str, codes: Sequence[str], scale: float, groups: Mapping[str, Sequence[str]]) -> Row:
    records = contender.records
    languages = {code: _interval([record.measures[suite][code] for record in records], scale) for code in codes}
    mean = _mean([*languages.values()])
    trainings = contender.trainings
    return Row(
        rank=None,
        method=contender.key.method,
        model=records[0].provenance.model,
        model_hash=contender.key.model_hash,
        recipe=trainings[0].recipe if trainings else None,
        style=contender.key.style,
        name=contender.name,
        setting=contender.setting,
        seeds=tuple(record.seed for record in records),
        languages=languages,
        mean=mean,
        mean_in_language=None,
        mean_without_english=None,
        languages_by_other_reading=languages,
        mean_by_other_reading=mean,
        gain=None,
        gain_without_english=None,
        subsets={name: _mean([languages[code] for code in each]) for name, each in groups.items()},
        english=None,
        english_verdict=None,
        responses={},
        mean_responses=ResponseShares(answered=1.0, cut_off=None, in_language=None),
        mean_tokens=None,
        mean_thinking_tokens=None,
        sampling=None,
        trainings=trainings,
        checkpoint_bytes=tuple(record.checkpoint_bytes for record in records),
    )


def _mean(languages: Sequence[Interval]) -> Interval:
    error = math.sqrt(sum(each.se**2 for each in languages)) / len(languages)
    return _with_error(sum(each.value for each in languages) / len(languages), error)


def _interval(measures: Sequence[Measure], scale: float) -> Interval:
    value = sum(each.value for each in measures) / len(measures)
    error = sum(each.standard_error or 0.0 for each in measures) / len(measures)
    return _with_error(value / scale, error / scale)


def _with_error(value: float, error: float) -> Interval:
    reach = _NORMAL_95 * error
    return Interval(value=value, low=value - reach, high=value + reach, se=error, se_questions=error, se_seeds=None, df=math.inf)
