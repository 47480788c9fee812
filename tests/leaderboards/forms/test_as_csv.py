import csv
import io
from typing import Any

import pytest

from xreason.leaderboards.board import build_board
from xreason.leaderboards.forms.as_csv import boards_csv
from xreason.leaderboards.records import Record

Make = Any


def lines_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_line_holds_what_a_row_of_the_board_holds(comparison: list[Record], average: tuple[str, ...]) -> None:
    board = build_board(comparison, "mgsm", average_languages=average)
    base, slam, *_ = lines_of(boards_csv([board]))
    row = board.rows[1]
    assert row.gain is not None
    assert (slam["suite"], slam["rank"], slam["model"], slam["seeds"]) == ("mgsm", "1", "slam", "1")
    for heading, value in {
        "mean": row.mean.value,
        "mean low": row.mean.low,
        "mean high": row.mean.high,
        "gain": row.gain.value,
        "th": row.languages["th"].value,
        "tuned": row.tuned_share,
    }.items():
        assert value is not None
        assert float(slam[heading]) == pytest.approx(100 * value, rel=1e-9)
    assert float(slam["training time"]) == row.training_seconds
    assert (base["gain"], base["gain low"], base["tuned"], base["English is"]) == ("", "", "", "")


def test_boards_of_other_languages_share_one_table(make: Make) -> None:
    boards = [build_board([make("slam", {code: 0.5}, suites=(suite,))], suite, average_languages=(code,)) for suite, code in PLACES]
    one, other = lines_of(boards_csv(boards))
    assert (one["en"], one["sw"], other["en"], other["sw"]) == ("50", "", "", "50")


PLACES = (("mgsm", "en"), ("msvamp", "sw"))


@pytest.mark.parametrize("begins", list("=+-@＝＋－＠\t\r\n"))
def test_no_name_is_a_formula_and_numbers_stay_numbers(begins: str, make: Make) -> None:
    name = f'{begins}HYPERLINK("http://x","y"),\nz'
    records = [make("base", {"en": 0.6}), make(name, {"en": 0.4}, model="base")]
    (made,) = [line for line in lines_of(boards_csv([build_board(records, "mgsm", average_languages=("en",))])) if line["rank"]]
    assert made["model"] == f"'{name}"
    assert float(made["gain"]) == pytest.approx(-20)
