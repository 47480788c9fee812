"""The pocket world: templated word problems that we write ourselves, the same ones in six languages.

One problem, in English and in Swahili, and its rationale in both. A rationale first says the question again, then computes:

    Ramona has 5 balls and Viktor has 12 balls. How many balls do they have together?
    Ramona has 5 balls and Viktor has 12 balls. How many balls do they have together? 5 + 12 = 17. The answer is 17.
    Ramona ana mipira 5 na Viktor ana mipira 12. Kwa pamoja wana mipira mingapi?
    Ramona ana mipira 5 na Viktor ana mipira 12. Kwa pamoja wana mipira mingapi? 5 + 12 = 17. Jibu ni 17.

What the test holds out. Templates and items are shared between training and test; names and numbers are not:

- no name of `TEST_NAMES` is in `TRAINING_NAMES`, nor ever made up for training;
- of each situation's pairs of numbers a fixed part is held out (`held_out`): no training problem, of any seed, puts such a pair
  into that situation. The sum itself is no secret: situations come in twos that share an operation (`gain` and `together` add), and
  a pair held out of one may be seen in the other. The test therefore asks for reading, not for arithmetic never met before.

Test problem i is the same problem in every language. lm-eval loads this file by its path, so it imports nothing of ours.
"""

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datasets

#: Codes of the languages that every problem is written in, from the most to the least of each in the pocket model's own training.
LANGUAGES: tuple[str, ...] = ("en", "de", "es", "fr", "zh", "sw")

#: Questions a language in the test set.
TEST_SIZE = 250


@dataclass(frozen=True)
class Situation:
    """What happens in a problem, apart from who, what and how many.

    Attributes:
        name: how it is called in code and in tables.
        sign: the operation as the rationale writes it: "+", "-" or "×".
        held_out: how many of its pairs of numbers are kept for the test.
        tested: how many test problems it has; each held-out pair is in one of them, or in two.
    """

    name: str
    sign: str
    held_out: int
    tested: int


#: In twos: situations that share an operation also share the list from which their held-out pairs are dealt.
SITUATIONS: dict[str, Situation] = {
    situation.name: situation
    for situation in (
        Situation("gain", "+", 50, 50),
        Situation("together", "+", 50, 50),
        Situation("give", "-", 22, 40),
        Situation("difference", "-", 22, 40),
        Situation("boxes", "×", 25, 35),
        Situation("days", "×", 25, 35),
    )
}

# Counted things. Chinese needs a measure word, Spanish and Swahili a "how many" that agrees, French "de" or "d'".
_ITEMS: dict[str, Mapping[str, str]] = {
    "ball": {"en": "balls", "de": "Bälle", "es": "Cuántas pelotas", "fr": "de ballons", "zh": "个球", "sw": "mipira mingapi"},
    "book": {"en": "books", "de": "Bücher", "es": "Cuántos libros", "fr": "de livres", "zh": "本书", "sw": "vitabu vingapi"},
    "pencil": {
        "en": "pencils",
        "de": "Bleistifte",
        "es": "Cuántos lápices",
        "fr": "de crayons",
        "zh": "支铅笔",
        "sw": "penseli ngapi",
    },
    "apple": {"en": "apples", "de": "Äpfel", "es": "Cuántas manzanas", "fr": "de pommes", "zh": "个苹果", "sw": "matufaha mangapi"},
    "orange": {
        "en": "oranges",
        "de": "Orangen",
        "es": "Cuántas naranjas",
        "fr": "d'oranges",
        "zh": "个橙子",
        "sw": "machungwa mangapi",
    },
    "flower": {"en": "flowers", "de": "Blumen", "es": "Cuántas flores", "fr": "de fleurs", "zh": "朵花", "sw": "maua mangapi"},
    "egg": {"en": "eggs", "de": "Eier", "es": "Cuántos huevos", "fr": "d'œufs", "zh": "个鸡蛋", "sw": "mayai mangapi"},
    "cup": {"en": "cups", "de": "Tassen", "es": "Cuántas tazas", "fr": "de tasses", "zh": "个杯子", "sw": "vikombe vingapi"},
    "coin": {"en": "coins", "de": "Münzen", "es": "Cuántas monedas", "fr": "de pièces", "zh": "枚硬币", "sw": "sarafu ngapi"},
    "stamp": {
        "en": "stamps",
        "de": "Briefmarken",
        "es": "Cuántos sellos",
        "fr": "de timbres",
        "zh": "张邮票",
        "sw": "stempu ngapi",
    },
    "shirt": {
        "en": "shirts",
        "de": "Hemden",
        "es": "Cuántas camisas",
        "fr": "de chemises",
        "zh": "件衬衫",
        "sw": "mashati mangapi",
    },
    "banana": {"en": "bananas", "de": "Bananen", "es": "Cuántos plátanos", "fr": "de bananes", "zh": "根香蕉", "sw": "ndizi ngapi"},
}

