"""What finding the language layers takes: seconds at 1,000 questions a language, and memory at twice as many.

    python -m benchmarks.layers            # the pocket model, its six languages

Prints JSON: seconds from the command to its plot on disk, in a process of its own, and the most memory that process held; the
same with twice the questions, and the ratio of the two peaks, which is 1 where memory does not grow with the questions.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from xreason.harness.store import provenance

QUESTIONS = 1000
LIMIT_SECONDS = 60


def main() -> None:
    """Finds the pocket model's layers twice, and prints what each time took."""
    once, twice = (_measured(count) for count in (QUESTIONS, 2 * QUESTIONS))
    report = {
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "once": once,
        "twice": twice,
        "peak_memory_ratio": round(twice["peak_memory_bytes"] / once["peak_memory_bytes"], 3),
        "limit_seconds": LIMIT_SECONDS,
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


def _measured(questions: int) -> dict[str, Any]:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.layers", str(questions), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return {"questions": questions, "seconds": round(time.perf_counter() - began, 2), **json.loads(done.stdout)}


def _found(questions: int, folder: Path) -> None:
    from xreason.harness.training.layers import find

    found, _ = find("pocket", folder, questions=questions)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    report = {
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_memory_bytes": usage.ru_maxrss * 1024,
        "tokens": int(found.seen.tokens.sum()),
        "language_layers": list(found.seen.block.layers),
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _found(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
