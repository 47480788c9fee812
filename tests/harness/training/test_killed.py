"""A training process that the system kills: one sentence, and the rest of the comparison goes on."""

import json
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.harness.conftest import PROGRAM, environment

EXPERIMENT = """\
name: killed
base: pocket
suites: [pocket]
languages: [en, sw]
source: pocket
limit: 2
methods:
  full: {max_steps: 2000, batch_size: 8, rows: 40}
  wild: {method: full, max_steps: 8, batch_size: 8, rows: 64, learning_rate: 1e30, max_grad_norm: 1e30}
  slam: {layers: 1, max_steps: 2, batch_size: 8, rows: 40}
"""
WORKER = "xreason.harness.training.launched"


def workers(starter: int, row: str) -> list[psutil.Process]:
    """Returns the processes that train a row, not the one that launched them."""
    found = []
    for process in psutil.Process(starter).children(recursive=True):
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if WORKER in command and "--standalone" not in command and f"/{row}/0/" in command[-1]:
            found.append(process)
    return found


# A minute: three trainings in processes of their own, and an engine, for what is pinned is that the rest is trained and scored.
@pytest.mark.timeout(900)
def test_a_killed_training_process_is_one_sentence_and_the_other_rows_are_trained_and_scored(tmp_path: Path) -> None:
    (tmp_path / "killed.yaml").write_text(EXPERIMENT)
    runs, said = tmp_path / "runs", tmp_path / "said.txt"
    command = [*PROGRAM, "compare", str(tmp_path / "killed.yaml"), "--out", str(runs), "--launch", "2"]
    with said.open("w") as file:
        process = subprocess.Popen(command, env=environment(), stdout=file, stderr=subprocess.STDOUT)
        while process.poll() is None and len(workers(process.pid, "full")) < 2:
            time.sleep(0.05)
        assert process.poll() is None, said.read_text()
        # SIGKILL, as from the kernel that has run out of memory
        workers(process.pid, "full")[1].kill()
        code = process.wait(timeout=800)
    output = said.read_text()
    assert code == 3, output
    assert "Traceback" not in output
    sentence = "full, seed 0: a training process was killed by the system, most likely for want of memory; lora, a smaller "
    assert f"Failed: full, seed 0: {sentence}" in output
    # what a process of its own cannot do is said in its own words
    assert "Failed: wild, seed 0: The loss is " in output
    board = json.loads((runs / "killed" / "leaderboard.json").read_text())["boards"][0]
    assert {row["method"] for row in board["rows"]} == {"base", "slam"}
