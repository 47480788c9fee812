"""How many rows the papers' sets have, as published, and about how long one is: what a plan goes by where a set is not here.

Nothing is ever trained on by these numbers. Where a set is here, its own rows are counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy

from xreason.trainers.corpora.examples import reasoning, translation
from xreason.trainers.stages import Frame

#: GSM8KInstruct_Parallel (microsoft/MathOctopus, README L53).
_OCTOPUS = {
    **{"en": 7473, "sw": 7472, "zh": 7466, "bn": 6539, "de": 7466},
    **{"es": 7470, "fr": 7469, "ja": 7471, "ru": 7361, "th": 7473},
}
#: QAlign's pairs (NJUNLP/QAlign, data/gsmtrans; Bengali's and Thai's counted on their English side).
_QALIGN = {"bn": 6525, "de": 7464, "es": 7468, "fr": 7464, "ja": 7466, "ru": 7360, "sw": 7469, "th": 7466, "zh": 7363}

#: Name of a corpus to the rows a language, and whose they are.
ROWS: Mapping[str, tuple[Mapping[str, int], str]] = {
    "question-translation": (_QALIGN, "QAlign's pairs"),
    # as many as there are problems; those that cannot be paired with certainty fall out
    "answer-translation": (_OCTOPUS, "rows of GSM8KInstruct_Parallel, of which not all can be paired"),
    "multilingual-reasoning": (_OCTOPUS, "rows of GSM8KInstruct_Parallel"),
    "english-reasoning": ({"en": 395_000}, "rows of MetaMathQA, taken to be as long as GSM8K's"),
    "gsm8k": ({"en": 7473}, "rows of GSM8K"),
}


@dataclass(frozen=True)
class Vocabulary:
    """What a tokenizer of about this size makes of text; measured with mistral-common's, of 32,000 and of 131,072 tokens."""

    question: float  #: tokens of an English question of GSM8K, on average
    rationale: float  #: of its rationale
    #: tokens of MGSM's questions in a language over those in English
    against_english: Mapping[str, float]
    #: tokens a character: ASCII's letters and spaces, its other characters, and what begins with bytes C2, D0, E0, E3 and E4 on:
    #: Latin with accents, Cyrillic (and Greek, Hebrew, Arabic), Indic and Thai, kana, Han and Hangul. Least squares over MGSM.
    by_script: tuple[float, ...]


_SMALL = Vocabulary(
    64.7,
    98.1,
    {"sw": 1.75, "zh": 1.52, "bn": 4.17, "de": 1.41, "es": 1.36, "fr": 1.38, "ja": 1.89, "ru": 1.61, "th": 3.23, "te": 6.43},
    (0.25, 0.72, 3.6, 0.45, 1.28, 1.08, 1.33),
)
_LARGE = Vocabulary(
    60.7,
    92.0,
    {"sw": 1.61, "zh": 1.37, "bn": 1.88, "de": 1.18, "es": 1.16, "fr": 1.15, "ja": 1.4, "ru": 1.34, "th": 1.99, "te": 2.08},
    (0.21, 0.6, 2.3, 0.34, 0.55, 0.66, 1.13),
)
#: Between the two in ratio.
_LARGE_FROM = 65_000
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "
_SCRIPTS = (0x00, 0x80, 0xC2, 0xD0, 0xE0, 0xE3, 0xE4, 0x100)


def vocabulary(size: int) -> Vocabulary:
    """Returns what is reckoned with for a tokenizer of so many tokens."""
    return _LARGE if size >= _LARGE_FROM else _SMALL


def estimated_tokens(text: str, words: Vocabulary) -> float:
    """Returns about how many tokens a text is, by its characters; within a quarter in most languages, Swahili is a third more."""
    bytes_of = numpy.bincount(numpy.frombuffer(text.encode(), dtype=numpy.uint8), minlength=256)
    letters = int(bytes_of[list(_LETTERS)].sum())
    ascii_, _, *others = (int(bytes_of[low:high].sum()) for low, high in pairwise(_SCRIPTS))
    return float(numpy.dot((letters, ascii_ - letters, *others), words.by_script))


def published_rows(corpus: str, language: str) -> int | None:
    """Returns how many rows a corpus has in a language, as published; None where that is not known."""
    return ROWS[corpus][0].get(language) if corpus in ROWS else None


def published_tokens(corpus: str, language: str, frame: Frame, words: Vocabulary) -> float:
    """Returns about how many tokens a row is: its frame's own, those of GSM8K in English, and in the language as MGSM's questions.

    A language that MGSM has not is taken to need twice English's.
    """
    factor = 1.0 if language == "en" else words.against_english.get(language, 2.0)
    framed = translation(language, "", "", frame) if corpus.endswith("-translation") else reasoning(language, "", "", frame)
    parts = {
        "question-translation": words.question * (factor + 1),
        "answer-translation": words.rationale * (factor + 1),
    }
    text = parts.get(corpus, (words.question + words.rationale) * factor)
    # and the tokens that begin and end a text
    return estimated_tokens(framed.prompt, words) + text + 2