#: What is counted in problems, by its English name.
ITEMS: tuple[str, ...] = tuple(_ITEMS)

# Per language and situation. {a} and {b} are people, {x} and {y} the numbers, {items} the counted things after a number,
# {how_many} the same thing in a question, {unit} the Chinese measure word alone.
_QUESTIONS: dict[str, Mapping[str, str]] = {
    "en": {
        "gain": "{a} has {x} {items} and gets {y} more. How many {items} does {a} have now?",
        "together": "{a} has {x} {items} and {b} has {y} {items}. How many {items} do they have together?",
        "give": "{a} has {x} {items} and gives {b} {y} of them. How many {items} does {a} have left?",
        "difference": "{a} has {x} {items} and {b} has {y} {items}. How many more {items} does {a} have than {b}?",
        "boxes": "{a} has {x} boxes and there are {y} {items} in each. How many {items} does {a} have in total?",
        "days": "{a} buys {x} {items} every day for {y} days. How many {items} does {a} buy in total?",
    },
    "de": {
        "gain": "{a} hat {x} {items} und bekommt noch {y} dazu. Wie viele {items} hat {a} jetzt?",
        "together": "{a} hat {x} {items} und {b} hat {y} {items}. Wie viele {items} haben sie zusammen?",
        "give": "{a} hat {x} {items} und gibt {b} {y} davon. Wie viele {items} hat {a} noch?",
        "difference": "{a} hat {x} {items} und {b} hat {y} {items}. Wie viele {items} hat {a} mehr als {b}?",
        "boxes": "{a} hat {x} Kisten und in jeder sind {y} {items}. Wie viele {items} hat {a} insgesamt?",
        "days": "{a} kauft jeden Tag {x} {items}, und das {y} Tage lang. Wie viele {items} kauft {a} insgesamt?",
    },
    "es": {
        "gain": "{a} tiene {x} {items} y recibe {y} más. ¿{how_many} tiene {a} ahora?",
        "together": "{a} tiene {x} {items} y {b} tiene {y} {items}. ¿{how_many} tienen en total?",
        "give": "{a} tiene {x} {items} y le da {y} a {b}. ¿{how_many} le quedan a {a}?",
        "difference": "{a} tiene {x} {items} y {b} tiene {y} {items}. ¿{how_many} más que {b} tiene {a}?",
        "boxes": "{a} tiene {x} cajas y en cada una hay {y} {items}. ¿{how_many} tiene {a} en total?",
        "days": "{a} compra {x} {items} cada día durante {y} días. ¿{how_many} compra {a} en total?",
    },
    "fr": {
        "gain": "{a} a {x} {items} et en reçoit {y} de plus. Combien {how_many} a {a} maintenant ?",
        "together": "{a} a {x} {items} et {b} a {y} {items}. Combien {how_many} cela fait-il en tout ?",
        "give": "{a} a {x} {items} et en donne {y} à {b}. Combien {how_many} reste-t-il à {a} ?",
        "difference": "{a} a {x} {items} et {b} a {y} {items}. Combien {how_many} {a} a de plus que {b} ?",
        "boxes": "{a} a {x} boîtes et il y a {y} {items} dans chacune. Combien {how_many} a {a} en tout ?",
        "days": "{a} achète {x} {items} par jour pendant {y} jours. Combien {how_many} achète {a} en tout ?",
    },
    "zh": {
        "gain": "{a}有{x}{items}，又得到了{y}{unit}。{a}现在有多少{items}？",
        "together": "{a}有{x}{items}，{b}有{y}{items}。他们一共有多少{items}？",
        "give": "{a}有{x}{items}，给了{b} {y}{unit}。{a}还剩多少{items}？",
        "difference": "{a}有{x}{items}，{b}有{y}{items}。{a}比{b}多多少{items}？",
        "boxes": "{a}有{x}个盒子，每个盒子里有{y}{items}。{a}总共有多少{items}？",
        "days": "{a}每天买{x}{items}，买了{y}天。{a}总共买了多少{items}？",
    },
    "sw": {
        "gain": "{a} ana {items} {x} na anapata {y} zaidi. Sasa {a} ana {how_many}?",
        "together": "{a} ana {items} {x} na {b} ana {items} {y}. Kwa pamoja wana {how_many}?",
        "give": "{a} ana {items} {x} na anampa {b} {y}. {a} amebaki na {how_many}?",
        "difference": "{a} ana {items} {x} na {b} ana {items} {y}. {a} ana {how_many} zaidi ya {b}?",
        "boxes": "{a} ana masanduku {x} na kila sanduku lina {items} {y}. {a} ana {how_many} kwa jumla?",
        "days": "{a} ananunua {items} {x} kila siku kwa siku {y}. {a} ananunua {how_many} kwa jumla?",
    },
}

