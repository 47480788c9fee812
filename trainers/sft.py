"""TRL's SFTTrainer, fitted to us: what costs time and serves nobody is taken out.

Imports torch, Transformers, datasets and TRL at once, so it is itself imported only when a stage is about to run.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from tasks.errors import UserError
from trainers.batches import IGNORED, LengthGroupedOrder, ResponseCollator, Tokens
from trainers.reports import StageProgress
from trainers.stages import Stage

# More reports than this make a long run no more readable.
_REPORTS = 500


def stage_config(
    stage: Stage, steps: int, micro_batch: int, seed: int, directory: Path, device: str, mixed_precision: bool
) -> SFTConfig:
    """Returns TRL's settings for a stage of so many optimizer steps."""
    config = SFTConfig(
        output_dir=str(directory),
        max_steps=steps,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=stage.batch_size // micro_batch,
        learning_rate=stage.learning_rate,
        lr_scheduler_type=stage.schedule,
        warmup_steps=int(steps * stage.warmup_ratio),
        weight_decay=stage.weight_decay,
        seed=seed,
        bf16=mixed_precision,
        use_cpu=device == "cpu",
        gradient_checkpointing=device == "cuda",
        logging_steps=max(1, steps // _REPORTS),
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=device == "cuda",
        remove_unused_columns=False,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    # TRL refuses several visible GPUs in one process; one is used
    config._n_gpu = min(config.n_gpu, 1)
    return config


def train_rows(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: SFTConfig, rows: Sequence[Tokens], meter: "Meter"
) -> float:
    """Trains `model` in place on `rows`; returns the passes over them that were made."""
    table = {"input_ids": [list(row.ids) for row in rows], "prompt_length": [row.prompt_length for row in rows]}
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    with _forward_kept(model):
        trainer = _ResponseTrainer(
            model=model,
            args=config,
            train_dataset=Dataset.from_dict(table).with_format("numpy"),
            processing_class=tokenizer,
            data_collator=ResponseCollator(pad),
            callbacks=[meter],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.lengths = [len(row.ids) for row in rows]
        meter.trainer = trainer
        trainer.train()
        meter.trainer = None
    return float(trainer.state.epoch)


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
    """SFTTrainer with our order of rows, and on a CPU with a loss that projects onto the vocabulary only where labels are."""

    lengths: Sequence[int] = ()
    seen_tokens: int = 0
    loss_is_scaled_for_ga = True

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthGroupedOrder:
        return LengthGroupedOrder(self.lengths, self.args.per_device_train_batch_size, self.args.seed)

    def compute_loss(
        self, model: PreTrainedModel, inputs: dict[str, torch.Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        self.seen_tokens += int(inputs["attention_mask"].sum())
        if inputs["input_ids"].is_cuda:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        # TRL's fused head saves memory on a GPU; on a CPU it projects prompts and padding too, and takes the entropy of each
        labels = inputs["labels"]
        first = int((labels != IGNORED).any(dim=0).nonzero()[0]) - 1
        # padding stands on the right and attention looks left: without a mask the result is the same, and attention faster
        keep = torch.arange(first, labels.shape[1] - 1)
        logits = model(input_ids=inputs["input_ids"], use_cache=False, logits_to_keep=keep).logits
        loss = cross_entropy(logits.flatten(0, 1).float(), labels[:, first + 1 :].flatten(), ignore_index=IGNORED, reduction="sum")
        return loss / num_items_in_batch

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """Returns 0: counting walks over all parameters at every step, and nobody reads it."""
        return 0

    def _send_telemetry(self) -> None:
        """Sends nothing: a training run is nobody else's business, and compute nodes have no network."""


class Meter(TrainerCallback):  # type: ignore[misc]  # Transformers is not typed
    """Keeps the losses, tokens and time of one stage, and hands them on as they come.

    Args:
        stage: its name, for the reports.
        progress: called with every report.

    Attributes:
        losses: (step, mean loss since the last pair).
        tokens: processed, without padding.
        seconds: from the first step to the last report.
    """

    def __init__(self, stage: str, progress: Callable[[StageProgress], None] | None) -> None:
        self.stage = stage
        self.progress = progress
        self.trainer: _ResponseTrainer | None = None
        self.losses: list[tuple[int, float]] = []
        self.tokens = 0
        self.seconds = 0.0
        self._began = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Starts the clock."""
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Asks for a report of the last step, wherever it falls."""
        if state.global_step >= state.max_steps:
            control.should_log = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        """Takes a report.

        Raises:
            UserError: the loss is not a number any more.
        """
        if "loss" not in logs or self.trainer is None:
            return
        self.seconds = time.perf_counter() - self._began
        self.tokens = self.trainer.seen_tokens
        self.losses.append((state.global_step, logs["loss"]))
        if not math.isfinite(logs["loss"]):
            raise UserError(f"The loss is {logs['loss']} at step {state.global_step}: training diverged; lower learning_rate.")
        if self.progress is not None:
            speed = self.tokens / self.seconds
            self.progress(StageProgress(self.stage, state.global_step, state.max_steps, logs["loss"], self.tokens, speed))
