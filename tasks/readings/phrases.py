"""How languages declare an answer: "The answer is 18", "Jibu ni 18", "答えは18です"."""

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from xreason.tasks.languages import IN_BOX


@dataclass(frozen=True)
class Phrases:
    """How a language declares an answer, all in lower case."""

    nouns: tuple[str, ...]  #: what "answer" is called
    #: what stands between the noun and the number; a colon, an equals sign and a line break do so in every language.
    verbs: tuple[str, ...]
    denials: tuple[str, ...]  #: words that deny the number after them ("not 12 but 15")
    denials_after: tuple[str, ...] = ()  #: words that deny the number before them, where the verb comes last ("12ではなく15")
    dense: bool = False  #: whether it is written without spaces between words
    bare: bool = False  #: whether the number may follow the noun with nothing between them ("సమాధానం 39")


@dataclass(frozen=True)
class Asides:
    """What a language says beside the quantity that a sentence is about, in lower case; N stands for a number.

    An aside is a pattern of a number that only says when, how long, for what, of how many: "in N days", "out of N".
    """

    asides: tuple[str, ...]
    given: tuple[str, ...]  #: words right before numbers that were known before ("the 72 eggs")
    turns: tuple[str, ...]  #: words behind which a sentence goes on to something else ("which", "so")
    words: tuple[str, ...] = ()  #: of English alone: words of it that the other languages have not


#: English phrases count in every language too, since models answer in English.
PHRASES: dict[str, Phrases] = TypeAdapter(dict[str, Phrases]).validate_python(
    {code: said["answer"] for code, said in IN_BOX.items()}
)
ASIDES: dict[str, Asides] = TypeAdapter(dict[str, Asides]).validate_python(
    {code: said["sentence"] for code, said in IN_BOX.items()}
)

_FURTHER = json.loads((Path(__file__).parent / "phrases.json").read_text(encoding="utf-8"))

#: The same with those of phrases.json, of languages whose numbers no suite asks for: they declare expressions and choices.
ALL_PHRASES = PHRASES | TypeAdapter(dict[str, Phrases]).validate_python(
    {code: said["answer"] for code, said in _FURTHER.items() if "answer" in said and code not in PHRASES}
)
#: What the options of a choice are called, in lower case, and letters that stand for the first of them in another script.
OPTIONS: dict[str, tuple[str, ...]] = {code: tuple(said["options"]) for code, said in _FURTHER.items()}
OPTION_LETTERS: dict[str, str] = {code: said["letters"] for code, said in _FURTHER.items() if "letters" in said}


@dataclass(frozen=True)
class Doubts:
    """What says of an option beside it that it is not the answer, or only supposes so: patterns in lower case."""

    wrong: tuple[str, ...]  #: before an option, before what "answer" is called, or behind an option ("not", "wrong")
    wrong_behind: tuple[str, ...] = ()  #: behind an option alone, where the verb comes last
    supposed: tuple[str, ...] = ()  #: before it alone ("if")


DOUBTS: dict[str, Doubts] = {
    code: Doubts(tuple(said["wrong"]), tuple(said.get("wrong_behind", ())), tuple(said.get("if", ())))
    for code, said in _FURTHER.items()
}


@dataclass(frozen=True)
class Wording:
    """The phrases of one language and of English, ready to be looked for: nouns, the longest first, and patterns.

    Those of the nouns in `english` are English alone. `link` matches what leads from a noun to the number: group `verb` or
    `heading`, or neither where nothing is needed; `denial` what denies the number after it, and `denial_after`, where the language
    has such, the number before it. `aside` matches a number, written N, that stands beside what its sentence is about; `given` the
    end of what stands before a number that was known; `turn` where a sentence goes on to something else.
    """

    nouns: tuple[str, ...]
    english: frozenset[str]
    link: re.Pattern[str]
    dense: bool
    denial: re.Pattern[str]
    denial_after: re.Pattern[str] | None
    aside: re.Pattern[str]
    given: re.Pattern[str]
    turn: re.Pattern[str]

    def last_nouns(self, lowered: str, most: int) -> list[tuple[int, int]]:
        """Returns where the last nouns of a text in lower case, `most` at most, begin and end, the last first."""
        return [match.span() for match in deque(_nouns(self.nouns, self.dense).finditer(lowered), most)][::-1]

    def denies(self, statement: str, start: int, match: re.Match[str]) -> bool:
        """Returns whether the statement, read from `start`, denies the number that `match` is."""
        after = self.denial_after is not None and self.denial_after.match(statement, match.end())
        return bool(after or self.denial.search(statement, start, match.start()))


