"""The questions of published sets and added suites: from a data folder where it has them, else from the hub.

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
from itertools import zip_longest
from pathlib import Path
from typing import Any

from xreason.tasks.added import AddedSuite, Hub, Registry, registries
from xreason.tasks.errors import MissingSetError, UserError
from xreason.tasks.files import out_of_reach, read_json
from xreason.tasks.readings.choice import LETTERS
from xreason.tasks.readings.verdicts import Kind
from xreason.tasks.sets.grade_school import AFRIMGSM, MGSM, MGSM_REV2, MNUMGLUESUB, MSVAMP
from xreason.tasks.sets.mmath import MMATH
from xreason.tasks.sets.own import KEPT, OwnRows, by_turns, weights_by_level
from xreason.tasks.sets.polymath import POLYMATH
from xreason.tasks.sets.source import Row as Row
from xreason.tasks.sets.source import Source
from xreason.tasks.sets.xcsqa import XCSQA

#: A gold answer as MGSM and MSVAMP write it: -3, 2,125, 8.0.
GOLD = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?", re.ASCII)
_LONGEST_GOLD = 40  # more than any count of things; what is longer no reading reads
# what a broken export leaves where text was: control characters, halves of letters; and marks that show text in another order
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u202d\u202e]")
_NO_QUESTIONS = frozenset(("nan", "null", "none", "n/a", "inf"))


_IN_CODE: dict[str, Source] = {
    **{"mgsm": MGSM, "msvamp": MSVAMP, "mgsm_rev2": MGSM_REV2, "afrimgsm": AFRIMGSM, "mnumgluesub": MNUMGLUESUB},
    **{"polymath": POLYMATH, "mmath": MMATH, "xcsqa": XCSQA},
}


def sources_with(*changes: Registry) -> dict[str, Source]:
    """Returns suite to source: those in code, and those of added suites that are on the hub."""

    def added(name: str, said: AddedSuite, hub: Hub) -> Source:
        asked = {code: each.config for change in changes for code, each in change.questions.get(name, {}).items() if each.config}
        # a column that there is not may be missing
        more = (hub.name or "?", hub.level or "?", *hub.choices)
        make = OwnRows(said.kind, hub.answers, weights_by_level(said.levels))
        form: dict[str, Any] = {"kind": said.kind, "by_id": hub.name is not None, "by_turns": hub.level is not None, "make": make}
        place = f"{name}/{{language}}.jsonl"
        return Source(hub.id, place, hub.question, hub.answer, configs=asked, repeats=None, split=hub.split, more=more, **form)

    return _IN_CODE | {name: added(name, said, said.hub) for change in changes for name, said in change.suites.items() if said.hub}


#: `xreason.tasks.suites.use` keeps it up with the registries.
SOURCES: dict[str, Source] = sources_with(*registries())


def local_path(suite: str, language: str, part: str = "") -> Path | None:
    """Returns where the data folder would hold the questions, or None where XREASON_DATA is not set."""
    folder = os.environ.get("XREASON_DATA")
    return Path(folder) / SOURCES[suite].place(language, part or SOURCES[suite].parts[0]) if folder else None


def where(suite: str, language: str) -> str:
    """Returns where the questions come from, for people: a file inside the data folder, a hub id, or where else they are had."""
    path, source = local_path(suite, language), SOURCES[suite]
    if path and path.exists():
        return source.place(language, "{" + ",".join(source.parts) + "}")
    return source.hub_id or source.fetch


def rows(suite: str, language: str) -> list[Row]:
    """Returns all test questions of one language, in their published order; of a set in parts, a question of each by turns.

    Raises:
        UserError: the questions are neither in the data folder nor to be had from the hub, or a row is not in its form.
    """
    source = SOURCES[suite]
    turns = zip_longest(*(_found(suite, language, part) for part in source.parts))
    cells = (each for turn in turns for each in turn if each is not None)
    named = str(path) if (path := local_path(suite, language)) and path.exists() else str(source.hub_id)
    rows = _rows(cells, language, named, source)
    rows = sorted(rows, key=lambda row: str(row["id"])) if source.by_id else rows
    return by_turns(rows) if source.by_turns else rows


def _found(suite: str, language: str, part: str) -> Iterator[tuple[str, list[Any]]]:
    """Yields where each row of a part of a set is, in words, and its cells."""
    path, source = local_path(suite, language, part), SOURCES[suite]
    columns = (source.question, source.answer, *source.more)
    if path and path.exists():
        for where, cells in _cells(path, columns):
            yield f"{path}, {where}", cells
        return
    table = _hub_split(suite, language, source.split.format(part=part), path)
    missing = [each for each in columns if not each.endswith("?") and each.partition(".")[0] not in table.column_names]
    if missing:
        has = f"{source.hub_id} has no column {missing[0]!r} in {language}; it has {', '.join(table.column_names)}"
        raise UserError(f"{has}; add the suite with those (--question-column, --answer-column).")
    for number, row in enumerate(table, start=1):
        place = f"{source.hub_id}, config {source.config_of(language)}, row {number}"
        try:
            yield place, _columns(row, columns)
        except ValueError as error:
            _refuse(place, str(error))


def own_rows(path: Path, language: str, make: OwnRows) -> list[Row]:
    """Returns the questions of a file that `write_own_rows` wrote, in its order, made rows of their kind.

    Raises:
        UserError: the file is gone, or a row of it is not in its form.
    """
    if not path.exists():
        raise UserError(f"{path} is gone; put it back, or take {language} out with `xreason language remove` and add it again.")
    cells = ((f"{path}, {where}", cells) for where, cells in _cells(path, ("question", "answer", *(f"{each}?" for each in KEPT))))
    source = Source(None, str(path), "question", "answer", kind=make.kind, make=make, repeats=None)
    return _rows(cells, language, str(path), source)


def write_own_rows(rows: Sequence[Row], path: Path) -> None:
    """Writes questions and gold answers, one JSON object a line, and what else a row of one's own has."""
    path.parent.mkdir(exist_ok=True)
    written = ({key: row[key] for key in ("question", "answer", *KEPT) if key in row} for row in rows)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in written), encoding="utf-8")


