"""Asks one model all questions of one suite through lm-eval, and keeps lm-eval's own result and sample files.

scores/pocket/pocket/results_2026-11-20T20-02-27.json
scores/pocket/pocket/samples_pocket_sw_2026-11-20T20-02-27.jsonl
scores/pocket/verdicts.json
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from xreason.harness.scoring.lmeval.prepared import check_room, check_template, tell
from xreason.harness.scoring.lmeval.scores import chosen_rows, likeliest_score, measure
from xreason.harness.scoring.lmeval.scores import language_score as lmeval_score
from xreason.harness.scoring.questions import ENGLISH, Asking, Scoring
from xreason.harness.scoring.translating.translate import Translation, Translations, tokens_of
from xreason.harness.scoring.verdicts import CUT_OFF, cut_offs, flags, language_score, write_verdicts
from xreason.harness.serving.answers import Tokens, thinking_marks
from xreason.harness.serving.models import Model
from xreason.harness.store.provenance import commit
from xreason.leaderboards.records import LanguageScore, Measure
from xreason.tasks.errors import UserError
from xreason.tasks.lmeval.found import metric_of
from xreason.tasks.readings.verdicts import think_begin
from xreason.tasks.suites import include_paths, tasks_found, tasks_loaded


def evaluate(
    lm: Any, name: str, model: Model, scoring: Scoring, directory: Path, translated: Translations | None = None
) -> dict[str, LanguageScore]:
    """Asks `lm`, an lm-eval model that answers for `model`, all questions; writes lm-eval's files and the verdicts.

    Args:
        lm: what answers.
        name: of the model's row, which the folder with lm-eval's files is called by.
        model: what it answers for, for these files to say.
        scoring: what is asked, and how.
        directory: where the files go.
        translated: the questions in English, to be asked in the place of themselves; None for the questions themselves.

    Returns:
        One score a language.

    Raises:
        UserError: the prompt style wants a chat template and the model has none, or one that leaves the system instruction out.
        OSError: a file could not be written.
    """
    import lm_eval
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.utils import sanitize_model_name

    asking, of_lm_eval = scoring.asking, bool(scoring.benchmark.lm_eval)
    tell(lm, asking, of_lm_eval=of_lm_eval)
    if asking.prompt.chat:
        check_template(lm, name, asking)
    if asking.thinking_tokens and model.has_weights and not thinking_marks(lm.tokenizer, asking.think_end):
        marks = f"{think_begin(str(asking.think_end))} and {asking.think_end}"
        raise UserError(
            f"The tokenizer of {name} has no tokens {marks}, so that its thinking has no budget; leave out --thinking-tokens."
        )
    check_room(lm, name, scoring)
    manager, tasks, loaded = _tasks_of_lm_eval(scoring) if of_lm_eval else _tasks(scoring, translated)
    tracker = EvaluationTracker(output_path=str(directory))
    lm.tasks = loaded
    asked = described(lm, model)
    with _quiet_and_quick(), _as_before(loaded):
        results = lm_eval.simple_evaluate(
            model=lm,
            model_args=asked,
            tasks=tasks,
            # lm-eval's own tasks say themselves how many
            num_fewshot=(asking.shots or None) if of_lm_eval else asking.shots,
            limit=scoring.limit,
            system_instruction=_system(asking),
            apply_chat_template=asking.prompt.chat,
            gen_kwargs=_generation_of_lm_eval(scoring) if of_lm_eval else _generation(scoring),
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
    if of_lm_eval:
        # before the files are written: that makes texts of some of their values
        scores, measures = _scores_of_lm_eval(lm, scoring, results, samples)
        for task, row in ((task, row) for task, rows in samples.items() for row in rows if asking.think_end):
            # it was shown answers alone
            row["resps"] = [getattr(lm, "said", {}).get((task, row["doc_id"]), row["resps"][0])]
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, rows in samples.items():
        tracker.save_results_samples(task_name=task, samples=rows)
    _check_written(directory, len(samples))
    if of_lm_eval:
        write_verdicts(directory, scoring.benchmark, scores, measures)
        return scores
    ends, took, budgets = getattr(lm, CUT_OFF, None), getattr(lm, "tokens", {}), getattr(lm, "thinking_ended", None)
    scores = {}
    for code in scoring.languages:
        task = scoring.benchmark.task(code)
        rows = sorted(samples[task], key=lambda row: int(row["doc_id"]))
        if scoring.benchmark.likelihood:
            scores[code] = likeliest_score(rows)
            continue
        cut_off = None if ends is None else flags(ends[task, row["doc_id"]] for row in rows)
        spent = _in_all([each for row in rows for each in took.get((task, row["doc_id"]), ())])
        ended = flags(budgets[task, row["doc_id"]] for row in rows) if asking.thinking_tokens and budgets else None
        translating = None if translated is None else tokens_of(translated.languages.get(code, ()))
        scores[code] = language_score(rows, cut_off, spent, ended, translating)
    write_verdicts(directory, scoring.benchmark, scores)
    return scores


def _scores_of_lm_eval(
    lm: Any, scoring: Scoring, results: dict[str, Any], samples: dict[str, list[dict[str, Any]]]
) -> tuple[dict[str, LanguageScore], dict[str, Measure]]:
    """Returns the verdicts of lm-eval's own tasks, where they are 0 or 1 in every language, and what it reports itself."""
    ends, took = getattr(lm, CUT_OFF, None) or {}, getattr(lm, "tokens", {})
    found, scores, measures = tasks_found(scoring.benchmark.lm_eval), {}, {}
    for code in scoring.languages:
        tasks = tasks_loaded(scoring.benchmark.lm_eval, code)
        metrics = {name: metric_of(found, task) for name, task in tasks.items()}
        rows = {name: chosen_rows(samples[name], kept) for name, (_, kept) in metrics.items()}
        higher = all(results["higher_is_better"][name].get(metric) is not False for name, (metric, _) in metrics.items())
        measures[code] = measure(results["results"], metrics, rows, higher)
        asked = [(name, row["doc_id"]) for name in metrics for row in rows[name]]
        cut_off = "".join("01"[ends[each][0]] for each in asked) if all(len(ends.get(each, ())) == 1 for each in asked) else None
        spent = _in_all([each for place in asked for each in took.get(place, ((None, None),))])
        every = [(row, metrics[name][0]) for name in metrics for row in rows[name]]
        scores[code] = lmeval_score(every, None if cut_off is None else (cut_off,), spent)
        if (score := scores[code]) and cut_off is not None and (end := scoring.asking.think_end):
            ended = flags(lm.thinking_ended[each] for each in asked) if scoring.asking.thinking_tokens else None
            apart = cut_offs([lm.said[each] for each in asked], end, (cut_off,), ended)
            scores[code] = score.model_copy(update=apart)
    told = {code: score for code, score in scores.items() if score is not None}
    return told if len(told) == len(scores) else {}, measures


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


