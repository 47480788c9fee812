"""Finds the language layers of a model into the run store: table, JSON and plot.

runs/layers/pocket/languages/sw-5e6f7a8b/counts.npz      a step a language: on how many tokens each neuron is active
runs/layers/pocket/found-1a2b3c4d/layers.json            what follows from them, and layers.png, layers.svg
runs/layers/pocket/found                                 a link to what was last asked for
"""

import hashlib
import json
import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from xreason.harness import progress
from xreason.harness.serving.models import Model, folder_name
from xreason.harness.store.provenance import training_versions
from xreason.harness.store.steps import Step, is_done, key_of, keyed, point, step
from xreason.harness.training.found import FoundLayers, write_plot
from xreason.leaderboards.files import write_whole
from xreason.tasks.errors import MissingSetError, UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.suites import languages_of, suite_of
from xreason.trainers.corpora.examples import Source
from xreason.trainers.tuning.language_layers import ENGLISH, QUESTIONS, Activity, analyse, count_active, training_questions

FOLDER = "layers"
FOUND = "found"
JSON_FILE = "layers.json"
_COUNTS_FILE = "counts.npz"
# Raised when the same model and questions shall be counted or read anew.
_VERSION = 1


@dataclass(frozen=True)
class ParallelQuestions:
    """The same questions in several languages."""

    texts: Mapping[str, tuple[str, ...]]  #: language code to the questions, bare, in the same order in each
    where: str  #: what they are, in words

    @property
    def count(self) -> int:
        """How many there are in each language."""
        return len(self.texts[ENGLISH])


def suite_questions(suite: str, languages: Sequence[str] | None, count: int) -> ParallelQuestions:
    """Returns test questions of a suite in some languages (None: all of its), English among them.

    Raises:
        UserError: the suite, a language or the questions cannot be had.
    """
    chosen = suite_of(suite)
    codes = languages_of(chosen, None if languages is None else (ENGLISH, *languages))
    rows = {code: chosen.rows(code) for code in codes}
    shared = min(map(len, rows.values()))
    # drawn, for a suite may stand in an order; the first ones of two languages are the same questions
    drawn = sorted(random.Random("language layers").sample(range(shared), min(count, shared)))
    texts = {code: tuple(of_language[index]["question"] for index in drawn) for code, of_language in rows.items()}
    return ParallelQuestions(texts, f"{chosen.title}, test")


class FindLayers(Step):
    """To find the language layers of a model, by the same questions in several languages.

    Where a method's stage says `layers: auto` these are training questions: what is scored later has no say in what is tuned.
    """

    base: Model  #: the model
    languages: tuple[str, ...] | None  #: codes that are compared; for None all of the suite
    source: Source  #: of training questions
    data: Path | None  #: folder with local copies of the sets
    suite: str | None = None  #: whose test questions are asked instead of training questions
    count: int = QUESTIONS  #: questions a language, at most

    @property
    def place(self) -> Path:
        """All of the model's: findings with other questions share the languages that they count."""
        return self.folder.parent

    def questions(self) -> ParallelQuestions:
        """Returns what the model is asked; reads them."""
        if self.suite is not None:
            return suite_questions(self.suite, self.languages, self.count)
        texts = training_questions(self.languages or (), source=self.source, data=self.data, count=self.count)
        return ParallelQuestions(texts, "pocket world, training" if self.source == "pocket" else "question translation, training")


def plan_layers(folder: Path, base: Model, languages: Sequence[str] | None, *, outline: bool = False, **told: Any) -> FindLayers:
    """Returns the step whose results go to `folder/layers/MODEL/found-KEY`; reads the questions. The rest is told as to FindLayers.

    With `outline` the base may be an outlined one, and the questions may be missing: then it has no key.

    Raises:
        UserError: the questions cannot be had.
    """
    place = folder / FOLDER / folder_name(base.name) / FOUND
    task = FindLayers(folder=place, key="", base=base, languages=None if languages is None else tuple(languages), **told)
    try:
        questions = task.questions()
    except MissingSetError:
        if not outline:
            raise
        return task
    if len(questions.texts) < 2:
        raise UserError("Language layers are found by comparing English with other languages; name at least one beside en.")
    if not base.known:
        return task
    key = _key_of_found(base, questions)
    return task.model_copy(update={"key": key, "folder": keyed(place, key)})


