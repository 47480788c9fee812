r"""A person's own questions: files in; rows of one kind of answer out, or all that is wrong with a file, each with its line.

    question<TAB>answer
    Marco ha 12 mele e ne mangia 5. Quante mele gli restano?<TAB>7

TSV and CSV are UTF-8 and have a header, except that a file of two columns may begin with its first question, as MGSM's do. Fields
of CSV may stand in double quotes and be parted by commas or semicolons; in TSV, quotes are text. JSON is an array of objects, or an
object a line (.jsonl).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from xreason.harness.adding.tables import Table, read_table
from xreason.tasks.added import AnswersAs, Kind
from xreason.tasks.cldr import codes
from xreason.tasks.data import gold_problem, same_question, text_problem
from xreason.tasks.errors import UserError
from xreason.tasks.readings.verdicts import read_back
from xreason.tasks.sets.own import OwnRows, letter_of, options_of
from xreason.tasks.sets.source import Row

#: Columns that are taken where none is named, the first that is there: as MGSM, MSVAMP, AfriMGSM, MetaMath, X-CSQA and ARC call
#: them. MSVAMP's `query` is English, its `m_query` the question in the language.
KNOWN = {
    "question": ("question.stem", "question", "m_query", "problem", "query", "input", "stem"),
    "answer": (
        *("answer_number", "answerkey", "answer", "gold", "correct_answer", "correct_answer_num", "label", "response", "target"),
        "output",
    ),
    "choice": ("question.choices", "choices", "options"),
    "id": ("id", "qid", "question_id", "gid"),
    "level": ("level", "difficulty", "data_source", "subject"),
}
#: Columns of one option each: a, option_a, choice1, mc_answer1.
_ONE_OPTION = re.compile(r"((?:option|choice|opt|ending|mc_answer)?[ _-]?)([a-j]|10|[0-9])")

#: How many problems of a file are told.
TOLD = 10

#: Least share of a question's letters in the language's scripts; names and units may be in another, and most of a formula is.
SCRIPT_SHARE: Mapping[Kind, float] = {"number": 0.5, "choice": 0.5, "expression": 0.05}

# nobody writes two as 2.000, but in many languages it is two thousand
_THOUSANDS_BY_DOT = re.compile(r"-?[1-9]\d{0,2}\.\d\d0", re.ASCII)
_FORMULA_SIGNS = re.compile(r"[\\$^]")
_FORMULAS = re.compile(r"\$\$.*?\$\$|\$.*?\$|\\\(.*?\\\)|\\\[.*?\\\]|\\[a-zA-Z]+", re.DOTALL)
_ANSWERS: tuple[AnswersAs, ...] = ("letter", "text", "0", "1")


@dataclass(frozen=True)
class Columns:
    """Where things are: a column's name, or its number from 1; None to find it by the known names."""

    question: str | None = None
    answer: str | None = None
    choices: str | None = None  #: one with all options, or the names of one for each, by commas
    name: str | None = None  #: the id that tells the same question of another language; "none" for none
    level: str | None = None


@dataclass(frozen=True)
class Form:
    """What is said of the answers of a set, as far as it is; the rest is found from its rows."""

    kind: Kind | None = None
    answers: AnswersAs | None = None  #: how answers name an option
    as_published: bool = False  #: whether what is doubtful is kept, and told


#: Nothing is said.
FOUND = Form()


@dataclass(frozen=True)
class Questions:
    """Questions as they were read."""

    kind: Kind
    rows: Mapping[str, list[Row]]  #: language code to its rows, in the order of the file
    read_as: str  #: what was read where, for people
    doubts: tuple[str, ...] = ()  #: what is doubtful, where that was to be kept: file, line, and what


