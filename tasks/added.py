"""What `xreason language` and `xreason suite` changed: languages and suites added to, and taken out of, the tables in code.

What a person changes is in a folder of theirs: XREASON_TASKS, else `xreason_tasks/` in the working folder. `XREASON_TASKS=tasks` in
a checkout changes the project itself. The folder's `added.json`, sorted so that its differences read well, says how its tables
differ from those below them: the tables in code (languages.py, suites.py, data.py), then what this folder's own file says, if any.

    {
     "languages": {"it": {"english": "Italian", "native": "italiano"}},
     "questions": {"mgsm": {"it": {"file": true, "questions": 10}}},
     "removed": {"msvamp": ["th"]},
     "suites": {"afrimgsm": {"hub": null, "max_new_tokens": 600, "source": "arXiv 2406.03368, Apache-2.0", "title": "AfriMGSM"}}
    }
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from xreason.tasks.errors import UserError

#: The suites in the box. Resolved, so that `tasks` in a checkout is the same folder as the link to it in the package.
TASKS_FOLDER = Path(__file__).resolve().parent

#: A suite's name is a folder and the beginning of its tasks' names, a language's code their end; neither can leave the folder.
SUITE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: A data set's short name, by which a suite says whose kind its questions are of.
SOURCE_NAME = r"[a-z0-9][a-z0-9._-]{0,39}"
REGISTRY_FILE = "added.json"

_SuiteName = Annotated[str, StringConstraints(pattern=rf"^{SUITE_NAME.pattern}$")]
_SourceName = Annotated[str, StringConstraints(pattern=rf"^{SOURCE_NAME}$")]
_Code = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
# a suite that is asked by log-likelihood too has that behind its name
_Changed = Annotated[str, StringConstraints(pattern=rf"^({SUITE_NAME.pattern}(_loglikelihood)?/)?[a-z0-9_]+(\.[a-z]+)?$")]
_STRICT = ConfigDict(extra="forbid")


#: What a suite's answers are, and how those of a choice name an option: by its letter (or label), its own text, or its number,
#: counted from 0 or from 1.
Kind = Literal["number", "expression", "choice"]
AnswersAs = Literal["letter", "text", "0", "1"]


@dataclass(frozen=True, config=_STRICT)
class Names:
    """A language's name in English and in itself."""

    english: str
    native: str


@dataclass(frozen=True, config=_STRICT)
class AddedQuestions:
    """The questions of an added language: how many, and where.

    They stand in a `file` beside the language's YAML task (`mgsm/mgsm_it.jsonl`), or else where the suite's are, on the hub in that
    config of its data set, where it is not called as the language's code.
    """

    questions: Annotated[int, Field(gt=0)]
    file: bool = False
    config: str | None = None


@dataclass(frozen=True, config=_STRICT)
class Hub:
    """A data set on the Hugging Face hub, OWNER/NAME, and its columns with the question, the gold answer, and what else it has."""

    id: str
    question: str
    answer: str
    split: str = "test"
    choices: tuple[str, ...] = ()  #: one with all options, or one for each
    answers: AnswersAs = "letter"  #: of a choice, how answers name an option
    name: str | None = None  #: what tells the same question of another language
    level: str | None = None


@dataclass(frozen=True, config=_STRICT)
class Level:
    """A level of a suite's questions: how many each language has of it, and what it weighs; None where questions weigh the same."""

    questions: Annotated[int, Field(gt=0)]
    weight: Annotated[int, Field(gt=0, le=1_000_000)] | None = None


@dataclass(frozen=True, config=_STRICT)
class LmEvalTasks:
    """Tasks of lm-eval that a suite is made of: what names them, their versions, and language code to the number of questions."""

    pattern: str
    version: str
    questions: Mapping[str, Annotated[int, Field(gt=0)]]


@dataclass(frozen=True, config=_STRICT)
class AddedSuite:
    """An added suite; attributes as in `xreason.tasks.suites.Suite`. `hub` is None where none of its questions are on the hub."""

    title: str
    source: str
    max_new_tokens: int
    hub: Hub | None
    in_domain: tuple[_SourceName, ...] = ()
    kind: Kind = "number"
    levels: Mapping[str, Level] = field(default_factory=dict)  #: name to each, where a column tells the level of a question
    lm_eval: LmEvalTasks | None = None  #: where it is made of tasks of lm-eval


