"""What finding the language layers takes: seconds at 1,000 questions a language, and memory at twice as many.

    python -m benchmarks.layers            # the pocket model, its six languages

Prints JSON: seconds of `xreason layers` until its plot is on disk, in a process of its own, and the most memory that a process held
so far; the same with twice the questions, and the ratio of the two peaks, which is 1 where memory does not grow with the questions.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.report import report

QUESTIONS = 1000


def main() -> None:
    """Finds the pocket model's layers twice, and prints what each time took."""
    once, twice = (_measured(count) for count in (QUESTIONS, 2 * QUESTIONS))
    ratio = round(twice["peak_memory_bytes"] / once["peak_memory_bytes"], 3)
    report(once=once, twice=twice, peak_memory_ratio=ratio, limit_seconds=60)


def _measured(questions: int) -> dict[str, Any]:
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        options = ["--questions", str(questions), "--out", folder, "--json"]
        command = [sys.executable, "-m", "xreason.harness.cli", "layers", "pocket", *options]
        found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)  # noqa: S603
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "questions": questions,
        "seconds": round(time.perf_counter() - began, 2),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime, 2),
        "peak_memory_bytes": usage.ru_maxrss * 1024,
        "tokens": sum(found["tokens"]),
        "language_layers": found["language_layers"],
    }


if __name__ == "__main__":
    main()