def read_questions(files: Mapping[str, Path], columns: Columns, form: Form = FOUND, *, levels: bool = False) -> Questions:
    """Returns the questions of some files of one set, by the code of the language that each should be in.

    `levels` says whether each question must be of a level.

    Raises:
        UserError: there is no such file, it is in another format, a column is missing, or rows are not fit; says all that is wrong.
    """
    tables = {code: read_table(path) for code, path in files.items()}
    for code, path in files.items():
        if not tables[code].rows:
            refuse(str(path), tables[code].problems)
            raise UserError(f"{path} holds no question; put one in each line.")
    found = {code: _found(path, tables[code], columns, form.kind, levels=levels) for code, path in files.items()}
    cells = {code: [(place, _taken(row, found[code])) for place, row in tables[code].rows] for code in files}
    kind = form.kind or _kind(found, cells)
    if kind != "choice":
        if form.answers or columns.choices:
            raise UserError(f"--answers and --choice-columns are of choices, and these are {kind}s; leave them out.")
        cells = {code: [(place, row[:4]) for place, row in rows] for code, rows in cells.items()}
    elif lacking := [path for code, path in files.items() if not found[code].options]:
        raise UserError(
            f"{lacking[0]} has no column that is called as options are; name it, or one for each, with --choice-columns."
        )
    answers = form.answers or (_answers(cells) if kind == "choice" else "letter")
    make, rows, doubts = OwnRows(kind, answers), dict[str, list[Row]](), list[str]()
    for code, path in files.items():
        made, problems = _made(cells[code], code, make)
        order = {place: number for number, (place, _) in enumerate(made)}
        found_doubtful = sorted((*doubts_of(made, code, kind), *_asked_twice(made)), key=lambda each: order[each[0]])
        doubtful = [f"{place}: {problem}" for place, problem in found_doubtful]
        refuse(str(path), [*tables[code].problems, *problems, *(() if form.as_published else doubtful)])
        rows[code], doubts = [row for _, row in made], [*doubts, *(f"{path}, {each}" for each in doubtful)]
    first = next(iter(found.values()))
    return Questions(kind, rows, first.told(kind, answers), tuple(doubts))


@dataclass(frozen=True)
class _Found:
    """The columns of a table: their names, and where each is."""

    names: Sequence[str]
    question: int
    answer: int
    name: int | None
    level: int | None
    options: tuple[int, ...]

    def told(self, kind: Kind, answers: AnswersAs) -> str:
        """Returns what is read where, for people."""
        named = f"{kind}: question in {self.names[self.question]}, answer in {self.names[self.answer]}"
        if kind == "choice":
            by = {"letter": "a letter", "text": "an option's text"}.get(answers, f"an option's number, from {answers}")
            named += f" ({by}), options in {', '.join(self.names[each] for each in self.options)}"
        more = [(what, self.names[each]) for what, each in (("id", self.name), ("level", self.level)) if each is not None]
        return named + "".join(f", {what} in {name}" for what, name in more)


def _found(path: Path, table: Table, columns: Columns, kind: Kind | None, *, levels: bool) -> _Found:
    names = table.names or ("question", "answer")
    question, answer = _place(path, names, "question", columns.question), _place(path, names, "answer", columns.answer)
    if question == answer:
        raise UserError(f"{path}: question and answer are both column {names[question]!r}; name two columns.")
    options: tuple[int, ...] = ()
    if columns.choices is not None:
        options = tuple(_place(path, names, "choice", each) for each in columns.choices.split(",") if each.strip())
        if not options:
            raise UserError("--choice-columns names no column; give the one with all options, or one for each: a,b,c,d.")
    elif kind in (None, "choice"):
        whole = _place(path, names, "choice", None, needed=False)
        options = _series(names) if whole is None else (whole,)
    name = None if columns.name == "none" else _place(path, names, "id", columns.name, needed=False)
    level = _place(path, names, "level", columns.level) if levels else None
    return _Found(names, question, answer, name, level, options)


def _place(path: Path, names: Sequence[str], kind: str, asked: str | None, *, needed: bool = True) -> Any:
    """Returns where a column is, None where there is none and none is needed."""
    if asked is not None and asked.isascii() and asked.isdigit() and 1 <= int(asked) <= len(names):
        return int(asked) - 1
    lowered = [name.strip().lower() for name in names]
    for name in KNOWN[kind] if asked is None else (asked.strip().lower(),):
        if name in lowered:
            return lowered.index(name)
    if asked is None and not needed:
        return None
    missing = f"no column {asked!r}" if asked is not None else f"no column that is called as {kind}s are ({', '.join(KNOWN[kind])})"
    flag = f"--{kind}-column" + ("s" if kind == "choice" else "")
    raise UserError(f"{path} has {missing}; it has {', '.join(names)}: name one of them, or its number, with {flag}.")


