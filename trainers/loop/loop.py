"""The one loop that runs a stage, whatever the method, in plain PyTorch; run_stage reads from the first row to the last report.

One precision at every number of GPUs and in every stage: with `mixed_precision` what the model computes with is bfloat16, and what
is tuned has float32 masters, which the optimizer steps: held here by a single process; of a model in shards FSDP2's own are float32
and gathered in bfloat16. A stage leaves masters, so nothing is rounded between stages. Else all is float32.
"""

import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel, PreTrainedTokenizerBase, get_scheduler, set_seed

from xreason.tasks.errors import UserError
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.tokens import IGNORED, Tokens, tokenize
from xreason.trainers.loop import resuming, sharding
from xreason.trainers.loop.batches import StepOrder, padded
from xreason.trainers.loop.packing import can_pack, packed, packed_attention
from xreason.trainers.loop.reports import StageProgress, StageReport, check_packages, start_tracker
from xreason.trainers.loop.resuming import Saving
from xreason.trainers.stages import Stage
from xreason.trainers.tuning.freezing import float32_masters, freeze_all_but, thaw
from xreason.trainers.tuning.memory import activations_fit, peak_memory

# Tokens a forward pass where the stage does not say: a CPU gains nothing beyond, a GPU holds 8 sequences of 1024 of a 7B model.
_AT_ONCE = {"cpu": 512, "cuda": 8192}
_REPORTS = 500  # more make a long run no more readable
_SCORED_AT_ONCE = 1024  # tokens whose scores over the vocabulary are held in float32
_NO_ROW = Tokens((0,), 1)  # takes part in a pass that has no rows left for this process: one token, and no label


