"""Files of one's own in three kinds of answer: what is found in them, in which order they are asked, and how they weigh."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from xreason.harness.adding.order import in_one_order, levels_of
from xreason.harness.adding.question_files import Columns, Form, Questions, read_questions
from xreason.tasks.added import Level
from xreason.tasks.errors import UserError
from xreason.tasks.protocol import weighted_mean
from xreason.tasks.sets.own import by_turns, weighed, weights_by_level

STEM, TEXTS = "Mji mkuu wa Tanzania ni upi?", ["Nairobi", "Dodoma", "Kampala"]
LABELLED = [{"label": letter, "text": text} for letter, text in zip("ABC", TEXTS, strict=True)]


def written(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path, columns: Columns = Columns(), form: Form = Form(), **more: Any) -> Questions:  # noqa: B008
    return read_questions({"sw": path}, columns, form, **more)


@pytest.mark.parametrize(
    "row",
    [
        {"question": STEM, "choices": TEXTS, "answer": "B"},
        {"question": STEM, "options": TEXTS, "answer": "b"},
        {"question": STEM, "options": json.dumps(TEXTS), "answer": "Dodoma"},
        {"question": STEM, "choices": {"label": ["1", "2", "3"], "text": TEXTS}, "answerKey": "2"},
        {"question": STEM, "options": dict(zip("ABC", TEXTS, strict=True)), "answer": "B"},
        {"question": {"stem": STEM, "choices": LABELLED}, "answerKey": "B", "id": "tz"},
        {"question": STEM, "a": "Nairobi", "b": "Dodoma", "c": "Kampala", "answer": "B"},
        {"question": STEM, **{f"option_{letter}": text for letter, text in zip("abc", TEXTS, strict=True)}, "answer": "B"},
        {"question": STEM, **{f"choice{n}": text for n, text in enumerate(TEXTS, start=1)}, "label": "Dodoma"},
    ],
    ids=lambda row: ",".join(row),
)
def test_options_are_found_in_every_usual_form(tmp_path: Path, row: dict[str, Any]) -> None:
    found = read(written(tmp_path / "q.jsonl", [row]))
    (made,) = found.rows["sw"]
    assert (found.kind, made["question"], made["answer"], made["choices"]) == ("choice", STEM, "B", TEXTS)
    assert made["instruction"] == f"{STEM}\nOptions:A. Nairobi\tB. Dodoma\tC. Kampala"


def test_options_of_tables_and_of_parquet_are_those_of_json(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text(f"question,a,b,c,answer\n{STEM},{','.join(TEXTS)},B\n")
    (tmp_path / "q.tsv").write_text(f"Swali\tChaguo\tJibu\n{STEM}\t{json.dumps(TEXTS)}\tDodoma\n")
    nested = [{"question": {"stem": STEM, "choices": {"label": ["A", "B", "C"], "text": TEXTS}}, "answerKey": "B"}]
    parquet.write_table(pyarrow.Table.from_pylist(nested), tmp_path / "q.parquet")
    (tmp_path / "q.json").write_text("﻿" + json.dumps(nested, indent=2))
    named = Columns("Swali", "Jibu", "Chaguo")
    every = [
        read(tmp_path / f"q.{suffix}", named if suffix == "tsv" else Columns()) for suffix in ("csv", "tsv", "parquet", "json")
    ]
    assert all(each.rows == every[0].rows and each.kind == "choice" for each in every)


def numbered(answers: Sequence[object], tmp_path: Path, form: Form = Form()) -> list[str]:  # noqa: B008
    rows = [{"question": f"Mji wa {n} ni upi?", "options": TEXTS, "answer": answer} for n, answer in enumerate(answers)]
    return [row["answer"] for row in read(written(tmp_path / "q.jsonl", rows), form=form).rows["sw"]]


def test_a_number_of_an_option_is_counted_from_where_all_answers_fit(tmp_path: Path) -> None:
    assert numbered([0, 1, 2], tmp_path) == ["A", "B", "C"]
    assert numbered(["1", "2", "3"], tmp_path) == ["A", "B", "C"]
    with pytest.raises(UserError, match="may be numbers from 0 or numbers from 1 of the options; say which with --answers 0 or 1"):
        numbered([1, 2], tmp_path)
    assert numbered([1, 2], tmp_path, Form(answers="0")) == ["B", "C"]
    assert numbered([1, 2], tmp_path, Form(answers="1")) == ["A", "B"]


def test_what_answers_are_is_found_or_said(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("question,answer\nJe ni ngapi?,$\\frac{1}{2}$\nNa hii?,3\n")
    found = read(tmp_path / "q.csv")
    assert (found.kind, [row["answer"] for row in found.rows["sw"]]) == ("expression", ["$\\frac{1}{2}$", "3"])
    (tmp_path / "q.csv").write_text("question,answer\nJe ni ngapi?,1/2\n")
    with pytest.raises(UserError, match=r"line 2: the answer '1/2' is no number; .*say --kind expression"):
        read(tmp_path / "q.csv")
    assert read(tmp_path / "q.csv", form=Form("expression")).kind == "expression"
    with pytest.raises(UserError, match="no column that is called as options are"):
        read(tmp_path / "q.csv", form=Form("choice"))
    with pytest.raises(UserError, match=r"--answers and --choice-columns are of choices, and these are expressions"):
        read(tmp_path / "q.csv", form=Form("expression", "letter"))


def test_a_gold_that_its_own_reading_does_not_read_is_listed_by_line_and_kept_where_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("question,answer\nJe ni ngapi?,$x^2$\nNa hii?,\\frac{1}{2\nNa ile?,$2^3$\n")
    with pytest.raises(
        UserError, match=r"has 1 problem.*\n  line 3: the answer .* is not what is read of a response that gives it"
    ):
        read(path)
    found = read(path, form=Form(as_published=True))
    assert len(found.rows["sw"]) == 3
    assert [each.partition(": ")[0] for each in found.doubts] == [f"{path}, line 3"]


#: How a file is broken, and the one sentence that says so.
BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "another encoding": ("q.csv", "question,answer\nPerché?,1\n".encode("latin-1"), "q.csv, line 2: not UTF-8"),
    "UTF-16": ("q.csv", "question,answer\nQuanto?,1\n".encode("utf-16"), "line 1: not UTF-8 (it begins as UTF-16 does)"),
    "a stray quote": ("q.csv", 'question,answer\nQuanto?,1\n"Quanto" poi?,2\n', "q.csv, line 3: "),
    "a quote that does not close": ("q.csv", 'question,answer\n"Quanto?,1\n', "line 2: unexpected end of data"),
    "a missing brace": (
        "q.json",
        '[{"question": "Quanto?", "answer": 1},\n {"question": "Poi?", "answer": 2]',
        "at line 2 column 34",
    ),
    "a missing bracket": ("q.json", '[{"question": "Quanto?", "answer": 1}', "q.json is not JSON"),
    "no array": ("q.json", '{"question": "Quanto?", "answer": 1}', "q.json holds no JSON array"),
    "an array of others": ("q.json", '[{"question": "Quanto?", "answer": 1},\n\n7]', "line 3: no JSON object"),
    "a wrong row of an array": (
        "q.json",
        '[\n{"question":\n"Quanto?", "answer": 1},\n{"question": "Poi?"}]',
        "line 4: the answer is",
    ),
    "lists nested deep": ("q.json", "[" * 100_000, "nested too deeply"),
    "an id twice": (
        "q.jsonl",
        '{"id": 7, "question": "Quanto?", "answer": 1}\n{"id": "7", "question": "Poi?", "answer": 2}\n',
        "line 2: the id '7' is that of line 1; give each question its own, or say --id-column none",
    ),
    "an empty id": ("q.csv", "id,question,answer\n,Quanto?,1\n", "line 2: the id is empty"),
    "an empty option": ("q.csv", "question,a,b,answer\nQuale?,,no,B\n", "line 2: its option A is empty"),
    "an option that is a list": (
        "q.jsonl",
        '{"question": "Quale?", "options": ["a", ["b"]], "answer": "A"}\n',
        "option B is no text",
    ),
    "one option": (
        "q.jsonl",
        '{"question": "Quale?", "options": ["a"], "answer": "A"}\n',
        "line 1: it has 1 options, not two to ten",
    ),
    "options that are text": ("q.jsonl", '{"question": "Quale?", "options": "a or b", "answer": "A"}\n', "its options are no list"),
    "labels without texts": (
        "q.jsonl",
        '{"question": "Quale?", "options": {"label": ["A", "B"], "text": ["a"]}, "answer": "A"}\n',
        "line 1: its options are not as many labels as texts",
    ),
    "an answer outside the options": (
        "q.csv",
        "question,a,b,answer\nQuale?,sì,no,B\nQuale poi?,sì,no,C\n",
        "line 3: its answer 'C' names none of its 2 options, or several",
    ),
    "an empty answer": ("q.csv", "question,a,b,answer\nQuale?,sì,no,\n", "line 2: its answer '' names none"),
    "a mark that turns text around": (
        "q.csv",
        "question,answer\nQuanto\u202e?,1\n",
        "line 2: the question holds the character U+202E",
    ),
    "a mark in a number": ("q.csv", "question,answer\nQuanto?,\u200f1\n", "line 2: the answer '\\u200f1' is no number"),
    "a mark in an option": (
        "q.csv",
        "question,a,b,answer\nQuale?,s\u202dì,no,B\n",
        "line 2: the option holds the character U+202D",
    ),
    "a NUL in an option": ("q.jsonl", '{"question": "Quale?", "options": ["a", "b\\u0000"], "answer": "A"}\n', "U+0000"),
    "a NUL in an expression": (
        "q.jsonl",
        '{"question": "Quale?", "answer": "$x^2$\\u0000"}\n',
        "line 1: the answer '$x^2$\\x00' is",
    ),
    "100,000 wrong rows": ("q.csv", "question,answer\n" + "Quanto?,x\n" * 100_000, "q.csv has 100,000 problems"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_sentence_that_names_the_line(tmp_path: Path, name: str) -> None:
    file, content, says = BROKEN[name]
    (tmp_path / file).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError) as caught:
        read_questions({"it": tmp_path / file}, Columns())
    assert says in str(caught.value)
    assert str(tmp_path / file) in str(caught.value)


def rows_of(*names: str, level: str = "") -> list[dict[str, Any]]:
    return [{"question": f"{name}?", "answer": "1", "id": name, **({"level": level} if level else {})} for name in names]


def order(rows: dict[str, list[dict[str, Any]]], fixed: Mapping[str, list[dict[str, Any]]] = {}) -> dict[str, list[str]]:
    return {code: [row["id"] for row in each] for code, each in in_one_order(rows, fixed).items()}


def test_languages_with_the_same_ids_are_asked_in_one_order() -> None:
    assert order({"en": rows_of("b", "a", "c"), "sw": rows_of("c", "b", "a")}) == {"en": ["b", "a", "c"], "sw": ["b", "a", "c"]}
    assert order({"sw": rows_of("c", "b", "a")}, {"en": rows_of("a", "b", "c")}) == {"sw": ["a", "b", "c"]}
    # PolyMath's ids name their language
    assert order({"en": rows_of("en-1", "en-0"), "sw": rows_of("sw-0", "sw-1")})["sw"] == ["sw-0", "sw-1"]
    with pytest.raises(UserError, match=r"en and sw share 2 questions by their ids, but not 'a'; give both the same questions"):
        order({"en": rows_of("a", "b", "c"), "sw": rows_of("c", "b")})


def test_levels_take_turns_and_are_the_same_in_every_language() -> None:
    mixed = [*rows_of("l0", "l1", level="low"), *rows_of("h0", "h1", level="high")]
    other = [*rows_of("H1", "H0", level="high"), *rows_of("L0", "L1", level="low")]
    ordered = in_one_order({"en": mixed, "sw": other})
    assert {code: [row["level"] for row in each] for code, each in ordered.items()} == {
        "en": ["high", "low", "high", "low"],
        "sw": ["high", "low", "high", "low"],
    }
    assert levels_of(ordered, {"low": 1, "high": 4}) == {"high": Level(2, 4), "low": Level(2, 1)}
    assert levels_of(ordered, {}) == {"high": Level(2, 1), "low": Level(2, 1)}
    assert weighed(levels_of(ordered, None)) == {}
    with pytest.raises(UserError, match="en has 2 questions of the level 'high', and sw has 1"):
        levels_of({"en": mixed, "sw": other[1:]}, None)
    with pytest.raises(UserError, match="The levels are high, low, and --weights names low; give each its weight"):
        levels_of(ordered, {"low": 1})


@pytest.mark.parametrize(
    ("counts", "weights"),
    [
        ((125, 125, 125, 125), (1, 2, 4, 8)),
        ((30, 15, 18, 311), (1, 1, 1, 1)),
        ((997, 991, 983, 977), (1, 2, 3, 1_000_000)),
    ],
)
def test_the_mean_of_questions_is_that_of_levels(counts: tuple[int, ...], weights: tuple[int, ...]) -> None:
    levels = {name: Level(count, weight) for name, count, weight in zip("abcd", counts, weights, strict=True)}
    right = dict(zip("abcd", (0.2, 0.4, 0.6, 0.8), strict=True))
    by_hand = sum(
        weight * int(right[name] * each.questions) / each.questions
        for (name, each), weight in zip(levels.items(), weights, strict=True)
    )
    rows = by_turns(
        {"level": name, "right": place < int(right[name] * each.questions)}
        for name, each in levels.items()
        for place in range(each.questions)
    )
    told = weighed(levels)["weights"]
    assert max(told) < 2**31
    assert [weights_by_level(levels)[row["level"]] for row in rows] == list(told)
    scored = [(float(row["right"]), weight) for row, weight in zip(rows, told, strict=True)]
    assert weighted_mean(scored) == pytest.approx(by_hand / sum(weights), rel=1e-5)


def test_polymaths_own_weights_are_found_again() -> None:
    levels = {name: Level(125, weight) for name, weight in (("low", 1), ("medium", 2), ("high", 4), ("top", 8))}
    assert weights_by_level(levels) == {"low": 1, "medium": 2, "high": 4, "top": 8}
