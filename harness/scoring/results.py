"""Scores on disk, and boards out of them: what `compare` and `score` share.

runs/pocket/slam/0/scores/pocket/   lm-eval's own files, the verdicts, and where, when and with what they were made
runs/pocket/slam/0/record.json      what boards read
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xreason.harness import progress
from xreason.harness.scoring.scoring import PAPERS, Asking, Scoring, identifier_of, read_scores, score
from xreason.harness.serving.models import Model
from xreason.harness.serving.serving import LONGEST, LONGEST_WITH_EXAMPLES, Serving
from xreason.harness.store import provenance
from xreason.harness.store.steps import is_done, key_of, step
from xreason.leaderboards.board import Board, build_board
from xreason.leaderboards.forms.markdown import write_board
from xreason.leaderboards.records import LanguageScore, Provenance, Reading, Record, Training, write_record
from xreason.tasks.languages import PAPER_LANGUAGES
from xreason.tasks.suites import SUITES, languages_of, suite_of

SCORED_FILE = "scored.json"


@dataclass(frozen=True)
class Contender:
    """A row to be: a model, and what it cost.

    Attributes:
        row: its name on the board.
        seed: of its training.
        folder: of its steps and its record.
        model: what is served.
        base: the model it was made from, itself for a base.
        training: what that took, or None.
    """

    row: str
    seed: int
    folder: Path
    model: Model
    base: Model
    training: Training | None


@dataclass(frozen=True)
class Questions:
    """What every model of a board is asked.

    Attributes:
        suites: names.
        languages: codes, as far as each suite has them; all for None.
        limit: only the first so many questions a language.
        max_new_tokens: longest response, in tokens; each suite's own for None.
        asking: prompt style, worked examples, sampling.
    """

    suites: tuple[str, ...]
    languages: tuple[str, ...] | None = None
    limit: int | None = None
    max_new_tokens: int | None = None
    asking: Asking = PAPERS

    def scorings(self) -> list[Scoring]:
        """Returns one scoring a suite; reads all questions, so that what is missing is known before hours of work.

        Raises:
            UserError: a suite or language is unknown, some questions cannot be had, or cannot be put that way.
        """
        scorings = []
        for suite in map(suite_of, self.suites):
            tokens = self.max_new_tokens or suite.max_new_tokens
            scorings.append(Scoring(suite, languages_of(suite, self.languages), self.limit, tokens, self.asking))
            scorings[-1].check()
        return scorings


def score_all(contenders: Sequence[Contender], scorings: Sequence[Scoring], *, dtype: str = "auto") -> list[Record]:
    """Scores every contender on every suite that it has no scores for yet, all with one engine; writes and returns their records.

    Raises:
        UserError: vLLM cannot serve a model on this machine.
    """
    longest = LONGEST_WITH_EXAMPLES if any(scoring.asking.shots for scoring in scorings) else LONGEST
    with Serving(dtype=dtype, longest=longest, say=progress.say) as serving:
        for contender in contenders:
            missing = [scoring for scoring in scorings if not is_done(*_scores_of(contender, scoring, dtype))]
            if missing:
                score_contender(serving.engine_for(contender.model), contender, missing, dtype)
            else:
                progress.say(f"{contender.row}, seed {contender.seed}: scored before")
    return [record_of(contender, scorings, dtype) for contender in contenders]


def score_contender(lm: Any, contender: Contender, scorings: Sequence[Scoring], dtype: str) -> None:
    """Scores a contender that `lm`, an lm-eval model, answers for; a suite's scores are stored when that suite is done."""
    for scoring in scorings:
        folder, key = _scores_of(contender, scoring, dtype)
        began = time.perf_counter()
        with step(folder, key) as directory, progress.bar(f"scoring {contender.row} on {scoring.suite.title}") as report:
            lm.progress = report
            score(lm, contender.row, scoring, directory)
            (directory / SCORED_FILE).write_text(json.dumps(_circumstances(scoring)) + "\n", encoding="utf-8")
        seconds = time.perf_counter() - began
        progress.say(
            f"{contender.row}, seed {contender.seed}: {scoring.questions:,} questions of {scoring.suite.title} in {seconds:.0f} s"
        )
        if getattr(lm, "shortened", 0):
            progress.say(f"{contender.row}: {lm.shortened:,} prompts were too long for the model and lost their beginning")


