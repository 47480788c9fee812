"""What TRL logs after each step, told on as the loop tells its own; and when step checkpoints are written."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import TrainerCallback

from xreason.tasks.errors import UserError
from xreason.trainers.loop import resuming
from xreason.trainers.loop.reports import StageProgress
from xreason.trainers.loop.resuming import Saving
from xreason.trainers.stages import Reward, Stage
from xreason.trainers.tuning.memory import peak_memory

_REPORTS = 500  # as the loop's


@dataclass
class Reports(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Hears what TRL logs after each step; tells it on, and lets step checkpoints be written."""

    stage: Stage
    told: Reward
    total: int
    log: list[StageProgress]  #: reports so far, which grow
    chance: list[Any]  #: where the generators stand as the first step begins
    device: str
    listeners: list[Callable[[StageProgress], None]] = field(default_factory=list)
    trackers: list[Any] = field(default_factory=list)
    saving: Saving | None = None
    write: Callable[[], None] = lambda: None
    step: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        last = self.log[-1] if self.log else None
        self.done = self.step = last.step if last else 0
        self._tokens = self._before = last.tokens if last else 0
        self._earlier = last.tokens / last.tokens_per_second if last else 0.0
        self._unreported: dict[str, list[float]] = defaultdict(list)
        self._rate, self._means = 0.0, dict[str, float]()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Starts the clock."""
        self._saved = time.perf_counter()
        self._began = self._saved - self._earlier

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Lets chance be what it was, once what was set up has drawn."""
        if self.step == self.done:
            resuming.put_back(self.chance)

    def on_pre_optimizer_step(self, *_: Any, optimizer: torch.optim.Optimizer, **__: Any) -> None:
        """Keeps the learning rate of the step."""
        self._rate = optimizer.param_groups[0]["lr"]

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float], **__: Any) -> None:
        """Takes what a step logged, which TRL means over its micro-batches."""
        # what it says at the end is no step
        if "loss" not in logs:
            return
        self.step = self.done + state.global_step
        if not math.isfinite(logs["loss"]):
            raise UserError(f"The loss is {logs['loss']} at step {self.step}: training diverged; lower learning_rate.")
        self._tokens = self._before + int(logs["num_tokens"]) if "num_tokens" in logs else self._tokens
        for name, value in logs.items():
            if value is not None:
                self._unreported[name].append(float(value))
        # on completions that were used in part nothing can be gone on with
        whole = self.saving is not None and self.step < self.total and self.step % self.told.num_iterations == 0
        due = whole and self.saving is not None and self.saving.is_due(self.step, time.perf_counter() - self._saved)
        if due or self.step in (1, self.total) or self.step % math.ceil(self.total / _REPORTS) == 0:
            self._report()
        if due:
            self.write()
            self._saved = time.perf_counter()

    def _report(self) -> None:
        # what is learnt of the same completions again is worth the same
        gradient = self._unreported["grad_norm"][-1]
        means = self._means = self._means | {name: sum(each) / len(each) for name, each in self._unreported.items()}
        self._unreported.clear()
        rewards = {"reward": means["reward"]} | {name: means[f"rewards/{name}/mean"] for name in self.told.reward}
        report = StageProgress(
            stage=self.stage.name,
            step=self.step,
            total_steps=self.total,
            loss=means["loss"],
            tokens=self._tokens,
            tokens_per_second=self._tokens / (time.perf_counter() - self._began),
            learning_rate=self._rate,
            gradient_norm=gradient,
            memory_bytes=peak_memory(self.device),
            rewards=rewards | ({"kl": means["kl"]} if "kl" in means else {}),
        )
        self.log.append(report)
        for tracker in self.trackers:
            # TRL's own beside ours: lengths, clipping, entropy
            tracker.log(report.numbers() | {f"trl/{name}": value for name, value in means.items()}, step=self.step)
        for listener in self.listeners:
            listener(report)
