"""From finished steps to records, and from records to boards.

runs/pocket/slam/0/record.json      what boards read
runs/pocket/leaderboard.md          and leaderboard.json
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xreason.harness.scoring.score import Score, circumstances_of
from xreason.harness.scoring.translating.translate import read_translations
from xreason.harness.scoring.verdicts import VERDICTS_FILE, identifier_of, read_measures, read_scores
from xreason.harness.serving.models import DUMMY, Model
from xreason.leaderboards.board import Board, BoardError, Failure, build_board
from xreason.leaderboards.combined.combined import SelfConsistent, TranslateTested
from xreason.leaderboards.contamination import OVERLAP_FILE, Overlap, overlap_cautions, read_overlap
from xreason.leaderboards.contenders import contenders_of
from xreason.leaderboards.forms.markdown import write_board
from xreason.leaderboards.measured.board import measure_cautions, measured_board
from xreason.leaderboards.published.reported import published_rows
from xreason.leaderboards.records import LanguageScore, Provenance, Reading, Record, Training, write_record
from xreason.leaderboards.rows import ENGLISH_MARGIN, MeanOver
from xreason.tasks.errors import UserError
from xreason.tasks.languages import PAPER_LANGUAGES
from xreason.tasks.suites import SUITES, Suite

RECORD_FILE = "record.json"


def record_of(
    scores: Sequence[Score],
    folder: Path,
    base: Model,
    training: Training | None = None,
    checkpoint_bytes: int | None = None,
    *,
    served: Model | None = None,
    translator: str | None = None,
) -> Record:
    """Writes and returns the record of `served`, a model that was made from `base`, or `base` itself, scored by a step a suite.

    Where questions were put into English first by what was trained, `translator` is its recipe.

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
        format=4,
        method=first.row,
        seed=first.seed,
        scores={task.scoring.suite: found for task in scores if (found := _scores(task))},
        training=training,
        provenance=Provenance(
            model=base.name,
            model_hash=base.hash,
            weights_hash=(served or base).hash,
            dtype=", ".join(dict.fromkeys(each.dtype for each in done.values() if each.dtype)) or None,
            engine=last.engine,
            data={suite: each.data for suite, each in done.items()},
            **asking.told(),
            suite_versions={task.scoring.suite: task.scoring.benchmark.version for task in scores},
            translate_test=_translate_test(first, served or base, translator),
            self_consistency=SelfConsistent(of=first.of) if first.votes else None,
            in_domain={task.scoring.suite: task.scoring.benchmark.in_domain for task in scores},
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
        families=families_of(task.scoring.benchmark for task in scores),
        measures={task.scoring.suite: read_measures(task.folder) for task in scores if task.scoring.benchmark.lm_eval},
        weights=weights_of(task.scoring.benchmark for task in scores),
    )
    write_record(record, folder / RECORD_FILE)
    return record


def _translate_test(task: Score, served: Model, recipe: str | None) -> TranslateTested | None:
    """Returns how a row was asked whose questions were put into English first; None for any other."""
    if task.translate is None:
        return None
    told = read_translations(task.translate.folder)
    one = told.weights_hash == served.hash or told.translator == DUMMY
    return TranslateTested(of=task.of, translator=told.translator, models=1 if one else 2, made=recipe or told.weights_hash)


def families_of(suites: Iterable[Suite]) -> dict[str, tuple[int, ...]]:
    """Returns suite to the family of each of its questions, of those in which some vary the same problem."""
    return {suite.name: suite.families for suite in suites if suite.families}


def weights_of(suites: Iterable[Suite]) -> dict[str, tuple[int, ...]]:
    """Returns suite to the weight of each of its questions, of those in which not all weigh the same."""
    return {suite.name: suite.weights for suite in suites if suite.weights}


def _scores(task: Score) -> dict[str, LanguageScore]:
    """Returns the scores of a finished step; a UserError where they are not of all the languages that it asked."""
    scores = read_scores(task.folder, task.scoring.benchmark)
    if not scores and task.scoring.benchmark.lm_eval:
        return {}  # of what is no verdict
    if missing := [code for code in task.scoring.languages if code not in scores]:
        lacks = f"{task.folder / VERDICTS_FILE} has no verdicts in {', '.join(missing)}"
        raise UserError(f"{lacks}; delete its folder and score that model again.")
    return scores


