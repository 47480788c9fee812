"""What `xreason language` and `xreason suite` changed: languages and suites added to, and taken out of, the tables in code.

It is one file, `tasks/added.json`, sorted so that its differences read well; no file means that nothing was changed:

    {
     "languages": {"it": {"english": "Italian", "native": "italiano"}},
     "questions": {"mgsm": {"it": {"file": true, "questions": 10}}},
     "removed": {"msvamp": ["th"]},
     "suites": {"afrimgsm": {"hub": null, "max_new_tokens": 600, "source": "arXiv 2406.03368, Apache-2.0", "title": "AfriMGSM"}}
    }

The tables are in languages.py, suites.py and data.py; this file only says how they differ.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from xreason.tasks.errors import UserError

PATH = Path(__file__).parent / "added.json"

#: A suite's name is a folder and the beginning of its tasks' names, a language's code their end; neither can leave the folder.
SUITE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
CODE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True)
class AddedQuestions:
    """The questions of an added language.

    Attributes:
        questions: how many.
        file: whether they stand beside the language's YAML task (`tasks/mgsm/mgsm_it.jsonl`); else they are where the suite's are.
        config: the config of the suite's hub data set that has them, where that is not the code.
    """

    questions: int
    file: bool = False
    config: str | None = None


@dataclass(frozen=True)
class Hub:
    """A data set on the Hugging Face hub, split `test`.

    Attributes:
        id: OWNER/NAME.
        question: its column with the question.
        answer: its column with the gold answer.
    """

    id: str
    question: str
    answer: str


@dataclass(frozen=True)
class AddedSuite:
    """An added suite; attributes as in `xreason.tasks.suites.Suite`. `hub` is None where all its questions came from files."""

    title: str
    source: str
    max_new_tokens: int
    hub: Hub | None = None


@dataclass(frozen=True)
class Registry:
    """All that was changed.

    Attributes:
        languages: code to the names in English and in itself, of languages that the table in code lacks.
        suites: name to an added suite.
        questions: suite to code to the questions that were added to it.
        removed: suite in code to the codes that were taken out of it.
        unfinished: suite to the codes whose files were being changed when the program ended; empty but for that time.
    """

    languages: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    suites: Mapping[str, AddedSuite] = field(default_factory=dict)
    questions: Mapping[str, Mapping[str, AddedQuestions]] = field(default_factory=dict)
    removed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unfinished: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def with_questions(self, suite: str, code: str, names: tuple[str, str] | None, questions: AddedQuestions) -> "Registry":
        """Returns it with a language more in a suite; `names` are those of a language that the table in code lacks."""
        languages = {**self.languages, code: names} if names else self.languages
        added = {**self.questions, suite: {**self.questions.get(suite, {}), code: questions}}
        return replace(self, languages=languages, questions=added)

    def without(self, suite: str, code: str) -> "Registry":
        """Returns it without an added language of a suite, and without its names where no suite has it any more."""
        kept = {
            name: {each: value for each, value in codes.items() if (name, each) != (suite, code)}
            for name, codes in self.questions.items()
        }
        used = {each for codes in kept.values() for each in codes}
        languages = {each: names for each, names in self.languages.items() if each in used}
        return replace(self, languages=languages, questions={name: codes for name, codes in kept.items() if codes})

    def with_removed(self, suite: str, code: str) -> "Registry":
        """Returns it with a language in code taken out of a suite."""
        return replace(self, removed={**self.removed, suite: (*self.removed.get(suite, ()), code)})

    def with_restored(self, suite: str, code: str) -> "Registry":
        """Returns it with a language in code back in its suite."""
        left = tuple(each for each in self.removed.get(suite, ()) if each != code)
        others = {name: codes for name, codes in self.removed.items() if name != suite}
        return replace(self, removed=others | ({suite: left} if left else {}))

    def without_suite(self, name: str) -> "Registry":
        """Returns it without an added suite and its languages."""
        registry = self
        for code in self.questions.get(name, {}):
            registry = registry.without(name, code)
        return replace(registry, suites={each: suite for each, suite in self.suites.items() if each != name})


def read_registry(path: Path = PATH) -> Registry:
    """Returns what was changed; nothing where there is no file.

    Raises:
        UserError: the file is not what `write_registry` writes.
    """
    try:
        return _registry(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Registry()
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UserError(
            f"{path} is not as xreason wrote it ({type(error).__name__}: {error}); put back the one you had, for instance with git."
        ) from error


def write_registry(registry: Registry, path: Path = PATH) -> None:
    """Writes it, whole or not at all; where nothing is changed, no file is left."""
    if registry == Registry():
        path.unlink(missing_ok=True)
        return
    content = asdict(registry)
    content["languages"] = {code: {"english": english, "native": native} for code, (english, native) in registry.languages.items()}
    content["questions"] = {
        suite: {code: _said(each) for code, each in codes.items()} for suite, codes in registry.questions.items()
    }
    text = json.dumps({key: value for key, value in content.items() if value}, indent=1, sort_keys=True, ensure_ascii=False)
    aside = path.with_suffix(".partial")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _said(questions: AddedQuestions) -> dict[str, Any]:
    return {key: value for key, value in asdict(questions).items() if value}


def _registry(content: Any) -> Registry:
    registry = Registry(
        languages={code: (str(names["english"]), str(names["native"])) for code, names in content.get("languages", {}).items()},
        suites={
            name: AddedSuite(**{**each, "hub": Hub(**each["hub"]) if each["hub"] else None})
            for name, each in content.get("suites", {}).items()
        },
        questions={
            suite: {code: AddedQuestions(**each) for code, each in codes.items()}
            for suite, codes in content.get("questions", {}).items()
        },
        removed={suite: tuple(codes) for suite, codes in content.get("removed", {}).items()},
        unfinished={suite: tuple(codes) for suite, codes in content.get("unfinished", {}).items()},
    )
    per_suite = (registry.questions, registry.removed, registry.unfinished)
    for name in (*registry.suites, *(name for table in per_suite for name in table)):
        if not SUITE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no suite's name")
    for code in (*registry.languages, *(code for table in per_suite for codes in table.values() for code in codes)):
        if not CODE.fullmatch(code):
            raise ValueError(f"{code!r} is no language's code")
    return registry
