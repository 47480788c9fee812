"""How languages write numbers, and which numbers a text writes: "2.125", "1,23,456", "2 1/3", "1.5 × 10^3", "1億2000万"."""

import json
import re
import unicodedata
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from xreason.tasks.readings.phrases import alternatives

if TYPE_CHECKING:
    from babel import Locale

#: Vulgar fractions, spaces and apostrophes that only ever group by threes, for classes of patterns.
VULGAR = "¼-¾⅐-⅞↉"
GROUPING = "\u00a0\u2007\u2009\u200a\u202f'’"  # no-break, figure, thin, hair and narrow no-break space

#: Enough digits for every fraction here; a condition that would raise (a division by zero) gives no finite number instead.
ARITHMETIC = Context(prec=40, traps=[])

# the powers of ten that words after a number multiply it by, and in Swahili words before it
_SCALES, _SCALES_BEFORE = (
    {word: int(power) for power, words in scales.items() for word in words.split()}
    for scales in json.loads((Path(__file__).parent / "scales.json").read_text(encoding="utf-8")).values()
)
_CURRENCY = "$€£¥₹৳฿₽￥＄"
_MINUS = "−－﹣‑‒–-"  # the plain one last, so that it is no range inside [...]
_EXPONENT_MARKS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−－﹣‑‒–", "0123456789" + "-" * 7)
_GAPS = re.compile(rf"[{GROUPING} ]")
_SCALE = re.compile(alternatives(_SCALES))
_PIECE = re.compile(rf"([\d.,٫٬{GROUPING} ]+)((?:\s?(?:{alternatives(_SCALES)}))*)")
_SCALE_BEFORE = re.compile(rf"(?<!\w)({alternatives(_SCALES_BEFORE)})\s\Z")
_SIGN = re.compile(
    rf"(?<![a-zß-ÿа-я\d)\]%°])(?<!\d\s)[{_MINUS}][{_CURRENCY}]?\Z|[=≈]\s?[{_MINUS}]\s\Z|(?<!\d)(?<!\d\s)(?:minus|negative|минус|マイナス|负|負)\s?\Z"
)
# besides letters, what tells something about the number behind it
_TELLING = frozenset(_MINUS + _CURRENCY + "^_")
# the 2 of "cm^2", "m2", "x_2" belongs to what it is attached to
_ATTACHED = re.compile(r"[\^_]\Z|(?<![^\W_])(?:[cdkm]?m|co|[xy])\Z")


@dataclass(frozen=True)
class NumberFormat:
    """How a language writes numbers (CLDR): the mark before decimals, and the one between groups of digits.

    `group_sizes` are those of the last group and of the ones before it: 3, 3, or in India 3, 2. `pattern` matches a number, or what
    is written with digits and is none (group `other`).
    """

    decimal: str
    group: str
    group_sizes: tuple[int, int]
    pattern: re.Pattern[str]


def number_format(locale: "Locale") -> NumberFormat:
    """Returns how the language of a locale writes numbers."""
    marks = locale.number_symbols["latn"]
    # where a comma is the decimal mark, a plain space groups too ("23 786" in Spanish); elsewhere it parts two numbers
    spaces = GROUPING + (" " if marks["decimal"] == "," else "")
    plain = rf"\d+(?:(?<!\d\d\d\d)[{spaces}]\d\d\d(?!\d))*(?:[.,٫٬]\d+)*"
    power = rf"(?:\^\x20?\(?[{_MINUS}]?\d{{1,3}}(?!\d)|⁻?[⁰¹²³⁴-⁹]{{1,3}})"
    # 千克, 千米 and the like are units: kilogram, kilometre
    scale = rf"\s?(?:千(?![克米瓦卡帕赫焦])|(?!千)(?:{alternatives(_SCALES)})(?![a-zа-я]))"
    pattern = re.compile(
        rf"""
        (?P<number>(?:(?<![\w.,٫٬])\.)?{plain})
        (?: (?P<other>:\d\d(?::\d\d)?(?!\d) | /\d+/\d+ | -\d{{1,2}}-\d{{1,2}}(?!\d))
          | \s?[/⁄]\s?(?P<under>{plain})
          | \x20(?P<part>\d+[/⁄]\d+)
          | \s?(?P<vulgar>[{VULGAR}])
          | \s?[×x*·⋅]\s?10(?P<times>{power})
          | e(?P<e>[+{_MINUS}]?\d{{1,3}})(?!\w)
          | (?P<power>{power})
          | (?P<scaled>(?:{scale})+(?:\s?{plain}(?:{scale})+)*(?:{plain})?) )?
        | (?P<alone>[{VULGAR}])
        """,
        re.VERBOSE,
    )
    return NumberFormat(marks["decimal"], marks["group"], locale.decimal_formats[None].grouping, pattern)


