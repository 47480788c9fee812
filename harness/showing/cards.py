"""The model card of an exported model: from what, on what and how it was trained, what it scored, and how to load it.

Its words are card.md's. What fills them is read from the checkpoint, its training.json, and record.json beside it; where these
are missing, it says so. No path of the machine gets onto it. Scores are those of a board of this model alone.

Beside it, .eval_results/SUITE.yaml holds the same accuracies in the hub's own form (https://huggingface.co/docs/hub/eval-results):
of suites whose questions are a data set of the hub, one entry a language. Intervals, means, the other reading and seeds have no
place in it.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xreason.harness.scoring.records import boards_of
from xreason.harness.store.provenance import commit
from xreason.harness.training.train import TRAINING_FILE, read_training
from xreason.leaderboards.board import Board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.cells import Cell, row_cells
from xreason.leaderboards.forms.markdown import escape, table
from xreason.leaderboards.forms.training.stages import training_cells
from xreason.leaderboards.records import Record, StageCost, Training, read_record
from xreason.leaderboards.styles import style_of
from xreason.tasks.prompts import ALPACA, STYLES
from xreason.tasks.suites import SUITES, hub_place
from xreason.trainers.checkpoints.delta import Checkpoint
from xreason.trainers.corpora.examples import IN_OCTOPUS
from xreason.trainers.methods import list_methods
from xreason.trainers.pocket import MODELS

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
_METRIC = "accuracy in percent, as the authors of the set read and weigh answers"
_SCORE_HEADINGS = ("suite", "language", "questions", "accuracy in percent, 95 % interval")


def write_card(checkpoint: Checkpoint, folder: Path, *, name: str) -> None:
    """Writes the card of the exported model in `folder` over its base's, whose licence it keeps, and .eval_results/ beside it.

    Args:
        checkpoint: what the model was made of.
        folder: of the exported model.
        name: what it will be loaded by: the folder's name to be, or its repository on the hub.

    Raises:
        UserError: the checkpoint's training.json is damaged.
        RecordError: record.json beside it is.
    """
    from huggingface_hub import ModelCard

    training, record = _beside(checkpoint)
    stages = training.stages if training else ()
    # what lm-eval measures otherwise than by 0 or 1 is no accuracy
    boards = [board for board in boards_of([record]) if not board.measure] if record else []
    # a part of the questions is no result on the set
    results = boards if record and record.provenance.limit is None else []
    of_folder = Path(checkpoint.base).is_absolute()
    hub_id = None if of_folder or checkpoint.base in MODELS else checkpoint.base
    unnamed = (
        f"A model of the folder {Path(checkpoint.base).name}" if of_folder else f"The model {checkpoint.base} that xreason ships"
    )
    cells = training_cells(training) if training else []
    card = ModelCard.from_template(
        _front_matter(checkpoint, hub_id, name, stages, boards, results, _licence(folder)),
        template_path=str(_TEMPLATE),
        literal=escape,
        name=name,
        base=hub_id or unnamed,
        checkpoint=checkpoint,
        merged=training.merged if training else None,
        source=next((each.method.source for each in list_methods() if each.name == checkpoint.method and each.method), ""),
        commit=commit(),
        stages=table(list(cells[0]), "l", ([*map(escape, each.values())] for each in cells)) if cells else "",
        scores=table(_SCORE_HEADINGS, "llr", _score_lines(boards)) if record else "",
        asked=record.provenance if record else None,
        style=style_of(record.provenance) if record else None,
        suites="; ".join(f"{name}: {SUITES[name].source}" for name in (record.scores if record else ()) if name in SUITES),
        # in code nothing can be escaped, so a name that is more than a name is left out
        folder=name if re.fullmatch(r"[A-Za-z0-9._/-]+", name) else "this folder",
        prompt=repr(_frame(stages)),
    )
    card.save(folder / CARD_FILE)
    for board in results:
        _write_eval_results(board, folder)


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


def _beside(checkpoint: Checkpoint) -> tuple[Training | None, Record | None]:
    """Returns a checkpoint's training, None where its report is gone, and its record, if it is of this training."""
    folder = checkpoint.directory.absolute()
    scored, reports = folder.parent / "record.json", (folder / TRAINING_FILE, folder.parent / TRAINING_FILE)
    report = next((path for path in reports if path.is_file()), None)
    if report is None:
        return None, None
    training, record = read_training(report), read_record(scored) if scored.is_file() else None
    return training, record if record is not None and record.training == training else None


def _front_matter(
    checkpoint: Checkpoint,
    base: str | None,
    name: str,
    stages: Sequence[StageCost],
    boards: Sequence[Board],
    results: Sequence[Board],
    licence: dict[str, Any],
) -> "ModelCardData":
    from huggingface_hub import EvalResult, ModelCardData

    indexed = [
        EvalResult(
            task_type="text-generation",
            dataset_type=(hub_place(board.suite, code) or (board.suite, ""))[0],
            dataset_name=f"{SUITES[board.suite].title if board.suite in SUITES else board.suite} ({code})",
            dataset_config=code,
            metric_type="exact_match",
            metric_name=_METRIC,
            metric_value=value,
        )
        for board in results
        for code, value in _values(board).items()
    ]
    words, languages = " ".join(stage.corpus for stage in stages), [each.languages for each in stages]
    languages += [each.languages for each in boards]
    return ModelCardData(
        base_model=base,
        language=sorted({code for codes in languages for code in codes}) or None,
        datasets=list(dict.fromkeys(name for phrase, name in _HUB_SETS if phrase in words)) or None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["xreason", checkpoint.method, "multilingual-reasoning"],
        model_name=name if indexed else None,
        eval_results=indexed or None,
        **licence,
    )


def _values(board: Board) -> dict[str, float]:
    """Returns the accuracy of the one row of a board by language, in percent, as it is printed."""
    return {code: float(cell.text) for code, cell in _cells(board).items() if code in board.languages}


def _cells(board: Board) -> dict[str, Cell]:
    (row,) = board.rows
    return row_cells(board, row)


def _score_lines(boards: Sequence[Board]) -> Iterator[tuple[str, ...]]:
    """Yields a line a language, and after those of a suite their mean, where it is over several of them."""
    for board in boards:
        averaged = board.average_languages
        mean = {f"mean of {len(averaged)}": ("mean", averaged)} if len(averaged) > 1 else {}
        for name, (heading, codes) in ({code: (code, (code,)) for code in board.languages} | mean).items():
            cell = _cells(board)[heading]
            questions = _format.count(sum(board.questions[code] for code in codes))
            yield escape(board.suite), escape(name), questions, f"{cell.text} {cell.spread}"


def _write_eval_results(board: Board, folder: Path) -> None:
    """Writes the accuracies of the one row of a board as the hub reads them; nothing for questions that are not on the hub."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    from huggingface_hub.constants import EVAL_RESULTS_FOLDER

    (asked,) = board.provenance
    entries = [
        EvalResultEntry(*place, value=value, date=asked.date, notes=f"{_METRIC}; {style_of(asked).words}")
        for code, value in _values(board).items()
        if (place := hub_place(board.suite, code))
    ]
    if entries:
        (folder / EVAL_RESULTS_FOLDER).mkdir(exist_ok=True)
        written = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)
        (folder / EVAL_RESULTS_FOLDER / f"{board.suite}.yaml").write_text(written, encoding="utf-8")