@cache
def _nouns(nouns: tuple[str, ...], dense: bool) -> re.Pattern[str]:
    apart = [noun for noun in nouns if noun.isascii() or not dense]
    return re.compile(
        "|".join([rf"(?<![^\W\d_])(?:{alternatives(apart)})", *(re.escape(noun) for noun in nouns if noun not in apart)])
    )


def lower(text: str) -> str:
    """Returns `text` in lower case, as long as it was."""
    return "".join(small if len(small := each.lower()) == 1 else each for each in text)


def wording(language: str, phrases: Mapping[str, Phrases] = PHRASES) -> Wording:
    """Returns the phrases of a language (its ISO 639 code); English ones alone where none of its own are known."""
    english, own = phrases["en"], phrases.get(language, phrases["en"])
    beside = (ASIDES.get(language, ASIDES["en"]), ASIDES["en"])
    given, turns = ({*beside[0].given, *beside[1].given}, {*beside[0].turns, *beside[1].turns})
    denials = rf"(?<!\w)(?:{alternatives({*own.denials, *english.denials})})(?!\w)"
    verbs = rf"(?<!\w)(?:{alternatives({*own.verbs, *english.verbs})})(?!\w)"
    between = r"[^.!?。।\n:：=\d]"
    dense = rf"|{between}{{0,10}}?(?:{alternatives(own.verbs)})" if own.dense else ""
    verb = rf"(?P<verb>{between}{{0,40}}?(?:{verbs}|[=≈]){dense})[\s:：]*"
    heading = r"""[^\s\d:：ঃ]{0,3}(?:\s?\([^()\d]{0,30}\))?[*_"”}]*(?P<heading>\s?[:：ঃ][*_]*(?:-(?=\s))?|\s[-—–]|\s*\n)\s*"""
    link = re.compile(f"{verb}|{heading}" + ("|" if own.bare else ""))
    return Wording(
        nouns=tuple(sorted({*own.nouns, *english.nouns}, key=len, reverse=True)),
        english=frozenset(english.nouns).difference(phrases[language].nouns if language in phrases else ()),
        link=link,
        dense=own.dense,
        denial=re.compile("|".join([denials, *(own.denials if own.dense else ())])),
        denial_after=re.compile(rf"\W?.{{0,3}}?(?:{alternatives(own.denials_after)})") if own.denials_after else None,
        aside=re.compile("|".join({pattern: None for each in beside for pattern in each.asides})),
        given=re.compile(rf"(?<!\w)(?:{alternatives(given)})\s?\Z"),
        turn=re.compile(
            rf"[,;:—–、，；：،]|(?<!\w)(?:{alternatives(turns)})(?!\w)" + (f"|{alternatives(beside[0].turns)}" if own.dense else "")
        ),
    )


@cache
def conjunctions(language: str) -> tuple[str, ...]:
    """Returns the words for "and" and "or" of a language and of English, in lower case, as CLDR joins lists, and another "or".

    Raises:
        ValueError: CLDR knows no language of that code.
    """
    from babel import Locale, UnknownLocaleError

    try:
        locales = [Locale.parse(language.replace("-", "_")), Locale.parse("en")]
    except (UnknownLocaleError, ValueError, TypeError) as error:
        raise ValueError(f"{language!r} is no language that CLDR knows; use its ISO 639-1 code, such as 'sw'.") from error
    joined = {locale.list_patterns[kind]["2"] for locale in locales for kind in ("standard", "or") if kind in locale.list_patterns}
    joined |= {*_FURTHER.get(locales[0].language, {}).get("or", ())}
    return tuple(sorted({re.sub(r"\{\d\}|[,、]", "", each).strip().lower() for each in joined} - {""}))


def alternatives(words: Iterable[str]) -> str:
    """Returns a pattern of any of the words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


#: Two words, within some twenty, that make a text English.
ENGLISH = re.compile(
    rf"\b({alternatives(ASIDES['en'].words)})\b(?=.{{1,160}}?\b(?!\1\b)(?:{alternatives(ASIDES['en'].words)})\b)", re.DOTALL
)
