"""Questions from a data folder or the hub: all of them, as written, or a sentence that says what is wrong."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xreason.tasks import data
from xreason.tasks.errors import UserError
from xreason.tasks.sets.own import OwnRows
from xreason.tasks.suites import SUITES

REAL = os.environ.get("XREASON_DATA")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XREASON_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "mgsm").mkdir()
    (tmp_path / "msvamp").mkdir()
    return tmp_path


def test_a_tab_separated_row_keeps_its_quotes_and_its_gold_as_written(folder: Path) -> None:
    (folder / "mgsm" / "mgsm_sw.tsv").write_text('He said "ten" and\t2,125\nAnother\t3', encoding="utf-8")
    assert data.rows("mgsm", "sw") == [
        {"question": 'He said "ten" and', "answer": "2,125", "language": "sw"},
        {"question": "Another", "answer": "3", "language": "sw"},
    ]
    assert data.where("mgsm", "sw") == "mgsm/mgsm_sw.tsv"


def test_a_json_row_gives_the_question_in_the_language(folder: Path) -> None:
    (folder / "msvamp" / "de.jsonl").write_text('{"m_query": "Wie viele?", "query": "How many?", "response": "8.0"}\n')
    assert data.rows("msvamp", "de") == [{"question": "Wie viele?", "answer": "8.0", "language": "de"}]


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("mgsm/mgsm_sw.tsv", b"fine\t1\nonly one column\n", "line 2: expected 2 columns, question and answer_number, found 1"),
        ("mgsm/mgsm_sw.tsv", b"fine\t1\n\n\xff\xfe\t2\n", "line 3: not UTF-8"),
        ("msvamp/sw.jsonl", b'{"m_query": "a", "response": "1"}\n{"query": "b"}\n', "line 2: column m_query is missing"),
        ("msvamp/sw.jsonl", b"[1]\n", "line 1: column m_query is missing"),
        ("msvamp/sw.jsonl", b"{\n", "line 1: not a JSON object"),
        ("mgsm/mgsm_sw.tsv", b"\n", "holds no question"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(folder: Path, file: str, content: bytes, says: str) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(UserError, match=says):
        data.rows(file.split("/")[0], "sw")


# what is no gold answer, and no question, as JSON has it, and what is said of it
NO_GOLDS = [
    ("eighteen", "the answer 'eighteen' is no number"),
    ("nan", "the answer 'nan' is no number"),
    ("inf", "the answer 'inf' is no number"),
    ("-Infinity", "the answer '-Infinity' is no number"),
    (float("nan"), "the answer 'nan' is no number"),
    (float("inf"), "the answer 'inf' is no number"),
    ("", "the answer is empty"),
    (" ", "the answer is empty"),
    (None, "the answer is empty"),
    (True, "the answer 'True' is no number"),
    ([18], r"the answer '\[18\]' is no number"),
    ("1e5", "the answer '1e5' is no number"),
    ("1,2", "the answer '1,2' is no number"),
    ("12 eggs", "the answer '12 eggs' is no number"),
    ("١٨", "the answer '١٨' is no number"),
    ("18\x00", "the answer '18\\\\x00' is no number"),
    ("9" * 100, "the answer '9{39}… is no number"),
]
NO_QUESTIONS = [
    (None, "the question is empty"),
    ("", "the question is empty"),
    (" \u3000", "the question is empty"),
    (18, "the question 18 is no text"),
    (18.0, "the question 18.0 is no text"),
    (False, "the question False is no text"),
    (["How many?"], r"the question \['How many\?'\] is no text"),
    ("2,125", "the question '2,125' is no text"),
    ("NaN", "the question 'NaN' is no text"),
    ("null", "the question 'null' is no text"),
    ("How many\x00?", r"the question holds the character U\+0000"),
    ("How many\x1b[31m?", r"the question holds the character U\+001B"),
    ("How many\ud800?", r"the question holds the character U\+D800"),
]
BAD_ROWS = [(("How many?", gold), says) for gold, says in NO_GOLDS] + [((question, "18"), says) for question, says in NO_QUESTIONS]
ROW_IDS = [f"{question!r:.20}, {gold!r:.20}" for (question, gold), _ in BAD_ROWS]


@pytest.mark.parametrize(("row", "says"), BAD_ROWS, ids=ROW_IDS)
def test_what_is_no_question_or_no_gold_is_named_by_file_and_line(folder: Path, row: tuple[Any, Any], says: str) -> None:
    lines = [{"m_query": "How few?", "response": "8.0"}, {"m_query": row[0], "response": row[1]}]
    (folder / "msvamp" / "sw.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with pytest.raises(UserError, match=f"sw.jsonl, line 2: {says}") as caught:
        data.rows("msvamp", "sw")
    assert len(str(caught.value)) <= 400
    if all(isinstance(cell, str) and "\ud800" not in cell for cell in row):
        (folder / "mgsm" / "mgsm_sw.tsv").write_text(f"How few?\t8\n{row[0]}\t{row[1]}\n", encoding="utf-8")
        with pytest.raises(UserError, match=f"mgsm_sw.tsv, line 2: {says}"):
            data.rows("mgsm", "sw")
    (folder / "own.jsonl").write_text(json.dumps({"question": row[0], "answer": row[1]}), encoding="utf-8")
    with pytest.raises(UserError, match=f"own.jsonl, line 1: {says}"):
        data.own_rows(folder / "own.jsonl", "sw", OwnRows("number"))


def hub_set(folder: Path, config: str, rows: Sequence[tuple[Any, Any]]) -> str:
    """Writes a data set as the hub has it, one config a language; returns what stands for its hub id."""
    import pyarrow
    from pyarrow import parquet

    told = f"configs:\n- config_name: {config}\n  data_files:\n  - split: test\n    path: {config}.parquet\n"
    (folder / "README.md").write_text(f"---\n{told}---\n")
    columns = {"question": [row[0] for row in rows], "answer_number": [row[1] for row in rows]}
    parquet.write_table(pyarrow.table(columns), folder / f"{config}.parquet")
    return str(folder)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("Wangapi?", "eighteen"), "the answer 'eighteen' is no number"),
        (("Wangapi?", None), "the answer is empty"),
        ((None, "3"), "the question is empty"),
        (("Wangapi\x00?", "3"), r"the question holds the character U\+0000"),
        (("Ni ngapi?", "8"), "the row is that of row 1"),
    ],
)
def test_a_row_of_the_hub_is_named_by_its_config_and_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: tuple[Any, Any], says: str
) -> None:
    monkeypatch.delenv("XREASON_DATA", raising=False)
    hub_id = hub_set(tmp_path, "swh", [("Ni ngapi?", "8"), row])
    source = replace(data.SOURCES["mgsm"], hub_id=hub_id, configs={"sw": "swh"})
    monkeypatch.setitem(data.SOURCES, "mgsm", source)
    with pytest.raises(UserError, match=rf"{hub_id}, config swh, row 2: {says}"):
        data.rows("mgsm", "sw")


def test_a_gold_of_the_hub_may_be_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XREASON_DATA", raising=False)
    source = replace(data.SOURCES["mgsm"], hub_id=hub_set(tmp_path, "sw", [("Ni ngapi?", 8), ("Wangapi?", 2125)]))
    monkeypatch.setitem(data.SOURCES, "mgsm", source)
    assert [row["answer"] for row in data.rows("mgsm", "sw")] == ["8", "2125"]


def test_a_row_that_is_there_twice_is_named_with_the_first(folder: Path) -> None:
    (folder / "mgsm" / "mgsm_sw.tsv").write_text("Ni ngapi?\t8\nWangapi?\t3\nNi  ngapi?\t8.0\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 3: the row is that of line 1"):
        data.rows("mgsm", "sw")
    (folder / "mgsm" / "mgsm_sw.tsv").write_text("Ni ngapi?\t8\nNi ngapi?\t9\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2: the question is that of line 1, under another answer"):
        data.rows("mgsm", "sw")


def test_only_what_is_published_so_may_ask_again_under_another_gold(folder: Path) -> None:
    # MSVAMP's Bengali has one broken translation four times, its Thai another five times, each time under another gold
    def asking(times: int) -> None:
        lines = [json.dumps({"m_query": "Ni ngapi?", "response": f"{gold}.0"}) for gold in range(times)]
        for code in ("bn", "th", "sw"):
            (folder / "msvamp" / f"{code}.jsonl").write_text("\n".join(lines), encoding="utf-8")

    asking(4)
    assert [len(data.rows("msvamp", code)) for code in ("bn", "th")] == [4, 4]
    with pytest.raises(UserError, match="line 2: the question is that of line 1"):
        data.rows("msvamp", "sw")
    asking(5)
    assert len(data.rows("msvamp", "th")) == 5
    with pytest.raises(UserError, match="line 5: the question is that of line 1"):
        data.rows("msvamp", "bn")


def test_json_that_is_nested_without_end_and_a_file_that_cannot_be_read_are_named(folder: Path) -> None:
    (folder / "msvamp" / "sw.jsonl").write_text('{"m_query": ' + "[" * 100_000)
    with pytest.raises(UserError, match="line 1: "):
        data.rows("msvamp", "sw")
    (folder / "mgsm" / "mgsm_sw.tsv").mkdir()
    with pytest.raises(UserError, match=r"mgsm_sw.tsv cannot be read"):
        data.rows("mgsm", "sw")


def test_a_byte_order_mark_is_no_part_of_a_question(folder: Path) -> None:
    (folder / "mgsm" / "mgsm_sw.tsv").write_text("Ni ngapi?\t8\n", encoding="utf-8-sig")
    assert data.rows("mgsm", "sw")[0]["question"] == "Ni ngapi?"


def test_worked_examples_are_checked_too(folder: Path) -> None:
    example = {"language": "en", "q": "Question: How many?", "a": "Step-by-Step Answer: 4 + 4 = 8.", "number_answer": 8}
    for change, says in (
        ({"a": None}, "the worked answer is empty"),
        ({"q": 3}, "the question 3 is no text"),
        ({"number_answer": "eight"}, "the answer 'eight' is no number"),
    ):
        lines = [json.dumps(each) for each in (example, example | change)]
        (folder / "mgsm" / "exemplars.jsonl").write_text("\n".join(lines))
        with pytest.raises(UserError, match=f"exemplars.jsonl, line 2: {says}"):
            data.exemplars("mgsm", "en")
    (folder / "mgsm" / "exemplars.jsonl").write_text(
        "\n".join(json.dumps(example | {"language": code}) for code in ("en", "sw", "sw"))
    )
    with pytest.raises(UserError, match="2 worked examples in sw, and 1 in en"):
        data.exemplars("mgsm", "sw")


def test_a_missing_set_names_the_path_the_hub_id_and_the_command(folder: Path) -> None:
    with pytest.raises(UserError) as caught:
        data.rows("mgsm", "sw")
    for part in (str(folder / "mgsm" / "mgsm_sw.tsv"), "juletxara/mgsm", "hf download --repo-type dataset juletxara/mgsm"):
        assert part in str(caught.value)


def test_the_hash_tells_questions_and_golds_apart() -> None:
    one = [{"question": "a", "answer": "1", "language": "en"}]
    assert data.rows_hash(one) != data.rows_hash([{**one[0], "answer": "2"}])
    assert data.rows_hash(one) != data.rows_hash([{**one[0], "question": "b"}])


@pytest.mark.skipif(REAL is None, reason="XREASON_DATA names no folder with the real sets")
def test_all_12750_real_questions_are_read_with_golds_that_are_numbers() -> None:
    counts = {name: [len(SUITES[name].rows(code)) for code in SUITES[name].languages] for name in ("mgsm", "msvamp")}
    assert counts == {"mgsm": [250] * 11, "msvamp": [1000] * 10}
    golds = [row["answer"] for name in counts for code in SUITES[name].languages for row in SUITES[name].rows(code)]
    assert all(float(gold.replace(",", "")) >= 0 for gold in golds)


@pytest.mark.skipif(REAL is None, reason="XREASON_DATA names no folder with the real sets")
@pytest.mark.parametrize("kind", ["mgsm_rev2", "mgsm_variants"])
def test_every_real_set_in_the_form_of_mgsm_is_read(folder: Path, kind: str) -> None:
    files = sorted((Path(str(REAL)) / kind).glob("*.tsv"))
    assert files
    for file in files:
        (folder / "mgsm" / "mgsm_sw.tsv").write_bytes(file.read_bytes())
        assert len(data.rows("mgsm", "sw")) == 250
