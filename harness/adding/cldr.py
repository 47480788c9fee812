"""What Unicode's CLDR knows of a language, through Babel: its code, its names, the scripts it is written in."""

import difflib
import re

from babel import Locale
from babel.core import get_global
from babel.localedata import exists, locale_identifiers

from xreason.tasks.errors import UserError
from xreason.tasks.languages import Language

#: Codes of no language: collections, undetermined, no linguistic content.
_NO_LANGUAGES = {"mis", "mul", "und", "zxx"}

#: CLDR's scripts that are several of Unicode's, or a style of one.
_UNICODE_SCRIPTS = {
    **{"Hanb": ("Hani", "Bopo"), "Hans": ("Hani",), "Hant": ("Hani",), "Latf": ("Latn",), "Latg": ("Latn",)},
    **{"Jamo": ("Hang",), "Jpan": ("Hira", "Kana", "Hani"), "Kore": ("Hang", "Hani")},
}


def language(code: str) -> Language:
    """Returns a language by its ISO 639-1 or -3 code, under the code that CLDR prefers ("ita" is "it").

    Its name in itself is the one in English where CLDR has no text in the language.

    Raises:
        UserError: the code has a region or a script, or CLDR knows none such; names the nearest, by the language's name too.
    """
    asked, names = code.strip().lower(), _english_names()
    alone = asked.replace("_", "-").partition("-")[0]
    if alone != asked and alone in names:
        raise UserError(f"{code!r} is more than a language; regions and scripts have no suites of their own: give {alone!r}.")
    known = str(get_global("language_aliases").get(asked, asked)).partition("_")[0]
    if known not in names or known in _NO_LANGUAGES:
        raise UserError(f"CLDR knows no language {code!r}; {_nearest(asked)}give its ISO 639 code of two or three letters.")
    return Language(known, names[known], (Locale(known).get_language_name() if exists(known) else None) or names[known])


def scripts(code: str) -> tuple[str, ...]:
    """Returns the ISO 15924 codes of the scripts that a language is mostly written in, somewhere; none where CLDR does not say.

    They are those of CLDR's likely subtags: Serbian is in Cyrillic in Serbia and in Latin in Montenegro.
    """
    likely: dict[str, str] = get_global("likely_subtags")  # type: ignore[assignment]
    # a tag with a part of four letters says a script itself
    tags = (tag for tag in likely if tag.partition("_")[0] == code and not re.search("_[A-Za-z]{4}(_|$)", tag))
    return tuple(dict.fromkeys(likely[tag].split("_")[1] for tag in tags))


def unicode_scripts(code: str) -> tuple[str, ...]:
    """Returns the same as Unicode's scripts: Japanese is Hira, Kana and Hani."""
    return tuple(dict.fromkeys(each for script in scripts(code) for each in _UNICODE_SCRIPTS.get(script, (script,))))


def script_names(code: str) -> str:
    """Returns them in English, for people: "Cyrillic or Latin"."""
    names = Locale("en").scripts
    return " or ".join(str(names.get(script, script)) for script in scripts(code))


def _english_names() -> dict[str, str]:
    return {code: str(name) for code, name in Locale("en").languages.items() if "_" not in code}


def _nearest(text: str) -> str:
    codes = {name.lower(): code for code, name in _english_names().items()}
    for identifier in locale_identifiers():
        if "_" not in identifier and identifier in codes.values():
            codes.setdefault(str(Locale(identifier).get_language_name()).lower(), identifier)
    near = difflib.get_close_matches(text, codes, n=1, cutoff=0.75)
    return f"did you mean {codes[near[0]]!r} ({near[0].title()})? " if near else ""
