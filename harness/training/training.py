"""Trains a method into the run store, once: the same training again is found and skipped.

runs/slam/slam/0/checkpoint/      what changed, as safetensors
runs/slam/slam/0/training.json    what each stage read, tuned and took
runs/slam/slam/0/unfinished/      what an interrupted training goes on from
runs/slam/slam/0/logs/            what TensorBoard and the like write
"""

import pickle
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xreason.harness import progress
from xreason.harness.serving.models import Model, plain_model
from xreason.harness.store.provenance import training_versions
from xreason.harness.store.steps import is_done, key_of, only_writer, step
from xreason.harness.training.layers import settled
from xreason.harness.training.sources import source_of
from xreason.leaderboards.files import write_whole
from xreason.leaderboards.records import StageCost, Training
from xreason.tasks.errors import UserError
from xreason.tasks.languages import PAPER_LANGUAGES
from xreason.tasks.pocket import world
from xreason.tasks.prompts import ALPACA
from xreason.trainers.checkpoints.base import POCKET
from xreason.trainers.corpora.examples import Source
from xreason.trainers.corpora.load import load_corpus
from xreason.trainers.loop.reports import StageProgress
from xreason.trainers.methods import load_method
from xreason.trainers.stages import Method

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHECKPOINT = "checkpoint"
TRAINING_FILE = "training.json"
UNFINISHED, LOGS, LAUNCH_FILE = "unfinished", "logs", "launch.pickle"


@dataclass(frozen=True)
class Plan:
    """One training to be.

    Attributes:
        row: its name on the board.
        method: its stages, settings applied, the layers that they tune found.
        base: what it starts from.
        languages: codes that the corpora are asked for.
        source: where training text comes from: "papers" or "pocket".
        data: folder with local copies of the sets, or None.
        seed: of the order of the rows, and of anything else that is drawn.
        key: hash of all that can change the weights it ends in.
    """

    row: str
    method: Method
    base: Model
    languages: tuple[str, ...]
    source: Source
    data: Path | None
    seed: int
    key: str


@dataclass(frozen=True)
class Running:
    """How trainings are run, which changes nothing about what they end in.

    Attributes:
        processes: over which a model is sharded.
        report_to: integrations of Transformers' Trainer, such as "tensorboard".
    """

    processes: int = 1
    report_to: tuple[str, ...] = ()


HERE = Running()


@dataclass(frozen=True)
class Launch:
    """What several processes are told that train together: the plan, where its checkpoint goes, its title, `report_to`."""

    plan: Plan
    directory: Path
    title: str
    report_to: tuple[str, ...]


def make_plan(
    row: str,
    method: Method,
    base: Model,
    languages: Sequence[str],
    *,
    source: Source,
    data: Path | None,
    seed: int,
    folder: Path | None = None,
) -> Plan:
    """Returns the plan of one training; reads its corpora, hours before they are needed.

    Where a stage says `layers: auto`, the language layers of the base are found into `folder/layers`, or read from there (for None
    they are not kept): the plan's method names them.

    Raises:
        UserError: a corpus cannot be had, or none of the base's layers stand out.
    """
    codes = tuple(languages)
    method = settled(method, base, codes, source, data, folder)
    corpora = [
        [load_corpus(name, codes, source=source, data=data, rows=stage.rows, seed=seed).hash for name in stage.corpora]
        for stage in method.stages
    ]
    key = {
        "step": "train",
        "base": base.hash,
        "stages": [asdict(stage) | {"tune": repr(stage.tune)} for stage in method.stages],
        "corpora": corpora,
        "prompt": ALPACA,
        "seed": seed,
        "versions": training_versions(),
    }
    return Plan(row, method, base, codes, source, data, seed, key_of(key))


def check_plan(plan: Plan, folder: Path) -> None:
    """Holds the stages of a plan against its base, unless that training already stands in `folder`; loads no weights.

    Raises:
        UserError: the base has not the layers that a stage tunes.
    """
    if is_done(folder / CHECKPOINT, plan.key):
        return
    from xreason.trainers.tuning.structure import choose

    for stage in plan.method.stages:
        choose(_outline(plan.base.folder), stage.tune)


@cache
def _outline(folder: Path) -> "PreTrainedModel":
    from xreason.trainers.tuning.counting import skeleton

    return skeleton(folder)


