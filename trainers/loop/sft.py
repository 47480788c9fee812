"""TRL's SFTTrainer, fitted to us: packed micro-batches, checkpoints of what is tuned, and nothing that only costs time.

To the Trainer one batch is one optimizer step: the list of its micro-batches. Seed and step alone decide which rows they hold
(batches.StepOrder), so an interrupted training goes on with the same rows, and several processes share the same steps.

Imports torch, Transformers, datasets and TRL at once, so it is itself imported only when a stage is about to run.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from xreason.tasks.errors import UserError
from xreason.trainers.loop import distributed, steps
from xreason.trainers.loop.batches import IGNORED, StepOrder, Tokens
from xreason.trainers.loop.reports import LogRow, StageProgress
from xreason.trainers.loop.steps import Saving
from xreason.trainers.stages import Stage

# More reports than this make a long run no more readable.
_REPORTS = 500
# Takes part in a pass that has no rows left for this process: one token, and no label.
_NO_ROW = Tokens((0,), 1)

Collator = Callable[[Sequence[Tokens]], dict[str, Any]]


@dataclass(frozen=True)
class OptimizerStep:
    """What one process does in one optimizer step.

    Attributes:
        micro_batches: keyword arguments of the model, and labels, for each forward pass.
        responses: tokens that bear loss in this step, over all processes.
        tokens: tokens in this step, over all processes; padding does not count.
    """

    micro_batches: list[dict[str, Any]]
    responses: int
    tokens: int


class Steps(torch.utils.data.Dataset[OptimizerStep]):
    """All optimizer steps of a stage, made when they are asked for.

    Args:
        rows: all examples.
        order: which of them make up which step.
        collate: makes a micro-batch of examples.
        total: steps of the stage.
    """

    def __init__(self, rows: Sequence[Tokens], order: StepOrder, collate: Collator, total: int) -> None:
        self.rows = rows
        self.order = order
        self.collate = collate
        self.total = total

    def __len__(self) -> int:
        return self.total

    def tokens(self, step: int) -> int:
        """Returns the tokens of a step, over all processes."""
        return int(self.order.lengths[self.order.rows(step)].sum())

    def __getitem__(self, step: int) -> OptimizerStep:
        cut = self.order.micro_batches(step, distributed.world_size(), distributed.rank())
        return OptimizerStep(
            [self.collate([self.rows[row] for row in micro_batch] or [_NO_ROW]) for micro_batch in cut],
            sum(len(row.ids) - max(row.prompt_length, 1) for row in (self.rows[row] for row in self.order.rows(step))),
            self.tokens(step),
        )


class _From(torch.utils.data.Sampler[int]):
    """Goes through the steps from `first` on; its length is that of all, as the Trainer counts them."""

    def __init__(self, first: int, total: int) -> None:
        self.first = first
        self.total = total

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.total))


def stage_config(
    stage: Stage,
    total: int,
    *,
    seed: int,
    directory: Path,
    device: str,
    mixed_precision: bool,
    report_to: Sequence[str] = (),
) -> SFTConfig:
    """Returns TRL's settings for a stage of `total` optimizer steps."""
    config = SFTConfig(
        output_dir=str(directory),
        run_name=stage.name,
        max_steps=total,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=1,
        learning_rate=stage.learning_rate,
        lr_scheduler_type=stage.schedule,
        warmup_steps=int(total * stage.warmup_ratio),
        weight_decay=stage.weight_decay,
        seed=seed,
        # sharded weights are cast to bfloat16 where they are gathered
        bf16=mixed_precision and distributed.world_size() == 1,
        use_cpu=device == "cpu",
        # by gradient_checkpointing below, for TRL's default would have gradients flow down to the embeddings
        gradient_checkpointing=False,
        use_liger_kernel=device == "cuda" and _installed("liger_kernel"),
        logging_steps=max(1, total // _REPORTS),
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="no",
        ignore_data_skip=True,
        report_to=list(report_to) or "none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        remove_unused_columns=False,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    # TRL refuses several visible GPUs in one process; one is used
    config._n_gpu = min(config.n_gpu, 1)
    return config


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def train_rows(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    config: SFTConfig,
    plan: Steps,
    meter: "Meter",
    saving: Saving | None = None,
) -> None:
    """Trains `model` in place through all steps, or through those that are left after the last step checkpoint in `saving`."""
    with _forward_kept(model):
        trainer = _ResponseTrainer(
            model=model,
            args=config,
            # TRL wants a table to look at; what is trained on comes from `plan`
            train_dataset=Dataset.from_dict({"step": range(len(plan))}),
            processing_class=tokenizer,
            data_collator=list,
            callbacks=[meter],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.plan = plan
        trainer.saving = saving
        meter.trainer = trainer
        last = steps.last_step(saving.directory) if saving else None
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        meter.trainer = None


@contextmanager
def gradient_checkpointing(model: PreTrainedModel, wanted: bool) -> Iterator[None]:
    """Computes activations again in the backward pass; below the lowest tuned layer nothing is computed again."""
    if not wanted:
        yield
        return
    model.gradient_checkpointing_enable({"use_reentrant": False})
    # Transformers lets the embeddings' output ask for gradients, which only reentrant checkpoints need
    model.disable_input_require_grads()
    try:
        yield
    finally:
        model.gradient_checkpointing_disable()


@contextmanager
def _forward_kept(model: PreTrainedModel) -> Iterator[None]:
    """Puts back what TRL and Accelerate lay over `model.forward`, so that stages do not pile up; drops gradients too."""
    before = vars(model).get("forward")
    try:
        yield
    finally:
        vars(model).pop("forward", None)
        if before is not None:
            model.forward = before
        model.zero_grad(set_to_none=True)


class _ResponseTrainer(SFTTrainer):  # type: ignore[misc]  # TRL is not typed
    """SFTTrainer over our steps, which saves what is tuned, and projects onto the vocabulary only where labels are."""

    plan: Steps
    saving: Saving | None = None
    tokens: int = 0
    loss_is_scaled_for_ga = True

    def get_train_dataloader(self) -> DataLoader[OptimizerStep]:
        """Returns the steps that are still to be made, one an item."""
        last = steps.last_step(self.saving.directory) if self.saving else None
        done = steps.number_of(last) if last else 0
        self.tokens = sum(self.plan.tokens(step) for step in range(done))
        return DataLoader(self.plan, batch_size=None, sampler=_From(done, len(self.plan)), collate_fn=_as_it_is)

    def _get_num_items_in_batch(self, batch_samples: list[OptimizerStep], device: torch.device) -> int:
        return sum(step.responses for step in batch_samples)

    def training_step(self, model: PreTrainedModel, inputs: OptimizerStep, num_items_in_batch: int | None = None) -> torch.Tensor:
        """Goes forward and backward through the micro-batches of one step; returns their loss."""
        self.tokens += inputs.tokens
        losses = [super(_ResponseTrainer, self).training_step(model, each, num_items_in_batch) for each in inputs.micro_batches]
        return torch.stack(losses).sum()

    def compute_loss(
        self, model: PreTrainedModel, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: int | None = None
    ) -> Any:
        labels = inputs.pop("labels")
        if labels.is_cuda:
            # never holds the scores of all tokens over the whole vocabulary
            total = -model(**inputs, labels=labels, fused_lm_head=True, use_cache=False).log_probs.sum()
        else:
            # TRL's fused head projects prompts and padding too where it has no Triton, and takes the entropy of each
            keep = (labels != IGNORED).any(dim=0).nonzero()[:, 0]
            scores = model(**inputs, use_cache=False, logits_to_keep=keep - 1).logits
            total = cross_entropy(scores.flatten(0, 1).float(), labels[:, keep].flatten(), ignore_index=IGNORED, reduction="sum")
        # gradients are averaged over processes, and this is a share of the sum
        return total / num_items_in_batch * distributed.world_size()

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds what a step costs to what is logged, for everything that is reported to."""
        super().log({**logs, **self.meter.costs()} if "loss" in logs else logs, start_time)

    @property
    def meter(self) -> "Meter":
        """What measures this stage."""
        return next(callback for callback in self.callback_handler.callbacks if isinstance(callback, Meter))

    def _save_checkpoint(self, model: PreTrainedModel, trial: Any = None) -> None:
        if self.saving is not None:
            steps.save_step(self, self.saving.directory)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: PreTrainedModel | None = None) -> None:
        """Does nothing: weights are loaded with the optimizer's state, when the model is where it trains."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            steps.load_step(self, Path(checkpoint))

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """Returns 0: counting walks over all parameters at every step, and nobody reads it."""
        return 0

    def _send_telemetry(self) -> None:
        """Sends nothing: a training run is nobody else's business, and compute nodes have no network."""


def _as_it_is(step: Any) -> Any:
    return step


class Meter(TrainerCallback):  # type: ignore[misc]  # Transformers is not typed
    """Keeps what one stage reports, hands it on as it comes, and asks for step checkpoints when they are due.

    Args:
        stage: its name, for the reports.
        progress: called with every report.
        memory: returns the peak so far, in bytes.

    Attributes:
        log: all reports, those before an interruption included.
        tokens: processed, without padding.
        seconds: from the first step to the last report; time before an interruption counts up to its last step checkpoint.
    """

    def __init__(self, stage: str, progress: Callable[[StageProgress], None] | None, memory: Callable[[], int]) -> None:
        self.stage = stage
        self.progress = progress
        self.memory = memory
        self.trainer: _ResponseTrainer | None = None
        self.log: list[LogRow] = []
        self.tokens = 0
        self.seconds = 0.0
        self._began = 0.0
        self._saved = 0.0

    def costs(self) -> dict[str, float]:
        """Returns tokens, seconds and memory up to now, as they go into the log."""
        if self.trainer is not None:
            self.tokens = self.trainer.tokens
        self.seconds = time.perf_counter() - self._began
        return {
            "tokens": self.tokens,
            "seconds": self.seconds,
            "tokens_per_second": self.tokens / self.seconds,
            "memory_bytes": self.memory(),
        }

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Starts the clock, from where it stood at an interruption."""
        self.log = [_row(logs) for logs in state.log_history if "loss" in logs]
        self._saved = time.perf_counter()
        self._began = self._saved - (state.log_history[-1]["seconds"] if self.log else 0.0)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Asks for a report of the last step wherever it falls, and for a step checkpoint when it is due."""
        if self.trainer is None:
            return
        # one pass of our steps is the whole stage; what people mean by an epoch is a pass over the rows
        state.epoch = state.global_step / self.trainer.plan.order.steps_an_epoch
        if state.global_step >= state.max_steps:
            control.should_log = True
        elif self.trainer.saving and self.trainer.saving.is_due(state.global_step, time.perf_counter() - self._saved):
            self._saved = time.perf_counter()
            # logged first: the loss since the last report would be lost with an interruption
            control.should_log = control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        """Takes a report.

        Raises:
            UserError: the loss is not a number any more.
        """
        if "loss" not in logs:
            return
        row = _row({**logs, "step": state.global_step})
        self.log.append(row)
        if not math.isfinite(row.loss):
            raise UserError(f"The loss is {row.loss} at step {state.global_step}: training diverged; lower learning_rate.")
        if self.progress is not None:
            self.progress(
                StageProgress(
                    self.stage,
                    row.step,
                    state.max_steps,
                    row.loss,
                    self.tokens,
                    row.tokens_per_second,
                    row.learning_rate,
                    row.gradient_norm,
                    row.memory_bytes,
                )
            )


def _row(logs: Mapping[str, float]) -> LogRow:
    return LogRow(
        step=int(logs["step"]),
        loss=logs["loss"],
        learning_rate=logs["learning_rate"],
        gradient_norm=logs["grad_norm"],
        tokens_per_second=logs["tokens_per_second"],
        memory_bytes=int(logs["memory_bytes"]),
    )