_RATIONALES: dict[str, str] = {
    "en": "{question} {equation}. The answer is {answer}.",
    "de": "{question} {equation}. Die Antwort ist {answer}.",
    "es": "{question} {equation}. La respuesta es {answer}.",
    "fr": "{question} {equation}. La réponse est {answer}.",
    "zh": "{question}{equation}。答案是{answer}。",
    "sw": "{question} {equation}. Jibu ni {answer}.",
}


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# All begin with a consonant that is not h: French "que" and Spanish "y" would change before a vowel.
#: People of training problems, beside made-up ones.
TRAINING_NAMES: tuple[str, ...] = _names("""
    Babu Baraka Barbara Bella Benno Bianca Boris Bruno Carla Carlos Carmen Celia Chen Clara Claudio Conrad Cora Cristina
    Dalia Damian Daniel Dario David Dennis Diego Dina Dora Doris Fabian Farida Fatuma Felix Fiona Flora Florian Frida
    Gabriel Georg Gina Gloria Greta Gustav Jabari Jamal Jana Jasmin Jonas Jorge Juan Judith Julia Juma Karim Karl Katja
    Kevin Kofi Konrad Kira Lara Laura Lea Lena Leo Lin Linda Lorena Lucas Lucia Luisa Maria Mario Marta Martin Max Mei Mira
    Mona Moritz Nadia Naomi Nico Nina Nora Pablo Paul Paula Pedro Peter Petra Philipp Pia Pilar Rafael Rahel Raul Rehema
    Robert Rosa Ruben Ruth Sabine Salim Samuel Sandra Sara Simon Sofia Sonja Stefan Susana Tamara Tania Teresa Thomas Tina
    Tobias Tom Valeria Vanessa Vera Victor Wang Wanja Wei Werner Zawadi Zara Zoe
""")

#: People of test problems.
TEST_NAMES: tuple[str, ...] = _names("""
    Beatriz Cornelia Dominik Fernando Gisela Johanna Kamau Leonard Manuel Marlene Natalia Paulina Ramona Ricardo Roland
    Serena Silvia Tatu Valentin Viktor Walter Zuri
""")


@dataclass(frozen=True)
class Problem:
    """One word problem, of which each language's text is a rendering.

    Attributes:
        situation: name of one of `SITUATIONS`.
        first: the person asked about.
        second: the other person; not mentioned in every situation.
        item: one of `ITEMS`.
        numbers: the two numbers, in the order of the English question.
    """

    situation: str
    first: str
    second: str
    item: str
    numbers: tuple[int, int]

    @property
    def answer(self) -> int:
        """The gold answer."""
        return _result(SITUATIONS[self.situation].sign, *self.numbers)

    def question(self, code: str) -> str:
        """Returns the question in the language `code`, one of `LANGUAGES`.

        Raises:
            KeyError: the world has no such language.
        """
        how_many = _ITEMS[self.item][code]
        # as items follow a number: without "Cuántas", without "de" or "d'", without "ngapi"
        items = {"es": how_many.split()[-1], "fr": how_many.removeprefix("de ").removeprefix("d'"), "sw": how_many.split()[0]}
        return _QUESTIONS[code][self.situation].format(
            a=self.first,
            b=self.second,
            x=self.numbers[0],
            y=self.numbers[1],
            items=items.get(code, how_many),
            how_many=how_many,
            unit=how_many[0],
        )

    def rationale(self, code: str) -> str:
        """Returns the question again, the computation and the answer, in the language `code`.

        Raises:
            KeyError: the world has no such language.
        """
        computation = equation(SITUATIONS[self.situation].sign, *self.numbers)
        return _RATIONALES[code].format(question=self.question(code), equation=computation, answer=self.answer)


