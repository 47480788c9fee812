"""What Unicode's CLDR knows of a language, through Babel: its code in any spelling, its names, the scripts it is written in."""

import difflib
import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from xreason.tasks.cldr.groups import GROUPS
from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES, TABLE, Language
from xreason.tasks.names import unknown

#: Codes of no language: collections, undetermined, no linguistic content.
_NO_LANGUAGES = {"mis", "mul", "und", "zxx"}

#: CLDR's scripts that are several of Unicode's, or a style of one.
_UNICODE_SCRIPTS = {
    **{"Hanb": ("Hani", "Bopo"), "Hans": ("Hani",), "Hant": ("Hani",), "Latf": ("Latn",), "Latg": ("Latn",)},
    **{"Jamo": ("Hang",), "Jpan": ("Hira", "Kana", "Hani"), "Kore": ("Hang", "Hani")},
}

#: Language, script, region, as in swh_Latn (Flores, Belebele) and pt-BR.
_TAG = re.compile(r"([a-z]{2,3})(?:[_-]([A-Z][a-z]{3}))?(?:[_-]([A-Z]{2}|[0-9]{3}))?")
#: Scripts that are several.
_WRITTEN = {"Kore": ("Kore", "Hang"), "Jpan": ("Jpan", "Hira", "Kana")}
#: Spellings of published sets that no standard knows: X-CSQA's for Japanese.
_OF_SETS = {"jap": "ja"}


def language(code: str) -> Language:
    """Returns a language by its ISO 639-1 or -3 code, under the code that CLDR prefers ("ita" is "it", "swh_Latn" is "sw").

    Its name in itself is the one in English where CLDR has no text in the language. A script may stand behind the code where it is
    the one that the language is written in.

    Raises:
        UserError: the code has a region or another script, or CLDR knows none such; names the nearest, by the language's name too.
    """
    asked, names = code.strip().lower(), _english_names()
    cased = re.sub("(?<=[-_])[a-z]{4}$", lambda script: script[0].title(), asked)
    if (parts := _TAG.fullmatch(cased)) and parts[2] and (alone := _preferred(parts[1])) in names:
        if parts[2] not in (_likely_script(alone), *_usual(alone)):
            raise UserError(f"{code!r} is another script than that of the suites' questions; give {alone!r}.")
        asked = alone
    alone = asked.replace("_", "-").partition("-")[0]
    if alone != asked and _preferred(alone) in names:
        said = f"{code!r} is more than a language; regions and scripts have no suites of their own"
        raise UserError(f"{said}: give {_preferred(alone)!r}.")
    known = _preferred(asked)
    if known not in names or known in _NO_LANGUAGES:
        raise UserError(f"CLDR knows no language {code!r}; {_nearest(asked)}give its ISO 639 code of two or three letters.")
    from babel import Locale
    from babel.localedata import exists

    return Language(known, names[known], (Locale(known).get_language_name() if exists(known) else None) or names[known])


def language_of(tag: str) -> str | None:
    """Returns the code of a language by any usual tag: "sw" for swh_Latn and swa, "bn_Latn" where the script is not the usual one.

    None for what is no language that CLDR has locales or a shorter code for: tags stand in names, among words.
    """
    from babel.localedata import exists

    parts = _TAG.fullmatch(tag)
    if parts is None:
        return None
    code, script, region = parts.groups()
    known = _preferred(code)
    # with a script beside it, three letters are a language's for sure; alone they may be a word
    if not exists(known) and known == code and not (script and known in _likely()):
        return None
    usual = _usual(known)
    return "_".join([known, *(part for part in (script, region) if part and usual and part not in usual)])


def chosen(spellings: Iterable[str], known: Collection[str] = ()) -> tuple[str, ...]:
    """Returns the codes of the table that are meant, each once: languages in any usual spelling, or names of groups ("low").

    `known` are codes beside the table's, which tasks of lm-eval have: ta, bn_Latn.

    Raises:
        UserError: one is no language of these and no group; names the code that CLDR prefers, or the nearest.
    """
    codes: dict[str, None] = {}
    by_name = {each.english.lower(): each.code for each in LANGUAGES.values()}
    for spelling in spellings:
        asked = spelling.strip().lower()
        if asked in LANGUAGES:
            codes[asked] = None
        elif spelling.strip() in known:
            codes[spelling.strip()] = None
        elif asked in GROUPS:
            codes |= dict.fromkeys(GROUPS[asked])
        else:
            codes[_in_table(spelling, by_name.get(asked), known)] = None
    return tuple(codes)


