"""The questions of MGSM, MSVAMP and added suites: from a data folder where it has them, else from the hub.

    {"question": "Joho hutumia komeo 2 za ufumwele wa buluu ...", "answer": "3", "language": "sw"}

XREASON_DATA names the data folder (`mgsm/mgsm_sw.tsv`, `msvamp/sw.jsonl`, ...). A file that is there is used; one that is not
there is asked of the hub; nothing else ever stands in for it. Gold answers are as their authors wrote them. Questions added from a
person's own file are beside their YAML task (`xreason_tasks/mgsm/mgsm_it.jsonl`), and only there. Wherever they are, a row whose
question is no text or whose gold answer is no number is refused, and so is one that is there twice.
"""

import codecs
import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xreason.tasks.added import Hub, Registry, registries
from xreason.tasks.errors import MissingSetError, UserError
from xreason.tasks.files import out_of_reach

Row = dict[str, str]

#: A gold answer as MGSM and MSVAMP write it: -3, 2,125, 8.0.
GOLD = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?", re.ASCII)
_LONGEST_GOLD = 40  # more than any count of things; what is longer no reading reads
# what a broken export leaves where text was: control characters, halves of letters
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_NO_QUESTIONS = frozenset(("nan", "null", "none", "n/a", "inf"))


@dataclass(frozen=True)
class Source:
    """Where a suite's questions are: on the hub, and in a data folder."""

    hub_id: str  #: the data set on the Hugging Face hub, one config a language, split `test`, and `train` for worked examples
    file: str  #: its place in a data folder, `{language}` standing for the code
    question: str  #: the column with the question, as `answer` is that with the gold answer (none are named in a TSV file)
    answer: str
    exemplars: str | None = None  #: the file with the worked examples of all languages, or None where the set has none
    configs: Mapping[str, str] = field(default_factory=dict)  #: language code to the hub's config, where that is not the code
    #: language code to how many rows of the published set ask an earlier row's question again under another gold answer; None for
    #: sets of others, of which that is not known.
    repeats: Mapping[str, int] | None = field(default_factory=dict)


_IN_CODE: dict[str, Source] = {
    "mgsm": Source("juletxara/mgsm", "mgsm/mgsm_{language}.tsv", "question", "answer_number", "mgsm/exemplars.jsonl"),
    # broken translations: in Bengali one of four questions, in Thai one of five
    "msvamp": Source("Mathoctopus/MSVAMP", "msvamp/{language}.jsonl", "m_query", "response", repeats={"bn": 3, "th": 4}),
}


def sources_with(*changes: Registry) -> dict[str, Source]:
    """Returns suite to source: those in code, and those of added suites that are on the hub."""

    def added(name: str, hub: Hub) -> Source:
        asked = {code: each.config for change in changes for code, each in change.questions.get(name, {}).items() if each.config}
        return Source(hub.id, f"{name}/{{language}}.jsonl", hub.question, hub.answer, configs=asked, repeats=None)

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
        UserError: the questions are neither in the data folder nor to be had from the hub, or a row is not in its form.
    """
    path, source = local_path(suite, language), SOURCES[suite]
    columns, repeats = (source.question, source.answer), None if source.repeats is None else source.repeats.get(language, 0)
    if path and path.exists():
        return _rows(_cells(path, columns), language, str(path), repeats)
    table = _hub_split(suite, language, "test", path)
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        has = f"{source.hub_id} has no column {missing[0]!r} in {language}; it has {', '.join(table.column_names)}"
        raise UserError(f"{has}; add the suite with those (--question-column, --answer-column).")
    cells = ((f"row {number}", [row[column] for column in columns]) for number, row in enumerate(table, start=1))
    return _rows(cells, language, f"{source.hub_id}, config {source.configs.get(language, language)}", repeats)


def own_rows(path: Path, language: str) -> list[Row]:
    """Returns the questions of a file that `write_own_rows` wrote, in its order.

    Raises:
        UserError: the file is gone, or a row of it is not in its form.
    """
    if not path.exists():
        raise UserError(f"{path} is gone; put it back, or take {language} out with `xreason language remove` and add it again.")
    return _rows(_cells(path, ("question", "answer")), language, str(path))


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
    own, english = _exemplars(suite, language), _exemplars(suite, "en")
    if len(own) != len(english):
        said = f"{suite} has {len(own)} worked examples in {language}, and {len(english)} in en"
        raise UserError(f"{said}; put the file as published in its place, or ask without examples (--shots 0).")
    both = zip(own, english, strict=True)
    return [{**row, "english_rationale": each["rationale"], "language": language} for row, each in both]


def _exemplars(suite: str, language: str) -> list[Row]:
    """Returns question, rationale and gold answer of each, the rationale without what it begins with."""
    source, folder = SOURCES[suite], os.environ.get("XREASON_DATA")
    path = Path(folder) / str(source.exemplars) if folder else None
    if path and path.exists():
        place, cells = str(path), _cells(path, ("q", "a", "number_answer", "language"))
        told = [(where, row[:3]) for where, row in cells if row[3] == language]
    else:
        table = _hub_split(suite, language, "train", path)
        place, columns = (
            f"{source.hub_id}, config {source.configs.get(language, language)}",
            (source.question, "answer", source.answer),
        )
        told = [(f"worked example {number}", [row[each] for each in columns]) for number, row in enumerate(table, start=1)]
    if not told:
        raise UserError(f"{place} has no worked examples in {language}; ask without examples (--shots 0), or add some to it.")
    # "Step-by-Step Answer: Roger started ..."; Chinese and Japanese have a full-width colon and no space
    for where, (question, worked, gold) in told:
        worked_problem = text_problem(worked, "worked answer")
        _refuse(f"{place}, {where}", text_problem(question, "question") or worked_problem or gold_problem(gold))
    return [
        {"question": question, "rationale": re.split("[:：]", worked, maxsplit=1)[-1].strip(), "answer": str(gold)}
        for _, (question, worked, gold) in told
    ]


def text_problem(text: object, name: str) -> str | None:
    """Returns what is wrong with a question, or whatever else `name` says should be text; None where nothing is."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return f"the {name} is empty"
    if not isinstance(text, str) or GOLD.fullmatch(text.strip()) or text.strip().lower() in _NO_QUESTIONS:
        return f"the {name} {_shortened(text)} is no text"
    broken = _NO_TEXT.search(text)
    return f"the {name} holds the character U+{ord(broken[0]):04X}, which is no text" if broken else None


