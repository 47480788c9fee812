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

import hashlib
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.names import canonical, unknown
from xreason.tasks.prompts import alpaca, translation_instruction
from xreason.trainers.corpora import octopus, pocket
from xreason.trainers.corpora.examples import Corpus, Example, Source
from xreason.trainers.corpora.rows import find_json_file, load_hub_rows, read_json_rows, read_lines

CORPORA: tuple[str, ...] = ("question-translation", "answer-translation", "english-reasoning", "multilingual-reasoning")
#: Only generated: the pocket model itself is made with it.
POCKET_ONLY: tuple[str, ...] = ("english-rationales",)

_POCKET_WORDS = {
    "question-translation": "pocket questions, translated into English",
    "answer-translation": "pocket rationales, translated into English",
    "english-reasoning": "pocket problems in English with their rationales",
    "multilingual-reasoning": "pocket problems, question and rationale in the language",
    "english-rationales": "pocket problems, the question in the language, the rationale in English",
}

_CALCULATOR = re.compile(r"<<[^<>]*>>")


@dataclass(frozen=True)
class _Part:
    """What one language adds to a corpus."""

    language: str
    examples: list[Example]
    where: str
    left_out: int = 0
    words: str = ""


def load_corpus(
    name: str, languages: Sequence[str], *, source: Source, data: Path | None = None, rows: int | None = None, seed: int = 0
) -> Corpus:
    """Returns a corpus.

    Args:
        name: one of CORPORA (for the source "pocket" also english-rationales).
        languages: codes. Translation corpora leave English out, english-reasoning takes nothing else.
        source: "papers" reads published sets, "pocket" generates.
        data: folder with local copies; what it lacks is looked for on the hub.
        rows: at most so many rows a language, drawn by `seed`; they stay in order.
        seed: of that draw.

    Raises:
        UserError: the name or a language is unknown, a set is missing or damaged, or nothing is left to train on.
    """
    name = canonical(name)
    known = CORPORA + POCKET_ONLY if source == "pocket" else CORPORA
    if name not in known:
        raise unknown("corpus", name, known)
    for code in languages:
        if code not in LANGUAGES:
            raise unknown("language", code, LANGUAGES)
    if source == "pocket":
        return _pocket(name, languages, rows, seed)
    parts = [_sampled(part, rows, seed, name) for part in _READERS[name](_Shelf(data), tuple(dict.fromkeys(languages)))]
    examples = tuple(example for part in parts for example in part.examples)
    return _corpus(
        name,
        parts[0].words if parts else "",
        examples,
        tuple(part.language for part in parts),
        ", ".join(dict.fromkeys(part.where for part in parts)),
        sum(part.left_out for part in parts),
    )


def _corpus(name: str, words: str, examples: tuple[Example, ...], languages: tuple[str, ...], where: str, left_out: int) -> Corpus:
    if not examples:
        raise UserError(
            f"The corpus {name} is empty for the languages asked for; name at least one other than English it has text for."
        )
    digest = hashlib.sha256()
    for example in examples:
        digest.update(json.dumps([example.prompt, example.response]).encode())
    return Corpus(name, words, len(examples), languages, where, digest.hexdigest(), left_out, examples)


def _pocket(name: str, languages: Sequence[str], rows: int | None, seed: int) -> Corpus:
    others = tuple(code for code in dict.fromkeys(languages) if code != "en" or "translation" not in name)
    taught = ("en",) if name == "english-reasoning" else others
    made = tuple(pocket.examples(name, languages, rows=rows, seed=seed))
    return _corpus(name, _POCKET_WORDS[name], made, taught, "xreason.trainers.pocket", 0)


def _sampled(part: _Part, rows: int | None, seed: int, name: str) -> _Part:
    if rows is None or rows >= len(part.examples):
        return part
    # seeded by corpus and language too, so that a language's rows do not depend on which others are asked for
    chosen = random.Random(f"{seed} {name} {part.language}").sample(range(len(part.examples)), rows)
    return _Part(part.language, [part.examples[index] for index in sorted(chosen)], part.where, part.left_out, part.words)