@cache
def in_english_style(rules: NumberFormat) -> NumberFormat:
    """Returns the same with the marks of English."""
    return replace(rules, decimal=".", group=",")


def numbers_of(match: re.Match[str], text: str, rules: NumberFormat) -> list[Decimal]:
    """Returns the numbers that `rules.pattern` matched: one, several where it is a list ("1,2,3"), none for a date or a time."""
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


def _unsigned(match: re.Match[str], rules: NumberFormat) -> list[Decimal]:
    kind = match.lastgroup
    if kind == "other":
        return []
    if kind == "alone":
        return [_quotient(match["alone"])]
    numbers = _plain(match["number"], rules)
    if kind == "number" or len(numbers) != 1:
        return numbers
    if kind == "vulgar":
        return [ARITHMETIC.add(numbers[0], _quotient(match["vulgar"]))]
    if kind == "part":
        part = _quotient(match["part"])
        return [ARITHMETIC.add(numbers[0], part)] if part < 1 else [numbers[0], part]
    if kind == "under":
        return [ARITHMETIC.divide(numbers[0], under) for under in _plain(match["under"], rules)[:1]]
    if kind == "scaled":
        return [_scaled(match[0], rules)]
    exponent = int((match["power"] or match["times"] or match["e"]).translate(_EXPONENT_MARKS).lstrip("^( "))
    return [ARITHMETIC.power(numbers[0], exponent) if kind == "power" else ARITHMETIC.scaleb(numbers[0], exponent)]


def _quotient(fraction: str) -> Decimal:
    """Returns what "3/4" or "¾" is."""
    top, bottom = re.split("[/⁄]", unicodedata.normalize("NFKC", fraction))
    return ARITHMETIC.divide(Decimal(top), Decimal(bottom))


def _scaled(text: str, rules: NumberFormat) -> Decimal:
    """Returns the number that pieces such as "1億2000万" or "2 million" add up to."""
    numbers = ((sum(_plain(piece[1].strip(), rules), Decimal(0)), _SCALE.findall(piece[2])) for piece in _PIECE.finditer(text))
    return sum((number.scaleb(sum(_SCALES[scale] for scale in scales)) for number, scales in numbers), Decimal(0))


def _plain(digits: str, rules: NumberFormat) -> list[Decimal]:
    """Returns the number that digits and marks write; several for a list ("1,2,3"), none for what is no number ("24.12.2020")."""
    digits = _GAPS.sub("", digits)
    if "٫" in digits or "٬" in digits:
        digits, rules = digits.replace("٬", ",").replace("٫", "."), in_english_style(rules)
    number = _joined(digits, rules)
    if number is not None:
        return [ARITHMETIC.create_decimal(number)]
    if "," not in digits:
        return []
    return [each for part in digits.split(",") for each in _plain(part, rules)]


def _joined(digits: str, rules: NumberFormat) -> str | None:
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


def _are_groups(groups: list[str], rules: NumberFormat) -> bool:
    sizes = [len(group) for group in groups]
    return sizes[-1] == 3 and any(1 <= sizes[0] <= size and {*sizes[1:-1]} <= {size} for size in (3, rules.group_sizes[1]))
