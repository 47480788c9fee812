"""From lm-eval's samples and results of its own tasks to what records hold."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from xreason.harness.serving.answers import Tokens
from xreason.leaderboards.records import LanguageScore, Measure
from xreason.tasks.data import rows_hash

Samples = Sequence[Mapping[str, Any]]


def chosen_rows(samples: Sequence[Mapping[str, Any]], kept: str) -> list[Mapping[str, Any]]:
    """Returns a task's samples as one of lm-eval's filters left them, in the order of the questions."""
    return sorted((row for row in samples if row.get("filter", kept) == kept), key=lambda row: int(row["doc_id"]))


def language_score(
    rows: Sequence[tuple[Mapping[str, Any], str]], cut_off: tuple[str, ...] | None, took: Tokens = (None, None)
) -> LanguageScore | None:
    """Returns lm-eval's verdicts on one language; None where they are not all 0 or 1.

    Args:
        rows: lm-eval's samples of all tasks of the language, each with the metric that says what is right.
        cut_off: "1" where a response ended at the token limit; None where that is not known, or nothing was written.
        took: tokens of all responses together, and those of them that are thinking.
    """
    values: list[Any] = [row.get(metric) for row, metric in rows]
    # numpy's and Python's truth values and numbers alike, and no pair of texts that a corpus metric is made of
    if not all(hasattr(value, "__float__") and float(value) in (0.0, 1.0) for value in values):
        return None
    right = ("".join("1" if float(value) else "0" for value in values),)
    return LanguageScore(
        # whichever reading ranks: there is one
        paper=right,
        strict=right,
        metamath=right,
        answered=("1" * len(right[0]),),
        cut_off=cut_off,
        in_language=None,
        majority_paper=None,
        majority_strict=None,
        questions_hash=_hash(rows),
        tokens=took[0],
        thinking_tokens=took[1],
    )


def likeliest_score(rows: Samples) -> LanguageScore:
    """Returns lm-eval's verdicts on one language of a suite of ours whose answers are the likeliest choices.

    Args:
        rows: lm-eval's samples, in the order of the questions.
    """
    score = language_score([(row, "acc") for row in rows], None)
    if score is None:
        raise ValueError("lm-eval's acc of a choice is neither 0 nor 1")
    # the same hash as where the questions are answered with text
    return score.model_copy(update={"questions_hash": rows_hash([row["doc"] for row in rows])})


def measure(
    results: Mapping[str, Mapping[str, Any]], metrics: Mapping[str, tuple[str, str]], rows: Mapping[str, Samples], higher: bool
) -> Measure:
    """Returns lm-eval's own number for one language: the mean over its tasks, each weighing as many as it has questions.

    Args:
        results: lm-eval's, by task.
        metrics: of each task of the language, the metric and the filter.
        rows: the samples of each.
        higher: whether more is better.
    """
    sizes = {task: len(rows[task]) for task in metrics}
    asked = sum(sizes.values())
    values = {task: float(results[task][f"{name},{kept}"]) for task, (name, kept) in metrics.items()}
    # where lm-eval has none, it writes "N/A"
    told = {task: results[task].get(f"{name}_stderr,{kept}") for task, (name, kept) in metrics.items()}
    errors = {task: float(each) for task, each in told.items() if isinstance(each, float | int) and math.isfinite(each)}
    # of several tasks, lm-eval's pooled_sample_stderr
    squares = sum((sizes[task] - 1) * each**2 * sizes[task] for task, each in errors.items())
    pooled = math.sqrt(squares / (asked - len(sizes)) / asked) if len(errors) == len(sizes) < asked else None
    name, kept = next(iter(metrics.values()))
    return Measure(
        metric=name,
        filter=kept,
        value=sum(sizes[task] * value for task, value in values.items()) / asked,
        standard_error=next(iter(errors.values())) if len(errors) == len(sizes) == 1 else pooled,
        higher_is_better=higher,
        tasks=tuple(metrics),
        questions=asked,
        questions_hash=_hash([(row, name) for task in metrics for row in rows[task]]),
    )


def _hash(rows: Sequence[tuple[Mapping[str, Any], str]]) -> str:
    """Returns a hash of what was asked: lm-eval's own of each document, prompt and target."""
    told = [[row["doc_hash"], row["prompt_hash"], row["target_hash"]] for row, _ in rows]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
