"""The step that trains one method with one seed: what it is in a plan, and the doing of it.

runs/slam/slam/0/checkpoint-1a2b3c4d/      what changed, as safetensors; training.json: what each stage read, tuned and took
runs/slam/slam/0/checkpoint                a link to the one that was last asked for
runs/slam/slam/0/unfinished-1a2b3c4d/      what an interrupted training goes on from
runs/slam/slam/0/logs/                     what TensorBoard and the like write
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, TypeAdapter

from xreason.harness import progress
from xreason.harness.serving.models import Model
from xreason.harness.store.provenance import machine, training_versions
from xreason.harness.store.steps import Step, key_of, keyed, point, step
from xreason.harness.training.layers import FindLayers, layers_found
from xreason.leaderboards.files import write_whole
from xreason.leaderboards.records import StageCost, Training
from xreason.tasks.errors import MissingSetError, UserError
from xreason.tasks.prompts import STYLES
from xreason.tasks.rewards.named import versions_of
from xreason.trainers.checkpoints.hashes import kept_hash
from xreason.trainers.corpora.examples import Source
from xreason.trainers.corpora.load import is_own, load_corpus
from xreason.trainers.corpora.own.references import without_places
from xreason.trainers.loop.reports import StageProgress
from xreason.trainers.methods import wants_layers, with_layers
from xreason.trainers.stages import FeedForward, Method, Reward, Tune
from xreason.trainers.train import texts_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: Minutes between step checkpoints where nobody says: what an interruption may cost.
SAVE_MINUTES = 15.0
CHECKPOINT = "checkpoint"
TRAINING_FILE = "training.json"
UNFINISHED, LOGS, LAUNCH_FILE, FAILED_FILE = "unfinished", "logs", "launch.json", "failed.txt"
#: What a process ends with that the system has killed: as its starter sees it, and as the starter hands it on.
KILLED = 128 + signal.SIGKILL
_WORTH_SAYING = 10**9  # bytes; a smaller step checkpoint is no news


class Making(Step):
    """To make the checkpoint of one row and seed."""

    row: str  #: its name on the board
    seed: int  #: of the order of the rows, and of anything else that is drawn
    base: Model  #: what it is made from

    @property
    def title(self) -> str:
        """What progress calls it."""
        return f"{self.row}, seed {self.seed}"

    @property
    def report(self) -> Path:
        """Where it says what it took."""
        return self.folder / TRAINING_FILE


class Train(Making):
    """To train one method with one seed into a checkpoint."""

    method: Method  #: its stages, settings applied; where one says `layers: auto`, `needs` names the step that finds them
    #: whose weights it starts from in place of the base's: another training of it, or a checkpoint's folder
    start: "Train | Path | None" = None
    pairs: Path | None = None  #: where the pairs will stand that are made for its first stage
    languages: tuple[str, ...]  #: codes that the corpora are asked for
    source: Source  #: where training text comes from: "papers" or "pocket"
    data: Path | None  #: folder with local copies of the sets, or None
    #: hashes of each stage's corpora, and of the file that it holds out; where rows are drawn or written by the seed, of those of
    #: seed 0.
    corpora: tuple[tuple[str, ...], ...]
    save_minutes: float = SAVE_MINUTES  #: between its step checkpoints; 0 writes none. Changes no result, and is in no key

    @property
    def work(self) -> Path:
        """Where it keeps what it goes on from when it is interrupted."""
        return keyed(self.folder.with_name(UNFINISHED), self.key)

    @property
    def start_folder(self) -> Path | None:
        """The checkpoint that it starts from, or None for the base."""
        return self.start.folder if isinstance(self.start, Train) else self.start


class Launch(BaseModel):
    """What several processes are told that train together: the step, where its checkpoint goes, and whom to report to."""

    task: Train
    directory: Path
    report_to: tuple[str, ...]


def plan_training(
    row: str,
    seed: int,
    folder: Path,
    method: Method,
    base: Model,
    languages: Sequence[str],
    *,
    source: Source,
    data: Path | None,
    layers: FindLayers | None = None,
    start: Train | Path | None = None,
    pairs: Step | None = None,
    devices: int = 1,
    save_minutes: float = SAVE_MINUTES,
    outline: bool = False,
) -> Train:
    """Returns the step; reads its corpora, hours before they are needed, and holds its stages against the base.

    Arguments are as in Train, but for the row's own folder, the step that finds the layers where a stage says `layers: auto`, and
    the one that makes pairs for the first stage.
    With `outline` the base may be an outlined one, and a set may be missing: such a step has no key, for it cannot be done.

    Raises:
        UserError: a corpus cannot be had, or the base has not the layers that a stage tunes.
    """

    def hashes(seed: int) -> tuple[tuple[str, ...], ...]:
        return tuple(text.hashes for text in texts_of(method, languages, source=source, data=data, seed=seed))

    try:
        corpora = hashes(seed)
    except MissingSetError:
        if not outline:
            raise
        corpora = ()
    depends_on_seed = source == "pocket" or any(stage.rows for stage in method.stages)
    said = {
        "step": "train",
        "base": [base.hash, base.tokenizer()],
        "stages": [without_places(each) for each in TypeAdapter(Method).dump_python(method, mode="json")["stages"]],
        "layers": layers.key if layers else None,
        "corpora": corpora,
        "prompt": _frames(method),
        "seed": seed,
        "versions": training_versions(),
    }
    if rewards := {name for stage in method.stages if isinstance(stage.objective, Reward) for name in stage.objective.reward}:
        said["rewards"] = versions_of(rewards)
    if start is not None:
        said["start"] = start_key(start)
    if pairs is not None:
        said["pairs"] = pairs.key
    needed = (layers, start if isinstance(start, Train) else None, pairs)
    known = base.known and bool(corpora) and all(each is None or each.key for each in needed)
    key = key_of(said) if known else ""
    task = Train(
        folder=keyed(folder / CHECKPOINT, key),
        key=key,
        needs=tuple(each.folder for each in needed if each is not None),
        devices=devices,
        row=row,
        seed=seed,
        method=method,
        base=base,
        start=start,
        pairs=pairs.folder if pairs else None,
        languages=tuple(languages),
        source=source,
        data=data,
        corpora=hashes(0) if corpora and depends_on_seed and seed != 0 else corpora,
        save_minutes=save_minutes,
    )
    if not wants_layers(method) and not task.is_done():
        from xreason.trainers.tuning.structure import choose

        for stage in method.stages:
            choose(outline_of(base.folder) if outline else _skeleton(base.folder), stage.tune)
    return task


def start_key(start: Train | Path) -> str:
    """Returns what the weights are known by that a training starts from; "" where they are not known yet."""
    return start.key if isinstance(start, Train) else kept_hash(sorted(start.glob("*.safetensors")))


def _frames(method: Method) -> list[str]:
    return [STYLES[stage.frame].frame for stage in method.stages]


def recipe_of(task: Train) -> str:
    """Returns a hash of all that makes the setting of a training whose layers are settled, but for its base and its seed.

    That is its stages, its text, languages and frames. How many rows a forward pass takes is the machine's, and why layers were
    chosen is told and changes nothing.
    """
    stages = [without_places(each) for each in TypeAdapter(Method).dump_python(task.method, mode="json")["stages"]]
    for said, stage in zip(stages, task.method.stages, strict=True):
        del said["micro_batch_size"]
        if isinstance(stage.tune, FeedForward):
            said["tune"] = sorted(stage.tune.indices)
    told = [stages, task.corpora, task.languages, task.source, _frames(task.method)]
    if isinstance(task.start, Train):
        told.append(recipe_of(settled(task.start)))
    elif task.start is not None:
        told.append(start_key(task.start))
    return key_of(told)


@cache
def outline_of(folder: Path) -> "PreTrainedModel":
    """Returns what counts as the model of a folder does, of which its config.json is read; a UserError as skeleton."""
    from xreason.trainers.tuning.counting import sketch

    return sketch(folder)


@cache
def _skeleton(folder: Path) -> "PreTrainedModel":
    from xreason.trainers.tuning.counting import skeleton

    return skeleton(folder)


def settled(task: Train) -> Train:
    """Returns the training with the layers that the step it needs has found, where its method says auto; its key stays.

    Raises:
        UserError: no layers stand out.
    """
    if not wants_layers(task.method):
        return task
    return task.model_copy(update={"method": with_layers(task.method, *layers_found(task.needs[0], task.base.name))})


def train(task: Train, report_to: Sequence[str] = ()) -> Training:
    """Trains, unless the same training stands already; returns what it took.

    A training that was interrupted goes on from its last step checkpoint, in `task.work`. Where torchrun or accelerate started
    several processes, all train together and the first one writes.

    Args:
        task: what to train, its layers settled.
        report_to: trackers, such as "tensorboard".

    Raises:
        UserError: the base or the data cannot be used.
    """
    link = task.folder.with_name(CHECKPOINT)
    if task.is_done():
        progress.say(f"{task.title}: trained before")
        if progress.is_first_process():
            point(link, task.folder)
        return read_training(task.report)
    launch = Launch(task=task, directory=task.folder, report_to=tuple(report_to))
    work = task.work
    if not progress.is_first_process():
        return run_here(launch, work)
    _check_unchanged(task)
    work.mkdir(parents=True, exist_ok=True)
    if task.save_minutes and (size := max(_saved_bytes(task))) >= _WORTH_SAYING:
        how = f"of {size / 1e9:,.1f} GB every {task.save_minutes:g} minutes, two side by side while one replaces the other"
        progress.say(f"{task.title}: step checkpoints {how}")
    with step(task.folder, task.key, task.needs) as directory:
        launch = launch.model_copy(update={"directory": directory.resolve()})
        training = _run_launched(launch, work) if _in_processes(task) else run_here(launch, work)
        write_whole(directory / TRAINING_FILE, training.model_dump_json(indent=1) + "\n")
    point(link, task.folder)
    shutil.rmtree(work)
    # what it goes on from told its own
    own = training.stages[-len(task.method.stages) :]
    for stage in own:
        if stage.truncated:
            cut = ", ".join(f"{count:,} of {code}" for code, count in stage.truncated.items())
            progress.say(f"{task.title}, {stage.name}: too long and cut off were {cut}")
    progress.say(f"{task.title}: trained in {sum(stage.seconds for stage in own):.0f} s")
    return training


def _check_unchanged(task: Train) -> None:
    """Raises a UserError where a corpus of one's own is not what it was when the training was planned, which may be days ago."""
    for stage, hashes in zip(task.method.stages, task.corpora, strict=True):
        held_out = [stage.held_out] if isinstance(stage.held_out, str) else []
        for name, planned in zip([*stage.corpora, *held_out], hashes, strict=True):
            if is_own(name, task.source) and load_corpus(name, (), source=task.source).hash != planned:
                raise UserError(
                    f"{name} was changed since {task.title} was planned; give the command again, and it is planned anew."
                )


