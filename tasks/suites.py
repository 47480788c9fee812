"""The suites: benchmarks, each a set of lm-eval tasks with one language a task.

A suite `mgsm` is the folder `tasks/mgsm`: the tasks `mgsm_sw`, `mgsm_de`, ... and the group `mgsm`, which averages over the papers'
languages. The YAML files are written from this table by `write_suite`:

    python -m xreason.tasks.suites

`xreason language` and `xreason suite` change the table: on disk through the registry (added.py), in the running program by `use`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from xreason.tasks import data
from xreason.tasks.added import Registry, read_registry
from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES, PAPER_LANGUAGES, languages_with
from xreason.tasks.names import unknown
from xreason.tasks.pocket import world

TASKS_FOLDER = Path(__file__).parent

#: What lm-eval reports of every task.
METRICS = ("paper", "strict", "answered")


@dataclass(frozen=True)
class Suite:
    """A benchmark.

    Attributes:
        name: its name on the command line, in task names and in paths.
        title: its name on boards.
        languages: codes of the languages it has: English first, in the order of the papers' tables, then what was added.
        questions: test questions a language, as published; `questions_in` knows those that were added.
        max_new_tokens: how long a response may get, in tokens.
        source: who made the questions, and their licence.
        rows: the test questions of one language, in their published order; raises `UserError` where they cannot be had.
        exemplars: the worked examples of one language (see xreason.tasks.data.exemplars), or None where the suite has none.
        where: where the questions of one language come from, for people: a file of the data folder, a hub id, or the pocket world.
        version: of its tasks; a change of prompt, data or scoring raises it (changelog in tasks/README.md).
        added: language code to the number of its questions, where it was added.
        mean_over: the codes that its mean runs over, as far as it has them; None for all that it has.
    """

    name: str
    title: str
    languages: tuple[str, ...]
    questions: int
    max_new_tokens: int
    source: str
    rows: Callable[[str], list[data.Row]]
    where: Callable[[str], str]
    exemplars: Callable[[str], list[data.Row]] | None = None
    version: str = "2.0"
    added: Mapping[str, int] = field(default_factory=dict)
    mean_over: tuple[str, ...] | None = PAPER_LANGUAGES

    @property
    def average_languages(self) -> tuple[str, ...]:
        """The languages its mean runs over: the papers' ten, as far as it has them; of an added suite, all."""
        return self.languages if self.mean_over is None else tuple(code for code in self.mean_over if code in self.languages)

    def questions_in(self, language: str) -> int:
        """Returns how many test questions one of its languages has."""
        return self.added.get(language, self.questions)

    def task(self, language: str) -> str:
        """Returns the name of the lm-eval task of one language."""
        return f"{self.name}_{language}"


def own_path(name: str, code: str) -> Path:
    """Returns where the questions of a language stand that were added to a suite from a file."""
    return TASKS_FOLDER / name / f"{name}_{code}.jsonl"


def _published(name: str, title: str, languages: tuple[str, ...], questions: int, source: str) -> Suite:
    rows, where = partial(data.rows, name), partial(data.where, name)
    exemplars = partial(data.exemplars, name) if data.SOURCES[name].exemplars else None
    return Suite(name, title, languages, questions, max_new_tokens=600, source=source, rows=rows, where=where, exemplars=exemplars)


def _pocket_rows(language: str) -> list[data.Row]:
    return [
        {"question": problem.question(language), "answer": str(problem.answer), "language": language}
        for problem in world.test_problems()
    ]


_IN_CODE = (
    _published("mgsm", "MGSM", (*PAPER_LANGUAGES, "te"), 250, "arXiv 2210.03057, CC BY-SA 4.0"),
    _published("msvamp", "MSVAMP", PAPER_LANGUAGES, 1000, "arXiv 2310.20246, Apache-2.0"),
    Suite(
        "pocket",
        "Pocket",
        world.LANGUAGES,
        world.TEST_SIZE,
        max_new_tokens=96,
        source="templated by this project, Apache-2.0",
        rows=_pocket_rows,
        where=lambda language: "pocket world",
    ),
)

#: Suites in code: name to the languages that they have there.
LANGUAGES_IN_CODE: dict[str, tuple[str, ...]] = {suite.name: suite.languages for suite in _IN_CODE}


def suites_with(registry: Registry) -> dict[str, Suite]:
    """Returns name to suite: those in code with the languages that the registry leaves and adds, and those that it adds."""
    in_code = (_changed(suite, registry) for suite in _IN_CODE)
    added = (_changed(_added(name, registry), registry) for name in sorted(registry.suites))
    return {suite.name: suite for suite in (*in_code, *added)}


def _added(name: str, registry: Registry) -> Suite:
    said = registry.suites[name]
    rows, where = partial(data.rows, name), partial(data.where, name)
    return Suite(name, said.title, (), 0, said.max_new_tokens, said.source, rows, where, mean_over=None)


