"""What a GPU is proved by: parts that each train, or serve, a random model, and say what that took.

A Bench enters, what was measured leaves, as JSON holds it: bytes, seconds, shares and ratios in 0..1 and above. The model is of
Llama-2-7B's shape, of as many layers as fit, its rows are the pocket world's words, as long as real ones.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from xreason.harness import progress
from xreason.harness.showing.gpu_bench import LONGEST, QUESTIONS, SLAM_LAYERS, SMALL, Bench, Measured
from xreason.trainers.stages import AllParameters, FeedForward, LowRank
from xreason.trainers.tuning.memory import give_back_memory, now


def numerics(bench: Bench) -> Measured:
    """bfloat16 over float32 masters against float32: 20 steps of a small model, from the same weights."""
    import torch

    from xreason.trainers.loop.loop import run_stage

    losses = []
    for precise in (False, True):
        model = bench.model(SMALL if bench.device == "cuda" else bench.shape, exact=True).to(torch.bfloat16)
        stage = replace(bench.stage(AllParameters(), steps=20, rows=min(16, bench.rows)), learning_rate=1e-3)
        report = run_stage(
            model if precise else model.float(),
            bench.tokenizer,
            stage,
            bench.examples(64),
            seed=0,
            device=bench.device,
            mixed_precision=precise,
        )
        losses.append([loss for _, loss in report.losses])
    apart = max(abs(one - other) / one for one, other in zip(*losses, strict=True))
    return {"steps": 20, "first_and_last_loss": [losses[0][0], losses[0][-1]], "largest_relative_difference": apart}


def packing(bench: Bench) -> Measured:
    """The same rows laid end to end against padded as they come: the same loss, and tokens a second forward and backward."""
    from xreason.trainers.corpora.tokens import tokenize
    from xreason.trainers.loop.batches import padded
    from xreason.trainers.loop.losses import response_loss
    from xreason.trainers.loop.packing import packed, packed_attention

    shape = {**bench.shape, "num_hidden_layers": min(4, bench.shape.get("num_hidden_layers", 4))}
    model = bench.model(shape)
    model.train()
    rows = tokenize(bench.examples(2 * bench.at_once), bench.tokenizer, LONGEST)[0]
    parts = [rows[start : start + bench.at_once] for start in range(0, len(rows), bench.at_once)]

    def pass_over(collate: Callable[..., Any]) -> tuple[float, float]:
        began, total = now(), 0.0
        for part in parts:
            loss, _ = response_loss(model, collate(part), bench.device)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
            model.zero_grad()
        return total, now() - began

    tokens = sum(len(row.ids) for row in rows)
    pass_over(padded)
    loss_padded, seconds_padded = pass_over(padded)
    with packed_attention(model):
        pass_over(packed)
        loss_packed, seconds_packed = pass_over(packed)
    return {
        "relative_difference_of_losses": abs(loss_packed - loss_padded) / loss_padded,
        "tokens_a_second_packed": tokens / seconds_packed,
        "tokens_a_second_padded": tokens / seconds_padded,
        "packed_over_padded": seconds_padded / seconds_packed,
    }


def slam(bench: Bench) -> Measured:
    """Steps of SLAM: up and down projections of the language layers."""
    return bench.at_depth(FeedForward(min(SLAM_LAYERS, bench.shape.get("num_hidden_layers", 32) // 2)))


def full(bench: Bench) -> Measured:
    """Steps of full fine-tuning; and what of it a SLAM step takes, layer by layer where it fits fewer of them."""
    measured = bench.at_depth(AllParameters())
    if of_slam := bench.done.get("slam"):
        if of_slam["layers"] != measured["layers"]:
            # the same depth, for what is compared
            shape, tune = (
                {**bench.shape, "num_hidden_layers": measured["layers"]},
                FeedForward(min(SLAM_LAYERS, measured["layers"])),
            )
            of_slam = bench.timed(bench.model(shape), bench.stage(tune), recompute=0)
        measured |= {
            f"slam_over_full_{name}": of_slam[key] / measured[key]
            for name, key in (("time", "seconds_a_step"), ("memory", "peak_bytes"))
        }
    return measured


def papers(bench: Bench) -> Measured:
    """Full fine-tuning as the papers' code does it: rows padded to the longest allowed, all recomputed, attention written out.

    Forward and backward passes alone, on bfloat16 weights: what their optimizer takes is not held against them.
    """
    import torch

    from xreason.trainers.corpora.tokens import IGNORED, tokenize

    layers = bench.done.get("full", {}).get("layers") or bench.shape.get("num_hidden_layers", 32)
    model = bench.model({**bench.shape, "num_hidden_layers": layers}, attn_implementation="eager")
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    size, tokens, began = min(8, bench.rows), 0, 0.0
    rows = tokenize(bench.examples(5 * size), bench.tokenizer, LONGEST)[0]
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        ids, labels = (
            torch.tensor([[*each, *[fill] * (LONGEST - len(each))] for each in column], device=bench.device)
            for column, fill in (([row.ids for row in part], 0), ([row.labels for row in part], IGNORED))
        )
        mask = torch.tensor([[1] * len(row.ids) + [0] * (LONGEST - len(row.ids)) for row in part], device=bench.device)
        model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss.backward()
        tokens += sum(len(row.ids) for row in part)
        if start == 0:
            # the first pass warms up
            tokens, began = 0, now()
    rate = tokens / (now() - began)
    ours = bench.done.get("full", {}).get("tokens_a_second")
    return {"layers": layers, "useful_tokens_a_second": rate} | ({"ours_over_theirs": ours / rate} if ours else {})


def lora(bench: Bench) -> Measured:
    """Steps of LoRA, rank 128, all linear layers."""
    return bench.at_depth(LowRank(128, 1, 0.0))


def interrupted(bench: Bench) -> Measured:
    """Two-stage of the pocket model, by the entry point that `xreason train` calls: at once, and killed in its second stage."""
    import torch

    from xreason.trainers.checkpoints.base import stored_tensors
    from xreason.trainers.train import train
    from xreason.trainers.two_stage import two_stage

    method = two_stage().with_settings({"max_steps": 6, "batch_size": 8, "rows": 48, "learning_rate": 1e-3})

    def interrupt(report: Any) -> None:
        if report.stage == method.stages[1].name and report.step == 5:
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def run(place: str, told: Callable[[Any], None] | None = None) -> Any:
            (target := folder / place).mkdir(exist_ok=True)
            return train(
                method,
                "pocket",
                target,
                languages=("en", "sw"),
                source="pocket",
                device=bench.device,
                progress=told,
                work=folder / f"{place}-work",
                save_steps=2,
                save_minutes=None,
            )

        at_once = run("at-once")
        try:
            run("resumed", interrupt)
        except KeyboardInterrupt:
            shutil.rmtree(folder / "resumed")
        resumed = run("resumed")
        weights = zip(stored_tensors(folder / "at-once"), stored_tensors(folder / "resumed"), strict=True)
        apart = max(float((one.float() - other.float()).abs().max()) for (_, one), (_, other) in weights)
    losses = [[loss for stage in each.stages for _, loss in stage.losses] for each in (at_once, resumed)]
    return {
        "losses": len(losses[0]),
        "largest_difference_of_losses": max(abs(one - other) for one, other in zip(*losses, strict=True)),
        "largest_difference_of_weights": apart,
        "device": str(torch.device(bench.device)),
    }


def served(bench: Bench) -> Measured:
    """vLLM: a start, a SLAM checkpoint swapped in and the base back, each proved, and questions asked."""
    from xreason.harness.scoring.evaluate import evaluate
    from xreason.harness.scoring.questions import scorings
    from xreason.harness.serving.answers import Answers
    from xreason.harness.serving.engines import Engines
    from xreason.harness.serving.models import checkpoint_model, plain_model
    from xreason.trainers.slam import slam
    from xreason.trainers.train import train

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = bench.model({**bench.shape, "max_position_embeddings": 4096})
        size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
        if (free_disk := shutil.disk_usage(folder).free) < 2 * size:
            return {"left_out": f"{2 * size / 2**30:.0f} GiB of disk are needed, and {free_disk / 2**30:.0f} are free"}
        for part in (model, bench.tokenizer):
            part.save_pretrained(folder / "base")
        del model
        give_back_memory()
        (folder / "slam").mkdir()
        method = slam(2).with_settings({"max_steps": 2, "batch_size": 16, "rows": 32, "learning_rate": 1e-3})
        train(method, folder / "base", folder / "slam", languages=("en", "sw"), source="pocket")
        give_back_memory()
        base, tuned = plain_model(str(folder / "base")), checkpoint_model(folder / "slam", "slam")[0]
        suite = "mgsm" if Path(os.environ.get("XREASON_DATA", ""), "mgsm").is_dir() else "pocket"
        (scoring,) = scorings((suite,), max_new_tokens=128)
        limit = max(1, (QUESTIONS if bench.device == "cuda" else 20) // len(scoring.languages))
        with Engines(say=progress.say) as engines, Answers(folder / "answers") as answers:
            engine = engines.engine_for(base)
            measured = {"seconds_to_start": engine.seconds_to_start}
            for to, each in (("slam", tuned), ("base", base)):
                began = time.perf_counter()
                engine = engines.engine_for(each)
                measured |= {f"seconds_to_{to}": time.perf_counter() - began, f"seconds_to_prove_{to}": engine.seconds_to_prove}
            engine.answers, began = answers, time.perf_counter()
            evaluate(engine, "base", base, scoring.model_copy(update={"limit": limit}), folder)
            seconds = time.perf_counter() - began
        lines = [json.loads(line)["said"][0][0] for line in (folder / "answers").read_text().splitlines()]
        tokens = sum(map(len, bench.tokenizer(lines)["input_ids"]))
    return measured | {"suite": suite, "questions": len(lines), "seconds_to_answer": seconds, "tokens_a_second": tokens / seconds}


#: In this order: what must be known first stands first. Each with the seconds that must be left for it to begin on a GPU.
PARTS: tuple[tuple[str, Callable[[Bench], Measured], float], ...] = (
    ("numerics", numerics, 20),
    ("packing", packing, 15),
    ("slam", slam, 30),
    ("full", full, 50),
    ("papers", papers, 25),
    ("lora", lora, 30),
    ("interrupted", interrupted, 30),
    ("served", served, 180),
)
