"""The boards of a comparison as a page that GitHub and a paper can print, `leaderboard.md`; the same boards give the same bytes."""

import html
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from xreason.leaderboards.board import Board, BoardError
from xreason.leaderboards.files import write_whole
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.as_csv import boards_csv
from xreason.leaderboards.forms.as_json import boards_json
from xreason.leaderboards.forms.cells import (
    Cell,
    Table,
    language_table,
    means_table,
    pairs_table,
    response_table,
    sampling_tables,
    subset_pairs_table,
    subset_table,
    tables_one,
)
from xreason.leaderboards.forms.latex import boards_latex
from xreason.leaderboards.forms.provenance import provenance_facts
from xreason.leaderboards.forms.published import PUBLISHED_LEGEND, PUBLISHED_TITLE, published_cells
from xreason.leaderboards.forms.training.stages import stage_table

_SPECIAL = re.compile(r"([\\`*_{}\[\]#~!|$])")
#: What GitHub makes an emoji or a link of, whatever is escaped: only code is left as it is.
_EMOJI = r":(?:(?=[\d_+-]*[a-z])[\w+-]{1,60}|[+-]1|100|1234):"
_LINK = r"(?:(?<!\w)\w+://|www\.|(?<![\w.+-])[\w.+-]*@)[^\s|`\\]*"
_ONLY_AS_CODE = re.compile(rf"((?:{_EMOJI}|{_LINK})+)", re.IGNORECASE)
#: What a list begins with, where a line does.
_LISTED = re.compile(r"^(\d{0,9})([-+.)])(?= |$)")
_STAGE_CELLS_LEFT_OFF = {"share tuned", "sequences a step", "tokens", "loss"}
_READINGS_LEGEND = (
    "The papers' reading takes the last number of a response, without its sign, and 0 where there is none; the strict reading "
    "takes the answer that the response states, as its language writes numbers, and no number is no answer."
)
_BEGIN, _END = "<!-- board -->", "<!-- /board -->"


def board_markdown(boards: Sequence[Board]) -> str:
    """Returns boards, one a suite, as one GitHub page: Table 1, the languages of each suite, and the rest folded.

    Text from records is escaped.
    """
    models = _joined(provenance.model for board in boards for provenance in board.provenance)
    parts = [f"# Leaderboard: {models}"]
    for one in tables_one(boards):
        parts += [_drawn(one), escape(" ".join(one.legend))]
    for board in boards:
        parts += _suite_parts(board)
    if stages := stage_table(boards):
        kept = [place for place, heading in enumerate(stages.headings) if heading not in _STAGE_CELLS_LEFT_OFF]
        rows = tuple(tuple(row[place] for place in kept) for row in stages.rows)
        listed = replace(stages, headings=tuple(stages.headings[place] for place in kept), rows=rows)
        parts += _folded(stages.title, [_drawn(listed)])
    return "\n\n".join(parts) + "\n"


def write_board(boards: Sequence[Board], directory: Path) -> list[Path]:
    """Writes leaderboard.md, .json (see `boards_json`), .csv and .tex, each whole or not at all, and returns their paths.

    Raises:
        OSError: the directory cannot be made or written.
    """
    written = {
        "md": board_markdown(boards),
        "json": json.dumps(boards_json(boards), ensure_ascii=False, allow_nan=False, indent=1) + "\n",
        "csv": boards_csv(boards),
        "tex": boards_latex(boards),
    }
    paths = [directory / f"leaderboard.{ending}" for ending in written]
    for path, text in zip(paths, written.values(), strict=True):
        write_whole(path, text)
    return paths


