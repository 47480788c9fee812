"""What became of questions on boards of models that think: cut off thinking, cut off answering, wrong."""

import csv
from collections.abc import Sequence

import pytest
from rich.console import Console

from tests.leaderboards.conftest import RecordMaker, ScoreMaker
from xreason.leaderboards.board import Board, build_board
from xreason.leaderboards.comparable import BoardError
from xreason.leaderboards.forms.as_csv import boards_csv
from xreason.leaderboards.forms.latex import boards_latex
from xreason.leaderboards.forms.markdown import board_markdown
from xreason.leaderboards.forms.page.page import board_page
from xreason.leaderboards.forms.terminal import board_tables
from xreason.leaderboards.records import LanguageScore, Record
from xreason.leaderboards.statistics.answers import Counts

TOLD = {"think_end": "</think>", "prompt": "chat"}
COLUMNS = ("thinking cut off", "answer cut off", "mean in language with thinking")


def thinking(score: ScoreMaker) -> LanguageScore:
    """Ten questions: four right, the first after its budget and the second after thinking in another language."""
    return score(
        "1111000000",
        cut_off=("0000111000",),
        cut_off_thinking=("1000101100",),
        cut_off_answering=("0000010000",),
        thinking_in_language=("101-111111",),
    )


def board_of(records: Sequence[Record], *, across_styles: bool = False) -> Board:
    return build_board(records, "mgsm", average_languages=("en",), across_styles=across_styles)


def printed(board: Board, *, wide: bool) -> str:
    console = Console(width=100, no_color=True)
    with console.capture() as capture:
        console.print(board_tables([board], wide=wide))
    return " ".join(capture.get().split())


def test_what_became_of_questions_adds_up(make: RecordMaker, score: ScoreMaker) -> None:
    (row,) = board_of([make("base", {}, scores={"en": thinking(score)}, **TOLD)]).rows
    assert row.mean_misses is not None
    shares = [row.mean.value, *(each.value for each in dict(row.mean_misses).values())]
    assert shares == pytest.approx([0.4, 0.3, 0.1, 0.2])
    assert row.misses == {"en": row.mean_misses}
    assert row.mean_in_language_thinking is not None
    assert (row.mean_in_language.value, row.mean_in_language_thinking.value) == (0.4, 0.3)  # type: ignore[union-attr]
    assert row.mean_responses.thinking_in_language == pytest.approx(8 / 9)


def test_of_several_samples_each_is_counted(score: ScoreMaker) -> None:
    told = {"cut_off_thinking": ("011", "110"), "cut_off_answering": ("010", "000")}
    missed = score("100", "001", **told).missed("paper")
    assert missed == {
        "cut_off_thinking": Counts((1, 1, 1), 2),
        "cut_off_answering": Counts((0, 1, 0), 2),
        "wrong": Counts((0, 0, 0), 2),
    }


def test_columns_stand_where_a_row_tells_thinking_apart_and_nowhere_else(make: RecordMaker, score: ScoreMaker) -> None:
    plain, thought = (
        make("base", {}, scores={"en": score("1111000000")}),
        make("thinker", {}, scores={"en": thinking(score)}, **TOLD),
    )
    with pytest.raises(BoardError):
        board_of([plain, thought])
    for records, there in (([plain], False), ([plain, thought], True)):
        board = board_of(records, across_styles=True)
        assert ("| answer cut off |" in board_markdown([board])) == there
        assert (">answer cut off</th>" in board_page([board])) == there
        assert ("{answer\\\\cut off}" in boards_latex([board])) == there
        assert [heading in boards_csv([board]) for heading in COLUMNS] == [there] * 3
        # the table that must be narrow stays so
        assert [" wrong " in printed(board, wide=wide) for wide in (False, True)] == [False, there]
    heading, *lines = csv.reader(boards_csv([board]).splitlines())
    cells = {line[heading.index("model")]: [line[heading.index(column)] for column in COLUMNS] for line in lines}
    assert sorted(cells.values()) == [["", "", ""], ["30", "10", "30"]]
