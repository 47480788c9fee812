"""One board of MGSM, MGSM-Rev2, X-CSQA and PolyMath from real questions: every mean as reckoned here from the files alone."""

import json
import os
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from xreason.harness.plan import plan_scoring
from xreason.harness.run import run
from xreason.harness.scoring.questions import scorings
from xreason.harness.serving.dummy import TURNS, Dummy
from xreason.leaderboards.board import Board
from xreason.leaderboards.forms.markdown import board_markdown

DATA = Path(os.environ.get("XREASON_DATA", ""))
LANGUAGES, LIMIT = ("en", "sw", "zh", "te"), 24
SUITES = ("mgsm", "mgsm_rev2", "xcsqa", "xcsqa_loglikelihood", "polymath")
#: How questions are answered, by the first letter of a turn of the dummy, and then again; each language begins five further.
PATTERN = "rrrwrewhrwrerrrwwherwwrhwwrewrrrrrw"


def letter(language: str, number: int) -> str:
    return PATTERN[(number + 5 * LANGUAGES.index(language)) % len(PATTERN)]


def is_right(language: str, number: int, gold: str = "1") -> bool:
    # the papers read 0 where nothing is said
    return letter(language, number) == "r" or (letter(language, number) == "e" and float(gold.replace(",", "")) == 0)


def of_lines(suite: str, language: str) -> float:
    golds = [line.split("\t")[1] for line in (DATA / suite / f"mgsm_{language}.tsv").read_text().splitlines()[:LIMIT]]
    return mean(is_right(language, number, gold) for number, gold in enumerate(golds))


def of_choices(language: str) -> float:
    rows = (DATA / "xcsqa" / language / "dev.jsonl").read_text().splitlines()
    names = sorted(json.loads(row)["id"] for row in rows)
    return mean(is_right(language, number) for number, _ in enumerate(names))


def of_levels(language: str) -> dict[str, float]:
    """Returns the accuracy of each level, which are asked by turns."""
    accuracies = {}
    for place, level in enumerate(("low", "medium", "high", "top")):
        assert len((DATA / "polymath" / language / f"{level}.jsonl").read_text().splitlines()) == 125
        asked = range(place, LIMIT, 4)
        accuracies[level] = mean(is_right(language, number) for number in asked)
    return accuracies


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Board]:
    if not DATA.name:
        pytest.skip("no data folder")

    def turn(_: Dummy, request: Any) -> str:
        return next(each for each in TURNS if each[0] == letter(request.doc["language"], request.doc_id))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dummy, "_turn", turn)
        asked = scorings(SUITES, LANGUAGES, limit=LIMIT)
        done = run(plan_scoring(["dummy"], asked, tmp_path_factory.mktemp("means")))
    return {board.suite: board for board in done.boards}


def test_mgsm_and_its_second_revision_have_the_mean_of_the_papers_languages_and_that_without_english(
    boards: dict[str, Board],
) -> None:
    for suite in ("mgsm", "mgsm_rev2"):
        (row,) = boards[suite].rows
        by_language = {code: of_lines(suite, code) for code in LANGUAGES}
        assert len(set(by_language.values())) > 2
        assert {code: each.value for code, each in row.languages.items()} == pytest.approx(by_language)
        # Telugu is shown, and in no paper's mean
        assert boards[suite].average_languages == ("en", "sw", "zh")
        assert row.mean.value == pytest.approx((by_language["en"] + by_language["sw"] + by_language["zh"]) / 3)
        assert row.mean_without_english is not None
        assert row.mean_without_english.value == pytest.approx((by_language["sw"] + by_language["zh"]) / 2)


def test_x_csqa_has_the_mean_over_its_languages_with_text_and_by_log_likelihood(boards: dict[str, Board]) -> None:
    expected = {code: of_choices(code) for code in ("en", "sw", "zh")}
    for suite in ("xcsqa", "xcsqa_loglikelihood"):
        (row,) = boards[suite].rows
        assert {code: each.value for code, each in row.languages.items()} == pytest.approx(expected)
        assert row.mean.value == pytest.approx(sum(expected.values()) / 3)
    assert len(set(expected.values())) > 1


def test_polymath_has_dw_acc_for_its_mean_and_a_column_for_each_level(boards: dict[str, Board]) -> None:
    levels = {code: of_levels(code) for code in LANGUAGES}
    # as published: (1 a_low + 2 a_medium + 4 a_high + 8 a_top) / 15
    expected = {code: (of["low"] + 2 * of["medium"] + 4 * of["high"] + 8 * of["top"]) / 15 for code, of in levels.items()}
    (row,) = boards["polymath"].rows
    assert {code: each.value for code, each in row.languages.items()} == pytest.approx(expected)
    assert row.mean.value == pytest.approx(sum(expected.values()) / 4)
    columns = {f"level {level}": mean(levels[code][level] for code in LANGUAGES) for level in levels["en"]}
    assert {name: each.value for name, each in row.subsets.items()} == pytest.approx(columns)
    assert len({round(each, 6) for each in columns.values()}) > 2
    assert "| model | level low | level medium | level high | level top |" in board_markdown([boards["polymath"]])


def test_one_board_has_the_means_of_all_suites_side_by_side(boards: dict[str, Board]) -> None:
    written = board_markdown([*boards.values()])
    heading = next(line for line in written.splitlines() if line.startswith("| rank (mgsm)"))
    assert [cell.strip() for cell in heading.split("|")[3:8]] == [each.replace("_", "\\_") for each in SUITES]
    line = next(line for line in written.splitlines() if line.startswith("| 1 | dummy"))
    printed = [float(cell.strip(" *").split()[0].strip("*")) for cell in line.split("|")[3:8]]
    assert printed == [round(100 * boards[suite].rows[0].mean.value, 1) for suite in SUITES]
    # no suite is left out where two have the same languages
    assert "the mean of mgsm and mgsm\\_rev2 and xcsqa and xcsqa\\_loglikelihood over en, sw, zh; of polymath over" in written
