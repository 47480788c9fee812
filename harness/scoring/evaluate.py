"""Asks one model all questions of one suite through lm-eval, and keeps lm-eval's own result and sample files.

scores/pocket/pocket/results_2026-11-20T20-02-27.json
scores/pocket/pocket/samples_pocket_sw_2026-11-20T20-02-27.jsonl
scores/pocket/verdicts.json
"""

from pathlib import Path
from typing import Any

from xreason.harness.scoring.questions import Scoring
from xreason.harness.scoring.verdicts import CUT_OFF, flags, language_score, write_verdicts
from xreason.leaderboards.records import LanguageScore
from xreason.tasks.errors import UserError
from xreason.tasks.prompts import DEFAULT_STYLE
from xreason.tasks.suites import include_paths


def evaluate(lm: Any, name: str, scoring: Scoring, directory: Path) -> dict[str, LanguageScore]:
    """Asks `lm`, an lm-eval model, all questions; writes lm-eval's files and the verdicts into `directory`.

    Returns:
        One score a language.

    Raises:
        UserError: the prompt style wants a chat template and the model has none.
        OSError: a file could not be written.
    """
    import lm_eval
    from lm_eval.loggers import EvaluationTracker

    asking = scoring.asking
    if asking.prompt.chat and not getattr(getattr(lm, "tokenizer", None), "chat_template", None):
        raise UserError(f"{name} has no chat template; choose another prompt style, such as --prompt {DEFAULT_STYLE}.")
    manager, tasks = _tasks(scoring)
    tracker = EvaluationTracker(output_path=str(directory))
    results = lm_eval.simple_evaluate(
        model=lm,
        model_args={"pretrained": name},
        tasks=tasks,
        num_fewshot=asking.shots,
        limit=scoring.limit,
        apply_chat_template=asking.prompt.chat,
        gen_kwargs=_generation(scoring),
        task_manager=manager,
        evaluation_tracker=tracker,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, rows in samples.items():
        tracker.save_results_samples(task_name=task, samples=rows)
    _check_written(directory, len(samples))
    ends = getattr(lm, CUT_OFF, None)
    scores = {}
    for code in scoring.languages:
        task = scoring.benchmark.task(code)
        rows = sorted(samples[task], key=lambda row: int(row["doc_id"]))
        cut_off = None if ends is None else flags(ends[task, row["doc_id"]] for row in rows)
        scores[code] = language_score(rows, cut_off)
    write_verdicts(directory, scoring.benchmark, scores)
    return scores


def _tasks(scoring: Scoring) -> tuple[Any, list[Any]]:
    """Returns lm-eval's task manager, and its groups and tasks, set to ask as the scoring says."""
    from lm_eval.filters import build_filter_ensemble
    from lm_eval.tasks import TaskManager

    asking = scoring.asking
    metadata: dict[str, Any] = {"style": asking.style, "shots": asking.shots}
    manager = TaskManager(include_path=include_paths(), include_defaults=False, metadata=metadata)
    loaded = manager.load(_task_names(scoring))
    for task in loaded["tasks"].values():
        stops = asking.prompt.stops(task.config.dataset_kwargs["language"])
        task.set_config("generation_kwargs", {"until": stops}, update=True)
        if asking.samples > 1:
            task.set_config("repeats", asking.samples)
            task._filters = [build_filter_ensemble("none", [["take_first_k", {"k": asking.samples}]])]
    grouped = {name for names in loaded["group_map"].values() for name in names}
    return manager, [*loaded["groups"].values(), *(task for name, task in loaded["tasks"].items() if name not in grouped)]


def _task_names(scoring: Scoring) -> list[str]:
    # the group, where it is asked whole, so that lm-eval's own result file carries the papers' average too
    suite, asked = scoring.benchmark, set(scoring.languages)
    if not set(suite.average_languages) <= asked:
        return [suite.task(code) for code in scoring.languages]
    return [suite.name, *(suite.task(code) for code in scoring.languages if code not in suite.average_languages)]


def _generation(scoring: Scoring) -> dict[str, Any]:
    temperature = scoring.asking.temperature
    sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False, "temperature": 0.0}
    return {"max_gen_toks": scoring.max_new_tokens, **sampling}


def _check_written(directory: Path, tasks: int) -> None:
    # lm-eval only logs it when a file could not be written
    if len(list(directory.rglob("results_*.json"))) != 1 or len(list(directory.rglob("samples_*.jsonl"))) != tasks:
        raise OSError(f"lm-eval did not write all its result and sample files into {directory}")
