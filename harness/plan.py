"""The plan: every step that an experiment means, each with its key, its folder and what it needs, settled before any work begins.

runs/pocket/layers/pocket/found-KEY/     FindLayers   where a stage says `layers: auto`
runs/pocket/mapo/0/pairs-KEY/            MakePairs    where a stage learns of samples of the weights that it starts from
runs/pocket/slam/0/checkpoint-KEY/       Train        a method and seed; or Merging, of checkpoints of other rows
runs/pocket/slam/0/scores/pocket-KEY/    Score        a model and suite
runs/pocket/slam/0/record.json           what became of a row; boards read nothing else

KEY is the first letters of the step's key, so what other settings, questions or versions make stands beside, and replaces nothing.

A plan is pure data, made once. Making it reads everything that will be trained on and asked, so that what is missing is said hours
before it is needed; from then on nothing asks the experiment, and `run` walks the steps. A method may have a base of its own: each
base is scored as it is, in a folder base-NAME, and a method's gain is over the base that it started from.

What one method lacks (its base, its corpus, the layers it names) is noted with the plan, and leaves the others as they are.

A plan in outline, which is looked at and never run, reads no weights and asks no network: of a base its config will do, and sets
may be missing. Steps of which so much is not known that they have no key are surely not done.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from xreason.harness.experiment import BASE_ROW, Experiment
from xreason.harness.preferring.planned import plan_made
from xreason.harness.preferring.samples import MakePairs
from xreason.harness.rows import Row, asked_rows, notes_on, rows_of
from xreason.harness.scoring.endpoint import DTYPE, Endpoint, serving
from xreason.harness.scoring.questions import Scoring, scorings
from xreason.harness.scoring.translating.translate import Translate
from xreason.harness.serving.adapters import adapter_model, base_and_adapter
from xreason.harness.serving.arguments import changing, checked
from xreason.harness.serving.models import (
    DUMMY,
    Model,
    checkpoint_model,
    dummy_model,
    folder_name,
    is_checkpoint,
    outlined_model,
    plain_model,
    row_name,
)
from xreason.harness.store.steps import Step
from xreason.harness.training.layers import FOLDER, FindLayers, plan_layers
from xreason.harness.training.merge import Merging, plan_merge
from xreason.harness.training.train import SAVE_MINUTES, TRAINING_FILE, Train, read_training
from xreason.leaderboards.records import Reading
from xreason.leaderboards.rows import ENGLISH_MARGIN, MeanOver
from xreason.tasks.errors import UserError
from xreason.tasks.languages import PAPER_LANGUAGES
from xreason.tasks.pocket import world
from xreason.trainers.checkpoints.base import POCKET
from xreason.trainers.combining.declared import Merge, Way
from xreason.trainers.corpora.examples import Source
from xreason.trainers.methods import load_method, wants_layers
from xreason.trainers.stages import Method

#: What is called what on the board, as far as it is not there, and why.
Failure = tuple[str, str]


class Plan(BaseModel):
    """All that is to be done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path  #: where all of it goes
    rows: tuple[Row, ...] = ()  #: in the order in which they are scored: each base, then what was made from it
    trainings: tuple[Train, ...] = ()  #: in the order in which they are made
    merges: tuple[Merging, ...] = ()  #: what is merged of these, none before what it takes
    layers: tuple[FindLayers, ...] = ()  #: the steps that find language layers, each once
    pairs: tuple[MakePairs, ...] = ()  #: the steps that make pairs for trainings
    dtype: str = "auto"  #: what vLLM was asked to serve in; a score's own says what it comes to
    engine: dict[str, Any] = {}  #: what else vLLM was told; a score's own are those that can change an answer
    fresh_engines: bool = False  #: an engine for every model, in place of one whose weights are swapped
    reading: Reading = "paper"  #: what the board ranks by
    mean: MeanOver = "all"  #: whether English is in the mean that ranks and gains are of
    english_margin: float = ENGLISH_MARGIN  #: what English may lose or gain, in points
    endpoint: Endpoint | None = None  #: the running server that answers for the models, or None
    failures: tuple[Failure, ...] = ()  #: methods that cannot be trained as they are told, and why
    notes: tuple[str, ...] = ()  #: what it holds that nobody asked for, a sentence each

    @property
    def translations(self) -> tuple[Translate, ...]:
        """The steps that put questions into English before others ask them, each once."""
        steps = [each.translate for row in self.rows for each in row.scores if each.translate]
        return tuple({step.folder: step for step in steps}.values())

    def steps(self) -> Iterator[Step]:
        """Yields every step, none before those that it needs."""
        yield from self.layers
        paired = {each.folder: each for each in self.pairs}
        for training in self.trainings:
            yield from (paired[need] for need in training.needs if need in paired)
            yield training
        yield from self.merges
        yield from self.translations
        for row in self.rows:
            yield from row.scores


