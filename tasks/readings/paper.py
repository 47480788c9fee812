"""The papers' reading, which MathOctopus, QAlign and SLAM count with (arXiv 2310.20246, 2401.07817, 2501.03681): the last number.

>>> paper_reading("Das macht 1.250 + 875 = 2.125 Eier. Die Antwort lautet 2.125. Probe: 2.125 - 875 = 1.250.")
1.25
"""

import re

# A pair of digits around a comma is taken first, which is the published left-to-right removal of commas in one pattern.
_NUMBER = r"(?>(?>\d,\d|\d)++(?:\.(?>\d,\d|\d)++)?)"
_LAST_OF_RUN = re.compile(rf"[.,]*+(?>{_NUMBER}[.,]++(?=\d))*+({_NUMBER})")
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
