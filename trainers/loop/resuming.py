"""Step checkpoints: what an interrupted stage needs to go on as if nothing had happened.

    FOLDER/step-40/        weights and optimizer state of what is tuned (PyTorch's distributed checkpoint: each process writes its
                           shard, any number of processes reads it), random states, and the reports so far
    FOLDER/finished/       weights of what was tuned, and the report, once the stage is done; the steps are gone then

A folder is written aside and renamed, so what has its name is whole. Frozen weights are the base's and are never written.
"""

import os
import random
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save
from transformers import PreTrainedModel

from xreason.trainers.loop.reports import StageProgress, StageReport
from xreason.trainers.loop.sharding import barrier, from_main, rank, world_size

_FINISHED = "finished"


@dataclass(frozen=True)
class Saving:
    """Where and how often step checkpoints are written."""

    directory: Path  #: of one stage
    every_steps: int | None = None  #: after so many optimizer steps; None goes by the clock alone
    every_minutes: float | None = 15.0  #: after so many minutes; None goes by steps alone

    @property
    def saves(self) -> bool:
        """Whether any is written at all."""
        return self.every_steps is not None or self.every_minutes is not None

    def is_due(self, step: int, seconds: float) -> bool:
        """Returns whether a checkpoint is due at `step`, `seconds` after the last; all processes are told what the first finds."""
        by_steps = self.every_steps is not None and step % self.every_steps == 0
        return by_steps or from_main(lambda: self.every_minutes is not None and seconds >= 60 * self.every_minutes)


def last_step(directory: Path) -> Path | None:
    """Returns the folder of the last step checkpoint, or None where there is none."""
    whole = [folder for folder in directory.glob("step-*") if not folder.name.endswith(".partial")]
    return max(whole, key=lambda folder: int(folder.name.removeprefix("step-")), default=None)


class StepWriter:
    """Writes step checkpoints of a stage beside its training: one at a time, from copies in main memory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._thread = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None
        # what the writers of several processes say to each other must not meet what the training says
        self._group = dist.new_group(backend="gloo") if world_size() > 1 else None

    def close(self) -> None:
        """Waits until the last is whole, or has failed."""
        self._wait()
        self._thread.shutdown()

    def write(
        self,
        learning: Mapping[str, torch.Tensor],
        optimizer: torch.optim.Optimizer,
        log: Sequence[StageProgress],
        best: Mapping[str, torch.Tensor] = {},
    ) -> None:
        """Begins to write where a stage stands after the step of its last report, which replaces the step checkpoints before it.

        `best` are weights of an earlier step that are kept, by the same names. Returns when all is copied. What kept the one before
        from being written is raised here.
        """
        self._wait()
        folder = self._directory / f"step-{log[-1].step}"
        aside = _aside(folder)
        torch.save(chance(), aside / f"random-{rank()}.pt")
        if rank() == 0:
            (aside / "log.jsonl").write_text("\n".join(row.model_dump_json() for row in log), encoding="utf-8")
        tensors = _tensors(learning, optimizer, best)
        saved = async_save(tensors, checkpoint_id=aside, process_group=self._group, no_dist=world_size() == 1)
        self._written = self._thread.submit(self._finish, cast("Future[Any]", saved), aside, folder)

    def _finish(self, saved: "Future[Any]", aside: Path, folder: Path) -> None:
        saved.result()
        if self._group is not None:
            dist.barrier(self._group)
        if rank() == 0:
            _put_in_place(aside, folder)

    def _wait(self) -> None:
        written, self._written = self._written, None
        if written is not None:
            written.result()


def load_step(
    folder: Path,
    learning: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    best: Mapping[str, torch.Tensor] = {},
) -> list[StageProgress]:
    """Puts weights, the `best` ones too, optimizer and random states back to where they stood; returns the reports up to there.

    A process that wrote no random states keeps its own.
    """
    # a step makes the optimizer's state: what is loaded is loaded into something
    for weight in learning.values():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    optimizer.zero_grad()
    # in part, for a weight that had no gradient yet has no state there
    planner = DefaultLoadPlanner(allow_partial_load=True)
    load(_tensors(learning, optimizer, best), checkpoint_id=folder, planner=planner, no_dist=world_size() == 1)
    if (own := folder / f"random-{rank()}.pt").is_file():
        put_back(torch.load(own, weights_only=True))
    log = [StageProgress.model_validate_json(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").split("\n")]
    for state in optimizer.state.values():
        # bitsandbytes counts steps in an int
        state.update({kind: log[-1].step for kind, value in state.items() if isinstance(value, int)})
    return log


def chance() -> list[Any]:
    """Returns where all generators of random numbers stand, as plain values and tensors."""
    name, numbers, *rest = numpy.random.get_state()
    states = [random.getstate(), (name, numpy.asarray(numbers).tolist(), *rest), torch.get_rng_state()]
    return states + ([torch.cuda.get_rng_state()] if torch.cuda.is_available() else [])


def put_back(states: Sequence[Any]) -> None:
    """Lets the generators stand again where they stood."""
    of_python, of_numpy, of_torch, *of_cuda = states
    random.setstate(of_python)
    numpy.random.set_state(of_numpy)
    torch.set_rng_state(of_torch)
    if of_cuda and torch.cuda.is_available():
        torch.cuda.set_rng_state(of_cuda[0])


def _tensors(
    learning: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer, best: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Returns what a step checkpoint holds, by name; to load into it is to set weights and optimizer."""
    state = {f"{name}.{kind}": value for name, weight in learning.items() for kind, value in optimizer.state[weight].items()}
    kept = {f"{name}.best": weight for name, weight in best.items()}
    return {**learning, **{name: value for name, value in state.items() if isinstance(value, torch.Tensor)}, **kept}


def finish(model: PreTrainedModel, changed: Iterable[str], report: StageReport, directory: Path) -> None:
    """Keeps in `directory` the weights that a stage may have `changed`, by name, and its report; removes its step checkpoints."""
    aside = _aside(directory / _FINISHED)
    if rank() == 0:
        save_file({name: model.get_parameter(name).detach().contiguous() for name in changed}, aside / "model.safetensors")
        (aside / "report.json").write_text(report.model_dump_json(), encoding="utf-8")
        _put_in_place(aside, directory / _FINISHED)
    barrier()


def finished(directory: Path) -> StageReport | None:
    """Returns the report of a stage that was finished before, or None."""
    path = directory / _FINISHED / "report.json"
    return StageReport.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def load_finished(model: PreTrainedModel, directory: Path) -> None:
    """Puts the weights that a finished stage ended in into `model` of the main process, in the precision of tuning."""
    for name, tensor in load_file(directory / _FINISHED / "model.safetensors").items() if rank() == 0 else ():
        parameter = model.get_parameter(name)
        parameter.data = tensor.to(parameter.device)


def _aside(folder: Path) -> Path:
    """Returns where to write what shall become `folder`, empty."""
    aside = folder.with_name(folder.name + ".partial")
    if rank() == 0:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
    barrier()
    return aside


def _put_in_place(aside: Path, folder: Path) -> None:
    """Lets `folder` appear whole, and removes the step checkpoints beside it."""
    _to_disk(*aside.rglob("*"), aside)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
    _to_disk(folder.parent)
    for former in set(folder.parent.glob("step-*")) - {folder}:
        shutil.rmtree(former)


def _to_disk(*paths: Path) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
