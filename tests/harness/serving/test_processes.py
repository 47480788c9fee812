"""vLLM in processes of its own, as it runs on GPUs: a swap over two workers, and a worker that is killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.scoring.conftest import samples_of
from tests.places import ROOT


@pytest.mark.every_core
# over 20 s: two engines, of three processes each, and every process imports vLLM
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two workers wait for each other by spinning: each wants a processor")
def test_a_swap_over_two_workers_is_exact_and_a_worker_that_is_killed_fails_its_row_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.harness.serving.processes", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=540, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads((tmp_path / "result.json").read_text())
    ((row, reason),) = told["failures"]
    assert "doomed" in row
    assert reason.startswith("vLLM's process ended while it served ")
    assert len(reason) <= 400
    assert [line.split(":")[0] for line in told["said"] if "starting vLLM" in line or "swapped in" in line] == ["engine"] * 4
    assert sum("starting vLLM" in line for line in told["said"]) == 2
    assert told["left"] == []
    pocket, swapped, started = (
        [sample["resps"] for code in ("en", "sw") for sample in samples_of(folder, f"pocket_{code}")]
        for folder in (next((tmp_path / "runs" / "score").glob(f"*{name}*")) for name in ("pocket", "swapped", "started"))
    )
    assert len(swapped) == 80
    assert swapped == started != pocket
