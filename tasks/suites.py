"""The suites: benchmarks, each a set of lm-eval tasks with one language a task.

A suite `mgsm` is the folder `tasks/mgsm`: the tasks `mgsm_sw`, `mgsm_de`, ... and the group `mgsm`, which averages over the papers'
languages. The YAML files are written from this table by `python -m xreason.tasks.suites`.

`xreason language` and `xreason suite` change the table: on disk through a registry (added.py), in the running program by `use`.
What they add is in the folder of that registry, as YAML that stock lm-eval runs too: `lm_eval --include_path xreason_tasks ...`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from pathlib import Path
from typing import Any

from xreason.tasks import data
from xreason.tasks.added import REGISTRY_FILE, AddedSuite, LmEvalTasks, Registry, read_registry, registries, write_whole
from xreason.tasks.added import TASKS_FOLDER as TASKS_FOLDER
from xreason.tasks.cldr.codes import chosen as chosen_languages
from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES, PAPER_LANGUAGES, languages_with
from xreason.tasks.lmeval import found as lm_eval
from xreason.tasks.lmeval.patterns import PREFIX
from xreason.tasks.msvamp.families import FAMILIES
from xreason.tasks.names import unknown
from xreason.tasks.pocket import world
from xreason.tasks.readings.verdicts import METRICS, Kind
from xreason.tasks.sets import mmath, polymath
from xreason.tasks.sets.own import OwnRows, weighed, weights_by_level
from xreason.tasks.sets.source import plain_row
from xreason.tasks.written.texts import group_yaml, language_yaml, template_yaml


@dataclass(frozen=True)
class Suite:
    """A benchmark."""

    name: str  #: its name on the command line, in task names and in paths; its `title` is that on boards
    title: str
    #: codes of the languages it has: English first, in the order of the papers' tables, then what was added.
    languages: tuple[str, ...]
    questions: int  #: test questions a language, as published; `questions_in` knows those that were added
    max_new_tokens: int  #: how long a response may get, in tokens
    source: str  #: who made the questions, and their licence
    #: the test questions of one language, in their published order; raises `UserError` where they cannot be had.
    rows: Callable[[str], list[data.Row]]
    #: where the questions of one language come from, for people: a file of the data folder, a hub id, or the pocket world.
    where: Callable[[str], str]
    #: the worked examples of one language (see xreason.tasks.data.exemplars), or None where the suite has none.
    exemplars: Callable[[str], list[data.Row]] | None = None
    version: str = "3.0"  #: of its tasks; a change of prompt, data or scoring raises it (changelog in tasks/README.md)
    added: Mapping[str, int] = field(default_factory=dict)  #: language code to the number of its questions, where it was added
    #: the codes that its mean runs over, as far as it has them; None for all that it has.
    mean_over: tuple[str, ...] | None = PAPER_LANGUAGES
    #: the family of each question, in their published order, where some vary the same problem; () where none do.
    families: tuple[int, ...] = ()
    #: the data sets of whose kind its questions are: what was trained on text made from one of them is in its domain here. Names as
    #: in `xreason.trainers.corpora.load.MADE_FROM`.
    in_domain: tuple[str, ...] = ()
    kind: Kind = "number"  #: what its answers are
    published: bool = False  #: whether its rows say what its authors put to a model
    by_id: bool = False  #: whether its rows are in the order of their ids, because the published order is another in every language
    #: how much each question weighs in a language's score, in the order of the questions, where not all weigh the same; else ().
    weights: tuple[int, ...] = ()
    weighing: str = ""  #: the same in words
    levels: Mapping[str, int] = field(default_factory=dict)  #: name of a level to what each of its questions weighs
    #: whether its answer is the likeliest of the choices, by lm-eval's `acc`: no response is generated, and none is read.
    likelihood: bool = False
    #: of a suite that is lm-eval's, the pattern that names its tasks (see xreason.tasks.lmeval.patterns); "" for our own.
    lm_eval: str = ""

    @property
    def average_languages(self) -> tuple[str, ...]:
        """The languages its mean runs over: the papers' ten, as far as it has them; of an added suite, all."""
        return self.languages if self.mean_over is None else tuple(code for code in self.mean_over if code in self.languages)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What lm-eval reports of its tasks."""
        return ("acc",) if self.likelihood else METRICS[self.kind]

    @property
    def generates(self) -> bool:
        """Whether all of its tasks are answered with text, none by how likely one is."""
        return tasks_found(self.lm_eval).generates if self.lm_eval else not self.likelihood

    def questions_in(self, language: str) -> int:
        """Returns how many test questions one of its languages has; of lm-eval's, 0 where they cannot be had."""
        if self.lm_eval and language not in self.added:
            with suppress(UserError):
                return len(self.rows(language))
        return self.added.get(language, self.questions)

    def task(self, language: str) -> str:
        """Returns the name of the lm-eval task of one language; of a suite that is lm-eval's, its pattern."""
        return self.lm_eval or f"{self.name}_{language}"


