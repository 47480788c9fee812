"""What training costs beside what it could cost, in ratios taken within one run on one machine.

    python -m benchmarks.training [--only step|packing|streaming|loop] [--against DIR]        # prints JSON

step: a SLAM step (2 of 12 layers, the lowest) against a full step; same model, same batches; time, and peak memory above weights.
packing: useful tokens a second of packed micro-batches against batches of rows as they come, padded to their longest.
streaming: full on the pocket model over a file of a million rows: seconds from the start of a process to its first step, with
    every row checked; the most that is resident; and whether a training that is killed and gone on with ends in the same weights.
loop: tokens a second of our stage loop against a bare PyTorch loop over the same batches, pocket model and the one of `step`; and
    against the loop of another checkout of this project (--against, with its own .venv), in processes that take turns.

The model of `step` is a Llama of width 512 and 12 layers over the pocket world's rows, 16 a step. `packing` takes the pocket model
over questions and rationales of GSM8K, whose lengths differ as real ones do; XREASON_DATA names the folder that has them.
"""

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import LlamaConfig, LlamaForCausalLM, get_cosine_schedule_with_warmup

from xreason.harness.store import provenance
from xreason.trainers.checkpoints.base import load_base, resolve_model
from xreason.trainers.corpora.examples import Example, Source
from xreason.trainers.corpora.load import load_corpus
from xreason.trainers.corpora.tokens import Tokens, tokenize
from xreason.trainers.loop.batches import StepOrder, padded
from xreason.trainers.loop.loop import run_stage
from xreason.trainers.loop.losses import response_loss
from xreason.trainers.loop.packing import packed, packed_attention
from xreason.trainers.stages import AllParameters, FeedForward, Stage, Tune
from xreason.trainers.tuning.fitting import Choice

SLAM_LAYERS = 2
BATCH = 16
# what a step of the packing measurement holds, and a micro-batch of a stage that does not say
PACKED_BATCH, MICRO_BATCH = 64, 32
REPETITIONS = 3
STREAMED, STREAMED_STEPS = 1_000_000, 6


def main() -> None:
    """Takes the measurements that are asked for and prints them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=(*_MEASUREMENTS, "loop"))
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout of this project, for --only loop")
    parser.add_argument("--stream", nargs=3, metavar=("FILE", "OUT", "KILL"), help=argparse.SUPPRESS)
    parser.add_argument("--memory-of", choices=("slam", "full"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory_of:
        sys.stdout.write(f"{_memory_above_weights(asked.memory_of)}\n")
        return
    if asked.stream:
        sys.stdout.write(json.dumps(_stream(*asked.stream)) + "\n")
        return
    report: dict[str, Any] = {"commit": provenance.commit(), "machine": provenance.machine()}
    for name, measure in {**_MEASUREMENTS, "loop": partial(loop, asked.against)}.items():
        if asked.only in (None, name):
            report[name] = measure()
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


def step() -> dict[str, float]:
    """Returns what a SLAM step takes as a share of a full step."""
    seconds = {name: _seconds_a_step(tune) for name, tune in _TUNES.items()}
    # in a process each: memory that one has given back would hide what the other needs
    memory = {
        name: int(subprocess.check_output([sys.executable, "-m", "benchmarks.training", "--memory-of", name]))  # noqa: S603
        for name in _TUNES
    }
    return {
        **{f"{name}_seconds": round(each, 3) for name, each in seconds.items()},
        "time_ratio": round(seconds["slam"] / seconds["full"], 3),
        **{f"{name}_mebibytes_above_weights": each >> 20 for name, each in memory.items()},
        "memory_ratio": round(memory["slam"] / memory["full"], 3),
    }


def packing() -> dict[str, float]:
    """Returns useful tokens a second of each layout of the same optimizer steps, forward and backward."""
    model, tokenizer = _pocket_model()
    rows = tokenize(_examples(PACKED_BATCH, "papers"), tokenizer, 1024)[0]
    order, choice = StepOrder([len(row.ids) for row in rows], PACKED_BATCH, 0), Choice(MICRO_BATCH, 0, 0)
    as_they_come = [rows[start : start + MICRO_BATCH] for start in range(0, len(rows), MICRO_BATCH)]
    sorted_in_steps = [[rows[row] for row in each] for each in order.micro_batches(0, choice)]

    useful = sum(len(row.ids) for row in rows) / sum(len(each) * max(len(row.ids) for row in each) for each in as_they_come)

    def laid_end_to_end() -> float:
        with packed_attention(model):
            return _tokens_a_second(model, sorted_in_steps, packed)

    naive, sort = (partial(_tokens_a_second, model, cut, padded) for cut in (as_they_come, sorted_in_steps))
    speeds = _medians({"naive": naive, "sorted": sort, "packed": laid_end_to_end})
    return {
        "useful_share_when_padded": round(useful, 3),
        **{f"{name}_tokens_per_second": round(speed) for name, speed in speeds.items()},
        "sorted_over_naive": round(speeds["sorted"] / speeds["naive"], 2),
        "packed_over_naive": round(speeds["packed"] / speeds["naive"], 2),
    }


def streaming() -> dict[str, Any]:
    """Returns what a training over a file of a million rows takes, and whether it goes on where it was killed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.jsonl")
        with file.open("w", encoding="utf-8") as rows:
            for number in range(STREAMED):
                question = f"Ann has {number} apples and buys {number % 97} more. How many apples does she have now?"
                answer = f"{number} + {number % 97} = {number + number % 97}. The answer is {number + number % 97}."
                rows.write(json.dumps({"question": question, "answer": answer, "language": "en"}) + "\n")

        def run(out: str, kill: int) -> str:
            command = [sys.executable, "-m", "benchmarks.training", "--stream", str(file), str(Path(folder, out)), str(kill)]
            return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=not kill).stdout  # noqa: S603

        measured = json.loads(run("whole", 0).splitlines()[-1])
        run("again", STREAMED_STEPS - 1)
        resumed = json.loads(run("again", 0).splitlines()[-1])
        whole, again = (Path(folder, out, "model.safetensors").read_bytes() for out in ("whole", "again"))
        return {
            "rows": STREAMED,
            "file_mebibytes": file.stat().st_size >> 20,
            **{name: measured[name] for name in ("first_step_seconds", "resident_mebibytes")},
            "resumed_at_step": resumed["first_step"],
            "resumed_ends_in_the_same_weights": float(whole == again),
        }


