"""Does a plan: what stands already is passed over, all else is done in turn here, or placed by Ray over a cluster.

find layers, train      each by itself, in the order of the plan; pairs that a training learns of are made before it
merge                   checkpoints of trainings into others
translate               questions into English, for rows that are asked so
score                   every model by one engine, which takes their weights in turns; its record is written at once
boards                  out of the records of all, anew as they arrive

Both ways the same jobs are done by the same code, under the locks of their steps: another process that does the same plan takes
what this one has not begun. A row that fails, at whatever step, takes no other with it: the rest goes on, and the boards say which
failed and why.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from xreason.harness import progress
from xreason.harness.live import LiveTable
from xreason.harness.placing import Hands, Here, Job, Nodes, Result, Watch, attempt
from xreason.harness.plan import Failure, Plan
from xreason.harness.preferring.samples import MakePairs, make_pairs
from xreason.harness.rows import Row
from xreason.harness.scoring.endpoint import Endpoint
from xreason.harness.scoring.records import record_of, write_boards
from xreason.harness.scoring.samples import write_board_page
from xreason.harness.scoring.score import score
from xreason.harness.scoring.translating.translate import Translate, translate
from xreason.harness.serving.arguments import cards, check_cards
from xreason.harness.serving.engines import LONGEST, LONGEST_WITH_EXAMPLES, Engines
from xreason.harness.serving.models import Model, checkpoint_model
from xreason.harness.store.provenance import has_gpu
from xreason.harness.store.steps import Step, in_use
from xreason.harness.store.writable import check_writable
from xreason.harness.training.layers import FindLayers, find_layers
from xreason.harness.training.merge import Merging, merge_rows
from xreason.harness.training.train import Train, read_training, settled, train
from xreason.leaderboards.board import Board
from xreason.leaderboards.comparable import BoardError
from xreason.leaderboards.records import Record
from xreason.tasks.errors import UserError
from xreason.tasks.readings.verdicts import think_begin

_SECONDS_BETWEEN_LOOKS = 2
#: Boards are written as records arrive, but no more often.
_SECONDS_BETWEEN_BOARDS = 30
#: After the process of a job was lost so often, the job has failed.
_MOST_LOSSES = 3


class Outcome(NamedTuple):
    """What became of a plan."""

    boards: list[Board]  #: one a suite; none where nothing was to be scored
    failures: tuple[Failure, ...]  #: rows that failed, and why


def run(plan: Plan, *, report_to: Sequence[str] = (), ray: str | None = None) -> Outcome:
    """Does what of the plan is not done yet, and writes its boards.

    Where torchrun started several processes they train together, and the first one does all else.

    Args:
        plan: what to do.
        report_to: trackers that trainings also report to, such as "tensorboard".
        ray: address of the Ray cluster that does it, see `xreason.harness.placing.Nodes`; in turn here for None.

    Raises:
        UserError: a folder cannot be written, a tracker is not there, nothing is to be scored and a step cannot be done, every row
            failed, or there is no such cluster; nothing finished is lost.
    """
    if not progress.is_first_process():
        return _join(plan, report_to)
    if ray is None and plan.engine and any(not step.is_done() for row in plan.rows for step in row.scores):
        check_cards(plan.engine)
    if report_to:
        from xreason.trainers.loop.reports import check_packages  # which imports PyTorch

        check_packages((), report_to)
    with in_use(plan.folder):
        for place in {step.folder.parent for step in plan.steps()}:
            check_writable(place)
        for name, reason in plan.failures:
            progress.say(f"{name} is left out: {reason}")
        for note in plan.notes:
            progress.say(note)
        walk = Walk(plan, raising=len(plan.rows) < 2)
        walk.through([*_trainings(plan, report_to), *_scorings(plan)], ray)
        return walk.outcome() if plan.rows else Outcome([], ())


def _join(plan: Plan, report_to: Sequence[str]) -> Outcome:
    """Does what a process does that is not the first of those that torchrun started: waits for layers, and trains."""
    for found in plan.layers:
        while not found.is_done():
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    for training in plan.trainings:
        for made in (each for each in plan.pairs if each.folder in training.needs):
            while not made.is_done():
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        train(settled(training), report_to)
    return Outcome([], ())


class Walk:
    """Takes jobs of a plan to where they are done, and keeps what becomes of them.

    Args:
        plan: theirs.
        raising: whether the first error ends it all, for no other row would go on.
    """

    def __init__(self, plan: Plan, *, raising: bool) -> None:
        self._plan, self._raising = plan, raising
        self._watch: Watch | None = None
        self.reasons: dict[str, str] = {}  #: why a row failed, by its title
        self._records: dict[str, Record] = {}  # by the name of the job that scored it
        self._losses: dict[tuple[str, str], int] = {}
        self._resting: dict[tuple[str, str], float] = {}  # held by another process: when to look again
        self._boarded = time.monotonic()

    def through(self, jobs: Sequence[Job], ray: str | None = None) -> None:
        """Does all jobs, none before those that it needs: in turn here, or by Ray.

        Raises:
            UserError: with `raising`, what a job failed for; there is no such cluster, or a job is too large for it.
        """
        with ExitStack() as open_here:
            hands = open_here.enter_context(Hands())
            placing: Here | Nodes = Here(hands, raising=self._raising)
            if ray is not None and not all(job.is_done() for job in jobs):
                self._watch = table = LiveTable(jobs)
                placing = open_here.enter_context(Nodes(ray, table))
                open_here.enter_context(table)
            self._through(jobs, placing, hands)

    def _through(self, jobs: Sequence[Job], placing: Here | Nodes, hands: Hands) -> None:
        waiting, running = list(jobs), list[Job]()
        while waiting or running:
            waiting = [job for job in waiting if not self._fails(job)]
            pending = {step.folder for job in (*waiting, *running) for step in job.steps}
            ready = [job for job in waiting if pending.isdisjoint(job.needs)]
            if passed := next((job for job in ready if job.is_done()), None):
                waiting.remove(passed)  # it costs no node anything
                self._over(passed, attempt(passed, hands, raising=self._raising), "stood before")
                continue
            begun = placing.begin([job for job in ready if self._resting.get(job.key, 0) <= time.monotonic()])
            waiting, running = [job for job in waiting if job not in begun], [*running, *begun]
            if ready and not running:
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            for job, result in placing.ended() if running else ():
                running.remove(job)
                if result.ended in ("held", "lost") and self._again(job, result):
                    waiting = [each for each in jobs if each in waiting or each is job]
                else:
                    self._over(job, result, result.ended)

    def outcome(self) -> Outcome:
        """Returns the boards of all records, written; a UserError where there is none."""
        failures = (*self._plan.failures, *self.reasons.items())
        if not self._records:
            raise UserError(failures[0][1])
        boards = self._boards(failures)
        stand = [(row.folder, self._records[_title(row)]) for row in self._plan.rows if _title(row) in self._records]
        write_board_page(boards, stand, self._plan.folder)
        return Outcome(boards, failures)

    def _boards(self, failures: Sequence[tuple[str, str]]) -> list[Board]:
        told = self._plan
        judged: dict[str, Any] = {"reading": told.reading, "mean": told.mean, "english_margin": told.english_margin}
        return write_boards(self._ordered(), told.folder, **judged, failures=failures)

    def _ordered(self) -> list[Record]:
        return [self._records[name] for name in map(_title, self._plan.rows) if name in self._records]

    def _fails(self, job: Job) -> bool:
        """Returns whether a job is not to be done, because all rows that it is for have failed."""
        fails = self.reasons.keys() >= set(job.rows)
        if fails and self._watch:
            self._watch.state(job, "left out")
        return fails

    def _again(self, job: Job, result: Result) -> bool:
        """Returns whether a job that another process holds, or whose process is gone, is to be begun again."""
        if result.ended == "held":
            if int(os.environ.get("WORLD_SIZE", "1")) > 1:
                raise UserError(result.reason)  # those that train along would wait for ever
            if job.key not in self._resting:
                progress.say(
                    f"{job.name}, {job.what}: another xreason does it now; what is left is done meanwhile, then it is waited for"
                )
            self._resting[job.key] = time.monotonic() + _SECONDS_BETWEEN_LOOKS
        else:
            self._losses[job.key] = self._losses.get(job.key, 0) + 1
            if self._losses[job.key] >= _MOST_LOSSES:
                return False
            progress.say(f"{job.name}, {job.what}: {result.reason}; it is gone on with elsewhere")
        if self._watch:
            self._watch.state(job, "waiting")
        return True

    def _over(self, job: Job, result: Result, how: str) -> None:
        if self._watch:
            self._watch.state(job, how if result.ended == "done" else "failed")
        if result.ended != "done":
            reason = result.reason if result.ended == "failed" else f"{result.reason}, for the {_MOST_LOSSES}rd time"
            self._fail(job.rows, reason)
        elif isinstance(result.value, Record):
            self._records[job.name] = result.value
            if time.monotonic() - self._boarded >= _SECONDS_BETWEEN_BOARDS:
                self._boarded = time.monotonic()
                with suppress(BoardError):  # of rows that cannot stand alone
                    self._boards(self._plan.failures)
        elif isinstance(job, _Find):
            self._settle(job)

    def _settle(self, job: "_Find") -> None:
        """Has all rows fail now whose layers cannot be told: that is no news for the second day."""
        for training in self._plan.trainings:
            if job.task.folder in training.needs:
                try:
                    settled(training)
                except UserError as error:
                    if self._raising:
                        raise
                    self._fail(_losing(self._plan, training, training.title), str(error))

    def _fail(self, rows: Sequence[str], reason: str) -> None:
        if self._raising:
            raise UserError(reason)
        self.reasons |= dict.fromkeys(rows, reason)
        progress.say(f"{'; '.join(rows)} failed, what else there is goes on: {reason}")


@dataclass(frozen=True, kw_only=True)
class _Find(Job):
    task: FindLayers

    def do(self, hands: Hands) -> None:
        find_layers(self.task)


@dataclass(frozen=True, kw_only=True)
class _Asks(Job):
    """What asks a model."""

    serving: dict[str, Any]  #: how Engines are made

    def _engine(self, model: Model, hands: Hands) -> Any:
        """Returns lm-eval's model for one: the dummy, or the engine."""
        if model.is_dummy:
            from xreason.harness.serving.dummy import Dummy

            return Dummy()
        if hands.engines is None:
            hands.engines = hands.enter_context(Engines(say=progress.say, **self.serving))
        return hands.engines.engine_for(model)