@dataclass(frozen=True, config=_STRICT)
class Registry:
    """All that one folder changes."""

    #: code to the names of languages that the table in the box lacks.
    languages: Mapping[_Code, Names] = field(default_factory=dict)
    suites: Mapping[_SuiteName, AddedSuite] = field(default_factory=dict)  #: name to an added suite
    #: suite to code to the questions that were added to it.
    questions: Mapping[_SuiteName, Mapping[_Code, AddedQuestions]] = field(default_factory=dict)
    removed: Mapping[_SuiteName, tuple[_Code, ...]] = field(default_factory=dict)  #: suite to the codes that were taken out of it
    #: the files that were being changed when the program ended, as paths in the folder; empty but for that time.
    unfinished: tuple[_Changed, ...] = ()
    folder: Path = TASKS_FOLDER  #: where it is

    def own_path(self, suite: str, code: str) -> Path:
        """Returns where the questions of a language stand that were added to a suite from a file."""
        return self.folder / suite / f"{suite}_{code}.jsonl"

    def with_questions(self, suite: str, code: str, names: Names | None, questions: AddedQuestions) -> "Registry":
        """Returns it with a language more in a suite; `names` are those of a language that the table in code lacks."""
        languages = {**self.languages, code: names} if names else self.languages
        added = {**self.questions, suite: {**self.questions.get(suite, {}), code: questions}}
        return replace(self, languages=languages, questions=added)

    def without(self, suite: str, *codes: str) -> "Registry":
        """Returns it without some added languages of a suite, and without the names of those that no suite has any more."""
        left = {code: each for code, each in self.questions.get(suite, {}).items() if code not in codes}
        kept = {name: each for name, each in {**self.questions, suite: left}.items() if each}
        languages = {code: names for code, names in self.languages.items() if any(code in each for each in kept.values())}
        return replace(self, languages=languages, questions=kept)

    def with_removed(self, suite: str, code: str) -> "Registry":
        """Returns it with a language that it did not add taken out of a suite."""
        return replace(self, removed={**self.removed, suite: (*self.removed.get(suite, ()), code)})

    def with_restored(self, suite: str, code: str) -> "Registry":
        """Returns it with a language that was taken out back in its suite."""
        left = tuple(each for each in self.removed.get(suite, ()) if each != code)
        return replace(self, removed={name: codes for name, codes in {**self.removed, suite: left}.items() if codes})

    def changing(self, paths: Iterable[Path]) -> "Registry":
        """Returns it with these files of its folder as unfinished."""
        return replace(self, unfinished=tuple(sorted(path.relative_to(self.folder).as_posix() for path in paths)))

    def without_suite(self, name: str) -> "Registry":
        """Returns it without an added suite and its languages."""
        suites = {each: suite for each, suite in self.suites.items() if each != name}
        return replace(self.without(name, *self.questions.get(name, ())), suites=suites)


def registries(folder: Path | None = None) -> tuple[Registry, ...]:
    """Returns what was changed, in the order in which it counts: in the box, then in `folder`, this person's where it is None.

    Raises:
        UserError: a registry is not what `write_registry` writes.
    """
    own = folder or Path(os.environ.get("XREASON_TASKS") or "xreason_tasks").expanduser().resolve()
    return tuple(map(read_registry, dict.fromkeys((TASKS_FOLDER, own))))


def read_registry(folder: Path) -> Registry:
    """Returns what a folder changes; nothing where it has no file.

    Raises:
        UserError: the file is not what `write_registry` writes.
    """
    path = folder / REGISTRY_FILE
    try:
        return replace(TypeAdapter(Registry).validate_json(path.read_bytes()), folder=folder)
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise UserError(f"{path} is a link to nothing; put back the file that you had.") from None
        return Registry(folder=folder)
    except ValidationError as error:
        said = error.errors()[0]
        what = ": ".join(filter(None, [".".join(map(str, said["loc"])), said["msg"]]))
        raise UserError(f"{path} is not as xreason wrote it ({what}); put back the one you had, for instance with git.") from error


def write_registry(registry: Registry) -> None:
    """Writes it into its folder, whole or not at all; where nothing is changed, no file is left."""
    content = TypeAdapter(Registry).dump_python(registry, mode="json", exclude={"folder"}, exclude_defaults=True)
    if content:
        write_whole(registry.folder / REGISTRY_FILE, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    else:
        (registry.folder / REGISTRY_FILE).unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Writes a file, whole or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