def _series(names: Sequence[str]) -> tuple[int, ...]:
    """Returns where the options are that have a column each: a, b, c, or option1, option2; the longest such series."""
    series: dict[str, dict[str, int]] = {}
    for place, name in enumerate(names):
        part = _ONE_OPTION.fullmatch(name.strip().lower())
        if part and (part[1] or part[2].isalpha()):
            series.setdefault(part[1], {})[part[2]] = place
    found: list[tuple[int, ...]] = [()]
    for prefix in series.values():
        for marks in ("abcdefghij", [str(each) for each in range(1, 11)], [str(each) for each in range(10)]):
            found.append(tuple(prefix[mark] for mark in marks[: len(prefix)] if mark in prefix))
    longest = max(found, key=len)
    return longest if len(longest) > 1 else ()


def _taken(row: Sequence[Any], found: _Found) -> list[Any]:
    """Returns the cells of a row in the order in which OwnRows takes them."""
    name, level = ((row[place] if place is not None else None) for place in (found.name, found.level))
    shown = [str(each).strip() if each is not None else "" for each in (name, level)]
    told = [text if place is not None else None for text, place in zip(shown, (found.name, found.level), strict=True)]
    return [_stripped(row[found.question]), _stripped(row[found.answer]), *told, *(row[place] for place in found.options)]


def _stripped(cell: Any) -> Any:
    return "" if cell is None else cell.strip() if isinstance(cell, str) else cell


_Cells = Mapping[str, Sequence[tuple[str, Sequence[Any]]]]


def _kind(found: Mapping[str, _Found], cells: _Cells) -> Kind:
    """Returns what answers are: of a choice where there are options, expressions where one has a sign of LaTeX, else numbers."""
    if all(each.options for each in found.values()):
        return "choice"
    golds = (row[1] for rows in cells.values() for _, row in rows)
    return "expression" if any(isinstance(gold, str) and _FORMULA_SIGNS.search(gold) for gold in golds) else "number"


def _answers(cells: _Cells) -> AnswersAs:
    """Returns the one way in which all answers name an option; where none fits all, the one that fits most.

    Raises:
        UserError: several fit, and say different things.
    """
    letters: dict[AnswersAs, list[str | None]] = {each: [] for each in _ANSWERS}
    for _, row in (each for rows in cells.values() for each in rows):
        try:
            labels, texts = options_of(row[4] if len(row) == 5 else row[4:])
        except ValueError:
            continue
        for each, found in letters.items():
            found.append(letter_of(row[1], labels, [text.strip() for text in texts], each))
    fitting = [each for each, found in letters.items() if None not in found]
    if len({tuple(letters[each]) for each in fitting}) > 1:
        ways = {"letter": "letters", "text": "texts", "0": "numbers from 0", "1": "numbers from 1"}
        may = " or ".join(ways[each] for each in fitting)
        raise UserError(f"The answers may be {may} of the options; say which with --answers {' or '.join(fitting)}.")
    return fitting[0] if fitting else min(_ANSWERS, key=lambda each: letters[each].count(None))


def _made(cells: Sequence[tuple[str, Sequence[Any]]], code: str, make: OwnRows) -> tuple[list[tuple[str, Row]], list[str]]:
    """Returns the rows with which nothing is wrong, each with its place, and what is wrong with the others."""
    made, problems = [], []
    first: dict[object, str] = {}
    for place, row in cells:
        try:
            each = make(row, code)
        except ValueError as error:
            problems.append(f"{place}: {error}; mend it, or delete the row.")
            continue
        wrong = [*faults_of(each, make.kind)]
        name = each.get("id")
        if name is not None and (not name or first.setdefault(("id", name), place) != place):
            same = f"the id {name[:40]!r} is that of {first['id', name]}" if name else "the id is empty"
            wrong.append(f"{same}; give each question its own, or say --id-column none.")
        if each.get("level") == "":
            wrong.append("the level is empty; write it, or delete the row.")
        if not wrong and (before := first.setdefault((*_asked(each), str(each["answer"])), place)) != place:
            wrong.append(f"the question is that of {before}; delete one of them.")
        problems += [f"{place}: {problem}" for problem in wrong]
        made += [] if wrong else [(place, each | {"answer": str(each["answer"])})]
    return made, problems


