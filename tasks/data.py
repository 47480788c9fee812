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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xreason.tasks.added import Hub, Registry, registries
from xreason.tasks.errors import UserError

Row = dict[str, str]


@dataclass(frozen=True)
class Source:
    """Where a suite's questions are: on the hub, and in a data folder."""

    hub_id: str  #: the data set on the Hugging Face hub, one config a language, split `test`, and `train` for worked examples
    file: str  #: its place in a data folder, `{language}` standing for the code
    question: str  #: the column with the question, as `answer` is that with the gold answer (none are named in a TSV file)
    answer: str
    exemplars: str | None = None  #: the file with the worked examples of all languages, or None where the set has none
    configs: Mapping[str, str] = field(default_factory=dict)  #: language code to the hub's config, where that is not the code


_IN_CODE: dict[str, Source] = {
    "mgsm": Source("juletxara/mgsm", "mgsm/mgsm_{language}.tsv", "question", "answer_number", "mgsm/exemplars.jsonl"),
    "msvamp": Source("Mathoctopus/MSVAMP", "msvamp/{language}.jsonl", "m_query", "response"),
}


def sources_with(*changes: Registry) -> dict[str, Source]:
    """Returns suite to source: those in code, and those of added suites that are on the hub."""

    def added(name: str, hub: Hub) -> Source:
        asked = {code: each.config for change in changes for code, each in change.questions.get(name, {}).items() if each.config}
        return Source(hub.id, f"{name}/{{language}}.jsonl", hub.question, hub.answer, configs=asked)

    return _IN_CODE | {name: added(name, said.hub) for change in changes for name, said in change.suites.items() if said.hub}


#: `xreason.tasks.suites.use` keeps it up with the registries.
SOURCES: dict[str, Source] = sources_with(*registries())


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
    path, source = local_path(suite, language), SOURCES[suite]
    columns = (source.question, source.answer)
    if path and path.exists():
        return _rows(_cells(path, columns), language, path)
    table = _hub_split(suite, language, "test", path)
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        has = f"{source.hub_id} has no column {missing[0]!r} in {language}; it has {', '.join(table.column_names)}"
        raise UserError(f"{has}; add the suite with those (--question-column, --answer-column).")
    return _rows(([row[column] for column in columns] for row in table), language, source.hub_id)


def own_rows(path: Path, language: str) -> list[Row]:
    """Returns the questions of a file that `write_own_rows` wrote, in its order.

    Raises:
        UserError: the file is gone, or a row of it is not in its form.
    """
    if not path.exists():
        raise UserError(f"{path} is gone; put it back, or take {language} out with `xreason language remove` and add it again.")
    return _rows(_cells(path, ("question", "answer")), language, path)


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
    source, folder = SOURCES[suite], os.environ.get("XREASON_DATA")
    path = Path(folder) / str(source.exemplars) if folder else None
    if path and path.exists():
        told = [cells for *cells, code in _cells(path, ("q", "a", "number_answer", "language")) if code == language]
    else:
        table = _hub_split(suite, language, "train", path)
        told = [[str(row[column]) for column in (source.question, "answer", source.answer)] for row in table]
    if not told:
        raise UserError(
            f"{path or source.hub_id} has no worked examples in {language}; ask without examples (--shots 0), or add some to it."
        )
    # "Step-by-Step Answer: Roger started ..."; Chinese and Japanese have a full-width colon and no space
    rationales = [re.split("[:：]", worked, maxsplit=1)[-1].strip() for _, worked, _ in told]
    return [{"question": row[0], "rationale": rationale, "answer": row[2]} for row, rationale in zip(told, rationales, strict=True)]


def _rows(pairs: Iterable[Sequence[Any]], language: str, place: Path | str) -> list[Row]:
    found = [{"question": str(question), "answer": str(answer), "language": language} for question, answer in pairs]
    if not found:
        raise UserError(f"{place} holds no question for {language}; put the test set there as its authors wrote it.")
    return found


def _cells(path: Path, columns: Sequence[str]) -> Iterator[list[str]]:
    """Yields these columns of each row: of JSON lines by their names, of tab-separated values all that there are, in order."""
    parse = _tab_separated if path.suffix == ".tsv" else _json_object
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        try:
            if line.strip():
                yield parse(line.decode("utf-8"), columns)
        except UnicodeDecodeError as error:
            raise UserError(f"{path}, line {number}: not UTF-8 ({error.reason}); save the file as UTF-8.") from error
        except ValueError as error:
            what = f"not a JSON object ({error.msg})" if isinstance(error, json.JSONDecodeError) else error
            raise UserError(f"{path}, line {number}: {what}; put the file as published in its place.") from error


def _tab_separated(line: str, columns: Sequence[str]) -> list[str]:
    cells = line.rstrip("\r").split("\t")
    if len(cells) != len(columns) or not all(cell.strip() for cell in cells):
        raise ValueError(f"expected {len(columns)} columns, {' and '.join(columns)}, found {len(cells)}")
    return cells


def _json_object(line: str, columns: Sequence[str]) -> list[str]:
    row = json.loads(line)
    missing = [name for name in columns if not isinstance(row, dict) or name not in row]
    if missing:
        raise ValueError(f"column {missing[0]} is missing")
    return [str(row[name]) for name in columns]


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
