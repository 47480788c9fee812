"""The model card of an exported model: from what, on what and how it was trained, what it scored, and how to load it.

Its words are card.md's. What fills them is read from the checkpoint, its training.json, and record.json beside it; where these
are missing, it says so. No path of the machine gets onto it.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xreason.harness.store.provenance import commit
from xreason.harness.training.train import TRAINING_FILE, read_training
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.cells import stage_cells
from xreason.leaderboards.forms.markdown import escape, table
from xreason.leaderboards.records import Record, StageCost, read_record
from xreason.leaderboards.statistics.answers import Answered
from xreason.leaderboards.statistics.intervals import mean_interval
from xreason.leaderboards.styles import style_of
from xreason.tasks.data import SOURCES
from xreason.tasks.languages import PAPER_LANGUAGES
from xreason.tasks.prompts import ALPACA, STYLES
from xreason.tasks.suites import SUITES
from xreason.trainers.checkpoints.base import POCKET
from xreason.trainers.checkpoints.delta import Checkpoint
from xreason.trainers.corpora.examples import IN_OCTOPUS
from xreason.trainers.methods import list_methods

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

CARD_FILE = "README.md"
_TEMPLATE = Path(__file__).with_name("card.md")
#: What a corpus' words say (xreason.trainers.corpora.load), and the set of the hub that it is made of.
_HUB_SETS = (
    ("MetaMathQA in English", "meta-math/MetaMathQA"),
    ("GSM8K in English", "openai/gsm8k"),
    ("of GSM8K, translated", "Mathoctopus/GSM8KInstruct_Parallel"),
    ("GSM8K with rationales, both", "Mathoctopus/GSM8KInstruct_Parallel"),
)
_SCORE_HEADINGS = ("suite", "language", "questions", "accuracy in percent, 95 % interval")


def write_card(checkpoint: Checkpoint, folder: Path, *, name: str) -> None:
    """Writes the card of the exported model in `folder` over its base's, whose licence it keeps.

    Args:
        checkpoint: what the model was made of.
        folder: of the exported model.
        name: what it will be loaded by: the folder's name to be, or its repository on the hub.

    Raises:
        UserError: the checkpoint's training.json is damaged.
        RecordError: record.json beside it is.
    """
    from huggingface_hub import ModelCard

    stages, record = _beside(checkpoint)
    of_folder = Path(checkpoint.base).is_absolute()
    hub_id = None if of_folder or checkpoint.base == POCKET else checkpoint.base
    unnamed = f"A model of the folder {Path(checkpoint.base).name}" if of_folder else "The pocket model that xreason ships"
    cells = [stage_cells(stage) for stage in stages]
    card = ModelCard.from_template(
        _front_matter(checkpoint, hub_id, name, stages, record, _licence(folder)),
        template_path=str(_TEMPLATE),
        literal=escape,
        name=name,
        base=hub_id or unnamed,
        checkpoint=checkpoint,
        source=next((each.method.source for each in list_methods() if each.name == checkpoint.method and each.method), ""),
        commit=commit(),
        stages=table(list(cells[0]), "l", ([*map(escape, each.values())] for each in cells)) if cells else "",
        scores=table(_SCORE_HEADINGS, "llr", _score_lines(record)) if record else "",
        asked=record.provenance if record else None,
        style=style_of(record.provenance) if record else None,
        suites="; ".join(f"{name}: {SUITES[name].source}" for name in (record.scores if record else ()) if name in SUITES),
        # in code nothing can be escaped, so a name that is more than a name is left out
        folder=name if re.fullmatch(r"[A-Za-z0-9._/-]+", name) else "this folder",
        prompt=repr(_frame(stages)),
    )
    card.save(folder / CARD_FILE)


def _frame(stages: Sequence[StageCost]) -> str:
    """Returns the frame that the last stage's text stood in, asking for English where it names a language."""
    octopus = any(IN_OCTOPUS in stage.corpus for stage in stages[-1:])
    return STYLES["octopus"].frame.replace("{language}", "English") if octopus else ALPACA


def _licence(folder: Path) -> dict[str, Any]:
    """Returns what the base's card, if there is one, says of it: license, license_name and license_link."""
    from huggingface_hub import ModelCard
    from yaml import YAMLError

    try:
        card = ModelCard((folder / CARD_FILE).read_text(encoding="utf-8"), ignore_metadata_errors=True)
    except (OSError, ValueError, YAMLError):
        return {}
    stated = {name: getattr(card.data, name, None) for name in ("license", "license_name", "license_link")}
    return {name: value for name, value in stated.items() if isinstance(value, str)}


def _beside(checkpoint: Checkpoint) -> tuple[Sequence[StageCost], Record | None]:
    """Returns the stages of a checkpoint's training, none where its report is gone, and its record, if it is of this training."""
    folder = checkpoint.directory.absolute()
    scored, reports = folder.parent / "record.json", (folder / TRAINING_FILE, folder.parent / TRAINING_FILE)
    report = next((path for path in reports if path.is_file()), None)
    if report is None:
        return (), None
    training, record = read_training(report), read_record(scored) if scored.is_file() else None
    return training.stages, record if record is not None and record.training == training else None


def _front_matter(
    checkpoint: Checkpoint, base: str | None, name: str, stages: Sequence[StageCost], record: Record | None, licence: dict[str, Any]
) -> "ModelCardData":
    from huggingface_hub import EvalResult, ModelCardData

    scores = [(suite, code, score) for suite, codes in (record.scores if record else {}).items() for code, score in codes.items()]
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=(SOURCES[suite].hub_id if suite in SOURCES else None) or suite,
            dataset_name=f"{SUITES[suite].title if suite in SUITES else suite} ({code})",
            dataset_config=code,
            metric_type="exact_match",
            metric_name="accuracy in percent, as the authors of the set read and weigh answers",
            metric_value=round(100 * float(_answered(record, suite).over([code]).value), 1),
        )
        for suite, code, score in scores
        # a part of the questions is no result on the set
        if record and record.provenance.limit is None
    ]
    words = " ".join(stage.corpus for stage in stages)
    return ModelCardData(
        base_model=base,
        language=sorted({code for stage in stages for code in stage.languages} | {code for _, code, _ in scores}) or None,
        datasets=list(dict.fromkeys(name for phrase, name in _HUB_SETS if phrase in words)) or None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["xreason", checkpoint.method, "multilingual-reasoning"],
        model_name=name if results else None,
        eval_results=results or None,
        **licence,
    )


def _answered(record: Record, suite: str) -> Answered:
    families, weights = (record.families or {}).get(suite), record.weights.get(suite)
    return Answered([record.verdicts(suite, "paper")], families=families, weights=weights)


def _score_lines(record: Record) -> Iterator[tuple[str, ...]]:
    """Yields a line a language, and after those of a suite their mean over those of its mean, where these are several."""
    for suite, scores in record.scores.items():
        answered = _answered(record, suite)
        over = SUITES[suite].average_languages if suite in SUITES else PAPER_LANGUAGES
        averaged = [code for code in scores if code in over]
        groups = {code: [code] for code in scores} | ({f"mean of {len(averaged)}": averaged} if len(averaged) > 1 else {})
        for name, codes in groups.items():
            questions = sum(scores[code].questions for code in codes)
            accuracy = _format.interval(mean_interval(answered.over(codes)))
            yield escape(suite), escape(name), _format.count(questions), accuracy
