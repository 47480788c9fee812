"""What others report, beside a board: one table of its own after all that is measured, for the page and for the terminal."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from xreason.leaderboards.board import Board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.cells import Cell
from xreason.leaderboards.forms.cells import Table as Cells
from xreason.leaderboards.published.reported import PublishedRow

PUBLISHED_TITLE = "As reported, not measured here"
PUBLISHED_LEGEND = (
    "In percent, as each source prints it: other prompts, machines and readings than above. Nothing is ranked, and where sources "
    "disagree each has a line."
)


def published_cells(board: Board) -> tuple[list[str], list[list[str]]]:
    """Returns headings, and a line of plain text a row: model, nearest method, size, languages, mean, and where it stands."""
    codes = [code for code in board.languages if any(code in row.languages for row in board.published)]
    headings = ["model", "nearest to", "size", *codes, "mean of 10", "source"]
    return headings, [
        [row.model, row.method, row.size, *_scores(row, codes), f"{row.source}, {row.where}"] for row in board.published
    ]


def published_table(board: Board) -> Cells | None:
    """Returns the same as a table for a page, the mean before the languages, sources numbered; None for nothing to be shown."""
    if not board.published:
        return None
    (*first, mean, _), lines = published_cells(board)
    sources = list(dict.fromkeys(row.source for row in board.published))
    rows = []
    for row, line in zip(board.published, lines, strict=True):
        words = [Cell(text, value=text) for text in line[:3]]
        scores = [Cell(text, value=None if text == _format.NOTHING else float(text)) for text in (line[-2], *line[3:-2])]
        place = f"[{sources.index(row.source) + 1}] {row.where}"
        rows.append((*words, *scores, Cell(place, value=place)))
    legend = (PUBLISHED_LEGEND, *(f"[{number}] {source}." for number, source in enumerate(sources, start=1)))
    return Cells(PUBLISHED_TITLE, (*first[:3], mean, *first[3:], "source"), tuple(rows), legend)


def _scores(row: PublishedRow, codes: Sequence[str]) -> list[str]:
    told = (*(row.languages.get(code) for code in codes), row.mean)
    return [_format.NOTHING if score is None else f"{score:.1f}" for score in told]


def published_tables(board: Board) -> list[Table | Text]:
    """Returns the terminal's table, in grey, and below it the sources that it numbers; nothing where nothing is to be shown."""
    if not board.published:
        return []
    headings, lines = published_cells(board)
    sources = list(dict.fromkeys(row.source for row in board.published))
    table = Table(title=Text(PUBLISHED_TITLE, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, style="dim")
    for heading in (*headings[:3], *headings[-2:]):
        table.add_column(heading, justify="right" if heading == "mean of 10" else "left", overflow="fold", style="dim")
    for line, row in zip(lines, board.published, strict=True):
        # languages and places are for the page: a terminal has no room for them, and most rows have only a mean
        if row.mean is not None:
            table.add_row(*map(_format.one_line, (*line[:3], line[-2], f"[{sources.index(row.source) + 1}]")))
    listed = [f"[{number}] {source}" for number, source in enumerate(sources, start=1)]
    legend = f"{PUBLISHED_LEGEND} Languages and places: --markdown, --json."
    return [table, Text("\n".join(map(_format.one_line, listed)), style="dim"), Text(legend, style="dim")]