def _asked(row: Row) -> tuple[str, ...]:
    return (same_question(row["question"]), *row.get("choices", ()))


def refuse(name: str, problems: Sequence[str]) -> None:
    """Raises a `UserError` that lists the problems of what is called `name`, if there are any."""
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
        told = "".join(f"\n  {problem}" for problem in problems[:TOLD])
        more = f"\n  and {len(problems) - TOLD:,} more" if len(problems) > TOLD else ""
        raise UserError(f"{name} has {count}, and nothing was added; mend it and add it again:{told}{more}")


def faults_of(row: Row, kind: Kind) -> Iterator[str]:
    """Yields what is wrong with a row by itself: nothing where text should be, or a gold answer that is none of its kind."""
    wrong = text_problem(row["question"], "question")
    if wrong:
        yield f"{wrong}; write it, or delete the row."
    gold = str(row["answer"]) if kind == "number" else row["answer"]
    if wrong := gold_problem(gold, kind, row.get("choices", ())):
        ways = "in digits as 12, -3, 1,200 or 2.5, name its options with --choice-columns, or say --kind expression"
        yield f"{wrong}; write it {ways if kind == 'number' else 'anew'}, or delete the row."
    elif kind == "number" and _THOUSANDS_BY_DOT.fullmatch(gold):
        plain, decimal = gold.replace(".", ""), gold.rstrip("0").rstrip(".")
        yield f"the answer {gold!r} may be {plain} or {decimal}; write the one that is meant."
    for choice in row.get("choices", ()):
        if (wrong := text_problem(f"x{choice}", "option")) is not None:
            yield f"{wrong}; write it anew, or delete the row."


def doubts_of(rows: Sequence[tuple[str, Row]], code: str, kind: Kind) -> Iterator[tuple[str, str]]:
    """Yields what may be wrong with rows without faults, each with its place, though published sets have such.

    That is a question in another script than the language's, and a gold that is not what is read of a sentence that gives it.
    """
    wrong = "is not what is read of a response that gives it; write it otherwise, or delete the row."
    for (place, row), unread in zip(rows, _unread([row for _, row in rows], code, kind), strict=True):
        plain = _FORMULAS.sub("", row["question"]) if kind == "expression" else row["question"]
        letters = "".join(filter(str.isalpha, plain))
        own = len(_letter(code).findall(letters))
        if own < SCRIPT_SHARE[kind] * len(letters):
            written = f"only {own / len(letters):.0%} of the letters are {codes.script_names(code)}, the script of {code}"
            yield place, f"{written}; translate the question, or name its language."
        if unread:
            yield place, f"the answer {row['answer'][:40]!r} {wrong}"


def _asked_twice(rows: Sequence[tuple[str, Row]]) -> Iterator[tuple[str, str]]:
    first: dict[tuple[str, ...], str] = {}
    for place, row in rows:
        if (before := first.setdefault(_asked(row), place)) != place:
            yield place, f"the question is that of {before}, under another answer; delete one of them."


def _unread(rows: Sequence[Row], code: str, kind: Kind) -> list[bool]:
    """Returns of each row whether the readings find something else than its gold where that was said."""
    documents = {(row["answer"], *row.get("choices", ())): row | {"kind": kind, "language": code} for row in rows}
    wrong = {key for key, right in zip(documents, read_back([*documents.values()]), strict=True) if not right}
    return [(row["answer"], *row.get("choices", ())) in wrong for row in rows]


@cache
def _letter(code: str) -> Any:
    """Returns a pattern of the letters that a language is written in; of any letter where CLDR does not know its scripts."""
    import regex  # type: ignore[import-untyped]

    return regex.compile("|".join(rf"\p{{Script={script}}}" for script in codes.unicode_scripts(code)) or r"\p{L}")
