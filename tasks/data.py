"""The questions of MGSM, MSVAMP and added suites: from a data folder where it has them, else from the hub.

    {"question": "Joho hutumia komeo 2 za ufumwele wa buluu ...", "answer": "3", "language": "sw"}

XREASON_DATA names the data folder (`mgsm/mgsm_sw.tsv`, `msvamp/sw.jsonl`, ...). A file that is there is used; one that is not
there is asked of the hub; nothing else ever stands in for it. Gold answers are as their authors wrote them. Questions added from a
person's own file are beside their YAML task (`xreason_tasks/mgsm/mgsm_it.jsonl`), and only there.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xreason.tasks.added import Hub, Registry, registries
from xreason.tasks.errors import UserError

Row = dict[str, str]


@dataclass(frozen=True)
class Source:
    """Where a suite's questions are.

    Attributes:
        hub_id: the data set on the Hugging Face hub, one config a language, split `test`.
        file: its place in a data folder, `{language}` standing for the code.
        question: the hub's and the file's column with the question.
        hub_answer: the hub's column with the gold answer.
        file_answer: the file's column with the gold answer.
        exemplars: the file with the worked examples of all languages, or None where the set has none; the hub's split is `train`.
        configs: language code to the hub's config, where that is not the code.
    """

    hub_id: str
    file: str
    question: str
    hub_answer: str
    file_answer: str
    exemplars: str | None = None
    configs: Mapping[str, str] = field(default_factory=dict)


_IN_CODE: dict[str, Source] = {
    "mgsm": Source("juletxara/mgsm", "mgsm/mgsm_{language}.tsv", "question", "answer_number", "answer", "mgsm/exemplars.jsonl"),
    "msvamp": Source("Mathoctopus/MSVAMP", "msvamp/{language}.jsonl", "m_query", "response", "response"),
}


def sources_with(*changes: Registry) -> dict[str, Source]:
    """Returns suite to source: those in code, and those of added suites that are on the hub."""

    def added(name: str, hub: Hub) -> Source:
        asked = {code: each.config for change in changes for code, each in change.questions.get(name, {}).items() if each.config}
        return Source(hub.id, f"{name}/{{language}}.jsonl", hub.question, hub.answer, hub.answer, configs=asked)

    return _IN_CODE | {name: added(name, said.hub) for change in changes for name, said in change.suites.items() if said.hub}


#: `xreason.tasks.suites.use` keeps it up with the registries.
SOURCES: dict[str, Source] = sources_with(*registries())

#: The columns of files beside YAML tasks.
_OWN = Source(hub_id="", file="", question="question", hub_answer="answer", file_answer="answer")


def local_path(suite: str, language: str) -> Path | None:
    """Returns where the data folder would hold the questions, or None where XREASON_DATA is not set."""
    folder = os.environ.get("XREASON_DATA")
    return Path(folder) / SOURCES[suite].file.format(language=language) if folder else None


def where(suite: str, language: str) -> str:
    """Returns where the questions come from, for people: a file inside the data folder, or a hub id."""
    path, source = local_path(suite, language), SOURCES[suite]
    return source.file.format(language=language) if path and path.exists() else source.hub_id


def rows(suite: str, language: str) -> list[Row]:
    """Returns all test questions of one language, in their published order.

    Raises:
        UserError: the questions are neither in the data folder nor to be had from the hub, or a row of the file is not in its form.
    """
    path = local_path(suite, language)
    local = list(_file_rows(path, SOURCES[suite], language)) if path and path.exists() else None
    found = _hub_rows(suite, language, path) if local is None else local
    if not found:
        raise UserError(f"{path or SOURCES[suite].hub_id} holds no question for {language}; put the published test set there.")
    return found


def own_rows(path: Path, language: str) -> list[Row]:
    """Returns the questions of a file that `write_own_rows` wrote, in its order.

    Raises:
        UserError: the file is gone, or a row of it is not in its form.
    """
    if not path.exists():
        raise UserError(f"{path} is gone; put it back, or take {language} out with `xreason language remove` and add it again.")
    found = list(_file_rows(path, _OWN, language))
    if not found:
        raise UserError(f"{path} holds no question; put it back as it was.")
    return found


def write_own_rows(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    """Writes questions and gold answers, one JSON object a line."""
    path.parent.mkdir(exist_ok=True)
    written = ({"question": row["question"], "answer": row["answer"]} for row in rows)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in written), encoding="utf-8")


def rows_hash(questions: list[Row]) -> str:
    """Returns the SHA-256 of the questions and gold answers, the same from a file and from the hub where they say the same."""
    said = (json.dumps([row["question"], row["answer"]], ensure_ascii=False) for row in questions)
    return hashlib.sha256("".join(said).encode()).hexdigest()


def exemplars(suite: str, language: str) -> list[Row]:
    """Returns the worked examples of one language, in their published order.

    Each has `question` (with its word for "question" before it, as published), `rationale` in the language, `english_rationale`,
    `answer` and `language`.

    Raises:
        UserError: they are neither in the data folder nor to be had from the hub, or have none in the language.
    """
    both = zip(_exemplars(suite, language), _exemplars(suite, "en"), strict=True)
    return [{**row, "english_rationale": english["rationale"], "language": language} for row, english in both]


def _exemplars(suite: str, language: str) -> list[Row]:
    """Returns question, rationale and gold answer of each, the rationale without what it begins with."""

    def row(question: Any, worked: Any, answer: Any) -> Row:
        # "Step-by-Step Answer: Roger started ..."; Chinese and Japanese have a full-width colon and no space
        rationale = re.split("[:：]", str(worked), maxsplit=1)[-1].strip()
        return {"question": str(question), "rationale": rationale, "answer": str(answer)}

    source, folder = SOURCES[suite], os.environ.get("XREASON_DATA")
    path = Path(folder) / str(source.exemplars) if folder else None
    if path is None or not path.exists():
        table = _hub_split(suite, language, "train", path)
        return [row(each[source.question], each["answer"], each[source.hub_answer]) for each in table]
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        found = [row(each["q"], each["a"], each["number_answer"]) for each in lines if each["language"] == language]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not as published ({type(error).__name__}: {error}); put the published file there.") from error
    if not found:
        raise UserError(f"{path} has no worked examples in {language}; ask without examples (--shots 0), or add some to it.")
    return found


def _file_rows(path: Path, source: Source, language: str) -> Iterator[Row]:
    parse = _tab_separated if path.suffix == ".tsv" else _json_object
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        try:
            if line.strip():
                question, answer = parse(line.decode("utf-8"), source)
                yield {"question": question, "answer": answer, "language": language}
        except UnicodeDecodeError as error:
            raise UserError(f"{path}, line {number}: not UTF-8 ({error.reason}); save the file as UTF-8.") from error
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}; put the file as published in its place.") from error


def _tab_separated(line: str, source: Source) -> tuple[str, str]:
    fields = line.rstrip("\r").split("\t")
    if len(fields) != 2 or not all(field.strip() for field in fields):
        raise ValueError(f"expected two columns, {source.question} and {source.file_answer}, found {len(fields)}")
    return fields[0], fields[1]


def _json_object(line: str, source: Source) -> tuple[str, str]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a JSON object ({error.msg})") from error
    for name in (source.question, source.file_answer):
        if not isinstance(row, dict) or name not in row:
            raise ValueError(f"column {name} is missing")
    return str(row[source.question]), str(row[source.file_answer])


def _hub_rows(suite: str, language: str, path: Path | None) -> list[Row]:
    source = SOURCES[suite]
    table = _hub_split(suite, language, "test", path)
    missing = [column for column in (source.question, source.hub_answer) if column not in table.column_names]
    if missing:
        has = f"{source.hub_id} has no column {missing[0]!r} in {language}; it has {', '.join(table.column_names)}"
        raise UserError(f"{has}; add the suite with those (--question-column, --answer-column).")
    return [{"question": row[source.question], "answer": str(row[source.hub_answer]), "language": language} for row in table]


def _hub_split(suite: str, language: str, split: str, path: Path | None) -> Any:
    from datasets import load_dataset

    source = SOURCES[suite]
    try:
        return load_dataset(source.hub_id, source.configs.get(language, language), split=split)
    except Exception as error:  # whatever the hub client raises, the remedy is the same
        looked = f"{path} does not exist" if path is not None else "no data folder is given (--data DIR or XREASON_DATA)"
        holds = "questions" if split == "test" else "worked examples"
        raise UserError(
            f"No {holds} for {suite} in {language}: {looked}, and {source.hub_id} could not be had from the hub "
            f"({type(error).__name__}); where there is internet, fetch it with: hf download --repo-type dataset {source.hub_id}"
        ) from error