def read_training(path: Path) -> Training:
    """Returns the report that a training left.

    Raises:
        UserError: the file is not a training report.
        FileNotFoundError: there is none.
    """
    try:
        return Training.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not a training report; remove {path.parent}, and it is trained again.") from error


def run_here(launch: Launch, work: Path) -> Training:
    """Trains in this process, one of several where torchrun started it; see trainers.train.train."""
    from xreason.trainers.train import train as run

    task = launch.task
    with progress.bar(f"training {task.title}") as report:

        def show(state: StageProgress) -> None:
            report(state.step, state.total_steps, _words(state))

        result = run(
            task.method,
            task.base.name,
            launch.directory,
            languages=task.languages,
            source=task.source,
            data=task.data,
            seed=task.seed,
            progress=show,
            work=work,
            save_minutes=task.save_minutes or None,
            report_to=launch.report_to,
            logs=work.parent / LOGS if launch.report_to else None,
            start=task.start_folder,
            tuned_before=_tuned_before(task),
            pairs=task.pairs,
        )
    reported, corpora = StageCost.model_fields.keys() - {"frame", "sources"}, iter(result.corpora)
    costs = []
    for cost, stage in zip(result.stages, task.method.stages, strict=True):
        each = [corpus.sources for corpus in islice(corpora, 1 if stage.samples else len(stage.corpora))]
        sources = None if None in each else tuple(dict.fromkeys(source for some in each for source in some or ()))
        told = {"frame": stage.frame, "sources": sources}
        costs.append(StageCost.model_validate({name: getattr(cost, name) for name in reported} | told))
    return Training(
        stages=(*_stages_before(task), *costs),
        recipe=recipe_of(task),
        tuned_parameters=result.tuned_parameters,
        total_parameters=result.total_parameters,
        device=result.device,
        devices=result.devices,
        machine=machine(),
    )


