"""The dummy model: every suite whole through lm-eval, readings and boards, with accuracies that are known by hand."""

import json
import os
import re
from itertools import cycle, islice
from pathlib import Path

import pytest

from xreason.harness.plan import plan_scoring
from xreason.harness.run import run
from xreason.harness.scoring.questions import Asking, scorings
from xreason.leaderboards.records import read_record
from xreason.tasks.suites import SUITES

#: Of suites whose questions lie here.
AT_HAND = [name for name in SUITES if name == "pocket" or os.environ.get("XREASON_DATA")]


def by_turns(questions: int, pattern: str) -> str:
    return "".join(islice(cycle(pattern), questions))


def test_every_suite_whole_through_the_dummy_has_the_accuracy_that_is_reckoned_by_hand(tmp_path: Path) -> None:
    done = run(plan_scoring(["dummy"], scorings(AT_HAND), tmp_path))
    assert [board.suite for board in done.boards] == AT_HAND
    record = read_record(tmp_path / "score" / "dummy" / "0" / "record.json")
    assert (record.provenance.dtype, record.provenance.model) == ("none", "dummy")
    for board in done.boards:
        suite = SUITES[board.suite]
        assert set(board.languages) == set(suite.languages)
        for code in suite.languages:
            rows, score = suite.rows(code), record.scores[suite.name][code]
            assert score.strict == score.metamath == (by_turns(len(rows), "1000"),), (suite.name, code)
            assert score.answered == (by_turns(len(rows), "1101"),)
            # an empty answer reads as 0 to the papers
            empty = {number for number in range(2, len(rows), 4) if float(rows[number]["answer"].replace(",", "")) == 0}
            right = "".join("1" if number % 4 == 0 or number in empty else "0" for number in range(len(rows)))
            assert score.paper == (right,), (suite.name, code)
        (row,) = board.rows
        quarter = [-(-len(suite.rows(code)) // 4) / len(suite.rows(code)) for code in suite.average_languages]
        assert row.mean_by_other_reading.value == pytest.approx(sum(quarter) / len(quarter))
    page = (tmp_path / "score" / "leaderboard.html").read_text(encoding="utf-8")
    assert "</script><b>" not in page


def test_the_dummy_is_asked_in_every_style_and_once_scored_is_passed_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for style in ("chat", "direct"):
        asked = scorings(["pocket"], ["sw"], limit=8, asking=Asking(style=style))
        for _ in range(2):
            (board,) = run(plan_scoring(["dummy"], asked, tmp_path)).boards
            assert board.rows[0].languages["sw"].value == 0.25
    assert capfd.readouterr().err.count("scored before") == 2
    (written,) = tmp_path.glob("score-chat/dummy/0/scores/*/dummy/results_*.json")
    told = json.loads(written.read_text())
    assert (told["model_name"], told["model_source"]) == ("dummy", "dummy")


def test_what_the_dummy_will_take_is_said_and_no_engine_is_started_for_it(tmp_path: Path) -> None:
    from xreason.harness.outlook import outlook

    plan = plan_scoring(["dummy"], scorings(["pocket"], ["en"]), tmp_path, outline=True)
    seen = outlook(plan, tmp_path, tflops=1.0)
    assert (seen.engines, [each.device_seconds for each in seen.scores]) == ((), [0.0])
    assert not re.search("dummy: .* parameters", " ".join(seen.notes))