def boards_of(
    records: Sequence[Record],
    *,
    reading: Reading = "paper",
    mean: MeanOver = "all",
    english_margin: float = ENGLISH_MARGIN,
    across_styles: bool = False,
    languages: Sequence[str] | None = None,
    failures: Sequence[tuple[str, str]] = (),
    overlaps: Sequence[Overlap] = (),
    published: bool = False,
    groups: Mapping[str, Sequence[str]] = {},
) -> list[Board]:
    """Returns one board for each suite among the records, ranked by a reading; across prompt styles only where told.

    Args:
        records: what stands on the boards.
        reading: what ranks.
        mean: see `xreason.leaderboards.board.build_board`; likewise the next two.
        english_margin: in points.
        across_styles: whether rows may differ in it.
        languages: codes of those that the boards are over, as far as their suite was scored in them; all that are there for None.
        failures: rows that should stand on every board and do not: what each is called, and why.
        overlaps: what questions share with training corpora, where that was counted.
        published: whether what others report stands beside.
        groups: name of a group of languages to their codes, of which rows have means of their own.

    Raises:
        BoardError: records cannot stand side by side, or one was not scored in a language that was asked for.
    """
    boards = []
    there = {code for record in records for code in record.languages}
    if unknown := sorted(set(languages or ()) - there):
        raise BoardError(f"No record was scored in {', '.join(unknown)}: name languages among {', '.join(sorted(there))}.")
    for suite in dict.fromkeys(suite for record in records for suite in record.suites):
        scored = [record for record in records if suite in record.suites]
        if any(suite not in record.scores for record in scored):
            boards.append(measured_board(scored, suite, languages=languages, reading=reading, failures=failures, groups=groups))
            continue
        if languages is not None:
            scored = _only(scored, suite, languages)
        board = build_board(
            scored,
            suite,
            average_languages=_averaged(scored, suite),
            reading=reading,
            mean=mean,
            english_margin=english_margin,
            across_styles=across_styles,
            groups=groups,
            levels=SUITES[suite].levels if suite in SUITES else {},
            failures=[Failure(row=row, reason=reason) for row, reason in failures],
            cautions=(*_untold_families(scored, suite), *_of_suite(scored, suite), *measure_cautions(scored, suite)),
        )
        counted = dict.fromkeys(overlap_cautions(contenders_of(scored, suite), suite, overlaps)) if overlaps else ()
        beside = {"cautions": (*board.cautions, *counted), "published": published_rows(suite) if published else ()}
        boards.append(board.model_copy(update=beside))
    return boards


def _of_suite(records: Sequence[Record], suite: str) -> list[str]:
    """Returns how questions weigh, where not all weigh the same, and what is right where nothing is generated."""
    if suite in SUITES and SUITES[suite].likelihood:
        return ["The answer is the letter that the model finds likeliest behind the prompt, by lm-eval's acc."]
    if suite not in SUITES or not any(suite in record.weights for record in records):
        return []
    return [f"Accuracies in {SUITES[suite].title} are weighted, as published: {SUITES[suite].weighing}."]


def _untold_families(records: Sequence[Record], suite: str) -> list[str]:
    """Returns what to say where a suite has families of questions, and no record tells them."""
    if suite not in SUITES or not SUITES[suite].families or any(suite in (record.families or {}) for record in records):
        return []
    return [f"Questions of {suite} that vary the same problem are taken as independent, so intervals are too narrow: run rescore."]


def _only(records: Sequence[Record], suite: str, languages: Sequence[str]) -> list[Record]:
    """Returns the records with the scores in these languages alone."""
    there = {code for record in records for code in record.scores[suite]}
    chosen = [code for code in languages if code in there]
    if not chosen:
        codes = ", ".join(sorted(there))
        raise BoardError(f"{suite} was scored in {codes}, not in {', '.join(languages)}: name some of these, or leave {suite} off.")
    for record in records:
        if lacking := [code for code in chosen if code not in record.scores[suite]]:
            said = f"{record.method} (seed {record.seed}) was not scored on {suite} in {', '.join(lacking)}"
            raise BoardError(f"{said}: score it there, leave it off, or leave that out of --languages.")
    scores = [{suite: {code: record.scores[suite][code] for code in chosen}} for record in records]
    return [record.model_copy(update={"scores": each}) for record, each in zip(records, scores, strict=True)]


def _averaged(records: Sequence[Record], suite: str) -> tuple[str, ...]:
    """Returns the suite's languages for means that all were scored in; where there are none, all that they were scored in."""
    scored = [code for code in records[0].scores[suite] if all(code in record.scores[suite] for record in records)]
    if any(suite in record.measures for record in records):
        return tuple(scored)  # lm-eval's own tasks: all that was asked
    over = SUITES[suite].average_languages if suite in SUITES else PAPER_LANGUAGES
    return tuple(code for code in over if code in scored) or tuple(scored) or tuple(over)


def write_boards(
    records: Sequence[Record],
    folder: Path,
    *,
    reading: Reading = "paper",
    mean: MeanOver = "all",
    english_margin: float = ENGLISH_MARGIN,
    failures: Sequence[tuple[str, str]] = (),
) -> list[Board]:
    """Puts records side by side, with what failed and why; writes leaderboard.md and leaderboard.json into `folder`."""
    counted = folder / OVERLAP_FILE
    overlaps = (read_overlap(counted),) if counted.exists() else ()
    judged: dict[str, Any] = {"reading": reading, "mean": mean, "english_margin": english_margin}
    boards = boards_of(records, **judged, failures=failures, overlaps=overlaps)
    write_board(boards, folder)
    return boards