@dataclass(frozen=True, kw_only=True)
class _Pair(_Asks):
    task: MakePairs

    def do(self, hands: Hands) -> None:
        if self.task.is_done():
            return
        make_pairs(self.task, lambda model: self._engine(model, hands))


@dataclass(frozen=True, kw_only=True)
class _Train(Job):
    task: Train
    report_to: tuple[str, ...]

    def do(self, hands: Hands) -> None:
        if hands.engines is not None and has_gpu():
            hands.drop()  # a training on GPUs has their memory to itself
        train(settled(self.task), self.report_to)


@dataclass(frozen=True, kw_only=True)
class _Merge(Job):
    task: Merging

    def do(self, hands: Hands) -> None:
        merge_rows(self.task)


@dataclass(frozen=True, kw_only=True)
class _Translate(_Asks):
    task: Translate

    def do(self, hands: Hands) -> None:
        if self.task.is_done():
            return
        model = self.task.model or checkpoint_model(self.task.needs[0], self.task.name)[0]
        translate(self.task, self._engine(model, hands), model)


@dataclass(frozen=True, kw_only=True)
class _Score(_Asks):
    row: Row
    endpoint: Endpoint | None

    def do(self, hands: Hands) -> Record:
        """Scores the row, what of it is not scored yet, and writes its record."""
        row = self.row
        model = checkpoint_model(row.train.folder, row.name)[0] if row.train else row.model or row.base
        missing = [each for each in row.scores if not each.is_done()]
        if not missing:
            progress.say(f"{row.name}, seed {row.seed}: scored before")
        else:
            lm = self._answering(model, hands)
            for each in missing:
                score(each, lm, model)
        training = read_training(row.train.report) if row.train else row.training
        by = row.translator.train if row.translator else None
        told: dict[str, Any] = {"served": model, "cautions": row.cautions}
        told["translator"] = read_training(by.report).recipe if by else None
        record = record_of(row.scores, row.folder, row.base, training, model.size if training else None, **told)
        if self.endpoint:
            self.endpoint.finish(model)
        return record

    def _answering(self, model: Model, hands: Hands) -> Any:
        """Returns lm-eval's model for one: a server's, the dummy, or the engine."""
        return self.endpoint.client(model) if self.endpoint else self._engine(model, hands)


