"""What a corpus is made of, whoever writes it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from xreason.tasks.errors import UserError

Source = Literal["papers", "pocket"]


@dataclass(frozen=True)
class Example:
    """One pair that a stage trains on.

    Attributes:
        prompt: the framed instruction, ending in "### Response:"; no loss is taken on it.
        response: what the model shall write after it, verbatim; the end-of-text token is added by the training loop.
    """

    prompt: str
    response: str


@dataclass(frozen=True)
class CorpusReport:
    """What a corpus was, without its text.

    Attributes:
        name: of xreason.trainers.corpora.load.CORPORA.
        description: what it holds, in words.
        rows: examples.
        languages: codes of the languages that it teaches.
        where: the paths or hub ids it was read from.
        hash: SHA-256 of the examples.
        left_out: rows of the source that could not be paired with certainty, over all languages.
    """

    name: str
    description: str
    rows: int
    languages: tuple[str, ...]
    where: str
    hash: str
    left_out: int


@dataclass(frozen=True)
class Corpus(CorpusReport):
    """Text to train on, and where it came from.

    Attributes:
        examples: language by language, in the order of the file; the pocket's are mixed.
    """

    examples: tuple[Example, ...] = field(repr=False)

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


def taught(name: str, languages: Sequence[str]) -> tuple[str, ...]:
    """Returns which of the languages a corpus teaches: those of translation leave English out, english-reasoning has no other."""
    if name == "english-reasoning":
        return ("en",)
    return tuple(code for code in dict.fromkeys(languages) if code != "en" or "translation" not in name)