def _published(name: str, title: str, languages: tuple[str, ...], questions: int, source: str, **more: Any) -> Suite:
    rows, where = partial(data.rows, name), partial(data.where, name)
    told = data.SOURCES.get(name)
    exemplars = partial(data.exemplars, name) if told and told.exemplars else None
    known: dict[str, Any] = {"kind": told.kind, "published": told.make is not plain_row, "by_id": told.by_id} if told else {}
    return Suite(name, title, languages, questions, source=source, rows=rows, where=where, exemplars=exemplars, **{**known, **more})


def tasks_found(pattern: str) -> lm_eval.Found:
    """Returns the tasks that a pattern names, of a person's folder or of lm-eval."""
    return lm_eval.find(pattern, _own_folder())


def tasks_loaded(pattern: str, language: str) -> Mapping[str, Any]:
    """Returns lm-eval's tasks of one language of a pattern, by name, with their questions."""
    return lm_eval.loaded(pattern, _own_folder(), language)


def task_settings(pattern: str, language: str) -> list[Any]:
    """Returns what beside the questions can change what a model answers to them."""
    return lm_eval.settings(pattern, _own_folder(), language)


def _own_folder() -> Path | None:
    folder = CHANGES[-1].folder
    return folder if folder != TASKS_FOLDER and folder.is_dir() else None


def _asked(pattern: str) -> Callable[[str], list[data.Row]]:  # looked up then: a person's folder may be another by that time
    return lambda code: lm_eval.rows(pattern, _own_folder(), code)


def _of_lm_eval(name: str, pattern: str) -> Suite:
    found = tasks_found(pattern)
    told: dict[str, Any] = {"version": found.version, "mean_over": None, "lm_eval": pattern, "rows": _asked(pattern)}
    return Suite(name, name, tuple(found.leaves), 0, found.max_new_tokens, "a task of lm-eval", where=found.where, **told)


