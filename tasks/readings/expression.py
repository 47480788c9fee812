r"""Answers that are expressions: which one a response gives, and whether it equals the gold answer, by math_verify.

>>> expression_reading(r"Donc $x = \boxed{\frac{1}{2}}$.", "fr")
'\\frac{1}{2}'
>>> equal("$0.5$", r"\frac{1}{2}")
True

math_verify (https://github.com/huggingface/Math-Verify) parses and simplifies what models write, and some of that takes all the
time and memory there is. So it is asked in processes of its own. Each loads math_verify once and forks the one that compares; when
the kernel ends that one, it forks the next. The limit is one of processor time, so that a busy machine changes no verdict.
"""

import os
import queue
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal, Never

from xreason.tasks.errors import UserError
from xreason.tasks.readings.numbers import NumberFormat, in_english_style, number_format, numbers_of
from xreason.tasks.readings.phrases import ALL_PHRASES, Wording, alternatives, conjunctions, lower, wording
from xreason.tasks.readings.strict import strict_reading

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

#: Seconds of processor time after which a comparison is ended; what it compares is not equal then.
TIME_LIMIT = 0.9
_LONGEST_WAIT = 600.0  # seconds by the clock, for the case that the machine hardly runs at all
_MEMORY = 2 << 30  # bytes of address space that a comparing process may have
_GROWN = 1 << 19  # kibibytes of memory at which it makes way for a fresh one
_LONGEST = 4000  # characters of an answer that is compared; the longest published gold has 273
_PROCESSES = min(4, os.cpu_count() or 1)

Boxed = Literal["first", "last"]

_BRACE = re.compile(r"(?P<box>\\?f?boxed\s*\{)|[{}]")
_UNESCAPED = re.compile(r"(?P<box>\\?f?boxed\s*\{)|(?<!\\)[{}]")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})", re.ASCII)
_READ = 40_000  # characters at the end of a response in which phrases count
_TRIES = 8  # phrases that are tried, from the last backwards
_WINDOW = 600  # characters behind a phrase in which its expression must be
_MOST_BOXES = 32  # that are one list
_HEAD = 60  # characters between a phrase and the formula that it declares

_FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$((?:\\.|[^$\\])+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_SENTENCE_END = re.compile(r"[.!?](?=\s|\Z|[*\"'”»)])|[。！？।॥۔؟]|\n")
_SPACES = re.compile(r"boxed *\{\Z")
_LINE = re.compile(r"#### *(.+)")
#: A formula without dollars: digits, operators, brackets, single letters, names of functions.
_PLAIN = re.compile(
    r"(?=.*\d|.*[a-zπ])(?:[\d\s.,:;+\-−–*/×·÷^=<>≤≥()\[\]{}|√π∞°%!²³¹⁰⁴-⁹½¼¾⅓⅔']|\\[a-zA-Z]+|sqrt|pi|sin|cos|tan|log|ln|(?<![^\W_])[a-z](?![^\W\d_]))+"
)
_MARKS = str.maketrans(
    {**dict.fromkeys("−﹣‑‒–－", "-"), "٫": ".", "٬": "", "٪": r"\%", "％": r"\%", "π": r"\pi ", "∞": r"\infty ", "×": r"\times "}
    | {"÷": "/", "·": r"\cdot ", "≤": r"\leq ", "≥": r"\geq ", "（": "(", "）": ")", "，": ", ", "、": ", ", "；": ";", "＝": "="}
    | {mark: f"^{{{number}}}" for number, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
    | {
        vulgar: rf"\frac{{{over[0]}}}{{{over[1]}}}"
        for vulgar, over in {"½": "12", "⅓": "13", "⅔": "23", "¼": "14", "¾": "34"}.items()
    }
)
_ROOT = re.compile(r"√\s*(\d+|[a-z]|\([^()]*\))")
_UNIT = re.compile(
    r"\s*\\(?:text|mathrm|textbf|mbox)\{[^{}\d]*\}[.。]?\Z|(?:(?<=\d)[^\W\da-zA-Zα-ωΑ-Ω_]+|\s+(?!pi\b|or\b|and\b)[^\W\d_]{2,})(?:\s+[^\W\d_]+){0,2}[.。]?\Z"
)
_WRAPPED = re.compile(r"\s*(?:\\(?:text|mathrm|textbf|mathbf|displaystyle)\s*)?\{(.*)\}\s*\Z", re.DOTALL)
_SPACED = re.compile(r"\d{1,3}(?: \d{3})+(?:[.,]\d+)?")
_NO_WIDTH = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
#: A point, comma or semicolon behind a formula, which is no part of it as that of "\\right." or "1, 2, ..." is.
_LAST_MARK = re.compile(r"(?<![\\.])(?<!right)(?<!left)[.,;。।،]\s*\Z")
_CURRENCY = re.compile(r"\\?[$€£¥₹৳฿₽￥＄]")
_LAST_DIGITS = re.compile(r"[+-]?(?=\.?[0-9])(?:[1-9]\d{0,2}(?:,\d{3})*(?!\d)|\d*)(?:\.\d*)?")


def paper_expression(text: str, which: Boxed) -> str | None:
    r"""Returns the expression that the authors of a benchmark take for the answer of `text`, or None where there is none.

    PolyMath's authors take what the first closed box holds (QwenLM/PolyMath, eval/run_eval.py, fbf4e41), here with its spaces,
    which they take out. MMATH's (RUCAIBox/MMATH, utils.py, 8796b04) take the last box; where that is empty or not closed, and where
    there is none, the last number, behind "answer is" and the like in lower case where such stands. What follows from that rule is
    kept, because published scores rest on it: a box with a space before its brace is none, "0.5" reads as 0.5 and ".5" as 5.

    What equals the gold is MMATH's rule for both: see `equal`. PolyMath's own script also takes 50 and 0.005 for 0.5,
    and 0.50004.
    """
    boxes = _boxes(text)
    if which == "first":
        apart = (text[start:end] for start, end in boxes if _SPACES.search(text, max(0, start - _HEAD), start))
        return next((each.strip() for each in apart), None)
    start = text.rfind("\\boxed")
    held = start + len("\\boxed{") if text.startswith("\\boxed{", start) else None
    said = next((text[begin:end] for begin, end in boxes if begin == held), "")
    wrapped = re.match(r"\{(.*)\}$", said)
    if said := wrapped[1] if wrapped else said:
        return said
    shown = text.lower()
    for prefix in ("final answer", "answer is", "answer:", "answer is:", "final answer:", "final answer is"):
        if prefix in shown:
            shown = text.split(prefix)[-1].strip()
    numbers = _LAST_DIGITS.findall(shown)
    return numbers[-1].replace(",", "").replace("+", "").strip(".") if numbers else None


def expression_reading(text: str, language: str) -> str | None:
    r"""Returns the expression, in LaTeX, that a careful reader takes for the answer of `text`, or None where there is none.

    Where it stands. The last closed `\boxed{}` that holds something decides, with those before it where they are one list
    ("$\boxed{1}$ or $\boxed{2}$"); without one, the last line "#### 18"; without one, the last phrase such as "The answer is $x^2$"
    (phrases.py; English ones count in every language) with a formula behind it, in dollars or bare; without one, the last formula,
    where no number follows; else what the strict reading of numbers reads.

    How it is written. Digits of any script; a number alone, with its unit, is read as the strict reading reads it: "1.234,5 Euro"
    is 1234.5 in German. Within a formula "," and ";" part, as in LaTeX; where the comma is the decimal mark, "2{,}5" is 2.5, and a
    ";" makes other commas decimal: "(1,5; 2)". The language's own words for "and" and "or" (CLDR) part a list.

    Args:
        text: the response, any string.
        language: the language that it was asked in, by any code that CLDR knows.

    Raises:
        ValueError: CLDR knows no language of that code.
    """
    for said in _candidates(text, language):
        if said.strip(" \n\t.。$*{}"):
            return _written(said, text, language)
    number = strict_reading(text, language)
    return None if number is None else f"{number.normalize():f}"


def _boxes(text: str, braces: re.Pattern[str] = _BRACE) -> list[tuple[int, int]]:
    r"""Returns where what closed boxes hold begins and ends, by where it begins; to the authors, "\{" is a brace too."""
    opened: list[int | None] = []
    closed = []
    for brace in braces.finditer(text):
        if brace[0] != "}":
            opened.append(brace.end() if brace["box"] else None)
        elif opened and (start := opened.pop()) is not None:
            closed.append((start, brace.start()))
    return sorted(closed)


def _candidates(text: str, language: str) -> Iterator[str]:
    boxes = [(start, end) for start, end in _boxes(text, _UNESCAPED) if text[start:end].strip()]
    if boxes:
        yield _listed(text, boxes, language)
        return
    if lines := _LINE.findall(text):
        yield lines[-1].strip("* ")
    yield from _declared(text, language)
    ending = text[-_LONGEST:].partition("\n")[2] if len(text) > _LONGEST else text
    formulas = list(_FORMULA.finditer(ending))
    if formulas and not re.search(r"\d", ending[formulas[-1].end() :]):
        yield next(filter(None, formulas[-1].groups()))


def _listed(text: str, boxes: Sequence[tuple[int, int]], language: str) -> str:
    """Returns what the last box holds, behind those of the same list."""
    words = alternatives(conjunctions(language))
    listed = [boxes[-1]]
    for box in reversed(boxes[-_MOST_BOXES:-1]):
        between = text[box[1] + 1 : listed[0][0]]
        if len(between) > _HEAD or not re.fullmatch(
            rf"[\s$,;、，\\()\[\]]*(?:{words})?[\s$\\()\[\]]*\\boxed\s*\{{", between, re.IGNORECASE
        ):
            break
        listed.insert(0, box)
    return ", ".join(dict.fromkeys(text[start:end].strip() for start, end in listed))


@cache
def _wording(language: str) -> Wording:
    conjunctions(language)  # which knows whether CLDR knows it
    return wording(language.replace("_", "-").partition("-")[0].lower(), ALL_PHRASES)


def _declared(text: str, language: str) -> Iterator[str]:
    """Yields the formulas that phrases declare, the last phrase first."""
    said = _wording(language)
    text = text[-_READ:]
    lowered = lower(text)
    for _, end in said.last_nouns(lowered, _TRIES):
        link = said.link.match(lowered, end)
        if link is None:
            continue
        # a dash behind the noun ("Answer - 5") is none where a number follows at once
        start = link.end() - (text[link.end() - 1] in "-−" and text[link.end() : link.end() + 1].isdecimal())
        statement = text[start : start + _WINDOW].lstrip(" \n\t*:：")
        formula = _FORMULA.search(statement)
        gap = statement[: formula.start()] if formula else statement
        if formula and len(gap) <= _HEAD and not _SENTENCE_END.search(gap) and not re.search(r"\d", gap):
            denied = said.denial.search(gap.lower()) or (link["verb"] and said.denial.search(link["verb"]))
            other = denied and _FORMULA.search(statement, formula.end())
            yield next(filter(None, (other or formula).groups()))
        else:
            plain = _SENTENCE_END.split(statement, maxsplit=1)[0].strip(" *`")
            if _PLAIN.fullmatch(plain):
                yield plain


def _written(said: str, text: str, language: str) -> str:
    """Returns an expression as LaTeX has it, from how a response in a language writes it; as it stands where it is too long."""
    said = _NO_WIDTH.sub("", said).strip().strip("$").strip()
    if len(said) > _LONGEST:
        return said
    said = _LAST_MARK.sub("", said)
    while (wrapped := _WRAPPED.match(said)) and re.search(r"\d", wrapped[1]) and not re.search("[{}]", wrapped[1]):
        said = wrapped[1].strip()
    rules = _numbers(language)
    plain = _CURRENCY.sub("", said).replace("{,}", ",").replace(r"\,", "").replace(r"\!", "").replace(r"\ ", " ").strip()
    plain = plain.replace(" ", "") if _SPACED.fullmatch(plain) else plain
    for number in (plain, _UNIT.sub("", plain).strip()):
        for style in (rules, in_english_style(rules)):
            match = style.pattern.fullmatch(number.lstrip("+-−– ").lower())
            if match and match.lastgroup in ("number", "scaled") and len(numbers_of(match, match[0], style)) == 1:
                value = strict_reading(f"{text}\n\\boxed{{{number}}}", language)
                if value is not None:
                    return f"{value:f}"
    said = "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in said)
    said = _ROOT.sub(lambda root: rf"\sqrt{{{root[1]}}}", said).translate(_MARKS)
    words = sorted({word for word in conjunctions(language) if word.isalpha()}, key=len, reverse=True)
    said = re.sub(rf"\s*\\text\s*\{{\s*,?\s*(?:{alternatives(words)})\s*\}}\s*", ", ", said, flags=re.IGNORECASE)
    said = re.sub(rf"\s+(?:{alternatives(word for word in words if len(word) > 1)})\s+", ", ", said, flags=re.IGNORECASE)
    if rules.decimal == ",":
        said = re.sub(r"(?<=\d)\{,\}(?=\d)", ".", said)
        if ";" in said:
            said = re.sub(r"(?<=\d),(?=\d)", ".", said)
    return re.sub(r" +", " ", said.replace("{,}", "").replace(";", ",")).strip()


@cache
def _numbers(language: str) -> NumberFormat:
    from babel import Locale

    return number_format(Locale.parse(language.replace("-", "_")))


@lru_cache(maxsize=1 << 16)
def equal(gold: str, answer: str) -> bool:
    """Returns whether an answer, in LaTeX, equals the gold answer, as it is published: the same text, or equal to math_verify.

    Raises:
        UserError: the processes that compare cannot be started.
    """
    gold, answer = gold.strip(), answer.strip()
    if _bare(gold) == _bare(answer):
        return bool(_bare(gold))
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer):
        return int(gold) == int(answer)  # "-0"
    if len(answer) > _LONGEST or not answer:
        return False
    comparer = _comparers().get()
    try:
        return comparer.compare(gold, answer)
    finally:
        _comparers().put(comparer)


def all_equal(pairs: Sequence[tuple[str, str]]) -> list[bool]:
    """Returns of each (gold, answer) whether they are equal, several compared at a time.

    Raises:
        UserError: the processes that compare cannot be started.
    """
    if len(pairs) < 2:
        return [equal(*pair) for pair in pairs]
    with ThreadPoolExecutor(_PROCESSES) as threads:
        return list(threads.map(lambda pair: equal(*pair), pairs))


def _bare(text: str) -> str:
    """Returns the text of a formula without what only sets it: spaces, dollars, how large brackets and fractions are."""
    return re.sub(r"[\s$]|\\(?:left|right)(?![a-z])|\\[,;!]|(?<=\\)[dtc](?=frac)", "", text)


@cache
def _comparers() -> "queue.LifoQueue[_Comparer]":
    comparers: queue.LifoQueue[_Comparer] = queue.LifoQueue()
    for _ in range(_PROCESSES):
        comparers.put(_Comparer())
    return comparers


class _Comparer:
    """A process with math_verify in it, started when it is first asked."""

    _connection: "Connection | None" = None

    def compare(self, gold: str, answer: str) -> bool:
        for _ in range(2):  # a process that something else ended is no verdict
            connection = self._connection or self._start()
            try:
                connection.send((gold, answer))
                if connection.poll(_LONGEST_WAIT):
                    return bool(connection.recv())
                self._end()
                return False
            except (EOFError, OSError):
                self._end()
        raise UserError("The processes that compare expressions were ended twice; see whether this machine has memory left.")

    def _start(self) -> "Connection":
        from multiprocessing import Pipe

        connection, theirs = Pipe()
        program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve({theirs.fileno()})"
        # no fork of this process, which may hold threads of vLLM; hashes of texts, and so the order of sets, are the same each time
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        try:
            connection.recv()
        except EOFError as error:
            raise UserError(
                "math_verify cannot be loaded; `pip install 'math-verify[antlr4-11-0]'` into this environment."
            ) from error
        self._connection = connection
        return connection

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._process.kill()
            self._process.wait()
            self._connection = None


def serve(descriptor: int) -> None:
    """Compares what comes through a connection, in processes forked from this one, until it is closed."""
    import resource
    from multiprocessing.connection import Connection

    connection = Connection(descriptor)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    _verdict(r"$\frac{1}{2}$", "0.5")  # which loads math_verify whole
    connection.send(None)
    while True:
        child = os.fork()
        if child == 0:
            _compare(connection)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            connection.send(False)
        elif os.WEXITSTATUS(status) == 0:
            return


def _compare(connection: "Connection") -> Never:
    import resource
    import signal

    while resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < _GROWN:
        try:
            gold, answer = connection.recv()
        except EOFError:
            os._exit(0)
        signal.setitimer(signal.ITIMER_PROF, TIME_LIMIT)  # at its end the kernel ends this process
        verdict = _verdict(gold, answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(verdict)
    os._exit(1)


def _verdict(gold: str, answer: str) -> bool:
    """Returns math_verify's verdict, as MMATH's authors ask for it (RUCAIBox/MMATH, mmath_eval.py, 8796b04)."""
    from math_verify import parse, verify

    said = parse(f"${answer}$", parsing_timeout=None)
    return bool(verify(_gold(gold), said, timeout_seconds=None))


@lru_cache(maxsize=1 << 12)
def _gold(gold: str) -> list[object]:
    from math_verify import parse

    # (1,4,4), (2,4,4) is nothing to math_verify without dollars
    return list(parse(gold if "$" in gold else f"${gold}$", parsing_timeout=None))
