r"""Sets of one's own: what a row of a person's file, or of a set that they found on the hub, says in any of the usual forms.

    {"question": "Jua huchomoza wapi?", "answer": "B", "id": "q7", "level": "low", "choices": ["magharibi", "mashariki"]}

That is the form in which questions from files are kept. What is put to a model is the question; of a choice, with its options as
X-CSQA has them (xcsqa.py). Where questions are of levels, they are asked by turns, as PolyMath's: the first of each, then the
second of each; a language's score is then the mean of its levels' accuracies, each weighing what its level does.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd, lcm
from typing import Any

from xreason.tasks.added import AnswersAs, Level
from xreason.tasks.readings.choice import LETTERS
from xreason.tasks.readings.verdicts import Kind
from xreason.tasks.sets.source import Row, with_options

#: The columns beside question and answer in which a row is kept, each where it has one.
KEPT = ("id", "level", "choices")

_LARGEST = 2**31 - 1  # weight that a record holds


def options_of(told: Any) -> tuple[list[str], list[str]]:
    """Returns the labels and the texts of a question's options, in any of the forms in which sets have them.

    A list of texts (labelled A, B, C, ...), or of objects with `label` and `text`, as X-CSQA; an object of two lists `label` and
    `text`, as on the hub; an object of label to text; or the JSON of one of these.

    Raises:
        ValueError: it is none of these, or there are not two to ten options, each a text; says what is wrong.
    """
    if isinstance(told, str):
        try:
            told = json.loads(told)
        except (ValueError, RecursionError):
            raise ValueError('its options are no list; write such as ["Yes", "No"]') from None
    pairs: list[tuple[Any, Any]]
    if isinstance(told, Mapping):
        columns = (told["label"], told["text"]) if told.keys() == {"label", "text"} else (list(told), list(told.values()))
        if not all(isinstance(each, list | tuple) for each in columns) or len(columns[0]) != len(columns[1]):
            raise ValueError("its options are not as many labels as texts")
        pairs = list(zip(*columns, strict=True))
    elif isinstance(told, list | tuple):
        whole = [(each.get("label"), each.get("text")) if isinstance(each, Mapping) else (None, each) for each in told]
        pairs = [
            (letter if label is None else label, text)
            for letter, (label, text) in zip([*LETTERS, *whole[10:]], whole, strict=False)
        ]
    else:
        raise ValueError("it has no options")
    if not 2 <= len(pairs) <= len(LETTERS):
        raise ValueError(f"it has {len(pairs)} options, not two to ten")
    texts = ["" if text is None else str(text) for _, text in pairs]
    for letter, (_, text), shown in zip(LETTERS, pairs, texts, strict=False):
        if not shown.strip() or isinstance(text, list | dict | bool):
            raise ValueError(f"its option {letter} is {'no text' if shown.strip() else 'empty'}")
    return [str(label).strip() for label, _ in pairs], texts


def letter_of(answer: Any, labels: Sequence[str], texts: Sequence[str], answers: AnswersAs) -> str | None:
    """Returns the letter of the option that an answer names in one way, None where it names none, or several."""
    said = str(answer).strip()
    if answers == "letter":
        places = [place for place, label in enumerate(labels) if label == said] or [
            place for place, label in enumerate(labels) if label.upper() == said.upper()
        ]
    elif answers == "text":
        places = [place for place, text in enumerate(texts) if text == said]
    else:
        # where labels are numbers, numbers are labels
        counts = said.isascii() and said.isdigit() and len(said) < 3 and not labels[0].isdigit()
        places = [int(said) - int(answers)] if counts and 0 <= int(said) - int(answers) < len(texts) else []
    return LETTERS[places[0]] if len(places) == 1 else None


@dataclass(frozen=True)
class OwnRows:
    """Makes rows (see xreason.tasks.sets.source.Make) of the cells question, answer, id, level, and what has the options."""

    kind: Kind
    answers: AnswersAs = "letter"  #: of a choice, how answers name an option
    weights: Mapping[str, int] = field(
        default_factory=dict
    )  #: level to what each of its questions weighs; none where all weigh the same

    def __call__(self, cells: Sequence[Any], language: str) -> Row:
        """Returns a row; raises `ValueError` where it cannot be one."""
        question, gold, name, level, *told = cells
        row: Row = {"question": question, "answer": gold, "language": language}
        if name is not None:
            row["id"] = str(name)
        if level is not None:
            row["level"] = str(level)
        if self.weights:
            if level not in self.weights:
                raise ValueError(f"its level {level!r} is none of {', '.join(self.weights)}")
            row["weight"] = self.weights[level]
        if self.kind == "expression" and isinstance(gold, int | float) and not isinstance(gold, bool):
            row["answer"] = str(gold)
        if self.kind == "choice":
            labels, texts = options_of(told[0] if len(told) == 1 else told)
            texts = [text.strip() for text in texts]
            letter = letter_of(gold, labels, texts, self.answers)
            if letter is None:
                raise ValueError(f"its answer {str(gold)[:40]!r} names none of its {len(texts)} options, or several")
            row |= {"answer": letter, "choices": texts, "instruction": with_options(question, texts)}
        return row


def by_turns(rows: Iterable[Row]) -> list[Row]:
    """Returns rows in the order in which they are asked: the first of each level, then the second of each."""
    seen: Counter[str] = Counter()
    placed = []
    for row in rows:
        level = row.get("level", "")
        seen[level] += 1
        placed.append((seen[level], level, row))
    return [row for *_, row in sorted(placed, key=lambda each: each[:2])]


def weights_by_level(levels: Mapping[str, Level]) -> dict[str, int]:
    """Returns what each question of a level weighs, for the level to weigh what it should; nothing where all weigh the same.

    They are whole numbers as small as can be; where none below 2^31 have these proportions, the nearest.
    """
    shares = {name: Fraction(level.weight, level.questions) for name, level in levels.items() if level.weight is not None}
    if not shares:
        return {}
    scale = Fraction(lcm(*(share.denominator for share in shares.values())), gcd(*(share.numerator for share in shares.values())))
    scale = min(scale, Fraction(_LARGEST) / max(shares.values()))
    return {name: max(1, round(share * scale)) for name, share in shares.items()}


def weighed(levels: Mapping[str, Level]) -> dict[str, Any]:
    """Returns `weights`, `weighing` and `levels` (see xreason.tasks.suites.Suite) of a suite with these; nothing where it has none.

    Where questions of two levels weigh the same, boards cannot tell them apart, and `levels` has none.
    """
    weights = weights_by_level(levels)
    turns = sorted((turn, name) for name in weights for turn in range(levels[name].questions))
    told = ", ".join(f"{name} {level.weight}" for name, level in levels.items())
    weighing = f"the mean of the accuracies of its levels, which weigh {told}"
    told_apart = weights if len({*weights.values()}) == len(weights) else {}
    said = {"weights": tuple(weights[name] for _, name in turns), "weighing": weighing, "levels": told_apart}
    return said if weights else {}
