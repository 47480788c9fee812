"""The step that scores one model on one suite: what it is in a plan, and the doing of it.

runs/pocket/slam/0/scores/pocket-5e6f7a8b/   lm-eval's own files, the verdicts, and where, when and with what they were made
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, NonNegativeFloat, NonNegativeInt

from xreason.harness import progress
from xreason.harness.scoring.endpoint import DTYPE
from xreason.harness.scoring.evaluate import evaluate
from xreason.harness.scoring.questions import Scoring
from xreason.harness.scoring.translating.translate import Translate, read_translations
from xreason.harness.serving.answers import Answers
from xreason.harness.serving.models import Model
from xreason.harness.store import provenance
from xreason.harness.store.steps import Step, key_of, keyed, step
from xreason.tasks.errors import MissingSetError, UserError
from xreason.tasks.readings.verdicts import judges

SCORED_FILE = "scored.json"


class Score(Step):
    """To score one model on one suite."""

    row: str  #: the model's name on the board
    seed: int  #: of its training
    scoring: Scoring  #: what it is asked, and how
    engine: dict[str, Any] = Field(default_factory=dict)  #: arguments of vLLM that can change an answer, as far as they are set
    translate: Translate | None = None  #: the step that puts the questions into English first, or None
    of: str = ""  #: the row whose model answers, where that is another's
    votes: bool = False  #: whether the answer that most of its samples give is the row's


class Circumstances(BaseModel):
    """Where, when and with what a scoring was done; kept beside its scores."""

    data: str
    commit: str
    machine: str
    date: str
    versions: dict[str, str]
    dtype: str | None = None  #: what the weights were served in; None where that was not written down
    engine: dict[str, Any] = {}  #: arguments of vLLM that can change an answer, as far as they were set
    signature: str | None = None  #: of the model's shapes and tokenizer (Model.signature)
    questions: NonNegativeInt | None = None  #: that were asked
    seconds: NonNegativeFloat | None = None  #: that took; None where some were answered before it was interrupted


def plan_score(
    row: str,
    seed: int,
    folder: Path,
    made: Model | Step,
    base: Model,
    scoring: Scoring,
    dtype: str,
    *,
    engine: Mapping[str, Any] = {},
    outline: bool = False,
    translate: Translate | None = None,
    of: str = "",
    votes: bool = False,
) -> Score:
    """Returns the step; reads the questions, so that what is missing is known before hours of work.

    Args:
        row: the model's name on the board.
        seed: of its training.
        folder: of the row in the run store.
        made: the model, or the step whose folder will be its checkpoint.
        base: what it was made from, whose tokenizer and templates such a checkpoint has.
        scoring: what it is asked, and how.
        dtype: what it will really be served in.
        engine: arguments of vLLM that can change an answer.
        translate: the step that puts the questions into English first, for a model `of` another row.
        of: that row.
        votes: whether the answer that most of its samples give is the row's.
        outline: lets questions be missing; then the step has no key, as where what it needs has none.

    Raises:
        UserError: some questions cannot be had, or cannot be put that way.
    """
    model = [made.hash, made.signature()] if isinstance(made, Model) else [made.key, base.signature()]
    said = {"step": "score", "model": model, "dtype": dtype, "versions": provenance.scoring_versions()}
    needs = () if isinstance(made, Model) else (made.folder,)
    said |= {"engine": dict(engine)} if engine else {}
    if translate is not None:
        needs, said = (*needs, translate.folder), said | {"translate": translate.key}
    known = (made.known if isinstance(made, Model) else made.key) and (translate is None or translate.key)
    try:
        key = key_of(said | scoring.identity(in_english=translate is not None)) if known else ""
    except MissingSetError:
        if not outline:
            raise
        key = ""
    place = keyed(folder / "scores" / scoring.name, key)
    told: dict[str, Any] = {"row": row, "seed": seed, "scoring": scoring, "engine": dict(engine)}
    return Score(folder=place, key=key, needs=needs, **told, translate=translate, of=of, votes=votes)


def score(task: Score, lm: Any, model: Model) -> None:
    """Scores `model`, which `lm`, an lm-eval model, answers for; the scores stand when all questions are answered.

    Where the process dies before that, the responses that it had are not asked for again.
    """
    scoring, suite = task.scoring, task.scoring.benchmark
    began, kept = time.perf_counter(), answers_file(task, model)
    resumed = kept.exists()
    with (
        Answers(kept) as answers,
        step(task.folder, task.key, task.needs) as directory,
        progress.bar(f"scoring {task.row} on {suite.title}") as report,
    ):
        lm.progress, lm.answers = report, answers
        translated = read_translations(task.translate.folder) if task.translate else None
        found = evaluate(lm, task.row, model, scoring, directory, translated)
        lm.answers = None
        # a sample of a set has fewer than the set; what lm-eval measures otherwise than by 0 or 1 is counted from its tasks
        asked = sum(each.questions for each in found.values()) or scoring.questions
        circumstances = Circumstances(
            data=", ".join(dict.fromkeys(suite.where(code) for code in scoring.languages)),
            commit=provenance.commit(),
            machine=provenance.machine(),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=provenance.scoring_versions() | judges(suite.kind),
            dtype=_dtype_of(lm),
            engine=task.engine,
            signature=model.signature(),
            questions=asked,
            seconds=None if resumed else time.perf_counter() - began,
        )
        (directory / SCORED_FILE).write_text(circumstances.model_dump_json() + "\n", encoding="utf-8")
    answers.remove()
    seconds = time.perf_counter() - began
    progress.say(f"{task.row}, seed {task.seed}: {asked:,} questions of {suite.title} in {seconds:.0f} s")
    if getattr(lm, "shortened", 0):
        progress.say(f"{task.row}: {lm.shortened:,} prompts were too long for the model and lost their beginning")


def answers_file(task: Score, model: Model) -> Path:
    """Returns where the responses are kept until the scores stand; its name is of all that can change one."""
    return task.folder.parent / f".answers-{key_of([task.key, model.hash])[:16]}.jsonl"


def _dtype_of(lm: Any) -> str:
    """What vLLM says that its weights are in, or that a server knows, or nobody."""
    engine = getattr(getattr(lm, "model", None), "llm_engine", None)
    return getattr(lm, "dtype", DTYPE) if engine is None else str(engine.model_config.dtype).removeprefix("torch.")


def circumstances_of(task: Score) -> Circumstances:
    """Returns where, when and with what a finished step was done; a UserError where its file does not say so."""
    path = task.folder / SCORED_FILE
    try:
        return Circumstances.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise UserError(
            f"{path} does not tell where and when that was scored; delete its folder and score that model again."
        ) from error