def _tuned_before(task: Train) -> list[Tune]:
    """Returns what the trainings tuned that this one goes on from, as far as that is known."""
    if not isinstance(task.start, Train):
        return []
    return [*_tuned_before(task.start), *(stage.tune for stage in settled(task.start).method.stages)]


def _stages_before(task: Train) -> tuple[StageCost, ...]:
    """Returns what the trainings took that this one goes on from: they are a part of what it took."""
    folder = task.start_folder
    return read_training(folder / TRAINING_FILE).stages if folder and (folder / TRAINING_FILE).exists() else ()


def _words(state: StageProgress) -> str:
    held_out = " ".join(f"{code}{' ' if code else ''}{loss:.3f}" for code, loss in state.held_out.items())
    learnt = ", ".join(f"{name} {mean:.3f}" for name, mean in state.rewards.items()) or f"loss {state.loss:.3f}"
    return (
        f"{learnt}, {f'held out {held_out}, ' if held_out else ''}"
        f"rate {state.learning_rate:.1e}, gradient {state.gradient_norm:.2f}, "
        f"{state.tokens_per_second:,.0f} tokens/s, {state.memory_bytes / 2**30:.1f} GiB"
    )


def _saved_bytes(task: Train) -> list[int]:
    from xreason.trainers.tuning.counting import count_of
    from xreason.trainers.tuning.memory import saved_bytes

    return [saved_bytes(stage, count_of(outline_of(task.base.folder), stage.tune).tuned) for stage in task.method.stages]


