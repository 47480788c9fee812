r"""A person's own questions: TSV, CSV, JSONL or Parquet in; questions and gold answers out, or all that is wrong with the file.

    question<TAB>answer
    Marco ha 12 mele e ne mangia 5. Quante mele gli restano?<TAB>7

TSV and CSV are UTF-8 and have a header, except that a file of two columns may begin with its first question, as MGSM's do. Fields
of CSV may stand in double quotes and be parted by commas or semicolons; in TSV, quotes are text.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from xreason.tasks.cldr import codes
from xreason.tasks.data import GOLD, gold_problem, same_question, text_problem
from xreason.tasks.errors import UserError

#: Columns that are taken where none is named, the first that is there: as MGSM, MSVAMP, AfriMGSM and MetaMath call them.
#: MSVAMP's `query` is English, its `m_query` the question in the language.
QUESTION_COLUMNS = ("question", "m_query", "problem", "query", "input")
ANSWER_COLUMNS = ("answer_number", "answer", "gold", "label", "response", "target", "output")

#: How many problems of a file are told.
TOLD = 10

#: Least share of a question's letters in the language's scripts; names and units may be in another.
SCRIPT_SHARE = 0.5

# nobody writes two as 2.000, but in many languages it is two thousand
_THOUSANDS_BY_DOT = re.compile(r"-?[1-9]\d{0,2}\.\d\d0", re.ASCII)
_JSON_OBJECT = TypeAdapter(dict[str, Any])


@dataclass(frozen=True)
class Columns:
    """Where question and gold answer are: a column's name, or its number from 1; None to find it by the known names."""

    question: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Row:
    """A question and its gold answer, as written; `place` is for people: "line 3", or "row 3" where a file has no lines."""

    place: str
    question: Any  #: text, where nothing is wrong with it
    answer: str


@dataclass(frozen=True)
class _Table:
    """A file's cells: the names of its columns (none without a header), its rows with their places, and what could not be read."""

    names: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Any]]]
    problems: Sequence[str] = ()


def read_questions(path: Path, code: str, columns: Columns) -> list[dict[str, str]]:
    """Returns the questions of a file, which should be in the language `code`, each with `question` and `answer`, in its order.

    Raises:
        UserError: there is no such file, it is in another format, a column is missing, or rows are not fit; says all that is wrong.
    """
    readers = {".tsv": _delimited, ".csv": _delimited, ".jsonl": _json_lines, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path} is none of {', '.join(readers)}; save the questions as one of them.")
    if not path.is_file():
        raise UserError(f"There is no file {path}; give the path of your questions with --file.")
    table = readers[path.suffix.lower()](path)
    if not table.rows:
        refuse(str(path), table.problems)
        raise UserError(f"{path} holds no question; put one in each line.")
    names = table.names or ("question", "answer")
    question = _place(path, names, "question", columns.question, QUESTION_COLUMNS)
    answer = _place(path, names, "answer", columns.answer, ANSWER_COLUMNS)
    if question == answer:
        raise UserError(f"{path}: question and answer are both column {names[question]!r}; name two columns.")
    rows = [Row(place, _stripped(cells[question]), str(_stripped(cells[answer]))) for place, cells in table.rows]
    refuse(str(path), [*table.problems, *problems_of(rows, code), *_duplicates(rows)])
    return [{"question": row.question, "answer": row.answer} for row in rows]


def _stripped(cell: Any) -> Any:
    return "" if cell is None else cell.strip() if isinstance(cell, str) else cell


def refuse(name: str, problems: Sequence[str]) -> None:
    """Raises a `UserError` that lists the problems of what is called `name`, if there are any."""
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
        told = "".join(f"\n  {problem}" for problem in problems[:TOLD])
        more = f"\n  and {len(problems) - TOLD:,} more" if len(problems) > TOLD else ""
        raise UserError(f"{name} has {count}, and nothing was added; mend it and add it again:{told}{more}")


def problems_of(rows: Iterable[Row], code: str) -> list[str]:
    """Returns what is wrong with each row by itself: empty, a gold answer that is no number, or a question in another script."""
    return [f"{row.place}: {problem}" for row in rows for problem in _problems(row, code)]


def _problems(row: Row, code: str) -> Iterator[str]:
    wrong, wrong_gold = text_problem(row.question, "question"), gold_problem(row.answer)
    if wrong:
        yield f"{wrong}; write it, or delete the row."
    if wrong_gold:
        wanted = "in digits as 12, -3, 1,200 or 2.5 (multiple choice, as in X-CSQA, is not scored)"
        yield f"{wrong_gold}; write it {wanted}, or delete the row."
    elif _THOUSANDS_BY_DOT.fullmatch(row.answer):
        plain, decimal = row.answer.replace(".", ""), row.answer.rstrip("0").rstrip(".")
        yield f"the answer {row.answer!r} may be {plain} or {decimal}; write the one that is meant."
    if wrong:
        return
    letters = [letter for letter in row.question if letter.isalpha()]
    own = len(_letter(code).findall("".join(letters)))
    if own < SCRIPT_SHARE * len(letters):
        written = f"only {own / len(letters):.0%} of the letters are {codes.script_names(code)}, the script of {code}"
        yield f"{written}; translate the question, or name its language."


@cache
def _letter(code: str) -> Any:
    """Returns a pattern of the letters that a language is written in; of any letter where CLDR does not know its scripts."""
    import regex  # type: ignore[import-untyped]

    return regex.compile("|".join(rf"\p{{Script={script}}}" for script in codes.unicode_scripts(code)) or r"\p{L}")


def _duplicates(rows: Iterable[Row]) -> Iterator[str]:
    first: dict[str, str] = {}
    for row in rows:
        same = same_question(row.question) if isinstance(row.question, str) else ""
        if same and first.setdefault(same, row.place) != row.place:
            yield f"{row.place}: the question is that of {first[same]}; delete one of them."


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: not UTF-8 ({error.reason}); save the file as UTF-8.") from error


def _delimited(path: Path) -> _Table:
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
    return _Table(names, [(place, cells) for place, cells in records if len(cells) == width], problems)


def _json_lines(path: Path) -> _Table:
    rows: list[tuple[str, dict[str, Any]]] = []
    problems = []
    for number, line in enumerate(_decoded(path).split("\n"), start=1):
        try:
            if line.strip():
                rows.append((f"line {number}", _JSON_OBJECT.validate_json(line)))
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            problems.append(f'line {number}: no JSON object ({said}); write {{"question": "...", "answer": "..."}}.')
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    return _Table(names, [(place, [row.get(name) for name in names]) for place, row in rows], problems)


def _parquet(path: Path) -> _Table:
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"{path} is no Parquet file ({type(error).__name__}); save the questions anew.") from error
    return _Table(table.column_names, [(f"row {n}", tuple(row.values())) for n, row in enumerate(table.to_pylist(), start=1)])


def _place(path: Path, names: Sequence[str], kind: str, asked: str | None, known: Sequence[str]) -> int:
    if asked is not None and asked.isascii() and asked.isdigit() and 1 <= int(asked) <= len(names):
        return int(asked) - 1
    lowered = [name.strip().lower() for name in names]
    for name in known if asked is None else (asked.strip().lower(),):
        if name in lowered:
            return lowered.index(name)
    missing = f"no column {asked!r}" if asked is not None else f"no column that is called as {kind}s are ({', '.join(known)})"
    raise UserError(f"{path} has {missing}; it has {', '.join(names)}: name one of them, or its number, with --{kind}-column.")
