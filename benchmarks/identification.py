"""How sure the language identifier is: the share of real questions whose language it names, whole and cut to short pieces.

    XREASON_DATA=../shared/data python -m benchmarks.identification

Prints JSON: for each suite and language, and over all of them, the share told right of whole questions and of their first 100, 50
and 25 characters, among those long enough to be judged (null where none is); and texts a second, with loading.
"""

import time

from benchmarks.report import report
from xreason.tasks.readings.identification import identifier, in_language
from xreason.tasks.suites import SUITES

PIECES = (None, 100, 50, 25)


def main() -> None:
    """Identifies all questions of MGSM and MSVAMP, and prints how often that was right."""
    told: dict[str, list[str]] = {}
    began = time.perf_counter()
    for suite, code in ((SUITES[name], code) for name in ("mgsm", "msvamp") for code in SUITES[name].languages):
        questions = [row["question"] for row in suite.rows(code)]
        told[suite.task(code)] = [in_language([text[:length] for text in questions], code) or "" for length in PIECES]
    seconds = time.perf_counter() - began
    overall = ["".join(flags) for flags in zip(*told.values(), strict=True)]
    report(
        identifier=identifier(),
        shares={task: [*map(_share, flags)] for task, flags in told.items()},
        overall=[*map(_share, overall)],
        texts_per_second=round(sum(map(len, overall)) / seconds),
    )


def _share(flags: str) -> float | None:
    judged = flags.replace("-", "")
    return round(judged.count("1") / len(judged), 4) if judged else None


if __name__ == "__main__":
    main()
