"""The one table of languages that all suites share.

A language is known by its ISO 639-1 code. English names go into prompts ("from Swahili to English"), native names into tables
that people read.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """One language.

    Attributes:
        code: ISO 639-1 code, two lower-case letters.
        english: its name in English, as prompts and papers write it.
        native: its name in itself.
    """

    code: str
    english: str
    native: str


LANGUAGES: dict[str, Language] = {
    language.code: language
    for language in (
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
}

#: The ten languages over which MathOctopus, QAlign and SLAM average, in the order of their tables (MGSM has Telugu, they do not).
PAPER_LANGUAGES: tuple[str, ...] = ("en", "sw", "zh", "bn", "de", "es", "fr", "ja", "ru", "th")