class _Shelf:
    """The local folder, and the one set that several languages share, read once."""

    def __init__(self, data: Path | None) -> None:
        self.data = data
        self._octopus: tuple[dict[str, list[octopus.Problem]], str] | None = None

    def path(self, *parts: str) -> Path:
        """Returns where a local form would be; without a data folder that is "data/...", for the text of errors."""
        return (self.data or Path("data")).joinpath(*parts)

    def json_file(self, folder: str) -> Path | None:
        return find_json_file(self.path(folder)) if self.data else None

    def problems(self, language: str) -> tuple[list[octopus.Problem], str]:
        """Returns GSM8KInstruct's problems in one language, and where they were read."""
        if self._octopus is None:
            local = self.json_file(octopus.FOLDER)
            where = str(local) if local else octopus.HUB_ID
            wanted = self.path(octopus.FOLDER, "train.jsonl")
            rows = read_json_rows(local, octopus.COLUMNS) if local else load_hub_rows(octopus.HUB_ID, octopus.COLUMNS, wanted)
            self._octopus = octopus.problems_by_language(rows, where), where
        grouped, where = self._octopus
        if language not in grouped:
            raise UserError(
                f"{where} has no {LANGUAGES[language].english}, only {', '.join(sorted(grouped))}; leave {language} out."
            )
        return grouped[language], where


def _question_translation(shelf: _Shelf, languages: Sequence[str]) -> list[_Part]:
    return [_question_pairs(shelf, language) for language in languages if language != "en"]


def _question_pairs(shelf: _Shelf, language: str) -> _Part:
    folder = shelf.path("question_translation", f"{language}-en")
    words = "questions of GSM8K, translated into English"
    if shelf.data is None or not folder.is_dir():
        return _aligned(shelf, language, words, lambda problem: problem.question)
    sources, targets = (read_lines(folder / f"train.{code}") for code in (language, "en"))
    if len(sources) != len(targets):
        raise UserError(
            f"{folder}/train.{language} has {len(sources)} lines and train.en beside it {len(targets)}; they must be parallel, "
            "so fetch both again."
        )
    examples = [_translation(language, source, target) for source, target in zip(sources, targets, strict=True)]
    return _Part(language, examples, str(folder.parent), words=words)


def _answer_translation(shelf: _Shelf, languages: Sequence[str]) -> list[_Part]:
    words = "rationales of GSM8K, translated into English"
    return [_aligned(shelf, language, words, lambda problem: problem.rationale) for language in languages if language != "en"]


def _aligned(shelf: _Shelf, language: str, words: str, text: Callable[[octopus.Problem], str]) -> _Part:
    problems, where = shelf.problems(language)
    pairs, left_out = octopus.pair_with_english(problems, shelf.problems("en")[0])
    return _Part(language, [_translation(language, text(own), text(english)) for own, english in pairs], where, left_out, words)


def _translation(language: str, text: str, english: str) -> Example:
    return Example(alpaca(translation_instruction(LANGUAGES[language].english, text)), english)


def _english_reasoning(shelf: _Shelf, languages: Sequence[str]) -> list[_Part]:
    metamath = shelf.json_file("metamath")
    gsm8k = shelf.path("gsm8k", "train_en.jsonl")
    if metamath is None and shelf.data is not None and gsm8k.is_file():
        rows = read_json_rows(gsm8k, ("question", "answer"))
        # as published, "#### 72" included (the last number is what is scored), but without the calculator's <<48/2=24>>,
        # which GSM8K wrote for a tool, not for a reader
        examples = [Example(alpaca(row["question"]), _CALCULATOR.sub("", row["answer"])) for row in rows]
        return [_Part("en", examples, str(gsm8k), words="GSM8K in English with its rationales (no MetaMathQA in the data folder)")]
    hub_id, columns = "meta-math/MetaMathQA", ("query", "response")
    rows = read_json_rows(metamath, columns) if metamath else load_hub_rows(hub_id, columns, shelf.path("metamath", "train.jsonl"))
    examples = [Example(alpaca(row["query"]), row["response"]) for row in rows]
    return [_Part("en", examples, str(metamath or hub_id), words="MetaMathQA in English")]


def _multilingual_reasoning(shelf: _Shelf, languages: Sequence[str]) -> list[_Part]:
    parts = []
    for language in languages:
        problems, where = shelf.problems(language)
        examples = [Example(alpaca(problem.question), problem.rationale) for problem in problems]
        parts.append(_Part(language, examples, where, words="GSM8K with rationales, both in the language"))
    return parts


_READERS: dict[str, Callable[[_Shelf, Sequence[str]], list[_Part]]] = {
    "question-translation": _question_translation,
    "answer-translation": _answer_translation,
    "english-reasoning": _english_reasoning,
    "multilingual-reasoning": _multilingual_reasoning,
}
