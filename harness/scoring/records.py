"""From finished steps to records, and from records to boards.

runs/pocket/slam/0/record.json      what boards read
runs/pocket/leaderboard.md          and leaderboard.json
"""

from collections.abc import Sequence
from pathlib import Path

from xreason.harness.scoring.score import Score, circumstances_of
from xreason.harness.scoring.verdicts import identifier_of, read_scores
from xreason.harness.serving.models import Model
from xreason.leaderboards.board import Board, Failure, build_board
from xreason.leaderboards.forms.markdown import write_board
from xreason.leaderboards.records import Provenance, Reading, Record, Training, write_record
from xreason.tasks.errors import UserError
from xreason.tasks.languages import PAPER_LANGUAGES
from xreason.tasks.suites import SUITES

RECORD_FILE = "record.json"


def record_of(
    scores: Sequence[Score], folder: Path, base: Model, training: Training | None = None, checkpoint_bytes: int | None = None
) -> Record:
    """Writes and returns the record of a model that was made from `base` and scored by all these steps, one a suite.

    Raises:
        UserError: the scores of a step are not there, or not those that were asked for.
    """
    for task in scores:
        if not task.is_done():
            raise UserError(f"The scoring in {task.folder} is not finished, or was made of something else; give the command again.")
    done = {task.scoring.suite: circumstances_of(task) for task in scores}
    last = max(done.values(), key=lambda each: each.date)
    first, asking = scores[0], scores[0].scoring.asking
    record = Record(
        format=3,
        method=first.row,
        seed=first.seed,
        scores={task.scoring.suite: read_scores(task.folder, task.scoring.benchmark) for task in scores},
        training=training,
        provenance=Provenance(
            model=base.name,
            model_hash=base.hash,
            data={suite: each.data for suite, each in done.items()},
            prompt=asking.style,
            prompt_hash=asking.prompt.hash,
            shots=asking.shots,
            samples=asking.samples,
            temperature=asking.temperature,
            suite_versions={task.scoring.suite: task.scoring.benchmark.version for task in scores},
            identifier=identifier_of(first.folder),
            max_new_tokens={task.scoring.suite: task.scoring.max_new_tokens for task in scores},
            limit=first.scoring.limit,
            commit=last.commit,
            machine=last.machine,
            date=last.date,
            versions=last.versions,
        ),
        checkpoint_bytes=checkpoint_bytes,
        folders={task.scoring.suite: task.folder.name for task in scores},
    )
    write_record(record, folder / RECORD_FILE)
    return record


def boards_of(
    records: Sequence[Record],
    *,
    reading: Reading = "paper",
    across_styles: bool = False,
    failures: Sequence[tuple[str, str]] = (),
) -> list[Board]:
    """Returns one board for each suite among the records, ranked by a reading; across prompt styles only where told.

    `failures` are rows that should stand on every board and do not: what each is called, and why.

    Raises:
        BoardError: records cannot stand side by side.
    """
    boards = []
    for suite in dict.fromkeys(suite for record in records for suite in record.scores):
        scored = [record for record in records if suite in record.scores]
        averaged = _averaged(scored, suite)
        board = build_board(
            scored,
            suite,
            average_languages=averaged,
            reading=reading,
            across_styles=across_styles,
            failures=[Failure(row=row, reason=reason) for row, reason in failures],
        )
        boards.append(board)
    return boards


def _averaged(records: Sequence[Record], suite: str) -> tuple[str, ...]:
    """Returns the suite's languages for means, as far as they were scored; where none of them was, all that were."""
    scored = records[0].scores[suite]
    over = SUITES[suite].average_languages if suite in SUITES else PAPER_LANGUAGES
    return tuple(code for code in over if code in scored) or tuple(scored)


def write_boards(
    records: Sequence[Record], folder: Path, *, reading: Reading = "paper", failures: Sequence[tuple[str, str]] = ()
) -> list[Board]:
    """Puts records side by side, with what failed and why; writes leaderboard.md and leaderboard.json into `folder`."""
    boards = boards_of(records, reading=reading, failures=failures)
    write_board(boards, folder)
    return boards
