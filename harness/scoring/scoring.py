"""Scores one model on one suite through lm-eval, keeps lm-eval's own result and sample files, and reads the responses.

scores/pocket/pocket/results_2026-11-20T20-02-27.json
scores/pocket/pocket/samples_pocket_sw_2026-11-20T20-02-27.jsonl
scores/pocket/verdicts.json

The samples are what a model said; verdicts are what the readings make of it, and can be made again from the samples at any time.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from xreason.leaderboards.files import write_whole
from xreason.leaderboards.records import LanguageScore
from xreason.tasks.data import rows_hash
from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.names import unknown
from xreason.tasks.prompts import DEFAULT_STYLE, STYLES, Style
from xreason.tasks.readings.verdicts import answer_part, verdicts
from xreason.tasks.suites import SUITES, Suite, include_paths

VERDICTS_FILE = "verdicts.json"

#: The one verdict that cannot be read from a response's text: whether it ended at the token limit.
_CUT_OFF = "cut_off"


@dataclass(frozen=True)
class Asking:
    """How questions are put, the same for every suite.

    Attributes:
        style: name of the prompt style.
        shots: worked examples before every question.
        samples: responses to every question.
        temperature: of sampling; 0 is greedy.

    Raises:
        UserError: the style does not exist or takes no worked examples, or samples were asked for without a temperature.
    """

    style: str = DEFAULT_STYLE
    shots: int = 0
    samples: int = 1
    temperature: float = 0.0

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise unknown("prompt style", self.style, STYLES)
        if self.shots and not STYLES[self.style].few_shot:
            styles = ", ".join(name for name, style in STYLES.items() if style.few_shot)
            raise UserError(f"The prompt style {self.style} takes no worked examples; choose --shots 0, or one of these: {styles}.")
        if self.samples > 1 and self.temperature == 0:
            raise UserError(f"{self.samples} greedy samples would all be the same; give a temperature, such as --temperature 0.7.")

    @property
    def prompt(self) -> Style:
        """The prompt style."""
        return STYLES[self.style]

    @property
    def suffix(self) -> str:
        """What names of folders end in: nothing for the papers' way, else "-native-cot-8-shot-4-samples-0.7"."""
        parts = [
            f"-{self.style}" if self.style != DEFAULT_STYLE else "",
            f"-{self.shots}-shot" if self.shots else "",
            f"-{self.samples}-samples-{self.temperature:g}" if self.temperature else "",
        ]
        return "".join(parts)


#: As MetaMath, QAlign and SLAM ask.
PAPERS = Asking()


@dataclass(frozen=True)
class Scoring:
    """What is asked, and how.

    Attributes:
        suite: the benchmark.
        languages: codes, all of them the suite's.
        limit: only the first so many questions a language, or None for all.
        max_new_tokens: the longest response, in tokens.
        asking: how.
    """

    suite: Suite
    languages: tuple[str, ...]
    limit: int | None
    max_new_tokens: int
    asking: Asking = PAPERS

    @property
    def name(self) -> str:
        """The name of its folder under scores/."""
        return self.suite.name + self.asking.suffix

    @property
    def questions(self) -> int:
        """How many questions are asked in all."""
        asked = (self.suite.questions_in(code) for code in self.languages)
        return sum(asked if self.limit is None else (min(self.limit, each) for each in asked))

    def check(self) -> None:
        """Reads everything that will be asked, so that what is missing is known before hours of work.

        Raises:
            UserError: questions or worked examples cannot be had, or the style does not speak a language.
        """
        for code in self.languages:
            if not self.asking.prompt.speaks(code):
                name = LANGUAGES[code].english
                raise UserError(f"The prompt style {self.asking.style} has no words in {name}; choose another with --prompt.")
        self.question_hashes()
        self.exemplar_hashes()

    def question_hashes(self) -> dict[str, str]:
        """Returns language code to the SHA-256 of its questions and gold answers; reads them.

        Raises:
            UserError: some cannot be had, or are not in their form.
        """
        return _question_hashes(self.suite.name, self.languages)

    def exemplar_hashes(self) -> dict[str, str]:
        """Returns language code to the SHA-256 of its worked examples; nothing where none are shown.

        Raises:
            UserError: the suite has none, too few, or they cannot be had.
        """
        return _exemplar_hashes(self.suite.name, self.languages, self.asking.shots) if self.asking.shots else {}


