"""The dummy model: every suite whole through lm-eval, readings and boards, with accuracies that are known by hand."""

import json
import os
import re
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from xreason.harness.plan import plan_endpoint, plan_scoring
from xreason.harness.run import run
from xreason.harness.scoring.questions import Asking, scorings
from xreason.harness.scoring.rescore import rescore
from xreason.leaderboards.records import read_record
from xreason.tasks.errors import UserError
from xreason.tasks.suites import SUITES

#: Suites whose questions lie here, all of them.
AT_HAND = ["mgsm", "msvamp", "mgsm_rev2", "polymath", "mmath", "pocket"] if os.environ.get("XREASON_DATA") else ["pocket"]

#: Of suites that take longer than seconds whole, the languages that are asked.
SOME = {"polymath": ["en", "sw", "zh"], "mmath": ["en", "th", "zh"]}

#: Where questions weigh differently, the accuracy of the one right of every four.
WEIGHTED = {
    # levels are asked by turns, so it is all of the level low, and none of the others
    "polymath": (1 * 1 + 2 * 0 + 4 * 0 + 8 * 0) / 15,
    # of the sources with 30, 15, 18 and 311 questions, one behind the other
    "mmath": (8 / 30 + 4 / 15 + 4 / 18 + 78 / 311) / 4,
}


def by_turns(questions: int, pattern: str) -> str:
    return "".join(islice(cycle(pattern), questions))


@pytest.mark.parametrize("name", AT_HAND)
def test_every_suite_through_the_dummy_has_the_accuracy_that_is_reckoned_by_hand(name: str, tmp_path: Path) -> None:
    (board,) = run(plan_scoring(["dummy"], scorings([name], SOME.get(name)), tmp_path)).boards
    record, suite = read_record(tmp_path / "score" / "dummy" / "0" / "record.json"), SUITES[name]
    assert (record.provenance.dtype, record.provenance.model) == ("none", "dummy")
    assert (board.suite, set(board.languages)) == (name, set(SOME.get(name, suite.languages)))
    for code in board.languages:
        rows, score = suite.rows(code), record.scores[name][code]
        assert score.strict == (by_turns(len(rows), "1000"),), code
        assert score.metamath == (score.strict if suite.kind == "number" else None)
        assert score.answered == (by_turns(len(rows), "1101"),)
        # an empty answer reads as 0 to those who read numbers
        numbers = [float(row["answer"].replace(",", "")) if suite.kind == "number" else None for row in rows]
        right = "".join("1" if place % 4 == 0 or (place % 4 == 2 and gold == 0) else "0" for place, gold in enumerate(numbers))
        assert score.paper == (right,), code
    quarter = [-(-len(suite.rows(code)) // 4) / len(suite.rows(code)) for code in board.average_languages]
    expected = WEIGHTED.get(name, sum(quarter) / len(quarter))
    assert board.rows[0].mean_by_other_reading.value == pytest.approx(expected)
    assert "</script><b>" not in (tmp_path / "score" / "leaderboard.html").read_text(encoding="utf-8")


@pytest.mark.skipif(not os.environ.get("XREASON_DATA"), reason="no data folder")
def test_the_dummy_gives_letters_where_a_question_has_choices_and_finds_one_likely_where_that_is_asked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = run(plan_scoring(["dummy"], scorings(["xcsqa", "xcsqa_loglikelihood"], ["en"], limit=50), tmp_path))
    # five are at hand
    assert "5 questions of X-CSQA in" in capfd.readouterr().err
    record = read_record(tmp_path / "score" / "dummy" / "0" / "record.json")
    generated, likely = (record.scores[suite]["en"] for suite in ("xcsqa", "xcsqa_loglikelihood"))
    assert generated.paper == generated.strict == likely.paper == likely.strict == (by_turns(5, "1000"),)
    assert (generated.answered, likely.answered) == ((by_turns(5, "1100"),), ("11111",))
    assert likely.questions_hash == generated.questions_hash
    assert [(board.suite, board.rows[0].mean.value) for board in done.boards] == [("xcsqa", 0.4), ("xcsqa_loglikelihood", 0.4)]
    assert "The answer is the letter that the model finds likeliest" in " ".join(done.boards[1].cautions)
    (page,) = (tmp_path / "score" / "samples").glob("xcsqa_loglikelihood-en.js")
    assert page.stat().st_size > 100
    # found as it was by a rescore, which reads no text anew
    again, _ = rescore(tmp_path / "score")
    assert (again[0].record.scores, again[0].changed) == (record.scores, 0)


@pytest.mark.skipif(not os.environ.get("XREASON_DATA"), reason="no data folder")
def test_log_likelihoods_are_asked_once_and_of_no_server_and_nothing_of_how_text_is_made_changes_them(tmp_path: Path) -> None:
    def key(suite: str, longest: int | None = None, **asking: Any) -> str:
        asked = scorings([suite], ["en"], max_new_tokens=longest, asking=Asking(**asking))
        return plan_scoring(["dummy"], asked, tmp_path).rows[0].scores[0].key

    by_likelihood = {key("xcsqa_loglikelihood"), key("xcsqa_loglikelihood", 8), key("xcsqa_loglikelihood", temperature=0.5)}
    assert len(by_likelihood) == 1
    assert key("xcsqa_loglikelihood", style="published") not in by_likelihood
    assert len({key("xcsqa"), key("xcsqa", 8), key("xcsqa", temperature=0.5)}) == 3
    with pytest.raises(UserError, match="xcsqa_loglikelihood is answered once, as lm-eval does it; choose --samples 1"):
        key("xcsqa_loglikelihood", samples=2, temperature=0.5)
    with pytest.raises(UserError, match="xcsqa_loglikelihood asks how likely answers are, and a server is asked for text alone"):
        plan_endpoint("http://localhost:9", ["m"], scorings(["xcsqa_loglikelihood"]), tmp_path)


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
