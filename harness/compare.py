"""A comparison, from an experiment to its boards: train what is missing, score what is missing, put it side by side.

runs/pocket/base/0/          scores/pocket/, record.json
runs/pocket/slam/0/          checkpoint/, training.json, scores/pocket/, record.json
runs/pocket/leaderboard.md
runs/pocket/leaderboard.json

A method may have a base of its own. Each base is scored as it is, in a folder base-NAME, and a method's gain is over the base
that it started from.
"""

from pathlib import Path

from xreason.harness.experiment import BASE_ROW, Experiment
from xreason.harness.scoring.results import Contender, Questions, score_all, write_boards
from xreason.harness.serving.models import Model, checkpoint_model, plain_model, row_name
from xreason.harness.store.steps import only_writer
from xreason.harness.training.training import CHECKPOINT, HERE, Plan, Running, check_plan, make_plan, train_once
from xreason.leaderboards.board import Board
from xreason.tasks.errors import UserError


def compare(experiment: Experiment, out: Path, running: Running = HERE) -> list[Board]:
    """Runs what of the experiment is not done yet, and writes its boards into `out / experiment.name`.

    Returns:
        One board a suite.

    Raises:
        UserError: a base, the data, a method or the folder cannot be used; nothing finished is lost.
    """
    folder = out / experiment.name
    with only_writer(folder):
        bases = bases_of(experiment)
        asked = Questions(experiment.suites, experiment.languages, experiment.limit, experiment.max_new_tokens, experiment.asking())
        scorings = asked.scorings()
        plans = [
            _plan(experiment, bases[experiment.base_of(row)], row, seed, folder)
            for row in experiment.methods
            for seed in experiment.seeds
        ]
        for plan in plans:
            check_plan(plan, _folder(plan, folder))
        trained = [_trained(plan, _folder(plan, folder), running) for plan in plans]
        contenders: list[Contender] = []
        # all of a base one after another, so that models of different shapes do not take turns in starting engines
        for place, base in base_folders(bases, experiment).items():
            contenders.append(Contender(place, 0, folder / place / "0", base, base, None))
            contenders.extend(contender for contender in trained if contender.base.hash == base.hash)
        records = score_all(contenders, scorings, dtype=experiment.dtype)
        return write_boards(records, folder, reading=experiment.reading)


def bases_of(experiment: Experiment) -> dict[str, Model]:
    """Returns the models that methods start from, by what the experiment calls them; its own base is the first."""
    references = [experiment.base, *(experiment.base_of(row) for row in experiment.methods)]
    return {reference: plain_model(reference) for reference in dict.fromkeys(references)}


def base_folders(bases: dict[str, Model], experiment: Experiment) -> dict[str, Model]:
    """Returns each base once, by the name of the folder that it is scored in.

    Raises:
        UserError: a row of the experiment has the name of such a folder.
    """
    folders: dict[str, Model] = {}
    for reference, base in bases.items():
        if base.hash in {other.hash for other in folders.values()}:
            continue
        place = f"{BASE_ROW}-{row_name(reference)}" if folders else BASE_ROW
        while place in folders:
            place += "-other"
        if place in experiment.methods:
            raise UserError(
                f"A method cannot be called {place!r}: that is the folder of the base {reference}; give it another name."
            )
        folders[place] = base
    return folders


def _plan(experiment: Experiment, base: Model, row: str, seed: int, folder: Path) -> Plan:
    languages, data, source = experiment.languages_trained(), experiment.data_folder(), experiment.source
    return make_plan(row, experiment.method(row), base, languages, source=source, data=data, seed=seed, folder=folder)


def _folder(plan: Plan, experiment: Path) -> Path:
    return experiment / plan.row / str(plan.seed)


def _trained(plan: Plan, folder: Path, running: Running) -> Contender:
    training = train_once(plan, folder, running)
    model, _ = checkpoint_model(folder / CHECKPOINT, plan.row)
    return Contender(plan.row, plan.seed, folder, model, plan.base, training)
