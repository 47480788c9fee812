"""The one loop that runs a stage, whatever the method, in plain PyTorch; run_stage reads from the first row to the last report.

One precision at every number of GPUs and in every stage: with `mixed_precision` what the model computes with is bfloat16, and what
is tuned has float32 masters, which the optimizer steps: held here by a single process; of a model in shards FSDP2's own are float32
and gathered in bfloat16. A stage leaves masters, so nothing is rounded between stages. Else all is float32.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy
import torch
from torch.nn.utils import clip_grad_norm_
from transformers import PreTrainedModel, PreTrainedTokenizerBase, get_scheduler, set_seed

from xreason.tasks.errors import UserError
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.tokens import Cut, Tokens, TokenStream, check_some, encode, tokenize
from xreason.trainers.loop import resuming, sharding
from xreason.trainers.loop.batches import StepOrder, padded
from xreason.trainers.loop.held_out import LOOKS, HeldOut, best_step, copy_of, is_over
from xreason.trainers.loop.losses import response_loss
from xreason.trainers.loop.packing import can_pack, packed, packed_attention
from xreason.trainers.loop.preferring import preference_loss, tokenize_pairs, with_reference
from xreason.trainers.loop.reports import StageProgress, StageReport, check_packages, start_tracker
from xreason.trainers.loop.resuming import Saving
from xreason.trainers.stages import Prefer, Stage
from xreason.trainers.tuning.fitting import Choice, fastest, fitting
from xreason.trainers.tuning.freezing import float32_masters, freeze_all_but, thaw
from xreason.trainers.tuning.kernels import fused_kernels, recompute_every
from xreason.trainers.tuning.memory import give_back_memory, peak_memory, room_for

_REPORTS = 500  # more make a long run no more readable
_MEASURED_STEPS = 2
_WORTH_MEASURING = 20  # steps; a stage of fewer takes what is expected to be fastest
# takes part in a pass that has no rows left for this process: one token, and no label
_NO_ROW = Tokens(numpy.zeros(1, numpy.int32), 1)


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
    recompute: int | None = None,
    report_to: Sequence[str] = (),
    saving: Saving | None = None,
    held_out: Mapping[str, Sequence[Example]] | None = None,
) -> StageReport:
    """Trains `model` in place for one stage, and returns what that did and cost.

    The model is on `device` ("cpu" or "cuda") where one process trains, see sharding for more. `seed` is of the order of the rows
    and of dropout: the same gives the same weights on the same machine. `corpus` says in words what the examples are, `languages`
    are their codes. `progress` is called with every report of the loss; Accelerate's trackers in `report_to`, such as
    "tensorboard", write into `directory`, or a temporary one. `recompute` is gradient checkpointing, of every n-th layer or, for 0,
    none; None chooses it, and the tokens a forward pass where the stage says no rows: of what fits the free memory the cheapest, on
    a GPU the fastest of a few that are measured. A step that runs out of memory all the same is done again with less. `saving` says
    where and how often step checkpoints go; an interrupted stage goes on from them. `held_out` are rows whose loss is told, by the
    code of their language.

    Examples in a list are tokenized before the first step. Of any other sequence each row is when its step comes, so that it need
    not fit into memory: how much a pass takes then goes by `max_length`, and what is too long is told of the rows that were seen.

    Raises:
        UserError: stage and model do not fit, or the memory does not hold them; no example fits max_length, a package is missing,
            or the loss is no longer a number.
    """
    check_packages([stage], report_to)
    # which rows make up which step: examples, or pairs
    told: dict[str, Any] = {"max_length": stage.max_length, "truncation": stage.truncation, "loss_on": stage.loss_on}
    prefers = stage.objective if isinstance(stage.objective, Prefer) else None
    rows: Any
    if streams := not isinstance(examples, list | tuple) and not prefers:
        encoded = partial(encode, tokenizer=tokenizer, **told)
        rows, cut = TokenStream(examples, encoded, stage.max_length, 4 * stage.batch_size), Cut({}, 0)
    else:
        rows, cut = tokenize_pairs(examples, tokenizer, stage.max_length) if prefers else tokenize(examples, tokenizer, **told)
    order = StepOrder(rows.lengths if streams else [row.length for row in rows], stage.batch_size, seed)
    held = HeldOut({code: tokenize(some, tokenizer, **told)[0] for code, some in (held_out or {}).items()})
    total = min(math.ceil(stage.epochs * order.steps_an_epoch), stage.max_steps or sys.maxsize)
    world, rank = sharding.world_size(), sharding.rank()
    peak_memory(device, anew=True)
    with ExitStack() as at_the_end:
        # how much of it at once; a model to be sharded waits in main memory, one that is not lies where it is trained
        where: dict[str, Any] = {"device": device, "devices": world, "mixed_precision": mixed_precision}
        how: dict[str, Any] = {"recompute": recompute, "saves": saving is not None and saving.saves}
        room = room_for(model if world == 1 else None, device)
        some = [rows[row] for row in order.rows(0)] if streams else rows
        if streams:
            check_some(some, examples, stage.max_length)
        share = sum(row.labelled for row in some) / sum(row.length for row in some)
        fits = sharding.from_main(lambda: fitting(model, stage, room, order.most_tokens, share, **where, **how))
        choice = fits.candidates[0]

        # what learns
        freeze = partial(freeze_all_but, tune=stage.tune, seed=seed)
        at_the_end.callback(thaw, model)
        tuned_parameters = freeze(model)
        trained = sharding.shard(model, device, mixed_precision, freeze)
        at_the_end.callback(trained.zero_grad)
        masters = at_the_end.enter_context(float32_masters(trained, mixed_precision and world == 1))
        learning = {name: masters.get(each, each) for name, each in trained.named_parameters() if each.requires_grad}

        # how the model computes
        longest = max(row.longest for row in rows) if prefers else int(order.lengths.max())
        if packs := can_pack(trained, max(longest, held.longest)):
            at_the_end.enter_context(packed_attention(trained))
        collate = packed if packs else padded
        kernels = at_the_end.enter_context(fused_kernels(trained, device))
        recompute_every(trained, choice.recompute)
        at_the_end.callback(recompute_every, trained, 0)
        trained.train()
        set_seed(seed)
        # PyTorch's DataLoader draws one number; drawing it too leaves dropout what it was when one was here
        torch.empty((), dtype=torch.int64).random_()

        optimizer = optimizer_of(stage, learning)
        schedule = get_scheduler(stage.schedule, optimizer, int(total * stage.warmup_ratio), total)

        def copy_masters() -> None:
            for parameter, master in masters.items():
                parameter.data.copy_(master)

        # what preferences are held against, the weights that it starts from; that takes its time, too
        began = time.perf_counter()
        if prefers and prefers.loss == "dpo":
            copy_masters()
            rows = with_reference(trained, rows, order, choice, collate, device, saving.directory if saving else None)
        spent = time.perf_counter() - began

        # where an interruption left it, and who is told
        log: list[StageProgress] = []
        best = copy_of(learning) if stage.keep == "best" else {}
        if saving and (last := resuming.last_step(saving.directory)):
            log = resuming.load_step(last, learning, optimizer, best)
            cut = Cut(log[-1].truncated, log[-1].left_out) if streams else cut
            for _ in range(log[-1].step):
                schedule.step()
        writer = resuming.StepWriter(saving.directory) if saving and saving.saves else None
        if writer:
            at_the_end.callback(writer.close)
        done, tokens, seconds = (log[-1].step, log[-1].tokens, log[-1].tokens / log[-1].tokens_per_second) if log else (0, 0, spent)
        trackers = [start_tracker(name, directory or Path(mkdtemp()), vars(stage)) for name in report_to if rank == 0]
        for tracker in trackers:
            at_the_end.callback(tracker.finish)

        def held_out_losses() -> dict[str, float]:
            copy_masters()
            return held.losses(choice, _NO_ROW, lambda some: response_loss(trained, collate(some), device)[0], trained)

        def forward_and_backward(step: int, choice: Choice) -> torch.Tensor:
            """Adds a step's gradients up, and returns its loss."""
            copy_masters()
            of_step = [rows[row] for row in order.rows(step - 1)]
            # of a stream there may be none that bears loss
            bearing = len(of_step) if prefers else max(sum(row.labelled for row in of_step), 1)
            of_all = sum(row.length for row in of_step)
            losses = torch.zeros((), device=device)
            micro_batches = order.micro_batches(step - 1, choice, world, rank)
            for number, micro_batch in enumerate(micro_batches, start=1):
                here = [rows[row] for row in micro_batch]
                if world > 1 and fits.gradients_can_wait:
                    sharding.reduce_now(trained, number == len(micro_batches))
                if prefers:
                    loss, balance = preference_loss(trained, here, collate, prefers, device)
                else:
                    loss, balance = response_loss(trained, collate(here or [_NO_ROW]), device)
                # gradients are averaged over processes, and these are shares of the sums
                loss = loss / bearing * world
                balance = balance * sum(row.length for row in here) / of_all * world
                (loss + balance).backward()
                losses += loss.detach()
            return losses

        def measured(choice: Choice) -> int:
            """Does a choice's passes over the first steps, leaves all as it was, and returns how many tokens they were."""
            recompute_every(trained, choice.recompute)
            chance = resuming.chance()
            for step in range(1, _MEASURED_STEPS + 1):
                forward_and_backward(step, choice)
                optimizer.zero_grad()
            resuming.put_back(chance)
            return sum(int(order.lengths[order.rows(step)].sum()) for step in range(_MEASURED_STEPS))

        # (where one of several processes ran out of memory, the others would wait for it)
        if len(fits.candidates) > 1 and world == 1 and total - done >= _WORTH_MEASURING:
            choice = fastest(fits.candidates, measured)
            recompute_every(trained, choice.recompute)
        peak_memory(device, anew=True)
        saved = time.perf_counter()
        began = saved - seconds
        unreported = torch.zeros((), device=device)
        look_every = stage.look_every or math.ceil(total / LOOKS)
        last_step = done if is_over(log, stage.patience) else total
        for step in range(done + 1, last_step + 1):
            for again in (False, True):
                chance = resuming.chance()
                try:
                    losses = forward_and_backward(step, choice)
                    break
                except torch.OutOfMemoryError as error:
                    less = None if again or world > 1 else fits.smaller(choice)
                    if less is None:
                        raise choice.too_large(stage, step) from error
                # the step begins anew, with what it drew
                choice = less
                trained.zero_grad()
                optimizer.zero_grad()
                give_back_memory()
                resuming.put_back(chance)
                recompute_every(trained, choice.recompute)
            unreported += losses
            norm: Any = clip_grad_norm_(learning.values(), stage.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
            tokens += int(order.lengths[order.rows(step - 1)].sum())
            if isinstance(rows, TokenStream) and step <= order.steps_an_epoch:
                cut = cut.and_of(rows.cut(order.rows(step - 1)))
            looked = held_out_losses() if held_out and (step == total or step % look_every == 0) else {}
            due = saving is not None and step < total and saving.is_due(step, time.perf_counter() - saved)
            if due or looked or step in (1, total) or step % math.ceil(total / _REPORTS) == 0:
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
                    held_out=looked,
                    truncated=dict(cut.truncated) if streams else {},
                    left_out=cut.left_out if streams else 0,
                )
                if not math.isfinite(report.loss):
                    raise UserError(f"The loss is {report.loss} at step {step}: training diverged; lower learning_rate.")
                log.append(report)
                unreported.zero_()
                for tracker in trackers:
                    tracker.log(report.numbers(), step=step)
                if progress is not None:
                    progress(report)
            if best and looked and best_step(log) == step:
                best = copy_of(learning)
            if writer and due:
                writer.write(learning, optimizer, log, best)
                saved = time.perf_counter()
            if looked and is_over(log, stage.patience):
                break
            schedule.step()
        with torch.no_grad():
            for name, weight in best.items():
                learning[name].copy_(weight)
        sharding.bring_back(trained, model)
    return StageReport(
        name=stage.name,
        corpus=corpus or " + ".join(stage.corpora),
        rows=len(rows) - (cut.left_out if streams else 0),
        languages=tuple(languages),
        tuned=stage.tune.describe(),
        objective=stage.objective.describe(),
        tuned_parameters=tuned_parameters,
        total_parameters=sum(parameter.numel() for parameter in model.parameters()),
        epochs=log[-1].step / order.steps_an_epoch,
        learning_rate=stage.learning_rate,
        batch_size=stage.batch_size,
        steps=log[-1].step,
        tokens=tokens,
        seconds=tokens / log[-1].tokens_per_second,
        tokens_per_second=log[-1].tokens_per_second,
        peak_memory_bytes=peak_memory(device),
        losses=tuple((row.step, row.loss) for row in log),
        truncated=dict(cut.truncated),
        left_out=cut.left_out,
        log=tuple(log),
        held_out=tuple((row.step, row.held_out) for row in log if row.held_out),
        kept_step=best_step(log) if best else None,
        layout=choice.describe(),
        kernels=kernels,
    )


def optimizer_of(stage: Stage, learning: Mapping[str, torch.Tensor]) -> torch.optim.Optimizer:
    """Returns AdamW over weights, by name, as a stage sets it; biases and norms do not decay.

    Raises:
        UserError: 8 bits are asked for of a model in shards.
    """
    groups: list[dict[str, Any]] = [{"params": [], "weight_decay": decay} for decay in (0.0, stage.weight_decay)]
    for name, weight in learning.items():
        groups[weight.ndim > 1 and "bias" not in name]["params"].append(weight)
    if (in_8bit := stage.optimizer == "adamw-8bit") and sharding.world_size() > 1:
        raise UserError("adamw-8bit steps whole weights, and here are shards; set optimizer: adamw, or train on one GPU.")
    adamw = import_module("bitsandbytes.optim").AdamW8bit if in_8bit else partial(torch.optim.AdamW, fused=True)
    optimizer: torch.optim.Optimizer = adamw(groups, lr=stage.learning_rate, betas=stage.betas)
    return optimizer
