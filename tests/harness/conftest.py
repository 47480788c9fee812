"""The command line as a person runs it: in a process of its own, on the pocket model."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "xreason.harness.cli"]

#: Three methods, as quick as they can be: what is tested is the way through, not what is learnt.
EXPERIMENT = """\
name: quick
base: pocket
suites: [pocket]
languages: [en, sw]
source: pocket
limit: 6
methods:
  slam: {layers: 1, max_steps: 3, batch_size: 8, rows: 40, learning_rate: 1e-3}
  two-stage: {max_steps: 3, batch_size: 8, rows: 40, learning_rate: 1e-3}
  full: {max_steps: 3, batch_size: 8, rows: 40, learning_rate: 1e-3}
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


def environment(extra: Mapping[str, str] = {}) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "XREASON_DATA"}
    return {**kept, "HF_HUB_OFFLINE": "1", "COLUMNS": "120", **extra}


@pytest.fixture(scope="session")
def xreason() -> Run:
    """Returns what runs `xreason ARGUMENTS` and gives back its exit code and output."""

    def run(*arguments: str | Path, timeout: float = 300, **extra: str) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAM, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment(extra), check=False)

    return run


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "quick.yaml"
    path.write_text(EXPERIMENT)
    return path