def plan_comparison(experiment: Experiment, out: Path, *, devices: int = 1, outline: bool = False) -> Plan:
    """Returns what an experiment means: every training, over so many devices, and the scoring of all bases and all that is trained.

    In `outline`, without weights and without a network; such a plan is not for run.

    Raises:
        UserError: the questions cannot be had, or no method can be trained.
    """
    folder = out / experiment.name
    asked = scorings(
        experiment.suites,
        experiment.languages,
        limit=experiment.limit,
        max_new_tokens=experiment.max_new_tokens,
        asking=experiment.asking(),
    )
    engine = checked(experiment.engine)
    wanted = rows_of(experiment)
    references = dict.fromkeys([experiment.base, *(each.base for each in wanted.values())])
    bases: dict[str, Model] = {}
    failed: dict[str, UserError] = {}  # by reference of a base, or by row
    for reference in references:
        try:
            bases[reference] = (outlined_model if outline else plain_model)(reference)
        except UserError as error:
            failed[reference] = error
    languages, source, data = experiment.languages_trained(), experiment.source, experiment.data
    finds: dict[str, FindLayers] = {}
    made: dict[str, tuple[Train | Merging, ...]] = {}  # by row, one a seed
    failures: list[Failure] = []
    pairs: list[MakePairs] = []
    asking: dict[str, Any] = {"dtype": experiment.dtype, "engine": changing(engine), "save_minutes": experiment.save_minutes}
    for row, each in wanted.items():
        try:
            if missing := next((name for name in (each.base, *each.of) if name in failed), None):
                raise failed[missing] if missing == each.base else UserError(f"It takes {missing}, left out: {failed[missing]}")
            base, method = bases[each.base], each.method
            places = {seed: folder / row / str(seed) for seed in experiment.seeds}
            if isinstance(method, Merge):
                method = replace(method, of=each.of)
                parts = [[made[name][number] for name in each.of] for number in range(len(places))]
                made[row] = tuple(
                    plan_merge(row, seed, place, method, base, of) for (seed, place), of in zip(places.items(), parts, strict=True)
                )
            elif isinstance(method, Method):
                if wants_layers(method) and base.hash not in finds:
                    finds[base.hash] = plan_layers(folder, base, languages, source=source, data=data, outline=outline)
                layers = finds[base.hash] if wants_layers(method) else None
                text: dict[str, Any] = {"languages": languages, "source": source, "data": data, "outline": outline}
                starts = {task.seed: task for task in made.get(method.start or "", ()) if isinstance(task, Train)}
                if method.start in experiment.methods and not starts:
                    lacks = (
                        "is left out" if isinstance(wanted[method.start].method, Method) else "no stages of its own have trained"
                    )
                    raise UserError(f"{row} starts from {method.start}, which {lacks}; name another row.")
                tasks = []
                for seed, place in places.items():
                    told = {"layers": layers, "start": starts.get(seed), "devices": devices, **text, **asking}
                    paired, task = plan_made(row, seed, place, method, base, **told)
                    pairs += [paired] if paired else []
                    tasks.append(task)
                made[row] = tuple(tasks)
        except UserError as error:
            failed.setdefault(row, error)
            if each.is_asked:
                failures.append((row, str(error)))
    rows: list[Row] = []
    # all of a base one after another, so that models of different shapes do not take turns in starting engines
    for name, (reference, base) in _base_rows(bases, experiment.methods).items():
        place = folder / (name if name == BASE_ROW else f"{BASE_ROW}-{folder_name(reference)}")
        rows.append(Row(name=name, seed=0, folder=place / "0", base=base, model=base))
        steps = [task for row in experiment.methods for task in made.get(row, ()) if task.base.hash == base.hash]
        rows += [Row(name=task.row, seed=task.seed, folder=task.folder.parent, base=base, train=task) for task in steps]
        for row, each in wanted.items():
            if isinstance(each.method, Way) and row not in failed and bases[each.base].hash == base.hash:
                try:
                    start = Row(name=name, seed=0, folder=place / "0", base=base, model=base)
                    rows += [
                        row.asked(asked, experiment.dtype, engine, outline=outline)
                        for row in asked_rows(row, each, folder, start, made, outline)
                    ]
                except UserError as error:
                    failures.append((row, str(error)))
    if len(failures) == len(experiment.methods):
        raise UserError(failures[0][1])
    steps = [task for tasks in made.values() for task in tasks]
    return Plan(
        folder=folder,
        rows=tuple(row if row.scores else row.asked(asked, experiment.dtype, engine, outline=outline) for row in rows),
        trainings=tuple(task for task in steps if isinstance(task, Train)),
        merges=tuple(task for task in steps if isinstance(task, Merging)),
        layers=tuple(finds.values()),
        notes=notes_on(wanted),
        pairs=tuple(pairs),
        dtype=experiment.dtype,
        engine=engine,
        fresh_engines=experiment.fresh_engines,
        reading=experiment.reading,
        mean=experiment.mean,
        english_margin=experiment.english_margin,
        failures=tuple(failures),
    )


