"""What reading answers costs: responses a second, and seconds for responses that are a megabyte of something unkind.

    python -m benchmarks.reading           # one core, no data needed

Prints JSON: responses of 300 characters that both readings read in a second, and for each kind of megabyte the seconds of each
reading and how much longer two megabytes take.
"""

import timeit
from collections.abc import Callable

from benchmarks.report import report
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.readings.paper import paper_reading
from xreason.tasks.readings.strict import strict_reading

LENGTH = 300
MEGABYTE = 1_000_000
REPETITIONS = 5
# as responses end in the eleven languages, two in English style; a quarter of them declares no answer
ENDINGS: tuple[tuple[str, str], ...] = (
    ("bn", "তাই তাদের কাছে মোট ৭৪ - ৩৫ = ৩৯টি চকোলট আছে। উত্তর হল ৩৯।"),
    ("de", "Also verdient sie 850 * 2,5 = 2.125 Euro. Die Antwort lautet 2.125."),
    ("en", "She makes 9 * 2 = $18 every day at the market. The answer is 18."),
    ("en", "Therefore $x = \\frac{36}{2} = \\boxed{18}$ dollars are left."),
    ("es", "Por lo tanto, en total tienen 74 - 35 = 39 chocolates."),
    ("fr", "Elle gagne donc 12 × 1,5 = 18 euros par jour. La réponse est 18."),
    ("ja", "だから全部で74-35=39個のチョコレートが残っている。答えは39個です。"),
    ("ru", "Значит, всего осталось 74 - 35 = 39 конфет. Ответ — 39."),
    ("sw", "Hivyo kwa jumla bado kuna chokoleti 74 - 35 = 39."),
    ("te", "కాబట్టి 74 - 35 = 39 చాక్లెట్‌లు ఉన్నాయి. సమాధానం 39."),
    ("th", "ดังนั้นจะเหลือช็อกโกแลตทั้งหมดอยู่ 74 - 35 = 39 ชิ้น"),
    ("zh", "所以她们一共还有 74 - 35 = 39 块巧克力。答案是 39。"),
)
# what a megabyte is made of, over and over: digits, groups, fractions, boxes, declarations, times, ordinals, one-letter markers
UNKIND = ("1", "1,", "1.", "1,111", "1/", " ", "(", "-", "\\boxed{", "\\frac{1", "the answer is ", "10:30 ", "3rd ", "答")


def main() -> None:
    """Reads them all, and prints what it took."""
    responses = [((text + " ") * (LENGTH // len(text) + 1))[-LENGTH:] for _, text in ENDINGS]
    languages = [language for language, _ in ENDINGS]
    assert set(languages) == set(LANGUAGES)  # noqa: S101
    mix = list(zip(responses, languages, strict=True)) * 500
    both = _seconds(lambda: [(paper_reading(text), strict_reading(text, language)) for text, language in mix])
    report(responses_per_second=round(len(mix) / both), megabytes={unit: _unkind(unit) for unit in UNKIND})


def _unkind(unit: str) -> dict[str, float]:
    one, two = (unit * (megabytes * MEGABYTE // len(unit)) for megabytes in (1, 2))
    paper, paper_two = (_seconds(lambda text=text: paper_reading(text)) for text in (one, two))
    # the number at the end keeps the strict reading from stopping at once, where the unit has none; German reads the whole
    # response, for evidence of English style
    strict, strict_two = (_seconds(lambda text=text: strict_reading(text + " 18", "de")) for text in (one, two))
    return {
        "paper_seconds": round(paper, 4),
        "strict_seconds": round(strict, 4),
        "paper_twice_over_once": round(paper_two / paper, 2),
        "strict_twice_over_once": round(strict_two / strict, 2),
    }


def _seconds(read: Callable[[], object]) -> float:
    """Returns the seconds of the fastest of some repetitions; the first, which may compile patterns, is left out."""
    return min(timeit.repeat(read, number=1, repeat=REPETITIONS + 1)[1:])


if __name__ == "__main__":
    main()