def _changed(suite: Suite, registry: Registry) -> Suite:
    removed, questions = registry.removed.get(suite.name, ()), registry.questions.get(suite.name, {})
    if not removed and not questions:
        return suite
    own = {code: own_path(suite.name, code) for code, each in questions.items() if each.file}

    def rows(language: str) -> list[data.Row]:
        return data.own_rows(own[language], language) if language in own else suite.rows(language)

    def where(language: str) -> str:
        return f"tasks/{own[language].relative_to(TASKS_FOLDER).as_posix()}" if language in own else suite.where(language)

    languages = (
        *(code for code in suite.languages if code not in removed),
        *sorted(questions, key=lambda code: (code != "en", code)),
    )
    counts = {code: each.questions for code, each in questions.items()}
    return replace(suite, languages=languages, rows=rows, where=where, added=counts)


#: `use` keeps it up with the registry.
SUITES: dict[str, Suite] = suites_with(read_registry())


def use(registry: Registry) -> None:
    """Makes the tables of languages, suites and sources in this process those of the registry."""
    LANGUAGES.clear()
    LANGUAGES.update(languages_with(registry))
    data.SOURCES.clear()
    data.SOURCES.update(data.sources_with(registry))
    SUITES.clear()
    SUITES.update(suites_with(registry))


def suite_of(name: str) -> Suite:
    """Returns the suite of that name.

    Raises:
        UserError: there is none; names the nearest.
    """
    if name in SUITES:
        return SUITES[name]
    raise unknown("suite", name, SUITES)


def languages_of(suite: Suite, codes: Sequence[str] | None) -> tuple[str, ...]:
    """Returns the languages of `codes` that the suite has, in the suite's order; all of its languages for None.

    Raises:
        UserError: a code is no language of the table (names the nearest), or none of them is in the suite.
    """
    if codes is None:
        return suite.languages
    for code in codes:
        if code not in LANGUAGES:
            by_name = {language.english.lower(): language.code for language in LANGUAGES.values()}
            raise unknown("language", code, LANGUAGES, nearest=by_name.get(code.lower()))
    chosen = tuple(code for code in suite.languages if code in codes)
    if not chosen:
        raise UserError(f"{suite.title} has none of {', '.join(codes)}; it has {', '.join(suite.languages)}.")
    return chosen


def write_suite(suite: Suite, folder: Path) -> None:
    """Writes the suite's YAML tasks and its group into `folder`."""
    for code in suite.languages:
        (folder / f"{suite.task(code)}.yaml").write_text(language_yaml(suite, code), encoding="utf-8")
    (folder / f"_{suite.name}_group.yaml").write_text(group_yaml(suite), encoding="utf-8")


def settle(name: str, codes: Sequence[str]) -> None:
    """Makes the files of some languages of a suite what the table says, those of the suite itself too.

    A language that the suite has gets its YAML task; one that it has not loses that and its file of questions. A suite that is not
    in the table loses its folder, unless something else is in there. Done twice, it changes nothing more.
    """
    folder, suite = TASKS_FOLDER / name, SUITES.get(name)
    folder.mkdir(exist_ok=True)
    for code in codes:
        if suite is not None and code in suite.languages:
            (folder / f"{name}_{code}.yaml").write_text(language_yaml(suite, code), encoding="utf-8")
        else:
            (folder / f"{name}_{code}.yaml").unlink(missing_ok=True)
            own_path(name, code).unlink(missing_ok=True)
    group, template = folder / f"_{name}_group.yaml", folder / f"_{name}_template"
    if suite is not None:
        group.write_text(group_yaml(suite), encoding="utf-8")
        if name not in LANGUAGES_IN_CODE:
            template.write_text(template_yaml(suite), encoding="utf-8")
        return
    group.unlink(missing_ok=True)
    template.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def language_yaml(suite: Suite, code: str) -> str:
    """Returns the lm-eval task of one language: three lines over what its suite includes."""
    # bare, YAML reads the code of Norwegian as false
    said = f'"{code}"' if code == "no" else code
    return f"include: _{suite.name}_template\ntask: {suite.task(code)}\ndataset_kwargs: {{suite: {suite.name}, language: {said}}}\n"


def template_yaml(suite: Suite) -> str:
    """Returns what all tasks of an added suite include: the papers' way of asking, with its own longest response."""
    decoding = f"  do_sample: false\n  temperature: 0.0\n  max_gen_toks: {suite.max_new_tokens}\n  until: []\n"
    return f"include: ../_papers_template\ngeneration_kwargs:\n{decoding}"


def group_yaml(suite: Suite) -> str:
    """Returns the lm-eval group: the plain mean over its average languages, every language weighing the same."""
    tasks = "".join(f"  - {suite.task(code)}\n" for code in suite.average_languages)
    means = "".join(f"  - metric: {name}\n    aggregation: mean\n    weight_by_size: false\n" for name in METRICS)
    return f"group: {suite.name}\ntask:\n{tasks}aggregate_metric_list:\n{means}metadata:\n  version: {suite.version}\n"


if __name__ == "__main__":
    for each in SUITES.values():
        write_suite(each, TASKS_FOLDER / each.name)
