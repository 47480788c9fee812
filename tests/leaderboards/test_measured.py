"""Boards of what lm-eval reports itself, such as chrF, in every form: its own numbers, nothing ranked, nothing best."""

import csv
import io
from typing import Any

import pytest
from rich.console import Console

from tests.leaderboards.conftest import measure
from xreason.leaderboards.board import Board
from xreason.leaderboards.forms.as_csv import boards_csv
from xreason.leaderboards.forms.cells import tables_one
from xreason.leaderboards.forms.latex import boards_latex
from xreason.leaderboards.forms.markdown import board_markdown
from xreason.leaderboards.forms.page.page import board_page
from xreason.leaderboards.forms.terminal import board_tables
from xreason.leaderboards.measured.board import measured_board

SUITE = "lm-eval:translate"


@pytest.fixture
def board(make: Any) -> Board:
    values = {"base": {"en": 41.25, "sw": 20.0}, "slam": {"en": 40.0, "sw": 30.5}}
    records = [
        make(name, {"en": 0.5}).model_copy(
            update={"scores": {}, "measures": {SUITE: {code: measure(each) for code, each in of.items()}}}
        )
        for name, of in values.items()
    ]
    return measured_board(records, SUITE)


def printed(board: Board, wide: bool) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(board_tables([board], wide=wide))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_table_1_has_no_column_of_ranks_where_nothing_is_ranked(board: Board) -> None:
    (table,) = tables_one([board])
    assert table.headings == ("model", SUITE, "tuned", "training time")
    assert [[cell.text for cell in row[:2]] for row in table.rows] == [["slam", "35.2"], ["base", "30.6"]]
    assert not any(cell.best for row in table.rows for cell in row)
    assert "| model | lm-eval:translate | tuned | training time |" in board_markdown([board])
    assert "rank" not in board_page([board]).partition("</table>")[0].partition("<table")[2]


@pytest.mark.parametrize("wide", [False, True])
def test_the_terminal_prints_lm_evals_numbers_with_its_errors(board: Board, wide: bool) -> None:
    text = printed(board, wide)
    assert "translate: chrf (higher is better)" in " ".join(text.split())
    assert [line.split()[-2:] for line in text.splitlines() if line.startswith("slam")][1] == ["40.0", "30.5"]
    assert "±2.0" in text
    assert "in language" not in text
    assert "by the strict reading" not in text
    assert "lm-eval:translate is chrf (higher is better) as lm-eval reports it, the mean over en, sw" in " ".join(text.split())


def test_spreadsheets_have_the_measure_and_papers_its_table(board: Board) -> None:
    rows = list(csv.DictReader(io.StringIO(boards_csv([board]))))
    assert [(row["model"], row["measure"], row["rank"], row["gain"]) for row in rows] == [
        ("slam", "chrf (higher is better)", "", ""),
        ("base", "chrf (higher is better)", "", ""),
    ]
    assert (float(rows[1]["en"]), float(rows[1]["en high"])) == pytest.approx((41.25, 41.25 + 1.959964))
    assert float(rows[1]["mean"]) == pytest.approx((41.25 + 20) / 2)
    tex = boards_latex([board])
    assert tex.count("\\begin{table}") == tex.count("\\end{table}") == 2
    assert "base & \\xreasonunder{41.2}{$\\pm$2.0} & \\xreasonunder{20.0}{$\\pm$2.0}" in tex
    assert "\\textbf" not in tex
    assert "\nmodel & lm-eva\\hspace{0pt}l:tran" in tex
    assert "rank &" not in tex
