"""The pocket world: templated word problems that we write ourselves, the same ones in six languages.

One problem, in English and in Swahili, and its rationale in both. A rationale first says the question again, then computes:

    Rosa Klein has 5 balls and Juma Lin has 12 balls. How many balls do they have together?
    Rosa Klein has 5 balls and Juma Lin has 12 balls. How many balls do they have together? 5 + 12 = 17. The answer is 17.
    Rosa Klein ana mipira 5 na Juma Lin ana mipira 12. Kwa pamoja wana mipira mingapi?
    Rosa Klein ana mipira 5 na Juma Lin ana mipira 12. Kwa pamoja wana mipira mingapi? 5 + 12 = 17. Jibu ni 17.

What the test holds out, in every language at once:

- people: no full name of `TEST_PEOPLE` is in `TRAINING_PEOPLE`; given and family names by themselves are in both;
- counts: of the combinations of situation, counted thing and two numbers, those of the test (`held_out`) are in no training problem
  of any seed. Templates, words and sums by themselves are in both: the test asks to read a new problem, not to know a new sum.

Test problem i is the same problem in every language. What problems say in each is in sentences.json beside this file.
"""

import itertools
import json
import operator
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

#: Codes of the languages that every problem is written in, from the most to the least of each in the pocket model's own training.
LANGUAGES: tuple[str, ...] = ("en", "de", "es", "fr", "zh", "sw")

#: Questions a language in the test set.
TEST_SIZE = 250


class Situation(NamedTuple):
    """What happens: its operation as the rationale writes it, "+", "-" or "×", and how many test problems it has."""

    sign: str
    tested: int


# What problems say, and who is in them. Chinese needs a measure word, Spanish and Swahili a "how many" that agrees, French "de" or
# "d'". Given names begin with a consonant that is not h: French "que" and Spanish "y" would change before a vowel.
_SENTENCES = json.loads((Path(__file__).parent / "sentences.json").read_text(encoding="utf-8"))
_ITEMS: dict[str, dict[str, str]] = _SENTENCES["items"]
_QUESTIONS: dict[str, dict[str, str]] = _SENTENCES["questions"]
_RATIONALES: dict[str, str] = _SENTENCES["rationales"]

#: By name.
SITUATIONS: dict[str, Situation] = {name: Situation(*said) for name, said in _SENTENCES["situations"].items()}

_OPERATIONS: dict[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "×": operator.mul}

#: What is counted in problems, by its English name.
ITEMS: tuple[str, ...] = tuple(_ITEMS)

# every full name, in one fixed, mixed order
_PEOPLE = [" ".join(names) for names in itertools.product(_SENTENCES["given"].split(), _SENTENCES["family"].split())]
random.Random("pocket people").shuffle(_PEOPLE)

#: No person of a test problem is ever in a training problem, though their given or family names are.
TEST_PEOPLE, TRAINING_PEOPLE = tuple(_PEOPLE[:96]), tuple(_PEOPLE[96:])


@dataclass(frozen=True)
class Problem:
    """One word problem, of which each language's text is a rendering.

    It is about one of `SITUATIONS` and one of `ITEMS`. `first` is the full name of the person asked about, `second` of the other,
    whose given name is another, and who is not in every situation; `numbers` are in the order of the English question.
    """

    situation: str
    first: str
    second: str
    item: str
    numbers: tuple[int, int]

    @property
    def answer(self) -> int:
        """The gold answer."""
        return _OPERATIONS[SITUATIONS[self.situation].sign](*self.numbers)

    def question(self, code: str) -> str:
        """Returns the question in the language `code`, one of `LANGUAGES` (`KeyError` for another)."""
        how_many = _ITEMS[self.item][code]
        # as items follow a number: without "Cuántas", without "de" or "d'", without "ngapi"
        items = {"es": how_many.split()[-1], "fr": how_many.removeprefix("de ").removeprefix("d'"), "sw": how_many.split()[0]}
        people = {"a": self.first, "b": self.second, "given_a": self.first.split()[0], "given_b": self.second.split()[0]}
        counted = {"items": items.get(code, how_many), "how_many": how_many, "unit": how_many[0]}
        return _QUESTIONS[code][self.situation].format(x=self.numbers[0], y=self.numbers[1], **people, **counted)

    def rationale(self, code: str) -> str:
        """Returns the question again, the computation and the answer, in the language `code` (`KeyError` as above)."""
        computation = equation(SITUATIONS[self.situation].sign, *self.numbers)
        return _RATIONALES[code].format(question=self.question(code), equation=computation, answer=self.answer)


def _pairs(sign: str) -> list[tuple[int, int]]:
    """Returns every pair of numbers of an operation, in order."""
    # no 1 among them, so that counted things are always in the plural
    numbers = range(2, {"+": 12, "-": 12, "×": 9}[sign] + 1)
    return [(left, right) for left, right in itertools.product(numbers, numbers) if sign != "-" or left > right]


def equation(sign: str, left: int, right: int) -> str:
    """Returns the computation with its result, as rationales write it: "5 + 12 = 17"."""
    return f"{left} {sign} {right} = {_OPERATIONS[sign](left, right)}"


def equations() -> list[str]:
    """Returns every equation of the world, in a fixed order."""
    return [equation(sign, *pair) for sign in ("+", "-", "×") for pair in _pairs(sign)]


def held_out(situation: str) -> list[tuple[str, tuple[int, int]]]:
    """Returns what is counted and the pair of numbers of each test problem of `situation`: together they are in the test alone."""
    counts = list(itertools.product(ITEMS, _pairs(SITUATIONS[situation].sign)))
    return random.Random(f"pocket {situation}").sample(counts, SITUATIONS[situation].tested)


def rows(language: str) -> list[dict[str, Any]]:
    """Returns the questions of the pocket suite in a language, see xreason.tasks.sets.source.Row."""
    return [{"question": each.question(language), "answer": str(each.answer), "language": language} for each in test_problems()]


def test_problems() -> list[Problem]:
    """Returns the `TEST_SIZE` test problems, always the same ones in the same order; situations are mixed, for `--limit`'s sake."""
    chance = random.Random("pocket test")
    problems = [Problem(name, *_two(TEST_PEOPLE, chance), *count) for name in SITUATIONS for count in held_out(name)]
    chance.shuffle(problems)
    return problems


def training_problems(count: int, seed: int) -> list[Problem]:
    """Returns `count` different problems, none with a person of the test or with a count that `held_out` keeps for it.

    The first n of a larger count are those of a smaller one; another seed gives other problems.
    """
    chance = random.Random(f"pocket training {seed}")
    kept = {name: set(held_out(name)) for name in SITUATIONS}
    pairs = {name: _pairs(kind.sign) for name, kind in SITUATIONS.items()}
    problems: dict[Problem, None] = {}
    while len(problems) < count:
        name = chance.choice(list(SITUATIONS))
        counted = chance.choice(ITEMS), chance.choice(pairs[name])
        if counted not in kept[name]:
            problems[Problem(name, *_two(TRAINING_PEOPLE, chance), *counted)] = None
    return list(problems)


def validation_problems(count: int) -> list[Problem]:
    """Returns `count` problems to choose settings by, so that the test need not be: training problems of a seed of their own."""
    return training_problems(count, -1)


def _two(people: Sequence[str], chance: random.Random) -> tuple[str, str]:
    """Returns two people who can be told apart by their given names."""
    while True:
        first, second = chance.choice(people), chance.choice(people)
        if first.split()[0] != second.split()[0]:
            return first, second
