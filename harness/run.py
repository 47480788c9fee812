"""Does a plan: step after step, in turn, on this machine. What stands already is passed over.

find layers, train      each step by itself, in the order of the plan
score                   every model by one engine, which takes their weights in turns
records, boards         out of what stands then
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext

from xreason.harness import progress
from xreason.harness.plan import Plan, Row
from xreason.harness.scoring.endpoint import client
from xreason.harness.scoring.records import record_of, write_boards
from xreason.harness.scoring.score import score
from xreason.harness.serving.engines import LONGEST, LONGEST_WITH_EXAMPLES, Engines
from xreason.harness.serving.models import Model, checkpoint_model
from xreason.harness.store.steps import only_writer
from xreason.harness.training.layers import find_layers
from xreason.harness.training.train import read_training, settled, train
from xreason.leaderboards.board import Board
from xreason.leaderboards.records import Record

_SECONDS_BETWEEN_LOOKS = 2


def run(plan: Plan, *, report_to: Sequence[str] = ()) -> list[Board]:
    """Does what of the plan is not done yet, and writes its boards.

    Where torchrun started several processes they train together, and the first one does all else.

    Args:
        plan: what to do.
        report_to: trackers that trainings also report to, such as "tensorboard".

    Returns:
        One board a suite; none where nothing is scored.

    Raises:
        UserError: a step cannot be done; nothing finished is lost.
    """
    first = progress.is_first_process()
    with only_writer(plan.folder) if first else nullcontext():
        for found in plan.layers:
            if first:
                find_layers(found)
            while not found.is_done():
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        # all settled before the first begins: layers that cannot be found are no news for the second day
        for training in [settled(each) for each in plan.trainings]:
            train(training, report_to)
        if not plan.rows or not first:
            return []
        _score_all(plan)
        return write_boards([_record(row) for row in plan.rows], plan.folder, reading=plan.reading)


def _score_all(plan: Plan) -> None:
    asked = [each.scoring.asking for row in plan.rows for each in row.scores]
    longest = LONGEST_WITH_EXAMPLES if any(asking.shots for asking in asked) else LONGEST
    with Engines(dtype=plan.dtype, fresh=plan.fresh_engines, longest=longest, say=progress.say) as engines:
        for row in plan.rows:
            missing = [each for each in row.scores if not each.is_done()]
            if not missing:
                progress.say(f"{row.name}, seed {row.seed}: scored before")
                continue
            model = _served(row)
            lm = client(plan.endpoint, model) if plan.endpoint else engines.engine_for(model)
            for each in missing:
                score(each, lm, model)


def _served(row: Row) -> Model:
    return checkpoint_model(row.train.folder, row.name)[0] if row.train else row.model or row.base


def _record(row: Row) -> Record:
    training = read_training(row.train.report) if row.train else row.training
    served = _served(row)
    return record_of(row.scores, row.folder, row.base, training, served.size if training else None, served=served)
