"""What serving costs beyond vLLM itself: a swap against reading a file, one process for many models, and the generation phase.

    python -m benchmarks.serving swap          # a random Llama of 1 GB in bfloat16, every tensor moved
    python -m benchmarks.serving scoring       # 4 and 10 models in one `xreason score`, against one lm_eval process a model
    python -m benchmarks.serving generation    # tokens/s of the Engine and of bare LLM.generate on the same token ids, in turns

Prints JSON. Each ratio is of one run on one machine. `swap` gives the ratio with the file in the page cache and out of it, for
the swap as for reading; the proof of the swap is apart. `scoring` asks so few questions that starts dominate, as on small suites;
lm_eval is its own command line with --model vllm, in-process as ours is on CPUs, on whole folders exported beforehand; its ten are
ten times the median of its four.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.models import random_llama
from benchmarks.report import report
from xreason.trainers.pocket import MODEL

TURNS, PAIRS, ROWS = 5, 20, 50
QUESTIONS = ("--suites", "pocket", "--languages", "en,sw", "--limit", "8")
#: With vLLM's build for CPUs, lm-eval's vLLM model does not find the distribution that it asks the version of.
STOCK = (
    "import importlib.metadata as m; f = m.version; m.version = lambda n: '0.32.0+cpu' if n == 'vllm' else f(n); "
    "from lm_eval.__main__ import cli_evaluate; cli_evaluate()"
)


def swap() -> None:
    """Moves every tensor of a model of 1 GB, there and back."""
    from xreason.harness.serving import engine
    from xreason.harness.serving.models import plain_model

    with tempfile.TemporaryDirectory() as place:
        folders = [random_llama(Path(place) / name, seed=seed) for seed, name in enumerate(("one", "other"))]
        models = [plain_model(str(folder)) for folder in folders]
        size = (folders[0] / "model.safetensors").stat().st_size
        running = engine.start(models[0], max_length=1024)
        running.serve(models[1])
        measured: dict[str, Any] = {}
        written = 0
        for state in ("warm", "cold"):
            reads, swaps, proofs = [], [], []
            for turn in range(TURNS):
                file = folders[turn % 2] / "model.safetensors"
                _prepare(file, state)
                reads.append(_timed(lambda file=file: _read(file)))  # type: ignore[misc]
                _prepare(file, state)
                before = _written()
                # the proof reads the file again, for what is resident to be held against it
                swaps.append(running.serve(models[turn % 2]) - running.seconds_to_prove)
                proofs.append(running.seconds_to_prove)
                written += _written() - before
            read, moved, proved = map(statistics.median, (reads, swaps, proofs))
            measured[f"{state}_page_cache"] = {
                "read_seconds": round(read, 3),
                "swap_seconds": round(moved, 3),
                "swap_over_read": round(moved / read, 2),
                "proof_seconds": round(proved, 3),
            }
        left = sum(path.stat().st_size for path in Path(place).rglob("*") if path.is_file() and path.parent not in folders)
        running.stop()
    report(file_bytes=size, **measured, bytes_written_to_storage=written, bytes_in_the_temporary_folder=left)


def scoring() -> None:
    """Scores models by one process and by one a model."""
    from xreason.trainers.checkpoints.delta import materialise, read_checkpoint

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        checkpoints = [_checkpoint(folder / f"checkpoint-{seed}", seed) for seed in range(10)]
        whole = [materialise(read_checkpoint(each), folder / f"whole-{index}") for index, each in enumerate(checkpoints[:4])]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_LOGGING_LEVEL": "ERROR"}
        tasks = [sys.executable, "-m", "xreason.harness.cli", "tasks", "--paths"]
        paths = subprocess.run(tasks, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603

        def ours(count: int) -> float:
            command = [sys.executable, "-m", "xreason.harness.cli", "score", *map(str, checkpoints[:count]), *QUESTIONS]
            return _timed(lambda: _run([*command, "--out", str(folder / f"runs-{count}")], environment))

        def stock(index: int) -> float:
            command = [sys.executable, "-c", STOCK, "--model", "vllm", "--include_path", *paths, "--tasks", "pocket_en,pocket_sw"]
            arguments = f"pretrained={whole[index]},dtype=float32,max_model_len=4096,enforce_eager=True"
            command += ["--model_args", arguments, "--limit", "8", "--batch_size", "auto"]
            command += ["--output_path", str(folder / f"stock-{index}"), "--log_samples"]
            return _timed(lambda: _run(command, {**environment, "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}))

        ours(1)  # so that nothing is read from the disk for the first time
        alone = [stock(0)]
        four = ours(4)
        alone += [stock(index) for index in (1, 2, 3)]
        ten = ours(10)
        each = statistics.median(alone)
        report(
            questions=" ".join(QUESTIONS),
            lm_eval_seconds=[round(seconds, 1) for seconds in alone],
            xreason_seconds={"4": round(four, 1), "10": round(ten, 1)},
            lm_eval_over_xreason={"4": round(sum(alone) / four, 2), "10": round(10 * each / ten, 2)},
        )


def generation() -> None:
    """Answers the same prompts by the Engine, which keeps every response, and by vLLM alone."""
    from vllm import SamplingParams, TokensPrompt

    from xreason.harness.serving import engine
    from xreason.harness.serving.answers import Answers
    from xreason.harness.serving.models import plain_model
    from xreason.tasks.prompts import alpaca
    from xreason.tasks.suites import SUITES

    running = engine.start(plain_model("pocket"), max_length=2048)
    suite = SUITES["pocket"]
    asked = [alpaca(row["question"]) for code in suite.languages for row in suite.rows(code)[:ROWS]]
    prompts = [list(tokens) for tokens in dict.fromkeys(map(tuple, running.tok_encode(asked)))]
    params = SamplingParams(temperature=0, max_tokens=256, stop=["Question:"])
    told: list[int] = []
    running.progress = lambda done, total: told.append(done)

    def bare() -> list[Any]:
        return running.model.generate([TokensPrompt(prompt_token_ids=ids) for ids in prompts], params, use_tqdm=False)

    def ours() -> list[Any]:
        with tempfile.TemporaryDirectory() as place, Answers(Path(place) / "answers.jsonl") as running.answers:
            return running._model_generate(prompts, generate=True, sampling_params=[params] * len(prompts))

    # the first of a pair is the other one every second time: what a machine does meanwhile falls on both alike
    seconds: dict[str, list[float]] = {"engine": [], "bare": []}
    said: dict[str, list[str]] = {}
    for turn in range(PAIRS):
        for name, answer in (("engine", ours), ("bare", bare))[:: 1 if turn % 2 else -1]:
            running.model.reset_prefix_cache()
            began = time.perf_counter()
            outputs = answer()
            seconds[name].append(time.perf_counter() - began)
            said[name] = [each.outputs[0].text for each in outputs]
            if name == "bare":
                tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
        if said["engine"] != said["bare"]:
            raise RuntimeError(f"turn {turn}: the Engine and LLM.generate differ")
    running.stop()
    of = {name: tokens / statistics.median(each) for name, each in seconds.items()}
    pairs = [other / one for one, other in zip(seconds["engine"], seconds["bare"], strict=True)]
    report(
        prompts=len(prompts),
        tokens=tokens,
        tokens_per_second={name: round(rate) for name, rate in of.items()},
        engine_over_bare=round(statistics.median(pairs), 3),
        of_each_turn=[round(pair, 3) for pair in pairs],
    )


def _checkpoint(folder: Path, seed: int) -> Path:
    import torch
    from transformers import AutoModelForCausalLM

    from xreason.trainers.checkpoints.delta import save_checkpoint

    model, chance = AutoModelForCausalLM.from_pretrained(MODEL), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "up_proj" in name or "down_proj" in name:
                parameter += 0.002 * torch.randn(parameter.shape, generator=chance)
    save_checkpoint(model, "pocket", folder, method=folder.name, seed=seed)
    return folder


def _prepare(file: Path, state: str) -> None:
    """Puts a file into the page cache, or out of it."""
    if state == "warm":
        _read(file)
        return
    descriptor = os.open(file, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def _read(file: Path) -> None:
    """Reads a file once, into memory of its own size."""
    import numpy as np

    np.fromfile(file, dtype=np.uint8)


def _written() -> int:
    """Returns the bytes that this process has had written to storage so far."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:300]} ended with {done.returncode}: {done.stderr[-2000:]}")


if __name__ == "__main__":
    {"swap": swap, "scoring": scoring, "generation": generation}[sys.argv[1]]()