def train_once(plan: Plan, folder: Path, running: Running = HERE) -> Training:
    """Trains into `folder`, unless the same training already stands there; returns what it took.

    A training that was interrupted goes on from its last step checkpoint, in `folder/unfinished`. Where torchrun or accelerate
    started several processes, all train together and the first one writes.

    Raises:
        UserError: the base or the data cannot be used.
    """
    title = f"{plan.row}, seed {plan.seed}"
    if is_done(folder / CHECKPOINT, plan.key):
        progress.say(f"{title}: trained before")
        return read_training(folder / TRAINING_FILE)
    work = folder / UNFINISHED
    if not progress.is_first_process():
        return run_here(plan, folder, title, work, running.report_to)
    work.mkdir(parents=True, exist_ok=True)
    with step(folder / CHECKPOINT, plan.key) as directory:
        if running.processes > 1:
            training = _run_launched(Launch(plan, directory.resolve(), title, running.report_to), work, running.processes)
        else:
            training = run_here(plan, directory, title, work, running.report_to)
        # before the checkpoint takes its name: where that stands, the report does too
        write_whole(folder / TRAINING_FILE, training.model_dump_json(indent=1) + "\n")
    shutil.rmtree(work)
    progress.say(f"{title}: trained in {training.seconds:.0f} s")
    return training


def read_training(path: Path) -> Training:
    """Returns the report that a training left.

    Raises:
        UserError: the file is not a training report.
        FileNotFoundError: there is none.
    """
    try:
        return Training.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not a training report; delete the checkpoint beside it, and it is trained again.") from error


def run_here(plan: Plan, directory: Path, title: str, work: Path, report_to: tuple[str, ...]) -> Training:
    """Trains in this process, one of several where torchrun started it; see xreason.trainers.train.train."""
    from xreason.trainers.train import train

    with progress.bar(f"training {title}") as report:

        def show(state: StageProgress) -> None:
            report(state.step, state.total_steps, _words(state))

        result = train(
            plan.method,
            plan.base.name,
            directory,
            languages=plan.languages,
            source=plan.source,
            data=plan.data,
            seed=plan.seed,
            progress=show,
            work=work,
            report_to=report_to,
            logs=work.parent / LOGS if report_to else None,
        )
    costs = set(StageCost.model_fields)
    return Training(stages=tuple(StageCost.model_validate(stage.model_dump(include=costs)) for stage in result.stages))


def _words(state: StageProgress) -> str:
    return (
        f"loss {state.loss:.3f}, rate {state.learning_rate:.1e}, gradient {state.gradient_norm:.2f}, "
        f"{state.tokens_per_second:,.0f} tokens/s, {state.memory_bytes / 2**30:.1f} GiB"
    )


def _run_launched(launch: Launch, work: Path, processes: int) -> Training:
    (work / LAUNCH_FILE).write_bytes(pickle.dumps(launch))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command += ["-m", "xreason.harness.training.launched", str(work.resolve())]
    progress.say(f"launching: {shlex.join(command)}")
    with subprocess.Popen(command) as running:  # noqa: S603
        try:
            code = running.wait()
        except BaseException:
            running.send_signal(signal.SIGINT)
            running.wait()
            raise
    if code:
        raise UserError(f"{launch.title}: training on {processes} processes failed; what they say stands above.")
    return read_training(work / TRAINING_FILE)


def train_alone(
    method: str,
    settings: Mapping[str, Any],
    model: str | None,
    out: Path,
    *,
    languages: Sequence[str] | None,
    source: str | None,
    data: Path | None,
    seed: int,
    running: Running = HERE,
) -> tuple[Training, Path]:
    """Trains one method outside any comparison.

    Args:
        method: its name.
        settings: of its stages, and what the method itself takes.
        model: the base: a folder, a hub id, or "pocket"; for None the method's own, or "pocket".
        out: the run store; the checkpoint goes to `out/train/METHOD/SEED/checkpoint`.
        languages: codes to train on; for None the papers' ten, or the pocket world's.
        source: "papers" or "pocket"; for None the pocket world for the pocket model, else the papers' sets.
        data: folder with local copies of the sets.
        seed: of the training.
        running: how it is run.

    Returns:
        What it took, and the checkpoint's folder.

    Raises:
        UserError: the method, a setting, the model or the data cannot be used.
    """
    chosen = load_method(method, settings)
    start = model or chosen.base or POCKET
    where = source_of(source, start)
    codes = tuple(languages or (world.LANGUAGES if where == "pocket" else PAPER_LANGUAGES))
    folder = out / "train"
    first = progress.is_first_process()
    with only_writer(folder) if first else nullcontext():
        kept = folder if first else None
        plan = make_plan(chosen.name, chosen, plain_model(start), codes, source=where, data=data, seed=seed, folder=kept)
        place = folder / chosen.name / str(seed)
        check_plan(plan, place)
        return train_once(plan, place, running), place / CHECKPOINT
