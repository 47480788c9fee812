"""The rows that an experiment means: those that were asked for and those that these take, none before what it takes or starts from.

A merge, or a way of asking, takes rows of the same comparison by their names. A name that is no row's is that of a method, of whose
rows there is one; where there is none, the method is trained with its own settings, and its models are not scored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from xreason.harness.experiment import BASE_ROW, Experiment
from xreason.harness.scoring.questions import Asking, Scoring
from xreason.harness.scoring.score import Score, plan_score
from xreason.harness.scoring.translating.translate import Translate, plan_translation
from xreason.harness.serving.arguments import changing
from xreason.harness.serving.models import (
    DUMMY,
    Model,
    checkpoint_model,
    dummy_model,
    folder_name,
    is_checkpoint,
    outlined_model,
    plain_model,
)
from xreason.harness.training.merge import Merging
from xreason.harness.training.train import Train
from xreason.leaderboards.records import Training
from xreason.tasks.errors import UserError
from xreason.tasks.names import canonical, few
from xreason.trainers.combining.declared import Combined, Merge, SelfConsistency, TranslateTest, Way
from xreason.trainers.methods import load_row, method_names
from xreason.trainers.stages import Method


@dataclass(frozen=True)
class Member:
    """A row to be, as it was said."""

    method: Method | Combined
    base: str  #: what it starts from, as it was called
    of: tuple[str, ...] = ()  #: names of the rows that it takes, "base" for the base itself
    translator: str | None = None  #: of these, the row that translates for it; None where it needs none, or is no row's
    taken_by: str | None = None  #: the row that takes it, where nobody asked for it

    @property
    def is_asked(self) -> bool:
        """Whether it is to be scored."""
        return self.taken_by is None


class Translator(BaseModel):
    """What puts a row's questions into English before they are asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str  #: of its row, or as it was called
    seed: int  #: of its training
    folder: Path  #: of its row
    base: Model  #: the model it was made from, or itself
    model: Model | None = None  #: itself; None where a step of this plan makes it
    train: Train | Merging | None = None  #: that step, or None


