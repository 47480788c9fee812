"""Training text: what each corpus of the papers holds, and where it is read from.

| corpus | instruction | response | folder of --data | else from the hub |
|---|---|---|---|---|
| question-translation | translate a question | it in English | question_translation/XX-en | GSM8KInstruct_Parallel, aligned |
| answer-translation | translate a rationale | it in English | gsm8kinstruct_parallel, aligned | the same |
| english-reasoning | a question in English | its rationale | metamath | MetaMathQA |
| gsm8k | a question in English | its rationale | gsm8k | gsm8k |
| multilingual-reasoning | a question in a language | its rationale, in it | gsm8kinstruct_parallel | the same |

The pocket corpora of the same names are generated (pocket.py). All instructions stand in a frame that models are scored with; in
"octopus", multilingual-reasoning is each row's own prompt, and the others ask for an answer in the language that is answered in.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path

from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.names import canonical, unknown
from xreason.trainers.corpora import octopus, pocket
from xreason.trainers.corpora.examples import Corpus, Example, Source, joined, make_corpus, reasoning, taught, translation
from xreason.trainers.corpora.own.load import load_own
from xreason.trainers.corpora.own.packages import package_names
from xreason.trainers.corpora.own.references import is_reference
from xreason.trainers.corpora.rows import find_json_file, load_hub_rows, read_json_rows, read_lines
from xreason.trainers.stages import Frame

_METAMATH, _GSM8K = "meta-math/MetaMathQA", "openai/gsm8k"
_CALCULATOR = re.compile(r"<<[^<>]*>>")


@dataclass(frozen=True)
class _Part:
    """What one language adds to a corpus; `words` describe all of it."""

    words: str
    examples: list[Example]
    where: str
    left_out: int = 0


def load_corpus(
    name: str,
    languages: Sequence[str],
    *,
    source: Source,
    data: Path | None = None,
    rows: int | None = None,
    seed: int = 0,
    frame: Frame = "alpaca",
) -> Corpus:
    """Returns a corpus.

    Args:
        name: one of CORPORA; for the source "pocket", of xreason.trainers.corpora.pocket.CORPORA; or one's own, see the room own,
            which is taken in all its languages.
        languages: codes. Translation corpora leave English out, english-reasoning and gsm8k take nothing else.
        source: "papers" reads published sets, "pocket" generates.
        data: folder with local copies; what it lacks is looked for on the hub.
        rows: at most so many rows a language, drawn by `seed`; they stay in order.
        seed: of that draw.
        frame: that instructions stand in.

    Raises:
        UserError: the name or a language is unknown, a set is missing or damaged, or nothing is left to train on.
    """
    if is_own(name, source):
        return load_own(name, rows=rows, seed=seed, frame=frame)
    name = canonical(name)
    known = pocket.CORPORA if source == "pocket" else CORPORA
    if name not in known:
        raise unknown("corpus", name, (*known, *package_names(), "file:PATH", "hub:OWNER/NAME"))
    for code in languages:
        if code not in LANGUAGES:
            raise unknown("language", code, LANGUAGES)
    if source == "pocket":
        return pocket.write_corpus(name, languages, rows=rows, seed=seed, frame=frame)
    shelf, codes = _Shelf(data, frame), taught(name, languages)
    parts = [_sampled(_READERS[name](shelf, code), rows, f"{seed} {name} {code}") for code in codes]
    where = ", ".join(dict.fromkeys(part.where for part in parts))
    examples = [example for part in parts for example in part.examples]
    left_out = sum(part.left_out for part in parts)
    return make_corpus(name, parts[0].words if parts else "", codes, where, examples, left_out, sources=MADE_FROM[name])


def is_own(name: str, source: Source) -> bool:
    """Returns whether a corpus is one's own: named by its place, or brought by a package under a name that none in the box has."""
    known = pocket.CORPORA if source == "pocket" else CORPORA
    return is_reference(name) or (canonical(name) not in known and canonical(name) in package_names())


def _sampled(part: _Part, rows: int | None, seed: str) -> _Part:
    """Draws rows of one language; seeded by it and the corpus too, so that they do not depend on which others are asked for."""
    if rows is None or rows >= len(part.examples):
        return part
    chosen = random.Random(seed).sample(range(len(part.examples)), rows)
    return replace(part, examples=[part.examples[index] for index in sorted(chosen)])


