"""The page as GitHub's own renderer, cmark-gfm, reads it, with HTML let through as GitHub lets through what it then cleans."""

from html.parser import HTMLParser
from typing import Any

import pytest
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options

from xreason.leaderboards.board import Board, build_board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.cells import Cell, Table, language_table, means_table, tables_one
from xreason.leaderboards.forms.markdown import board_markdown, escape, table

Make = Any
HOSTILE = (
    "<script>alert(1)</script></script><img src=x onerror=alert(1)>",
    "a|b \\| `c|d` ``e``",
    "\\input{x} 100% $x^2$ a_b & c # {d} ~~s~~ **b** __u__ [^1] ![i](j) [x](javascript:alert(1))",
    "\u202eright \u2066to\u2069 left \x1b[31m\r\n| forged | row |",
    "x" * 10_000,
    ":smile: a:tada::100:b 12:30:45",
    "https://example.com/a_b?c=d&e=<f> www.example.com ftp://e.org|x a.b@example.com mailto:c@example.com @someone",
    "</details></td></tr></table>",
    "- x",
    "1. x",
    "模型一 ضعيف हिन्दी &lt; &amp; &#58;",
)


class Read(HTMLParser):
    """Tables as rows of cells' texts, outside and inside of <details>; every tag with its attributes; all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[list[list[str]]] = []
        self.folded: list[list[list[str]]] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self._depth = 0
        self._cell: list[str] | None = None
        self.feed(github_flavored_markdown_to_html(page, options=Options.CMARK_OPT_UNSAFE))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._depth += tag == "details"
        place = self.folded if self._depth else self.open
        if tag == "table":
            place.append([])
        elif tag == "tr":
            place[-1].append([])
        elif tag in ("th", "td"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "details"
        if tag in ("th", "td"):
            (self.folded if self._depth else self.open)[-1][-1].append("".join(self._cell or []))
            self._cell = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell is not None:
            self._cell.append(data)


def meant(cells: Table) -> list[list[str]]:
    return [list(cells.headings), *(list(map(said, row)) for row in cells.rows)]


def said(cell: Cell) -> str:
    if not cell.spread:
        return _format.one_line(cell.text)
    return f"{cell.word}: {cell.text}".removeprefix(": ") + ("†" if cell.dagger else "") + f" {cell.spread}"


@pytest.fixture(scope="module")
def boards() -> list[Board]:
    from tests.leaderboards.conftest import make_record

    records = [make_record("base", {"en": 0.6, "sw": 0.2}, suites=("mgsm", "msvamp"), questions=50)]
    for name in HOSTILE:
        changes = {"machine": name, "commit": name, "identifier": name, "prompt": "alpaca"}
        records += [
            make_record(name, {"en": 0.5, "sw": 0.3}, seed=seed, suites=("mgsm", "msvamp"), questions=50, **changes)
            for seed in (0, 1)
        ]
    return [build_board(records, suite, average_languages=("en", "sw")) for suite in ("mgsm", "msvamp")]


def test_github_shows_the_tables_that_were_meant(boards: list[Board]) -> None:
    read = Read(board_markdown(boards))
    assert read.open == [*map(meant, tables_one(boards)), *map(meant, map(language_table, boards))]
    for board, folded in zip(boards, (read.folded[:3], read.folded[3:6]), strict=True):
        means, other, responses = folded
        assert means == meant(means_table(board))
        assert other == meant(language_table(board, by_other_reading=True))
        assert {len(line) for line in responses} == {5}
        assert len(responses) == 1 + 3 * len(board.rows)
    *_, stages = read.folded
    assert len(read.folded) == 7
    assert [line[0] for line in stages[1::2]] == [_format.one_line(row.name) for row in boards[0].rows if row.trainings]


def test_nothing_that_a_record_says_runs_links_or_becomes_markup(boards: list[Board]) -> None:
    read = Read(board_markdown(boards))
    tables = {"table", "thead", "tbody", "tr", "th", "td"}
    assert read.tags == {"h1", "h2", "h3", "p", "ul", "li", "strong", "code", "details", "summary", *tables}
    assert read.attributes == {"align"}
    for name in HOSTILE:
        assert _format.one_line(name) in read.text
    assert not {"\u202e", "\u2066", "\x1b"} & set(read.text)


@pytest.mark.parametrize("text", [*HOSTILE, "", " ", "`", "`:a:`", "\\`:a:\\", ":a::b:", "@`@", "||", "2) y", "+", "-", "x&y;"])
def test_a_text_is_literal_in_a_cell_in_a_line_of_a_list_and_in_a_heading(text: str) -> None:
    shown = _format.one_line(text)
    assert Read(table(["a", "b"], "l", [[escape(text), "end"]])).open == [[["a", "b"], [shown, "end"]]]
    for line in ("- ", "## ", ""):
        assert Read(f"{line}{escape(text)}").text.strip() == shown


@pytest.mark.parametrize("emoji", [":smile:", ":+1:", ":-1:", ":100:", ":1234:", ":8ball:", ":E-mail:"])
def test_what_github_would_make_an_emoji_is_code_and_times_are_not(emoji: str) -> None:
    assert escape(f"a {emoji} b") == f"a `{emoji}` b"
    assert escape("2026-11-22T03:24:48+00:00") == "2026-11-22T03:24:48+00:00"
