"""Responses that are kept as they come: what a kill leaves is gone on with, and answers for nothing else."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.harness.conftest import PROGRAM, environment
from tests.harness.scoring.conftest import responses
from xreason.harness.plan import plan_scoring
from xreason.harness.scoring.evaluate import evaluate
from xreason.harness.scoring.questions import Asking, Scoring, scorings
from xreason.harness.scoring.score import answers_file, score
from xreason.harness.scoring.verdicts import read_scores
from xreason.harness.serving.answers import Answer, Answers, thinking_tokens
from xreason.harness.serving.models import Model
from xreason.tasks.readings.verdicts import answer_part
from xreason.tasks.suites import SUITES

SAID = [Answer("Jibu ni\u2028 7.", "stop"), Answer("Sijui", "length")]


@pytest.fixture
def asked(engine: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many prompts vLLM was given, one entry a batch."""
    batches: list[int] = []
    enqueue = engine.model.enqueue

    def counted(prompts: Any, *arguments: Any, **named: Any) -> Any:
        batches.append(len(prompts))
        return enqueue(prompts, *arguments, **named)

    monkeypatch.setattr(engine.model, "enqueue", counted)
    return batches


# it starts an engine of its own, to be killed; most responses take 29 to 45 tokens, so that some end early and some at the limit
def test_a_scoring_that_is_killed_goes_on_where_it_was(engine: Any, pocket: Model, asked: list[int], tmp_path: Path) -> None:
    asking = Asking(samples=2, temperature=1.0)
    (scoring,) = scorings(("pocket",), ("en", "sw"), limit=40, max_new_tokens=38, asking=asking)
    plan = plan_scoring(["pocket"], [scoring], tmp_path)
    (task,) = plan.rows[0].scores
    kept = answers_file(task, pocket)
    flags = ["--suites", "pocket", "--languages", "en,sw", "--limit", "40", "--max-new-tokens", "38", "--samples", "2"]
    command = [*PROGRAM, "score", "pocket", *flags, "--temperature", "1", "--out", str(tmp_path)]
    with (tmp_path / "log").open("w") as log:
        killed = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
    while killed.poll() is None and not (kept.exists() and kept.stat().st_size):
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL, (tmp_path / "log").read_text()[-3000:]
    answered = kept.read_bytes().count(b"\n")
    assert 0 < answered < 80
    assert not task.is_done()

    score(task, engine, pocket)
    assert asked == [80 - answered]
    assert not kept.exists()
    expected = evaluate(engine, "pocket", pocket, scoring, tmp_path / "at-once")
    assert asked == [80 - answered, 80]
    assert read_scores(task.folder, SUITES["pocket"]) == expected
    assert [responses(task.folder, f"pocket_{code}") for code in ("en", "sw")] == [
        responses(tmp_path / "at-once", f"pocket_{code}") for code in ("en", "sw")
    ]
    shares = expected["en"].responses
    assert shares.cut_off is not None
    assert 0 < shares.cut_off < 1


def test_what_was_interrupted_is_not_answered_beside_the_next_questions(
    engine: Any, pocket: Model, asked: list[int], tmp_path: Path
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    scoring = Scoring(suite="pocket", languages=("en",), limit=12, max_new_tokens=48, asking=Asking(samples=2, temperature=1.0))
    engine.progress = interrupt
    with pytest.raises(KeyboardInterrupt):
        evaluate(engine, "pocket", pocket, scoring, tmp_path / "interrupted")
    engine.progress = None
    assert not engine.model.llm_engine.has_unfinished_requests()
    evaluate(engine, "pocket", pocket, scoring.model_copy(update={"languages": ("sw",)}), tmp_path / "next")
    assert [len(each) for each in responses(tmp_path / "next", "pocket_sw")] == [2] * 12
    assert asked == [12, 12]


def test_answers_are_those_of_the_same_prompt_sampled_in_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Answers(path) as answers:
        assert answers.known((1, 2), "greedy") is None
        answers.keep((1, 2), "greedy", SAID)
        # before the file is closed: a kill does not close it
        with Answers(path) as others:
            assert others.known((1, 2), "greedy") == SAID
            assert others.known((1, 2), "n=2") is None
            assert others.known((1, 2, 3), "greedy") is None
        answers.remove()
    assert not path.exists()


def test_answers_from_before_tokens_were_counted_are_gone_on_with(tmp_path: Path) -> None:
    with Answers(tmp_path / "answers.jsonl") as answers:
        answers.keep((1,), "greedy", [Answer("7", "stop", 3, 1)])
    text = (tmp_path / "answers.jsonl").read_text()
    (tmp_path / "answers.jsonl").write_text(text.replace(", 3, 1", ""))
    with Answers(tmp_path / "answers.jsonl") as answers:
        assert answers.known((1,), "greedy") == [Answer("7", "stop", None, None)]


@pytest.mark.parametrize(
    ("tokens", "thinking"),
    [([5, 6, 7], 0), ([1, 5, 2, 6, 7], 3), ([5, 2, 6], 2), ([1, 5, 6], 3), ([1, 5, 2, 6, 1, 7, 2, 8], 7), ([5, 2, 6, 1, 7], 4)],
)
def test_thinking_is_what_is_not_read(tokens: list[int], thinking: int) -> None:
    assert thinking_tokens(tokens, 1, 2) == thinking
    written = {1: "<think>", 2: "</think>"}
    read = answer_part(" ".join(written.get(token, str(token)) for token in tokens), {"style": "chat"})
    assert len(read.split()) == len(tokens) - thinking


@pytest.mark.parametrize("left", [1, 20, -2, -1])
def test_a_line_that_was_torn_is_asked_for_again(tmp_path: Path, left: int) -> None:
    path = tmp_path / "answers.jsonl"
    with Answers(path) as answers:
        answers.keep((1,), "greedy", SAID)
        whole = path.read_bytes()
        answers.keep((2,), "greedy", SAID)
    path.write_bytes(whole + path.read_bytes()[len(whole) :][:left])
    with Answers(path) as answers:
        assert (answers.known((1,), "greedy"), answers.known((2,), "greedy")) == (SAID, None)
        answers.keep((3,), "greedy", SAID)
    with Answers(path) as answers:
        assert [answers.known((number,), "greedy") for number in (1, 2, 3)] == [SAID, None, SAID]


def test_a_damaged_line_is_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Answers(path) as answers:
        for number in (1, 2):
            answers.keep((number,), "greedy", SAID)
    path.write_bytes(path.read_bytes().replace(b'"said"', b'"sa\xffd"', 1))
    with Answers(path) as answers:
        assert [answers.known((number,), "greedy") for number in (1, 2)] == [None, SAID]


def test_another_model_under_the_same_key_has_answers_of_its_own(pocket: Model, tmp_path: Path) -> None:
    # a training made again: its scores' key is the same, its weights need not be
    (task,) = plan_scoring(["pocket"], scorings(("pocket",), ("en",), limit=2), tmp_path).rows[0].scores
    again = pocket.model_copy(update={"hash": "0" * 64})
    assert answers_file(task, pocket) != answers_file(task, again)
