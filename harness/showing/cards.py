"""The model card of an exported model: from what, on what and how it was trained, what it scored, and how to load it.

Everything on it is read from the checkpoint, and from training.json and record.json beside it; where these are missing, it says so.
No path of the machine gets onto it.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from xreason.harness.store.provenance import commit
from xreason.harness.training.train import TRAINING_FILE, read_training
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.markdown import escape, table
from xreason.leaderboards.forms.stages import stage_cells
from xreason.leaderboards.records import Record, StageCost, read_record
from xreason.leaderboards.statistics.intervals import mean_interval
from xreason.leaderboards.styles import style_of
from xreason.tasks.data import SOURCES
from xreason.tasks.languages import PAPER_LANGUAGES
from xreason.tasks.prompts import ALPACA
from xreason.tasks.suites import SUITES
from xreason.trainers.checkpoints.base import POCKET
from xreason.trainers.checkpoints.delta import Checkpoint
from xreason.trainers.methods import list_methods

CARD_FILE = "README.md"
#: What a corpus' words say (xreason.trainers.corpora.load), and the set of the hub that it is made of.
_HUB_SETS = (
    ("MetaMathQA in English", "meta-math/MetaMathQA"),
    ("GSM8K in English", "openai/gsm8k"),
    ("of GSM8K, translated", "Mathoctopus/GSM8KInstruct_Parallel"),
    ("GSM8K with rationales, both", "Mathoctopus/GSM8KInstruct_Parallel"),
)

_USE = """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{folder}")
model = AutoModelForCausalLM.from_pretrained("{folder}")
prompt = {prompt!r}.replace("{{instruction}}", "What is 7 times 6?")
inputs = tokenizer(prompt, return_tensors="pt")
output = model.generate(inputs.input_ids, attention_mask=inputs.attention_mask, do_sample=False, max_new_tokens=600)
print(tokenizer.decode(output[0, inputs.input_ids.shape[1]:], skip_special_tokens=True))
```

    vllm serve {folder}
"""


def write_card(checkpoint: Checkpoint, folder: Path, *, name: str, of_base: dict[str, Any]) -> None:
    """Writes the card of the model in `folder`, with the front matter that the hub reads.

    Args:
        checkpoint: what the model was made of.
        folder: of the exported model.
        name: what it will be loaded by: the folder's name to be, or its repository on the hub.
        of_base: what the base's card says, see base_card.

    Raises:
        UserError: training.json beside the checkpoint is damaged.
        RecordError: record.json beside it is.
    """
    stages, record = _beside(checkpoint)
    front = _front_matter(checkpoint, name, stages, record, of_base)
    body = _body(checkpoint, name, stages, record)
    (folder / CARD_FILE).write_text(f"---\n{front}\n---\n\n{body}", encoding="utf-8")


def base_card(folder: Path) -> dict[str, Any]:
    """Returns the licence that the card in `folder` states: license, license_name and license_link, as far as it has them."""
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
    report, scored = (checkpoint.directory.absolute().parent / name for name in (TRAINING_FILE, "record.json"))
    if not report.is_file():
        return (), None
    training, record = read_training(report), read_record(scored) if scored.is_file() else None
    return training.stages, record if record is not None and record.training == training else None


def _front_matter(
    checkpoint: Checkpoint, name: str, stages: Sequence[StageCost], record: Record | None, of_base: dict[str, Any]
) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    scores = [(suite, code, score) for suite, codes in (record.scores if record else {}).items() for code, score in codes.items()]
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=SOURCES[suite].hub_id if suite in SOURCES else suite,
            dataset_name=f"{SUITES[suite].title if suite in SUITES else suite} ({code})",
            dataset_config=code,
            metric_type="exact_match",
            metric_name="accuracy in percent, by the last number",
            metric_value=round(100 * sum(score.rights("paper")) / score.questions / score.samples, 1),
        )
        for suite, code, score in scores
        # a part of the questions is no result on the set
        if record and record.provenance.limit is None
    ]
    words = " ".join(stage.corpus for stage in stages)
    return ModelCardData(
        base_model=checkpoint.base if _is_hub_id(checkpoint.base) else None,
        language=sorted({code for stage in stages for code in stage.languages} | {code for _, code, _ in scores}) or None,
        datasets=list(dict.fromkeys(name for phrase, name in _HUB_SETS if phrase in words)) or None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["xreason", checkpoint.method, "multilingual-reasoning"],
        model_name=name if results else None,
        eval_results=results or None,
        **of_base,
    ).to_yaml()


def _body(checkpoint: Checkpoint, name: str, stages: Sequence[StageCost], record: Record | None) -> str:
    source = next((each.method.source for each in list_methods() if each.name == checkpoint.method and each.method), None)
    cited = f" ({escape(source)})" if source else ""
    parts = [
        f"# {escape(name.rpartition('/')[2])}",
        f"{escape(_base_name(checkpoint.base))}, trained by the method {escape(checkpoint.method)}{cited} with seed "
        f"{checkpoint.seed}, by xreason ({escape(commit())} wrote this folder).",
        f"SHA-256 of the base's config and weights: `{checkpoint.base_hash}`.",
        "## Training",
        _training_text(stages),
        "## Scores",
        _scores_text(record),
        "## Use",
        f"The prompt is that of training and scoring:\n\n{_use(name)}",
    ]
    return "\n\n".join(parts)


def _training_text(stages: Sequence[StageCost]) -> str:
    if not stages:
        return "What it was trained on is not known: no report lay beside the checkpoint."
    cells = [stage_cells(stage) for stage in stages]
    return table(list(cells[0]), "l", ([*map(escape, each.values())] for each in cells))


def _scores_text(record: Record | None) -> str:
    if record is None:
        return "Not scored: no scores of this training lay beside the checkpoint."
    asked, style = record.provenance, style_of(record.provenance)
    part = f", the first {asked.limit:,} questions a language only" if asked.limit else ""
    tokens = ", ".join(f"{tokens:,} on {suite}" for suite, tokens in asked.max_new_tokens.items())
    versions = ", ".join(f"{package} {version}" for package, version in asked.versions.items())
    sources = "; ".join(f"{name}: {SUITES[name].source}" for name in record.scores if name in SUITES)
    how = (
        f"Asked {style.written_shots} and {style.decoding}{part}; right is a response whose last number is within 1e-3 of the gold "
        f"answer (the papers' reading). New tokens at most: {tokens}. Prompt: {asked.prompt} ({asked.prompt_hash}). Scored "
        f"{asked.date} at commit {asked.commit} on {asked.machine} with {versions}. Suites: {sources}."
    )
    headings = ("suite", "language", "questions", "accuracy in percent, 95 % interval")
    return f"{table(headings, 'llr', _score_lines(record))}\n\n{escape(how)}"


def _score_lines(record: Record) -> Iterator[tuple[str, ...]]:
    """Yields a line a language, and after those of a suite their mean over the papers' languages, where it has several of them."""
    for suite, scores in record.scores.items():
        verdicts = record.verdicts(suite, "paper")
        averaged = [code for code in scores if code in PAPER_LANGUAGES]
        groups = {code: [code] for code in scores} | ({f"mean of {len(averaged)}": averaged} if len(averaged) > 1 else {})
        for name, codes in groups.items():
            questions = sum(scores[code].questions for code in codes)
            accuracy = _format.interval(mean_interval([verdicts], codes))
            yield escape(suite), escape(name), _format.count(questions), accuracy


def _use(name: str) -> str:
    # in code nothing can be escaped, so a name that is more than a name is left out
    folder = name if re.fullmatch(r"[A-Za-z0-9._/-]+", name) else "this folder"
    return _USE.format(folder=folder, prompt=ALPACA)


def _is_hub_id(base: str) -> bool:
    return base != POCKET and not Path(base).is_absolute()


def _base_name(base: str) -> str:
    if base == POCKET:
        return "The pocket model that xreason ships"
    return base if _is_hub_id(base) else f"A model of the folder {Path(base).name}"
