"""The proof of a GPU machine, tried out on a CPU: every part by the same code, on what a bare machine has, within its time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.harness.conftest import Run, environment
from tests.places import ROOT
from xreason.harness.showing.gpu import PARTS, proof_tables, prove
from xreason.tasks.errors import UserError

# what a bare machine does not have
BARE = """
import sys

missing = "datasets vllm lm_eval babel lingua matplotlib pyarrow requests aiohttp tenacity pydantic_settings"
sys.modules.update(dict.fromkeys(missing.split()))
from benchmarks.gpu import main
main()
"""


# it trains every part's model, as a person would run it
def test_every_part_runs_where_no_more_is_installed_than_training_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BARE, "--shape", "tiny", "--minutes", "8", "--out", str(tmp_path / "gpu.json")]
    # two threads for so small a model wait for each other
    told = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment(told), capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads((tmp_path / "gpu.json").read_text())
    parts = said["parts"]
    assert list(parts) == [name for name, _, _ in PARTS]
    assert not [name for name, measured in parts.items() if "failed" in measured], parts
    assert [name for name, measured in parts.items() if "left_out" in measured] == ["served"]
    assert parts["numerics"]["largest_relative_difference"] < 0.01
    assert parts["packing"]["relative_difference_of_losses"] < 1e-5
    # how fast is not to be read off a busy processor
    assert parts["full"]["slam_over_full_time"] > 0
    assert parts["papers"]["ours_over_theirs"] > 0
    assert parts["interrupted"]["largest_difference_of_weights"] < 1e-6
    assert {name for name in parts if "estimate_over_peak" in parts[name]} == {"slam", "full", "lora"}
    assert "slam over full time" in done.stdout


def test_what_the_time_does_not_suffice_for_is_left_out(tmp_path: Path) -> None:
    said = prove("tiny", 1e-6, tmp_path / "gpu.json", only=("slam", "lora"))
    assert {name: "left_out" in measured for name, measured in said["parts"].items()} == {"slam": True, "lora": True}
    assert json.loads((tmp_path / "gpu.json").read_text()) == json.loads(json.dumps(said))
    assert len(proof_tables(said)) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_one_sentence_says_so(xreason: Run, tmp_path: Path) -> None:
    done = xreason("doctor", "--gpu")
    assert done.returncode == 2
    assert "PyTorch sees no GPU here" in done.stderr
    with pytest.raises(UserError, match="There is no part 'slm'; did you mean 'slam'"):
        prove("tiny", 1, tmp_path / "gpu.json", only=("slm",))