def plan_training_alone(
    method: str,
    settings: Mapping[str, Any],
    model: str | None,
    out: Path,
    *,
    languages: Sequence[str] | None,
    source: Source | None,
    data: Path | None,
    seed: int,
    devices: int = 1,
    save_minutes: float = SAVE_MINUTES,
    outline: bool = False,
) -> Plan:
    """Returns the training of one method outside any comparison, into `out/train/METHOD/SEED/checkpoint-KEY`.

    Where it is not said, the model is the method's own or "pocket", and source and languages are the pocket world's for the pocket
    model, else the papers' sets and their ten languages. `outline` is as in plan_comparison.

    Raises:
        UserError: the method, a setting, the model or the data cannot be used.
    """
    folder, chosen = out / "train", load_method(method, settings)
    base = (outlined_model if outline else plain_model)(model or chosen.base or POCKET)
    where, codes = source_and_languages(base.name, source, languages)
    layers = plan_layers(folder, base, codes, source=where, data=data, outline=outline) if wants_layers(chosen) else None
    place = folder / chosen.name / str(seed)
    told: dict[str, Any] = {"source": where, "data": data, "layers": layers, "devices": devices, "outline": outline}
    made, task = plan_made(chosen.name, seed, place, chosen, base, languages=codes, save_minutes=save_minutes, **told)
    return Plan(folder=folder, trainings=(task,), layers=(layers,) if layers else (), pairs=(made,) if made else ())


def plan_finding(
    model: str,
    out: Path,
    *,
    questions: int,
    suite: str | None = None,
    languages: Sequence[str] | None = None,
    source: Source | None = None,
    data: Path | None = None,
) -> Plan:
    """Returns the finding of a model's language layers alone, into `out/layers/MODEL/found-KEY`.

    At most so many questions a language are asked, of training sets unless a suite is named; languages and source as in
    plan_training_alone, and English is always among them.

    Raises:
        UserError: the model or the questions cannot be had, or a suite and a source are named.
    """
    if suite is not None and source is not None:
        raise UserError("--suite asks test questions and --source training questions; give one of them.")
    where = source or _source_of(model)
    codes = languages if suite or languages else _languages_of(where)
    task = plan_layers(out, plain_model(model), codes, source=where, data=data, suite=suite, count=questions)
    return Plan(folder=out / FOLDER, layers=(task,))


