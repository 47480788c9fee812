import io
import re
from typing import Any

import pytest
from rich.console import Console

from leaderboards import _format
from leaderboards.board import Board, build_board
from leaderboards.records import Record, StageCost
from leaderboards.terminal import board_table

Make = Any


def printed(board: Board, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(board_table(board))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def board(comparison: list[Record], average: tuple[str, ...]) -> Board:
    return build_board(comparison, "mgsm", average_languages=average)


def first_line(text: str, name: str, nth: int = 0) -> list[str]:
    return [line for line in text.splitlines() if re.search(rf"(^| ){re.escape(name)} ", line)][nth].split()


def test_eleven_languages_fit_a_hundred_columns_uncut(board: Board) -> None:
    text = printed(board)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    assert "…" not in text
    header = next(line.split() for line in text.splitlines() if line.split()[:2] == ["model", "en"])
    assert header[1:] == list(board.languages)
    for row in board.rows:
        for estimate in row.languages.values():
            value, spread = _format.compact_interval(estimate).split()
            assert value in text
            assert spread in text


def training_of_a_large_model(make: Make) -> tuple[StageCost, ...]:
    (stage,) = make("slam", {"en": 0.5}).training.stages
    size = {"tuned_parameters": 13_015_864_320, "total_parameters": 13_015_864_320, "seconds": 359_999.0}
    return (stage.model_copy(update=size),)


def test_the_worst_widths_still_fit(make: Make, average: tuple[str, ...]) -> None:
    sure = dict.fromkeys((*average, "te"), 1.0)
    none = dict.fromkeys((*average, "te"), 0.0)
    large = training_of_a_large_model(make)
    records = [
        make("base", none, questions=4, limit=4),
        make("a-method-with-a-long-name", sure, questions=4, limit=4, stages=large),
    ]
    text = printed(build_board(records, "mgsm", average_languages=average))
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    assert "…" not in text
    assert "100.0" in text
    assert "13,015,864,320" in text
    assert "[-20.5, +100.0]" in text
    names = [line[1:17].strip() for line in text.split("accuracy by language")[1].splitlines()]
    assert "a-method-with-a-long-name" in "".join(names)


def test_the_base_comes_first_without_a_gain(board: Board) -> None:
    text = printed(board)
    names = [name for line in text.splitlines() for name in line.split()[:2] if name in {"base", "slam", "two-stage", "full"}]
    assert names[:4] == ["base", "slam", "two-stage", "full"]
    assert "+" not in " ".join(first_line(text, "base"))
    assert first_line(text, "slam")[:2] == ["1", "slam"]


def test_a_row_says_the_digits_of_the_page(board: Board) -> None:
    text = printed(board)
    slam = board.rows[1]
    line = first_line(text, "slam")
    assert line[2] == _format.interval(slam.mean).split()[0]
    assert line[4] == _format.interval(slam.gain).split()[0]
    assert line[5:] == ["+0.0", "kept", "6.0", "%", "1", "m", "23", "s"]
    assert _format.interval(slam.mean).split(" ", 1)[1] in text
    assert "78,336" in text
    assert "lost" in " ".join(first_line(text, "full"))


def test_numbers_stand_right_aligned_under_each_other(board: Board) -> None:
    lines = printed(board).splitlines()
    start = next(place for place, line in enumerate(lines) if line.split()[:2] == ["model", "en"])
    rows = [line for line in lines[start + 1 :] if re.match(r" (base|slam|two-stage|full) ", line)]
    ends = [[match.end() for match in re.finditer(r"\d+\.\d", line)] for line in rows]
    assert len(ends) == 4
    assert all(each == ends[0] for each in ends)


def test_a_name_cannot_style_the_terminal(make: Make) -> None:
    name = "[red]x[/red]\x1b[31m|y"
    text = printed(build_board([make(name, {"en": 0.5})], "mgsm", average_languages=("en",)))
    assert "[red]x[/red]" in text
    assert "\x1b" not in text


def test_several_seeds_are_said(make: Make) -> None:
    records = [make("slam", {"en": 0.5}, seed=seed) for seed in (0, 1, 2)]
    text = printed(build_board(records, "mgsm", average_languages=("en",)))
    assert "3 seeds" in text