def _in_processes(task: Train) -> bool:
    """Returns whether a training has processes of its own: on GPUs always, so that their memory is the system's when it ends."""
    if "RANK" in os.environ:
        # this is one of several that somebody else started
        return False
    import torch

    return task.devices > 1 or torch.cuda.is_available()


def _run_launched(launch: Launch, work: Path) -> Training:
    write_whole(work / LAUNCH_FILE, launch.model_dump_json())
    failed = work / FAILED_FILE
    failed.unlink(missing_ok=True)
    launched = ["-m", "xreason.harness.training.launched"]
    command = [sys.executable, *launched, "--standalone", "--nproc-per-node", str(launch.task.devices), *launched]
    command.append(str(work.resolve()))
    progress.say(f"launching: {shlex.join(command)}")
    with subprocess.Popen(command) as running:  # noqa: S603
        try:
            code = running.wait()
        except BaseException:
            running.send_signal(signal.SIGINT)
            running.wait()
            raise
    if code in (KILLED, -signal.SIGKILL):
        raise UserError(
            f"{launch.task.title}: a training process was killed by the system, most likely for want of memory; lora, a smaller "
            "micro_batch_size or max_length, or --save-minutes 0 take less, and the same command goes on where it was last saved."
        )
    if failed.exists():
        raise UserError(failed.read_text(encoding="utf-8"))
    if code:
        raise UserError(f"{launch.task.title}: training failed in a process of its own; what it says stands above.")
    return read_training(work / TRAINING_FILE)
