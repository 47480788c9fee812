"""The step that has a model put the questions of a suite into English: what it is in a plan, and the doing of it.

runs/pocket/slam/0/translations/pocket-5e6f7a8b/translations.json

    {"translator": "slam", "weights_hash": "...", "languages": {"sw": [{"text": "Clara has 8 books ...", "tokens": 21}, ...]}}
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from xreason.harness import progress
from xreason.harness.scoring.lmeval.prepared import check_room, check_template, tell
from xreason.harness.scoring.questions import ENGLISH, Scoring
from xreason.harness.serving.answers import Answers
from xreason.harness.serving.models import Model
from xreason.harness.store import provenance
from xreason.harness.store.steps import Step, key_of, keyed, step
from xreason.leaderboards.files import write_whole
from xreason.tasks.errors import MissingSetError, UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.prompts import DEFAULT_STYLE, alpaca, translation_instruction
from xreason.tasks.readings.verdicts import answer_part

FOLDER, FILE = "translations", "translations.json"
# Raised when the same questions shall be put otherwise.
_VERSION = 1


class Translation(BaseModel):
    """A question in English."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    tokens: NonNegativeInt | None  #: that it took; None where that is not known


class Translations(BaseModel):
    """What one model made of the questions of a suite."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    translator: str  #: its name
    weights_hash: str  #: of all that it answers with
    languages: dict[str, tuple[Translation, ...]]  #: of each but English, in the order of the questions


class Translate(Step):
    """To put the questions of one suite into English, in all languages that are asked but English."""

    name: str  #: of the model, as a row or as it was called
    seed: int  #: of its training
    base: Model  #: what it was made from, or itself
    model: Model | None  #: itself; None where its checkpoint is that of the step that this needs
    scoring: Scoring  #: what is asked, and how
    engine: dict[str, Any] = Field(default_factory=dict)  #: arguments of vLLM that can change an answer, as far as they are set


def plan_translation(
    name: str,
    seed: int,
    folder: Path,
    made: Model | Step,
    base: Model,
    scoring: Scoring,
    dtype: str,
    *,
    engine: Mapping[str, Any] = {},
    outline: bool = False,
) -> Translate:
    """Returns the step, whose results go to `folder/translations/SUITE-KEY`; the rest is as for a scoring (score.plan_score).

    Raises:
        UserError: the suite asks more than a plain question, or in its authors' own words; or questions cannot be had, or not as
            many in English, where the set's own English is taken.
    """
    suite = scoring.benchmark
    if suite.lm_eval or suite.kind != "number" or scoring.asking.prompt.of_authors:
        what = f"the prompt style {scoring.asking.style}" if scoring.asking.prompt.of_authors else suite.title
        raise UserError(
            f"{what} asks more than a plain question, which is all that translate-test puts into English; leave one out."
        )
    if scoring.asking.think_end or scoring.asking.chat_args:
        raise UserError("translate-test is not told how a model thinks yet; leave out think_end and chat_args, or that row.")
    model = [made.hash, made.signature()] if isinstance(made, Model) else [made.key, base.signature()]
    said = {"step": "translate", "version": _VERSION, "model": model, "dtype": dtype, "versions": provenance.scoring_versions()}
    said |= {"engine": dict(engine), "prompt": translation_instruction("", ""), "chat": scoring.asking.prompt.chat}
    try:
        known = made.known if isinstance(made, Model) else bool(made.key)
        identity = (_with_english(scoring) if base.is_dummy else scoring).identity(in_english=True)
        key = key_of(said | {name: identity[name] for name in _OF_QUESTIONS}) if known else ""
    except MissingSetError:
        if not outline:
            raise
        key = ""
    return Translate(
        folder=keyed(folder / FOLDER / scoring.name, key),
        key=key,
        needs=() if isinstance(made, Model) else (made.folder,),
        name=name,
        seed=seed,
        base=base,
        model=made if isinstance(made, Model) else None,
        scoring=scoring,
        engine=dict(engine),
    )


#: Of a scoring's identity, what a translation hangs on.
_OF_QUESTIONS = ("suite", "questions", "limit", "max_new_tokens")


def _with_english(scoring: Scoring) -> Scoring:
    """Returns what is asked, and its English, which stands for perfect translations; a UserError where that is not all there."""
    suite, others = scoring.benchmark, [code for code in scoring.languages if code != ENGLISH]
    if ENGLISH not in suite.languages or any(suite.questions_in(code) > suite.questions_in(ENGLISH) for code in others):
        raise UserError(
            f"{suite.title} has not all of its questions in English, which dummy takes for translations; name a model in its place."
        )
    return scoring.model_copy(update={"languages": (ENGLISH, *others)})


def translate(task: Translate, lm: Any, model: Model) -> None:
    """Has `lm`, an lm-eval model that answers for `model`, put the questions into English, greedily.

    Where the process dies, the translations that it had are not asked for again.

    Raises:
        UserError: the prompt style wants a chat template and the model has none, or the model has no room for a question.
    """
    from lm_eval.api.instance import Instance

    scoring, suite = task.scoring, task.scoring.benchmark
    # an engine that was just started, or that another row was asked by, is told nothing else than for the answers
    tell(lm, scoring.asking, of_lm_eval=False)
    if scoring.asking.prompt.chat:
        check_template(lm, task.name, scoring.asking.model_copy(update={"system": None}))
    check_room(lm, task.name, scoring)
    english = suite.rows(ENGLISH) if model.is_dummy else []
    generation = {"until": [], "max_gen_toks": scoring.max_new_tokens, "do_sample": False, "temperature": 0.0}
    asked: dict[str, list[Instance]] = {}
    for code in scoring.languages:
        if code == ENGLISH:
            continue
        asked[code] = [
            Instance(
                request_type="generate_until",
                # a model that is none takes the set's own English for its answer
                doc={"question": row["question"], "english": english[number]["question"] if english else None},
                arguments=(_prompt(code, row["question"], scoring, lm), dict(generation)),
                idx=0,
                metadata=(f"translation_{code}", number, 1),
            )
            for number, row in enumerate(suite.rows(code)[: scoring.limit])
        ]
    kept = task.folder.parent / f".answers-{key_of([task.key, model.hash])[:16]}.jsonl"
    requests = [each for instances in asked.values() for each in instances]
    with (
        Answers(kept) as answers,
        step(task.folder, task.key, task.needs) as directory,
        progress.bar(f"translating {suite.title} by {task.name}") as report,
    ):
        lm.progress, lm.answers = report, answers
        texts = iter(lm.generate_until(requests) if requests else [])
        lm.answers = None
        took = getattr(lm, "tokens", {})
        # whatever style the question is answered in, its translation is asked for in this one
        read = {"style": scoring.asking.style if scoring.asking.prompt.chat else DEFAULT_STYLE, "language": ENGLISH}
        made: dict[str, tuple[Translation, ...]] = {}
        for code, instances in asked.items():
            spent = [took.get((each.task_name, each.doc_id), [(None, None)])[0][0] for each in instances]
            put = [answer_part(next(texts), read).strip() for _ in instances]
            made[code] = tuple(Translation(text=text, tokens=tokens) for text, tokens in zip(put, spent, strict=True))
        found = Translations(translator=task.name, weights_hash=model.hash, languages=made)
        write_whole(directory / FILE, found.model_dump_json(indent=1) + "\n")
    answers.remove()
    progress.say(f"{task.name}: {len(requests):,} questions of {suite.title} put into English")


def _prompt(code: str, question: str, scoring: Scoring, lm: Any) -> str:
    """Returns what asks for a question's English as the training text does; in the model's chat template where that is used."""
    instruction = translation_instruction(LANGUAGES[code].english, question)
    if scoring.asking.prompt.chat:
        return str(lm.apply_chat_template([{"role": "user", "content": instruction}]))
    return alpaca(instruction)


def read_translations(folder: Path) -> Translations:
    """Returns what a finished step has written; a UserError where that is damaged."""
    try:
        return Translations.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise UserError(
            f"{folder / FILE} is damaged ({type(error).__name__}); delete its folder and give the command again."
        ) from error


def tokens_of(translations: Sequence[Translation]) -> int | None:
    """Returns what all of them took together; None where that is not known of one."""
    known = [each.tokens for each in translations if each.tokens is not None]
    return sum(known) if len(known) == len(translations) else None
