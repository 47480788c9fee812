import io
import re
from typing import Any

import pytest
from rich.console import Console

from xreason.leaderboards.board import Board, build_board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.terminal import board_table
from xreason.leaderboards.records import Record, StageCost

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
    headers = [line.split() for line in text.splitlines() if line.split()[-1:] == ["te"]]
    assert headers == [["model", "mean", *board.languages], ["model", "responses", "mean", *board.languages]]
    for row in board.rows:
        for estimate in (*row.languages.values(), *row.languages_by_other_reading.values(), row.mean, row.mean_by_other_reading):
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
    assert "not settled" in text
    for title in ("accuracy by the papers' reading", "how the responses look"):
        names = [line[1:17].strip() for line in text.split(title)[1].splitlines()]
        assert "a-method-with-a-long-name" in "".join(name for name in names if name != "strict")


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
    assert line[5:] == ["+0.0", "not", "settled", "6.0", "%", "1", "m", "23", "s"]
    assert _format.interval(slam.mean).split(" ", 1)[1] in text
    assert "78,336" in text
    assert "lost" in " ".join(first_line(text, "full"))


def test_numbers_stand_right_aligned_under_each_other(board: Board) -> None:
    lines = printed(board).splitlines()
    start = next(place for place, line in enumerate(lines) if line.split()[:3] == ["model", "mean", "en"])
    rows = [line for line in lines[start + 1 :] if re.match(r" (base|slam|two-stage|full|  strict) ", line)]
    ends = [[match.end() for match in re.finditer(r"\d+\.\d", line)] for line in rows if "." in line]
    assert len(ends) == 8
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


def test_the_other_reading_stands_under_the_one_that_ranks(make: Make, score: Any) -> None:
    scores = {"en": score("1100", strict=("1111",)), "sw": score("1000", strict=("1100",))}
    board = build_board([make("slam", {}, scores=scores)], "mgsm", average_languages=("en", "sw"), reading="strict")
    text = printed(board)
    assert "accuracy by the strict reading, below it by the papers' reading" in " ".join(text.split())
    assert first_line(text, "slam", 1) == ["slam", "75.0", "100.0", "50.0"]
    assert first_line(text, "paper")[:4] == ["paper", "37.5", "50.0", "25.0"]
    assert "Ranks, gains and pairs are of the mean over en, sw, by the strict reading." in " ".join(text.split())


def test_disagreements_are_lines_of_their_own(make: Make, score: Any) -> None:
    right = "10" * 125
    scores = {"en": score(right), "sw": score(right, strict=("1" * 50 + right[50:],))}
    text = printed(build_board([make("[b]x", {}, scores=scores)], "mgsm", average_languages=("en", "sw")))
    assert "\n[b]x: strict counts 10.0 points more than paper in sw: look at its responses before citing either.\n" in text


def test_responses_are_three_lines_a_row(make: Make, score: Any) -> None:
    scores = {"en": score("1100", answered=("1110",), cut_off=None), "sw": score("1000", in_language=("1000",))}
    text = printed(build_board([make("slam", {}, scores=scores)], "mgsm", average_languages=("en", "sw")))
    lines = [line.split() for line in text.split("how the responses look")[1].splitlines()]
    assert ["slam", "answered", "88", "75", "100"] in lines
    assert ["cut", "off", "0", "–", "0"] in lines
    assert ["in", "language", "62", "100", "25"] in lines


def test_the_most_samples_fit_a_hundred_columns(make: Make, average: tuple[str, ...]) -> None:
    accuracies = dict.fromkeys((*average, "te"), 0.5)
    records = [make(name, accuracies, samples=64, temperature=0.7, questions=8) for name in ("base", "a-method-with-a-long-name")]
    board = build_board(records, "mgsm", average_languages=average)
    text = printed(board)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    assert "…" not in text
    assert "sampling: n = 64, temperature 0.7" in text
    for row in board.rows:
        assert row.sampling is not None
        for heading, estimate in row.sampling.columns().items():
            assert heading in text
            assert all(part in text for part in _format.compact_interval(estimate).split())


def test_a_style_is_said_and_stands_in_names_where_styles_vary(make: Make, average: tuple[str, ...]) -> None:
    records = [
        make("two-stage", dict.fromkeys((*average, "te"), 0.5), **change) for change in ({}, {"prompt": "native-cot", "shots": 8})
    ]
    text = printed(build_board(records, "mgsm", average_languages=average, across_styles=True))
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    assert "…" not in text
    assert "Asked: zero-shot alpaca, greedy; 8-shot native-cot, greedy." in " ".join(text.split())
    folded = "".join(line[:20].strip().removeprefix("1").strip() for line in text.splitlines())
    assert "two-stage (native-cot, 8-shot)".replace(" ", "") in folded.replace(" ", "")
