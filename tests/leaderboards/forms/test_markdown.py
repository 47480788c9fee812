import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from xreason.leaderboards.board import Board, BoardError, build_board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms import markdown
from xreason.leaderboards.forms.as_csv import boards_csv
from xreason.leaderboards.forms.as_json import boards_json
from xreason.leaderboards.forms.latex import boards_latex
from xreason.leaderboards.forms.markdown import board_markdown, insert_board, write_board
from xreason.leaderboards.records import Record, Training
from xreason.leaderboards.statistics.intervals import Difference, Interval

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


def rows_of(table: list[list[str]]) -> list[dict[str, str]]:
    return [dict(zip(table[0], line, strict=True)) for line in table[2:]]


def test_a_row_of_table_1_says_what_the_board_says(board: Board) -> None:
    base, slam, two_stage, full = rows_of(tables(board_markdown([board]))[0])
    assert list(slam) == ["rank", "model", "mgsm", "gain", "English", "tuned", "training time"]
    assert (slam["rank"], slam["model"], slam["tuned"], slam["training time"]) == ("1", "slam", "6.0 %", "1 m 23 s")
    # the highest of all; one seed: significant, and not of the method
    value, _, spread = _format.interval(board.rows[1].mean).partition(" ")
    assert slam["mgsm"] == f"**{value}** {spread}"
    assert two_stage["mgsm"] == _format.interval(board.rows[2].mean)
    assert re.fullmatch(r"\+14\.\d (±\d+\.\d|\[\+\d+\.\d, \+\d+\.\d\])", slam["gain"])
    assert slam["English"].startswith("not settled: +0.0")
    assert full["English"].startswith("lost: -18.8")
    assert (base["rank"], base["gain"], base["English"], base["tuned"]) == ("", "", "", "")


def test_languages_are_the_second_table_and_all_else_is_folded(board: Board) -> None:
    page = board_markdown([board])
    _, languages, means, *_ = tables(page)
    assert rows_of(languages)[1]["en"].startswith("**68.8** ±")
    (slam,) = [row for row in rows_of(means) if row["model"] == "slam"]
    assert slam["mean by the strict reading"] == _format.interval(board.rows[1].mean_by_other_reading)
    assert slam["mean in language"] == _format.interval(board.rows[1].mean_in_language)
    assert slam["mean without English"] == _format.interval(board.rows[1].mean_without_english)
    assert page.count("<details>") == page.count("</details>") == 2
    assert page.index("| model | en |") < page.index("<details>") < page.index("### Means, gains and cost")


def test_a_gain_of_several_seeds_that_holms_correction_leaves_has_a_dagger(make: Make) -> None:
    records = [make("base", {"en": 0.4})] + [make("slam", {"en": 0.7}, seed=seed) for seed in range(3)]
    page = board_markdown([build_board(records, "mgsm", average_languages=("en",))])
    assert rows_of(tables(page)[0])[1]["gain"].startswith("+30.0† ")


def test_table_1_has_at_most_eight_columns_whatever_the_suites(make: Make) -> None:
    suites = tuple(f"suite{number}" for number in range(7))
    records = [make(name, {"en": 0.5}, suites=suites) for name in ("base", "slam")]
    boards = [build_board(records, suite, average_languages=("en",)) for suite in suites]
    one, other = (list(rows_of(table)[1]) for table in tables(board_markdown(boards))[:2])
    assert one == ["rank (suite0)", "model", *suites[:5], "gain (suite0)"]
    assert other[2:] == [*suites[5:], "gain (suite5)", "English (suite5)", "tuned", "training time"]


def test_a_page_says_once_what_its_ranks_are_and_what_they_could_have_shown(board: Board, make: Make) -> None:
    lines = board_markdown([board]).splitlines()
    (legend,) = [line for line in lines if line.startswith("Accuracy in percent with")]
    assert "the mean over en, sw, zh, bn, de, es, fr, ja, ru, th, by the papers' reading; best in bold." in legend
    assert "Rank: one more than the rows that are significantly better by this mean." in legend
    (said,) = [line for line in lines if line.startswith("Rows of one seed")]
    assert "Rows of one seed are of that training, not of its method: ranks are of these trainings." in said
    assert "Holm's correction over all pairs of rows (3): differences from 2.8 points would have shown in 4 of 5 cases." in said
    several = [make("slam", {"en": 0.5}, seed=seed).model_copy(update={"families": {"mgsm": (0,) * 200}}) for seed in (0, 1)]
    page = board_markdown([build_board(several, "mgsm", average_languages=("en",))])
    assert "that training" not in page
    assert "Its questions vary 51 problems, which count as so many." in page
    assert "Holm's correction over" not in page


