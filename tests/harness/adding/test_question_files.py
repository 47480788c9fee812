"""Files of questions: every format gives the same rows, and all that is wrong with a file is said at once, with its line."""

import csv
import json
import os
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from xreason.harness.adding import question_files
from xreason.harness.adding.question_files import Columns, doubts_of
from xreason.tasks.cldr import codes
from xreason.tasks.errors import UserError
from xreason.tasks.suites import SUITES

REAL = os.environ.get("XREASON_DATA")
ROWS = [
    {"question": 'Luca legge "Pinocchio", 12 pagine al giorno; quante in 3 giorni?', "answer": "36"},
    {"question": "Quanto fa 1.000 + 125?", "answer": "1,125"},
]


def read_questions(path: Path, code: str, columns: Columns) -> list[dict[str, str]]:
    """Returns question and answer of each row of a file in one language."""
    rows = question_files.read_questions({code: path}, columns).rows[code]
    return [{"question": row["question"], "answer": row["answer"]} for row in rows]


def spreadsheet(path: Path, delimiter: str, header: tuple[str, str] = ("question", "answer")) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([header, *([row["question"], row["answer"]] for row in ROWS)])
    return path


def tab_separated(path: Path, header: str = "question\tanswer\r\n") -> Path:
    path.write_bytes((header + "".join(f"{row['question']}\t{row['answer']}\r\n" for row in ROWS) + "\r\n").encode())
    return path


def json_lines(path: Path) -> Path:
    rows = [{"id": row["answer"], "query": "in English", "m_query": row["question"], "response": row["answer"]} for row in ROWS]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def table(path: Path) -> Path:
    columns = {"question": [row["question"] for row in ROWS], "answer": ["6 * 6", "..."], "answer_number": ["36", "1,125"]}
    parquet.write_table(pyarrow.table(columns), path)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: spreadsheet(folder / "q.csv", ","),
        lambda folder: spreadsheet(folder / "q.CSV", ";"),
        lambda folder: spreadsheet(folder / "q.csv", ",", ("Problem", "Gold")),
        lambda folder: tab_separated(folder / "q.tsv"),
        lambda folder: tab_separated(folder / "q.tsv", header=""),
        lambda folder: json_lines(folder / "q.jsonl"),
        lambda folder: table(folder / "q.parquet"),
    ],
    ids=["csv", "csv with semicolons", "other names", "tsv", "tsv without header", "jsonl", "parquet"],
)
def test_every_format_gives_the_same_questions(tmp_path: Path, make: object) -> None:
    assert read_questions(make(tmp_path), "it", Columns()) == ROWS  # type: ignore[operator]


def test_columns_can_be_named_and_numbered(tmp_path: Path) -> None:
    path = spreadsheet(tmp_path / "q.csv", ",", ("Domanda", "risposta"))
    assert read_questions(path, "it", Columns("domanda", "risposta")) == ROWS
    assert read_questions(path, "it", Columns("1", "2")) == ROWS
    with pytest.raises(UserError, match=r"no column that is called as questions are .*it has Domanda, risposta"):
        read_questions(path, "it", Columns())
    with pytest.raises(UserError, match="no column '3'; it has Domanda, risposta"):
        read_questions(path, "it", Columns("1", "3"))
    with pytest.raises(UserError, match="both column 'Domanda'"):
        read_questions(path, "it", Columns("1", "domanda"))


