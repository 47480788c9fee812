"""Means over groups of languages and levels of questions, beside the mean that ranks; in every form, and only where asked for."""

import csv
import io
import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from tests.leaderboards.conftest import measure
from tests.places import ROOT
from xreason.leaderboards.board import Board, build_board
from xreason.leaderboards.forms.as_csv import boards_csv
from xreason.leaderboards.forms.as_json import boards_json
from xreason.leaderboards.forms.cells import subset_pairs_table, subset_table
from xreason.leaderboards.forms.latex import boards_latex
from xreason.leaderboards.forms.markdown import board_markdown
from xreason.leaderboards.forms.page.page import board_page
from xreason.leaderboards.forms.terminal import board_tables
from xreason.leaderboards.measured.board import measured_board
from xreason.leaderboards.records import Record
from xreason.leaderboards.statistics.answers import Counts, only
from xreason.leaderboards.statistics.families import holm
from xreason.leaderboards.statistics.intervals import Interval
from xreason.tasks.cldr.groups import chosen_groups
from xreason.tasks.errors import UserError

Make = Any
GROUPS = {"low resource": ("sw", "te"), "latin script": ("de", "en", "es", "fr", "sw")}


@pytest.fixture
def board(comparison: list[Record], average: tuple[str, ...]) -> Board:
    return build_board(comparison, "mgsm", average_languages=average, groups=GROUPS)


def numbers(estimate: Interval) -> tuple[float, ...]:
    return (estimate.value, estimate.low, estimate.high, estimate.se, estimate.df, getattr(estimate, "p", 0.0))


def test_a_group_has_the_mean_gains_and_pairs_of_a_board_over_its_languages_alone(comparison: list[Record], board: Board) -> None:
    for subset in board.subsets:
        codes = GROUPS[subset.name]
        assert (subset.kind, set(subset.languages), subset.questions) == ("group", set(codes), 250 * len(codes))
        alone = build_board(comparison, "mgsm", average_languages=codes)
        by_name = {row.name: row for row in alone.rows}
        for row in board.rows:
            assert numbers(row.subsets[subset.name]) == pytest.approx(numbers(by_name[row.name].mean))
            assert row.subsets[subset.name].value == pytest.approx(sum(row.languages[code].value for code in codes) / len(codes))
            expected = by_name[row.name].gain
            assert (expected is None) == (subset.name not in row.subset_gains)
            if expected:
                assert numbers(row.subset_gains[subset.name]) == pytest.approx(numbers(expected))
        told = {frozenset((each.first, each.second)): each.difference for each in alone.pairs}
        for pair in subset.pairs:
            assert pair.difference.p == pytest.approx(told[frozenset((pair.first, pair.second))].p)
    # whoever looks over all of them for what stands out makes all of these claims
    pairs = [pair.difference for subset in board.subsets for pair in subset.pairs]
    assert [each.p_adjusted for each in pairs] == holm([each.p for each in pairs])
    gains = [row.subset_gains[subset.name] for subset in board.subsets for row in board.rows if row.subset_gains]
    assert sorted(each.p_adjusted or 0 for each in gains) == sorted(holm([each.p for each in gains]))
    # nothing else on the board is another for them
    plain = build_board(comparison, "mgsm", average_languages=board.average_languages)
    bare = [row.model_copy(update={"subsets": {}, "subset_gains": {}}) for row in board.rows]
    assert board.model_copy(update={"subsets": (), "rows": tuple(bare)}) == plain


def test_a_language_that_not_all_were_scored_in_counts_in_no_group(make: Make) -> None:
    records = [make("a", {"en": 0.5, "sw": 0.4, "te": 0.9}), make("b", {"en": 0.6, "sw": 0.2})]
    groups = {"low resource": ("sw", "te"), "telugu script": ("te",)}
    board = build_board(records, "mgsm", average_languages=("en", "sw"), groups=groups)
    assert [(each.name, each.languages) for each in board.subsets] == [("low resource", ("sw",))]
    assert {row.name: row.subsets["low resource"].value for row in board.rows} == {"a": 0.4, "b": 0.2}
    assert "No mean, rank or difference counts te: b lacks it." in board.cautions


def test_a_level_has_the_plain_mean_of_its_questions_where_the_mean_weighs_them(make: Make, score: Any) -> None:
    weights = (1, 8) * 4
    right = {"base": {"en": "10101010", "sw": "00001111"}, "slam": {"en": "11111010", "sw": "10101111"}}
    records = [
        make(name, {}, scores={code: score(bits) for code, bits in of.items()}).model_copy(update={"weights": {"mgsm": weights}})
        for name, of in right.items()
    ]
    levels = {"low": 1, "top": 8, "none": 4}
    board = build_board(records, "mgsm", average_languages=("en", "sw"), levels=levels)
    assert [(each.name, each.kind, each.questions) for each in board.subsets] == [
        ("level low", "level", 8),
        ("level top", "level", 8),
    ]
    found = {row.name: {name: mean.value for name, mean in row.subsets.items()} for row in board.rows}
    assert found == {"base": {"level low": 6 / 8, "level top": 2 / 8}, "slam": {"level low": 8 / 8, "level top": 4 / 8}}
    for row in board.rows:
        low, top = row.subsets["level low"].value, row.subsets["level top"].value
        assert row.mean.value == pytest.approx((low + 8 * top) / 9)
    assert board.rows[1].subset_gains["level top"].value == 2 / 8
    # a limit that leaves none of a level leaves no column of it
    first = [each.model_copy(update={"scores": {"mgsm": {"en": score("1")}}}) for each in records]
    (only_low,) = build_board(first, "mgsm", average_languages=("en",), levels=levels).subsets
    assert (only_low.name, only_low.questions) == ("level low", 1)


