"""The one table of languages that all suites share.

A language is known by its ISO 639-1 code, or its ISO 639-3 code where it has no shorter one. English names go into prompts
("from Swahili to English"), native names into tables that people read. `xreason language add` adds to it, with the names of CLDR.
"""

from dataclasses import dataclass

from xreason.tasks.added import Registry, registries


@dataclass(frozen=True)
class Language:
    """One language.

    Attributes:
        code: ISO 639 code, two lower-case letters, or three where there is no code of two.
        english: its name in English, as prompts and papers write it.
        native: its name in itself.
    """

    code: str
    english: str
    native: str


_IN_CODE = (
    Language("bn", "Bengali", "বাংলা"),
    Language("de", "German", "Deutsch"),
    Language("en", "English", "English"),
    Language("es", "Spanish", "español"),
    Language("fr", "French", "français"),
    Language("ja", "Japanese", "日本語"),
    Language("ru", "Russian", "русский"),
    Language("sw", "Swahili", "Kiswahili"),
    Language("te", "Telugu", "తెలుగు"),
    Language("th", "Thai", "ไทย"),
    Language("zh", "Chinese", "中文"),
)


def languages_with(*changes: Registry) -> dict[str, Language]:
    """Returns code to language: those in code, and those that registries add."""
    added = {code: Language(code, each.english, each.native) for change in changes for code, each in change.languages.items()}
    return {language.code: language for language in (*_IN_CODE, *(added[code] for code in sorted(added)))}


#: `xreason.tasks.suites.use` keeps it up with the registries.
LANGUAGES: dict[str, Language] = languages_with(*registries())

#: The ten languages over which MathOctopus, QAlign and SLAM average, in the order of their tables (MGSM has Telugu, they do not).
PAPER_LANGUAGES: tuple[str, ...] = ("en", "sw", "zh", "bn", "de", "es", "fr", "ja", "ru", "th")
