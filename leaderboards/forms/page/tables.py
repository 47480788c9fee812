"""The tables of the page: a board enters, captions, headings and cells leave, each cell with the value that it is sorted by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xreason.leaderboards.board import Board, Row
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.cells import stage_cells
from xreason.leaderboards.forms.published import PUBLISHED_TITLE, published_cells
from xreason.leaderboards.statistics.intervals import Difference, Interval

#: The heading of a stage's cell to the field of StageCost that it is sorted by, where its text is none.
_SORTED_BY = {
    "rows": "rows",
    "share tuned": "tuned_parameters",
    "sequences a step": "batch_size",
    "learning rate": "learning_rate",
    "tokens": "tokens",
    "tokens/s": "tokens_per_second",
    "time": "seconds",
    "peak memory": "peak_memory_bytes",
}


class Cell(NamedTuple):
    """What stands in a table's cell."""

    text: str
    more: str = ""  #: after it, smaller
    sort: float | str | None = None  #: what it is sorted by; its text for None
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]  #: what a row is called, and its other cells
    seeds: Mapping[str, str] | None = None  #: what stands after a row's name


def ranking(board: Board) -> Table:
    """Returns the models with rank, means, gain, English and cost."""
    mean = f"mean of {len(board.average_languages)}"
    headings = ["model", "rank", mean, "without English", "gain over base", "English against base", "tuned", "training time"]
    lines = [
        [
            Cell(str(row.rank or _format.NOTHING), sort=row.rank or ""),
            _estimate(row.mean),
            _estimate(row.mean_without_english),
            _estimate(row.gain),
            _estimate(row.english, _format.english_verdict(board, row)),
            _cell(_format.tuned(row), row.tuned_share),
            _cell(_format.training_time(row), row.device_seconds or row.training_seconds),
        ]
        for row in board.rows
    ]
    return _of_models("Models, by rank", headings, board, lines)


def languages(board: Board) -> Table:
    """Returns accuracies by language."""
    lines = [[_estimate(row.languages.get(code), compact=True) for code in board.languages] for row in board.rows]
    caption = board.measure or f"Accuracy by language in percent, by {_format.READINGS[board.reading]}"
    return _of_models(caption, ["model", *_format.language_headings(board)], board, lines)


def by_other_reading(board: Board) -> Table:
    """Returns the same by the reading that does not rank."""
    lines = [
        [
            _estimate(row.mean_by_other_reading),
            *(_estimate(row.languages_by_other_reading.get(code), compact=True) for code in board.languages),
        ]
        for row in board.rows
    ]
    headings = ["model", f"mean of {len(board.average_languages)}", *_format.language_headings(board)]
    return _of_models(f"Accuracy by {_format.READINGS[board.other_reading]}", headings, board, lines)


def pairs(board: Board) -> Table:
    """Returns all ranked models against each other."""
    rows = [(pair.first, [Cell(pair.second), _estimate(pair.difference)]) for pair in board.pairs]
    return Table("Differences of means, in points", ["first", "second", "first minus second"], rows)


def responses(board: Board) -> Table:
    """Returns how responses look, a line a model and share."""
    rows = []
    for row in board.rows:
        shown = [row.mean_responses, *map(row.responses.get, board.languages)]
        for name, cells in _format.response_cells(shown).items():
            shares = [getattr(each, name.replace(" ", "_"), None) for each in shown]
            values = [Cell(text, sort="" if share is None else share) for text, share in zip(cells, shares, strict=True)]
            rows.append((row.name, [Cell(name), *values]))
    headings = ["model", "responses", "mean", *_format.language_headings(board)]
    return Table("Shares of responses, in percent", headings, rows)


def samplings(board: Board) -> list[Table]:
    """Returns a table for each way of sampling."""
    return [
        Table(
            title,
            ["model", *sampled[0][1]],
            [(row.name, [_estimate(each) for each in columns.values()]) for row, columns in sampled],
        )
        for title, sampled in _format.samplings(board).items()
    ]


def stages(boards: Sequence[Board]) -> Table | None:
    """Returns what each stage trained on and took; None where nothing was trained."""
    # the same training stands on the board of every suite
    trained = {
        (row.name, seed, training.model_dump_json()): training
        for board in boards
        for row in board.rows
        for seed, training in zip(row.seeds, row.trainings, strict=False)
    }
    told = [(name, seed, stage, stage_cells(stage)) for (name, seed, _), training in trained.items() for stage in training.stages]
    if not told:
        return None
    rows = [
        (name, [Cell(str(seed)), *(Cell(text, sort=getattr(stage, _SORTED_BY.get(key, ""), None)) for key, text in cells.items())])
        for name, seed, stage, cells in told
    ]
    return Table("What each stage trained on", ["model", "seed", *told[0][3]], rows)


def published(board: Board) -> Table | None:
    """Returns what others report; None where nothing is to be shown."""
    if not board.published:
        return None
    headings, lines = published_cells(board)

    def cell(heading: str, text: str) -> Cell:
        if heading in ("nearest to", "size", "source"):
            return Cell(text)
        return Cell(text, sort="" if text == _format.NOTHING else float(text))

    rows = [(line[0], [cell(heading, text) for heading, text in zip(headings[1:], line[1:], strict=True)]) for line in lines]
    return Table(PUBLISHED_TITLE, headings, rows)


def _of_models(caption: str, headings: Sequence[str], board: Board, lines: Iterable[Sequence[Cell]]) -> Table:
    seeds = {row.name: f"{len(row.seeds)} seeds" for row in board.rows if len(row.seeds) > 1}
    return Table(caption, headings, [*zip(_names(board.rows), lines, strict=True)], seeds)


def _names(rows: Sequence[Row]) -> list[str]:
    return [row.name for row in rows]


def _estimate(estimate: Interval | None, word: str = "", *, compact: bool = False) -> Cell:
    if estimate is None:
        return Cell(_format.NOTHING, sort="")
    value, _, spread = (_format.compact_interval if compact else _format.interval)(estimate).partition(" ")
    sure = isinstance(estimate, Difference) and estimate.marked
    return Cell(value, f"{spread} {word}".rstrip(), estimate.value, sure)


def _cell(written: tuple[str, str], value: float | None) -> Cell:
    return Cell(*written, sort="" if value is None else value) if written[0] else Cell(_format.NOTHING, sort="")
