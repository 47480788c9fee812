"""Applies the present readings to what models once said: no model, no GPU, no questions asked.

    xreason rescore runs/pocket

Every record of the experiments there is written anew from lm-eval's stored samples, and so are their boards. Where no reading has
changed, the boards are the same to the last digit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from xreason.harness.scoring.questions import Asking
from xreason.harness.scoring.records import RECORD_FILE, families_of, weights_of, write_boards
from xreason.harness.scoring.samples import write_board_page
from xreason.harness.scoring.verdicts import identifier_of, read_again
from xreason.leaderboards.board import Board
from xreason.leaderboards.records import Reading, Record, record_paths, write_record
from xreason.leaderboards.rows import ENGLISH_MARGIN, MeanOver
from xreason.tasks.errors import UserError
from xreason.tasks.files import read_object
from xreason.tasks.readings.verdicts import judges
from xreason.tasks.suites import suite_of

BOARD_FILE = "leaderboard.json"


@dataclass(frozen=True)
class Rescored:
    """What became of one record: as it is now, its folder, how many verdicts of both readings, and how many of them changed."""

    record: Record
    folder: Path
    verdicts: int
    changed: int


class _Judged(BaseModel, frozen=True):
    """What a written board was told: those before format 5 averaged over all languages."""

    reading: Reading = "paper"
    mean_over: MeanOver = "all"
    english_margin: float = ENGLISH_MARGIN


def rescore(run: Path) -> tuple[list[Rescored], list[Board]]:
    """Reads the stored samples of every experiment that has a record below `run` anew; returns these and the boards it wrote.

    Raises:
        UserError: there is nothing to read, or a record or its samples are damaged.
    """
    paths = record_paths(run) if run.is_dir() else []
    if not paths:
        raise UserError(f"{run} holds no {RECORD_FILE}; name the folder of a comparison, such as runs/pocket.")
    # runs/EXPERIMENT/METHOD/SEED/record.json: boards stand in the experiment's folder, and need all of its records
    folders = dict.fromkeys(path.resolve().parents[2] for path in paths)
    done = [_rescored(path) for folder in folders for path in record_paths(folder) if path.parents[2] == folder]
    boards = []
    for folder in folders:
        # a folder may hold records of methods that its board no longer shows
        shown, judged, failures = _shown(folder / BOARD_FILE)
        stand = [(each.folder, each.record) for each in done if each.folder.parent.parent == folder]
        stand = [(place, record) for place, record in stand if (record.method, record.seed) in shown]
        if stand:
            written = write_boards([record for _, record in stand], folder, **judged, failures=failures)
            write_board_page(written, stand, folder)
            boards += written
    return done, boards


def _rescored(path: Path) -> Rescored:
    old = _read(path)
    try:
        asking, named = Asking.retold(old["provenance"]), old.get("folders", {})
        places = {suite: path.parent / "scores" / Path(named.get(suite, f"{suite}{asking.suffix}")).name for suite in old["scores"]}
        scores = {suite: read_again(place, suite_of(suite)) for suite, place in places.items()}
        provenance = {
            **asking.told(),
            **old["provenance"],
            "versions": {
                **old["provenance"]["versions"],
                **{k: v for name in scores for k, v in judges(suite_of(name).kind).items()},
            },
            # of measures of lm-eval's own, that which they were made by
            "suite_versions": old["provenance"].get("suite_versions", {}) | {suite: suite_of(suite).version for suite in scores},
            # of measures of lm-eval's own alone, there is nothing to read anew
            **({"identifier": identifier_of(next(iter(places.values())))} if places else {}),
        }
        suites = [suite_of(suite) for suite in scores]
        asked = {"families": families_of(suites), "weights": weights_of(suites)}
        record = Record.model_validate({**old, "format": 4, "scores": scores, "provenance": provenance, **asked})
    except (KeyError, TypeError, StopIteration, ValidationError) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}); delete it and score that model again.") from error
    write_record(record, path)
    flags = [
        (before, now)
        for suite, languages in scores.items()
        for code, score in languages.items()
        for before, now in zip(_verdicts(old["scores"][suite].get(code, {})), _verdicts(score.model_dump()), strict=False)
    ]
    return Rescored(record, path.parent, len(flags), sum(before != now for before, now in flags))


def _shown(path: Path) -> tuple[set[tuple[str, int]], dict[str, Any], list[tuple[str, str]]]:
    """Returns a written board's rows, each a method and a seed, how it was told to judge, and its failures with reasons."""
    if not path.exists():
        return set(), {}, []
    again = "delete it, and run its comparison again"
    try:
        old = read_object(path, again)["boards"]
        judged = [_Judged.model_validate(board) for board in old]
        failures = {(each["row"], each["reason"]): None for board in old for each in board.get("failures", ())}
        rows = {(row["method"], int(seed)) for board in old for row in board["rows"] for seed in row["seeds"]}
        if not all(isinstance(method, str) for method, _ in rows):
            raise TypeError("a method without a name")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path} is not as xreason wrote it ({type(error).__name__}: {error}); {again}.") from error
    # all boards of a folder are judged alike
    how = judged[0] if len(set(judged)) == 1 else _Judged()
    return rows, {"reading": how.reading, "mean": how.mean_over, "english_margin": how.english_margin}, [*failures]


def _read(path: Path) -> dict[str, Any]:
    return read_object(path, "delete it and score that model again")


def _verdicts(score: Mapping[str, Any]) -> str:
    """Returns the verdicts of both readings as one text; those of format 1 had one reading and one sample."""
    return "".join("".join(score.get(reading, ())) for reading in ("paper", "strict"))