_IN_CODE = (
    # new tokens as MathOctopus and QAlign score: generate_and_eval.py and svamp_test.py, mgsm_test.py and svamp_test.py. MGSM
    # is the first 250 questions of GSM8K's test set, translated; MSVAMP is SVAMP, which is no set's of the papers.
    _published(
        "mgsm", "MGSM", (*PAPER_LANGUAGES, "te"), 250, "arXiv 2210.03057, CC BY-SA 4.0", max_new_tokens=600, in_domain=("gsm8k",)
    ),
    replace(
        _published(
            "msvamp", "MSVAMP", PAPER_LANGUAGES, 1000, "arXiv 2310.20246, Apache-2.0", max_new_tokens=300, in_domain=("svamp",)
        ),
        families=FAMILIES,
    ),
    # new tokens as MGSM; the mean over MGSM's languages, so that the two stand side by side
    _published(
        "mgsm_rev2",
        "MGSM-Rev2",
        (*PAPER_LANGUAGES, "te"),
        250,
        "arXiv 2511.05162, CC BY-SA 4.0",
        max_new_tokens=600,
        in_domain=("gsm8k",),
    ),
    # new tokens and mean as lm-eval's afrimgsm, which sets none and averages over all
    _published(
        "afrimgsm",
        "AfriMGSM",
        ("en", "am", "ee", "fr", "ha", "ig", "rw", "ln", "lg", "om", "sn", "st", "sw", "ak", "vai", "wo", "xh", "yo", "zu"),
        250,
        "arXiv 2406.03368, Apache-2.0",
        max_new_tokens=256,
        in_domain=("gsm8k",),
        mean_over=None,
    ),
    # MAPO's Evaluation/vllm_test.py and report_result.py; how many questions, as the figures of its README divide
    _published(
        "mnumgluesub",
        "MNumGLUESub",
        PAPER_LANGUAGES,
        531,
        "arXiv 2401.06838, licence not found",
        max_new_tokens=1024,
        in_domain=("numglue",),
    ),
    # what its authors allow is not found; as M-Thinker scores it. Low is MGSM's first 125 questions, before their correction
    _published(
        "polymath",
        "PolyMath",
        ("en", "zh", "ar", "bn", "de", "es", "fr", "id", "it", "ja", "ko", "ms", "pt", "ru", "sw", "te", "th", "vi"),
        500,
        "arXiv 2504.18428, Apache-2.0",
        max_new_tokens=32768,
        in_domain=("gsm8k",),
        mean_over=None,
        weights=polymath.WEIGHTS,
        weighing="DW-ACC, in which a question of the levels low, medium, high and top weighs 1, 2, 4 and 8",
        levels=polymath.LEVELS,
    ),
    _published(
        "mmath",
        "MMATH",
        ("en", "zh", "ar", "es", "fr", "ja", "ko", "pt", "th", "vi"),
        374,
        "arXiv 2505.19126, licence not found",
        max_new_tokens=32768,
        in_domain=("math",),
        mean_over=None,
        weights=mmath.WEIGHTS,
        weighing="the mean over four sources, each of which weighs the same",
    ),
    # as SLAM scores it
    _published(
        "xcsqa",
        "X-CSQA",
        ("en", "ar", "de", "es", "fr", "hi", "it", "ja", "nl", "pl", "pt", "ru", "sw", "ur", "vi", "zh"),
        1000,
        "arXiv 2106.06937, MIT",
        max_new_tokens=1024,
        in_domain=("csqa",),
        mean_over=None,
    ),
    Suite(
        "pocket",
        "Pocket",
        world.LANGUAGES,
        world.TEST_SIZE,
        96,
        "templated by this project, Apache-2.0",
        world.rows,
        lambda _: "pocket world",
        in_domain=("pocket-world",),
    ),
)


def _by_likelihood(suite: Suite) -> Suite:
    """Returns the same questions, answered by log-likelihoods."""
    name, title = f"{suite.name}_loglikelihood", f"{suite.title}, log-likelihood"
    return replace(suite, name=name, title=title, likelihood=True, max_new_tokens=1)


def suites_with(*changes: Registry) -> dict[str, Suite]:
    """Returns name to suite: those in code, with the suites and languages that one registry after the other adds and takes out."""
    both = [each for suite in _IN_CODE for each in (suite, *([_by_likelihood(suite)] if suite.kind == "choice" else ()))]
    suites = {suite.name: suite for suite in both}
    weights = {name: weights_by_level(said.levels) for registry in changes for name, said in registry.suites.items()}
    for registry in changes:
        for name, said in sorted(registry.suites.items()):
            suites[name] = _kept(name, said, said.lm_eval) if said.lm_eval else _own(name, said)
        suites = {name: _changed(suite, registry, weights.get(name, {})) for name, suite in suites.items()}
    for name in (name for registry in changes for name, said in registry.suites.items() if said.kind == "choice"):
        likely = _by_likelihood(suites[name])
        suites[likely.name] = reduce(lambda suite, registry: _changed(suite, registry, {}), changes, likely)
    return suites


