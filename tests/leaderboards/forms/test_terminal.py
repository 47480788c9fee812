import io
import re
from typing import Any

import pytest
from rich.console import Console

from xreason.leaderboards.board import Board, build_board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.terminal import board_tables
from xreason.leaderboards.records import Record, StageCost

Make = Any


def printed(*boards: Board, width: int = 80, wide: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(board_tables(boards, wide=wide))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def widest(text: str) -> int:
    return max(len(line.rstrip()) for line in text.splitlines())


@pytest.fixture
def board(comparison: list[Record], average: tuple[str, ...]) -> Board:
    return build_board(comparison, "mgsm", average_languages=average)


def first_line(text: str, name: str, nth: int = 0) -> list[str]:
    return [line for line in text.splitlines() if re.search(rf"(^| ){re.escape(name)} ", line)][nth].split()


def test_eleven_languages_fit_eighty_columns_uncut(board: Board) -> None:
    text = printed(board)
    assert "…" not in text
    headers = [line.split() for line in text.splitlines() if line.split()[-1:] == ["te"]]
    assert headers == [["model", *board.languages]]
    for row in board.rows:
        for estimate in (*row.languages.values(), row.mean):
            value, spread = _format.compact_interval(estimate).split()
            assert value in text
            assert spread in text
    # drawn with more room, it takes no more
    assert widest(printed(board, width=200).split("\nWhich")[0]) <= 80


def test_all_that_a_board_says_fits_a_hundred_columns(board: Board) -> None:
    text = printed(board, width=100, wide=True)
    assert "…" not in text
    headers = [line.split() for line in text.splitlines() if line.split()[-1:] == ["te"]]
    assert headers == [["model", *board.languages]] * 2 + [["model", "responses", "mean", *board.languages]]
    for row in board.rows:
        for estimate in filter(None, (row.mean, row.gain)):
            assert all(part in text for part in _format.interval(estimate).split(" ", 1))
        for estimate in filter(None, (row.mean_in_language, row.mean_without_english, *row.languages_by_other_reading.values())):
            assert all(part in text for part in _format.compact_interval(estimate).split())
    assert "78,336" in text
    assert "mgsm, by the strict reading" in text
    assert "how the responses look" in text


def test_what_is_wide_is_said_only_where_it_is_asked_for(board: Board) -> None:
    text = printed(board)
    for only_wide in ("78,336", "how the responses look", "In language", "without", "strict"):
        assert only_wide not in text
    assert "Both readings, all pairs, samples, responses: --wide." in " ".join(text.split())
    assert "--wide" not in printed(board, width=100, wide=True)


def test_two_suites_share_table_1_and_what_is_said_of_both(make: Make, average: tuple[str, ...]) -> None:
    records = [make(name, dict.fromkeys(average, 0.5), suites=("mgsm", "msvamp"), seed=seed) for name, seed in NAMES]
    boards = [build_board(records, suite, average_languages=average) for suite in ("mgsm", "msvamp")]
    text = printed(*boards)
    assert widest(text) <= 80
    assert "…" not in text
    assert [line for line in text.splitlines() if re.match(r" *rank|\(mgsm\)", line)][1].split() == [
        *("(mgsm)", "model", "mgsm", "msvamp", "(mgsm)", "(mgsm)", "tuned", "time")
    ]
    assert first_line(text, "slam")[1:4] == ["slam", "50.0", "50.0"]
    assert text.count("What trainings ran on is not recorded") == 1
    assert text.count("Rank: one more than") == 1
    assert [line.strip() for line in text.splitlines() if "by language" in line] == ["mgsm, by language", "msvamp, by language"]


NAMES = (("base", 0), ("slam", 0), ("slam", 1), ("two-stage", 0), ("two-stage", 1))


def test_more_languages_than_fit_are_tables_below_each_other(make: Make) -> None:
    codes = tuple(f"{one}{other}" for one in "abcd" for other in "vwxyz")
    text = printed(build_board([make("slam", dict.fromkeys(codes, 0.5))], "mgsm", average_languages=codes))
    assert widest(text) <= 80
    assert "…" not in text
    headers = [line.split()[1:] for line in text.splitlines() if line.startswith("model")]
    assert headers == [[*codes[:10]], [*codes[10:]]]


def test_the_first_few_pairs_are_shown_and_all_of_them_where_asked_for(make: Make) -> None:
    board = build_board([make(f"method-{each}", {"en": 0.1 * each}) for each in range(1, 6)], "mgsm", average_languages=("en",))
    few, every = printed(board), printed(board, width=100, wide=True)
    told = [[line.split() for line in text.splitlines() if re.match(r"method-\d +method-\d ", line)] for text in (few, every)]
    assert [len(lines) for lines in told] == [5, 10]
    assert "and 5 more: --wide" in few
    assert told[1][:5] == told[0]


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
    board = build_board(records, "mgsm", average_languages=average)
    text, wide = printed(board), printed(board, width=100, wide=True)
    assert "…" not in text + wide
    assert "13,015,864,320" in wide
    for words in ("100.0", "gained", "100 h 00 m"):
        assert words in text
    names = [line[:15].strip() for line in text.split("by language")[1].splitlines()]
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
    assert line[3] == _format.interval(slam.gain).split()[0]
    assert line[4:] == ["+0.0", "not", "settled", "6.0", "%", "1", "m", "23", "s"]
    assert _format.compact_interval(slam.mean).split(" ", 1)[1] in text
    assert "lost" in " ".join(first_line(text, "full"))


def test_numbers_stand_right_aligned_under_each_other(board: Board) -> None:
    lines = printed(board).splitlines()
    start = next(place for place, line in enumerate(lines) if line.split()[:2] == ["model", "en"])
    rows = [line for line in lines[start + 1 :] if re.match(r"(base|slam|two-stage|full) ", line)]
    ends = [[match.end() for match in re.finditer(r"\d+\.\d", line)] for line in rows if "." in line]
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
    assert first_line(text, "(3 seeds)")[:3] == ["(3", "seeds)", "±5.2"]


def test_the_other_reading_stands_under_the_one_that_ranks(make: Make, score: Any) -> None:
    scores = {"en": score("1100", strict=("1111",)), "sw": score("1000", strict=("1100",))}
    board = build_board([make("slam", {}, scores=scores)], "mgsm", average_languages=("en", "sw"), reading="strict")
    text = printed(board)
    assert first_line(text, "slam", 1) == ["slam", "100.0", "50.0"]
    assert first_line(text, "paper")[:3] == ["paper", "50.0", "25.0"]
    words = " ".join(text.split())
    assert "the mean over en, sw, by the strict reading" in words
    assert "Paper: by the papers' reading, where that says something else." in words


def test_the_other_reading_is_not_said_where_it_says_the_same(make: Make, score: Any) -> None:
    records = [
        make("slam", {}, scores={"en": score("1100"), "sw": score("1000")}),
        make("full", {}, scores={"en": score("1100", strict=("1110",)), "sw": score("0000")}),
    ]
    text = printed(build_board(records, "mgsm", average_languages=("en", "sw")))
    lines = [line.split() for line in text.split("by language")[1].split("difference")[0].splitlines()]
    assert [line[:3] for line in lines if line[:1] in (["slam"], ["full"], ["strict"])] == [
        ["slam", "50.0", "25.0"],
        ["full", "50.0", "0.0"],
        ["strict", "75.0", "0.0"],
    ]


def test_disagreements_are_lines_of_their_own(make: Make, score: Any) -> None:
    right = "10" * 125
    scores = {"en": score(right), "sw": score(right, strict=("1" * 50 + right[50:],))}
    text = printed(build_board([make("[b]x", {}, scores=scores)], "mgsm", average_languages=("en", "sw")), width=100)
    assert "\n[b]x: strict counts 10.0 points more than paper in sw: look at its responses before citing either.\n" in text


def test_responses_are_three_lines_a_row(make: Make, score: Any) -> None:
    scores = {"en": score("1100", answered=("1110",), cut_off=None), "sw": score("1000", in_language=("1000",))}
    text = printed(build_board([make("slam", {}, scores=scores)], "mgsm", average_languages=("en", "sw")), wide=True)
    lines = [line.split() for line in text.split("how the responses look")[1].splitlines()]
    assert ["slam", "answered", "88", "75", "100"] in lines
    assert ["cut", "off", "0", "–", "0"] in lines
    assert ["in", "language", "62", "100", "25"] in lines


def test_the_most_samples_fit_a_hundred_columns(make: Make, average: tuple[str, ...]) -> None:
    accuracies = dict.fromkeys((*average, "te"), 0.5)
    records = [make(name, accuracies, samples=64, temperature=0.7, questions=8) for name in ("base", "a-method-with-a-long-name")]
    board = build_board(records, "mgsm", average_languages=average)
    assert "sampling" not in printed(board)
    text = printed(board, width=100, wide=True)
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
    assert "…" not in text
    assert "Asked: zero-shot alpaca, greedy; 8-shot native-cot, greedy." in " ".join(text.split())
    table = text.split("by language")[1].split("difference")[0].splitlines()
    folded = "".join(line[: table[1].index(" en") - 2].strip() for line in table)
    assert "two-stage (native-cot, 8-shot)".replace(" ", "") in folded.replace(" ", "")