def boards_of(records: Sequence[Record], *, reading: Reading = "paper", across_styles: bool = False) -> list[Board]:
    """Returns one board for each suite among the records.

    Args:
        records: to put side by side.
        reading: what rows are ranked by.
        across_styles: whether records with different prompts, shots or sampling may share a board.

    Raises:
        BoardError: records cannot stand side by side.
    """
    boards = []
    for suite in dict.fromkeys(suite for record in records for suite in record.scores):
        scored = [record for record in records if suite in record.scores]
        averaged = _averaged(scored, suite)
        boards.append(build_board(scored, suite, average_languages=averaged, reading=reading, across_styles=across_styles))
    return boards


def _averaged(records: Sequence[Record], suite: str) -> tuple[str, ...]:
    """Returns the suite's languages for means, as far as they were scored; where none of them was, all that were."""
    scored = records[0].scores[suite]
    over = SUITES[suite].average_languages if suite in SUITES else PAPER_LANGUAGES
    return tuple(code for code in over if code in scored) or tuple(scored)


def write_boards(records: Sequence[Record], folder: Path, *, reading: Reading = "paper") -> list[Board]:
    """Puts records side by side, and writes leaderboard.md and leaderboard.json into `folder`."""
    boards = boards_of(records, reading=reading)
    write_board(boards, folder)
    return boards


def _scores_of(contender: Contender, scoring: Scoring, dtype: str) -> tuple[Path, str]:
    """Returns where a contender's scores stand, and the key of all that can change them."""
    key = {
        "step": "score",
        "model": [contender.model.hash, contender.model.signature()],
        # not its version: what a response says does not depend on how it is read
        "suite": scoring.suite.name,
        "questions": scoring.question_hashes(),
        "limit": scoring.limit,
        "max_new_tokens": scoring.max_new_tokens,
        "asking": [asdict(scoring.asking), scoring.asking.prompt.hash, scoring.exemplar_hashes()],
        "dtype": dtype,
        "versions": provenance.scoring_versions(),
    }
    return contender.folder / "scores" / scoring.name, key_of(key)


def _circumstances(scoring: Scoring) -> dict[str, object]:
    """Returns where, when and with what a scoring was done, to be kept beside its scores."""
    return {
        "data": ", ".join(dict.fromkeys(scoring.suite.where(code) for code in scoring.languages)),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": provenance.scoring_versions(),
    }


def record_of(contender: Contender, scorings: Sequence[Scoring], dtype: str) -> Record:
    """Writes and returns the record of a contender whose scores are all there."""
    scores: dict[str, dict[str, LanguageScore]] = {}
    done: dict[str, dict[str, object]] = {}
    for scoring in scorings:
        folder, _ = _scores_of(contender, scoring, dtype)
        scores[scoring.suite.name] = read_scores(folder, scoring.suite)
        done[scoring.suite.name] = json.loads((folder / SCORED_FILE).read_text(encoding="utf-8"))
    last = max(done.values(), key=lambda each: str(each["date"]))
    asking = scorings[0].asking
    record = Record(
        format=2,
        method=contender.row,
        seed=contender.seed,
        scores=scores,
        training=contender.training,
        provenance=Provenance(
            model=contender.base.name,
            model_hash=contender.base.hash,
            data={suite: str(each["data"]) for suite, each in done.items()},
            prompt=asking.style,
            prompt_hash=asking.prompt.hash,
            shots=asking.shots,
            samples=asking.samples,
            temperature=asking.temperature,
            suite_versions={scoring.suite.name: scoring.suite.version for scoring in scorings},
            identifier=identifier_of(_scores_of(contender, scorings[0], dtype)[0]),
            max_new_tokens={scoring.suite.name: scoring.max_new_tokens for scoring in scorings},
            limit=scorings[0].limit,
            commit=str(last["commit"]),
            machine=str(last["machine"]),
            date=str(last["date"]),
            versions=last["versions"],  # type: ignore[arg-type]
        ),
        checkpoint_bytes=contender.model.size if contender.training else None,
    )
    write_record(record, contender.folder / "record.json")
    return record
