"""Does a plan: step after step, in turn, on this machine. What stands already is passed over.

find layers, train      each step by itself, in the order of the plan
score                   every model by one engine, which takes their weights in turns; its record is written at once
boards                  out of the records of all

A row that fails, at whatever step, takes no other with it: the rest goes on, and the boards say which failed and why.
"""

import os
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple, TypeVar

from xreason.harness import progress
from xreason.harness.plan import Failure, Plan, Row
from xreason.harness.scoring.endpoint import Endpoint
from xreason.harness.scoring.records import record_of, write_boards
from xreason.harness.scoring.score import score
from xreason.harness.serving.arguments import check_cards
from xreason.harness.serving.engines import LONGEST, LONGEST_WITH_EXAMPLES, Engines
from xreason.harness.serving.models import Model, checkpoint_model
from xreason.harness.store.steps import only_writer
from xreason.harness.store.writable import check_writable
from xreason.harness.training.layers import FindLayers, find_layers
from xreason.harness.training.train import read_training, settled, train
from xreason.leaderboards.board import Board
from xreason.leaderboards.records import Record
from xreason.tasks.errors import UserError

T = TypeVar("T")
_SECONDS_BETWEEN_LOOKS = 2


class Outcome(NamedTuple):
    """What became of a plan."""

    boards: list[Board]  #: one a suite; none where nothing was to be scored
    failures: tuple[Failure, ...]  #: rows that failed, and why


def run(plan: Plan, *, report_to: Sequence[str] = ()) -> Outcome:
    """Does what of the plan is not done yet, and writes its boards.

    Where torchrun started several processes they train together, and the first one does all else.

    Args:
        plan: what to do.
        report_to: trackers that trainings also report to, such as "tensorboard".

    Raises:
        UserError: a folder cannot be written, nothing is to be scored and a step cannot be done, or every row failed; nothing
            finished is lost.
    """
    first = progress.is_first_process()
    if plan.engine and any(not step.is_done() for row in plan.rows for step in row.scores):
        check_cards(plan.engine)
    with only_writer(plan.folder) if first else nullcontext():
        for place in {step.folder.parent for step in plan.steps()} if first else ():
            check_writable(place)
        for name, reason in plan.failures:
            progress.say(f"{name} is left out: {reason}")
        failed = _Failed(raising=len(plan.rows) < 2)
        for found in plan.layers:
            needing = [training.title for training in plan.trainings if found.folder in training.needs]
            failed.attempt(needing, partial(_find, found, first))
        # all settled before the first begins: layers that cannot be found are no news for the second day
        ready = [failed.attempt([each.title], partial(settled, each)) for each in plan.trainings]
        for training in filter(None, ready):
            failed.attempt([training.title], partial(train, training, report_to))
        if not plan.rows or not first:
            return Outcome([], ())
        records = _score_all(plan, failed)
        failures = (*plan.failures, *failed.reasons.items())
        if not records:
            raise UserError(failures[0][1])
        return Outcome(write_boards(records, plan.folder, reading=plan.reading, failures=failures), failures)


class _Failed:
    """The rows that failed, by their titles, and why; with `raising` the first error ends it all."""

    def __init__(self, *, raising: bool) -> None:
        self.reasons: dict[str, str] = {}
        self._raising = raising

    def attempt(self, titles: Sequence[str], work: Callable[[], T]) -> T | None:
        """Returns what the work of these rows gives; None where it fails, which is noted, or one of them failed before.

        An interrupt is no failure.
        """
        if not self.reasons.keys().isdisjoint(titles):
            return None
        try:
            return work()
        except Exception as error:
            if self._raising:
                raise
            if os.environ.get("XREASON_DEBUG"):
                traceback.print_exc()
            said = " ".join(str(error).split())
            reason = said if isinstance(error, UserError) else f"{type(error).__name__}: {said[:300]}"
        self.reasons |= dict.fromkeys(titles, reason)
        progress.say(f"{'; '.join(titles)} failed, what else there is goes on: {reason}")
        return None


def _find(task: FindLayers, first: bool) -> None:
    if first:
        find_layers(task)
    while not task.is_done():
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _score_all(plan: Plan, failed: _Failed) -> list[Record]:
    """Scores all rows that did not fail, and returns their records."""
    asked = [each.scoring.asking for row in plan.rows for each in row.scores]
    longest = LONGEST_WITH_EXAMPLES if any(asking.shots for asking in asked) else LONGEST
    records: list[Record] = []
    with Engines(dtype=plan.dtype, fresh=plan.fresh_engines, longest=longest, say=progress.say, **plan.engine) as engines:
        for row in plan.rows:
            title = row.train.title if row.train else row.name
            if title in failed.reasons:
                continue
            if record := failed.attempt([title], partial(_scored, row, engines, plan.endpoint)):
                records.append(record)
            else:
                engines.stop()  # whose weights it holds now is not known
    return records


def _scored(row: Row, engines: Engines, endpoint: Endpoint | None) -> Record:
    """Scores one row, what of it is not scored yet, and writes its record."""
    model = _served(row)
    missing = [each for each in row.scores if not each.is_done()]
    if not missing:
        progress.say(f"{row.name}, seed {row.seed}: scored before")
    else:
        lm = endpoint.client(model) if endpoint else engines.engine_for(model)
        for each in missing:
            score(each, lm, model)
    training = read_training(row.train.report) if row.train else row.training
    record = record_of(row.scores, row.folder, row.base, training, model.size if training else None, served=model)
    if endpoint:
        endpoint.finish(model)
    return record


def _served(row: Row) -> Model:
    return checkpoint_model(row.train.folder, row.name)[0] if row.train else row.model or row.base