def insert_board(boards: Sequence[Board], page: Path) -> None:
    """Puts the boards into a markdown file, between its lines `<!-- board -->` and `<!-- /board -->`; the rest stays as it is.

    Raises:
        BoardError: the file has no such two lines.
        OSError: the file cannot be read or written.
    """
    try:
        before, begin, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    except UnicodeDecodeError as error:
        raise BoardError(f"{page} is not UTF-8 ({error.reason}); save it as UTF-8.") from error
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise BoardError(f"{page} does not say where the board goes; add the lines {_BEGIN} and {_END} to it.")
    # one heading deeper than a page of its own
    text = re.sub(r"^#", "##", board_markdown(boards), flags=re.MULTILINE)
    write_whole(page, f"{before}{begin}\n\n{text}\n{end}{after}")


def escape(text: str) -> str:
    """Returns text from elsewhere as GitHub shows it literally, on one line: no markup, no HTML, no new table cell."""
    parts = _ONLY_AS_CODE.split(_format.one_line(text))
    return "".join(f"`{part}`" if number % 2 else _escaped(part) for number, part in enumerate(parts))


def _escaped(text: str) -> str:
    literal = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LISTED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", literal))


def table(headings: Sequence[str], alignment: str, lines: Iterable[Sequence[str]]) -> str:
    """Returns a table of escaped cells, each column aligned "l" or "r"; the last letter also holds for all that follow."""
    rules = ["---:" if side == "r" else "---" for side in alignment.ljust(len(headings), alignment[-1])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rules, *lines))


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(escape(text) for text in dict.fromkeys(texts))


def _drawn(cells: Table) -> str:
    sides = "".join("l" if column in cells.word_columns else "r" for column in range(len(cells.headings)))
    return table([escape(heading) for heading in cells.headings], sides, (list(map(_written, row)) for row in cells.rows))


def _written(cell: Cell) -> str:
    if not cell.spread:
        return escape(cell.text)
    value = f"**{cell.text}**" if cell.best else cell.text
    words = f"{cell.word}: " if cell.word else ""
    return f"{words}{value}{'†' if cell.dagger else ''} {cell.spread}"


def _folded(summary: str, parts: Iterable[str]) -> list[str]:
    # the parts stand between blank lines, or GitHub takes them for HTML, as it does the summary
    return ["<details>", f"<summary>{html.escape(_format.one_line(summary))}</summary>", *parts, "</details>"]


def _suite_parts(board: Board) -> list[str]:
    notes = "\n".join(f"- {escape(line)}" for line in (*_format.caution_lines(board), *_format.note_lines(board.notes)))
    by_language = language_table(board)
    parts = [f"## {escape(board.suite)}", escape(" ".join(_format.claims(board))), notes]
    for each in filter(None, (by_language, subset_table(board))):
        parts += [_drawn(each), escape(" ".join(each.legend))]
    more = "the mean" if board.measure else "differences, both readings, responses"
    summary = f"More of {board.suite}: {more}, and where it comes from"
    return [*filter(None, parts), *_folded(summary, _more(board))]


def _more(board: Board) -> list[str]:
    if board.measure:
        return [*_titled(board, means_table(board)), _provenance_line(board)]
    other = language_table(board, by_other_reading=True)
    parts = _titled(board, means_table(board), pairs_table(board), subset_pairs_table(board), other)
    parts += [f"{_READINGS_LEGEND} {_format.NOTES_LEGEND}"]
    parts += _titled(board, *sampling_tables(board), response_table(board))
    return [*parts, *_published_parts(board), _provenance_line(board)]


def _titled(board: Board, *tables: Table | None) -> list[str]:
    parts = []
    for each in filter(None, tables):
        title = escape(each.title.removeprefix(board.suite).lstrip(",: "))
        parts += [f"### {title[:1].upper()}{title[1:]}", _drawn(each), escape(" ".join(each.legend))]
    return [part for part in parts if part]


def _published_parts(board: Board) -> list[str]:
    if not board.published:
        return []
    headings, lines = published_cells(board)
    written = ([escape(cell) for cell in line] for line in lines)
    return [f"### {PUBLISHED_TITLE}", PUBLISHED_LEGEND, table(headings, "lllr", written)]


def _provenance_line(board: Board) -> str:
    return "; ".join(f"{name}: {escape(fact)}" for name, fact in provenance_facts(board).items()) + "."
