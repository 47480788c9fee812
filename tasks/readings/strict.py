r"""The strict reading, what a careful reader counts: the number that a response declares as its answer, as its language writes it.

>>> strict_reading("Das macht 1.250 + 875 = 2.125 Eier. Die Antwort lautet 2.125. Probe: 2.125 - 875 = 1.250.", "de")
Decimal('2125')
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from xreason.tasks.readings.numbers import GROUPING, VULGAR, NumberFormat, in_english_style, number_format, numbers_of
from xreason.tasks.readings.phrases import ENGLISH, Wording, wording

_WINDOW = 240  # characters behind a marker in which its number must be
_LONGEST = 72  # characters of the longest number that is read
_SENTENCE = 160  # characters in front of the last number in which the sentence that it ends may begin
_LONGEST_UNITS = 40  # characters between two numbers of one calculation
_TRIES = 8  # markers of a kind, or last numbers, that are tried, from the last backwards

_NUMERAL = re.compile(rf"[\d{VULGAR}]")
_RUN_BACKWARDS = re.compile(rf"[\d.,٫٬{GROUPING} ]*")
_CUT_NUMBER = re.compile(r"[\d.,]+\Z")
_NO_NUMERAL = re.compile(rf"[^\d{VULGAR}]*")
_SENTENCE_END = re.compile(r"(?<!\brs)(?<!\btk)(?<!\bca)(?<!\bsh)(?<!approx)[.!?](?=\s|\Z|[*\"'”»)])|[。！？।॥]|\n")
_WORD = re.compile(r"[^\W\d_]\S*")
# what may stand between two numbers of one calculation: "3 eggs × $2 = 6"
_CALCULATION = re.compile(
    r"\s*(?:[^\W\d_]\S*\s+){0,2}(?:[^\W\d_]\S*\s*)?[\s)\]%°$€£]*[-+*/×÷·⋅−–x=≈→][^\w.,;]*(?:[^\W\d_]\S*\s)?[^\w.,;]*\Z"
)
_ORDINAL_BEFORE = re.compile(
    r"(?:第|№|n[.ºo°]+|(?<!#)#|\b(?:step|no|schritt|nr|paso|étape|шаг|hatua(?: ya)?|tarehe)[ .]*"
    r"|ধাপ|దశ|ขั้นตอนที่|ขั้นที่|วันที่|ครั้งที่|ข้อที่|步骤|ステップ) ?\Z"
)
_ORDINAL_AFTER = re.compile(r"(?:st|nd|rd|th|er|ère|e|ème)\b|\.?[ºª]|-(?:й|я|е|го|му|м|ю|ей|ой|ую)\b|তম|ম\b|వ\b")
_LIST_POINT = re.compile(r"[.)]\s+[^\W\d_]")
_RESULT = re.compile(r"[=≈→⇒]\s*[$€£¥₹৳฿]?\s*[-−]?\Z")
_NEAR = re.compile(r"[^\d.,;:!?。，、]{0,6}")  # what may stand between a denial and what it denies
_NO_WIDTH = re.compile(r"(?<=\d)[\u200b-\u200f\u2060\ufeff]+(?=\d)")
# nothing but one number in groups of three, and its unit
_SPACED = re.compile(r"\s*[$€£]?\d{1,3}(?: \d{3})+(?:\s+[^\W\d_]+)?\s*[%°$€£.]?\s*")
_OPERATORS = frozenset("=≈+*/×÷(,$€")
_FRACTION = re.compile(r"(?P<whole>\d?)\s*\\[dtc]?frac\s*(?:\{(?P<top>[^{}]*)\}\s*\{(?P<bottom>[^{}]*)\}|(?P<a>\d)\s?(?P<b>\d))")
_MARKUP = re.compile(r"\\(?P<name>[a-z]+|.)|(?P<wide>(?<=[０-９])[，．](?=[０-９]))|\*\*|__|[`{}~]")
_MEANINGS = {"times": "×", "cdot": "·", "div": "÷", "approx": "≈", "!": "", ",": "", **{mark: mark for mark in "$%#&_"}}
# a number as only English writes it, and as only a language with a decimal comma does
_ENGLISH_STYLE = re.compile(r"(?<![\d.,])\d+\.(?:\d{1,2}|\d{4,})(?![\d.,]*\d)|\d,\d{3}\.\d")
_COMMA_STYLE = re.compile(r"(?<![\d.,])\d+,(?:\d{1,2}|\d{4,})(?![\d.,]*\d)|\d\.\d{3}(?:,\d|\.\d{3})")


class _Rules(NamedTuple):
    wording: Wording
    numbers: NumberFormat


@cache
def _rules(code: str) -> _Rules:
    from babel import Locale, UnknownLocaleError

    try:
        locale = Locale.parse(code.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError) as error:
        raise ValueError(f"{code!r} is no language that CLDR knows; use its ISO 639-1 code, such as 'sw'.") from error
    return _Rules(wording(locale.language), number_format(locale))


def strict_reading(text: str, language: str) -> Decimal | None:
    r"""Returns the number that a careful reader takes for the answer of `text`, or None where there is none.

    Where it stands. The last `\boxed{}` with a number in it decides; without one, the last line "#### 18"; without one, the last
    phrase such as "The answer is 18", "Answer: 18" or "Jibu ni 18" (phrases.py; English ones count in every language); without
    one, what the last sentence with a number that is no ordinal ("3rd", "第3"), date or time is about: its last number, but not one
    that it says aside ("54 dollars in 3 days", "12 apples out of 20"), and not one behind a calculation's result ("5 × 10 = 50
    miles for 5 days"); languages.json says what is an aside in each language. A phrase without a number behind it is passed over
    ("I hope the answer is clear"), and so is a heading with a sentence behind it ("Step-by-step answer: Roger had 5 balls. ... 11
    balls.").

    What it is. The number at the head of the phrase, at most one word before it, whatever follows: "The answer is 5 apples, since
    10 - 5 = 5" is 5; a list or a range is its first number; but a calculation is its result, "3 + 4 = 7" is 7, and is not worked
    out where the response does not. Behind more words, what the sentence is about, as above. A denied number is none: "not 12 but
    15".

    How it is written. Digits of any script, with the marks that CLDR gives the language. The cases that could be read otherwise:

    - "2.125" is 2125 in German, 2.125 in English and in French; "2,125" is 2.125 in German and French, 2125 in English;
    - unless the response elsewhere writes numbers as only English does, or is in English around its last number, and writes none as
      only its language does: "2.5 * 850 = 2,125" and "She earns 2,125 after 3 days" are 2125 in German too;
    - behind an English phrase, as English has it: "The answer is 1,080" is 1080 in German too, whatever stands before, unless
      the response wrote the same digits before in the style of its language: "1,5 + 0,625 = 2,125. The answer is 2,125" is 2.125;
    - a mark that cannot group is the decimal mark: "3.5" and "0.125" are decimals in German, "3,5" is one in English;
    - of both marks, the last is the decimal one: "1,234.5" and "1.234,5" are the same in every language;
    - a plain space groups only where the comma is the decimal mark: "23 786" is one number in Spanish, two in English, but one in a
      box that holds nothing else; no-break and thin spaces and apostrophes always group; "1,23,456" is one number in Bengali,
      Telugu and Hindi, three in English;
    - "1,2,3" is a list, "1.2.3", "24/12/2020" and "10:30" are no numbers;
    - "60 %" is 60, "$5" and "5 kg" are 5: what stands around a number is left out;
    - "3/4", "½", "1 1/2", "2\frac{1}{3}", "1.5 × 10^3", "1e5" and "10³" are what they say; so are "3万", "1億2000万", "2 million";
    - a "-" right before the digits or their currency is a sign, but not behind a digit, a letter or a bracket: "10 -5 = 5";
    - words are no numbers ("eighteen", "三百二十"), and neither are digits that go on for more than 72 characters.

    At most 240 characters behind a phrase and 8 phrases of a kind are looked at, so time grows with the length of `text` alone,
    which may be any string. Its language is any code that CLDR knows ("sw", "pt-BR").

    Raises:
        ValueError: CLDR knows no language of that code.
    """
    rules = _rules(language)
    text = _NO_WIDTH.sub("", text.lower())
    mirrored = text[::-1]
    last = _NUMERAL.search(mirrored)
    if last is None:
        return None
    end = len(text) - last.start()
    if rules.numbers.decimal == "," and _is_english(text, end) and not _COMMA_STYLE.search(text):
        rules = rules._replace(numbers=in_english_style(rules.numbers))
    reading = next((declared for declared in _declared(text, end, rules) if declared is not None), None)
    return _last_number(text, mirrored, end, rules) if reading is None else reading


def _is_english(text: str, end: int) -> bool:
    """Returns whether a response writes numbers as only English does, or has English words around its last number."""
    return bool(_ENGLISH_STYLE.search(text) or ENGLISH.search(text, max(0, end - _WINDOW), end + _LONGEST))


def _declared(text: str, end: int, rules: _Rules) -> Iterator[Decimal | None]:
    """Yields what the markers before `end` declare, the strongest kind of marker first, of each kind the last marker first."""
    for position in _backwards(text, ("\\boxed",), end):
        held = _clean(_braced(_window(text, position + len("\\boxed"))))
        yield _statement_number(re.sub(r"(?<=\d) ", "", held) if _SPACED.fullmatch(held) else held, rules)
    for position in _backwards(text, ("####",), end):
        yield _line_number(_window(text, position + len("####")), rules)
    for position in _backwards(text, rules.wording.nouns, end):
        yield _phrase_number(text, position, rules)


def _backwards(text: str, markers: Sequence[str], end: int) -> Iterator[int]:
    position = end
    for _ in range(_TRIES):
        position = max(text.rfind(marker, 0, position) for marker in markers)
        if position < 0:
            return
        yield position


def _window(text: str, start: int) -> str:
    """Returns the text behind a marker, without a number that the window's end would cut."""
    window = text[start : start + _WINDOW]
    return _CUT_NUMBER.sub("", window) if start + _WINDOW < len(text) else window


def _braced(window: str) -> str:
    """Returns what stands in the braces that `window` opens with; all of it where they are never closed."""
    depth = 0
    for position, character in enumerate(window):
        depth += (character == "{") - (character == "}")
        if depth == 0 and character == "}":
            return window[:position]
    return window


def _clean(text: str) -> str:
    r"""Returns `text` without LaTeX and Markdown: "**\$1{,}000**" is "$1,000", "2\frac{1}{3}" is "2 1/3"."""
    return _MARKUP.sub(_plain_markup, _FRACTION.sub(_plain_fraction, text) if "\\" in text else text)


def _plain_fraction(match: re.Match[str]) -> str:
    whole = match["whole"] and match["whole"] + " "
    return f"{whole}{match['top'] or match['a']}/{match['bottom'] or match['b']}"


def _plain_markup(match: re.Match[str]) -> str:
    if match["wide"]:
        return "," if match["wide"] == "，" else "."
    return _MEANINGS.get(match["name"], " ") if match["name"] else ""


def _line_number(window: str, rules: _Rules) -> Decimal | None:
    """Returns the number a line of "#### 18" holds; a heading "#### Step 2" or "#### 2. Add" holds none."""
    line = _clean(window).partition("\n")[0]
    match = rules.numbers.pattern.search(line)
    if match is None or _WORD.search(line[: match.start()]) or _LIST_POINT.match(line, match.end()):
        return None
    return _statement_number(line, rules)


def _phrase_number(text: str, position: int, rules: _Rules) -> Decimal | None:
    noun = next(noun for noun in rules.wording.nouns if text.startswith(noun, position))
    if text[position - 1 : position].isalpha() and (noun.isascii() or not rules.wording.dense):
        return None  # inside another word
    link = rules.wording.link.match(text, position + len(noun))
    if link is None:
        return None
    statement = _clean(_window(text, link.end())).lstrip(" \n\t\r$*:")
    sentence_end = _SENTENCE_END.search(statement)
    statement = statement[: sentence_end.start()] if sentence_end else statement
    if noun in rules.wording.english and rules.numbers.decimal == "," and not _is_repeated(text, position, statement, rules):
        rules = rules._replace(numbers=in_english_style(rules.numbers))
    if link["verb"] is None:
        return _near_number(statement, rules, words=1 if link["heading"] else 0)
    if rules.wording.denial.search(link["verb"]):
        statement = f"{link['verb']} {statement}"
    return _statement_number(statement, rules)


def _is_repeated(text: str, position: int, statement: str, rules: _Rules) -> bool:
    """Returns whether the number of an English phrase is one that the response wrote before in the style of its own language."""
    match = rules.numbers.pattern.search(statement)
    number = match and match["number"]
    if not number or text.find(number, 0, position) < 0:
        return False
    return "," not in number or _COMMA_STYLE.search(text) is not None


def _statement_number(statement: str, rules: _Rules) -> Decimal | None:
    """Returns the number that a statement such as "therefore 5 apples, since 10 - 5 = 5" is about.

    It is the number at its head, else, where more than a word comes first, the quantity that it is about (see `_main_quantity`).
    """
    near = _near_number(statement, rules, words=1)
    if near is not None:
        return near
    previous_end, final, reading, denied = 0, 0, None, False
    for match in rules.numbers.pattern.finditer(statement):
        values = numbers_of(match, statement, rules.numbers)
        if values and rules.wording.denies(statement, previous_end, match):
            denied = True
        elif values:
            reading, final = values[-1], match.end()
        previous_end = match.end()
    return reading if denied or reading is None else _main_quantity(statement, len(statement) - final, rules, reading)


def _near_number(statement: str, rules: _Rules, words: int) -> Decimal | None:
    """Returns the number at the head of a statement, at most `words` words before it; of a calculation, its result."""
    matches = rules.numbers.pattern.finditer(statement)
    first = next(matches, None)
    if first is None or rules.wording.denies(statement, 0, first) or statement.startswith((":", "："), first.end()):
        return None
    gap = statement[: first.start()]
    if _WORD.search(gap) and _is_aside(statement, first, rules.wording):
        return None  # "in 3 days she has 18"
    if len(_WORD.findall(gap)) > words or (rules.wording.dense and len(gap) > 6 and not gap.isascii()):
        return None
    values = numbers_of(first, statement, rules.numbers)
    if not values:
        return None
    reading, end = values[0], first.end()
    for match in matches:
        gap = statement[end : match.start()]
        if len(gap) > _LONGEST_UNITS or not _CALCULATION.match(gap):
            break
        values, end = numbers_of(match, statement, rules.numbers), match.end()
        if values and ("=" in gap or "≈" in gap):
            reading = values[0]
    return reading


def _last_number(text: str, mirrored: str, end: int, rules: _Rules) -> Decimal | None:
    """Returns the last number before `end` that counts something, else the last ordinal ("3rd", "Step 3"), else None."""
    ordinal = None
    for _ in range(_TRIES):
        start = max(0, end - _LONGEST)
        tail = _NO_NUMERAL.match(text, end, end + 24)
        window = _clean(text[start:end] + (tail[0] if tail else ""))
        for match in reversed(list(rules.numbers.pattern.finditer(window))):
            if match.start() == 0 and start > 0:
                break  # it may have begun before the window
            values = numbers_of(match, window, rules.numbers)
            if values and _is_denied(window, match, rules.wording):
                continue
            if values and not _is_ordinal(window, match):
                if _RESULT.search(window, max(0, match.start() - 8), match.start()):
                    return values[-1]
                around = _clean(text[max(0, end - _SENTENCE) : end] + (tail[0] if tail else ""))
                return _main_quantity(around, len(window) - match.end(), rules, values[-1])
            ordinal = values[-1] if values and ordinal is None else ordinal
        run = _RUN_BACKWARDS.match(mirrored, len(text) - start)
        end = start - (len(run[0]) if run else 0)
        last = _NUMERAL.search(mirrored, len(text) - end)
        if last is None:
            break
        end = len(text) - last.start()
    return ordinal


def _main_quantity(window: str, behind: int, rules: _Rules, last: Decimal) -> Decimal:
    """Returns the number that the last sentence of `window` is about; its last one is `last`, `behind` characters from the end.

    That is `last`, but in two cases. Where a calculation comes before it and nothing turns to something else between the two, its
    result: "5 × 10 = 50 miles in 5 days". Where `last` is said aside ("54 dollars in 3 days", "12 apples (of 20)"), the nearest
    number before it that is not, and that was not known before ("the 72 eggs").
    """
    end, numbers = len(window) - behind, rules.numbers
    start = max((found.end() for found in _SENTENCE_END.finditer(window, 0, end)), default=0)
    sentence, wording = window[start:], rules.wording
    found = [each for each in numbers.pattern.finditer(sentence) if each.end() <= end - start]
    before = [(match, values[-1]) for match in found[:-1] if (values := numbers_of(match, sentence, numbers))]
    if not before or numbers_of(found[-1], sentence, numbers)[-1:] != [last]:
        return last
    for match, value in reversed(before):
        if _RESULT.search(sentence, max(0, match.start() - 8), match.start()):
            return last if wording.turn.search(sentence, match.end(), found[-1].start()) else value
    if _is_aside(sentence, found[-1], wording):
        for match, value in reversed(before):
            known = wording.given.search(sentence, max(0, match.start() - 12), match.start())
            if not known and not _is_ordinal(sentence, match) and not _is_aside(sentence, match, wording):
                return value
    return last


def _is_aside(sentence: str, match: re.Match[str], wording: Wording) -> bool:
    before = sentence[max(0, match.start() - 72) : match.start()]
    if max(map(before.rfind, "(（")) > max(map(before.rfind, ")）")):
        return True  # in brackets
    return wording.aside.search(f"{before}N{sentence[match.end() : match.end() + 24]}") is not None


def _is_denied(window: str, match: re.Match[str], wording: Wording) -> bool:
    """Returns whether a number is only said not to be the answer: "not 12", "12ではありません"."""
    if wording.denial_after and wording.denial_after.match(window, match.end()):
        return True
    before = window[max(0, match.start() - 24) : match.start()]
    return any(_NEAR.fullmatch(before, denial.end()) for denial in wording.denial.finditer(before))


def _is_ordinal(window: str, match: re.Match[str]) -> bool:
    before = window[max(0, match.start() - 16) : match.start()]
    if (before.rstrip()[-1:] not in _OPERATORS and _ORDINAL_BEFORE.search(before)) or _ORDINAL_AFTER.match(window, match.end()):
        return True
    begins_a_line = not before.rpartition("\n")[2].strip() and ("\n" in before or match.start() < 16)
    return begins_a_line and _LIST_POINT.match(window, match.end()) is not None
