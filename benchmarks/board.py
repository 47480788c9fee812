"""What a board takes: records of two suites as large as MGSM and MSVAMP, read from their files, put side by side and written.

python -m benchmarks.board                200 records of 12,750 answers, and 20 of the same

Written is all that `xreason board --out` writes but what models said: leaderboard.md, .json, .csv, .tex and .html. Each number of
records is a process of its own, timed from its start to its end; of a machine that does other things too, the seconds of its
processors tell more.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.report import report
from xreason.leaderboards.records import LanguageScore, Provenance, Record, StageCost, Training, write_record
from xreason.tasks.msvamp.families import FAMILIES
from xreason.tasks.suites import SUITES

SEEDS, LOGGED = 3, 100


def record(number: int, generator: np.random.Generator) -> Record:
    """Returns the record of a base, which is the first, or of one seed of a method, three of each."""
    accuracy = 0.4 + 0.001 * (number // SEEDS)
    scores = {}
    for name in ("mgsm", "msvamp"):
        drawn = generator.random((2, len(SUITES[name].languages), SUITES[name].questions)) < accuracy
        bits = ["".join("01"[right] for right in row.tolist()) for row in drawn.reshape(-1, SUITES[name].questions)]
        scores[name] = {
            code: LanguageScore(
                paper=(paper,),
                strict=(strict,),
                answered=("1" * len(paper),),
                cut_off=("0" * len(paper),),
                in_language=("1" * len(paper),),
                majority_paper=None,
                majority_strict=None,
                questions_hash="the same",
            )
            for code, paper, strict in zip(SUITES[name].languages, bits[::2], bits[1::2], strict=True)
        }
    stage = StageCost(
        name="a stage",
        corpus="text",
        rows=1,
        languages=("sw",),
        tuned="all parameters",
        tuned_parameters=1,
        total_parameters=1,
        epochs=1,
        learning_rate=1e-5,
        batch_size=1,
        steps=1,
        tokens=1,
        seconds=1,
        tokens_per_second=1,
        peak_memory_bytes=1,
        losses=tuple((step, 3 / (1 + step)) for step in range(LOGGED)),
    )
    method, seed = (f"method-{(number - 1) // SEEDS}", (number - 1) % SEEDS) if number else ("base", 0)
    return Record(
        format=4,
        method=method,
        seed=seed,
        scores=scores,
        training=Training(stages=(stage,), recipe=method) if number else None,
        provenance=Provenance(
            model="a model",
            model_hash="its hash",
            data=dict.fromkeys(scores, "the hub"),
            prompt="alpaca",
            prompt_hash="its hash",
            shots=0,
            samples=1,
            temperature=0,
            max_new_tokens=dict.fromkeys(scores, 600),
            limit=None,
            commit="none",
            machine="none",
            date="2026-01-01T00:00:00+00:00",
            versions={},
            suite_versions=dict.fromkeys(scores, "3.0"),
            identifier="",
        ),
        checkpoint_bytes=None,
        families={"msvamp": FAMILIES},
    )


def timed(folder: Path) -> None:
    """Prints what the boards of the records in a folder take, in seconds and bytes."""
    begun = time.perf_counter()
    from xreason.leaderboards.board import build_board
    from xreason.leaderboards.forms.markdown import write_board
    from xreason.leaderboards.forms.page.page import write_page
    from xreason.leaderboards.records import read_records

    laps = {"imports": time.perf_counter()}
    records = read_records(folder)
    laps["read"] = time.perf_counter()
    boards = [build_board(records, suite, average_languages=SUITES[suite].average_languages) for suite in ("mgsm", "msvamp")]
    laps["board"] = time.perf_counter()
    write_board(boards, folder)
    laps["markdown_json_csv_latex"] = time.perf_counter()
    write_page(boards, folder)
    laps["page"] = time.perf_counter()
    before = (begun, *laps.values())
    said = {name: round(lap - last, 2) for (name, lap), last in zip(laps.items(), before, strict=False)}
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    said["of_processors"] = round(used.ru_utime + used.ru_stime, 2)
    told = {
        "seconds": said,
        "peak_memory_gib": round(peak / 1024**3, 2),
        "rows": len(boards[0].rows),
        "pairs": len(boards[0].pairs),
    }
    sys.stdout.write(json.dumps(told))


def main() -> None:
    """Times records to files, for many records and for a tenth of them."""
    if len(sys.argv) > 1:
        timed(Path(sys.argv[1]))
        return
    generator, measured = np.random.default_rng(0), {}
    for count in (20, 200):
        with tempfile.TemporaryDirectory() as folder:
            for number in range(count):
                each = record(number, generator)
                write_record(each, Path(folder) / each.method / str(each.seed) / "record.json")
            command = [sys.executable, "-m", "benchmarks.board", folder]
            start = time.perf_counter()
            told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603
            told["seconds"]["all"] = round(time.perf_counter() - start, 2)
            measured[str(count)] = told
    growth = round(measured["200"]["seconds"]["board"] / measured["20"]["seconds"]["board"], 1)
    report(answers_a_record=12_750, records=measured, ten_times_the_records_take_times=growth)


if __name__ == "__main__":
    main()
