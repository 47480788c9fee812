"""MetaMath's own reading (arXiv 2309.12284, its eval_gsm8k.py): the number behind the last "The answer is: ", as a whole one.

>>> metamath_reading("It is 850 * 2.5 = 2,125 eggs. The answer is: 2,125 eggs, in 3 days.")
2125
"""

import re

_PHRASE = "The answer is: "
_NUMBER = re.compile(r"[\-+]?\d*[\.,/]?\d+")


def metamath_reading(text: str) -> int | None:
    """Returns the first number behind the last "The answer is: " in `text`, rounded to a whole one; None where there is none.

    What follows from that rule is kept, because published scores rest on it: the phrase counts in these letters alone, its space
    included; "1,234,567" reads as 1234 and "1.234,5" as 1, for a number has one mark; "2.5" reads as 2 and "3.5" as 4, for a half
    is rounded to the even number; "7/2" reads as 4, "7/0" as 7; digits are Unicode decimal digits. Where MetaMath's script would
    stop with an error ("5/00", a number too large for a float), there is no answer.
    """
    _, phrase, said = text.rpartition(_PHRASE)
    number = _NUMBER.search(said) if phrase else None
    if number is None:
        return None
    top, slash, under = number[0].replace(",", "").partition("/")
    try:
        return round(int(top) / int(under) if slash and under != "0" else float(top))
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
