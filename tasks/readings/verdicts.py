"""What the readings make of the responses to one question; the one place where a response is counted as right or wrong.

`paper` counts as those who published the questions do, `strict` as a careful reader. An answer is a number (paper.py, strict.py),
an expression (expression.py) or the letter of a choice (choice.py). Numbers are also counted as MetaMath's own script does
(`metamath`, metamath.py). Of several samples, each also has a majority.
"""

import importlib.metadata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, wraps
from typing import Any, TypeVar

from xreason.tasks.added import Kind as Kind
from xreason.tasks.prompts import STYLES
from xreason.tasks.readings.choice import choice_reading, paper_choice
from xreason.tasks.readings.expression import Boxed, all_equal, equal, expression_reading, paper_expression
from xreason.tasks.readings.metamath import metamath_reading
from xreason.tasks.readings.numbers import ARITHMETIC
from xreason.tasks.readings.paper import paper_reading
from xreason.tasks.readings.strict import strict_reading

#: Kind of answer to what lm-eval reports of its tasks.
METRICS: Mapping[Kind, tuple[str, ...]] = {
    "number": ("paper", "strict", "answered", "metamath"),
    "expression": ("paper", "strict", "answered"),
    "choice": ("paper", "strict", "answered"),
}

_Reading = TypeVar("_Reading", bound=Hashable)
_Said = TypeVar("_Said")
_REMEMBERED, _LONGEST = 4096, 4000  # readings of a kind, and the characters of a response whose reading is one of them
_TOLERANCE = Decimal("0.001")  # the least difference to the gold at which a reading is wrong (MathOctopus)


def _remembered(reading: Callable[..., _Said]) -> Callable[..., _Said]:
    """Returns the same reading, which remembers what it last read: lm-eval, verdicts and samples ask for the same."""
    kept = lru_cache(maxsize=_REMEMBERED)(reading)

    @wraps(reading)
    def read(text: str, *rest: Hashable) -> _Said:
        return kept(text, *rest) if len(text) <= _LONGEST else reading(text, *rest)

    return read


_strict, _expression, _choice = _remembered(strict_reading), _remembered(expression_reading), _remembered(choice_reading)


@dataclass(frozen=True)
class Verdicts:
    """What the readings make of the samples of one question.

    Of each sample: whether the papers count it as right, whether a careful reader does, whether the strict reading finds an answer
    in it at all, and whether MetaMath counts it as right. Of all: whether the papers' reading that most samples share is right (of
    several such, the one that was read first), and the same of the two others, where a sample without an answer has no vote; and
    the first sample that gives the answer which the strict reading's vote chose, 0 where none has one. MetaMath reads numbers
    alone; of another kind of answer it is None.
    """

    paper: tuple[bool, ...]
    strict: tuple[bool, ...]
    answered: tuple[bool, ...]
    metamath: tuple[bool, ...] | None
    majority_paper: bool
    majority_strict: bool
    majority_metamath: bool | None
    elected: int


def kind_of(document: Mapping[str, Any]) -> Kind:
    """Returns what the answer to a row of a suite is; a number, where it does not say."""
    kind: Kind = document.get("kind") or "number"
    return kind


def judges(kind: Kind) -> dict[str, str]:
    """Returns the packages that decide what is right in answers of a kind, each with its version."""
    return {"math-verify": importlib.metadata.version("math-verify")} if kind == "expression" else {}


def all_verdicts(texts: Sequence[Sequence[str]], documents: Sequence[Mapping[str, Any]]) -> list[Verdicts]:
    """Returns the verdicts on the samples of several questions, in their order; expressions are compared several at a time.

    Args:
        texts: of each question, the `answer_part` of its samples.
        documents: the rows: `answer` (the gold), `language` and, where the answer is no number, `kind`; of a choice `choices`, the
            options' texts in the order of their letters; of an expression `boxed`, which box its authors read ("last" where it does
            not say).

    Raises:
        ValueError: CLDR knows no language of that code.
        UserError: the processes that compare expressions cannot be started.
    """
    asked = [(each, document) for each, document in zip(texts, documents, strict=True) if kind_of(document) == "expression"]
    pairs = {
        (document["answer"], answer)
        for each, document in asked
        for text in each
        for answer in (paper_expression(text, document.get("boxed") or "last"), _expression(text, document["language"]))
        if answer is not None
    }
    all_equal(sorted(pairs))  # which are remembered
    return [_verdicts(each, document) for each, document in zip(texts, documents, strict=True)]