def _stream(file: str, out: str, kill: str) -> dict[str, Any]:
    """Trains over a file into a folder, and kills itself at a step that is not 0."""
    from xreason.trainers.loop.reports import StageProgress
    from xreason.trainers.methods import load_method
    from xreason.trainers.train import train

    seen: dict[int, float] = {}

    def progress(state: StageProgress) -> None:
        seen[state.step] = time.time() - psutil.Process().create_time()
        if state.step == int(kill):
            while list(Path(f"{out}-work").rglob("*.partial")):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)

    settings = {"corpora": [f"file:{file}"], "max_steps": STREAMED_STEPS, "batch_size": BATCH}
    told: dict[str, Any] = {"languages": ["en"], "source": "pocket", "work": Path(f"{out}-work"), "save_steps": 2}
    Path(out).mkdir(exist_ok=True)
    train(load_method("full", settings), "pocket", Path(out), progress=progress, save_minutes=None, device="cpu", **told)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {"first_step": min(seen), "first_step_seconds": round(seen[min(seen)], 1), "resident_mebibytes": resident}


def loop(against: Path | None) -> dict[str, float]:
    """Returns the share of a bare loop's tokens a second that our stage loop reaches, and of the loop's of another checkout."""
    ratios = {}
    for name, make, steps in (("pocket", _pocket_model, 24), ("wide", _wide_model, 3)):
        model, tokenizer = make()
        stage = Stage("loop", ("x",), AllParameters(), max_steps=steps, batch_size=BATCH)
        examples = _examples(steps * BATCH)
        measures = {
            "ours": lambda: run_stage(model, tokenizer, stage, examples, seed=0).tokens_per_second,  # noqa: B023
            "bare": lambda: _bare_loop(model, tokenizer, stage, examples),  # noqa: B023
        }
        with tempfile.TemporaryDirectory() as folder:
            if against is not None:
                for each in (model, tokenizer):
                    each.save_pretrained(folder)
                measures["here"] = partial(_of_checkout, Path.cwd(), folder, steps)
                measures["there"] = partial(_of_checkout, against, folder, steps)
            speeds = _medians(measures)
        ratios |= {f"{name}_{kind}_tokens_per_second": round(speed) for kind, speed in speeds.items()}
        ratios[f"{name}_ratio"] = round(speeds["ours"] / speeds["bare"], 3)
        if against is not None:
            ratios[f"{name}_here_over_there"] = round(speeds["here"] / speeds["there"], 3)
    return ratios


def _of_checkout(checkout: Path, model: str, steps: int) -> float:
    """Returns tokens a second of the loop of a checkout, in a process of its own, after a step that warms up."""
    command = [str(checkout / ".venv/bin/python"), "-c", _STAGE, model, str(steps), str(BATCH)]
    return float(subprocess.check_output(command, cwd=checkout, text=True).splitlines()[-1])  # noqa: S603


