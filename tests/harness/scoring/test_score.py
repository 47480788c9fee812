"""Scores: the same numbers as stock lm-eval, in files that its other tools read, of all the questions there are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.conftest import Run, environment
from xreason.tasks.suites import SUITES, TASKS_FOLDER
from xreason.trainers.pocket import MODEL

REAL = os.environ.get("XREASON_DATA")
LIMIT = 20


def test_stock_lm_eval_with_transformers_reports_what_xreason_reports(xreason: Run, tmp_path: Path) -> None:
    ours = xreason("score", "pocket", "--suites", "pocket", "--limit", LIMIT.__str__(), "--out", tmp_path / "runs", "--json")
    assert ours.returncode == 0, ours.stderr
    row = json.loads(ours.stdout)["boards"][0]["rows"][0]

    command = [sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={MODEL}", "--device", "cpu"]
    command += ["--include_path", str(TASKS_FOLDER), "--tasks", "pocket", "--limit", str(LIMIT), "--batch_size", "32"]
    command += ["--output_path", str(tmp_path / "stock")]
    stock = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=500, check=False)
    assert stock.returncode == 0, stock.stderr[-3000:]
    (results,) = (tmp_path / "stock").rglob("results_*.json")
    reported = json.loads(results.read_text())["results"]
    assert reported["pocket"]["paper,none"] == pytest.approx(row["mean"]["value"], abs=0.01)
    assert reported["pocket"]["strict,none"] == pytest.approx(row["mean_by_other_reading"]["value"], abs=0.01)
    assert reported["pocket"]["answered,none"] == pytest.approx(row["mean_responses"]["answered"], abs=0.01)
    for code in SUITES["pocket"].languages:
        assert reported[f"pocket_{code}"]["paper,none"] == pytest.approx(row["languages"][code]["value"], abs=1.5 / LIMIT)

    (written,) = (tmp_path / "runs").rglob("results_*.json")
    assert json.loads(written.read_text())["results"]["pocket"]["paper,none"] == pytest.approx(row["mean"]["value"])
    samples = {path.name.rsplit("_", 1)[0]: path for path in (tmp_path / "runs").rglob("samples_*.jsonl")}
    assert set(samples) == {f"samples_pocket_{code}" for code in SUITES["pocket"].languages}
    lines = [json.loads(line) for line in samples["samples_pocket_sw"].read_text().splitlines()]
    assert [line["doc_id"] for line in lines] == list(range(LIMIT))
    assert all(line["resps"] and line["prompt_hash"] for line in lines)


@pytest.mark.skipif(REAL is None, reason="XREASON_DATA names no folder with the real sets")
def test_real_mgsm_and_msvamp_are_scored_question_by_question(xreason: Run, tmp_path: Path) -> None:
    arguments = ("--suites", "mgsm,msvamp", "--limit", "3", "--max-new-tokens", "8", "--data", str(REAL))
    result = xreason("score", "pocket", *arguments, "--out", tmp_path / "runs", "--json")
    assert result.returncode == 0, result.stderr
    boards = {board["suite"]: board for board in json.loads(result.stdout)["boards"]}
    assert {suite: len(board["languages"]) for suite, board in boards.items()} == {"mgsm": 11, "msvamp": 10}
    samples = list((tmp_path / "runs").rglob("samples_*.jsonl"))
    assert len(samples) == 21
    assert all(len(path.read_text().splitlines()) == 3 for path in samples)
    telugu = next(path for path in samples if "mgsm_te" in path.name)
    assert json.loads(telugu.read_text().splitlines()[0])["doc"]["language"] == "te"
