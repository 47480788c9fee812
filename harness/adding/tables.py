"""Files of rows: TSV, CSV, JSON, JSONL or Parquet in; the names of their columns, and the cells of each row with its line, out."""

import codecs
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from xreason.tasks.data import GOLD
from xreason.tasks.errors import UserError
from xreason.tasks.files import parse_json

_JSON_OBJECT = TypeAdapter(dict[str, Any])
_SPACES = " \t\r\n,"


@dataclass(frozen=True)
class Table:
    """A file's cells: the names of its columns (none without a header), its rows with their places, and what could not be read.

    A place is for people: "line 3", or "row 3" where a file has no lines. What is within an object of JSON or Parquet is a column
    of its own too: `question.stem`.
    """

    names: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Any]]]
    problems: Sequence[str] = ()


def read_table(path: Path) -> Table:
    """Returns the rows of a file.

    Raises:
        UserError: there is no such file, it is in another format, or it cannot be read at all.
    """
    readers = {".tsv": _delimited, ".csv": _delimited, ".json": _json_array, ".jsonl": _json_lines, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path} is none of {', '.join(readers)}; save the questions as one of them.")
    if not path.is_file():
        raise UserError(f"There is no file {path}; give the path of your questions.")
    return readers[path.suffix.lower()](path)


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        reason = "it begins as UTF-16 does" if wide else error.reason
        raise UserError(f"{path}, line {line}: not UTF-8 ({reason}); save the file as UTF-8.") from error


def _delimited(path: Path) -> Table:
    text, tabs = _decoded(path), path.suffix.lower() == ".tsv"
    first = text.partition("\n")[0]
    delimiter = "\t" if tabs else ";" if first.count(";") > first.count(",") else ","
    quoting: Literal[0, 3] = csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter, quoting=quoting)
    records: list[tuple[str, list[str]]] = []
    began = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((f"line {began}", cells))
            began = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {began}: {error}; close its quotes, or save the file anew from a spreadsheet.") from error
    head = records[0][1] if records else []
    # a file without header begins with a question: two columns, the second a number
    names = [] if len(head) == 2 and GOLD.fullmatch(head[1].strip()) else [cell.strip() for cell in head]
    records, width = records[1 if names else 0 :], len(names) or 2
    problems = [f"{place}: {len(cells)} columns, not {width}; part them anew." for place, cells in records if len(cells) != width]
    return Table(names, [(place, cells) for place, cells in records if len(cells) == width], problems)


def _of_objects(rows: Sequence[tuple[str, Mapping[str, Any]]], problems: Sequence[str] = ()) -> Table:
    flat = [
        (
            place,
            {
                **row,
                **{f"{key}.{inner}": cell for key, each in row.items() if isinstance(each, dict) for inner, cell in each.items()},
            },
        )
        for place, row in rows
    ]
    names = list(dict.fromkeys(name for _, row in flat for name in row))
    return Table(names, [(place, [row.get(name) for name in names]) for place, row in flat], problems)


def _json_lines(path: Path) -> Table:
    rows: list[tuple[str, dict[str, Any]]] = []
    problems = []
    for number, line in enumerate(_decoded(path).split("\n"), start=1):
        try:
            if line.strip():
                rows.append((f"line {number}", _JSON_OBJECT.validate_json(line)))
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            problems.append(f'line {number}: no JSON object ({said}); write {{"question": "...", "answer": "..."}}.')
    return _of_objects(rows, problems)


def _json_array(path: Path) -> Table:
    text, remedy = _decoded(path), "save the questions as a JSON array of objects"
    found = parse_json(text, str(path), remedy)
    if not isinstance(found, list):
        raise UserError(f"{path} holds no JSON array; {remedy}, or one object a line as .jsonl.")
    rows, problems = [], []
    # once more for where each begins: what reads JSON fast does not say
    decode, at, line = json.JSONDecoder(parse_int=str).raw_decode, text.index("[") + 1, 1 + text.count("\n", 0, text.index("["))
    for row in found:
        start = at
        while text[at] in _SPACES:
            at += 1
        line += text.count("\n", start, at)
        place, (_, end) = f"line {line}", decode(text, at)
        line, at = line + text.count("\n", at, end), end
        if isinstance(row, dict):
            rows.append((place, row))
        else:
            problems.append(f'{place}: no JSON object; write {{"question": "...", "answer": "..."}}.')
    return _of_objects(rows, problems)


def _parquet(path: Path) -> Table:
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"{path} is no Parquet file ({type(error).__name__}); save the questions anew.") from error
    return _of_objects([(f"row {number}", row) for number, row in enumerate(table.to_pylist(), start=1)])
