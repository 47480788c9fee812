"""Finds the language layers of a model into the run store: table, JSON and plot.

runs/layers/pocket/languages/sw/counts.npz      a step a language: on how many tokens each neuron is active
runs/layers/pocket/found/layers.json            what follows from them, and layers.png, layers.svg
"""

import hashlib
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from xreason.harness import progress
from xreason.harness.serving.models import Model, plain_model, row_name
from xreason.harness.store.provenance import training_versions
from xreason.harness.store.steps import is_done, key_of, only_writer, step
from xreason.harness.training.sources import source_of
from xreason.leaderboards.files import write_whole
from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES, PAPER_LANGUAGES
from xreason.tasks.pocket import world
from xreason.tasks.suites import languages_of, suite_of
from xreason.trainers.methods import wants_layers, with_layers
from xreason.trainers.stages import Method, ranges
from xreason.trainers.tuning.language_layers import (
    ENGLISH,
    QUESTIONS,
    Activity,
    LanguageLayers,
    analyse,
    count_active,
    training_questions,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from xreason.trainers.corpora.examples import Source

FOLDER = "layers"
FOUND = "found"
JSON_FILE, PLOT = "layers.json", "layers"
_COUNTS_FILE = "counts.npz"
# Raised when the same model and questions shall be counted or read anew.
_VERSION = 1


@dataclass(frozen=True)
class ParallelQuestions:
    """The same questions in several languages.

    Attributes:
        texts: language code to the questions, bare, in the same order in each.
        where: what they are, in words.
    """

    texts: Mapping[str, tuple[str, ...]]
    where: str

    @property
    def count(self) -> int:
        """How many there are in each language."""
        return len(self.texts[ENGLISH])


@dataclass(frozen=True)
class FoundLayers:
    """What was found of one model.

    Attributes:
        model: its name.
        model_hash: SHA-256 of its config and weights.
        where: what the questions were, in words.
        questions: how many a language.
        seen: what was seen in each layer.
    """

    model: str
    model_hash: str
    where: str
    questions: int
    seen: LanguageLayers

    def as_dict(self) -> dict[str, Any]:
        """Returns everything for JSON; xreason.trainers.tuning.language_layers says what the arrays are."""
        seen = self.seen
        return {
            "format": 1,
            "model": self.model,
            "model_hash": self.model_hash,
            "questions": self.questions,
            "questions_from": self.where,
            "languages": list(seen.languages),
            "tokens": seen.tokens.tolist(),
            "language_layers": list(seen.block.layers),
            "evidence": seen.evidence(),
            "threshold": seen.block.threshold,
            "baseline": seen.block.baseline,
            "layers": [
                {
                    "layer": layer,
                    "neurons": int(seen.neurons[layer]),
                    "deviation": float(seen.deviation[layer]),
                    "deviation_of": _by_language(seen, seen.deviation_of[layer]),
                    "active": _by_language(seen, seen.number[layer]),
                    "overlap_with_english": _by_language(seen, seen.overlap[layer]),
                }
                for layer in range(len(seen.deviation))
            ],
        }


def _by_language(seen: LanguageLayers, values: Any) -> dict[str, float]:
    return dict(zip(seen.languages, values.tolist(), strict=True))


def find(
    model: str,
    out: Path,
    *,
    suite: str | None = None,
    languages: Sequence[str] | None = None,
    questions: int = QUESTIONS,
    source: str | None = None,
    data: Path | None = None,
) -> tuple[FoundLayers, Path]:
    """Finds the language layers of a model.

    Args:
        model: a folder, a hub id, or "pocket".
        out: the run store; results go to `out/layers/MODEL/found`.
        suite: whose test questions to ask; for None those of training sets.
        languages: codes; for None all of the suite, else the papers' ten, or the pocket world's. English is always among them.
        questions: at most so many a language.
        source: of training questions: "papers" or "pocket"; for None the pocket world for the pocket model, else the papers' sets.
        data: folder with local copies of the sets.

    Returns:
        What was found, and the folder that holds it.

    Raises:
        UserError: the model or the questions cannot be had, or the model's neurons cannot be watched.
    """
    if suite is not None:
        if source is not None:
            raise UserError("--suite asks test questions and --source training questions; give one of them.")
        asked = suite_questions(suite, languages, questions)
    else:
        where = source_of(source, model)
        codes = tuple(languages or (world.LANGUAGES if where == "pocket" else PAPER_LANGUAGES))
        asked = _training_questions(codes, where, data, questions)
    with only_writer(out / FOLDER):
        return find_once(plain_model(model), asked, out / FOLDER)


def suite_questions(suite: str, languages: Sequence[str] | None, count: int) -> ParallelQuestions:
    """Returns test questions of a suite in some languages (None: all of its), English among them.

    Raises:
        UserError: the suite, a language or the questions cannot be had.
    """
    chosen = suite_of(suite)
    codes = languages_of(chosen, None if languages is None else (ENGLISH, *languages))
    rows = {code: [row["question"] for row in chosen.rows(code)] for code in codes}
    shared = min(map(len, rows.values()))
    # drawn, for a suite may stand in an order; the first ones of two languages are the same questions
    drawn = sorted(random.Random("language layers").sample(range(shared), min(count, shared)))
    return ParallelQuestions(
        {code: tuple(texts[index] for index in drawn) for code, texts in rows.items()}, f"{chosen.title}, test"
    )


def settled(
    method: Method, base: Model, languages: Sequence[str], source: "Source", data: Path | None, folder: Path | None
) -> Method:
    """Returns the method with the language layers of `base` where its stages say `layers: auto`; unchanged where none does.

    They are found by training questions alone: what is scored later has no say in what is tuned.

    Args:
        method: of any stages.
        base: what it starts from.
        languages: codes that the method is trained on.
        source: of its training text.
        data: folder with local copies of the sets.
        folder: the experiment's in the run store; results go to `folder/layers/MODEL`, and for None are not kept.

    Raises:
        UserError: no layers stand out, or as find.
    """
    if not wants_layers(method):
        return method
    if folder is None:
        with tempfile.TemporaryDirectory() as passing:
            return settled(method, base, languages, source, data, Path(passing))
    found, _ = find_once(base, _training_questions(languages, source, data, QUESTIONS), folder / FOLDER)
    layers, evidence = found.seen.block.layers, found.seen.evidence()
    if not layers:
        raise UserError(
            f"layers=auto finds none in {base.name}: {evidence}; look at `xreason layers {base.name}`, and give `layers` as a "
            "count (6) or as indices ([0, 1, 2])."
        )
    return with_layers(method, layers, f"found: {evidence}")


def _training_questions(languages: Sequence[str], source: "Source", data: Path | None, count: int) -> ParallelQuestions:
    texts = training_questions(languages, source=source, data=data, count=count)
    return ParallelQuestions(texts, "pocket world, training" if source == "pocket" else "question translation, training")


def find_once(model: Model, questions: ParallelQuestions, folder: Path) -> tuple[FoundLayers, Path]:
    """Finds the language layers of a model, what of it is not done yet; a language counted once is not counted again.

    Args:
        model: a full model.
        questions: what it is asked.
        folder: results go to `folder/MODEL/found`.

    Returns:
        What was found, and where it stands.

    Raises:
        UserError: the model cannot be loaded or watched, or there is nothing to compare.
    """
    place = folder / row_name(model.name)
    keys = {code: _key(model, texts) for code, texts in questions.texts.items()}
    folders = {code: place / "languages" / code for code in keys}
    missing = [code for code, key in keys.items() if not is_done(folders[code], key)]
    if missing:
        with progress.bar(f"language layers of {model.name}, questions") as report:
            _count(model, questions, missing, keys, folders, report)
    activity = {code: _read_counts(folders[code]) for code in keys}
    found = FoundLayers(model.name, model.hash, questions.where, questions.count, analyse(activity))
    key = key_of([_VERSION, keys, questions.where])
    if not is_done(place / FOUND, key):
        with step(place / FOUND, key) as directory:
            write_whole(directory / JSON_FILE, json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n")
            write_plot(found, directory)
    return found, place / FOUND


def _key(model: Model, texts: Sequence[str]) -> str:
    asked = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
    return key_of({"step": "layers", "format": _VERSION, "model": model.hash, "questions": asked, "versions": training_versions()})


def _count(
    model: Model,
    questions: ParallelQuestions,
    codes: Sequence[str],
    keys: Mapping[str, str],
    folders: Mapping[str, Path],
    report: progress.Report,
) -> None:
    network, tokenizer = _loaded(model)
    total = questions.count * len(codes)
    for place, code in enumerate(codes):

        def show(done: int, before: int = place * questions.count, words: str = LANGUAGES[code].english) -> None:
            report(before + done, total, words)

        with step(folders[code], keys[code]) as directory:
            _write_counts(count_active(network, tokenizer, questions.texts[code], progress=show), directory)


def _loaded(model: Model) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    from xreason.trainers.checkpoints.base import load_base
    from xreason.trainers.train import choose_device

    device, mixed_precision, _ = choose_device(None)
    return load_base(model.folder, device=device, mixed_precision=mixed_precision)


def _write_counts(activity: Activity, folder: Path) -> None:
    import numpy as np

    np.savez_compressed(folder / _COUNTS_FILE, np.array(activity.tokens), *activity.active)


def _read_counts(folder: Path) -> Activity:
    import numpy as np

    with np.load(folder / _COUNTS_FILE) as stored:
        tokens, *active = (stored[name] for name in stored.files)
    return Activity(tuple(active), int(tokens))


def layers_table(found: FoundLayers) -> Table:
    """Returns a row a layer: deviation, then each language's overlap with English; language layers are marked."""
    seen = found.seen
    others = [place for place, code in enumerate(seen.languages) if code != ENGLISH]
    table = Table(
        "layer",
        "",
        "deviation",
        "active neurons",
        *(seen.languages[place] for place in others),
        title=f"Language layers of {found.model}: {ranges(seen.block.layers) or 'none'}",
        caption=f"{found.questions:,} questions a language ({found.where}). A language's column: overlap of its active neurons "
        f"with English's. {seen.evidence().capitalize()}.",
    )
    for layer, deviation in enumerate(seen.deviation):
        table.add_row(
            str(layer),
            "language" if layer in seen.block.layers else "",
            f"{deviation:.5f}",
            f"{seen.number[layer].mean():,.0f} of {seen.neurons[layer]:,}",
            *(f"{seen.overlap[layer, place]:.2f}" for place in others),
        )
    return table


# Okabe and Ito's colours, told apart by colour-blind readers too; beyond them the dashes tell.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D00", "#666666")
_DASHES = ("-", "--", ":")
_SHADE = "#F0E442"


def write_plot(found: FoundLayers, folder: Path) -> None:
    """Writes layers.png and layers.svg into `folder`: deviation and overlap by layer, a line a language."""
    import matplotlib as mpl

    # ids by content, not by chance, and text as text: the same numbers give the same file, and it can be searched
    with mpl.rc_context({"svg.hashsalt": "xreason", "svg.fonttype": "none"}):
        figure = _figure(found)
        figure.savefig(folder / f"{PLOT}.png", dpi=150)
        figure.savefig(folder / f"{PLOT}.svg", metadata={"Date": None})


def _figure(found: FoundLayers) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    seen = found.seen
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(seen.deviation, color="black", linewidth=2.6, marker="o", markersize=4, label="mean of all languages", zorder=3)
    for place, code in enumerate(seen.languages):
        style = {"color": _COLOURS[place % len(_COLOURS)], "linestyle": _DASHES[place // len(_COLOURS) % len(_DASHES)]}
        above.plot(seen.deviation_of[:, place], linewidth=1.2, label=LANGUAGES[code].english, **style)
        if code != ENGLISH:
            below.plot(seen.overlap[:, place], linewidth=1.6, marker="o", markersize=3, **style)
    above.set_ylim(bottom=0)
    above.set_title(
        "How differently languages activate the feed-forward neurons: high where a layer handles languages", fontsize=10, loc="left"
    )
    above.set_ylabel("mean squared deviation across languages\n(of the share of tokens a neuron is active on)")
    below.set_title("How far a language activates the neurons that English does", fontsize=10, loc="left")
    below.set_ylabel("overlap with English\n(1: the same neurons, equally often)")
    below.set_xlabel("layer (0 is next to the input)")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (above, below):
        axes.set_xlim(-0.5, len(seen.deviation) - 0.5)
        axes.grid(axis="y", color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    layers = seen.block.layers
    for axes, label in ((above, "language layers"), (below, None)) if layers else ():
        axes.axvspan(layers[0] - 0.5, layers[-1] + 0.5, color=_SHADE, alpha=0.35, linewidth=0, label=label)
    if seen.block.threshold is not None:
        above.axhline(seen.block.threshold, color="0.3", linewidth=1, linestyle=(0, (6, 3)), label="stands out if above")
    figure.legend(loc="outside right center", frameon=False)
    which = f"{ranges(layers)} (of layers 0-{len(seen.deviation) - 1})" if layers else "none stands out"
    # a hub id whole, of a folder's path the end
    name = "/".join(found.model.rstrip("/").split("/")[-2:])
    figure.suptitle(f"Language layers of {name}: {which}", fontweight="bold")
    figure.supxlabel(
        f"The same {found.questions:,} questions in each language ({found.where}).\n{seen.evidence().capitalize()}.\nA rise that "
        "reaches the last layer is left out: what is looked for are the layers that understand, and these lie low.",
        fontsize=8,
        color="0.3",
    )
    return figure