def _losing(plan: Plan, step: Step, name: str) -> tuple[str, ...]:
    """Returns the titles of the rows that cannot be without a step, directly or through others; its `name` where there is none."""
    lost = {step.folder}
    for each in plan.steps():
        if not lost.isdisjoint(each.needs):
            lost.add(each.folder)
    rows = [_title(row) for row in plan.rows if any(score.folder in lost for score in row.scores)]
    tasks = [task.title for task in plan.trainings if task.folder in lost and not plan.rows]
    return (*rows, *tasks) or (name,)


def _trainings(plan: Plan, report_to: Sequence[str]) -> Iterator[Job]:
    """Yields what finds layers, what makes pairs, what trains, and what merges."""
    for found in plan.layers:
        name = found.base.name
        yield _Find(name=name, what="layers", rows=_losing(plan, found, name), steps=(found,), task=found)
    for made in plan.pairs:
        told: dict[str, Any] = {"name": made.title, "rows": _losing(plan, made, made.title), "steps": (made,)}
        on: dict[str, Any] = {"devices": cards(plan.engine), "fits": made.base.signature()}
        yield _Pair(**told, what="samples", **on, task=made, serving=_serving(plan))
    for task in plan.trainings:
        told = {"name": task.title, "rows": _losing(plan, task, task.title), "steps": (task,), "devices": task.devices}
        yield _Train(**told, what="training", task=task, report_to=tuple(report_to))
    for merge in plan.merges:
        told = {"name": merge.title, "rows": _losing(plan, merge, merge.title), "steps": (merge,)}
        yield _Merge(**told, what="merging", task=merge)