def _tasks(scoring: Scoring, translated: Translations | None) -> tuple[Any, list[Any], dict[str, Any]]:
    """Returns lm-eval's task manager, its groups and tasks, set to ask as the scoring says, and every single task by its name."""
    from lm_eval.api.samplers import get_sampler
    from lm_eval.filters import build_filter_ensemble
    from lm_eval.tasks import TaskManager

    asking = scoring.asking
    metadata: dict[str, Any] = {"style": asking.style, "shots": asking.shots}
    english = translated.languages if translated else {}
    if translated:
        metadata["examples_in"] = ENGLISH
    metadata |= {"think_end": asking.think_end} if asking.think_end else {}
    manager = TaskManager(include_path=include_paths(), include_defaults=False, metadata=metadata)
    loaded = manager.load(_task_names(scoring))
    for task in loaded["tasks"].values():
        code = task.config.dataset_kwargs["language"]
        if code in english:
            _put_into_english(task, english[code])
        if scoring.benchmark.generates:
            # in thinking they would end a response before its answer: they are read off it, as in lm-eval
            stops = [] if asking.think_end else asking.prompt.stops(ENGLISH if code in english else code)
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


def _put_into_english(task: Any, translations: Sequence[Translation]) -> None:
    """Has a task of ours ask these questions in the place of its own, which stand beside them in its rows."""
    split = task.config.test_split
    rows = task.dataset[split]
    # those beyond the limit are not asked
    texts = [each.text for each in translations] + [""] * (len(rows) - len(translations))
    task.dataset[split] = rows.add_column("translation", texts)


def _tasks_of_lm_eval(scoring: Scoring) -> tuple[Any, list[Any], dict[str, Any]]:
    """Returns the same of a suite that is lm-eval's, whose tasks ask as they do there."""
    pattern = scoring.benchmark.lm_eval
    loaded = {name: task for code in scoring.languages for name, task in tasks_loaded(pattern, code).items()}
    first = tasks_found(pattern).leaves[scoring.languages[0]][0]
    return first.manager, list(loaded.values()), loaded


@contextmanager
def _as_before(tasks: Mapping[str, Any]) -> Iterator[None]:
    """Has tasks, which are kept for the next model, be as they were once they were asked."""
    kept = ("generation_kwargs", "num_fewshot")
    before = {name: {key: deepcopy(task.get_config(key)) for key in kept} for name, task in tasks.items()}
    try:
        yield
    finally:
        for name, task in tasks.items():
            task._instances = None
            for key, value in before[name].items():
                task.set_config(key, value)


def _task_names(scoring: Scoring) -> list[str]:
    # the group, where it is asked whole, so that lm-eval's own result file carries the papers' average too
    suite, asked = scoring.benchmark, set(scoring.languages)
    if not set(suite.average_languages) <= asked:
        return [suite.task(code) for code in scoring.languages]
    return [suite.name, *(suite.task(code) for code in scoring.languages if code not in suite.average_languages)]


def _generation(scoring: Scoring) -> dict[str, Any]:
    asking = scoring.asking
    sampling = {"do_sample": asking.temperature > 0, "temperature": asking.temperature, **asking.sampling}
    return {"max_gen_toks": scoring.longest_response, **sampling, **_budget(asking)}


def _budget(asking: Asking) -> dict[str, int]:
    # vLLM's own means, which lm-eval hands through
    return {"thinking_token_budget": asking.thinking_tokens} if asking.thinking_tokens else {}


def _generation_of_lm_eval(scoring: Scoring) -> dict[str, Any] | None:
    """Returns what is said otherwise than the tasks say it themselves; None for nothing."""
    asking, said = scoring.asking, dict[str, Any]()
    if scoring.longest_response != scoring.benchmark.max_new_tokens:
        said["max_gen_toks"] = scoring.longest_response
    if asking.temperature > 0:
        said |= {"do_sample": True, "temperature": asking.temperature, **asking.sampling}
    return said | _budget(asking) or None


def _check_written(directory: Path, tasks: int) -> None:
    # lm-eval only logs it when a file could not be written
    if len(list(directory.rglob("results_*.json"))) != 1 or len(list(directory.rglob("samples_*.jsonl"))) != tasks:
        raise OSError(f"lm-eval did not write all its result and sample files into {directory}")
