"""What a corpus is made of, whoever writes it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.prompts import prompt, translation_instruction
from xreason.trainers.stages import Frame

Source = Literal["papers", "pocket"]

#: What the words of a stage's text say where it stands in MathOctopus's frame.
IN_OCTOPUS = "in MathOctopus's frame"
#: Corpora that hold English, whatever languages are asked for.
ENGLISH_ONLY = ("english-reasoning", "gsm8k")


@dataclass(frozen=True)
class Example:
    """One pair that a stage trains on."""

    prompt: str  #: the framed instruction, ending in "### Response:"
    response: str  #: what the model shall write after it, verbatim; the end-of-text token is added by the training loop
    language: str = ""  #: code of the language that it teaches; of a translation, the one that is translated. "" for none
    rejected: str | None = None  #: what it shall write less readily than `response`, where the two are a pair to prefer between
    problem: str = ""  #: what the same problem is called in every language, where that is known; "" where it is not


@dataclass(frozen=True)
class CorpusReport:
    """What a corpus was, without its text."""

    name: str  #: of xreason.trainers.corpora.load.CORPORA, or of one's own, without the folders of its path
    description: str  #: what it holds, in words
    rows: int  #: examples
    languages: tuple[str, ...]  #: codes of the languages that it teaches
    where: str  #: the paths or hub ids it was read from
    hash: str  #: SHA-256 of the examples; of one's own of all rows, whichever are drawn
    left_out: int  #: rows of the source that could not be paired with certainty, over all languages
    #: the data sets that its text was made from, by names that suites say too (xreason.tasks.suites.Suite.in_domain); None where
    #: that is not known, as of one's own.
    sources: tuple[str, ...] | None


@dataclass(frozen=True)
class Corpus(CorpusReport):
    """Text to train on, and where it came from."""

    #: language by language, in the order of the file; the pocket's are mixed. One's own are read when they are asked for.
    examples: Sequence[Example] = field(repr=False)

    @property
    def report(self) -> CorpusReport:
        """The corpus without its text."""
        return CorpusReport(**{each.name: getattr(self, each.name) for each in fields(CorpusReport)})


def make_corpus(
    name: str,
    description: str,
    languages: Sequence[str],
    where: str,
    examples: Sequence[Example],
    left_out: int = 0,
    *,
    sources: Sequence[str] = (),
) -> Corpus:
    """Returns a corpus of these examples, counted and hashed.

    Raises:
        UserError: there are none.
    """
    if not examples:
        raise UserError(f"The corpus {name} is empty for these languages; name at least one other than English it has text for.")
    digest = hashlib.sha256()
    for example in examples:
        rejected = [] if example.rejected is None else [example.rejected]
        digest.update(json.dumps([example.prompt, example.response, *rejected]).encode())
    made = (name, description, len(examples), tuple(languages), where, digest.hexdigest(), left_out, tuple(sources))
    return Corpus(*made, tuple(examples))


def bare(example: Example) -> tuple[str, str]:
    """Returns what an example asks, without its frame and the instruction to translate, and what answers it."""
    asked = example.prompt.partition("### Instruction:\n")[2].rpartition("\n\n### Response:")[0] or example.prompt
    if example.language in LANGUAGES:
        asked = asked.removeprefix(translation_instruction(LANGUAGES[example.language].english, ""))
    return asked, example.response


def reasoning(language: str, question: str, rationale: str, frame: Frame = "alpaca", *, answered: str | None = None) -> Example:
    """Returns the pair that asks a question in a language (a code), and is answered by a rationale in it, or in `answered`."""
    return _framed(language, question, rationale, frame, answered or language)


def translation(language: str, text: str, english: str, frame: Frame = "alpaca") -> Example:
    """Returns the pair that translates a text of a language (a code) into English, with QAlign's instruction."""
    return _framed(language, translation_instruction(LANGUAGES[language].english, text), english, frame, "en")


def _framed(language: str, instruction: str, response: str, frame: Frame, answered: str) -> Example:
    asked = {"style": frame, "language": answered, "language_name": LANGUAGES[answered].english, "question": instruction}
    return joined(language, prompt(asked), response, frame)


def joined(language: str, prompt: str, response: str, frame: Frame) -> Example:
    """Returns the pair of a framed prompt and its response, with the spaces that the frame's own code puts before each."""
    space = " " if frame == "octopus" else ""
    return Example(space + prompt, space + response, language)


def taught(name: str, languages: Sequence[str]) -> tuple[str, ...]:
    """Returns which of the languages a corpus teaches: those of translation leave English out, the English ones have no other."""
    if name in ENGLISH_ONLY:
        return ("en",)
    return tuple(code for code in dict.fromkeys(languages) if code != "en" or "translation" not in name)
