"""What others report: read with its source, shown beside a board where that is asked for, and never ranked or merged."""

from io import StringIO

import pytest
from rich.console import Console

from tests.leaderboards.conftest import make_record
from xreason.harness.scoring.records import boards_of
from xreason.leaderboards.board import Board
from xreason.leaderboards.forms.markdown import board_markdown
from xreason.leaderboards.forms.published import PUBLISHED_TITLE
from xreason.leaderboards.forms.terminal import board_tables
from xreason.leaderboards.published.reported import published_rows
from xreason.tasks.languages import PAPER_LANGUAGES

SCORES = {"en": 0.7, "sw": 0.1}
QALIGN = "Wenhao97/QAlign-MetaMathQA-7B"


@pytest.fixture(scope="module")
def board() -> Board:
    return boards_of([make_record("base", SCORES), make_record("slam", SCORES)], published=True)[0]


def shown(board: Board, width: int = 100) -> str:
    text = StringIO()
    Console(width=width, file=text).print(board_tables([board]))
    return text.getvalue()


@pytest.mark.parametrize("suite", ["mgsm", "msvamp"])
def test_every_number_is_a_percentage_with_a_source_and_a_place(suite: str) -> None:
    rows = published_rows(suite)
    assert len(rows) > 20
    for row in rows:
        scores = [*row.languages.values(), *([] if row.mean is None else [row.mean])]
        assert scores
        assert all(0 < score < 100 for score in scores)
        assert set(row.languages) <= {*PAPER_LANGUAGES}
        assert row.source
        assert "@" in row.where
        # a mean that is told is that of the languages that are told with it
        if len(row.languages) == len(PAPER_LANGUAGES) and row.mean is not None:
            assert abs(sum(row.languages.values()) / len(PAPER_LANGUAGES) - row.mean) < 0.25, row
    assert len({(row.model, row.source, row.where) for row in rows}) == len(rows)


def test_where_sources_disagree_each_has_its_row() -> None:
    means = [(row.mean, row.where) for row in published_rows("mgsm", model="Mathoctopus/Parallel_7B")]
    assert len(means) == 4
    assert {mean for mean, _ in means} == {40.0, 39.5, None}
    assert {row.mean for row in published_rows("msvamp", model="Mathoctopus/Parallel_7B")} == {41.7, 44.1, 41.2, None}
    assert published_rows("pocket") == ()


def test_a_board_shows_them_after_all_that_is_measured_and_ranks_none(board: Board) -> None:
    page = board_markdown([board])
    before, _, after = page.partition(f"### {PUBLISHED_TITLE}")
    assert "QAlign" not in before
    assert f"| {QALIGN} | two-stage | 7B | – | – | 49.6 | Zhu et al., arXiv 2401.07817, README of NJUNLP/QAlign, " in after
    assert "| model | nearest to | size | en | sw | mean of 10 | source |" in after
    text = shown(board)
    assert text.index("by language") < text.index(PUBLISHED_TITLE) < text.index("[1] ")
    assert [row.name for row in board.rows] == ["base", "slam"]
    assert {row.rank for row in board.rows} == {None, 1}
    assert max(map(len, shown(board, 80).splitlines())) <= 80


def test_a_board_that_is_not_asked_for_them_is_as_before(board: Board) -> None:
    plain = boards_of([make_record("base", SCORES), make_record("slam", SCORES)])[0]
    assert plain == board.model_copy(update={"published": ()})
    assert PUBLISHED_TITLE not in board_markdown([plain]) + shown(plain)