def _serving(plan: Plan) -> dict[str, Any]:
    """Returns how the engines of a plan are made."""
    asked = [each.scoring.asking for row in plan.rows for each in row.scores]
    longest = LONGEST_WITH_EXAMPLES if any(asking.shots for asking in asked) else LONGEST
    # a model that thinks for long is still shown whole questions
    answers = max((each.scoring.longest_response for row in plan.rows for each in row.scores), default=0)
    longest = longest if answers < longest else answers + longest
    serving = {"dtype": plan.dtype, "fresh": plan.fresh_engines, "longest": longest, **plan.engine}
    if marks := next((asking.think_end for asking in asked if asking.thinking_tokens), None):
        serving |= {"reasoning_config": {"reasoning_start_str": think_begin(marks), "reasoning_end_str": marks}}
    return serving


def _scorings(plan: Plan) -> Iterator[Job]:
    """Yields what puts questions into English, then what scores, a job a row."""
    serving, devices = _serving(plan), cards(plan.engine)
    for step in plan.translations:
        name = f"{step.name}, seed {step.seed}, {step.scoring.name}"
        told: dict[str, Any] = {"name": name, "rows": _losing(plan, step, name), "steps": (step,), "devices": devices}
        yield _Translate(**told, what="translating", fits=step.base.signature(), task=step, serving=serving)
    for row in plan.rows:
        told = {"name": _title(row), "rows": (_title(row),), "steps": row.scores, "devices": devices}
        # what is trained has its base's shapes and tokenizer
        yield _Score(**told, what="scoring", fits=row.base.signature(), row=row, serving=serving, endpoint=plan.endpoint)


def _title(row: Row) -> str:
    trained = row.train or (row.translator and row.translator.train)
    return f"{row.name}, seed {row.seed}" if trained else row.name