def plan_scoring(
    references: Sequence[str],
    asked: Sequence[Scoring],
    out: Path,
    *,
    dtype: str = "auto",
    engine: Mapping[str, Any] = {},
    fresh_engines: bool = False,
    reading: Reading = "paper",
    outline: bool = False,
) -> Plan:
    """Returns the scoring of models that are there: hub ids, folders, checkpoints, "pocket", BASE+ADAPTER; or of "dummy".

    `engine` are arguments of vLLM, by their names; `outline` is as in plan_comparison.

    Raises:
        UserError: a reference names no model, some questions cannot be had, or vLLM takes no such argument.
    """
    told = checked(engine)
    folder = out / f"score{asked[0].asking.suffix}"
    rows: list[Row] = []
    for name, reference in _named(references).items():
        path, training = Path(reference), None
        if reference == DUMMY:
            model = base = dummy_model()
        elif parts := base_and_adapter(reference):
            model, base = adapter_model(*parts, name)
        elif is_checkpoint(path):
            model, base = checkpoint_model(path, name)
            # beside it before keys were in names
            reports = [each for each in (path / TRAINING_FILE, path.parent / TRAINING_FILE) if each.exists()]
            training = read_training(reports[0]) if reports else None
        else:
            model = base = (outlined_model if outline else plain_model)(reference)
        row = Row(name=name, seed=0, folder=folder / folder_name(reference) / "0", base=base, model=model, training=training)
        rows.append(row.asked(asked, dtype, told, outline=outline))
    return Plan(folder=folder, rows=tuple(rows), dtype=dtype, engine=told, fresh_engines=fresh_engines, reading=reading)


def plan_endpoint(
    url: str,
    names: Sequence[str],
    asked: Sequence[Scoring],
    out: Path,
    *,
    concurrency: int | None = None,
    reading: Reading = "paper",
) -> Plan:
    """Returns the scoring of models that a running server answers for, all that it lists for no names.

    What was finished is made anew, what was not is gone on with. Requests in flight are as many as make it fastest for None.

    Raises:
        UserError: the server does not answer, does not list a model of that name, or is to use a chat template; or some questions
            cannot be had.
    """
    folder = out / f"score{asked[0].asking.suffix}"
    endpoint, served = serving(url, names, asked, folder, concurrency=concurrency)
    models = {str(model.served_as): model for model in served}
    rows = [
        Row(name=name, seed=0, folder=folder / folder_name(served) / "0", base=models[served], model=models[served])
        for name, served in _named(models).items()
    ]
    scored = tuple(row.asked(asked, DTYPE, {}) for row in rows)
    return Plan(folder=folder, rows=scored, dtype=DTYPE, reading=reading, endpoint=endpoint)


def _named(references: Iterable[str]) -> dict[str, str]:
    """Returns references, each once, by the names of their rows; where two would share one, they are called as they were typed."""
    once = dict.fromkeys(references)
    sharing = Counter(map(row_name, once))
    return {reference if sharing[row_name(reference)] > 1 else row_name(reference): reference for reference in once}


def source_and_languages(model: str, source: Source | None, languages: Sequence[str] | None) -> tuple[Source, tuple[str, ...]]:
    """Returns where training text comes from, and its languages, where they are not said: those that go with the model."""
    where = source or _source_of(model)
    return where, tuple(languages or _languages_of(where))


def _source_of(model: str) -> Source:
    return "pocket" if model == POCKET else "papers"


def _languages_of(source: Source) -> tuple[str, ...]:
    return world.LANGUAGES if source == "pocket" else PAPER_LANGUAGES


def _base_rows(bases: Mapping[str, Model], methods: Mapping[str, Any]) -> dict[str, tuple[str, Model]]:
    """Returns each base once, with what it was called, by the name of its row.

    Raises:
        UserError: a method has the name of such a row.
    """
    rows: dict[str, tuple[str, Model]] = {}
    for reference, base in bases.items():
        if base.hash in {other.hash for _, other in rows.values()}:
            continue
        name = f"{BASE_ROW}-{row_name(reference)}" if rows else BASE_ROW
        while name in rows:
            name += "-other"
        if not {name, f"{BASE_ROW}-{folder_name(reference)}"}.isdisjoint(methods):
            raise UserError(
                f"A method cannot be called {name!r}: that is the folder of the base {reference}; give it another name."
            )
        rows[name] = reference, base
    return rows
