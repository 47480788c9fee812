"""The page as a file: what runs in it, what was shipped with it, what stands beside it. test_page_in_browser.py opens it."""

import base64
import hashlib
import re
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.leaderboards.conftest import AVERAGE
from xreason.leaderboards.board import Board, build_board
from xreason.leaderboards.forms.cells import language_table, means_table, pairs_table, response_table, tables_one
from xreason.leaderboards.forms.page import page as page_module
from xreason.leaderboards.forms.page.page import board_page, write_page
from xreason.leaderboards.forms.page.samples import Question, Response, Samples
from xreason.leaderboards.records import Record

OF_A_BOARD = (
    language_table,
    partial(language_table, by_other_reading=True),
    means_table,
    partial(pairs_table, every=True),
    response_table,
)
VENDOR = Path(page_module.__file__).parent / "vendor"


@pytest.fixture
def board(comparison: list[Record]) -> Board:
    return build_board(comparison, "mgsm", average_languages=AVERAGE)


def samples(language: str) -> Samples:
    said = Response("It is 4.", True, True, "4", "4", False, True, None)
    return Samples("mgsm", language, ["slam"], [0], "paper", [Question(0, "2 + 2?", "4", [said])])


class Scripts(HTMLParser):
    """Collects what stands in scripts and styles, and what loads anything."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.loads: list[str] = []
        self.attributes: set[str] = set()
        self._open: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag if tag in self.inside and not dict(attrs).get("type") else None
        if self._open:
            self.inside[tag].append("")
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "data", "action", "srcset")]
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        if self._open:
            self.inside[self._open][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._open = None


def test_nothing_runs_but_what_the_policy_names_and_nothing_is_loaded(board: Board) -> None:
    html = board_page([board], "xreason compare")
    parsed = Scripts()
    parsed.feed(html)
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)[0].replace("&#39;", "'")
    assert "unsafe" not in policy and policy.startswith("default-src 'none'; ")
    for what, texts in parsed.inside.items():
        hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts]
        expected = [*hashes, "'strict-dynamic'"] if what == "script" else hashes
        assert f"{what}-src {' '.join(expected)}" in policy
    assert all(each.startswith(("#", "data:")) for each in parsed.loads)
    assert "style" not in parsed.attributes and not any(name.startswith("on") for name in parsed.attributes)


@pytest.fixture
def small(comparison: list[Record]) -> Board:
    return build_board([record for record in comparison if not record.training], "mgsm", average_languages=AVERAGE)


class Tables(HTMLParser):
    """Collects tables: the caption, then rows of cells, each its text and what it is sorted by."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[list[tuple[str, str | None]]]] = {}
        self._row: list[tuple[str, str | None]] | None = None
        self._open, self._text = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("caption", "th", "td"):
            self._open, self._text, self._sort = tag, "", dict(attrs).get("data-sort")
        elif tag == "tr":
            [*self.found.values()][-1].append([])

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self.found[self._text] = []
        elif tag in ("th", "td"):
            [*self.found.values()][-1][-1].append((" ".join(self._text.split()), self._sort))


def test_tables_are_made_of_the_cells_of_the_other_forms_table_1_first(board: Board) -> None:
    other = board.model_copy(update={"suite": "msvamp"})
    parsed = Tables()
    parsed.feed(board_page([board, other]))
    expected = [*tables_one([board, other]), *(make(each) for each in (board, other) for make in OF_A_BOARD)]
    assert next(iter(parsed.found)) == "mgsm and msvamp"
    for table in expected:
        headings, *lines = parsed.found[table.title]
        assert [text for text, _ in headings] == [*table.headings]
        for line, cells in zip(lines, table.rows, strict=True):
            for (text, sort), cell in zip(line, cells, strict=True):
                dagger = "†" if cell.dagger else ""
                assert text == " ".join(filter(None, (cell.text + dagger, cell.spread, cell.word)))
                # words are sorted as they are written
                assert sort == (str("" if cell.value is None else cell.value) if sort is not None else None)
                assert sort is not None or isinstance(cell.value, str)


def test_the_same_board_gives_the_same_page_and_samples(small: Board, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_page([small], tmp_path / folder, samples=[samples("sw"), samples("en")])
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / each).rglob("*.*")} for each in ("one", "two"))
    assert one == two and set(one) == {"leaderboard.html", "mgsm-sw.js", "mgsm-en.js"}


def test_one_file_holds_what_fits_and_says_what_it_leaves_out(small: Board, tmp_path: Path) -> None:
    write_page([small], tmp_path, samples=[samples("sw"), samples("en")], single_file=True, most_embedded=300)
    html = (tmp_path / "leaderboard.html").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["leaderboard.html"]
    assert 'data-samples="mgsm-sw"' in html and 'data-samples="mgsm-en"' not in html
    assert "too large: mgsm in en." in html


def test_what_is_shipped_of_others_is_as_it_was_published() -> None:
    listed = dict(reversed(line.split()) for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir() if path.name != "SHA256SUMS"}
    assert there == listed and "LICENSE" in there
