"""The suites: benchmarks, each a set of lm-eval tasks with one language a task.

A suite `mgsm` is the folder `tasks/mgsm`: the tasks `mgsm_sw`, `mgsm_de`, ... and the group `mgsm`, which averages over the papers'
languages. The YAML files are written from this table by `write_suite`:

    python -m tasks.suites
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tasks import data
from tasks.errors import UserError
from tasks.languages import LANGUAGES, PAPER_LANGUAGES
from tasks.names import unknown
from tasks.pocket import world

TASKS_FOLDER = Path(__file__).parent

#: What lm-eval reports of every task.
METRICS = ("paper", "strict", "answered")


@dataclass(frozen=True)
class Suite:
    """A benchmark.

    Attributes:
        name: its name on the command line, in task names and in paths.
        title: its name on boards.
        languages: codes of the languages it has, English first, then in the order of the papers' tables.
        questions: test questions a language.
        max_new_tokens: how long a response may get, in tokens.
        source: who made the questions, and their licence.
        rows: the test questions of one language, in their published order; raises `UserError` where they cannot be had.
        exemplars: the worked examples of one language (see tasks.data.exemplars), or None where the suite has none.
        where: where the questions of one language come from, for people: a file of the data folder, a hub id, or the pocket world.
        version: of its tasks; a change of prompt, data or scoring raises it (changelog in tasks/README.md).
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

    @property
    def average_languages(self) -> tuple[str, ...]:
        """The languages its mean runs over: the papers' ten, as far as it has them."""
        return tuple(code for code in PAPER_LANGUAGES if code in self.languages)

    def task(self, language: str) -> str:
        """Returns the name of the lm-eval task of one language."""
        return f"{self.name}_{language}"


def _published(name: str, title: str, languages: tuple[str, ...], questions: int, source: str) -> Suite:
    rows, where = partial(data.rows, name), partial(data.where, name)
    exemplars = partial(data.exemplars, name) if data.SOURCES[name].exemplars else None
    return Suite(name, title, languages, questions, max_new_tokens=600, source=source, rows=rows, where=where, exemplars=exemplars)


def _pocket_rows(language: str) -> list[data.Row]:
    return [
        {"question": problem.question(language), "answer": str(problem.answer), "language": language}
        for problem in world.test_problems()
    ]


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
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
}


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


def language_yaml(suite: Suite, code: str) -> str:
    """Returns the lm-eval task of one language: three lines over what its suite includes."""
    return f"include: _{suite.name}_template\ntask: {suite.task(code)}\ndataset_kwargs: {{suite: {suite.name}, language: {code}}}\n"


def group_yaml(suite: Suite) -> str:
    """Returns the lm-eval group: the plain mean over the papers' languages, every language weighing the same."""
    tasks = "".join(f"  - {suite.task(code)}\n" for code in suite.average_languages)
    means = "".join(f"  - metric: {name}\n    aggregation: mean\n    weight_by_size: false\n" for name in METRICS)
    return f"group: {suite.name}\ntask:\n{tasks}aggregate_metric_list:\n{means}metadata:\n  version: {suite.version}\n"


if __name__ == "__main__":
    for each in SUITES.values():
        write_suite(each, TASKS_FOLDER / each.name)