@cache
def _question_hashes(suite: str, languages: tuple[str, ...]) -> dict[str, str]:
    # cached: the key of every model's step asks for it
    return {code: rows_hash(SUITES[suite].rows(code)) for code in languages}


@cache
def _exemplar_hashes(suite: str, languages: tuple[str, ...], shots: int) -> dict[str, str]:
    chosen = SUITES[suite]
    if chosen.exemplars is None:
        raise UserError(f"{chosen.title} has no worked examples; choose --shots 0.")
    hashes = {}
    for code in languages:
        rows = chosen.exemplars(code)
        if len(rows) < shots:
            raise UserError(
                f"{chosen.title} has {len(rows)} worked examples in {LANGUAGES[code].english}; choose --shots {len(rows)}."
            )
        hashes[code] = rows_hash([{"question": row["question"] + row["rationale"], "answer": row["answer"]} for row in rows])
    return hashes


def score(lm: Any, name: str, scoring: Scoring, directory: Path) -> dict[str, LanguageScore]:
    """Asks `lm`, an lm-eval model, all questions; writes lm-eval's files and the verdicts into `directory`.

    Returns:
        One score a language.

    Raises:
        UserError: the prompt style wants a chat template and the model has none.
        OSError: a file could not be written.
    """
    import lm_eval
    from lm_eval.loggers import EvaluationTracker

    asking = scoring.asking
    if asking.prompt.chat and not getattr(getattr(lm, "tokenizer", None), "chat_template", None):
        raise UserError(f"{name} has no chat template; choose another prompt style, such as --prompt {DEFAULT_STYLE}.")
    manager, tasks = _tasks(scoring)
    tracker = EvaluationTracker(output_path=str(directory))
    results = lm_eval.simple_evaluate(
        model=lm,
        model_args={"pretrained": name},
        tasks=tasks,
        num_fewshot=asking.shots,
        limit=scoring.limit,
        apply_chat_template=asking.prompt.chat,
        gen_kwargs=_generation(scoring),
        task_manager=manager,
        evaluation_tracker=tracker,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, rows in samples.items():
        tracker.save_results_samples(task_name=task, samples=rows)
    _check_written(directory, len(samples))
    ends = getattr(lm, _CUT_OFF, None)
    scores = {}
    for code in scoring.languages:
        task = scoring.suite.task(code)
        rows = sorted(samples[task], key=lambda row: int(row["doc_id"]))
        cut_off = None if ends is None else _flags(ends[task, row["doc_id"]] for row in rows)
        scores[code] = language_score(rows, cut_off)
    write_verdicts(directory, scoring.suite, scores)
    return scores


def language_score(samples: Sequence[Mapping[str, Any]], cut_off: tuple[str, ...] | None) -> LanguageScore:
    """Returns what the readings make of the responses of one language.

    Args:
        samples: lm-eval's samples, in the order of the questions.
        cut_off: one string a sample, "1" where the response ended at the token limit; None where that is not known.
    """
    from xreason.tasks.readings.identification import in_language

    # samples that were kept before there were styles
    documents = [{"style": DEFAULT_STYLE, **sample["doc"]} for sample in samples]
    texts = [
        [answer_part(response, document) for response in sample["resps"][0]]
        for sample, document in zip(samples, documents, strict=True)
    ]
    language = documents[0]["language"]
    read = [verdicts(each, document["answer"], language) for each, document in zip(texts, documents, strict=True)]
    several = len(texts[0]) > 1
    identified = [in_language(column, language) for column in zip(*texts, strict=True)]
    return LanguageScore(
        paper=_flags(each.paper for each in read),
        strict=_flags(each.strict for each in read),
        answered=_flags(each.answered for each in read),
        cut_off=cut_off,
        in_language=None if identified[0] is None else tuple(flags for flags in identified if flags is not None),
        majority_paper=_flag(each.majority_paper for each in read) if several else None,
        majority_strict=_flag(each.majority_strict for each in read) if several else None,
    )


def read_scores(directory: Path, suite: Suite) -> dict[str, LanguageScore]:
    """Returns the scores of `directory`: its verdicts; where the readings have changed since, what they now make of its samples."""
    stored = _stored_verdicts(directory)
    if stored.get("version") != suite.version:
        return read_again(directory, suite)
    return {code: LanguageScore.model_validate(score) for code, score in stored["languages"].items()}


def read_again(directory: Path, suite: Suite) -> dict[str, LanguageScore]:
    """Reads the samples of `directory` anew, and writes the verdicts.

    Raises:
        UserError: there are no samples, or they are damaged.
    """
    stored = _stored_verdicts(directory)
    # before there were two readings, the file was the languages alone
    before = stored.get("languages", stored)
    scores = {}
    for code in before:
        samples = _stored_samples(directory, suite.task(code))
        cut_off = before[code].get(_CUT_OFF)
        scores[code] = language_score(samples, None if cut_off is None else tuple(cut_off))
    write_verdicts(directory, suite, scores)
    return scores


def write_verdicts(directory: Path, suite: Suite, scores: Mapping[str, LanguageScore]) -> None:
    """Writes the verdicts of `directory`, with the version of the readings that gave them."""
    from xreason.tasks.readings.identification import identifier

    content = {
        "version": suite.version,
        "identifier": identifier(),
        "languages": {code: score.model_dump() for code, score in scores.items()},
    }
    write_whole(directory / VERDICTS_FILE, json.dumps(content, indent=1) + "\n")


def identifier_of(directory: Path) -> str:
    """Returns what identified the languages of the responses of `directory`."""
    return str(_stored_verdicts(directory)["identifier"])


def _stored_verdicts(directory: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((directory / VERDICTS_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"{directory / VERDICTS_FILE} cannot be read ({error}); score that model again.") from error


def _stored_samples(directory: Path, task: str) -> list[dict[str, Any]]:
    paths = sorted(directory.rglob(f"samples_{task}_*.jsonl"))
    if not paths:
        raise UserError(f"{directory} holds no samples of {task}; score that model again.")
    try:
        samples = [json.loads(line) for line in paths[-1].read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise UserError(f"{paths[-1]} is damaged ({error}); score that model again.") from error
    return sorted(samples, key=lambda sample: int(sample["doc_id"]))


def _tasks(scoring: Scoring) -> tuple[Any, list[Any]]:
    """Returns lm-eval's task manager, and its groups and tasks, set to ask as the scoring says."""
    from lm_eval.filters import build_filter_ensemble
    from lm_eval.tasks import TaskManager

    asking = scoring.asking
    metadata: dict[str, Any] = {"style": asking.style, "shots": asking.shots}
    manager = TaskManager(include_path=include_paths(), include_defaults=False, metadata=metadata)
    loaded = manager.load(_task_names(scoring))
    for task in loaded["tasks"].values():
        stops = asking.prompt.stops(task.config.dataset_kwargs["language"])
        task.set_config("generation_kwargs", {"until": stops}, update=True)
        if asking.samples > 1:
            task.set_config("repeats", asking.samples)
            task._filters = [build_filter_ensemble("none", [["take_first_k", {"k": asking.samples}]])]
    grouped = {name for names in loaded["group_map"].values() for name in names}
    return manager, [*loaded["groups"].values(), *(task for name, task in loaded["tasks"].items() if name not in grouped)]


def _task_names(scoring: Scoring) -> list[str]:
    # the group, where it is asked whole, so that lm-eval's own result file carries the papers' average too
    suite, asked = scoring.suite, set(scoring.languages)
    if not set(suite.average_languages) <= asked:
        return [suite.task(code) for code in scoring.languages]
    return [suite.name, *(suite.task(code) for code in scoring.languages if code not in suite.average_languages)]


def _generation(scoring: Scoring) -> dict[str, Any]:
    temperature = scoring.asking.temperature
    sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False, "temperature": 0.0}
    return {"max_gen_toks": scoring.max_new_tokens, **sampling}


def _flags(verdicts: Iterable[Sequence[bool]]) -> tuple[str, ...]:
    """Returns one string a sample from one sequence a question."""
    return tuple(_flag(column) for column in zip(*verdicts, strict=True))


def _flag(verdicts: Iterable[bool]) -> str:
    return "".join("1" if verdict else "0" for verdict in verdicts)


def _check_written(directory: Path, tasks: int) -> None:
    # lm-eval only logs it when a file could not be written
    if len(list(directory.rglob("results_*.json"))) != 1 or len(list(directory.rglob("samples_*.jsonl"))) != tasks:
        raise OSError(f"lm-eval did not write all its result and sample files into {directory}")
