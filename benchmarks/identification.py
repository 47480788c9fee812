"""How sure the language identifier is: the share of real questions whose language it names, whole and cut to short pieces.

XREASON_DATA=../shared/data python -m benchmarks.identification
"""

import sys
import time

from xreason.tasks.readings.identification import identifier, in_language
from xreason.tasks.suites import SUITES

PIECES = (None, 100, 50, 25)


def main() -> None:
    """Prints one line a suite and language."""
    _say(f"{identifier()}: share identified right, whole questions and their first 100, 50, 25 characters")
    right, asked, began = dict.fromkeys(PIECES, 0), dict.fromkeys(PIECES, 0), time.perf_counter()
    for suite in (SUITES["mgsm"], SUITES["msvamp"]):
        for code in suite.languages:
            questions = [row["question"] for row in suite.rows(code)]
            shares = []
            for length in PIECES:
                flags = in_language([question[:length] for question in questions], code) or ""
                right[length] += flags.count("1")
                asked[length] += flags.count("1") + flags.count("0")
                shares.append(flags.count("1") / (flags.count("1") + flags.count("0")))
            _say(f"{suite.task(code)}: {len(questions)} questions, " + ", ".join(f"{share:.1%}" for share in shares))
    seconds = time.perf_counter() - began
    overall = ", ".join(f"{right[length] / asked[length]:.2%}" for length in PIECES)
    _say(f"all: {asked[None]:,} questions, {overall}; {sum(asked.values()) / seconds:,.0f} texts/s with loading")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