def test_every_stage_is_listed_with_what_it_took(board: Board) -> None:
    table = tables(board_markdown([board]))[-1]
    listed = [dict(zip(table[0], line, strict=True)) for line in table[2:]]
    assert [(line["model"], line["stage"]) for line in listed] == [
        ("slam", "align"),
        ("two-stage", "question alignment"),
        ("two-stage", "reasoning"),
        ("full", "multilingual"),
    ]
    assert listed[0] == {
        "model": "slam",
        "seed": "0",
        "stage": "align",
        "corpus": "question and answer translation into English",
        "rows": "7,200",
        "languages": "sw, th",
        "rows cut off": "–",
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
        "data: juletxara/mgsm, all questions, version 1.0",
        "prompt: zero-shot alpaca (4b1de0c2)",
        "decoding: greedy, at most 600 new tokens",
        "ranked by: the papers' reading",
        "language identifier: lingua 2.1.1",
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
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == ["mgsm", "msvamp"]
    assert page.count("<summary>What each stage trained on</summary>") == 1
    first, *_, stages = tables(page)
    assert first[0][:4] == ["rank (mgsm)", "model", "mgsm", "msvamp"]
    assert len(first) == 4
    assert len(tables(page)) == 10
    assert len(stages) == 3
    assert "data: Mathoctopus/MSVAMP" in page


def test_two_equal_stages_of_one_training_are_both_listed(make: Make, comparison: list[Record]) -> None:
    training = next(record.training for record in comparison if record.method == "slam")
    assert training is not None
    record = make("slam", {"en": 0.5}, stages=training.stages * 2)
    page = board_markdown([build_board([record], "mgsm", average_languages=("en",))])
    assert len(tables(page)[-1]) == 4


def test_a_cut_comparison_says_how_many_questions_it_asked(make: Make) -> None:
    board = build_board([make("slam", {"en": 0.5}, questions=8, limit=8)], "mgsm", average_languages=("en",))
    assert "first 8 questions" in board_markdown([board])


def test_text_from_records_can_bring_no_markup(make: Make, score: Any) -> None:
    name = "a|b <script>alert(1)</script> **bold** `code` [x](javascript:y)\n| forged | row |\x1b[31m"
    record = make(name, {"en": 0.5}, machine=name, commit="# heading\n# heading", model="<img src=x>", identifier=name, prompt=name)
    scores = {"mgsm": {"en": score("1" * 250, strict=("0" * 250,))}}
    board = build_board([record.model_copy(update={"scores": scores})], "mgsm", average_languages=("en",))
    assert board.notes
    page = board_markdown([board])
    assert "<" not in re.sub(r"</?(details|summary)>", "", page)
    assert "\x1b" not in page
    assert not re.search(r"(?<!\\)`", page)
    assert len(re.findall(r"^# ", page, re.MULTILINE)) == 1
    for table, lines in zip(tables(page), (1, 1, 1, 1, 3, 1), strict=True):
        assert len(table) == 2 + lines
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
    page, data, table, paper = write_board([board], tmp_path / "new" / "folder")
    assert page.read_text(encoding="utf-8") == board_markdown([board])
    assert json.loads(data.read_text(encoding="utf-8")) == boards_json([board])
    assert table.read_text(encoding="utf-8") == boards_csv([board])
    assert paper.read_text(encoding="utf-8") == boards_latex([board])
    assert sorted(path.suffix for path in page.parent.iterdir()) == [".csv", ".json", ".md", ".tex"]


def test_a_diverged_loss_still_makes_valid_json(tmp_path: Path, make: Make, comparison: list[Record]) -> None:
    training = comparison[0].training
    assert training is not None
    diverged = Training(stages=(training.stages[0].model_copy(update={"losses": ((1, math.nan),)}),))
    record = make("slam", {"en": 0.5}, stages=diverged.stages)
    _, data, *_ = write_board([build_board([record], "mgsm", average_languages=("en",))], tmp_path)
    assert json.loads(data.read_text())["boards"][0]["rows"][0]["trainings"][0]["stages"][0]["losses"] == [[1, "NaN"]]


SPREAD: Any = {"se": 0.01, "se_questions": 0.01, "se_seeds": None, "df": 249}


@pytest.mark.parametrize(
    ("estimate", "written"),
    [
        (Interval(value=0.760, low=0.739, high=0.781, **SPREAD), "76.0 ±2.1"),
        (Interval(value=0.760, low=0.739, high=0.780, **SPREAD), "76.0 [73.9, 78.0]"),
        (Interval(value=0.0, low=0.0, high=0.0147, **SPREAD), "0.0 [0.0, 1.5]"),
        (Difference(value=0.123, low=0.091, high=0.155, p=0.5, **SPREAD), "+12.3 ±3.2"),
        (Difference(value=-0.02, low=-0.05, high=0.02, p=0.5, **SPREAD), "-2.0 [-5.0, +2.0]"),
        (Difference(value=-0.0001, low=-0.01, high=0.01, p=0.5, **SPREAD), "+0.0 ±1.0"),
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


def section(page: str, heading: str) -> list[dict[str, str]]:
    """The rows of the table below a heading."""
    (first, *_) = tables(page.split(f"### {heading}\n\n", 1)[1])
    return [dict(zip(first[0], line, strict=True)) for line in first[2:]]


def test_the_other_reading_stands_beside_the_one_that_ranks(make: Make, score: Any) -> None:
    scores = {"en": score("1100", strict=("1111",)), "sw": score("1000", strict=("1100",))}
    board = build_board([make("slam", {}, scores=scores)], "mgsm", average_languages=("en", "sw"), reading="strict")
    page = board_markdown([board])
    one, languages, means, *_ = (rows_of(table)[0] for table in tables(page))
    assert one["mgsm"].startswith("75.0 ")
    assert languages["en"].startswith("100.0 ±")
    assert means["mean by the papers' reading"].startswith("37.5 ")
    (other,) = section(page, "By the papers' reading")
    assert other["en"].startswith("50.0 ±")
    assert "ranked by: the strict reading" in page


def test_a_disagreement_of_the_readings_is_a_line_under_the_table(make: Make, score: Any) -> None:
    right = "10" * 125
    more, less = ("1" * 50 + right[50:],), (right[:100] + "0" * 150,)
    scores = {"en": score(right, strict=more), "sw": score(right, strict=less)}
    page = board_markdown([build_board([make("my_slam", {}, scores=scores)], "mgsm", average_languages=("en", "sw"))])
    lines = [line for line in page.splitlines() if line.startswith("- ")]
    assert lines == [
        r"- my\_slam: strict counts 10.0 points less than paper in the mean, 10.0 more in en, 30.0 less in sw: look at its "
        "responses before citing either."
    ]


def test_samples_are_told_in_a_table_of_their_own(make: Make) -> None:
    records = [make(name, {"en": 0.5, "sw": 0.2}, samples=8, temperature=0.7, questions=40) for name in ("base", "slam")]
    board = build_board(records, "mgsm", average_languages=("en", "sw"))
    page = board_markdown([board])
    base, slam = section(page, "Sampling: n = 8, temperature 0.7")
    # GitHub would take them for addresses
    assert list(slam) == ["model", "`pass@1`", "`pass@2`", "`pass@4`", "`pass@8`", "majority"]
    sampling = board.rows[1].sampling
    assert sampling is not None
    assert slam["`pass@4`"] == _format.interval(sampling.pass_at[4])
    assert slam["majority"] == _format.interval(sampling.majority)
    assert base["model"] == "base"
    assert "decoding: 8 samples at temperature 0.7, at most 600 new tokens" in page


def test_greedy_boards_have_no_table_of_samples(board: Board) -> None:
    assert "Sampling" not in board_markdown([board])


def test_how_responses_look_is_three_lines_a_row(make: Make, score: Any) -> None:
    bits = "1" * 999
    scores = {"en": score(bits + "1", answered=(bits + "0",), cut_off=None, in_language=("1" + "0" * 999,))}
    page = board_markdown([build_board([make("slam", {}, scores=scores)], "mgsm", average_languages=("en",))])
    table = tables(page)[4]
    assert [dict(zip(table[0], line, strict=True)) for line in table[2:]] == [
        {"model": "slam", "responses": label, "mean": share, "en": share}
        for label, share in (("answered", "&gt;99"), ("cut off", "–"), ("in language", "&lt;1"))
    ]
    assert "of those that lingua 2.1.1 could identify" in page


def test_without_an_identifier_the_page_says_that_nobody_told_languages(make: Make) -> None:
    page = board_markdown([build_board([make("slam", {"en": 0.5}, identifier="")], "mgsm", average_languages=("en",))])
    assert "language identifier: none" in page
    assert "in language: not told, as nothing identified it" in page


def test_a_page_across_styles_names_them_all(make: Make) -> None:
    records = [make("slam", {"en": 0.5}), make("slam", {"en": 0.5}, prompt="octopus", shots=8, samples=2, temperature=0.7)]
    page = board_markdown([build_board(records, "mgsm", average_languages=("en",), across_styles=True)])
    assert {line[1] for line in tables(page)[0][2:]} == {
        "slam (alpaca, zero-shot, greedy)",
        "slam (octopus, 8-shot, 2 samples at temperature 0.7)",
    }
    assert "prompt: zero-shot alpaca (4b1de0c2), 8-shot octopus (4b1de0c2);" in page
    assert "decoding: greedy, 2 samples at temperature 0.7, at most" in page
    assert [row["model"] for row in section(page, "Sampling: n = 2, temperature 0.7")] == [
        "slam (octopus, 8-shot, 2 samples at temperature 0.7)"
    ]
    assert len(tables(page)[-1]) == 3


@pytest.mark.parametrize(
    ("fraction", "written"),
    [(None, "–"), (0.0, "0"), (0.004, "<1"), (0.006, "1"), (0.5, "50"), (0.994, "99"), (0.996, ">99"), (1.0, "100")],
)
def test_only_none_and_all_are_written_as_0_and_100(fraction: float | None, written: str) -> None:
    assert _format.whole_percent(fraction) == written


def test_the_last_letter_of_an_alignment_holds_for_the_columns_that_follow() -> None:
    assert markdown.table(["a", "b", "c"], "lr", [["1", "2", "3"]]).splitlines() == [
        "| a | b | c |",
        "| --- | ---: | ---: |",
        "| 1 | 2 | 3 |",
    ]
    assert markdown.table(["a", "b"], "l", []).splitlines()[1] == "| --- | --- |"