def gold_problem(gold: object) -> str | None:
    """Returns what is wrong with a gold answer; None where nothing is."""
    said = "" if gold is None else str(gold).strip()
    if not said:
        return "the answer is empty"
    return None if GOLD.fullmatch(said) and len(said) <= _LONGEST_GOLD else f"the answer {_shortened(said)} is no number"


def _shortened(value: object) -> str:
    said = repr(value)
    return said if len(said) <= 42 else f"{said[:40]}…"


def _refuse(place: str, problem: str | None) -> None:
    if problem:
        raise UserError(f"{place}: {problem}; put the set as published in its place.")


def _rows(found: Iterable[tuple[str, Sequence[Any]]], language: str, place: str, repeats: int | None = 0) -> list[Row]:
    """Returns the rows of a set that `place` names, each with its place there; at most `repeats` ask again (see Source)."""
    rows: list[Row] = []
    asked: dict[str, tuple[str, float]] = {}
    again = 0
    for where, (question, gold) in found:
        _refuse(f"{place}, {where}", text_problem(question, "question") or gold_problem(gold))
        rows.append({"question": question, "answer": str(gold), "language": language})
        value = float(str(gold).replace(",", ""))
        first, before = asked.setdefault(same_question(question), (where, value))
        if first != where and value == before:
            _refuse(f"{place}, {where}", f"the row is that of {first}")
        again += first != where
        if repeats is not None and again > repeats:
            _refuse(f"{place}, {where}", f"the question is that of {first}, under another answer")
    if not rows:
        raise UserError(f"{place} holds no question for {language}; put the test set there as its authors wrote it.")
    return rows


def same_question(question: str) -> str:
    """Returns what is equal for two ways of writing one question: other white space, or another normal form of Unicode."""
    return " ".join(unicodedata.normalize("NFC", question).split())


def _cells(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    """Yields where each row is and these columns of it: of JSON lines by their names, of tab-separated values all, in order."""
    parse = _tab_separated if path.suffix == ".tsv" else _json_object
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); put the file as published in its place.") from error
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            if line.strip():
                yield f"line {number}", parse(line.decode("utf-8"), columns)
        except UnicodeDecodeError as error:
            raise UserError(f"{path}, line {number}: not UTF-8 ({error.reason}); save the file as UTF-8.") from error
        except (ValueError, RecursionError) as error:
            what = f"not a JSON object ({error.msg})" if isinstance(error, json.JSONDecodeError) else error
            raise UserError(f"{path}, line {number}: {what}; put the file as published in its place.") from error


def _tab_separated(line: str, columns: Sequence[str]) -> list[Any]:
    cells = line.rstrip("\r").split("\t")
    if len(cells) != len(columns):
        raise ValueError(f"expected {len(columns)} columns, {' and '.join(columns)}, found {len(cells)}")
    return cells


def _json_object(line: str, columns: Sequence[str]) -> list[Any]:
    row = json.loads(line)
    missing = [name for name in columns if not isinstance(row, dict) or name not in row]
    if missing:
        raise ValueError(f"column {missing[0]} is missing")
    return [row[name] for name in columns]


def _hub_split(suite: str, language: str, split: str, path: Path | None) -> Any:
    source = SOURCES[suite]
    try:
        if out_of_reach(source.hub_id):
            raise ConnectionError
        from datasets import load_dataset

        return load_dataset(source.hub_id, source.configs.get(language, language), split=split)
    except Exception as error:  # whatever the hub client raises, the remedy is the same
        looked = f"{path} does not exist" if path is not None else "no data folder is given (--data DIR or XREASON_DATA)"
        holds = "questions" if split == "test" else "worked examples"
        raise MissingSetError(
            f"No {holds} for {suite} in {language}: {looked}, and {source.hub_id} could not be had from the hub "
            f"({type(error).__name__}); where there is internet, fetch it with: hf download --repo-type dataset {source.hub_id}"
        ) from error
