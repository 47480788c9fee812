"""What lm-eval's YAML tasks call: where questions come from, how they are asked, what counts as right.

lm-eval imports this module (`!function xreason.tasks.protocol.questions`), wherever xreason is installed and the YAML is. The style
of asking comes with `lm_eval --include_path tasks --tasks mgsm_sw --metadata '{"style": "native-cot"}' --num_fewshot 8 ...`
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xreason.tasks.added import REGISTRY_FILE, registries
from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.names import unknown
from xreason.tasks.prompts import DEFAULT_STYLE, STYLES, as_asked, prompt, target
from xreason.tasks.readings.choice import LETTERS
from xreason.tasks.readings.verdicts import METRICS, all_verdicts, answer_part, kind_of
from xreason.tasks.suites import CHANGES, TASKS_FOLDER, no_prompt_of_its_own, suite_of, use

__all__ = ["letters", "prompt", "questions", "score", "target", "weighted_mean"]


def questions(
    suite: str,
    language: str,
    style: str = DEFAULT_STYLE,
    shots: int | None = None,
    think_end: str | None = None,
    config_source: str = "",
    examples_in: str | None = None,
    **_: object,
) -> dict[str, Any]:
    """Returns what lm-eval's `custom_dataset` asks for: the questions as split `test`, the worked examples as split `train`.

    With 0 `shots`, no worked examples are looked for; they are `examples_in` another language where it is said. Up to the last
    `think_end`, a response is thinking and not read. `config_source` is the path of the task's YAML (lm-eval says it); where it is
    in a person's folder, the tables of this process become that folder's.

    Raises:
        UserError: a name is unknown, or the questions cannot be had.
    """
    from datasets import Dataset

    folder = Path(config_source).resolve().parent.parent
    if folder not in (TASKS_FOLDER, CHANGES[-1].folder) and (folder / REGISTRY_FILE).is_file():
        use(*registries(folder))
    chosen = suite_of(suite)
    if style not in STYLES:
        raise unknown("prompt style", style, STYLES)
    if STYLES[style].of_authors and not chosen.published:
        raise no_prompt_of_its_own(chosen)
    asked: dict[str, Any] = {"style": style, "language_name": LANGUAGES[language].english}
    if think_end:
        asked["think_end"] = think_end
    if chosen.kind != "number":
        asked["kind"] = chosen.kind
    try:
        worked = chosen.exemplars(examples_in or language) if chosen.exemplars and shots != 0 else []
    except UserError:
        # lm-eval asks for them before it knows whether it needs any; where it does, it stops for want of documents
        worked = []
    splits = {"test": chosen.rows(language), "train": worked}
    return {split: Dataset.from_list([row | asked for row in rows]) for split, rows in splits.items()}


def score(document: Mapping[str, Any], responses: Sequence[str | Sequence[str]]) -> dict[str, Any]:
    """Returns lm-eval's metrics of one row of `questions`, those of its kind of answer, each a mean over the samples.

    `responses` has one entry, the response or all of its samples. Where questions weigh differently, a weight stands beside each.
    """
    document = as_asked(document)
    sampled = [responses[0]] if isinstance(responses[0], str) else responses[0]
    read = all_verdicts([[answer_part(text, document) for text in sampled]], [document])[0]
    told = {metric: sum(each) / len(each) for metric in METRICS[kind_of(document)] for each in [getattr(read, metric)]}
    return told if document.get("weight") is None else {metric: (value, document["weight"]) for metric, value in told.items()}


def letters(document: Mapping[str, Any]) -> list[str]:
    """Returns the letters of a question's choices, of which lm-eval finds the likeliest."""
    return [*LETTERS[: len(document["choices"])]]


def weighted_mean(scored: Sequence[tuple[float, float]]) -> float:
    """Returns the mean of metrics that come with their weights: DW-ACC of PolyMath, the mean over sources of MMATH."""
    return sum(value * weight for value, weight in scored) / sum(weight for _, weight in scored)