# modules by the names they have, and had before all became one package
_STAGE = """
import importlib.util, pathlib, sys
if importlib.util.find_spec("xreason"):
    import xreason.trainers.stages as s, xreason.trainers.checkpoints.base as b, xreason.trainers.corpora.load as c
    import xreason.trainers.loop.loop as l
else:
    import trainers.stages as s, trainers.base as b, trainers.corpora as c, trainers.loop as l
folder, steps, batch = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])
model, tokenizer = b.load_base(folder, device="cpu", mixed_precision=False)
examples = c.load_corpus("english-reasoning", ["en"], source="pocket", data=None, rows=None, seed=0).examples[: steps * batch]
for count in (1, steps):
    stage = s.Stage("loop", ("x",), s.AllParameters(), max_steps=count, batch_size=batch)
    report = l.run_stage(model, tokenizer, stage, examples, seed=0)
print(report.tokens_per_second)
"""
_MEASUREMENTS: dict[str, Callable[[], dict[str, float]]] = {"step": step, "packing": packing, "streaming": streaming}
_TUNES: dict[str, Tune] = {"slam": FeedForward(SLAM_LAYERS), "full": AllParameters()}


def _medians(measures: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Takes all in turns, so that a busy moment of the machine hits all, after one turn that only warms up."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for turn in range(REPETITIONS + 1):
        for name, measure in measures.items():
            value = measure()
            if turn:
                taken[name].append(value)
    return {name: statistics.median(values) for name, values in taken.items()}


def _bare_loop(model: Any, tokenizer: Any, stage: Stage, examples: list[Example]) -> float:
    """Returns tokens a second of the plainest loop that takes the same steps over the same micro-batches."""
    rows, _ = tokenize(examples, tokenizer, stage.max_length)
    order, choice = StepOrder([len(row.ids) for row in rows], stage.batch_size, 0), Choice(None, 512, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage.learning_rate, weight_decay=0.0, fused=True)
    schedule = get_cosine_schedule_with_warmup(optimizer, 0, stage.max_steps)
    model.train()
    with packed_attention(model):
        tokens, began = 0, time.perf_counter()
        for number in range(stage.max_steps or 0):
            taken = [rows[row] for row in order.rows(number)]
            responses = sum(len(row.ids) - row.prompt_length for row in taken)
            for micro_batch in order.micro_batches(number, choice):
                (response_loss(model, packed([rows[row] for row in micro_batch]), "cpu")[0] / responses).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            tokens += sum(len(row.ids) for row in taken)
        return tokens / (time.perf_counter() - began)


def _tokens_a_second(model: Any, micro_batches: list[list[Tokens]], collate: Callable[[list[Tokens]], dict[str, Any]]) -> float:
    began = time.perf_counter()
    for rows in micro_batches:
        response_loss(model, collate(rows), "cpu")[0].backward()
        model.zero_grad()
    return sum(len(row.ids) for rows in micro_batches for row in rows) / (time.perf_counter() - began)


def _seconds_a_step(tune: Tune) -> float:
    model, tokenizer = _wide_model()
    # the first step warms up, and is taken out by the difference of two lengths
    times = []
    for steps in (1, 4):
        stage = Stage("step", ("x",), tune, max_steps=steps, batch_size=BATCH)
        times.append(run_stage(model, tokenizer, stage, _examples(4 * BATCH), seed=0).seconds)
    return (times[1] - times[0]) / 3


def _memory_above_weights(name: str) -> int:
    """Returns the most that this process held in a stage of two steps, above what it held with the weights loaded."""
    model, tokenizer = _wide_model()
    examples = _examples(2 * BATCH)
    # libraries that are loaded on first use are no cost of a step
    run_stage(model, tokenizer, Stage("warm-up", ("x",), FeedForward(1), max_steps=1, batch_size=1), examples[:1], seed=0)
    before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    stage = Stage("memory", ("x",), _TUNES[name], max_steps=2, batch_size=BATCH)
    return run_stage(model, tokenizer, stage, examples, seed=0).peak_memory_bytes - before


def _pocket_model() -> tuple[Any, Any]:
    return load_base(resolve_model("pocket"), device="cpu", mixed_precision=False)


def _wide_model() -> tuple[Any, Any]:
    _, tokenizer = _pocket_model()
    torch.manual_seed(0)
    shape = {"hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 12, "num_attention_heads": 8}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=2048, **shape, **ends)), tokenizer


def _examples(count: int, source: Source = "pocket") -> list[Example]:
    data = Path(os.environ["XREASON_DATA"]) if "XREASON_DATA" in os.environ else None
    return list(load_corpus("english-reasoning", ["en"], source=source, data=data, rows=None, seed=0).examples[:count])


if __name__ == "__main__":
    main()
