"""Finds the tasks that a pattern names, and what each asks; nothing of them is fetched before their questions are wanted.

lm-eval's index of all its 14,000 task files takes half a minute. Most names begin as the folder does in which they stand, so that
folder is indexed first, and all of them only where a name, or a member of a group, is not in it, or a form of names is asked for.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from xreason.tasks.cldr.codes import language_of
from xreason.tasks.errors import MissingSetError, UserError
from xreason.tasks.files import out_of_reach
from xreason.tasks.lmeval.patterns import PREFIX, language_in, parsed
from xreason.tasks.names import unknown

#: What is asked of a task where it does not say how long a response may be; lm-eval's own bound.
_LONGEST = 256
#: Metrics in the order in which one is chosen, where a task has several and nobody says which.
_PREFERRED = ("acc", "exact_match", "acc_norm")
#: What a group's file says of itself; all else is said of its tasks.
_OF_GROUPS = {"group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag", "include"}


@dataclass(frozen=True)
class Leaf:
    """One task of lm-eval."""

    name: str
    root: str  #: what is loaded to have it: itself, or the group that sets it otherwise
    config: Mapping[str, Any] = field(compare=False)  #: as its file says, functions by name
    manager: Any = field(compare=False, repr=False)  #: lm-eval's, that knows it


@dataclass(frozen=True)
class Found:
    """What a pattern comes to."""

    leaves: Mapping[str, tuple[Leaf, ...]]  #: language code to its tasks, English first
    metric: str | None  #: what counts as right, where that was said
    filter: str | None  #: likewise

    @property
    def version(self) -> str:
        """The versions that its tasks give, each once."""
        told = (each.config.get("metadata") or {} for leaves in self.leaves.values() for each in leaves)
        return ", ".join(dict.fromkeys(str(each.get("version", "?")) if isinstance(each, dict) else str(each) for each in told))

    @property
    def max_new_tokens(self) -> int:
        """The longest response that one of its tasks lets be, in tokens."""
        told = [each.config.get("generation_kwargs") or {} for leaves in self.leaves.values() for each in leaves]
        return max(int(each.get("max_gen_toks", _LONGEST)) for each in told)

    @property
    def generates(self) -> bool:
        """Whether all of its tasks are answered with text, none by how likely one is."""
        kinds = {each.config.get("output_type", "generate_until") for leaves in self.leaves.values() for each in leaves}
        return kinds == {"generate_until"}

    def where(self, language: str) -> str:
        """Returns where the questions of a language come from, for people."""
        return ", ".join(dict.fromkeys(str(leaf.config.get("dataset_path") or leaf.name) for leaf in self.leaves[language]))


@cache
def find(text: str, own: Path | None) -> Found:
    """Returns the tasks that a pattern names, without its PREFIX; `own` is a folder with task files that come first, or None.

    A language is what the pattern says, else what the task's data set is called by, else what its name ends in, or the name of the
    group that it is in.

    Raises:
        UserError: the pattern is none, names no task, or the language of a task is not known.
    """
    asked = parsed(text)
    leaves: dict[str, dict[str, Leaf]] = {}
    for said, name in asked.names:
        for leaf, around in _found(name, own):
            code = said or _language(leaf, around)
            if code is None:
                raise UserError(f"Which language {leaf.name} is in does not stand in its name; say it: {PREFIX}en={name[:80]}")
            leaves.setdefault(code, {})[leaf.name] = leaf
    ordered = sorted(leaves, key=lambda code: (code != "en", code))
    return Found({code: tuple(leaves[code].values()) for code in ordered}, asked.metric, asked.filter)


def _language(leaf: Leaf, around: tuple[str, ...]) -> str | None:
    config = leaf.config
    told = [(config.get("metadata") or {}), (config.get("dataset_kwargs") or {})]
    said = [each["language"] for each in told if isinstance(each, Mapping) and "language" in each]
    tags = [each for each in (*said, config.get("dataset_name")) if isinstance(each, str)]
    return next((code for code in (*map(language_of, tags), *map(language_in, (leaf.name, *around))) if code), None)


def _found(name: str, own: Path | None) -> Iterator[tuple[Leaf, tuple[str, ...]]]:
    """Yields the tasks of a name or form of names, each with the groups around it, the innermost first."""
    import fnmatch

    if not set(name) & set("*?["):
        # a tag may have tasks in several folders; of lm-eval 0.4.13, none of those that groups name has
        for near in _near(name):
            manager = _manager(near, own)
            if (entry := manager.task_index.get(name)) is not None and entry.kind.name != "TAG":
                try:
                    yield from [*_leaves(manager, name, name, (), {})]
                    return
                except KeyError:
                    continue  # a member that stands elsewhere
    manager = _manager(None, own)
    names = sorted(fnmatch.filter(manager.all_tasks, name))
    # what stands in another that is named too comes with it
    inside = {member for each in names for member in _members(manager, each)}
    for each in (each for each in names if each not in inside):
        yield from _leaves(manager, each, each, (), {})
    if not names:
        known = manager.all_tasks
        raise UserError(
            str(unknown("task of lm-eval", name[:60], known)).partition("Choose one of")[0] + "`lm_eval ls tasks` lists all."
        )


def _members(manager: Any, name: str) -> list[Any]:
    entry = manager.task_index[name]
    members = (
        sorted(entry.tags) if entry.kind.name == "TAG" else (entry.cfg or {}).get("task") if entry.kind.name == "GROUP" else ()
    )
    return [each for each in members or () if isinstance(each, str)] if isinstance(members, list | tuple) else []


def _leaves(
    manager: Any, name: str, root: str, around: tuple[str, ...], overrides: Mapping[str, Any]
) -> Iterator[tuple[Leaf, tuple[str, ...]]]:
    """Yields the tasks of a name; where a group sets them otherwise than their files do, they are loaded through it."""
    entry = manager.task_index[name]
    if entry.kind.name not in ("GROUP", "TAG"):
        yield Leaf(name, root if overrides else name, {**(entry.cfg or {}), **overrides}, manager), around
        return
    config = entry.cfg or {}
    own = {**{key: value for key, value in config.items() if key not in _OF_GROUPS}, **overrides}
    members = sorted(entry.tags) if entry.kind.name == "TAG" else config.get("task") or []
    for member in [members] if isinstance(members, str) else members:
        said = {"task": member} if isinstance(member, str) else dict(member)
        inner = said.pop("group", None) if isinstance(said.get("task"), list) or "task" not in said else said.pop("task")
        if inner not in manager.task_index:
            raise KeyError(inner)
        yield from _leaves(manager, inner, root, (name, *around), {**own, **said})


def _near(name: str) -> list[Path]:
    """Returns the folders of lm-eval's tasks whose names the name of a task begins with, the longest first."""
    plain = name.lower().replace("-", "_")
    near = [each for each in _lm_eval().iterdir() if each.is_dir() and plain.startswith(each.name.lower().replace("-", "_"))]
    return sorted(near, key=lambda each: -len(each.name))


