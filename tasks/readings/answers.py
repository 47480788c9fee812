r"""Reads the final answer out of a response, in two ways, and says whether it is right.

`paper` is what MathOctopus, QAlign and SLAM count with (arXiv 2310.20246, 2401.07817, 2501.03681): the last number of the response
against the gold, within 1e-3. `strict` is what a careful reader counts: the number that the response declares as its answer,
written as its language writes numbers.

    >>> text = "Das macht 1.250 + 875 = 2.125 Eier. Die Antwort lautet 2.125. Probe: 2.125 - 875 = 1.250."
    >>> paper_reading(text)
    1.25
    >>> strict_reading(text, "de")
    Decimal('2125')
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from functools import cache

#: The largest difference to the gold, itself excluded, at which a reading is right (MathOctopus).
TOLERANCE = 1e-3

# --- the papers' reading ---------------------------------------------------------------------------------------------------------

# A pair of digits around a comma is taken first, which is the published left-to-right removal of commas in one pattern.
_PAPER_NUMBER = r"(?>(?>\d,\d|\d)++(?:\.(?>\d,\d|\d)++)?)"
_LAST_OF_RUN = re.compile(rf"[.,]*+(?>{_PAPER_NUMBER}[.,]++(?=\d))*+({_PAPER_NUMBER})")
_LAST_RUN_BACKWARDS = re.compile(r"\d[\d,.]*")


def paper_reading(text: str) -> float:
    """Returns the last number in `text` as the papers read it; 0.0 where there is none.

    First, in one left-to-right pass, every digit-comma-digit loses its comma; then a number is a run of digits, optionally one dot
    and more digits. Digits are Unicode decimal digits. What follows from that rule is kept, because published scores rest on it:
    no sign is read ("-5" reads as 5), "1,2,3" reads as 3, "1.234,5" as 1.2345, "1e5" as 5, and no number at all as 0.0.
    A number too large for a float reads as infinity.
    """
    # outside a run of digits, commas and dots the pass changes nothing, so the last run alone decides
    run = _LAST_RUN_BACKWARDS.search(text[::-1])
    number = _LAST_OF_RUN.match(run[0][::-1]) if run else None
    return float(number[1].replace(",", "")) if number else 0.0


def paper_correct(text: str, gold: str) -> bool:
    """Returns whether the papers count the response `text` as right; `gold` is read by the same rule ("2,125" is 2125)."""
    return abs(paper_reading(text) - paper_reading(gold)) < TOLERANCE


# --- how languages declare an answer, and how they write numbers -----------------------------------------------------------------


@dataclass(frozen=True)
class Phrases:
    """How a language declares an answer, all in lower case.

    Attributes:
        nouns: what "answer" is called.
        verbs: what stands between the noun and the number; a colon, an equals sign and a line break do so in every language.
        denials: words that deny the number after them ("not 12 but 15").
        denials_after: words that deny the number before them, where the verb comes last ("12ではなく15").
        dense: written without spaces between words.
        bare: the number may follow the noun with nothing between them ("సమాధానం 39").
    """

    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    denials: tuple[str, ...]
    denials_after: tuple[str, ...] = ()
    dense: bool = False
    bare: bool = False


#: English phrases count in every language too, since models answer in English.
PHRASES: dict[str, Phrases] = {
    "bn": Phrases(
        ("উত্তর", "জবাব"),
        ("হল", "হলো", "হ'ল", "হ’ল", "হচ্ছে", "হবে", "হয়", "হয়", "দাঁড়ায়"),
        denials=("না",),
        denials_after=("নয়", "নয়"),
        bare=True,
    ),
    "de": Phrases(("antwort", "endantwort", "lösung", "endergebnis"), ("ist", "lautet", "beträgt", "wäre", "sind"), ("nicht",)),
    "en": Phrases(("answer", "answers"), ("is", "are", "was", "would be", "will be", "should be", "must be", "equals"), ("not",)),
    "es": Phrases(("respuesta", "solución"), ("es", "son", "sería", "será", "serían"), ("no",)),
    "fr": Phrases(("réponse", "solution"), ("est", "sont", "serait", "sera", "vaut"), ("pas",)),
    "ja": Phrases(("答え", "答", "こたえ"), ("は",), (), ("ではな", "じゃな", "でな"), dense=True),
    "ru": Phrases(("ответ", "ответом"), ("это", "равен", "равно", "будет", "составляет", "является", "таков"), ("не",)),
    "sw": Phrases(("jibu", "majibu"), ("ni", "litakuwa", "linakuwa", "itakuwa", "lingekuwa"), ("si", "sio", "siyo")),
    "te": Phrases(("సమాధానం", "సమాధానము", "జవాబు"), ("ఏమిటంటే", "అంటే"), (), ("కాదు",), bare=True),
    "th": Phrases(("คำตอบ", "ตอบ"), ("คือ", "เท่ากับ", "เป็น", "ได้แก่"), ("ไม่",), dense=True),
    "zh": Phrases(("答案", "答"), ("是", "为", "為", "等于", "等於"), ("不",), dense=True),
}

# the powers of ten that words after a number multiply it by, and in Swahili words before it
_SCALES = {
    **dict.fromkeys(("hundred", "ร้อย", "百"), 2),
    **dict.fromkeys(("thousand", "tausend", "mil", "mille", "тыс.", "тысяч", "тысячи", "тысяча"), 3),
    **dict.fromkeys(("হাজার", "వేల", "వేలు", "พัน", "千"), 3),
    **dict.fromkeys(("หมื่น", "万", "萬"), 4),
    **dict.fromkeys(("lakh", "lakhs", "লাখ", "লক্ষ", "లక్ష", "లక్షల", "లక్షలు", "แสน"), 5),
    **dict.fromkeys(
        ("million", "millions", "millionen", "millón", "millones", "млн", "миллион", "миллиона", "миллионов", "ล้าน"), 6
    ),
    **dict.fromkeys(("crore", "crores", "কোটি", "కోటి", "కోట్ల", "కోట్లు"), 7),
    **dict.fromkeys(("亿", "億"), 8),
    **dict.fromkeys(("milliarde", "milliarden", "milliard", "milliards", "млрд"), 9),
}
_SCALES_BEFORE = {"mia": 2, "elfu": 3, "laki": 5, "milioni": 6}
_CURRENCY = "$€£¥₹৳฿₽￥＄"
_MINUS = "−－-"  # the plain one last, so that it is no range inside [...]
# no-break, figure, thin, hair and narrow no-break space, and apostrophes: they only ever group by threes
_GROUPING = "\u00a0\u2007\u2009\u200a\u202f'’"
_VULGAR = "¼-¾⅐-⅞↉"
_EXPONENT_MARKS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−－", "0123456789---")

# enough for every fraction here; a condition that would raise (a division by zero) gives no finite number instead
_ARITHMETIC = Context(prec=40, traps=[])


@dataclass(frozen=True)
class _Language:
    """What strict reading knows about one language.

    Attributes:
        decimal: the mark before decimals, "." or "," in almost all languages (CLDR).
        group: the mark between groups of digits (CLDR).
        group_sizes: sizes of the last group and of those before it: 3, 3, or in India 3, 2 (CLDR).
        nouns: what "answer" is called here and in English, the longest first.
        link: matches what leads from a noun to the number: group `verb` or `heading`, or neither where nothing is needed.
        dense: written without spaces between words.
        number: matches a number, or what is written with digits and is none (group `other`).
        denial: matches a denial before a number.
        denial_after: matches one after a number, or None.
    """

    decimal: str
    group: str
    group_sizes: tuple[int, int]
    nouns: tuple[str, ...]
    link: re.Pattern[str]
    dense: bool
    number: re.Pattern[str]
    denial: re.Pattern[str]
    denial_after: re.Pattern[str] | None


@cache
def _language(code: str) -> _Language:
    from babel import Locale, UnknownLocaleError

    try:
        locale = Locale.parse(code.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError) as error:
        raise ValueError(f"{code!r} is no language that CLDR knows; use its ISO 639-1 code, such as 'sw'.") from error
    symbols = locale.number_symbols["latn"]
    english, own = PHRASES["en"], PHRASES.get(locale.language, PHRASES["en"])
    # where a comma is the decimal mark, a plain space groups too ("23 786" in Spanish); elsewhere it parts two numbers
    spaces = _GROUPING + (" " if symbols["decimal"] == "," else "")
    return _Language(
        decimal=symbols["decimal"],
        group=symbols["group"],
        group_sizes=locale.decimal_formats[None].grouping,
        nouns=tuple(sorted({*own.nouns, *english.nouns}, key=len, reverse=True)),
        link=_link_pattern(own, english),
        dense=own.dense,
        number=_number_pattern(spaces),
        denial=re.compile(
            "|".join([rf"(?<!\w)(?:{_any({*own.denials, *english.denials})})(?!\w)", *(own.denials if own.dense else ())])
        ),
        denial_after=re.compile(rf"\W?.{{0,3}}?(?:{_any(own.denials_after)})") if own.denials_after else None,
    )


def _any(words: Sequence[str] | set[str] | Mapping[str, object]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


def _link_pattern(own: Phrases, english: Phrases) -> re.Pattern[str]:
    word = rf"(?<!\w)(?:{_any({*own.verbs, *english.verbs})})(?!\w)"
    between = r"[^.!?。।\n:：=\d]"
    dense = rf"|{between}{{0,10}}?(?:{_any(own.verbs)})" if own.dense else ""
    verb = rf"(?P<verb>{between}{{0,40}}?(?:{word}|[=≈]){dense})[\s:：]*"
    heading = r"""[^\s\d:：ঃ]{0,3}(?:\s?\([^()\d]{0,30}\))?[*_"”}]*(?P<heading>\s?[:：ঃ][*_]*(?:-(?=\s))?|\s[-—–]|\s*\n)\s*"""
    return re.compile(f"{verb}|{heading}" + ("|" if own.bare else ""))


def _number_pattern(spaces: str) -> re.Pattern[str]:
    plain = rf"\d+(?:(?<!\d\d\d\d)[{spaces}]\d\d\d(?!\d))*(?:[.,٫٬]\d+)*"
    power = rf"(?:\^\x20?\(?[{_MINUS}]?\d{{1,3}}(?!\d)|⁻?[⁰¹²³⁴-⁹]{{1,3}})"
    # 千克, 千米 and the like are units: kilogram, kilometre
    scale = rf"\s?(?:千(?![克米瓦卡帕赫焦])|(?!千)(?:{_any(_SCALES)})(?![a-zа-я]))"
    return re.compile(
        rf"""
        (?P<number>(?:(?<![\w.,٫٬])\.)?{plain})
        (?: (?P<other>:\d\d(?::\d\d)?(?!\d) | /\d+/\d+ | -\d{{1,2}}-\d{{1,2}}(?!\d))
          | \s?[/⁄]\s?(?P<under>{plain})
          | \x20(?P<part>\d+[/⁄]\d+)
          | \s?(?P<vulgar>[{_VULGAR}])
          | \s?[×x*·⋅]\s?10(?P<times>{power})
          | e(?P<e>[+{_MINUS}]?\d{{1,3}})(?!\w)
          | (?P<power>{power})
          | (?P<scaled>(?:{scale})+(?:\s?{plain}(?:{scale})+)*(?:{plain})?) )?
        | (?P<alone>[{_VULGAR}])
        """,
        re.VERBOSE,
    )


# --- the strict reading ----------------------------------------------------------------------------------------------------------

# Characters behind a marker in which its number must be.
_WINDOW = 240
# Characters of the longest number that is read.
_LONGEST = 72
# Characters between two numbers of one calculation.
_LONGEST_UNITS = 40
# Markers of a kind, or last numbers, that are tried, from the last backwards.
_TRIES = 8

_NUMERAL = re.compile(rf"[\d{_VULGAR}]")
_RUN_BACKWARDS = re.compile(rf"[\d.,٫٬{_GROUPING} ]*")
_CUT_NUMBER = re.compile(r"[\d.,]+\Z")
_NO_NUMERAL = re.compile(rf"[^\d{_VULGAR}]*")
_SENTENCE_END = re.compile(r"(?<!\brs)(?<!\btk)(?<!\bca)(?<!\bsh)(?<!approx)[.!?](?=\s|\Z|[*\"'”»)])|[。！？।॥]|\n")
_SIGN = re.compile(
    rf"(?<![a-zß-ÿа-я\d)\]%°])(?<!\d\s)[{_MINUS}][{_CURRENCY}]?\Z|[=≈]\s?[{_MINUS}]\s\Z|(?<!\d)(?<!\d\s)(?:minus|минус|マイナス|负|負)\s?\Z"
)
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
_OPERATORS = frozenset("=≈+*/×÷(,$€")
_GAPS = re.compile(rf"[{_GROUPING} ]")
_SCALE = re.compile(_any(_SCALES))
_PIECE = re.compile(rf"([\d.,٫٬{_GROUPING} ]+)((?:\s?(?:{_any(_SCALES)}))*)")
# besides letters, what tells something about the number behind it
_TELLING = frozenset(_MINUS + _CURRENCY + "^_")
_SCALE_BEFORE = re.compile(rf"(?<!\w)({_any(_SCALES_BEFORE)})\s\Z")
_TOLERANCE = Decimal(str(TOLERANCE))
# the 2 of "cm^2", "m2", "x_2" belongs to what it is attached to
_ATTACHED = re.compile(r"[\^_]\Z|(?<![^\W_])(?:[cdkm]?m|co|[xy])\Z")
_FRACTION = re.compile(r"(?P<whole>\d?)\s*\\[dtc]?frac\s*(?:\{(?P<top>[^{}]*)\}\s*\{(?P<bottom>[^{}]*)\}|(?P<a>\d)\s?(?P<b>\d))")
_MARKUP = re.compile(r"\\(?P<name>[a-z]+|.)|(?P<wide>(?<=[０-９])[，．](?=[０-９]))|\*\*|__|[`{}~]")
_MEANINGS = {"times": "×", "cdot": "·", "div": "÷", "approx": "≈", "!": "", ",": "", **{mark: mark for mark in "$%#&_"}}
# a number as only English writes it, and as only a language with a decimal comma does
_ENGLISH_STYLE = re.compile(r"(?<![\d.,])\d+\.(?:\d{1,2}|\d{4,})(?![\d.,]*\d)|\d,\d{3}\.\d")
_COMMA_STYLE = re.compile(r"(?<![\d.,])\d+,(?:\d{1,2}|\d{4,})(?![\d.,]*\d)|\d\.\d{3}(?:,\d|\.\d{3})")


def strict_reading(text: str, language: str) -> Decimal | None:
    r"""Returns the number that a careful reader takes for the answer of `text`, or None where there is none.

    Where it stands. The last `\boxed{}` with a number in it decides; without one, the last line "#### 18"; without one, the last
    phrase such as "The answer is 18", "Answer: 18" or "Jibu ni 18" (`PHRASES`; English ones count in every language); without one,
    the last number that is no ordinal ("3rd", "第3"), date or time. A phrase without a number behind it is passed over ("I hope the
    answer is clear"), and so is a heading with a sentence behind it ("Step-by-step answer: Roger had 5 balls. ... 11 balls.").

    What it is. The number at the head of the phrase, at most one word before it, whatever follows: "The answer is 5 apples, since
    10 - 5 = 5" is 5; a list or a range is its first number; but a calculation is its result, "3 + 4 = 7" is 7, and is not worked
    out where the response does not. Behind more words, the last number of the sentence. A denied number is none: "not 12 but 15".

    How it is written. Digits of any script, with the marks that CLDR gives the language. The cases that could be read otherwise:

    - "2.125" is 2125 in German, 2.125 in English and in French; "2,125" is 2.125 in German and French, 2125 in English;
    - unless the response elsewhere writes numbers as only English does, and none as only its language does: "2.5 * 850 = 2,125" is
      2125 in German too;
    - a mark that cannot group is the decimal mark: "3.5" and "0.125" are decimals in German, "3,5" is one in English;
    - of both marks, the last is the decimal one: "1,234.5" and "1.234,5" are the same in every language;
    - a plain space groups only where the comma is the decimal mark: "23 786" is one number in Spanish, two in English; no-break and
      thin spaces and apostrophes always group; "1,23,456" is one number in Bengali, Telugu and Hindi, three in English;
    - "1,2,3" is a list, "1.2.3", "24/12/2020" and "10:30" are no numbers;
    - "60 %" is 60, "$5" and "5 kg" are 5: what stands around a number is left out;
    - "3/4", "½", "1 1/2", "2\frac{1}{3}", "1.5 × 10^3", "1e5" and "10³" are what they say; so are "3万", "1億2000万", "2 million";
    - a "-" right before the digits or their currency is a sign, but not behind a digit, a letter or a bracket: "10 -5 = 5";
    - words are no numbers ("eighteen", "三百二十"), and neither are digits that go on for more than 72 characters.

    At most 240 characters behind a phrase and 8 phrases of a kind are looked at, so time grows with the length of `text` alone.

    Args:
        text: the response, any string.
        language: code of its language, ISO 639-1 or any other that CLDR knows ("sw", "pt-BR").

    Raises:
        ValueError: CLDR knows no language of that code.
    """
    rules = _language(language)
    text = text.lower()
    mirrored = text[::-1]
    last = _NUMERAL.search(mirrored)
    if last is None:
        return None
    end = len(text) - last.start()
    if rules.decimal == "," and _ENGLISH_STYLE.search(text) and not _COMMA_STYLE.search(text):
        rules = _in_english_style(rules)
    for reading in _declared(text, end, rules):
        if reading is not None:
            return reading
    return _last_number(text, mirrored, end, rules)


@cache
def _in_english_style(rules: _Language) -> _Language:
    return replace(rules, decimal=".", group=",")


def _declared(text: str, end: int, rules: _Language) -> Iterator[Decimal | None]:
    """Yields what the markers before `end` declare, the strongest kind of marker first, of each kind the last marker first."""
    for position in _backwards(text, ("\\boxed",), end):
        yield _statement_number(_clean(_braced(_window(text, position + len("\\boxed")))), rules)
    for position in _backwards(text, ("####",), end):
        yield _line_number(_window(text, position + len("####")), rules)
    for position in _backwards(text, rules.nouns, end):
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
    if "\\" in text:
        text = _FRACTION.sub(_plain_fraction, text)
    return _MARKUP.sub(_plain_markup, text)


def _plain_fraction(match: re.Match[str]) -> str:
    whole = match["whole"] and match["whole"] + " "
    return f"{whole}{match['top'] or match['a']}/{match['bottom'] or match['b']}"


def _plain_markup(match: re.Match[str]) -> str:
    if match["wide"]:
        return "," if match["wide"] == "，" else "."
    return _MEANINGS.get(match["name"], " ") if match["name"] else ""


def _line_number(window: str, rules: _Language) -> Decimal | None:
    """Returns the number a line of "#### 18" holds; a heading "#### Step 2" or "#### 2. Add" holds none."""
    line = _clean(window).partition("\n")[0]
    match = rules.number.search(line)
    if match is None or _WORD.search(line[: match.start()]) or _LIST_POINT.match(line, match.end()):
        return None
    return _statement_number(line, rules)


def _phrase_number(text: str, position: int, rules: _Language) -> Decimal | None:
    noun = next(noun for noun in rules.nouns if text.startswith(noun, position))
    if text[position - 1 : position].isalpha() and (noun.isascii() or not rules.dense):
        return None  # inside another word
    link = rules.link.match(text, position + len(noun))
    if link is None:
        return None
    statement = _clean(_window(text, link.end())).lstrip(" \n\t\r$*:")
    sentence_end = _SENTENCE_END.search(statement)
    statement = statement[: sentence_end.start()] if sentence_end else statement
    if link["verb"] is None:
        return _near_number(statement, rules, words=1 if link["heading"] else 0)
    if rules.denial.search(link["verb"]):
        statement = f"{link['verb']} {statement}"
    return _statement_number(statement, rules)


def _statement_number(statement: str, rules: _Language) -> Decimal | None:
    """Returns the number that a statement such as "therefore 5 apples, since 10 - 5 = 5" is about.

    It is the number at its head, else, where more than a word comes first, its last number.
    """
    near = _near_number(statement, rules, words=1)
    if near is not None:
        return near
    previous_end, reading = 0, None
    for match in rules.number.finditer(statement):
        values = _values(match, statement, rules)
        if values and not _denied(statement, previous_end, match, rules):
            reading = values[-1]
        previous_end = match.end()
    return reading


def _near_number(statement: str, rules: _Language, words: int) -> Decimal | None:
    """Returns the number at the head of a statement, at most `words` words before it; of a calculation, its result."""
    matches = rules.number.finditer(statement)
    first = next(matches, None)
    if first is None or _denied(statement, 0, first, rules) or statement.startswith((":", "："), first.end()):
        return None
    gap = statement[: first.start()]
    if len(_WORD.findall(gap)) > words or (rules.dense and len(gap) > 6 and not gap.isascii()):
        return None
    values = _values(first, statement, rules)
    if not values:
        return None
    reading, end = values[0], first.end()
    for match in matches:
        gap = statement[end : match.start()]
        if len(gap) > _LONGEST_UNITS or not _CALCULATION.match(gap):
            break
        values, end = _values(match, statement, rules), match.end()
        if values and ("=" in gap or "≈" in gap):
            reading = values[0]
    return reading


def _denied(statement: str, previous_end: int, match: re.Match[str], rules: _Language) -> bool:
    if rules.denial.search(statement, previous_end, match.start()):
        return True
    return rules.denial_after is not None and rules.denial_after.match(statement, match.end()) is not None


def _last_number(text: str, mirrored: str, end: int, rules: _Language) -> Decimal | None:
    """Returns the last number before `end` that counts something, else the last ordinal ("3rd", "Step 3"), else None."""
    ordinal = None
    for _ in range(_TRIES):
        start = max(0, end - _LONGEST)
        tail = _NO_NUMERAL.match(text, end, end + 24)
        window = _clean(text[start:end] + (tail[0] if tail else ""))
        for match in reversed(list(rules.number.finditer(window))):
            if match.start() == 0 and start > 0:
                break  # it may have begun before the window
            values = _values(match, window, rules)
            if values and not _is_ordinal(window, match):
                return values[-1]
            ordinal = values[-1] if values and ordinal is None else ordinal
        run = _RUN_BACKWARDS.match(mirrored, len(text) - start)
        end = start - (len(run[0]) if run else 0)
        last = _NUMERAL.search(mirrored, len(text) - end)
        if last is None:
            break
        end = len(text) - last.start()
    return ordinal


def _is_ordinal(window: str, match: re.Match[str]) -> bool:
    before = window[max(0, match.start() - 16) : match.start()]
    if before.rstrip()[-1:] not in _OPERATORS and _ORDINAL_BEFORE.search(before):
        return True
    if _ORDINAL_AFTER.match(window, match.end()):
        return True
    begins_a_line = not before.rpartition("\n")[2].strip() and ("\n" in before or match.start() < 16)
    return begins_a_line and _LIST_POINT.match(window, match.end()) is not None


def _values(match: re.Match[str], text: str, rules: _Language) -> list[Decimal]:
    """Returns the numbers that `rules.number` matched: one, several where it is a list ("1,2,3"), none for a date or a time."""
    values = [value for value in _unsigned(match, rules) if value.is_finite()]
    before = text[max(0, match.start() - 10) : match.start()]
    nearest = before.rstrip()[-1:]
    if not values or not (nearest.isalpha() or nearest in _TELLING):
        return values
    if _ATTACHED.search(before):
        return []
    if _SIGN.search(before):
        values[0] = -values[0]
    scale = _SCALE_BEFORE.search(before)
    if scale:
        values[0] = values[0].scaleb(_SCALES_BEFORE[scale[1]])
    return values


def _unsigned(match: re.Match[str], rules: _Language) -> list[Decimal]:
    kind = match.lastgroup
    if kind == "other":
        return []
    if kind == "alone":
        return [_vulgar(match["alone"])]
    numbers = _plain(match["number"], rules)
    if kind == "number" or len(numbers) != 1:
        return numbers
    if kind == "vulgar":
        return [_ARITHMETIC.add(numbers[0], _vulgar(match["vulgar"]))]
    if kind == "part":
        part = _quotient(*re.split("[/⁄]", match["part"]))
        return [_ARITHMETIC.add(numbers[0], part)] if part < 1 else [numbers[0], part]
    if kind == "under":
        return [_quotient(numbers[0], under) for under in _plain(match["under"], rules)[:1]]
    if kind == "scaled":
        return [_scaled(match[0], rules)]
    if kind == "power":
        return [_ARITHMETIC.power(numbers[0], _exponent(match["power"]))]
    return [_ARITHMETIC.scaleb(numbers[0], _exponent(match["times"] or match["e"]))]


def _quotient(top: Decimal | str, bottom: Decimal | str) -> Decimal:
    return _ARITHMETIC.divide(Decimal(top), Decimal(bottom))


def _vulgar(fraction: str) -> Decimal:
    return _quotient(*unicodedata.normalize("NFKC", fraction).split("⁄"))


def _exponent(power: str) -> int:
    return int(power.translate(_EXPONENT_MARKS).lstrip("^( "))


def _scaled(text: str, rules: _Language) -> Decimal:
    """Returns the number that pieces such as "1億2000万" or "2 million" add up to."""
    total = Decimal(0)
    for piece in _PIECE.finditer(text):
        number = sum(_plain(piece[1].strip(), rules), Decimal(0))
        total += number.scaleb(sum(_SCALES[scale] for scale in _SCALE.findall(piece[2])))
    return total


def _plain(digits: str, rules: _Language) -> list[Decimal]:
    """Returns the number that digits and marks write; several for a list ("1,2,3"), none for what is no number ("24.12.2020")."""
    digits = _GAPS.sub("", digits)
    if "٫" in digits or "٬" in digits:
        digits, rules = digits.replace("٬", ",").replace("٫", "."), _in_english_style(rules)
    number = _joined(digits, rules)
    if number is not None:
        return [_ARITHMETIC.create_decimal(number)]
    if "," not in digits:
        return []
    return [each for part in digits.split(",") for each in _plain(part, rules)]


def _joined(digits: str, rules: _Language) -> str | None:
    """Returns digits and marks as `Decimal` takes them, or None where they are not one number."""
    marks = [mark for mark in digits if mark in ".,"]
    if not marks:
        return digits
    last = marks[-1]
    head, _, tail = digits.rpartition(last)
    if len(set(marks)) == 2:
        groups = head.split("," if last == "." else ".")
        return f"{''.join(groups)}.{tail}" if marks.count(last) == 1 and _are_groups(groups, rules) else None
    groups = digits.split(last)
    if len(marks) > 1:
        return "".join(groups) if _are_groups(groups, rules) else None
    grouped = last == rules.group and _are_groups(groups, rules) and int(head) > 0
    return head + tail if grouped else f"{head}.{tail}"


def _are_groups(groups: list[str], rules: _Language) -> bool:
    def sized(size: int) -> bool:
        return len(groups[-1]) == 3 and 1 <= len(groups[0]) <= size and all(len(group) == size for group in groups[1:-1])

    return sized(3) or sized(rules.group_sizes[1])


def strict_correct(text: str, gold: str, language: str) -> bool:
    """Returns whether a careful reader counts the response `text` as right.

    `gold` is read as MGSM and MSVAMP publish it, in English style ("2,125", "8.0"). As in the papers, the two must differ by less
    than 1e-3, so 0.333 is right for a third. A response without a number is never right, not for a gold of 0 either; nothing is
    right for a gold without a number.

    Raises:
        ValueError: CLDR knows no language of that code.
    """
    return _close(strict_reading(text, language), strict_reading(gold, "en"))


def _close(reading: Decimal | None, gold: Decimal | None) -> bool:
    return reading is not None and gold is not None and abs(_ARITHMETIC.subtract(reading, gold)) < _TOLERANCE


def answered(text: str, language: str) -> bool:
    """Returns whether strict reading finds an answer in `text` at all."""
    return strict_reading(text, language) is not None


# --- several responses to one question -------------------------------------------------------------------------------------------


def majority_paper(texts: Sequence[str]) -> float:
    """Returns the papers' reading that most of `texts` (at least one) share; of several, the one that was read first."""
    return Counter(map(paper_reading, texts)).most_common(1)[0][0]


def majority_strict(texts: Sequence[str], language: str) -> Decimal | None:
    """Returns the strict reading that most of `texts` share; of several, the one that was read first.

    A response without an answer has no vote; where none has an answer, there is none.
    """
    readings = (strict_reading(text, language) for text in texts)
    votes = Counter(reading for reading in readings if reading is not None)
    return votes.most_common(1)[0][0] if votes else None


def majority_paper_correct(texts: Sequence[str], gold: str) -> bool:
    """Returns whether the papers would count the majority's reading of `texts` (at least one) as right."""
    return abs(majority_paper(texts) - paper_reading(gold)) < TOLERANCE


def majority_strict_correct(texts: Sequence[str], gold: str, language: str) -> bool:
    """Returns whether a careful reader counts the majority's answer of `texts` as right."""
    return _close(majority_strict(texts, language), strict_reading(gold, "en"))
