"""Scores one model on one suite through lm-eval, and keeps lm-eval's own result and sample files.

scores/pocket/pocket/results_2026-11-20T20-02-27.json
scores/pocket/pocket/samples_pocket_sw_2026-11-20T20-02-27.jsonl
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from leaderboards.records import LanguageScore
from tasks.data import rows_hash
from tasks.suites import SUITES, TASKS_FOLDER, Suite

VERDICTS_FILE = "verdicts.json"


@dataclass(frozen=True)
class Scoring:
    """What is asked, and how.

    Attributes:
        suite: the benchmark.
        languages: codes, all of them the suite's.
        limit: only the first so many questions a language, or None for all.
        max_new_tokens: the longest response, in tokens.
    """

    suite: Suite
    languages: tuple[str, ...]
    limit: int | None
    max_new_tokens: int

    @property
    def questions(self) -> int:
        """How many questions are asked in all."""
        a_language = self.suite.questions if self.limit is None else min(self.limit, self.suite.questions)
        return a_language * len(self.languages)

    def question_hashes(self) -> dict[str, str]:
        """Returns language code to the SHA-256 of its questions and gold answers; reads them.

        Raises:
            UserError: some cannot be had, or are not in their form.
        """
        return _question_hashes(self.suite.name, self.languages)


@cache
def _question_hashes(suite: str, languages: tuple[str, ...]) -> dict[str, str]:
    # cached: the key of every model's step asks for it
    return {code: rows_hash(SUITES[suite].rows(code)) for code in languages}


def score(lm: Any, name: str, scoring: Scoring, directory: Path) -> dict[str, LanguageScore]:
    """Asks `lm`, an lm-eval model, all questions; writes lm-eval's files and the verdicts into `directory`.

    Returns:
        One score a language.

    Raises:
        OSError: a file could not be written.
    """
    import lm_eval
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    tracker = EvaluationTracker(output_path=str(directory))
    results = lm_eval.simple_evaluate(
        model=lm,
        model_args={"pretrained": name},
        tasks=_task_names(scoring),
        limit=scoring.limit,
        gen_kwargs={"max_gen_toks": scoring.max_new_tokens},
        task_manager=TaskManager(include_path=str(TASKS_FOLDER), include_defaults=False),
        evaluation_tracker=tracker,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, rows in samples.items():
        tracker.save_results_samples(task_name=task, samples=rows)
    scores = {code: _language_score(samples[scoring.suite.task(code)]) for code in scoring.languages}
    _check_written(directory, len(samples))
    verdicts = {code: score.model_dump() for code, score in scores.items()}
    (directory / VERDICTS_FILE).write_text(json.dumps(verdicts, indent=1) + "\n", encoding="utf-8")
    return scores


def read_scores(directory: Path) -> dict[str, LanguageScore]:
    """Returns the scores that `score` left in `directory`."""
    verdicts = json.loads((directory / VERDICTS_FILE).read_text(encoding="utf-8"))
    return {code: LanguageScore.model_validate(score) for code, score in verdicts.items()}


def _task_names(scoring: Scoring) -> list[str]:
    # the group, where it is asked whole, so that lm-eval's own result file carries the papers' average too
    suite, asked = scoring.suite, set(scoring.languages)
    if not set(suite.average_languages) <= asked:
        return [suite.task(code) for code in scoring.languages]
    return [suite.name, *(suite.task(code) for code in scoring.languages if code not in suite.average_languages)]


def _language_score(samples: Sequence[Mapping[str, Any]]) -> LanguageScore:
    in_order = sorted(samples, key=lambda sample: sample["doc_id"])
    return LanguageScore(paper="".join(str(int(sample["paper"])) for sample in in_order))


def _check_written(directory: Path, tasks: int) -> None:
    # lm-eval only logs it when a file could not be written
    if len(list(directory.rglob("results_*.json"))) != 1 or len(list(directory.rglob("samples_*.jsonl"))) != tasks:
        raise OSError(f"lm-eval did not write all its result and sample files into {directory}")