def _lm_eval() -> Path:
    from importlib.util import find_spec

    spec = find_spec("lm_eval")
    return Path(str(spec and spec.origin)).parent / "tasks"


@cache
def _manager(near: Path | None, own: Path | None) -> Any:
    """Returns lm-eval's task manager over a folder of its own, or all, and a person's."""
    import datasets
    from lm_eval.tasks import TaskManager

    datasets.disable_progress_bars()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    folders = [each for each in (near, own) if each is not None]
    return TaskManager(include_path=folders, include_defaults=near is None)


@cache
def loaded(text: str, own: Path | None, language: str) -> Mapping[str, Any]:
    """Returns lm-eval's tasks of one language of a pattern, by name, with their questions.

    Raises:
        UserError: a task runs what a model writes, or has no question.
        MissingSetError: the questions cannot be had.
    """
    tasks: dict[str, Any] = {}
    for leaf in find(text, own).leaves[language]:
        if leaf.config.get("unsafe_code"):
            raise UserError(f"The task {leaf.name} runs code that a model writes, which is not done here; leave it out.")
        task = _loaded(leaf)
        if len(task.eval_docs) == 0:
            raise UserError(f"The task {leaf.name} has no question; put its data set as published in its place, or leave it out.")
        tasks[leaf.name] = task
    return tasks


def _loaded(leaf: Leaf) -> Any:
    path = str(leaf.config.get("dataset_path") or "")
    try:
        if "/" in path and not Path(path).exists() and out_of_reach(path):
            raise ConnectionError
        return leaf.manager.load([leaf.root])["tasks"][leaf.name]
    except UserError:
        raise
    except Exception as error:  # whatever the hub's client or a task's own code raises, the remedy is the same
        fetch = f"; where there is internet, fetch it with: hf download --repo-type dataset {path}" if "/" in path else ""
        raise MissingSetError(
            f"The questions of lm-eval's {leaf.name} ({path or 'its own'}) could not be had ({type(error).__name__}){fetch or '.'}"
        ) from error


def metric_of(found: Found, task: Any) -> tuple[str, str]:
    """Returns what counts as right in a task, and the filter of lm-eval's that its responses go through.

    Raises:
        UserError: the task has no such metric or filter.
    """
    metrics, filters = list(task.aggregation()), [each.name for each in task._filters] or ["none"]
    metric = found.metric or next((each for each in _PREFERRED if each in metrics), metrics[0])
    chosen = found.filter or filters[0]
    for kind, name, known in (("metric", metric, metrics), ("filter", chosen, filters)):
        if name not in known:
            raise unknown(f"{kind} of {task.config.task}", name, known)
    return metric, chosen


@cache
def rows(text: str, own: Path | None, language: str) -> list[dict[str, str]]:
    """Returns all that is asked in one language: each prompt as the task makes it without examples, with its choices, and the gold.

    Raises:
        UserError: as `loaded`.
    """
    asked = []
    for task in loaded(text, own, language).values():
        for document in task.eval_docs:
            question, choices = task.doc_to_text(document), task.config.doc_to_choice and task.doc_to_choice(document)
            told = f"{question}\n{choices}" if choices else str(question)
            asked.append({"question": told, "answer": str(task.doc_to_target(document)), "language": language})
    return asked


def settings(text: str, own: Path | None, language: str) -> list[Any]:
    """Returns what beside the questions can change an answer, task by task: how it is answered, decoded, and worked examples."""
    kept = ("output_type", "num_fewshot", "generation_kwargs", "target_delimiter", "fewshot_delimiter", "description", "gen_prefix")
    told = []
    for name, task in loaded(text, own, language).items():
        config = task.config
        shots = str(getattr(config, "fewshot_config", None)) if getattr(config, "num_fewshot", None) else ""
        told.append([name, *(str(getattr(config, each, None)) for each in kept), shots])
    return told