def _own(name: str, said: AddedSuite) -> Suite:
    told = {"max_new_tokens": said.max_new_tokens, "in_domain": said.in_domain, "mean_over": None, **weighed(said.levels)}
    return _published(name, said.title, (), 0, said.source, kind=said.kind, published=False, by_id=True, **told)


def _kept(name: str, said: AddedSuite, tasks: LmEvalTasks) -> Suite:
    """Returns a suite of lm-eval's tasks as it was added: those are looked for when they are asked."""
    told: dict[str, Any] = {"mean_over": None, "version": tasks.version, "added": tasks.questions, "lm_eval": tasks.pattern}
    rows, codes = _asked(tasks.pattern), tuple(tasks.questions)
    return Suite(name, said.title, codes, 0, said.max_new_tokens, said.source, rows, lambda _: PREFIX + tasks.pattern, **told)


def _changed(suite: Suite, registry: Registry, weights: Mapping[str, int]) -> Suite:
    removed, questions = registry.removed.get(suite.name, ()), registry.questions.get(suite.name, {})
    own = {code: registry.own_path(suite.name, code) for code, each in questions.items() if each.file}
    if nameless := [code for code in questions if code not in LANGUAGES and code not in registry.languages]:
        said = f"{registry.folder / REGISTRY_FILE} adds questions in {nameless[0]} without the names of that language"
        raise UserError(f"{said}; put back the one you had, for instance with git.")
    made = OwnRows(suite.kind, weights=weights)

    def rows(language: str) -> list[data.Row]:
        return data.own_rows(own[language], language, made) if language in own else suite.rows(language)

    def where(language: str) -> str:
        # as the folder is called, wherever it is: boards say it too
        return "/".join(own[language].parts[-3:]) if language in own else suite.where(language)

    kept = [code for code in suite.languages if code not in removed]
    languages = (*kept, *sorted(questions.keys() - set(kept), key=lambda code: (code != "en", code)))
    counts = {**suite.added, **{code: each.questions for code, each in questions.items()}}
    return replace(suite, languages=languages, rows=rows, where=where, added=counts)


# what all tasks include, and what opens the files of a person's folder that are copied from the box
_PAPERS = "_papers_template"
_GENERATED = "# Written by xreason, and written again when xreason changes.\n"

#: What the tables of this process were changed by: the box's registry, then that of the person's folder, if that is another.
CHANGES: list[Registry] = list(registries())

#: `use` keeps it up with the registries.
SUITES: dict[str, Suite] = suites_with(*CHANGES)


def use(*changes: Registry) -> None:
    """Makes the tables of languages, suites and sources in this process those of the registries."""
    for table in (LANGUAGES, data.SOURCES, SUITES):
        table.clear()
    CHANGES[:] = changes
    LANGUAGES.update(languages_with(*changes))
    data.SOURCES.update(data.sources_with(*changes))
    SUITES.update(suites_with(*changes))


def suite_of(name: str) -> Suite:
    """Returns the suite of that name; a name such as "lm-eval:xcopa" is of tasks of lm-eval.

    Raises:
        UserError: there is none; names the nearest.
    """
    if name.startswith(PREFIX):
        return _of_lm_eval(name, name.removeprefix(PREFIX))
    if name not in SUITES:
        raise unknown("suite", name, SUITES)
    return SUITES[name]


def hub_place(suite: str, code: str) -> tuple[str, str] | None:
    """Returns the hub's data set with a suite's questions in a language, and their config in it; None where they are not there."""
    added = [change.questions.get(suite, {}).get(code) for change in CHANGES]
    if suite not in data.SOURCES or any(each.file for each in added if each):
        return None
    source = data.SOURCES[suite]
    return (source.hub_id, source.config_of(code)) if source.hub_id else None


def no_prompt_of_its_own(suite: Suite) -> UserError:
    """Returns the error for a style of each suite's authors, where none is known of this suite's."""
    with_one = ", ".join(each.name for each in SUITES.values() if each.published)
    return UserError(f"No prompt of {suite.title}'s own authors is known here, only of {with_one}'s; choose another with --prompt.")


