"""The guide's package, a reward, a corpus and a method, installed with pip: listed, and trained by its name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT

GUIDE = ROOT / "docs" / "a-reward-of-your-own.md"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder that pip installed the package into, offline."""
    folder = tmp_path_factory.mktemp("curt")
    source = folder / "source"
    source.mkdir()
    files = {"curt.py": "```python\n", "pyproject.toml": "```toml\n"}
    texts = {name: GUIDE.read_text(encoding="utf-8").partition(opens)[2].partition("```")[0] for name, opens in files.items()}
    assert sum(len(text.splitlines()) for text in texts.values()) < 60
    for name, text in texts.items():
        (source / name).write_text(text)
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, cwd=folder)
    return folder / "site"


def xreason(installed: Path, *arguments: str) -> str:
    path = os.pathsep.join([str(installed), *sys.path])
    program = "from xreason.harness.cli.app import main; main()"
    command = [sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, cwd=installed, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_reward_is_listed_beside_those_in_the_box(installed: Path) -> None:
    rewards = {each["reward"]: each for each in json.loads(xreason(installed, "methods", "--rewards", "--json"))}
    assert list(rewards) == ["correct", "in_language", "length", "few-words"]
    assert rewards["few-words"]["package"] == "xreason-curt 0.1.0"
    assert rewards["few-words"]["description"] == "1 / the number of words, and nothing for silence."


def test_its_method_learns_by_its_reward_on_its_corpus(installed: Path, tmp_path: Path) -> None:
    settings = ("--max-steps", "2", "--batch-size", "8", "--learning-rate", "1e-3", "--out", str(tmp_path), "--json")
    (stage,) = json.loads(xreason(installed, "train", "curt", "--model", "pocket", *settings))["stages"]
    assert (stage["corpus"], stage["rows"], stage["languages"]) == ("sums (sums in two languages)", 64, ["de", "sw"])
    assert stage["objective"] == "reward (GRPO, dapo, correct + 0.5 few-words, 4 generations)"
    assert [step for step, _ in stage["rewards"]] == [1, 2]
    assert all(means.keys() == {"reward", "correct", "few-words"} for _, means in stage["rewards"])
    assert all(0 < means["few-words"] <= 1 for _, means in stage["rewards"])
