"""The one table of languages that all suites share: cldr/table.json, and languages.json beside this file.

A language is known by its ISO 639-1 code, or its ISO 639-3 code where it has no shorter one. English names go into prompts
("from Swahili to English"), native names into tables that people read. They are CLDR's, but for those of MGSM, which
languages.json has as the papers' prompts do; what else it says of these is for prompts.py (`prompt`) and readings/phrases.py
(`answer`, `sentence`). `xreason language add` adds languages, with the names of CLDR.
"""

import json
from dataclasses import dataclass
from typing import Any

from xreason.tasks.added import TASKS_FOLDER, Registry, registries


@dataclass(frozen=True)
class Language:
    """A language: its ISO 639 code in lower case, its name in English, as prompts and papers write it, and its name in itself."""

    code: str
    english: str
    native: str


#: Language code to its names, script, family and class of resources, see xreason.tasks.cldr.groups.
TABLE: dict[str, dict[str, Any]] = json.loads((TASKS_FOLDER / "cldr" / "table.json").read_text(encoding="utf-8"))

#: Language code to all that languages.json says.
IN_BOX: dict[str, dict[str, Any]] = json.loads((TASKS_FOLDER / "languages.json").read_text(encoding="utf-8"))


def languages_with(*changes: Registry) -> dict[str, Language]:
    """Returns code to language: those in the box, and those that registries add."""
    added = {code: Language(code, each.english, each.native) for change in changes for code, each in change.languages.items()}
    told = IN_BOX | {code: each for code, each in TABLE.items() if code not in IN_BOX}
    return {code: Language(code, each["english"], each["native"]) for code, each in told.items()} | dict(sorted(added.items()))


#: `xreason.tasks.suites.use` keeps it up with the registries.
LANGUAGES: dict[str, Language] = languages_with(*registries())

#: The ten languages over which MathOctopus, QAlign and SLAM average, in the order of their tables (MGSM has Telugu, they do not).
PAPER_LANGUAGES: tuple[str, ...] = ("en", "sw", "zh", "bn", "de", "es", "fr", "ja", "ru", "th")
