"""Whether a response is in its question's language, by lingua (https://github.com/pemistahl/lingua-py): offline, 75 languages.

Only letters are shown to it, for numbers and formulas belong to no language. How sure it is, is measured by
`python -m benchmarks.identification` on all questions of MGSM and MSVAMP.
"""

import importlib.metadata
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lingua import LanguageDetector

#: A text with fewer letters is not judged.
LEAST_LETTERS = 20
_MOST_LETTERS = 1000  # the start of a long response says as much as all of it
# LaTeX commands are no English words
_NO_LETTERS = re.compile(r"\\[A-Za-z]+|[\W\d_]+")


def identifier() -> str:
    """Returns what identifies languages, with its version, as boards say it."""
    return f"lingua {importlib.metadata.version('lingua-language-detector')}"


def in_language(texts: Sequence[str], language: str) -> str | None:
    """Returns for each text "1" where it is in `language` (a code), "0" where it is in another, "-" where it has too few letters.

    None where lingua does not know the language.
    """
    detector, known = _lingua()
    if language not in known:
        return None
    shown = [_NO_LETTERS.sub(" ", text[: 8 * _MOST_LETTERS]).strip()[:_MOST_LETTERS] for text in texts]
    judged = [index for index, text in enumerate(shown) if len(text) - text.count(" ") >= LEAST_LETTERS]
    flags = ["-"] * len(texts)
    different = list(dict.fromkeys(shown[index] for index in judged))
    found = dict(zip(different, detector.detect_languages_in_parallel_of(different), strict=True))
    for index in judged:
        each = found[shown[index]]
        flags[index] = "1" if each is not None and each.iso_code_639_1.name.lower() == language else "0"
    return "".join(flags)


@cache
def _lingua() -> tuple["LanguageDetector", frozenset[str]]:
    from lingua import Language, LanguageDetectorBuilder

    known = frozenset(language.iso_code_639_1.name.lower() for language in Language.all())
    return LanguageDetectorBuilder.from_all_languages().build(), known
