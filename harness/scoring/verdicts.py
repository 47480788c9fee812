"""What the readings make of stored responses: the samples are what a model said, verdicts can be made of them again at any time."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from xreason.harness.serving.answers import Tokens
from xreason.leaderboards.files import write_whole
from xreason.leaderboards.records import LanguageScore, Measure
from xreason.tasks.data import rows_hash
from xreason.tasks.errors import UserError
from xreason.tasks.files import as_object, parse_json, read_object
from xreason.tasks.prompts import DEFAULT_STYLE, as_asked
from xreason.tasks.readings.verdicts import all_verdicts, judges, parts, still_thinking
from xreason.tasks.suites import Suite

VERDICTS_FILE = "verdicts.json"

_AGAIN = "delete its folder and score that model again"

_Read = TypeVar("_Read", LanguageScore, Measure)

#: What cannot be read from a response's text: whether it ended at the token limit. (Nor can its tokens, nor a budget's end.)
CUT_OFF = "cut_off"


def language_score(
    samples: Sequence[Mapping[str, Any]],
    cut_off: tuple[str, ...] | None,
    took: Tokens = (None, None),
    ended: tuple[str, ...] | None = None,
    translating: int | None = None,
) -> LanguageScore:
    """Returns what the readings make of the responses of one language.

    Args:
        samples: lm-eval's samples, in the order of the questions.
        cut_off: one string a sample, "1" where the response ended at the token limit; None where that is not known.
        took: tokens of all responses together, and those of them that are thinking.
        ended: "1" where thinking was ended at its budget; None where it has none.
        translating: tokens that putting the questions into English took; None where they were asked as they are.
    """
    # samples that were kept before there were styles
    documents = [as_asked({"style": DEFAULT_STYLE, **sample["doc"]}) for sample in samples]
    told = [
        [parts(response, document) for response in sample["resps"][0]] for sample, document in zip(samples, documents, strict=True)
    ]
    texts = [[answer for _, answer in each] for each in told]
    language = samples[0]["doc"]["language"]
    read = all_verdicts(texts, documents)
    metamath = [each.metamath for each in read if each.metamath is not None]
    several = len(texts[0]) > 1
    end = documents[0].get("think_end")
    thinking = None if end is None else [[thought for thought, _ in each] for each in told]
    return LanguageScore(
        paper=flags(each.paper for each in read),
        strict=flags(each.strict for each in read),
        answered=flags(each.answered for each in read),
        cut_off=cut_off,
        questions_hash=rows_hash([sample["doc"] for sample in samples]),
        in_language=_identified(texts, language),
        majority_paper=_flag(each.majority_paper for each in read) if several else None,
        majority_strict=_flag(each.majority_strict for each in read) if several else None,
        elected=tuple(each.elected for each in read) if several else None,
        metamath=flags(metamath) if metamath else None,
        majority_metamath=_flag(each.majority_metamath or False for each in read) if several and metamath else None,
        tokens=took[0],
        thinking_tokens=took[1],
        translation_tokens=translating,
        thinking_in_language=None if thinking is None else _identified(thinking, language),
        **({} if end is None or cut_off is None else cut_offs([sample["resps"][0] for sample in samples], end, cut_off, ended)),
    )


def cut_offs(
    responses: Sequence[Sequence[str]], end: str, cut_off: Sequence[str], ended: Sequence[str] | None
) -> dict[str, tuple[str, ...]]:
    """Returns where thinking was cut off, at its budget or with the response, and where the answer was, as a LanguageScore has it.

    Args:
        responses: the samples of every question, whole.
        end: what ends thinking.
        cut_off: as language_score takes it; likewise `ended`.
        ended: None without a budget.
    """
    within = flags([still_thinking(response, end) for response in each] for each in responses)
    ended = ended or ["0" * len(each) for each in within]
    return {
        "cut_off_thinking": tuple(
            _flag(budget == "1" or cut == inside == "1" for budget, cut, inside in zip(*each, strict=True))
            for each in zip(ended, cut_off, within, strict=True)
        ),
        "cut_off_answering": tuple(
            _flag(cut == "1" and inside == "0" for cut, inside in zip(*each, strict=True))
            for each in zip(cut_off, within, strict=True)
        ),
    }


def _identified(texts: Sequence[Sequence[str]], language: str) -> tuple[str, ...] | None:
    from xreason.tasks.readings.identification import in_language

    found = [in_language(column, language) for column in zip(*texts, strict=True)]
    return None if found[0] is None else tuple(each for each in found if each is not None)


def flags(verdicts: Iterable[Sequence[bool]]) -> tuple[str, ...]:
    """Returns one string a sample, a "0" or "1" a question, from one sequence a question."""
    return tuple(_flag(column) for column in zip(*verdicts, strict=True))


def _flag(verdicts: Iterable[bool]) -> str:
    return "".join("1" if verdict else "0" for verdict in verdicts)


def read_scores(directory: Path, suite: Suite) -> dict[str, LanguageScore]:
    """Returns the scores of `directory`: its verdicts; where the readings have changed since, what they now make of its samples."""
    stored = _stored_verdicts(directory)
    if suite.lm_eval and "languages" in stored and not stored["languages"]:
        return {}  # of what is no verdict, see read_measures
    if stored.get("version") != _readings(suite) and not (suite.lm_eval or suite.likelihood):
        return read_again(directory, suite)
    path, found = directory / VERDICTS_FILE, _languages(stored, directory)
    return {code: _scored(partial(LanguageScore.model_validate, score), path) for code, score in found.items()}


def read_again(directory: Path, suite: Suite) -> dict[str, LanguageScore]:
    """Reads the samples of `directory` anew, and writes the verdicts.

    Raises:
        UserError: there are no samples, or they are damaged.
    """
    if suite.lm_eval or suite.likelihood:
        return read_scores(directory, suite)  # what is right is lm-eval's to say, and it said so
    before = _languages(_stored_verdicts(directory), directory)
    scores = {}
    for code in before:
        samples = stored_samples(directory, suite.task(code))
        cut_off, ended = (kept and tuple(kept) for kept in (before[code].get(CUT_OFF), before[code].get("cut_off_thinking")))
        took = before[code].get("tokens"), before[code].get("thinking_tokens")
        read = partial(language_score, samples, cut_off, took, ended, before[code].get("translation_tokens"))
        scores[code] = _scored(read, directory)
    write_verdicts(directory, suite, scores)
    return scores


def read_measures(directory: Path) -> dict[str, Measure]:
    """Returns what lm-eval reports of its own tasks, by language; nothing for suites of ours."""
    stored, path = _stored_verdicts(directory), directory / VERDICTS_FILE
    return {
        code: _scored(partial(Measure.model_validate, each), path)
        for code, each in as_object(stored.get("measures", {}), str(path), _AGAIN).items()
    }


def write_verdicts(
    directory: Path, suite: Suite, scores: Mapping[str, LanguageScore], measures: Mapping[str, Measure] = {}
) -> None:
    """Writes the verdicts of `directory`, with the version of the readings that gave them, and what lm-eval reports itself."""
    from xreason.tasks.readings.identification import identifier

    content = {
        "version": _readings(suite),
        "identifier": identifier(),
        "languages": {code: score.model_dump() for code, score in scores.items()},
        **({"measures": {code: each.model_dump(mode="json") for code, each in measures.items()}} if measures else {}),
    }
    write_whole(directory / VERDICTS_FILE, json.dumps(content, indent=1) + "\n")


def _readings(suite: Suite) -> str:
    return ", ".join([suite.version, *(f"{package} {version}" for package, version in judges(suite.kind).items())])


def identifier_of(directory: Path) -> str:
    """Returns what identified the languages of the responses of `directory`."""
    return str(_stored_verdicts(directory).get("identifier", ""))


def _stored_verdicts(directory: Path) -> dict[str, Any]:
    return read_object(directory / VERDICTS_FILE, _AGAIN)


def stored_samples(directory: Path, task: str, *, ours: bool = True) -> list[dict[str, Any]]:
    """Returns lm-eval's samples of a task, in the order of the questions; of one that is not `ours`, as they stand.

    Raises:
        UserError: there are none, or they are damaged.
    """
    paths = sorted(directory.rglob(f"samples_{task}_*.jsonl"))
    if not paths:
        raise UserError(f"{directory} holds no samples of {task}; score that model again.")
    samples = []
    # by line feeds alone: a response may hold other separators that Unicode knows
    for number, line in enumerate(paths[-1].read_bytes().split(b"\n"), start=1):
        if line:
            place = f"{paths[-1]}, line {number}"
            sample = as_object(parse_json(line, place, _AGAIN), place, _AGAIN)
            try:
                samples.append(sample | (_Sample if ours else _AnySample).model_validate(sample).model_dump())
            except ValidationError as error:
                raise UserError(f"{place} is no sample of lm-eval ({_first(error)}); {_AGAIN}.") from error
    if not samples:
        raise UserError(f"{paths[-1]} holds no sample; {_AGAIN}.")
    return sorted(samples, key=lambda sample: int(sample["doc_id"]))


class _Doc(BaseModel, extra="allow"):
    question: str
    answer: str
    language: str


class _AnySample(BaseModel):
    """What the page needs of a line of lm-eval's samples."""

    doc_id: int
    arguments: dict[str, dict[str, Any]]
    target: str
    resps: list[list[Any]]


class _Sample(BaseModel):
    """What the readings need of a line of lm-eval's samples."""

    doc_id: int
    doc: _Doc
    resps: Annotated[list[Annotated[list[str], Field(min_length=1)]], Field(min_length=1)]


def _languages(stored: Mapping[str, Any], directory: Path) -> dict[str, dict[str, Any]]:
    """Returns the verdicts by language; before there were two readings, the file was the languages alone."""
    place = str(directory / VERDICTS_FILE)
    found = as_object(stored.get("languages", stored), place, _AGAIN)
    if not found:
        raise UserError(f"{place} holds no language; {_AGAIN}.")
    return {code: as_object(each, f"{place}, at {code},", _AGAIN) for code, each in found.items()}


def _scored(make: Callable[[], _Read], place: Path) -> _Read:
    try:
        return make()
    except ValidationError as error:
        raise UserError(f"{place} is damaged ({_first(error)}); {_AGAIN}.") from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"at {'.'.join(map(str, first['loc'])) or 'its top level'}: {first['msg'].lower()}"
