"""The step that merges checkpoints of other rows into one: what it is in a plan, and the doing of it.

runs/mine/layer-swap/0/checkpoint-1a2b3c4d/    what differs from the base, as safetensors; training.json: of what it was made, and
                                               what the trainings of these took
"""

import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from xreason.harness import progress
from xreason.harness.serving.models import Model
from xreason.harness.store.steps import key_of, keyed, point, step
from xreason.harness.training.train import CHECKPOINT, TRAINING_FILE, Making, Train, outline_of, read_training
from xreason.leaderboards.combined.combined import Merged
from xreason.leaderboards.files import write_whole
from xreason.leaderboards.records import StageCost, Training
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.base import read_tensors, tensor_files
from xreason.trainers.checkpoints.delta import Checkpoint, read_checkpoint
from xreason.trainers.combining.declared import Formula, LayerSwap, Merge
from xreason.trainers.combining.merging import merge
from xreason.trainers.stages import LowRank
from xreason.trainers.tuning.structure import layer_count

# Raised when the same rows and formula shall give other numbers.
_VERSION = 1


class Merging(Making):
    """To merge the checkpoints of other rows, which `needs` names in the order of the merge's `of`."""

    merge: Merge  #: how, and of which rows

    @property
    def words(self) -> str:
        """What is merged, in words."""
        return self.merge.formula.describe(self.merge.of, _layers(self.merge, self.base))


def plan_merge(row: str, seed: int, folder: Path, merge: Merge, base: Model, made: Sequence[Making]) -> Merging:
    """Returns the step; `folder` is the row's own, `made` are the steps that make what it takes, in the order of `merge.of`.

    Raises:
        UserError: these start from other bases, keep adapters beside theirs, or the base has too few layers.
    """
    for name, each in zip(merge.of, made, strict=True):
        if each.base.hash != base.hash:
            said = f"{row} merges rows of one base, and {name} starts from {each.base.name}, not from {base.name}"
            raise UserError(f"{said}; give both the same `base`.")
        if isinstance(each, Train) and any(
            isinstance(stage.tune, LowRank) and not stage.tune.merge for stage in each.method.stages
        ):
            raise UserError(f"{row} merges weights, and {name} keeps adapters beside its base; set merge: true of {name}.")
    _layers(merge, base)
    how = TypeAdapter(Formula).dump_python(merge.formula, mode="json")
    parts = {"step": "merge", "version": _VERSION, "base": base.hash, "how": how, "of": [each.key for each in made]}
    key = key_of(parts) if base.known and all(each.key for each in made) else ""
    place = keyed(folder / CHECKPOINT, key)
    return Merging(folder=place, key=key, needs=tuple(each.folder for each in made), row=row, seed=seed, base=base, merge=merge)


def _layers(merge: Merge, base: Model) -> int:
    """Returns how many layers there are to be swapped, and 0 where none are; a UserError where they are too few."""
    if not isinstance(merge.formula, LayerSwap):
        return 0
    count = layer_count(outline_of(base.folder))
    merge.formula.shares(count)
    return count


def merge_rows(task: Merging) -> Training:
    """Merges, unless the same merge stands already; returns what it took, the trainings that it is made of among that.

    Raises:
        UserError: a checkpoint or the base cannot be used, or the merged model is the base itself.
    """
    link = task.folder.with_name(CHECKPOINT)
    if not task.is_done():
        began = time.perf_counter()
        with step(task.folder, task.key, task.needs) as directory, progress.bar(f"merging {task.title}") as report:
            rows = [read_checkpoint(folder) for folder in task.needs]
            checkpoint = merge(task.merge, rows, directory, seed=task.seed, progress=report)
            training = _training(task, checkpoint, time.perf_counter() - began)
            write_whole(directory / TRAINING_FILE, training.model_dump_json(indent=1) + "\n")
        progress.say(f"{task.title}: merged in {training.merged.seconds if training.merged else 0:.1f} s, {task.words}")
    else:
        progress.say(f"{task.title}: merged before")
    point(link, task.folder)
    return read_training(task.report)


def _training(task: Merging, checkpoint: Checkpoint, seconds: float) -> Training:
    """Returns what the rows' trainings took together, each stage under the name of its row, and what was merged."""
    made = dict(zip(task.merge.of, (read_training(folder / TRAINING_FILE) for folder in task.needs), strict=True))
    stages: dict[str, StageCost] = {}
    for name, each in made.items():
        for stage in each.stages:
            # rows that start from one row, or are merged of it, tell its stages each, and it ran once
            told = stage.model_copy(update={"name": f"{name}: {stage.name}"})
            stages.setdefault(stage.model_dump_json(exclude={"name"}), told)
    how = TypeAdapter(Formula).dump_python(task.merge.formula, mode="json")
    files = tensor_files(checkpoint.directory)
    # nearly all of its time is theirs
    ran = {(each.device, each.devices, each.machine) for each in made.values()}
    device, devices, where = next(iter(ran)) if len(ran) == 1 else (None, None, None)
    return Training(
        stages=tuple(stages.values()),
        recipe=key_of([how, [each.recipe for each in made.values()]]),
        tuned_parameters=sum(tensor.numel() for _, tensor in read_tensors({name: files[name] for name in checkpoint.tensors})),
        total_parameters=next(iter(made.values())).total_parameters,
        device=device,
        devices=devices,
        machine=where,
        merged=Merged(how=task.words, rows=task.merge.of, tensors=len(checkpoint.tensors), seconds=seconds),
    )
