import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from leaderboards import _format
from leaderboards.board import Board, BoardError, build_board
from leaderboards.markdown import board_markdown, insert_board, write_board
from leaderboards.records import Record, Training
from leaderboards.statistics import Difference, Interval

Make = Any


@pytest.fixture
def board(comparison: list[Record], average: tuple[str, ...]) -> Board:
    return build_board(comparison, "mgsm", average_languages=average)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def tables(page: str) -> list[list[list[str]]]:
    return [[cells(line) for line in block.splitlines()] for block in page.split("\n\n") if block.startswith("|")]


def test_every_line_of_a_table_has_as_many_cells_as_its_heading(board: Board) -> None:
    for table in tables(board_markdown([board])):
        assert {len(line) for line in table} == {len(table[0])}


def test_a_row_says_what_the_board_says(board: Board) -> None:
    heading, _, base, slam, _, full = tables(board_markdown([board]))[0]
    row = dict(zip(heading, slam, strict=True))
    assert row["rank"] == "1"
    assert row["model"] == "slam"
    assert row["en"].startswith("68.8 ±")
    assert re.fullmatch(r"\*\*\+1[56]\.\d (±\d+\.\d|\[\+\d+\.\d, \+\d+\.\d\])\*\*", row["gain over base"])
    assert row["English against base"].startswith("kept: +0.0")
    assert row["tuned"] == "6.0 % (78,336)"
    assert row["training time"] == "1 m 23 s"
    assert row["mean of 10"] == _format.interval(board.rows[1].mean)
    assert row["mean without English"] == _format.interval(board.rows[1].others)
    assert dict(zip(heading, base, strict=True))["gain over base"] == ""
    assert dict(zip(heading, full, strict=True))["English against base"].startswith("**lost: -18.8")


def test_every_stage_is_listed_with_what_it_took(board: Board) -> None:
    table = tables(board_markdown([board]))[1]
    listed = [dict(zip(table[0], line, strict=True)) for line in table[2:]]
    assert [(line["method"], line["stage"]) for line in listed] == [
        ("slam", "align"),
        ("two-stage", "question alignment"),
        ("two-stage", "reasoning"),
        ("full", "multilingual"),
    ]
    assert listed[0] == {
        "method": "slam",
        "seed": "0",
        "stage": "align",
        "corpus": "question and answer translation into English",
        "rows": "7,200",
        "languages": "sw, th",
        "tuned": r"up\_proj, down\_proj of layers 0-1 (78,336)",
        "epochs / steps": "4 / 900",
        "learning rate": "2e-5",
        "tokens/s": "18,072",
        "time": "1 m 23 s",
        "peak memory": "1.2 GiB",
    }


def test_the_line_under_a_table_names_all_that_is_needed_to_ask_again(board: Board) -> None:
    page = board_markdown([board])
    (line,) = [line for line in page.splitlines() if line.startswith("Model: ")]
    for fact in (
        "pocket-llama (9f3c1a7be210)",
        "data: juletxara/mgsm, all questions",
        "prompt: alpaca (4b1de0c2)",
        "greedy, at most 600 new tokens",
        "commit: 0123abc",
        "machine: Xeon, 2 cores",
        "date: 2025-11-20T20:00:00+00:00",
        "versions: torch 2.13.0, vllm 0.32.0",
    ):
        assert fact in line


def test_two_suites_are_two_tables_and_their_trainings_are_listed_once(make: Make) -> None:
    records = [make(name, {"en": 0.5, "sw": 0.2}, suites=("mgsm", "msvamp")) for name in ("base", "slam")]
    boards = [build_board(records, suite, average_languages=("en", "sw")) for suite in ("mgsm", "msvamp")]
    page = board_markdown(boards)
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == ["mgsm", "msvamp", "What each stage trained on"]
    first, second, stages = tables(page)
    assert len(first) == len(second) == 4
    assert len(stages) == 3
    assert "data: Mathoctopus/MSVAMP" in page


def test_two_equal_stages_of_one_training_are_both_listed(make: Make, comparison: list[Record]) -> None:
    training = next(record.training for record in comparison if record.method == "slam")
    assert training is not None
    record = make("slam", {"en": 0.5}, stages=training.stages * 2)
    page = board_markdown([build_board([record], "mgsm", average_languages=("en",))])
    assert len(tables(page)[1]) == 4


def test_a_cut_comparison_says_how_many_questions_it_asked(make: Make) -> None:
    board = build_board([make("slam", {"en": 0.5}, questions=8, limit=8)], "mgsm", average_languages=("en",))
    assert "first 8 questions" in board_markdown([board])