def rows_hash(questions: list[Row]) -> str:
    """Returns the SHA-256 of what is asked and of the gold answers, the same from a file and from the hub where these agree."""
    more = ("instruction", "published")
    said = (
        json.dumps([row["question"], row["answer"], *(row[key] for key in more if key in row)], ensure_ascii=False)
        for row in questions
    )
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
            f"{source.hub_id}, config {source.config_of(language)}",
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


def gold_problem(gold: object, kind: Kind = "number", choices: Sequence[str] = ()) -> str | None:
    """Returns what is wrong with a gold answer of a kind, to a question with these choices if any; None where nothing is."""
    said = "" if gold is None else str(gold).strip()
    if not said:
        return "the answer is empty"
    if kind == "expression":
        return None if isinstance(gold, str) and not _NO_TEXT.search(gold) else f"the answer {_shortened(gold)} is no text"
    if kind == "choice":
        return (
            None if said in LETTERS[: len(choices)] else f"the answer {_shortened(said)} is no letter of its {len(choices)} choices"
        )
    return None if GOLD.fullmatch(said) and len(said) <= _LONGEST_GOLD else f"the answer {_shortened(said)} is no number"


def _shortened(value: object) -> str:
    said = repr(value)
    return said if len(said) <= 42 else f"{said[:40]}…"


def _refuse(place: str, problem: str | None) -> None:
    if problem:
        raise UserError(f"{place}: {problem}; put the set as published in its place.")