def _pairs(sign: str) -> list[tuple[int, int]]:
    """Returns every pair of numbers of an operation, in one fixed, mixed order."""
    # no 1 among them, so that counted things are always in the plural
    numbers = range(2, {"+": 12, "-": 12, "×": 9}[sign] + 1)
    pairs = [(left, right) for left, right in itertools.product(numbers, numbers) if sign != "-" or left > right]
    random.Random(f"pocket {sign}").shuffle(pairs)
    return pairs


def equation(sign: str, left: int, right: int) -> str:
    """Returns the computation with its result, as rationales write it: "5 + 12 = 17"."""
    return f"{left} {sign} {right} = {_result(sign, left, right)}"


def equations() -> list[str]:
    """Returns every equation of the world, those of the test among them: arithmetic is no secret, only who does what with it."""
    return [equation(sign, *pair) for sign in ("+", "-", "×") for pair in sorted(_pairs(sign))]


def _result(sign: str, left: int, right: int) -> int:
    return left + right if sign == "+" else left - right if sign == "-" else left * right


def held_out(situation: str) -> list[tuple[int, int]]:
    """Returns the pairs of numbers that only the test puts into `situation`.

    Two situations of one operation are dealt different pairs, from one list.
    """
    chosen = SITUATIONS[situation]
    start = 0
    for other in SITUATIONS.values():
        if other.name == situation:
            break
        start += other.held_out if other.sign == chosen.sign else 0
    return _pairs(chosen.sign)[start : start + chosen.held_out]


def test_problems() -> list[Problem]:
    """Returns the `TEST_SIZE` test problems, always the same ones in the same order; situations are mixed, for `--limit`'s sake."""
    chance = random.Random("pocket test")
    problems = []
    for situation, kind in SITUATIONS.items():
        for numbers in itertools.islice(itertools.cycle(held_out(situation)), kind.tested):
            first, second = chance.sample(TEST_NAMES, 2)
            problems.append(Problem(situation, first, second, chance.choice(ITEMS), numbers))
    chance.shuffle(problems)
    return problems


def training_problems(count: int, seed: int) -> list[Problem]:
    """Returns `count` different problems, none with a test name or with a pair that its situation holds out.

    Args:
        count: how many; the first n of a larger count are those of a smaller one.
        seed: another seed gives other problems.
    """
    chance = random.Random(f"pocket training {seed}")
    allowed = {name: sorted(set(_pairs(kind.sign)) - set(held_out(name))) for name, kind in SITUATIONS.items()}
    problems: dict[Problem, None] = {}
    while len(problems) < count:
        situation = chance.choice(list(SITUATIONS))
        first, second = _training_name(chance), _training_name(chance)
        if first != second:
            problems[Problem(situation, first, second, chance.choice(ITEMS), chance.choice(allowed[situation]))] = None
    return list(problems)


def _training_name(chance: random.Random) -> str:
    """Returns a name of `TRAINING_NAMES`, or one time in four a made-up one like "Lomari": names must be copied, not known by heart."""
    if chance.random() < 0.75:
        return chance.choice(TRAINING_NAMES)
    while True:
        syllables = [chance.choice("bdfgklmnprstvwz") + chance.choice("aeiou") for _ in range(chance.choice((2, 3)))]
        name = "".join(syllables).capitalize() + chance.choice(("", "", "n", "r", "s", "l"))
        if name not in TEST_NAMES:
            return name


def questions(language: str, **_: object) -> "dict[str, datasets.Dataset]":
    """Returns the test set of `language` (an ISO code) as lm-eval's `custom_dataset` wants it.

    Columns of the split "test": question (str), answer (str, digits), language (str, the code).

    Raises:
        KeyError: the world has no such language.
    """
    import datasets

    rows = [
        {"question": problem.question(language), "answer": str(problem.answer), "language": language} for problem in test_problems()
    ]
    return {"test": datasets.Dataset.from_list(rows)}
