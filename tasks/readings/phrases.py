"""How languages declare an answer: "The answer is 18", "Jibu ni 18", "答えは18です"."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

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


#: English phrases count in every language too, since models answer in English.
PHRASES: dict[str, Phrases] = TypeAdapter(dict[str, Phrases]).validate_python(
    {code: said["answer"] for code, said in IN_BOX.items()}
)


@dataclass(frozen=True)
class Wording:
    """The phrases of one language and of English, ready to be looked for: nouns, the longest first, and patterns.

    `link` matches what leads from a noun to the number: group `verb` or `heading`, or neither where nothing is needed; `denial`
    what denies the number after it, and `denial_after`, where the language has such, the number before it.
    """

    nouns: tuple[str, ...]
    link: re.Pattern[str]
    dense: bool
    denial: re.Pattern[str]
    denial_after: re.Pattern[str] | None

    def denies(self, statement: str, start: int, match: re.Match[str]) -> bool:
        """Returns whether the statement, read from `start`, denies the number that `match` is."""
        after = self.denial_after is not None and self.denial_after.match(statement, match.end())
        return bool(after or self.denial.search(statement, start, match.start()))


def wording(language: str) -> Wording:
    """Returns the phrases of a language (its ISO 639 code); English ones alone where none of its own are known."""
    english, own = PHRASES["en"], PHRASES.get(language, PHRASES["en"])
    denials = rf"(?<!\w)(?:{alternatives({*own.denials, *english.denials})})(?!\w)"
    verbs = rf"(?<!\w)(?:{alternatives({*own.verbs, *english.verbs})})(?!\w)"
    between = r"[^.!?。।\n:：=\d]"
    dense = rf"|{between}{{0,10}}?(?:{alternatives(own.verbs)})" if own.dense else ""
    verb = rf"(?P<verb>{between}{{0,40}}?(?:{verbs}|[=≈]){dense})[\s:：]*"
    heading = r"""[^\s\d:：ঃ]{0,3}(?:\s?\([^()\d]{0,30}\))?[*_"”}]*(?P<heading>\s?[:：ঃ][*_]*(?:-(?=\s))?|\s[-—–]|\s*\n)\s*"""
    link = re.compile(f"{verb}|{heading}" + ("|" if own.bare else ""))
    return Wording(
        nouns=tuple(sorted({*own.nouns, *english.nouns}, key=len, reverse=True)),
        link=link,
        dense=own.dense,
        denial=re.compile("|".join([denials, *(own.denials if own.dense else ())])),
        denial_after=re.compile(rf"\W?.{{0,3}}?(?:{alternatives(own.denials_after)})") if own.denials_after else None,
    )


def alternatives(words: Iterable[str]) -> str:
    """Returns a pattern of any of the words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))