def _rows(found: Iterable[tuple[str, Sequence[Any]]], language: str, named: str, source: Source) -> list[Row]:
    """Returns the rows of a set that is `named` so, each of which comes with its place."""
    rows: list[Row] = []
    asked: dict[tuple[str, ...], tuple[str, object]] = {}
    again, repeats = 0, None if source.repeats is None else source.repeats.get(language, 0)
    for place, cells in found:
        try:
            row = source.make(cells, language)
        except ValueError as error:
            _refuse(place, str(error))
        if row is None:
            continue
        asked_badly = None if row.get("id") in source.broken else text_problem(row["question"], "question")
        _refuse(place, asked_badly or gold_problem(row["answer"], source.kind, row.get("choices", ())))
        rows.append(row | {"answer": str(row["answer"])})
        gold = rows[-1]["answer"]
        value = float(gold.replace(",", "")) if source.kind == "number" else gold
        first, before = asked.setdefault((same_question(row["question"]), *row.get("choices", ())), (place, value))
        if first != place and value == before:
            _refuse(place, f"the row is that of {_within(first, place)}")
        again += first != place
        if repeats is not None and again > repeats:
            _refuse(place, f"the question is that of {_within(first, place)}, under another answer")
    if not rows:
        raise UserError(f"{named} holds no question for {language}; put the test set there as its authors wrote it.")
    return rows


def _within(first: str, place: str) -> str:
    """Returns a place in words as it is called beside another: "line 1" where they are in the same file."""
    (file, _, where), other = first.rpartition(", "), place.rpartition(", ")[0]
    return where if file == other else first


def same_question(question: str) -> str:
    """Returns what is equal for two ways of writing one question: other white space, or another normal form of Unicode."""
    return " ".join(unicodedata.normalize("NFC", question).split())


def _cells(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    """Yields where each row is and these columns of it: of JSON by their names, of tab-separated values all, in order.

    JSON is an object a line, or one array of objects (`.json`).
    """
    if path.suffix == ".json":
        yield from _array(path, columns)
        return
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


def _array(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    remedy = "put the file as published in its place"
    found = read_json(path, remedy)
    if not isinstance(found, list):
        raise UserError(f"{path} holds no JSON array; {remedy}.")
    for number, row in enumerate(found, start=1):
        try:
            yield f"row {number}", _columns(row, columns)
        except ValueError as error:
            _refuse(f"{path}, row {number}", str(error))


def _tab_separated(line: str, columns: Sequence[str]) -> list[Any]:
    cells = line.rstrip("\r").split("\t")
    if len(cells) != len(columns):
        raise ValueError(f"expected {len(columns)} columns, {' and '.join(columns)}, found {len(cells)}")
    return cells


def _json_object(line: str, columns: Sequence[str]) -> list[Any]:
    return _columns(json.loads(line), columns)


def _columns(row: Any, columns: Sequence[str]) -> list[Any]:
    """Returns the values of columns; "question.stem" is within "question"."""

    def value(name: str) -> Any:
        found = row
        for key in name.removesuffix("?").split("."):
            if not isinstance(found, Mapping) or key not in found:
                if name.endswith("?") and isinstance(found, Mapping):
                    return None
                raise ValueError(f"column {name} is missing")
            found = found[key]
        return found

    return [value(name) for name in columns]


def _hub_split(suite: str, language: str, split: str, path: Path | None) -> Any:
    source = SOURCES[suite]
    looked = f"{path} does not exist" if path is not None else "no data folder is given (--data DIR or XREASON_DATA)"
    holds = "worked examples" if split == "train" else "questions"
    if source.hub_id is None:
        had = f"the set is not on the hub, but to be had from {source.fetch}"
        raise MissingSetError(f"No {holds} for {suite} in {language}: {looked}; {had}: put it in that place.")
    try:
        if out_of_reach(source.hub_id):
            raise ConnectionError
        from datasets import load_dataset

        return load_dataset(source.hub_id, source.config_of(language), split=split)
    except Exception as error:  # whatever the hub client raises, the remedy is the same
        raise MissingSetError(
            f"No {holds} for {suite} in {language}: {looked}, and {source.hub_id} could not be had from the hub "
            f"({type(error).__name__}); where there is internet, fetch it with: hf download --repo-type dataset {source.hub_id}"
        ) from error