class Row(BaseModel):
    """A row of the board to be: one model, where it comes from, and the steps that score it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str  #: on the board
    seed: int  #: of its training
    folder: Path  #: of its steps and its record
    base: Model  #: the model it was made from, itself for a base
    model: Model | None = None  #: what is served; None where a step of this plan makes it
    train: Train | Merging | None = None  #: that step, or None
    training: Training | None = None  #: what its training took, where that was done before and elsewhere
    translator: Translator | None = None  #: what puts its questions into English first; None where they are asked as they are
    voting: SelfConsistency | None = None  #: how its answers are voted for; None where each is given once
    of: str = ""  #: with a translator or a vote, the row whose model it is
    scores: tuple[Score, ...] = ()  #: one step a suite

    def asked(self, questions: Sequence[Scoring], dtype: str, engine: Mapping[str, Any], *, outline: bool = False) -> "Row":
        """Returns it with a step a suite that scores it, by an engine of these arguments."""
        made = self.train or self.model
        if made is None:
            raise ValueError(f"row {self.name} has neither a model nor a step that makes one")
        served = self.base.served_dtype(dtype)
        told: dict[str, Any] = {"engine": changing(engine), "outline": outline}
        place = self.name, self.seed, self.folder, made, self.base
        questions = [_voted(each, self.voting) for each in questions] if self.voting else questions
        first = [self._translating(each, dtype, **told) for each in questions]
        scores = tuple(
            plan_score(*place, each, served, **told, translate=step, of=self.of, votes=self.voting is not None)
            for each, step in zip(questions, first, strict=True)
        )
        return self.model_copy(update={"scores": scores})

    def _translating(self, questions: Scoring, dtype: str, **told: Any) -> Translate | None:
        """Returns the step that puts its questions into English, if there is one."""
        if (by := self.translator) is None:
            return None
        if (made := by.train or by.model) is None:
            raise ValueError(f"{by.name} has neither a model nor a step that makes one")
        return plan_translation(by.name, by.seed, by.folder, made, by.base, questions, by.base.served_dtype(dtype), **told)


def _voted(questions: Scoring, how: SelfConsistency) -> Scoring:
    """Returns the same questions, asked as often as a vote needs.

    Raises:
        UserError: nothing is generated, or lm-eval reads it; or other rows sample themselves, and so cannot stand beside a vote.
    """
    suite, asking = questions.benchmark, questions.asking
    if suite.lm_eval or not suite.generates:
        raise UserError(f"{how.name} votes over answers that are generated and read here, not over {suite.title}; leave one out.")
    if asking.temperature > 0:
        raise UserError(f"{how.name} stands beside greedy answers and samples for itself; leave out temperature, or that row.")
    return questions.model_copy(update={"asking": Asking(**{**asking.model_dump(), **how.asking})})


def rows_of(experiment: Experiment) -> dict[str, Member]:
    """Returns the rows by their names.

    Raises:
        UserError: a name of what is taken is none's, or of several rows', or is of what cannot be taken; or a row takes itself.
    """
    found: dict[str, Member] = {}

    def add(name: str, method: Method | Combined, within: tuple[str, ...]) -> Member:
        if name in found:
            return known(name, within)
        if name in within:
            raise UserError(f"{few((*within, name), ' takes ')}: a row cannot be made of itself; give another `of` or `start`.")
        taken_by = None if name in experiment.methods else within[-1]
        if isinstance(method, Method):
            if method.start in experiment.methods:
                add(method.start, experiment.method(method.start), (*within, name))
            wanted = Member(method, base_of(method, within if taken_by else ()), taken_by=taken_by)
        else:
            wanted = combined(name, method, within, taken_by)
        return found.setdefault(name, wanted)

    def known(name: str, within: tuple[str, ...]) -> Member:
        row = found[name]
        if isinstance(row.method, Method) and row.taken_by and row.base != base_of(row.method, within):
            takers = f"{row.taken_by} and {within[-1]} take {name}, each from another base"
            raise UserError(f"{takers}; name it among the methods, once for each base, and these in each `of`.")
        return row

    def base_of(method: Method, within: tuple[str, ...]) -> str:
        # what a merge is told to start from, those start from that it brings along
        takers = (experiment.method(each) for each in reversed(within) if each in experiment.methods)
        told = next((each.base for each in takers if isinstance(each, Merge) and each.base), None)
        return method.base or told or experiment.base

    def combined(name: str, method: Combined, within: tuple[str, ...], taken_by: str | None) -> Member:
        of = tuple(taken(name, each) for each in (method.of if isinstance(method, Merge) else (method.of,)))
        made = {each: add(each, _method_of(experiment, each), (*within, name)) for each in of if each != BASE_ROW}
        for each, wanted in made.items():
            if isinstance(wanted.method, Way):
                raise UserError(f"{name} takes {each}, which is a way of asking a model and makes none; give another `of`.")
        first = next(iter(made.values()), None)
        start = first.base if first else experiment.base
        if isinstance(method, Merge):
            if BASE_ROW in of:
                raise UserError(f"{name} takes rows, not the base itself, which is in task-arithmetic's sum; name rows.")
            return Member(method, method.base or start, of, taken_by=taken_by)
        called = method.translator if isinstance(method, TranslateTest) else None
        translator = _row_called(experiment, called) if called else None
        if translator not in (None, BASE_ROW):
            by = add(str(translator), _method_of(experiment, str(translator)), (*within, name))
            if isinstance(by.method, Way):
                raise UserError(f"{name} has {translator} translate, which is a way of asking a model; give a model's row.")
        return Member(method, start, of, translator, taken_by)

    def taken(name: str, each: str) -> str:
        row = _row_called(experiment, each)
        if row is None:
            both = few((name, each), " takes ")
            rows = few([*experiment.methods])
            raise UserError(f"{both}, which is neither a row nor a method; name a row ({rows}) or see `xreason methods`.")
        return row

    for name in experiment.methods:
        add(name, experiment.method(name), ())
    return found


def notes_on(rows: Mapping[str, Member]) -> tuple[str, ...]:
    """Returns a sentence for each row that nobody asked for."""
    brought: dict[str, list[str]] = {}
    for name, wanted in rows.items():
        if wanted.taken_by is not None:
            brought.setdefault(wanted.taken_by, []).append(name)
    told = "trained with settings of their own and not scored; name them among the methods to set or to see them"
    return tuple(f"{taker} takes {' and '.join(names)}, which nobody asked for: {told}." for taker, names in brought.items())


def _method_of(experiment: Experiment, row: str) -> Method | Combined:
    return experiment.method(row) if row in experiment.methods else load_row(row)


def _row_called(experiment: Experiment, name: str) -> str | None:
    """Returns the row that is meant: of that name, the only one of that method, or one to be added; None where there is none.

    Raises:
        UserError: several rows are of that method.
    """
    plain = canonical(name)
    for row in (BASE_ROW, *experiment.methods):
        if name == row or plain == row:
            return row
    having = [row for row, told in experiment.methods.items() if canonical(str(told.get("method", row))) == plain]
    if len(having) > 1:
        raise UserError(f"{name} may be any of the rows {few(having)}; give `of` the one that is meant.")
    return having[0] if having else plain if plain in method_names() else None


def asked_rows(
    name: str, told: Member, folder: Path, base: Row, made: Mapping[str, Sequence[Train | Merging]], outline: bool
) -> Iterator[Row]:
    """Yields the rows of a way of asking: one a seed of the row whose model answers, or translates for the `base` itself."""
    (of,) = told.of
    for missing in (each for each in (of, told.translator) if each not in (None, BASE_ROW) and each not in made):
        raise UserError(f"{name} takes {missing}, which is left out.")

    def asked(row: str, seed: int) -> Translator:
        if row == BASE_ROW:
            return Translator(name=base.name, seed=0, folder=base.folder, base=base.base, model=base.model)
        (task,) = (each for each in made[row] if each.seed == seed)
        return Translator(name=row, seed=seed, folder=task.folder.parent, base=task.base, train=task)

    for seed in next(([each.seed for each in made[row]] for row in (of, told.translator or of) if row in made), [0]):
        answering = asked(of, seed)
        way: dict[str, Any] = {"voting": told.method}
        if isinstance(told.method, TranslateTest):
            way = {"translator": asked(told.translator, seed) if told.translator else answering}
            if told.method.translator and not told.translator:
                way = {"translator": _translator(told.method.translator, folder, outline)}
        place = folder / name / str(seed)
        model: dict[str, Any] = {"base": answering.base, "model": answering.model, "train": answering.train}
        yield Row(name=name, seed=seed, folder=place, **model, **way, of=answering.name)


def _translator(reference: str, folder: Path, outline: bool) -> Translator:
    """Returns what translates that is no row: a model folder, a hub id, a checkpoint, or the dummy, which knows a set's English."""
    path = Path(reference)
    if reference == DUMMY:
        model = base = dummy_model()
    elif is_checkpoint(path):
        model, base = checkpoint_model(path, reference)
    else:
        model = base = (outlined_model if outline else plain_model)(reference)
    place = folder / "translators" / folder_name(reference)
    return Translator(name=reference, seed=0, folder=place, base=base, model=model)