def run_stage(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    stage: Stage,
    examples: Sequence[Example],
    *,
    seed: int,
    directory: Path | None = None,
    progress: Callable[[StageProgress], None] | None = None,
    corpus: str = "",
    languages: Sequence[str] = (),
    device: str = "cpu",
    mixed_precision: bool = False,
    recompute: bool | None = None,
    report_to: Sequence[str] = (),
    saving: Saving | None = None,
) -> StageReport:
    """Trains `model` in place for one stage, and returns what that did and cost.

    The model is on `device` ("cpu" or "cuda") where one process trains, see sharding for more. `seed` is of the order of the rows
    and of dropout: the same gives the same weights on the same machine. `corpus` says in words what the examples are, `languages`
    are their codes. `progress` is called with every report of the loss; Accelerate's trackers in `report_to`, such as
    "tensorboard", write into `directory`, or a temporary one. `recompute` is gradient checkpointing; None does it where activations
    would not fit the free memory. `saving` says where and how often step checkpoints go; an interrupted stage goes on from them.

    Raises:
        UserError: stage and model do not fit, no example fits max_length, a package is missing, or the loss is no longer a number.
    """
    check_packages([stage], report_to)
    # which rows make up which step
    rows, cut = tokenize(examples, tokenizer, stage.max_length, stage.truncation, stage.loss_on)
    order = StepOrder([len(row.ids) for row in rows], stage.batch_size, seed, rows=stage.micro_batch_size, tokens=_AT_ONCE[device])
    total = min(math.ceil(stage.epochs * order.steps_an_epoch), stage.max_steps or sys.maxsize)
    world, rank = sharding.world_size(), sharding.rank()
    peak_memory(device, anew=True)
    with ExitStack() as at_the_end:
        # what learns
        fits = activations_fit(model, stage.tune, order.most_tokens, device, mixed_precision, world)
        freeze = partial(freeze_all_but, tune=stage.tune, seed=seed)
        at_the_end.callback(thaw, model)
        tuned_parameters = freeze(model)
        trained = sharding.shard(model, device, mixed_precision, freeze)
        at_the_end.callback(trained.zero_grad)
        masters = at_the_end.enter_context(float32_masters(trained, mixed_precision and world == 1))
        learning = {name: masters.get(each, each) for name, each in trained.named_parameters() if each.requires_grad}

        # how the model computes
        if packs := can_pack(trained, int(order.lengths.max())):
            at_the_end.enter_context(packed_attention(trained))
        collate = packed if packs else padded
        if sharding.from_main(lambda: not fits if recompute is None else recompute):
            trained.gradient_checkpointing_enable({"use_reentrant": False})
            # Transformers lets the embeddings' output ask for gradients, which only reentrant checkpoints need
            trained.disable_input_require_grads()
            at_the_end.callback(trained.gradient_checkpointing_disable)
        trained.train()
        set_seed(seed)
        # PyTorch's DataLoader draws one number; drawing it too leaves dropout what it was when one was here
        torch.empty((), dtype=torch.int64).random_()

        # optimizer and schedule; biases and norms do not decay
        groups: list[dict[str, Any]] = [{"params": [], "weight_decay": decay} for decay in (0.0, stage.weight_decay)]
        for name, weight in learning.items():
            groups[weight.ndim > 1 and "bias" not in name]["params"].append(weight)
        if (in_8bit := stage.optimizer == "adamw-8bit") and world > 1:
            raise UserError("adamw-8bit steps whole weights, and here are shards; set optimizer: adamw, or train on one GPU.")
        adamw = import_module("bitsandbytes.optim").AdamW8bit if in_8bit else partial(torch.optim.AdamW, fused=True)
        optimizer = adamw(groups, lr=stage.learning_rate, betas=stage.betas)
        schedule = get_scheduler(stage.schedule, optimizer, int(total * stage.warmup_ratio), total)

        # where an interruption left it, and who is told
        log: list[StageProgress] = []
        if saving and (last := resuming.last_step(saving.directory)):
            log = resuming.load_step(last, learning, optimizer)
            for _ in range(log[-1].step):
                schedule.step()
        done, tokens, seconds = (log[-1].step, log[-1].tokens, log[-1].tokens / log[-1].tokens_per_second) if log else (0, 0, 0.0)
        trackers = [start_tracker(name, directory or Path(mkdtemp()), vars(stage)) for name in report_to if rank == 0]
        for tracker in trackers:
            at_the_end.callback(tracker.finish)
        saved = time.perf_counter()
        began = saved - seconds
        unreported = torch.zeros((), device=device)
        for step in range(done + 1, total + 1):
            for parameter, master in masters.items():
                parameter.data.copy_(master)
            of_step = [rows[row] for row in order.rows(step - 1)]
            responses, of_all = sum(len(row.ids) - row.start for row in of_step), sum(len(row.ids) for row in of_step)
            for micro_batch in order.micro_batches(step - 1, world, rank):
                batch = collate([rows[row] for row in micro_batch] or [_NO_ROW])
                loss, balance = response_loss(trained, batch, device)
                # gradients are averaged over processes, and these are shares of the sums
                loss = loss / responses * world
                balance = balance * sum(len(rows[row].ids) for row in micro_batch) / of_all * world
                (loss + balance).backward()  # type: ignore[no-untyped-call]
                unreported += loss.detach()
            norm: Any = clip_grad_norm_(learning.values(), stage.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
            tokens += of_all
            due = saving is not None and step < total and saving.is_due(step, time.perf_counter() - saved)
            if due or step in (1, total) or step % math.ceil(total / _REPORTS) == 0:
                report = StageProgress(
                    stage=stage.name,
                    step=step,
                    total_steps=total,
                    loss=sharding.mean(unreported) / (step - (log[-1].step if log else 0)),
                    tokens=tokens,
                    tokens_per_second=tokens / (time.perf_counter() - began),
                    learning_rate=optimizer.param_groups[0]["lr"],
                    gradient_norm=float(norm.full_tensor() if world > 1 else norm),
                    memory_bytes=peak_memory(device),
                )
                if not math.isfinite(report.loss):
                    raise UserError(f"The loss is {report.loss} at step {step}: training diverged; lower learning_rate.")
                log.append(report)
                unreported.zero_()
                for tracker in trackers:
                    tracker.log({f"train/{name}": value for name, value in report if name != "stage"}, step=step)
                if progress is not None:
                    progress(report)
            if saving and due:
                resuming.save_step(saving.directory, learning, optimizer, log)
                saved = time.perf_counter()
            schedule.step()
        sharding.bring_back(trained, model)
    return StageReport(
        name=stage.name,
        corpus=corpus or " + ".join(stage.corpora),
        rows=len(rows),
        languages=tuple(languages),
        tuned=stage.tune.describe(),
        tuned_parameters=tuned_parameters,
        total_parameters=sum(parameter.numel() for parameter in model.parameters()),
        epochs=total / order.steps_an_epoch,
        learning_rate=stage.learning_rate,
        batch_size=stage.batch_size,
        steps=total,
        tokens=tokens,
        seconds=tokens / log[-1].tokens_per_second,
        tokens_per_second=log[-1].tokens_per_second,
        peak_memory_bytes=peak_memory(device),
        losses=tuple((row.step, row.loss) for row in log),
        truncated=dict(cut.truncated),
        left_out=cut.left_out,
        log=tuple(log),
    )


def response_loss(model: PreTrainedModel, batch: dict[str, Any], device: str) -> tuple[torch.Tensor, torch.Tensor | float]:
    """Returns the loss over a micro-batch's labels, summed, in nats; only they are projected, and made float32 part by part.

    Beside it, weighted, the mean loss that balances experts, where the model's config asks for it (`output_router_logits`), else 0.
    """

    def summed(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return cross_entropy(scores.float(), labels, ignore_index=IGNORED, reduction="sum")

    labels = batch.pop("labels")
    keep = (labels != IGNORED).any(dim=0).nonzero()[:, 0]
    batch = {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()}
    output = model(**batch, use_cache=False, logits_to_keep=(keep - 1).to(device))
    # as Transformers weighs it, which is as the config says; None where it is not asked for
    weight = getattr(model, "aux_loss_coef" if hasattr(model, "aux_loss_coef") else "router_aux_loss_coef", 0.0)
    balance = 0.0 if getattr(output, "aux_loss", None) is None else output.aux_loss * weight
    scores, labels = output.logits.flatten(0, 1), labels[:, keep].flatten().to(device)
    if len(labels) <= _SCORED_AT_ONCE:
        return summed(scores, labels), balance
    parts = zip(scores.split(_SCORED_AT_ONCE), labels.split(_SCORED_AT_ONCE), strict=True)
    return torch.stack([checkpoint(summed, *part, use_reentrant=False) for part in parts]).sum(), balance
