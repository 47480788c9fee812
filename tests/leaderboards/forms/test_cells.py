import csv
import io
import math
from typing import Any

from tests.leaderboards.conftest import RecordMaker, stage
from xreason.leaderboards.board import Board, build_board
from xreason.leaderboards.forms.as_csv import boards_csv
from xreason.leaderboards.forms.cells import means_table
from xreason.leaderboards.forms.markdown import board_markdown
from xreason.leaderboards.forms.published import published_table
from xreason.leaderboards.forms.training.stages import stage_cells, stage_table
from xreason.leaderboards.published.reported import published_rows


def test_a_stage_is_told_once_for_all_tables() -> None:
    assert stage_cells(stage()) == {
        "stage": "align",
        "corpus": "question and answer translation into English",
        "rows": "7,200",
        "languages": "sw, th",
        "rows cut off": "–",
        "tuned": "up_proj, down_proj of layers 0-1 (78,336)",
        "share tuned": "6.0 %",
        "epochs / steps": "4 / 900",
        "sequences a step": "32",
        "learning rate": "2e-5",
        "tokens": "1,500,000",
        "tokens/s": "18,072",
        "time": "1 m 23 s",
        "peak memory": "1.2 GiB",
        "loss": "3.200 to 0.400",
    }


def test_rows_that_were_cut_off_are_told_by_language_and_none_of_them_is_0() -> None:
    told = [stage().model_copy(update={"truncated": cut}) for cut in ({"th": 3, "bn": 1_200, "sw": 0}, {})]
    assert [stage_cells(each)["rows cut off"] for each in told] == ["bn 1,200, th 3", "0"]


def test_a_loss_that_diverged_is_said_and_none_where_none_was_logged() -> None:
    assert stage_cells(stage().model_copy(update={"losses": ((1, 3.2), (2, math.nan))}))["loss"] == "3.200 to nan"
    assert stage_cells(stage().model_copy(update={"losses": ()}))["loss"] == ""


def counted(record: Any, **tokens: int) -> Any:
    """The record, its responses to English having taken these tokens and those to others twice as many."""
    scores = {
        suite: {
            code: score.model_copy(update={name: (1 if code == "en" else 2) * count for name, count in tokens.items()})
            for code, score in told.items()
        }
        for suite, told in record.scores.items()
    }
    return record.model_copy(update={"scores": scores})


def board_of(make: RecordMaker, *tokens: dict[str, int]) -> Board:
    codes = {"en": 0.5, "sw": 0.2}
    slams = [counted(make("slam", codes, seed=seed, questions=50), **each) for seed, each in enumerate(tokens)]
    return build_board([make("base", codes, questions=50), *slams], "mgsm", average_languages=("en", "sw"))


def test_response_tokens_are_a_mean_over_languages_and_seeds_and_thinking_stands_apart(make: RecordMaker) -> None:
    board = board_of(make, {"tokens": 5_000, "thinking_tokens": 1_000}, {"tokens": 5_400, "thinking_tokens": 1_000})
    base, slam = board.rows
    assert (base.mean_tokens, base.mean_thinking_tokens) == (None, None)
    # of 50 responses: 100 tokens in English and 200 in Swahili, then 108 and 216
    assert (slam.mean_tokens, slam.mean_thinking_tokens) == (156.0, 30.0)
    table = means_table(board)
    (cell,) = [row[table.headings.index("response tokens")] for row in table.rows if row[0].value == "slam"]
    assert (cell.text, cell.value) == ("156", 156.0)
    untold, told = csv.DictReader(io.StringIO(boards_csv([board]), newline=""))
    assert (told["response tokens"], told["thinking tokens"]) == ("156", "30")
    assert (untold["response tokens"], untold["thinking tokens"]) == ("", "")
    folded = board_markdown([board]).partition("<details>")[2]
    assert "| response tokens | thinking tokens |" in folded and "| 156 | 30 |" in folded


def test_tokens_that_one_seed_does_not_tell_are_not_told_and_an_empty_column_is_left_out(make: RecordMaker) -> None:
    board = board_of(make, {"tokens": 5_000}, {})
    assert board.rows[1].mean_tokens is None
    headings = means_table(board).headings
    assert headings[:3] == ("model", "rank", "mean") and "response tokens" not in headings
    assert "response tokens" in boards_csv([board]).splitlines()[0]


def test_a_training_on_several_boards_is_one_line_a_stage_sorted_by_number(make: RecordMaker) -> None:
    records = [make(name, {"en": 0.5}, suites=("mgsm", "msvamp")) for name in ("base", "slam")]
    boards = [build_board(records, suite, average_languages=("en",)) for suite in ("mgsm", "msvamp")]
    table = stage_table(boards)
    assert table is not None and len(table.rows) == 1
    told = dict(zip(table.headings, table.rows[0], strict=True))
    assert [told[each].value for each in ("model", "rows", "time", "tokens/s")] == ["slam", 7200.0, 83.0, 18_072.3]
    assert (told["corpus"].value, told["loss"].text) == ("question and answer translation into English", "3.200 to 0.400")
    assert stage_table([build_board(records[:1], "mgsm", average_languages=("en",))]) is None


def test_what_others_report_stands_with_its_mean_before_its_languages(make: RecordMaker) -> None:
    board = build_board([make("base", {"en": 0.5, "sw": 0.1})], "mgsm", average_languages=("en", "sw"))
    assert published_table(board) is None
    table = published_table(board.model_copy(update={"published": published_rows("mgsm")}))
    assert table is not None
    assert table.headings == ("model", "nearest to", "size", "mean of 10", "en", "sw", "source")
    (qalign,) = [row for row in table.rows if row[0].value == "Wenhao97/QAlign-MetaMathQA-7B"]
    assert [cell.value for cell in qalign[:6]] == ["Wenhao97/QAlign-MetaMathQA-7B", "two-stage", "7B", 49.6, None, None]
    number, where = qalign[6].text.split(maxsplit=1)
    assert where == "README.md@a65ee638 L35"
    assert f"{number} Zhu et al., arXiv 2401.07817, README of NJUNLP/QAlign." in table.legend
