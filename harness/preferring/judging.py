"""What samples are worth: which are right, which are in their question's language, and the pairs that follow.

A row's own response is read for the gold answer, by both readings; where they disagree its question makes no pair. A sample is
right where both readings find that answer in it, wrong where neither does.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.readings.identification import in_language
from xreason.tasks.readings.verdicts import answer_part, verdicts
from xreason.tasks.rewards.completions import gold_in
from xreason.trainers.corpora.examples import Example
from xreason.trainers.stages import Samples


@dataclass(frozen=True)
class Sample:
    """One response of a model to a training question."""

    text: str
    ended: bool  #: whether it came to an end by itself, within the tokens that it may have
    right: bool | None  #: None where the readings disagree
    in_language: bool | None = None  #: None where too few letters tell it, or nobody asked
    alignment: float | None = None  #: by the translation model; higher is nearer to the English samples of the same question


@dataclass(frozen=True)
class Question:
    """A training question, what it was answered with, and what that was taken for."""

    row: Example
    gold: str  #: in English style; "" where the readings disagree on it
    samples: tuple[Sample, ...]  #: different texts, in the order in which they came


def judged(row: Example, said: Sequence[tuple[str, bool]], frame: str) -> Question:
    """Returns what a row's samples (text, and whether it ended) are, but for their language and alignment."""
    language = row.language or "en"
    gold = gold_in(row.response, language)
    texts = dict(reversed([*reversed(said)]))  # each once
    if not gold:
        return Question(row, "", tuple(Sample(text, ended, None) for text, ended in texts.items()))
    told = verdicts([answer_part(text, {"style": frame, "language": language}) for text in texts], gold, language)
    both = [one if one == other else None for one, other in zip(told.paper, told.strict, strict=True)]
    return Question(row, gold, tuple(Sample(*each, right) for each, right in zip(texts.items(), both, strict=True)))


def identified(questions: Sequence[Question]) -> list[Question]:
    """Returns questions whose samples are told to be in the question's language or not.

    Raises:
        UserError: the identifier does not know one of the languages.
    """
    found: dict[str, Iterator[str]] = {}
    for code in dict.fromkeys(each.row.language or "en" for each in questions):
        texts = [sample.text for each in questions if (each.row.language or "en") == code for sample in each.samples]
        flags = in_language(texts, code)
        if flags is None:
            name = LANGUAGES[code].english if code in LANGUAGES else code
            raise UserError(f"Whether a response is in {name} cannot be told here; leave {code} out, or set pairs: right.")
        found[code] = iter(flags)
    meaning = {"1": True, "0": False, "-": None}
    return [
        replace(
            each,
            samples=tuple(replace(sample, in_language=meaning[next(found[each.row.language or "en"])]) for sample in each.samples),
        )
        for each in questions
    ]


def pairs_of(question: Question, told: Samples, seed: int) -> list[Example]:
    """Returns the pairs that a question's samples make."""
    ranked = [(one, other) for one, other in product(question.samples, repeat=2) if question.gold and _over(one, other, told)]
    if told.most is not None and len(ranked) > told.most:
        ranked = random.Random(f"{seed} {question.row.prompt}").sample(ranked, told.most)
    return [replace(question.row, response=chosen.text, rejected=rejected.text) for chosen, rejected in ranked]


def _over(chosen: Sample, rejected: Sample, told: Samples) -> bool:
    if not (chosen.right and chosen.ended):
        return False
    match told.pairs:
        case "right":
            return rejected.right is False
        case "language":
            elsewhere = rejected.right is True and rejected.in_language is False
            return chosen.in_language is True and (rejected.right is False or elsewhere)
        case "alignment":
            return chosen.alignment is not None and rejected.alignment is not None and chosen.alignment > rejected.alignment
