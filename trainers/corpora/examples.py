"""What a corpus is made of, whoever writes it."""

from dataclasses import dataclass
from typing import Literal

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
class Corpus:
    """Text to train on, and where it came from.

    Attributes:
        name: one of CORPORA.
        description: what it holds, in words.
        rows: how many examples it has.
        languages: codes of the languages that it teaches.
        where: the paths or hub ids it was read from.
        hash: SHA-256 of the examples.
        left_out: rows of the source that could not be paired with certainty, over all languages.
        examples: language by language, in the order of the file; a report has none.
    """

    name: str
    description: str
    rows: int
    languages: tuple[str, ...]
    where: str
    hash: str
    left_out: int
    examples: tuple[Example, ...] = ()