def languages_of(suite: Suite, codes: Sequence[str] | None, beside: Sequence[str] = ()) -> tuple[str, ...]:
    """Returns the languages of `codes` that the suite has, in the suite's order; all of its languages for None.

    They may be spelled in any usual way, or be names of groups, see `xreason.tasks.cldr.codes.chosen`. `beside` are the names of
    suites that are asked too: languages of tasks of lm-eval, which the table lacks, may be theirs.

    Raises:
        UserError: a code is no language of the table (names the nearest), or none of them is in the suite.
    """
    if codes is None:
        return suite.languages
    theirs = {code for name in beside for each in [suite_of(name)] if each.lm_eval for code in each.languages}
    asked = chosen_languages(codes, {*suite.languages, *theirs})
    chosen = tuple(code for code in suite.languages if code in asked)
    if not chosen:
        raise UserError(f"{suite.title} has none of {', '.join(codes)}; it has {', '.join(suite.languages)}.")
    return chosen


def files() -> dict[Path, str | None]:
    """Returns what the folder of the last of `CHANGES` holds, as the tables say: path to text, None for a person's questions.

    The box holds every suite whole. A person's folder holds what it adds, with all that stock lm-eval needs for that; where the
    mean of a suite is not the box's, it holds the suite's group and every task of it.
    """
    registry = CHANGES[-1]
    notice = _GENERATED if registry.folder != TASKS_FOLDER else ""
    held = {path: text for suite in SUITES.values() for path, text in _files_of(suite, registry, notice).items()}
    if held and notice:
        held[registry.folder / _PAPERS] = notice + (TASKS_FOLDER / _PAPERS).read_text(encoding="utf-8")
    return held


def _files_of(suite: Suite, registry: Registry, notice: str) -> dict[Path, str | None]:
    if suite.lm_eval:
        return {}
    box, template, group = TASKS_FOLDER / suite.name, f"_{suite.name}_template", f"_{suite.name}_group.yaml"
    questions, whole = registry.questions.get(suite.name, {}), not notice or _text(box / group) != group_yaml(suite)
    held = {f"{suite.task(code)}.yaml": language_yaml(suite, code) for code in (suite.languages if whole else questions)}
    if held:
        held[template] = notice + template_yaml(suite)
    if whole:
        held[group] = notice + group_yaml(suite)
    own: dict[Path, str | None] = {registry.own_path(suite.name, code): None for code, each in questions.items() if each.file}
    return own | {registry.folder / suite.name / name: text for name, text in held.items()}


def settle(paths: Iterable[Path]) -> None:
    """Makes some files what the tables say: writes them, or deletes them, and folders that are left empty; twice is as once."""
    held = files()
    for path in paths:
        if path not in held:
            path.unlink(missing_ok=True)
            if path.parent != CHANGES[-1].folder and path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()
        elif (text := held[path]) is not None and text != _text(path):
            path.parent.mkdir(exist_ok=True)
            write_whole(path, text)


def include_paths() -> list[Path]:
    """Returns the folders to hand to lm-eval's `--include_path` or `TaskManager`: the box, then the person's where there is one.

    `TaskManager` takes both, and what is in both it takes from the later; the command line takes one, and each is enough for what
    it holds. What the person's folder has from the box is written again where another version of xreason wrote it.

    Raises:
        UserError: it cannot be written again.
    """
    folder = CHANGES[-1].folder
    if folder == TASKS_FOLDER or not folder.is_dir():
        return [TASKS_FOLDER]
    try:
        settle(path for path, text in files().items() if text and text.startswith(_GENERATED))
    except OSError as error:
        raise UserError(f"{folder} is of another version of xreason and cannot be written ({error}); take a copy of it.") from error
    return [TASKS_FOLDER, folder]


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    use(read_registry(TASKS_FOLDER))
    settle(files())