def test_the_questions_of_a_level_are_taken_out_of_every_kind_of_outcome() -> None:
    assert only("0110", [1, 3, 9]) == "10"
    assert only(Counts([0, 3, 2], 4), [1, 2]) == Counts([3, 2], 4)
    assert only((0.5, 0.25), [1]) == (0.25,)
    assert only("01", None) == "01"


def printed(board: Board, wide: bool) -> str:
    console = Console(file=io.StringIO(), width=100 if wide else 80, color_system=None)
    console.print(board_tables([board], wide=wide))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_form_has_the_columns_of_groups_where_they_were_asked_for(
    board: Board, comparison: list[Record], average: tuple[str, ...]
) -> None:
    table, low = subset_table(board), f"{100 * board.rows[1].subsets['low resource'].value:.1f}"
    assert table is not None
    assert table.headings == ("model", "low resource", "latin script", "gain low resource", "gain latin script")
    assert (table.rows[1][1].text, table.rows[1][1].best, table.rows[0][3].text) == (low, True, "")
    assert "low resource: mean over sw, te; latin script: mean over en, sw, de, es, fr." in table.legend
    for wide in (False, True):
        text = printed(board, wide)
        assert "mgsm, by group" in text
        assert "low resource: mean over sw, te; latin script" in " ".join(text.split())
        assert max(map(len, map(str.rstrip, text.splitlines()))) <= (100 if wide else 80)
    written = board_markdown([board])
    assert "| model | low resource | latin script | gain low resource | gain latin script |" in written
    assert f"| slam | **{low}** ±" in written
    tex = boards_latex([board])
    assert "\\caption{mgsm, by group. Accuracy in percent" in tex
    assert tex.count("\\begin{tabular}{@{}") == tex.count("\\bottomrule") == 3
    rows = list(csv.DictReader(io.StringIO(boards_csv([board]))))
    assert float(rows[1]["low resource"]) == pytest.approx(100 * board.rows[1].subsets["low resource"].value)
    assert float(rows[1]["gain latin script low"]) == pytest.approx(100 * board.rows[1].subset_gains["latin script"].low)
    assert (rows[0]["gain low resource"], list(rows[0])[-1]) == ("", "te high")
    page = board_page([board])
    assert "<caption><span>mgsm, by group</span></caption>" in page
    assert "<caption><span>mgsm: differences by subset</span></caption>" in page
    content = boards_json([board])
    schema = json.loads((ROOT / "docs" / "leaderboard.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(content)
    assert content["boards"][0]["rows"][1]["subsets"]["low resource"]["value"] == board.rows[1].subsets["low resource"].value
    # and none of it where they were not
    plain = build_board(comparison, "mgsm", average_languages=average)
    assert (subset_table(plain), subset_pairs_table(plain, every=True)) == (None, None)
    texts = [printed(plain, True), board_markdown([plain]), boards_latex([plain]), boards_csv([plain]), board_page([plain])]
    assert not re.search("subset|resource|by group", "".join([*texts, json.dumps(boards_json([plain]))]))


def test_rows_without_a_common_base_are_held_against_each_other_by_group_too(make: Make) -> None:
    records = [make("a", {"en": 0.5, "sw": 0.4}), make("b", {"en": 0.6, "sw": 0.1})]
    board = build_board(records, "mgsm", average_languages=("en", "sw"), groups={"low resource": ("sw",)})
    table = subset_pairs_table(board)
    assert table is not None
    assert [cell.text for cell in table.rows[0]][:4] == ["a", "b", "low resource", "+30.0"]
    assert "### Differences by subset" in board_markdown([board])
    assert "differences by subset" in printed(board, wide=True)
    assert "gain low" not in board_markdown([board])


def test_groups_are_named_by_any_of_them_or_by_what_they_group_by() -> None:
    codes = ["en", "sw", "te", "th", "ja", "ko"]
    assert chosen_groups(["low", "Latin"], codes) == {"low resource": ("sw", "te"), "latin script": ("en", "sw")}
    assert list(chosen_groups(["resource"], codes)) == ["high resource", "mid resource", "low resource"]
    assert chosen_groups(["script"], ["en", "sw", "th"]) == {"latin script": ("en", "sw"), "thai script": ("th",)}
    assert chosen_groups(["korean"], codes) == {"korean script": ("ko",)}
    assert chosen_groups([], codes) == {}
    with pytest.raises(UserError, match="no group of languages 'lowest'; did you mean 'low'"):
        chosen_groups(["lowest"], codes)
    with pytest.raises(UserError, match="No language of the group cyrillic was scored") as raised:
        chosen_groups(["cyrillic"], codes)
    assert len(str(raised.value)) <= 400


def test_a_measure_of_lm_evals_own_has_the_mean_of_a_group_with_its_standard_error(make: Make) -> None:
    told = {"lm-eval:t": {"en": measure(50.0), "sw": measure(20.0), "te": measure(40.0)}}
    record = make("a", {"en": 0.5}).model_copy(update={"scores": {}, "measures": told})
    (row,) = (board := measured_board([record], "lm-eval:t", groups={"low resource": ("sw", "te")})).rows
    assert 100 * row.subsets["low resource"].value == pytest.approx(30.0)
    assert 100 * row.subsets["low resource"].se == pytest.approx(2**0.5 / 2)
    assert [(each.name, each.pairs) for each in board.subsets] == [("low resource", ())]
    assert "low resource" in board_markdown([board])
