"""Training text: what each corpus of the papers holds, and where it is read from.

| corpus | instruction | response | folder of --data | else from the hub |
|---|---|---|---|---|
| question-translation | translate a question | it in English | question_translation/XX-en | GSM8KInstruct_Parallel, aligned |
| answer-translation | translate a rationale | it in English | gsm8kinstruct_parallel, aligned | the same |
| english-reasoning | a question in English | its rationale | metamath, else gsm8k | MetaMathQA |
| multilingual-reasoning | a question in a language | its rationale, in it | gsm8kinstruct_parallel | the same |

The pocket corpora of the same names are generated (pocket.py). All instructions stand in the frame that models are scored
with.
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
from xreason.trainers.corpora.examples import Corpus, Example, Source, make_corpus, reasoning, taught, translation
from xreason.trainers.corpora.rows import find_json_file, load_hub_rows, read_json_rows, read_lines

_METAMATH = "meta-math/MetaMathQA"
_CALCULATOR = re.compile(r"<<[^<>]*>>")


@dataclass(frozen=True)
class _Part:
    """What one language adds to a corpus; `words` describe all of it."""

    words: str
    examples: list[Example]
    where: str
    left_out: int = 0


def load_corpus(
    name: str, languages: Sequence[str], *, source: Source, data: Path | None = None, rows: int | None = None, seed: int = 0
) -> Corpus:
    """Returns a corpus.

    Args:
        name: one of CORPORA; for the source "pocket", of xreason.trainers.corpora.pocket.CORPORA.
        languages: codes. Translation corpora leave English out, english-reasoning takes nothing else.
        source: "papers" reads published sets, "pocket" generates.
        data: folder with local copies; what it lacks is looked for on the hub.
        rows: at most so many rows a language, drawn by `seed`; they stay in order.
        seed: of that draw.

    Raises:
        UserError: the name or a language is unknown, a set is missing or damaged, or nothing is left to train on.
    """
    name = canonical(name)
    known = pocket.CORPORA if source == "pocket" else CORPORA
    if name not in known:
        raise unknown("corpus", name, known)
    for code in languages:
        if code not in LANGUAGES:
            raise unknown("language", code, LANGUAGES)
    if source == "pocket":
        return pocket.write_corpus(name, languages, rows=rows, seed=seed)
    shelf, codes = _Shelf(data), taught(name, languages)
    parts = [_sampled(_READERS[name](shelf, code), rows, f"{seed} {name} {code}") for code in codes]
    where = ", ".join(dict.fromkeys(part.where for part in parts))
    examples = [example for part in parts for example in part.examples]
    return make_corpus(name, parts[0].words if parts else "", codes, where, examples, sum(part.left_out for part in parts))


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

    def path(self, *parts: str) -> Path:
        """Returns where a local form would be; without a data folder that is "data/...", for the text of errors."""
        return (self.data or Path("data")).joinpath(*parts)

    def rows(self, folder: str, hub_id: str, columns: Sequence[str]) -> tuple[list[dict[str, str]], str]:
        """Returns the rows of a set, from its folder or else from the hub, and where they were read."""
        local = find_json_file(self.path(folder)) if self.data else None
        if local:
            return read_json_rows(local, columns), str(local)
        return load_hub_rows(hub_id, columns, self.path(folder, "train.jsonl")), hub_id

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
    return _Part(words, [translation(language, *pair) for pair in zip(sources, targets, strict=True)], str(folder.parent))


def _answer_translation(shelf: _Shelf, language: str) -> _Part:
    return _aligned(shelf, language, "rationales of GSM8K, translated into English", attrgetter("rationale"))


def _aligned(shelf: _Shelf, language: str, words: str, text: Callable[[octopus.Problem], str]) -> _Part:
    problems, where = shelf.problems(language)
    pairs, left_out = octopus.pair_with_english(problems, shelf.problems("en")[0])
    return _Part(words, [translation(language, text(own), text(english)) for own, english in pairs], where, left_out)


def _english_reasoning(shelf: _Shelf, _: str) -> _Part:
    gsm8k = shelf.path("gsm8k", "train_en.jsonl")
    if shelf.data and gsm8k.is_file() and find_json_file(shelf.path("metamath")) is None:
        # as published, "#### 72" included (the last number is what is scored), but without the calculator's <<48/2=24>>,
        # which GSM8K wrote for a tool, not for a reader
        rows = read_json_rows(gsm8k, ("question", "answer"))
        examples = [reasoning(row["question"], _CALCULATOR.sub("", row["answer"])) for row in rows]
        return _Part("GSM8K in English with its rationales (no MetaMathQA in the data folder)", examples, str(gsm8k))
    rows, where = shelf.rows("metamath", _METAMATH, ("query", "response"))
    return _Part("MetaMathQA in English", [reasoning(row["query"], row["response"]) for row in rows], where)


def _multilingual_reasoning(shelf: _Shelf, language: str) -> _Part:
    problems, where = shelf.problems(language)
    examples = [reasoning(problem.question, problem.rationale) for problem in problems]
    return _Part("GSM8K with rationales, both in the language", examples, where)


_READERS: dict[str, Callable[[_Shelf, str], _Part]] = {
    "question-translation": _question_translation,
    "answer-translation": _answer_translation,
    "english-reasoning": _english_reasoning,
    "multilingual-reasoning": _multilingual_reasoning,
}
#: Names of the corpora that the papers' sets make; the pocket world has them too.
CORPORA: tuple[str, ...] = tuple(_READERS)
