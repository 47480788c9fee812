"""A comparison, from an experiment to its boards: train what is missing, score what is missing, put it side by side.

runs/pocket/base/0/          scores/pocket/, record.json
runs/pocket/slam/0/          checkpoint/, training.json, scores/pocket/, record.json
runs/pocket/leaderboard.md
runs/pocket/leaderboard.json
"""

from pathlib import Path

from harness.experiment import BASE_ROW, Experiment
from harness.models import Model, checkpoint_model, plain_model
from harness.results import Contender, Questions, score_all, write_boards
from harness.store import only_writer
from harness.training import CHECKPOINT, Plan, make_plan, train_once
from leaderboards.board import Board


def compare(experiment: Experiment, out: Path) -> list[Board]:
    """Runs what of the experiment is not done yet, and writes its boards into `out / experiment.name`.

    Returns:
        One board a suite.

    Raises:
        UserError: the base, the data, a method or the folder cannot be used; nothing finished is lost.
    """
    folder = out / experiment.name
    with only_writer(folder):
        base = plain_model(experiment.base)
        asked = Questions(experiment.suites, experiment.languages, experiment.limit, experiment.max_new_tokens, experiment.asking())
        scorings = asked.scorings()
        contenders = [Contender(BASE_ROW, 0, folder / BASE_ROW / "0", base, base, None)]
        plans = [_plan(experiment, base, row, seed) for row in experiment.methods for seed in experiment.seeds]
        for plan in plans:
            contenders.append(_trained(plan, folder / plan.row / str(plan.seed)))
        records = score_all(contenders, scorings, dtype=experiment.dtype)
        return write_boards(records, folder, reading=experiment.reading)


def _plan(experiment: Experiment, base: Model, row: str, seed: int) -> Plan:
    languages, data = experiment.languages_trained(), experiment.data_folder()
    return make_plan(row, experiment.method(row), base, languages, source=experiment.source, data=data, seed=seed)


def _trained(plan: Plan, folder: Path) -> Contender:
    training = train_once(plan, folder)
    model, _ = checkpoint_model(folder / CHECKPOINT, plan.row)
    return Contender(plan.row, plan.seed, folder, model, plan.base, training)