def find_layers(task: FindLayers) -> FoundLayers:
    """Finds them, what of it is not done yet; see find_once."""
    return find_once(task.base, task.questions(), task.folder.parents[1])


def layers_found(folder: Path, base: str) -> tuple[tuple[int, ...], str]:
    """Returns the language layers that a finished step tells of, and the evidence.

    Raises:
        UserError: there are none.
    """
    try:
        found = FoundLayers.model_validate_json((folder / JSON_FILE).read_bytes())
    except ValueError as error:
        raise UserError(f"{folder / JSON_FILE} is damaged; delete its folder, and the layers are found again.") from error
    if not found.language_layers:
        raise UserError(
            f"layers=auto finds none in {base}: {found.evidence}; look at `xreason layers {base}`, and give `layers` as a "
            "count (6) or as indices ([0, 1, 2])."
        )
    return found.language_layers, f"found: {found.evidence}"


def find_once(model: Model, questions: ParallelQuestions, folder: Path) -> FoundLayers:
    """Finds the language layers of a full model into `folder/MODEL/found-KEY`; a language counted once is not counted again.

    Raises:
        UserError: the model cannot be loaded or watched, or there is nothing to compare.
    """
    from xreason.trainers.checkpoints.base import load_base
    from xreason.trainers.train import choose_device

    place = folder / folder_name(model.name)
    keys = {code: _key(model, texts) for code, texts in questions.texts.items()}
    folders = {code: keyed(place / "languages" / code, key) for code, key in keys.items()}
    missing = [code for code, key in keys.items() if not is_done(folders[code], key)]
    if missing:
        with progress.bar(f"language layers of {model.name}, questions") as report:
            device, mixed_precision, _ = choose_device(None)
            network, tokenizer = load_base(model.folder, device=device, mixed_precision=mixed_precision)
            for number, code in enumerate(missing):

                def show(done: int, before: int = number * questions.count, words: str = LANGUAGES[code].english) -> None:
                    report(before + done, questions.count * len(missing), words)

                with step(folders[code], keys[code]) as directory:
                    counted = count_active(network, tokenizer, questions.texts[code], progress=show)
                    np.savez_compressed(directory / _COUNTS_FILE, np.array(counted.tokens), *counted.active)
    seen = analyse({code: _read_counts(folders[code]) for code in keys})
    asked = {"model": model.name, "model_hash": model.hash, "questions": questions.count, "questions_from": questions.where}
    found = FoundLayers.model_validate({**asked, **dict(seen)})
    key = _key_of_found(model, questions)
    stands = keyed(place / FOUND, key)
    if not is_done(stands, key):
        with step(stands, key) as directory:
            write_whole(directory / JSON_FILE, found.model_dump_json(indent=1) + "\n")
            write_plot(found, directory)
    point(place / FOUND, stands)
    return found


def _key_of_found(model: Model, questions: ParallelQuestions) -> str:
    return key_of([_VERSION, {code: _key(model, texts) for code, texts in questions.texts.items()}, questions.where])


def _key(model: Model, texts: Sequence[str]) -> str:
    asked = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
    return key_of({"step": "layers", "format": _VERSION, "model": model.hash, "questions": asked, "versions": training_versions()})


def _read_counts(folder: Path) -> Activity:
    path = folder / _COUNTS_FILE
    try:
        with np.load(path) as stored:
            tokens, *active = (stored[name] for name in stored.files)
        return Activity(tuple(active), int(tokens))
    # what NumPy raises for a file that is none of its own
    except (OSError, ValueError, EOFError, TypeError, AttributeError, BadZipFile, zlib.error) as error:
        said = f"{path} cannot be read ({type(error).__name__})"
        raise UserError(f"{said}; delete its folder, and its language is counted again.") from error
