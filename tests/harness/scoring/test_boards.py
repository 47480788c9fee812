"""From records to boards: which languages they are over, and what failed. No engine."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.leaderboards.conftest import make_record
from xreason.harness.cli.app import app
from xreason.harness.scoring.records import boards_of, write_boards
from xreason.harness.scoring.rescore import rescore
from xreason.leaderboards.board import BoardError
from xreason.leaderboards.records import Record, read_record, write_record
from xreason.tasks.suites import SUITES

WIDE = {"en": 0.6, "sw": 0.2, "th": 0.1, "te": 0.4}


def records() -> list[Record]:
    return [make_record("base", {"en": 0.6, "sw": 0.1}), make_record("slam", WIDE)]


def test_a_board_is_over_the_languages_that_all_have() -> None:
    (board,) = boards_of(records())
    assert (board.average_languages, board.partial_languages) == (("en", "sw"), ("te", "th"))


def test_the_order_of_records_decides_nothing() -> None:
    assert boards_of(records()) == boards_of(records()[::-1])


def test_a_board_over_chosen_languages_has_these_alone() -> None:
    (board,) = boards_of(records(), languages=("sw",))
    assert (board.languages, board.average_languages) == (("sw",), ("sw",))
    (board,) = boards_of(records()[1:], languages=("te",))
    assert (board.languages, board.average_languages) == (("te",), ("te",))


@pytest.mark.parametrize(
    ("languages", "says"),
    [
        (("en", "th"), r"base \(seed 0\) was not scored on mgsm in th: score it there"),
        (("en", "xx"), "No record was scored in xx: name languages among en, sw, te, th"),
    ],
)
def test_a_language_that_was_asked_for_and_is_not_there_is_refused(languages: tuple[str, ...], says: str) -> None:
    with pytest.raises(BoardError, match=says):
        boards_of(records(), languages=languages)


def test_a_suite_without_any_of_the_chosen_languages_is_refused() -> None:
    other = make_record("slam", {"te": 0.5}, suites=("msvamp",), seed=1)
    with pytest.raises(BoardError, match="msvamp was scored in te, not in en: name some of these, or leave msvamp off"):
        boards_of([*records(), other], languages=("en",))


def test_the_board_command_takes_languages(tmp_path: Path) -> None:
    for record in records():
        write_record(record, tmp_path / record.method / "0" / "record.json")
    done = CliRunner().invoke(app, ["board", str(tmp_path), "--languages", "en", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["boards"][0]["languages"] == ["en"]


def test_the_board_command_adds_means_over_groups_of_languages(tmp_path: Path) -> None:
    for record in records():
        write_record(record, tmp_path / record.method / "0" / "record.json")
    done = CliRunner().invoke(app, ["board", str(tmp_path), "--groups", "resource,latin", "--json"])
    (board,) = json.loads(done.stdout)["boards"]
    # te and th were not scored in all
    assert {each["name"]: each["languages"] for each in board["subsets"]} == {
        **{"high resource": ["en"], "low resource": ["sw"], "latin script": ["en", "sw"]}
    }
    assert board["rows"][1]["subset_gains"]["latin script"]["value"] == board["rows"][1]["gain"]["value"]
    for asked, says in (
        ("lowest", "did you mean 'low'"),
        ("cyrillic", "No language of the group cyrillic was scored"),
        (",", "names"),
    ):
        done = CliRunner().invoke(app, ["board", str(tmp_path), "--groups", asked])
        assert (done.exit_code, done.stdout) == (2, "")
        assert says in done.stderr


def test_the_board_command_prints_eighty_columns_and_the_rest_where_that_is_asked_for(tmp_path: Path) -> None:
    for record in records():
        write_record(record, tmp_path / record.method / "0" / "record.json")
    said = [
        CliRunner().invoke(app, ["board", str(tmp_path), *flag], env={"COLUMNS": columns})
        for flag, columns in (([], "80"), (["--wide"], "100"))
    ]
    assert [done.exit_code for done in said] == [0, 0]
    assert [max(map(len, done.stdout.splitlines())) for done in said] == [80, 100]
    assert ["how the responses look" in done.stdout for done in said] == [False, True]


def test_the_board_command_ranks_without_english_and_judges_english_by_a_margin(tmp_path: Path) -> None:
    for record in records():
        write_record(record, tmp_path / record.method / "0" / "record.json")
    said = ["board", str(tmp_path), "--mean", "without-english", "--english-margin", "40", "--json"]
    done = CliRunner().invoke(app, said)
    assert done.exit_code == 0, done.output
    (board,) = json.loads(done.stdout)["boards"]
    assert (board["mean_over"], board["average_languages"], board["english_margin"]) == ("without-english", ["sw"], 40)
    assert board["rows"][1]["english_verdict"] == "within"


def test_rescore_adds_the_families_of_questions_and_keeps_how_a_board_was_told_to_judge(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "slam" / "0"
    old = make_record("slam", {"en": 0.5, "sw": 0.5}, suites=("msvamp",), questions=4, limit=4)
    old = old.model_copy(update={"format": 3, "folders": {"msvamp": "msvamp"}})
    write_record(old, folder / "record.json")
    scores = folder / "scores" / "msvamp"
    scores.mkdir(parents=True)
    (scores / "verdicts.json").write_text(json.dumps({"languages": {"en": {}, "sw": {}}}))
    for code in ("en", "sw"):
        asked = [{"question": f"{number} and 2?", "answer": str(number + 2), "language": code} for number in range(4)]
        lines = [{"doc_id": place, "doc": each, "resps": [["The answer is 4."]]} for place, each in enumerate(asked)]
        (scores / f"samples_msvamp_{code}_1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (before,) = write_boards([old], folder.parents[1], mean="without-english", english_margin=5)
    assert before.clusters == 4
    assert [line for line in before.cautions if "run rescore" in line]
    _, (after,) = rescore(tmp_path / "runs")
    record = read_record(folder / "record.json")
    assert (record.format, (record.families or {})["msvamp"]) == (4, SUITES["msvamp"].families)
    assert (after.clusters, after.mean_over, after.english_margin) == (1, "without-english", 5)
    assert not [line for line in after.cautions if "run rescore" in line]


def test_rows_that_failed_stand_in_both_files(tmp_path: Path) -> None:
    write_boards(records(), tmp_path, failures=[("two-stage, seed 1", "GSM8K is not there; fetch it.")])
    says = "two-stage, seed 1 failed: GSM8K is not there; fetch it."
    assert f"- {says}" in (tmp_path / "leaderboard.md").read_text()
    (board,) = json.loads((tmp_path / "leaderboard.json").read_text())["boards"]
    assert board["failures"] == [{"row": "two-stage, seed 1", "reason": "GSM8K is not there; fetch it."}]
