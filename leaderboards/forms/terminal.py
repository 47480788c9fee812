"""Boards as tables in the terminal, which keep to 80 columns with eleven languages; an interval stands under its value."""

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as Drawing
from rich.text import Text

from xreason.leaderboards.board import Board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.cells import (
    NAMES,
    SIDE,
    Cell,
    Table,
    blocks,
    language_table,
    means_table,
    name_cell,
    pairs_table,
    sampling_tables,
    subset_pairs_table,
    subset_table,
    tables_one,
)
from xreason.leaderboards.forms.published import published_tables

# in a terminal too narrow for a table, numbers are cut, but a row must keep its name
_NAME_LEAST, _NAME_MOST = 9, 28
_WIDEST_HEADING = 8
#: What stands beside a name in 80 columns.
_MOST_LANGUAGES = 11
_MOST_SUBSETS = 6
_MOST_PAIRS = 5
_SEEDS = re.compile(r" (\(\d+ seeds\))$")


def board_tables(boards: Sequence[Board], *, wide: bool = False) -> Group:
    """Draws boards, one a suite: Table 1 over all of them, their languages, what a reader must know, and how to read it.

    Of languages the other reading stands below the one that ranks where it says something else. What else boards say, and both ends
    of the intervals of Table 1, is drawn where they may be `wide`: 100 columns.
    """
    ones = tables_one(boards)
    parts: list[RenderableType] = [_drawn(one, wide) for one in ones]
    for board in boards:
        parts += _suite(board, wide)
    known = _told(boards, lambda board: [*_format.caution_lines(board), *_format.note_lines(board.notes)])
    legend = Text(" ".join(dict.fromkeys(_legend(boards, ones, wide))), style="dim")
    return Group(*parts, "", *(Text(line, style="yellow") for line in known), *([""] if known else []), legend)


def _suite(board: Board, wide: bool) -> list[RenderableType]:
    parts = _languages(board)
    if subsets := subset_table(board):
        parts += [_drawn(block) for block in blocks(subsets, _MOST_SUBSETS)]
    if pairs := pairs_table(board):
        most = len(pairs.rows) if wide else _MOST_PAIRS
        parts.append(_drawn(replace(pairs, rows=pairs.rows[:most]), wide))
        if more := len(pairs.rows[most:]):
            parts.append(Text(f"and {more:,} more: --wide", style="dim"))
    if wide and (of_subsets := subset_pairs_table(board)):
        parts.append(_drawn(of_subsets))
    if wide:
        parts += [_drawn(block) for block in blocks(means_table(board), 8)]
    if wide and not board.measure:
        other = language_table(board, by_other_reading=True)
        parts += [_drawn(block) for block in blocks(other, _MOST_LANGUAGES)]
        parts += [*map(_drawn, sampling_tables(board)), _responses(board)]
    return [*parts, *published_tables(board)]


def _table(title: str, headings: Sequence[str]) -> Drawing:
    """An empty table, of numbers but for names and labels. Texts, not strings: these would be read as markup."""
    titled = Text(f"\n{_format.one_line(title)}", style="bold")
    table = Drawing(title=titled, title_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for heading in headings:
        if heading in NAMES:
            table.add_column(heading, min_width=_NAME_LEAST, max_width=_NAME_MOST, overflow="fold")
        else:
            written = textwrap.fill(_format.one_line(heading), _WIDEST_HEADING, break_long_words=heading != "responses")
            table.add_column(Text(written), justify="left" if heading == "responses" else "right", no_wrap=True)
    return table


def _drawn(cells: Table, wide: bool = False) -> Drawing:
    table = _table(cells.title, cells.headings)
    for row in cells.rows:
        table.add_row(*(_written(cell, wide) for cell in row))
    return table


def _written(cell: Cell, wide: bool = False) -> Text:
    """A value with its mark and a word beside it, above its interval."""
    colour = ("green" if isinstance(cell.value, float) and cell.value > 0 else "red") if cell.dagger else ""
    word = cell.word.replace(" points", "")
    # seeds stand below a name, which they would break
    text = _SEEDS.sub(r"\n\1", _format.one_line(cell.text))
    above = f"{text}{'†' if cell.dagger else ''} {word}".rstrip()
    below = cell.spread if wide else cell.side
    written = Text(above, style=f"{'bold ' if cell.best else ''}{colour}".rstrip())
    return written.append(f"\n{below}" if below else "", style="not bold dim")


def _languages(board: Board) -> list[RenderableType]:
    drawn: list[RenderableType] = []
    unlike = _unlike(board)
    ours, others = (blocks(language_table(board, by_other_reading=other), _MOST_LANGUAGES) for other in (False, True))
    for block, by_other in zip(ours, others, strict=True):
        table = _table(block.title, block.headings)
        for number, (row, other) in enumerate(zip(block.rows, by_other.rows, strict=True)):
            table.add_row(*map(_written, row))
            if number in unlike:
                table.add_row(*(Text(each, style="dim") for each in (f"  {board.other_reading}", *_texts(other[1:]))))
        drawn.append(table)
    return drawn


def _unlike(board: Board) -> set[int]:
    """Of which rows, by their number, the other reading says something else, as printed."""
    ours, others = (language_table(board, by_other_reading=other).rows for other in (False, True))
    return {number for number, rows in enumerate(zip(ours, others, strict=True)) if _texts(rows[0]) != _texts(rows[1])}


def _texts(row: Sequence[Cell]) -> list[str]:
    return [cell.text for cell in row]


def _responses(board: Board) -> Drawing:
    headings = ("model", "responses", "mean", *_format.language_headings(board))
    table = _table(f"{board.suite}, how the responses look: shares in percent", headings)
    for row in board.rows:
        cells = _format.response_cells([row.mean_responses, *map(row.responses.get, board.languages)])
        labels = Text("\n".join(cells), style="dim")
        table.add_row(_written(name_cell(row)), labels, *map("\n".join, zip(*cells.values(), strict=True)))
    return table


def _told(boards: Sequence[Board], lines: Callable[[Board], Iterable[str]]) -> list[str]:
    """Each line that boards say once, with the suites of which it is said where it is not said of all."""
    said: dict[str, list[str]] = {}
    for board in boards:
        for line in lines(board):
            said.setdefault(line, []).append(_format.one_line(board.suite))
    return [line if len(suites) == len(boards) else f"{', '.join(suites)}: {line}" for line, suites in said.items()]


def _legend(boards: Sequence[Board], ones: Sequence[Table], wide: bool) -> Iterator[str]:
    yield from (_format.one_line(line) for one in ones for line in one.legend)
    yield SIDE
    yield from (line for board in boards for line in language_table(board).legend if line[0] == "*")
    yield from _told(boards, lambda board: table.legend[1:] if (table := subset_table(board)) else ())
    for reading in dict.fromkeys(board.other_reading for board in boards if _unlike(board)):
        yield f"{reading.capitalize()}: by {_format.READINGS[reading]}, where that says something else."
    yield from _told(boards, _format.claims)
    asked = dict.fromkeys(style.words for board in boards for style in board.styles)
    yield f"Asked: {_format.one_line('; '.join(asked))}."
    judged = [board for board in boards if not board.measure]
    if wide and judged:
        yield _format.responses_legend(source.identifier for board in judged for source in board.provenance)
        yield _format.NOTES_LEGEND
    elif not wide:
        yield "Both readings, all pairs, samples, responses: --wide."
