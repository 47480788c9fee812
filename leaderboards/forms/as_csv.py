"""All that the rows of boards say, as one table for spreadsheets and data frames, `leaderboard.csv`."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from xreason.leaderboards.board import Board
from xreason.leaderboards.forms.cells import Cell, headings_of, row_cells

#: What spreadsheets take for the beginning of a formula.
_FORMULAS = tuple("=+-@＝＋－＠\t\r\n")


def boards_csv(boards: Sequence[Board]) -> str:
    """Returns a line a row and suite: accuracies, shares and differences in percent and points, times in seconds.

    What has an interval has two columns more, "low" and "high". A text that a spreadsheet would take for a formula begins with an
    apostrophe.
    """
    lines = [row_cells(board, row) for board in boards for row in board.rows]
    headings = headings_of(boards)
    bounded = {heading for heading in headings if any(cells[heading].low is not None for cells in lines if heading in cells)}
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([name for heading in headings for name in _names(heading, heading in bounded)])
    writer.writerows([value for heading in headings for value in _values(cells, heading, heading in bounded)] for cells in lines)
    return written.getvalue()


def _names(heading: str, bounded: bool) -> Iterator[str]:
    yield _text(heading)
    if bounded:
        yield from (_text(f"{heading} low"), _text(f"{heading} high"))


def _values(cells: Mapping[str, Cell], heading: str, bounded: bool) -> Iterator[str]:
    cell = cells.get(heading, Cell())
    for value in (cell.value, cell.low, cell.high) if bounded else (cell.value,):
        yield _text(value) if isinstance(value, str) else "" if value is None else format(value, ".10g")


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text
