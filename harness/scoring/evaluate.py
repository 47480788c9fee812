"""Asks one model all questions of one suite through lm-eval, and keeps lm-eval's own result and sample files.

scores/pocket/pocket/results_2026-11-20T20-02-27.json
scores/pocket/pocket/samples_pocket_sw_2026-11-20T20-02-27.jsonl
scores/pocket/verdicts.json
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from xreason.harness.scoring.questions import Asking, Scoring
from xreason.harness.scoring.verdicts import CUT_OFF, flags, language_score, write_verdicts
from xreason.harness.serving.answers import Tokens
from xreason.harness.serving.models import Model
from xreason.harness.store.provenance import commit
from xreason.leaderboards.records import LanguageScore
from xreason.tasks.errors import UserError
from xreason.tasks.prompts import DEFAULT_STYLE
from xreason.tasks.suites import include_paths


def evaluate(lm: Any, name: str, model: Model, scoring: Scoring, directory: Path) -> dict[str, LanguageScore]:
    """Asks `lm`, an lm-eval model that answers for `model`, all questions; writes lm-eval's files and the verdicts.

    Args:
        lm: what answers.
        name: of the model's row, which the folder with lm-eval's files is called by.
        model: what it answers for, for these files to say.
        scoring: what is asked, and how.
        directory: where the files go.

    Returns:
        One score a language.

    Raises:
        UserError: the prompt style wants a chat template and the model has none, or one that leaves the system instruction out.
        OSError: a file could not be written.
    """
    import lm_eval
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.utils import sanitize_model_name

    asking = scoring.asking
    if asking.prompt.chat:
        _check_template(lm, name, asking.system)
    manager, tasks, loaded = _tasks(scoring)
    tracker = EvaluationTracker(output_path=str(directory))
    lm.tasks = loaded
    asked = described(lm, model)
    with _quiet_and_quick():
        results = lm_eval.simple_evaluate(
            model=lm,
            model_args=asked,
            tasks=tasks,
            num_fewshot=asking.shots,
            limit=scoring.limit,
            system_instruction=_system(asking),
            apply_chat_template=asking.prompt.chat,
            gen_kwargs=_generation(scoring),
            task_manager=manager,
            evaluation_tracker=tracker,
        )
    # of a model that it did not start itself, lm-eval knows the class alone
    answered = asked.get("checkpoint") or asked.get("pretrained") or asked["model"]
    results["config"] |= {"model": answered, "model_dtype": asked.get("dtype"), "model_sha": asked.get("revision")}
    told = tracker.general_config_tracker
    told.model_source = "local-completions" if model.served_as else "vllm" if model.has_weights else model.name
    told.model_name, told.model_name_sanitized = answered, sanitize_model_name(name)
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, rows in samples.items():
        tracker.save_results_samples(task_name=task, samples=rows)
    _check_written(directory, len(samples))
    ends, took = getattr(lm, CUT_OFF, None), getattr(lm, "tokens", {})
    scores = {}
    for code in scoring.languages:
        task = scoring.benchmark.task(code)
        rows = sorted(samples[task], key=lambda row: int(row["doc_id"]))
        cut_off = None if ends is None else flags(ends[task, row["doc_id"]] for row in rows)
        scores[code] = language_score(
            rows, cut_off, _in_all([each for row in rows for each in took.get((task, row["doc_id"]), ())])
        )
    write_verdicts(directory, scoring.benchmark, scores)
    return scores


def _in_all(responses: Sequence[Tokens]) -> Tokens:
    """Returns the sum of what responses took; None for what is not known of each of them."""
    tokens, thinking = zip(*responses, strict=True) if responses else ((None,), (None,))
    return None if None in tokens else sum(tokens), None if None in thinking else sum(thinking)


def described(lm: Any, model: Model) -> dict[str, Any]:
    """Returns the arguments with which lm-eval would start what answers: the folder or hub id, its revision, dtype and length.

    A checkpoint that holds only what changed stands beside its base, as `checkpoint`.
    """
    if (url := getattr(lm, "base_url", None)) is not None:
        return {"model": model.served_as or model.name, "base_url": url}
    if not model.has_weights:
        return {"model": model.name}
    folder = model.folder.resolve()
    where: dict[str, Any] = {"pretrained": str(folder)}
    if folder.parent.name == "snapshots":
        # the hub's cache: models--meta-math--MetaMath-7B-V1.0/snapshots/COMMIT
        repository = folder.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
        where = {"pretrained": repository, "revision": folder.name}
    if model.delta is not None:
        where["checkpoint"] = str(model.delta.resolve())
    # of the engine, which another model may have started
    started = {name: value for name, value in lm.model_args.items() if value is not None and name not in _OF_FIRST_MODEL}
    config = lm.model.llm_engine.model_config
    return {**started, **where, "dtype": str(config.dtype).removeprefix("torch."), "max_model_len": lm.max_length}


#: What an engine's arguments say of the model that it was started with, or of our own extension of vLLM's worker.
_OF_FIRST_MODEL = {"model", "tokenizer", "worker_extension_cls"}


@contextmanager
def _quiet_and_quick() -> Iterator[None]:
    """Has lm-eval's files tell the commit of this program, and what they tell of the machine looked up once a process.

    lm-eval asks git for the commit of the folder that it is started in, which says `fatal: ...` where that is no checkout, and
    looks the machine over for seconds for every suite of every model.
    """
    from lm_eval import evaluator

    asks, adds = evaluator.get_git_commit_hash, evaluator.add_env_info

    def add(results: dict[str, Any], *_: Any) -> None:
        results.update(_environment(adds))

    evaluator.get_git_commit_hash, evaluator.add_env_info = commit, add
    try:
        yield
    finally:
        evaluator.get_git_commit_hash, evaluator.add_env_info = asks, adds


@cache
def _environment(adds: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    adds(told)
    return told


def _system(asking: Asking) -> str | None:
    # where it has no turn of its own, lm-eval puts the prompt right behind its last character
    apart = asking.system is None or asking.prompt.chat or asking.system[-1].isspace()
    return asking.system if apart else f"{asking.system}\n\n"


def _check_template(lm: Any, name: str, system: str | None) -> None:
    another = f"choose another prompt style, such as --prompt {DEFAULT_STYLE}."
    if not getattr(getattr(lm, "tokenizer", None), "chat_template", None):
        raise UserError(f"{name} has no chat template; {another}")
    # lm-eval leaves the system's turn out where the template refuses it, and says so in a log alone
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "?"}]
    if system and system.strip() not in lm.apply_chat_template(messages):
        raise UserError(f"The chat template of {name} has no place for a system instruction; leave it out, or {another}")


def _tasks(scoring: Scoring) -> tuple[Any, list[Any], dict[str, Any]]:
    """Returns lm-eval's task manager, its groups and tasks, set to ask as the scoring says, and every single task by its name."""
    from lm_eval.api.samplers import get_sampler
    from lm_eval.filters import build_filter_ensemble
    from lm_eval.tasks import TaskManager

    asking = scoring.asking
    metadata: dict[str, Any] = {"style": asking.style, "shots": asking.shots}
    manager = TaskManager(include_path=include_paths(), include_defaults=False, metadata=metadata)
    loaded = manager.load(_task_names(scoring))
    for task in loaded["tasks"].values():
        stops = asking.prompt.stops(task.config.dataset_kwargs["language"])
        task.set_config("generation_kwargs", {"until": stops}, update=True)
        if asking.worked_examples == "first":
            task.config.fewshot_config.sampler = "first_n"
            task.sampler = get_sampler("first_n")(list(task.fewshot_docs()))
        if asking.samples > 1:
            task.set_config("repeats", asking.samples)
            task._filters = [build_filter_ensemble("none", [["take_first_k", {"k": asking.samples}]])]
    grouped = {name for names in loaded["group_map"].values() for name in names}
    asked = [*loaded["groups"].values(), *(task for name, task in loaded["tasks"].items() if name not in grouped)]
    return manager, asked, loaded["tasks"]


def _task_names(scoring: Scoring) -> list[str]:
    # the group, where it is asked whole, so that lm-eval's own result file carries the papers' average too
    suite, asked = scoring.benchmark, set(scoring.languages)
    if not set(suite.average_languages) <= asked:
        return [suite.task(code) for code in scoring.languages]
    return [suite.name, *(suite.task(code) for code in scoring.languages if code not in suite.average_languages)]


def _generation(scoring: Scoring) -> dict[str, Any]:
    asking = scoring.asking
    sampling = {"do_sample": asking.temperature > 0, "temperature": asking.temperature, **asking.sampling}
    return {"max_gen_toks": scoring.max_new_tokens, **sampling}


def _check_written(directory: Path, tasks: int) -> None:
    # lm-eval only logs it when a file could not be written
    if len(list(directory.rglob("results_*.json"))) != 1 or len(list(directory.rglob("samples_*.jsonl"))) != tasks:
        raise OSError(f"lm-eval did not write all its result and sample files into {directory}")