def test_numbers_of_jsonl_are_written_as_they_stand(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"question": "Quanto?", "answer": 8}\n{"question": "Quanto poi?", "answer": 2.5}\n')
    assert [row["answer"] for row in read_questions(tmp_path / "q.jsonl", "it", Columns())] == ["8", "2.5"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("q.tsv", "question\tanswer\nQuanto fa 3 + 4?\tsette\n", "line 2: the answer 'sette' is no number"),
        ("q.tsv", "question\tanswer\nQuale?\tB\n", "name its options with --choice-columns"),
        ("q.tsv", "question\tanswer\nQuanto?\t3,5\n", "line 2: the answer '3,5' is no number"),
        ("q.tsv", "question\tanswer\nQuanto?\t٣\n", "line 2: the answer '٣' is no number"),
        ("q.tsv", "question\tanswer\nQuanto?\t1.500\n", "may be 1500 or 1.5"),
        ("q.tsv", "question\tanswer\n \t3\n", "line 2: the question is empty"),
        ("q.tsv", "question\tanswer\nQuanto?\t \n", "line 2: the answer is empty"),
        ("q.tsv", "question\tanswer\nQuanto?\t3\n\nQuanto?\t3\n", "line 4: the question is that of line 2"),
        ("q.tsv", "question\tanswer\nСколько будет?\t3\n", "line 2: only 0% of the letters are Latin, the script of it"),
        ("q.tsv", "question\tanswer\nQuanto?\t3\t4\n", "line 2: 3 columns, not 2"),
        ("q.csv", 'question,answer\n"Su due\nrighe?",3\nQuanto?,no\n', "line 4: the answer 'no'"),
        ("q.csv", 'question,answer\n"Quanto?,3\n', "line 2: unexpected end of data"),
        (
            "q.jsonl",
            '{"question": "Quanto?", "answer": 3}\n{\n[]\n',
            "line 2: no JSON object .*\n.*line 3: no JSON object .Input should be an object",
        ),
        ("q.jsonl", '{"question": "Quanto?", "answer": 3}\n{"question": "Poi?"}\n', "line 2: the answer is empty"),
        ("q.jsonl", '{"question": "Quanto?", "answer": true}\n', "the answer 'True' is no number"),
        ("q.jsonl", '{"question": 5, "answer": 3}\n', "line 1: the question 5 is no text"),
        ("q.jsonl", '{"question": ["Quanto?"], "answer": 3}\n', "line 1: the question .* is no text"),
        ("q.jsonl", '{"question": null, "answer": 3}\n', "line 1: the question is empty"),
        ("q.jsonl", '{"question": "Quanto?", "answer": NaN}\n', "line 1: "),
        ("q.jsonl", '{"question": "Quanto\\u0000?", "answer": 3}\n', r"line 1: the question holds the character U\+0000"),
        ("q.tsv", "question\tanswer\n12\t3\n", "line 2: the question '12' is no text"),
        ("q.tsv", "question\tanswer\nnull\t3\n", "line 2: the question 'null' is no text"),
        ("q.tsv", "question\tanswer\nQuanto\0?\t3\n", r"line 2: the question holds the character U\+0000"),
        ("q.tsv", "question\tanswer\nQuanto?\tinf\n", "line 2: the answer 'inf' is no number"),
        ("q.tsv", "question\tanswer\n", "holds no question"),
        ("q.tsv", "", "holds no question"),
        ("q.txt", "Quanto?\t3\n", "none of .tsv, .csv, .json, .jsonl, .parquet"),
        ("q.parquet", "Quanto?\t3\n", "no Parquet file"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=f"(?s){says}"):
        read_questions(tmp_path / name, "it", Columns())


def test_text_that_is_not_utf8_and_a_missing_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_bytes("question\tanswer\nPerché?\t1\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"q.tsv, line 2: not UTF-8"):
        read_questions(tmp_path / "q.tsv", "it", Columns())
    with pytest.raises(UserError, match="There is no file"):
        read_questions(tmp_path / "nowhere.tsv", "it", Columns())


def test_ten_problems_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_text("question\tanswer\n" + "".join(f"Quanto fa {n} + 1?\tx\n" for n in range(12)))
    with pytest.raises(UserError) as caught:
        read_questions(tmp_path / "q.tsv", "it", Columns())
    assert "12 problems" in str(caught.value)
    assert "line 11:" in str(caught.value)
    assert "line 12:" not in str(caught.value)
    assert str(caught.value).endswith("and 2 more")


@pytest.mark.parametrize(
    ("code", "question", "fits"),
    [
        ("sr", "Колико је то?", True),
        ("sr", "Koliko je to?", True),
        ("ja", "りんごは何個ですか？", True),
        ("ja", "ケーキはいくつ？", True),
        ("ko", "사과는 몇 개입니까?", True),
        ("zh", "一共有多少个苹果？", True),
        ("zh", "How many apples?", False),
        ("ru", "How many apples?", False),
        ("am", "ስንት ነው?", True),
        ("ru", "Сколько стоит iPhone 12 Pro Max у Марины?", True),
        ("it", "3 + 4 = ?", True),
    ],
)
def test_the_script_is_that_of_the_language_in_any_country(code: str, question: str, fits: bool) -> None:
    row = ("line 1", {"question": question, "answer": "1"})
    assert ([*doubts_of([row], code, "number")] == []) == fits


@pytest.mark.skipif(REAL is None, reason="XREASON_DATA names no folder with the real sets")
def test_all_real_questions_pass_the_checks() -> None:
    for name in ("mgsm", "msvamp"):
        for code in SUITES[name].languages:
            rows = [(f"row {n}", row) for n, row in enumerate(SUITES[name].rows(code))]
            assert [*doubts_of(rows, code, "number")] == [], (name, code)


def test_cldr_names_a_language_by_either_code() -> None:
    assert codes.language("ita") == codes.language("IT") == codes.language("it")
    assert (codes.language("am").english, codes.language("am").native) == ("Amharic", "አማርኛ")
    assert codes.language("kab").code == "kab"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Italian", "did you mean 'it'"),
        ("italiano", "did you mean 'it'"),
        ("Swahli", "did you mean 'sw'"),
        ("xx", "CLDR knows no language 'xx'; give its ISO 639 code"),
        ("mul", "CLDR knows no language 'mul'"),
        ("zh_Hant", "give 'zh'"),
        ("pt-BR", "give 'pt'"),
        ("../it", "CLDR knows no language"),
    ],
)
def test_what_is_no_language_code_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        codes.language(text)
