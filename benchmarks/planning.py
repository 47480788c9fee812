"""What a dry run costs: seconds from an empty process to the printed plan, of papers-7b with configs alone and of the pocket.

    python -m benchmarks.planning          # nothing is downloaded; question translation is read where XREASON_DATA has it

Prints JSON: seconds of papers-7b, the least and the most of several fresh processes, and over those of a process that only imports
what a skeleton of its base is made with; of the pocket the first time, when tokens are counted, and again; and papers-7b's counts.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.report import report

REPETITIONS = 5
#: Llama-2-7B's config.json, as published but for what says nothing of its shape.
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "dtype": "bfloat16",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "vocab_size": 32000,
}
BASES = ("meta-math/MetaMath-7B-V1.0", "meta-llama/Llama-2-7b-hf")
SKELETON = "from transformers import LlamaConfig, LlamaForCausalLM"


def main() -> None:
    """Plans in fresh processes, and prints what it took."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        for name in BASES:
            _cache(folder / "hub" / f"models--{name.replace('/', '--')}")
        papers = [_plan(folder, "papers-7b") for _ in range(REPETITIONS)]
        pocket = [_plan(folder, "pocket") for _ in range(2)]
    (slam,) = (each for each in papers[0][1]["trainings"] if each["row"] == "slam")
    seconds = sorted(taken for taken, _ in papers)
    report(
        papers_7b={
            "seconds": [round(seconds[0], 2), round(seconds[-1], 2)],
            "over_importing_what_makes_a_skeleton": round(seconds[0] / _seconds(SKELETON), 3),
            "steps": papers[0][1]["steps"],
            "parameters": slam["stages"][0]["total_parameters"],
            "slam_tunes": slam["tuned_parameters"],
        },
        pocket={"seconds": round(pocket[0][0], 2), "seconds_again": round(pocket[1][0], 2)},
    )


def _cache(repository: Path) -> None:
    """Puts the config where `hf download` does."""
    snapshot = repository / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps(CONFIG))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abcd")


def _plan(folder: Path, experiment: str) -> tuple[float, dict[str, Any]]:
    words = ("compare", experiment, "--dry-run", "--json", "--out", str(folder / "runs"))
    command = [sys.executable, "-m", "xreason.harness.cli", *words]
    variables = {**os.environ, "HF_HUB_CACHE": str(folder / "hub")}
    began = time.perf_counter()
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)  # noqa: S603
    return time.perf_counter() - began, json.loads(done.stdout)


def _seconds(program: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
