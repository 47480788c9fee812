"""What training tells: how far a stage is, what it did and cost, and where else that is logged."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from xreason.tasks.errors import UserError
from xreason.tasks.names import unknown
from xreason.trainers.stages import Reward, Stage


class StageProgress(BaseModel, frozen=True):
    """How far a stage is."""

    stage: str  #: name of the stage
    step: int  #: optimizer steps done
    total_steps: int  #: optimizer steps of the whole stage
    #: mean over the steps since the last report, in nats a token that bears loss, or a pair; without what balances experts
    loss: float
    tokens: int  #: tokens processed, padding not counted
    tokens_per_second: float  #: since the stage began to train
    learning_rate: float  #: of the last step
    gradient_norm: float  #: of the last step, before it is clipped
    memory_bytes: int  #: the most that was held so far: on a GPU by tensors, else by the process
    #: language code ("" for none) to loss on rows that no stage trains on, after the step; empty where nobody looked.
    held_out: dict[str, float] = {}
    truncated: dict[str, int] = {}  #: as StageReport's, of what was seen so far, where rows are read as their step comes
    left_out: int = 0
    #: means over the same steps: of the rewards together ("reward"), of each by its name, and of the KL divergence from the start
    #: ("kl"); empty where none are earned.
    rewards: dict[str, float] = {}

    def numbers(self) -> dict[str, float]:
        """Returns what trackers log, by name."""
        said = {f"train/{name}": value for name, value in self if isinstance(value, int | float) and name != "left_out"}
        said |= {f"held-out/{code or 'all'}": loss for code, loss in self.held_out.items()}
        return said | {f"rewards/{name}": mean for name, mean in self.rewards.items()}


class StageReport(BaseModel, frozen=True):
    """What one stage did and cost."""

    name: str  #: the stage's
    corpus: str  #: its corpora, in words
    rows: int  #: examples trained on
    languages: tuple[str, ...]  #: codes of what they teach
    tuned: str  #: what was tuned, in words
    objective: str = "imitate"  #: what was learnt of the examples, in words
    tuned_parameters: int  #: how many numbers that is
    total_parameters: int  #: how many the model has; tied ones count once
    epochs: float  #: passes over the rows that were really made
    learning_rate: float  #: peak
    batch_size: int  #: sequences an optimizer step
    steps: int  #: optimizer steps
    tokens: int  #: tokens processed, padding not counted
    seconds: float  #: wall clock of the training itself; tokenizing is not in it
    tokens_per_second: float  #: tokens / seconds
    peak_memory_bytes: int  #: as StageProgress.memory_bytes
    losses: tuple[tuple[int, float], ...]  #: (step, mean loss since the one before, in nats a response token or a pair)
    truncated: dict[str, int] = {}  #: language code to examples of which something was cut off at max_length, if any
    left_out: int  #: those of them that had nothing to learn left; they are not in `rows`
    log: tuple[StageProgress, ...] = ()  #: what was reported on the way
    layout: str = ""  #: in words, how much a forward pass took, and what of it was computed again
    held_out: tuple[tuple[int, dict[str, float]], ...] = ()  #: (step, losses as StageProgress.held_out), at each look
    kept_step: int | None = None  #: whose weights were kept, where that was the best step's; None where it was the last's
    rewards: tuple[tuple[int, dict[str, float]], ...] = ()  #: (step, means as StageProgress.rewards), where rewards are earned
    kernels: str = ""  #: the package, with its version, whose fused kernels computed; empty where the model's own did


def check_packages(stages: Sequence[Stage], report_to: Sequence[str]) -> None:
    """Makes sure that the packages are there which stages and Accelerate's trackers need.

    Raises:
        UserError: a tracker is unknown, or a package is not installed.
    """
    if any(stage.optimizer == "adamw-8bit" for stage in stages) and find_spec("bitsandbytes") is None:
        raise UserError("The optimizer adamw-8bit needs a package; run `pip install bitsandbytes`, or set optimizer: adamw.")
    if any(isinstance(stage.objective, Reward) for stage in stages) and find_spec("trl") is None:
        raise UserError("To learn by rewards needs a package; run `pip install 'xreason[rl]'`.")
    for name in report_to:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

        if name not in LOGGER_TYPE_TO_CLASS:
            raise unknown("integration to report to", name, sorted(LOGGER_TYPE_TO_CLASS))
        if name not in map(str, get_available_trackers()):
            raise UserError(f"Reporting to {name} needs a package that is not installed here; run `pip install {name}`.")


def start_tracker(name: str, directory: Path, settings: Mapping[str, Any]) -> Any:
    """Returns a started tracker of Accelerate, which has been told of `settings`; what it writes to files is in `directory`."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    kind = LOGGER_TYPE_TO_CLASS[name]
    tracker = kind("xreason", directory) if kind.requires_logging_directory else kind("xreason")
    tracker.start()
    tracker.store_init_configuration({key: value for key, value in settings.items() if isinstance(value, str | int | float)})
    return tracker