def _in_table(spelling: str, named: str | None, known: Collection[str]) -> str:
    asked = spelling.strip().lower()
    if named is None and re.fullmatch(r"[a-z]{2,3}([-_][a-z0-9]+)*", asked):
        try:
            code = language(asked).code
        except UserError as error:
            if "give '" in str(error):
                raise
        else:
            if code in LANGUAGES or code in known:
                return code
            if code != asked:
                raise unknown(f"language {spelling!r}, in short", code, LANGUAGES)
    raise unknown("language", spelling, LANGUAGES, nearest=named)


def scripts(code: str) -> tuple[str, ...]:
    """Returns the ISO 15924 codes of the scripts that a language is mostly written in, somewhere; none where CLDR does not say.

    They are those of CLDR's likely subtags: Serbian is in Cyrillic in Serbia and in Latin in Montenegro.
    """
    likely = _likely()
    # a tag with a part of four letters says a script itself
    tags = (tag for tag in likely if tag.partition("_")[0] == code and not re.search("_[A-Za-z]{4}(_|$)", tag))
    return tuple(dict.fromkeys(likely[tag].split("_")[1] for tag in tags))


def unicode_scripts(code: str) -> tuple[str, ...]:
    """Returns the same as Unicode's scripts: Japanese is Hira, Kana and Hani."""
    return tuple(dict.fromkeys(each for script in scripts(code) for each in _UNICODE_SCRIPTS.get(script, (script,))))


def script_names(code: str) -> str:
    """Returns them in English, for people: "Cyrillic or Latin"."""
    from babel import Locale

    names = Locale("en").scripts
    return " or ".join(str(names.get(script, script)) for script in scripts(code))


def main_script(code: str) -> str:
    """Returns the name of the one that CLDR takes where nothing else is said: "Latin", and "Han" for both of its styles."""
    from babel import Locale

    script = _likely_script(code)
    return str(Locale("en").scripts["Hani" if script in ("Hans", "Hant") else script])


def _likely() -> dict[str, str]:
    from babel.core import get_global

    return get_global("likely_subtags")  # type: ignore[return-value]


def _usual(code: str) -> tuple[str, ...]:
    """Returns the script and the region that CLDR takes for a language where nothing else is said."""
    return tuple(each for part in _likely().get(code, "").split("_")[1:] for each in _WRITTEN.get(part, (part,)))


def _likely_script(code: str) -> str:
    # a language that CLDR says nothing of but its region: vai
    said = _likely().get(code) or next((full for full in _likely().values() if full.partition("_")[0] == code), f"{code}_Latn")
    return said.split("_")[1]


def _preferred(code: str) -> str:
    from babel.core import get_global

    said = _OF_SETS.get(code, code)
    return str(get_global("language_aliases").get(said, said)).partition("_")[0]


def _english_names() -> dict[str, str]:
    from babel import Locale

    return {code: str(name) for code, name in Locale("en").languages.items() if "_" not in code}


def _nearest(text: str) -> str:
    from babel import Locale
    from babel.localedata import locale_identifiers

    codes = {name.lower(): code for code, name in _english_names().items()}
    for identifier in locale_identifiers():
        if "_" not in identifier and identifier in codes.values():
            codes.setdefault(str(Locale(identifier).get_language_name()).lower(), identifier)
    near = difflib.get_close_matches(text, codes, n=1, cutoff=0.75)
    return f"did you mean {codes[near[0]]!r} ({near[0].title()})? " if near else ""


def table_anew() -> str:
    """Returns the table of groups.py with the names and scripts of the CLDR at hand."""
    lines = []
    for code, said in sorted(TABLE.items()):
        named = language(code)
        row = {"english": named.english, "native": named.native, "script": main_script(code)}
        lines.append(f' "{code}": {json.dumps(row | {key: said[key] for key in ("family", "resource")}, ensure_ascii=False)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    (Path(__file__).parent / "table.json").write_text(table_anew(), encoding="utf-8")