@dataclass
class _Shelf:
    """Where sets are: the local folder, else the hub. The one that several languages share is read once."""

    data: Path | None
    frame: Frame

    def path(self, *parts: str) -> Path:
        """Returns where a local form would be; without a data folder that is "data/...", for the text of errors."""
        return (self.data or Path("data")).joinpath(*parts)

    def rows(
        self, folder: str, hub_id: str, columns: Sequence[str], *, file: str = "train.jsonl", otherwise: str = ""
    ) -> tuple[list[dict[str, str]], str]:
        """Returns the rows of a set, from its folder or else from the hub, and where they were read.

        The folder's `file` is read, else its only JSON file; where nothing can be had, the error ends in `otherwise`.
        """
        local = find_json_file(self.path(folder), file) if self.data else None
        if local:
            return read_json_rows(local, columns), str(local)
        return load_hub_rows(hub_id, columns, self.path(folder, file), otherwise), hub_id

    @cached_property
    def _octopus(self) -> tuple[dict[str, list[octopus.Problem]], str]:
        rows, where = self.rows(octopus.FOLDER, octopus.HUB_ID, octopus.COLUMNS)
        return octopus.problems_by_language(rows, where), where

    def problems(self, language: str) -> tuple[list[octopus.Problem], str]:
        """Returns GSM8KInstruct's problems in one language, and where they were read."""
        grouped, where = self._octopus
        if language not in grouped:
            known = ", ".join(sorted(grouped))
            raise UserError(f"{where} has no {LANGUAGES[language].english}, only {known}; leave {language} out.")
        return grouped[language], where


def _question_translation(shelf: _Shelf, language: str) -> _Part:
    folder = shelf.path("question_translation", f"{language}-en")
    words = "questions of GSM8K, translated into English"
    if shelf.data is None or not folder.is_dir():
        return _aligned(shelf, language, words, attrgetter("question"))
    sources, targets = (read_lines(folder / f"train.{code}") for code in (language, "en"))
    if len(sources) != len(targets):
        counts = f"{folder}/train.{language} has {len(sources)} lines and train.en beside it {len(targets)}"
        raise UserError(f"{counts}; they must be parallel, so fetch both again.")
    # as QAlign reads them: both sides stripped, a pair with an empty side left out (data/gsmtrans/gsmtrans.py)
    stripped = [(source.strip(), target.strip()) for source, target in zip(sources, targets, strict=True)]
    pairs = [pair for pair in stripped if all(pair)]
    examples = [translation(language, *pair, shelf.frame) for pair in pairs]
    return _Part(words, examples, str(folder.parent), len(stripped) - len(pairs))


def _answer_translation(shelf: _Shelf, language: str) -> _Part:
    return _aligned(shelf, language, "rationales of GSM8K, translated into English", attrgetter("rationale"))


def _aligned(shelf: _Shelf, language: str, words: str, text: Callable[[octopus.Problem], str]) -> _Part:
    problems, where = shelf.problems(language)
    pairs, left_out = octopus.pair_with_english(problems, shelf.problems("en")[0])
    examples = [translation(language, text(own), text(english), shelf.frame) for own, english in pairs]
    return _Part(words, examples, where, left_out)


def _english_reasoning(shelf: _Shelf, language: str) -> _Part:
    otherwise = ", or name the corpus gsm8k, which is GSM8K alone"
    rows, where = shelf.rows("metamath", _METAMATH, ("query", "response"), otherwise=otherwise)
    examples = [reasoning(language, row["query"], row["response"], shelf.frame) for row in rows]
    return _Part("MetaMathQA in English", examples, where)


def _gsm8k(shelf: _Shelf, language: str) -> _Part:
    """Reads GSM8K, a question once: QAlign's file of it has two of them again, with rationales in Spanish and French.

    As published, "#### 72" included (the last number is what is scored), but without the calculator's <<48/2=24>>, which GSM8K
    wrote for a tool, not for a reader.
    """
    rows, where = shelf.rows("gsm8k", _GSM8K, ("question", "answer"), file="train_en.jsonl")
    first: dict[str, str] = {}
    for row in rows:
        first.setdefault(row["question"], _CALCULATOR.sub("", row["answer"]))
    examples = [reasoning(language, question, answer, shelf.frame) for question, answer in first.items()]
    return _Part("GSM8K in English with its rationales", examples, where, len(rows) - len(first))


def _multilingual_reasoning(shelf: _Shelf, language: str) -> _Part:
    problems, where = shelf.problems(language)
    if shelf.frame == "octopus":
        examples = [joined(language, problem.prompt, problem.chosen, shelf.frame) for problem in problems]
    else:
        examples = [reasoning(language, problem.question, problem.rationale, shelf.frame) for problem in problems]
    return _Part("GSM8K with rationales, both in the language", examples, where)


_READERS: dict[str, Callable[[_Shelf, str], _Part]] = {
    "question-translation": _question_translation,
    "answer-translation": _answer_translation,
    "english-reasoning": _english_reasoning,
    "gsm8k": _gsm8k,
    "multilingual-reasoning": _multilingual_reasoning,
}
#: Name of a corpus to the data sets that its text was made from. GSM8KInstruct is GSM8K's training set in other languages (arXiv
#: 2310.20246), MetaMathQA those of GSM8K and MATH in other words (arXiv 2309.12284).
MADE_FROM: dict[str, tuple[str, ...]] = {**dict.fromkeys(_READERS, ("gsm8k",)), "english-reasoning": ("gsm8k", "math")}
#: Names of the corpora that the papers' sets make; the pocket world has them too.
CORPORA: tuple[str, ...] = tuple(_READERS)