def what_is_read(text: str, document: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Returns the answers that the authors' and the strict reading find in an `answer_part`, for people; None for none.

    Args:
        text: the answer part.
        document: the row, as `all_verdicts` takes it.
    """
    match kind_of(document):
        case "expression":
            boxed: Boxed = document.get("boxed") or "last"
            return paper_expression(text, boxed), _expression(text, document["language"])
        case "choice":
            return paper_choice(text), _choice(text, document["language"], tuple(document["choices"]))
        case _:
            number = _strict(text, document["language"])
            plain = number is not None and abs(number.adjusted()) < 30
            strict = None if number is None else format(number.normalize(), "f") if plain else str(number)
            return format(paper_reading(text), ".12g"), strict


def said(document: Mapping[str, Any], answer: str) -> str:
    """Returns a sentence from which every reading takes the answer to a row of a suite."""
    match kind_of(document):
        case "expression":
            return f"The answer is: \\boxed{{{answer}}}"
        case "choice":
            return f"The answer is ({answer})."
        case _:
            return f"The answer is: {answer}"


def read_back(documents: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Returns of each row of one kind whether the strict reading finds its gold in a sentence that gives it.

    Raises:
        ValueError: CLDR knows no language of that code.
        UserError: the processes that compare expressions cannot be started.
    """
    told = [(said(each, each["answer"]), each["answer"], each["language"]) for each in documents]
    match kind_of(documents[0]) if documents else "number":
        case "expression":
            read = [(gold, expression_reading(text, language) or "") for text, gold, language in told]
            return all_equal(read)
        case "choice":
            both = zip(told, documents, strict=True)
            return [choice_reading(text, language, each["choices"]) == gold for (text, gold, language), each in both]
        case _:
            return [strict_reading(text, language) == Decimal(gold.replace(",", "")) for text, gold, language in told]


def _verdicts(texts: Sequence[str], document: Mapping[str, Any]) -> Verdicts:
    gold, language = document["answer"], document["language"]
    match kind_of(document):
        case "expression":
            return expression_verdicts(texts, gold, language, document.get("boxed") or "last")
        case "choice":
            return choice_verdicts(texts, gold, language, document["choices"])
        case _:
            return verdicts(texts, gold, language)


def expression_verdicts(texts: Sequence[str], gold: str, language: str, which: Boxed) -> Verdicts:
    """Returns the verdicts on one question's samples whose answer is an expression; see `equal` for what equals the gold.

    In a majority vote, answers that are written otherwise and are equal vote together.

    Raises:
        UserError: the processes that compare expressions cannot be started.
    """
    paper = [paper_expression(text, which) for text in texts]
    strict = [_expression(text, language) for text in texts]
    right = {answer: equal(gold, answer) for answer in {*paper, *strict} if answer is not None}

    def alike(answers: Sequence[str | None]) -> list[str | None]:
        seen: list[str] = []
        voted: list[str | None] = []
        for answer in answers:
            if answer is None or right[answer]:
                voted.append(None if answer is None else gold)
                continue
            voted.append(next((each for each in seen if equal(each, answer)), answer))
            seen.append(answer)
        return voted

    return _read(alike(paper), alike(strict), gold)


def choice_verdicts(texts: Sequence[str], gold: str, language: str, choices: Sequence[str]) -> Verdicts:
    """Returns the verdicts on one question's samples whose answer is the letter of one of its choices."""
    paper = [paper_choice(text) for text in texts]
    strict = [_choice(text, language, tuple(choices)) for text in texts]
    return _read(paper, strict, gold)


def _read(paper: Sequence[str | None], strict: Sequence[str | None], gold: str) -> Verdicts:
    return Verdicts(
        paper=tuple(answer == gold for answer in paper),
        strict=tuple(answer == gold for answer in strict),
        answered=tuple(answer is not None for answer in strict),
        metamath=None,
        majority_paper=_majority(paper) == gold,
        majority_strict=_majority(strict) == gold,
        majority_metamath=None,
        elected=_elected(strict),
    )


def verdicts(texts: Sequence[str], gold: str, language: str) -> Verdicts:
    """Returns the verdicts on one question's samples, at least one, whose answer is a number.

    As in the papers, a reading must differ from the gold by less than 1e-3, so 0.333 is right for a third. A response without a
    number reads as 0.0 to the papers, so it is right for a gold of 0; to a careful reader it is never right, and neither is
    anything for a gold without a number. MetaMath's reading, a whole number, must be the gold itself. Read is the `answer_part` of
    each sample; the gold is as MGSM and MSVAMP publish it, in English style ("2,125", "8.0"); the language is the responses', by
    any code that CLDR knows.

    Raises:
        ValueError: CLDR knows no language of that code.
    """
    paper, paper_gold = [paper_reading(text) for text in texts], paper_reading(gold)
    strict, strict_gold = [_strict(text, language) for text in texts], _strict(gold, "en")
    metamath = [metamath_reading(text) for text in texts]

    def paper_right(reading: float) -> bool:
        return abs(reading - paper_gold) < float(_TOLERANCE)

    def strict_right(reading: Decimal | None) -> bool:
        return reading is not None and strict_gold is not None and abs(ARITHMETIC.subtract(reading, strict_gold)) < _TOLERANCE

    def metamath_right(reading: int | None) -> bool:
        return reading is not None and strict_gold is not None and float(reading) == float(strict_gold)

    return Verdicts(
        paper=tuple(map(paper_right, paper)),
        strict=tuple(map(strict_right, strict)),
        answered=tuple(reading is not None for reading in strict),
        metamath=tuple(map(metamath_right, metamath)),
        majority_paper=paper_right(Counter(paper).most_common(1)[0][0]),
        majority_strict=strict_right(_majority(strict)),
        majority_metamath=metamath_right(_majority(metamath)),
        elected=_elected(strict),
    )


def _majority(readings: Iterable[_Reading | None]) -> _Reading | None:
    votes = Counter(reading for reading in readings if reading is not None)
    return votes.most_common(1)[0][0] if votes else None


def _elected(readings: Sequence[_Reading | None]) -> int:
    chosen = _majority(readings)
    return 0 if chosen is None else readings.index(chosen)


#: What ends a model's thinking, where nothing else is said.
THINK_END = "</think>"


def think_begin(end: str) -> str:
    """Returns the mark that begins the thinking which `end` ends: "<think>", "[THINK]"; "" where that has no slash to leave out."""
    return end.replace("/", "", 1) if "/" in end else ""


def opened(prompt: str, end: str) -> str:
    """Returns the mark that begins thinking where a prompt, such as a chat template's, leaves it open; "" where none does."""
    begin = think_begin(end)
    return begin if begin in prompt.rpartition(end)[2] else ""


def still_thinking(response: str, end: str) -> bool:
    """Returns whether a response ended while it was thinking."""
    return bool(opened(response, end))


def split(response: str, end: str) -> tuple[str, str]:
    """Returns a response in two, marks and all: up to the last that ends thinking, and the rest, if it does not think on."""
    before, mark, after = response.rpartition(end)
    return (response, "") if still_thinking(response, end) else (f"{before}{mark}", after)


def parts(response: str, document: Mapping[str, str]) -> tuple[str, str]:
    """Returns the thinking of a response, and the part that is read for an answer; nothing where it was still thinking at its end.

    Thinking is told under a chat template, by its own mark or by that which the row's `think_end` names. As lm-eval has it, the
    answer is what stands after the last mark, and all of a response that has none.

    In a style that ends responses at certain texts, the answer is what stands before the first of them, such as the next question
    that the model invents.
    """
    style, told = STYLES[document["style"]], document.get("think_end")
    thinking, answer = "", response
    if end := told or (THINK_END if style.chat else ""):
        thinking, _, answer = response.rpartition(end)
        if begin := think_begin(end):
            answer, _, again = answer.partition(begin)
            thinking = f"{thinking} {again}".replace(begin, " ")
        thinking = thinking.replace(end, " ").strip()
    if told:
        answer = answer.lstrip()
    for stop in () if style.chat else style.stops(document["language"]):
        answer = answer.partition(stop)[0]
    return thinking, answer


def answer_part(response: str, document: Mapping[str, str]) -> str:
    """Returns the part of a response that is read for an answer, see `parts`."""
    return parts(response, document)[1]
