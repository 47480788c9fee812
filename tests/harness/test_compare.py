"""A comparison from one command: whole, taken up again after a kill, and stopped by an interrupt."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness.conftest import PROGRAM, Run, environment
from xreason.leaderboards.records import read_record


def begin(experiment: Path, runs: Path) -> subprocess.Popen[str]:
    command = [*PROGRAM, "compare", str(experiment), "--out", str(runs)]
    return subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def wait_for(folder: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    for _ in range(6000):
        if list(folder.glob(pattern)):
            return
        if process.poll() is not None:
            pytest.fail(f"ended before {folder / pattern} was there: {process.stdout.read() if process.stdout else ''}")
        time.sleep(0.05)
    pytest.fail(f"{folder / pattern} never appeared")


def test_killed_in_its_second_training_it_goes_on_where_it_was_and_then_has_nothing_to_do(
    xreason: Run, experiment: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    planned = json.loads(xreason("compare", experiment, "--out", runs, "--dry-run", "--json").stdout)
    process = begin(experiment, runs)
    wait_for(runs / "quick" / "two-stage" / "0", ".partial-checkpoint-*", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (first,) = (runs / "quick" / "slam" / "0").glob("checkpoint-*")
    trained = first.stat().st_mtime_ns
    assert not list((runs / "quick" / "two-stage" / "0").glob("checkpoint*"))

    again = xreason("compare", experiment, "--out", runs)
    assert again.returncode == 0, again.stderr
    assert first.stat().st_mtime_ns == trained
    assert "slam, seed 0: trained before" in again.stderr
    assert again.stderr.count("starting vLLM") == 1
    assert again.stderr.count("swapped in") == 3
    board = json.loads((runs / "quick" / "leaderboard.json").read_text())["boards"][0]
    assert (runs / "quick" / "leaderboard.html").is_file() and list((runs / "quick" / "samples").glob("pocket-*.js"))
    assert {row["method"] for row in board["rows"]} == {"base", "slam", "two-stage", "full"}
    assert "| slam |" in (runs / "quick" / "leaderboard.md").read_text().replace("|  ", "| ")
    record = read_record(runs / "quick" / "slam" / "0" / "record.json")
    assert record.scores["pocket"]["sw"].questions == 6
    assert record.training is not None
    assert record.training.stages[0].tuned == "up_proj, down_proj of layers 0"

    third = xreason("compare", experiment, "--out", runs)
    assert third.returncode == 0, third.stderr
    assert "starting vLLM" not in third.stderr
    assert third.stderr.count("trained before") == 3
    assert third.stderr.count("scored before") == 4
    assert third.stdout == again.stdout

    # what was planned is what it came to
    assert (planned["steps"], planned["steps_done"]) == (7, 0)
    assert [(each["row"], len(each["then"])) for each in planned["engines"]] == [("base", 3)]
    for each in planned["trainings"]:
        made = read_record(runs / "quick" / each["row"] / "0" / "record.json")
        assert made.training is not None
        assert [(stage["rows"], stage["tokens"], stage["steps"]) for stage in each["stages"]] == [
            (stage.rows, stage.tokens, stage.steps) for stage in made.training.stages
        ]
        assert each["checkpoint_bytes"] == pytest.approx(made.checkpoint_bytes, rel=0.05)
    finished = json.loads(xreason("compare", experiment, "--out", runs, "--dry-run", "--json").stdout)
    assert (finished["steps_done"], finished["engines"], finished["device_seconds"]) == (7, [], 0)
    assert {each["seconds_from"] for each in finished["scores"]} == {"4 earlier runs here"}

    more = xreason("compare", experiment, "--out", runs, "--limit", "7", "--methods", "slam")
    assert more.returncode == 0, more.stderr
    assert "slam, seed 0: trained before" in more.stderr
    assert more.stderr.count("14 questions of Pocket") == 2

    # a trial, a row that cannot be trained among them: what was scored with the other limit is found again
    methods = "\n  wild: {method: full, max_steps: 8, batch_size: 8, rows: 64, learning_rate: 1e30, max_grad_norm: 1e30}\n"
    experiment.write_text(experiment.read_text() + methods[1:])
    back = xreason("compare", experiment, "--out", runs)
    assert back.returncode == 3, back.stderr
    assert back.stderr.count("scored before") == 4
    assert "starting vLLM" not in back.stderr
    assert "Failed: wild, seed 0: The loss is " in back.stderr
    assert {row["method"] for row in json.loads((runs / "quick" / "leaderboard.json").read_text())["boards"][0]["rows"]} == {
        "base",
        "slam",
        "two-stage",
        "full",
    }


def test_an_interrupt_ends_it_within_seconds_and_leaves_no_process_behind(experiment: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    process = begin(experiment, runs)
    wait_for(runs / "quick" / "slam" / "0", ".partial-checkpoint-*", process)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "Interrupted" in output
    assert "Traceback" not in output
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert not list(runs.rglob(".partial-*"))


def test_an_interrupt_within_a_destructor_is_heeded_without_a_traceback() -> None:
    program = (
        "import os, signal\n"
        "from xreason.harness import progress\n"
        "class Ending:\n"
        "    def __del__(self): os.kill(os.getpid(), signal.SIGINT)\n"
        "progress.heed_interrupts()\n"
        "ending = Ending()\n"
        "del ending\n"
        "try: progress.say('on')\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
