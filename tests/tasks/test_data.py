"""Questions from a data folder: all of them, as written, or a sentence that says what is wrong."""

import os
from pathlib import Path

import pytest

from xreason.tasks import data
from xreason.tasks.errors import UserError
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