def test_text_from_records_can_bring_no_markup(make: Make) -> None:
    name = "a|b <script>alert(1)</script> **bold** `code` [x](javascript:y)\n| forged | row |\x1b[31m"
    record = make(name, {"en": 0.5}, machine=name, commit="# heading\n# heading", model="<img src=x>")
    page = board_markdown([build_board([record], "mgsm", average_languages=("en",))])
    assert "<" not in page
    assert "\x1b" not in page
    assert not re.search(r"(?<!\\)`", page)
    assert len(re.findall(r"^# ", page, re.MULTILINE)) == 1
    for table in tables(page):
        assert len(table) == 3
        assert {len(line) for line in table} == {len(table[0])}
    shown = r"a\|b &lt;script&gt;alert(1)&lt;/script&gt; \*\*bold\*\* \`code\` \[x\](javascript:y) \| forged \| row \| \[31m"
    assert tables(page)[0][2][1] == shown


def test_the_same_records_give_the_same_bytes(tmp_path: Path, comparison: list[Record], average: tuple[str, ...]) -> None:
    written = []
    for name, records in (("first", comparison), ("second", comparison[::-1])):
        boards = [build_board(records, "mgsm", average_languages=average)]
        written.append([path.read_bytes() for path in write_board(boards, tmp_path / name)])
    assert written[0] == written[1]


def test_the_files_hold_the_page_and_the_whole_board(tmp_path: Path, board: Board) -> None:
    page, data = write_board([board], tmp_path / "new" / "folder")
    assert page.read_text(encoding="utf-8") == board_markdown([board])
    assert json.loads(data.read_text(encoding="utf-8")) == {"format": 1, "boards": [board.as_dict()]}
    assert sorted(path.name for path in page.parent.iterdir()) == ["leaderboard.json", "leaderboard.md"]


def test_a_diverged_loss_still_makes_valid_json(tmp_path: Path, make: Make, comparison: list[Record]) -> None:
    training = comparison[0].training
    assert training is not None
    diverged = Training(stages=(training.stages[0].model_copy(update={"losses": ((1, math.nan),)}),))
    record = make("slam", {"en": 0.5}, stages=diverged.stages)
    _, data = write_board([build_board([record], "mgsm", average_languages=("en",))], tmp_path)
    assert json.loads(data.read_text())["boards"][0]["rows"][0]["trainings"][0]["stages"][0]["losses"] == [[1, "NaN"]]


@pytest.mark.parametrize(
    ("estimate", "written"),
    [
        (Interval(0.760, 0.739, 0.781), "76.0 ±2.1"),
        (Interval(0.760, 0.739, 0.780), "76.0 [73.9, 78.0]"),
        (Interval(0.0, 0.0, 0.0147), "0.0 [0.0, 1.5]"),
        (Difference(0.123, 0.091, 0.155), "+12.3 ±3.2"),
        (Difference(-0.02, -0.05, 0.02), "-2.0 [-5.0, +2.0]"),
        (Difference(-0.0001, -0.01, 0.01), "+0.0 ±1.0"),
        (None, "–"),
    ],
)
def test_intervals_are_written_for_people(estimate: Interval | None, written: str) -> None:
    assert _format.interval(estimate) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.04, "0.0 s"),
        (4.24, "4.2 s"),
        (9.97, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 m 0 s"),
        (83, "1 m 23 s"),
        (3599.7, "1 h 00 m"),
        (7500, "2 h 05 m"),
        (7199, "2 h 00 m"),
    ],
)
def test_times_are_written_for_people(seconds: float, written: str) -> None:
    assert _format.duration(seconds) == written


def test_rates_and_sizes_are_written_for_people() -> None:
    assert [_format.learning_rate(rate) for rate in (2e-5, 1e-3, 1.5e-10)] == ["2e-5", "0.001", "1.5e-10"]
    assert [_format.size(number) for number in (512, 2**20 * 3 // 2, 14_173_392_077)] == ["512 B", "1.5 MiB", "13.2 GiB"]


def test_a_board_is_put_between_the_marks_of_a_page_and_nowhere_else(tmp_path: Path, board: Board) -> None:
    page = tmp_path / "README.md"
    page.write_text("# Mine\n<!-- board -->\nstale words\n<!-- /board -->\nend\n")
    insert_board([board], page)
    first = page.read_text()
    assert first.startswith("# Mine\n<!-- board -->\n\n## Leaderboard")
    assert first.endswith("<!-- /board -->\nend\n")
    assert "stale words" not in first
    insert_board([board], page)
    assert page.read_text() == first
    (tmp_path / "plain.md").write_text("nothing")
    with pytest.raises(BoardError, match="does not say where the board goes"):
        insert_board([board], tmp_path / "plain.md")
