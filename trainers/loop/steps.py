"""Step checkpoints: what an interrupted stage needs to go on as if nothing had happened.

    FOLDER/step-40/        weights and optimizer state of what is tuned (PyTorch's distributed checkpoint: each process writes its
                           shard, any number of processes reads it), schedule, random states, the Trainer's own state
    FOLDER/finished/       weights of what was tuned, and the report, once the stage is done; the steps are gone then

A folder is written aside and renamed, so what has its name is whole. Frozen weights are the base's and are never written.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xreason.trainers.loop import distributed
from xreason.trainers.loop.reports import StageReport, read_stage_report

if TYPE_CHECKING:
    from transformers import PreTrainedModel, Trainer

_STEP = "step-"
_FINISHED = "finished"
_ASIDE = ".partial"
_REPORT = "report.json"
_SCHEDULE = "schedule.pt"


@dataclass(frozen=True)
class Saving:
    """Where and how often step checkpoints are written.

    Attributes:
        directory: of one stage.
        every_steps: after so many optimizer steps; None goes by the clock alone.
        every_minutes: after so many minutes; None goes by steps alone.
    """

    directory: Path
    every_steps: int | None = None
    every_minutes: float | None = 15.0

    def is_due(self, step: int, seconds: float) -> bool:
        """Returns whether a checkpoint is due at `step`, `seconds` after the last; all processes are told what the first finds."""
        by_steps = self.every_steps is not None and step % self.every_steps == 0
        if by_steps or self.every_minutes is None:
            return by_steps
        return distributed.from_main(seconds >= 60 * self.every_minutes)


def last_step(directory: Path) -> Path | None:
    """Returns the folder of the last step checkpoint, or None where there is none."""
    whole = [folder for folder in directory.glob(f"{_STEP}*") if not folder.name.endswith(_ASIDE)]
    return max(whole, key=number_of, default=None)


def number_of(folder: Path) -> int:
    """Returns how many optimizer steps had been made at a step checkpoint."""
    return int(folder.name.removeprefix(_STEP))


def save_step(trainer: "Trainer", directory: Path) -> None:
    """Writes where the training stands, and removes the step checkpoints before it."""

    def write(aside: Path) -> None:
        import torch
        from torch.distributed.checkpoint.state_dict_saver import save

        save(_tuned_state(trainer), checkpoint_id=aside, no_dist=distributed.world_size() == 1)
        trainer._save_rng_state(str(aside))
        if distributed.is_main():
            torch.save(trainer.lr_scheduler.state_dict(), aside / _SCHEDULE)
            trainer.state.save_to_json(str(aside / "trainer_state.json"))

    _appear(directory / f"{_STEP}{trainer.state.global_step}", write)
    if distributed.is_main():
        for folder in directory.glob(f"{_STEP}*"):
            if folder != last_step(directory):
                shutil.rmtree(folder)


def load_step(trainer: "Trainer", folder: Path) -> None:
    """Puts weights, optimizer and schedule back to where they stood; random states the Trainer itself puts back."""
    import torch
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_state_dict
    from torch.distributed.checkpoint.state_dict_loader import load

    state = _tuned_state(trainer)
    load(state, checkpoint_id=folder, no_dist=distributed.world_size() == 1)
    set_state_dict(
        trainer.model,
        trainer.optimizer.optimizer,
        model_state_dict=state["model"],
        optim_state_dict=state["optimizer"],
        options=StateDictOptions(ignore_frozen_params=True, strict=False),
    )
    trainer.lr_scheduler.load_state_dict(torch.load(folder / _SCHEDULE, weights_only=True))


def _tuned_state(trainer: "Trainer") -> dict[str, Any]:
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict

    model, optimizer = get_state_dict(
        trainer.model, trainer.optimizer.optimizer, options=StateDictOptions(ignore_frozen_params=True)
    )
    return {"model": model, "optimizer": optimizer}


def finish(model: "PreTrainedModel", changed: Iterable[str], report: StageReport, directory: Path) -> None:
    """Keeps what a stage ended in, and removes its step checkpoints.

    Args:
        model: whole, on the process that writes.
        changed: names of the weights that the stage may have changed.
        report: what it did and cost.
        directory: of this stage.
    """

    def write(aside: Path) -> None:
        from safetensors.torch import save_file

        if distributed.is_main():
            tensors = {name: model.get_parameter(name).detach().contiguous() for name in changed}
            save_file(tensors, aside / "model.safetensors")
            (aside / _REPORT).write_text(json.dumps(asdict(report)), encoding="utf-8")

    _appear(directory / _FINISHED, write)
    if distributed.is_main():
        for folder in directory.glob(f"{_STEP}*"):
            shutil.rmtree(folder)


def finished(directory: Path) -> StageReport | None:
    """Returns the report of a stage that was finished before, or None."""
    path = directory / _FINISHED / _REPORT
    return read_stage_report(path.read_text(encoding="utf-8")) if path.is_file() else None


def load_finished(model: "PreTrainedModel", directory: Path) -> None:
    """Puts the weights that a finished stage ended in into `model` of the main process, in the precision of tuning."""
    from safetensors import safe_open

    if not distributed.is_main():
        return
    parameters = dict(model.named_parameters())
    with safe_open(directory / _FINISHED / "model.safetensors", framework="pt") as opened:
        for name in opened.keys():  # noqa: SIM118  # it is no mapping
            parameters[name].data = opened.get_tensor(name).to(parameters[name].device)


def _appear(folder: Path, write: Callable[[Path], None]) -> None:
    """Makes `folder` appear whole or not at all; `write` fills it, on every process."""
    aside = folder.with_name(folder.name + _ASIDE)
    if distributed.is_main():
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
    distributed.barrier()
    write(aside)
    distributed.barrier()
    if distributed.is_main():
        for path in [*aside.rglob("*"), aside]:
            _to_disk(path)
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
        _to_disk(folder.parent)
    distributed.barrier()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
