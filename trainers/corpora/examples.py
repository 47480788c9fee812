"""What a corpus is made of, whoever writes it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.prompts import alpaca, translation_instruction

Source = Literal["papers", "pocket"]


@dataclass(frozen=True)
class Example:
    """One pair that a stage trains on."""

    prompt: str  #: the framed instruction, ending in "### Response:"; no loss is taken on it
    response: str  #: what the model shall write after it, verbatim; the end-of-text token is added by the training loop


@dataclass(frozen=True)
class CorpusReport:
    """What a corpus was, without its text."""

    name: str  #: of xreason.trainers.corpora.load.CORPORA
    description: str  #: what it holds, in words
    rows: int  #: examples
    languages: tuple[str, ...]  #: codes of the languages that it teaches
    where: str  #: the paths or hub ids it was read from
    hash: str  #: SHA-256 of the examples
    left_out: int  #: rows of the source that could not be paired with certainty, over all languages


@dataclass(frozen=True)
class Corpus(CorpusReport):
    """Text to train on, and where it came from."""

    examples: tuple[Example, ...] = field(repr=False)  #: language by language, in the order of the file; the pocket's are mixed

    @property
    def report(self) -> CorpusReport:
        """The corpus without its text."""
        return CorpusReport(**{each.name: getattr(self, each.name) for each in fields(CorpusReport)})


def make_corpus(
    name: str, description: str, languages: Sequence[str], where: str, examples: Sequence[Example], left_out: int = 0
) -> Corpus:
    """Returns a corpus of these examples, counted and hashed.

    Raises:
        UserError: there are none.
    """
    if not examples:
        raise UserError(f"The corpus {name} is empty for these languages; name at least one other than English it has text for.")
    digest = hashlib.sha256()
    for example in examples:
        digest.update(json.dumps([example.prompt, example.response]).encode())
    return Corpus(name, description, len(examples), tuple(languages), where, digest.hexdigest(), left_out, tuple(examples))


def reasoning(question: str, rationale: str) -> Example:
    """Returns the pair that asks a question, in the frame that models are scored with, and is answered by a rationale."""
    return Example(alpaca(question), rationale)


def translation(language: str, text: str, english: str) -> Example:
    """Returns the pair that translates a text of a language (a code) into English, with QAlign's instruction."""
    return Example(alpaca(translation_instruction(LANGUAGES[language].english, text)), english)


def taught(name: str, languages: Sequence[str]) -> tuple[str, ...]:
    """Returns which of the languages a corpus teaches: those of translation leave English out, english-reasoning has no other."""
    if name == "english-reasoning":
        return ("en",)
    return tuple(code for code in dict.fromkeys(languages) if code != "en" or "translation" not in name)
