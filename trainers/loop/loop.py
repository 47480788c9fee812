"""The one loop that runs a stage, whatever the method: TRL's SFTTrainer over the stage's examples."""

import math
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from xreason.tasks.errors import UserError
from xreason.tasks.names import unknown
from xreason.trainers.corpora.examples import Example
from xreason.trainers.loop import distributed
from xreason.trainers.loop.batches import PaddedCollator, StepOrder, Tokens, tokenize
from xreason.trainers.loop.memory import PeakMemory, activation_bytes, activations_fit, free_bytes
from xreason.trainers.loop.packing import PackedCollator, can_pack, packed_attention
from xreason.trainers.loop.reports import StageProgress, StageReport
from xreason.trainers.loop.steps import Saving
from xreason.trainers.stages import Stage

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from xreason.trainers.loop.sft import Collator

# Tokens a forward pass where the stage does not say: a CPU gains nothing beyond, a GPU holds 8 sequences of 1024 of a 7B model.
_MICRO_BATCH_TOKENS = {"cpu": 512, "cuda": 8192}


def run_stage(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
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
    """Trains `model` in place for one stage.

    Args:
        model: a causal language model; its tuned weights are made float32.
        tokenizer: the model's own; it is not changed.
        stage: what to do.
        examples: of all the stage's corpora.
        seed: of the order of the rows and of dropout. The same seed gives the same weights on the same machine.
        directory: where integrations such as TensorBoard put their files. None takes a temporary one.
        progress: called with every report of the loss.
        corpus: what the examples are, in words, for the report; the names of the stage's corpora where that is not said.
        languages: for the report.
        device: "cpu" or "cuda".
        mixed_precision: compute in bfloat16 over float32 weights.
        recompute: gradient checkpointing, that is, compute activations again in the backward pass; None does it where they would
            not fit the free memory (see xreason.trainers.loop.memory).
        report_to: integrations of Transformers' Trainer, such as "tensorboard", "wandb" or "trackio".
        saving: where and how often step checkpoints are written; a stage that was interrupted goes on from its last one.

    Raises:
        UserError: the stage does not fit the model, no example fits into max_length, an integration is missing, or the loss is no
            longer a number.
    """
    check_integrations(report_to)
    rows, left_out = tokenize(examples, tokenizer, stage.max_length)
    order = step_order(stage, rows, seed, device)
    total = optimizer_steps(stage, len(rows))
    memory = PeakMemory(device == "cuda")
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        # imported here, for it is what loads torch, Transformers and TRL
        from xreason.trainers.loop.sft import Meter, Steps, gradient_checkpointing, stage_config, train_rows
        from xreason.trainers.tuning.freezing import freeze_all_but, thaw

        def freeze(each: "PreTrainedModel") -> int:
            return freeze_all_but(each, stage.tune, seed=seed)

        stack.callback(thaw, model)
        tuned_parameters = freeze(model)
        sharded = distributed.shard(model, device, mixed_precision, freeze)
        collate: Collator = PaddedCollator(int(tokenizer.eos_token_id))
        if can_pack(sharded, int(order.lengths.max())):
            stack.enter_context(packed_attention(sharded))
            collate = PackedCollator()
        if recompute is None:
            activations = activation_bytes(model.config.get_text_config(), order.most_tokens, 2 if mixed_precision else 4)
            here = tuned_parameters // distributed.world_size()
            recompute = not activations_fit(activations, here, free_bytes(device == "cuda"))
        stack.enter_context(gradient_checkpointing(sharded, distributed.from_main(recompute)))
        config = stage_config(
            stage,
            total,
            seed=seed,
            directory=directory or Path(scratch),
            device=device,
            mixed_precision=mixed_precision,
            report_to=report_to,
        )
        meter = Meter(stage.name, progress, memory.read)
        train_rows(sharded, tokenizer, config, Steps(rows, order, collate, total), meter, saving)
        distributed.bring_back(sharded, model)
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
        tokens=meter.tokens,
        seconds=meter.seconds,
        tokens_per_second=meter.tokens / meter.seconds,
        peak_memory_bytes=memory.read(),
        losses=tuple((row.step, row.loss) for row in meter.log),
        left_out=left_out,
        log=tuple(meter.log),
    )


def check_integrations(names: Sequence[str]) -> None:
    """Makes sure that Transformers can report to all of `names`.

    Raises:
        UserError: one is unknown, or its package is not installed.
    """
    if not names:
        return
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            raise unknown("integration to report to", name, sorted(INTEGRATION_TO_CALLBACK))
        if name not in get_available_reporting_integrations():
            raise UserError(f"Reporting to {name} needs a package that is not installed here; run `pip install {name}`.")


def step_order(stage: Stage, rows: Sequence[Tokens], seed: int, device: str) -> StepOrder:
    """Returns the optimizer steps of a stage, cut into what the stage says, else into what suits the device."""
    lengths = [len(row.ids) for row in rows]
    return StepOrder(lengths, stage.batch_size, seed, rows=stage.micro_batch_size, tokens=_MICRO_BATCH_TOKENS[device])


def optimizer_steps(stage: Stage, rows: int) -> int:
    """Returns the optimizer steps of a stage over so many rows; the last step of an epoch may be a smaller one."""
    steps = math.ceil(stage.epochs * math.ceil(rows / stage.batch_size))
    return steps if stage.max_steps is None else min(steps, stage.max_steps)
