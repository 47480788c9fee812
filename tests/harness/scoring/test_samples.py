"""From lm-eval's stored samples to the page: what was said, what the readings read, what is not there. No engine, no browser."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.leaderboards.conftest import make_record, score
from xreason.harness.cli.app import app
from xreason.harness.scoring.records import boards_of
from xreason.harness.scoring.samples import samples_of
from xreason.leaderboards.records import LanguageScore, Record, write_record
from xreason.tasks.errors import UserError

QUESTIONS = [("Hablan 3 y 4. ¿Cuántos?", "7"), ("¿Cuánto son 1000 y 80?", "1,080")]


def scored() -> LanguageScore:
    return score("10", strict=("11",), in_language=("-0",), cut_off=("01",))


def stand(folder: Path, record: Record, responses: list[list[str]], code: str = "es") -> None:
    write_record(record, folder / "record.json")
    place = folder / "scores" / record.folders["mgsm"] / record.method
    place.mkdir(parents=True)
    lines = [
        json.dumps({"doc_id": number, "doc": {"question": question, "answer": gold, "language": code}, "resps": [said]})
        for number, ((question, gold), said) in enumerate(zip(QUESTIONS, responses, strict=True))
    ]
    # as the asking was batched, not as the questions stand
    (place / f"samples_mgsm_{code}_2026.jsonl").write_text("\n".join(reversed(lines)) + "\n", encoding="utf-8")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for method, text in {"base": "No sé.", "slam": "La respuesta es 1.080."}.items():
        record = make_record(method, {}, scores={"es": scored(), "sw": scored()}).model_copy(
            update={"format": 3, "folders": {"mgsm": "mgsm-1a2b"}}
        )
        stand(tmp_path / "runs" / method / "0", record, [["Son 7."], [text]])
    return tmp_path / "runs"


def packed(path: Path) -> Any:
    key, packed = re.fullmatch(r'xreasonSamples\("([^"]+)", "([^"]+)"\)\n', path.read_text()).groups()  # type: ignore[union-attr]
    assert key == path.stem
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_the_board_command_writes_the_page_with_what_was_said_and_read(runs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["board", str(runs), "--out", str(tmp_path / "board")])
    assert done.exit_code == 0, done.output
    assert '<option value="mgsm-es">' in (tmp_path / "board" / "leaderboard.html").read_text()
    # what was not kept cannot be shown
    assert [path.name for path in (tmp_path / "board" / "samples").iterdir()] == ["mgsm-es.js"]
    part = packed(tmp_path / "board" / "samples" / "mgsm-es.js")
    assert (part["columns"], part["first"]) == (["base", "slam"], [0, 1])
    first, second = part["questions"]
    assert (first["question"], first["gold"]) == QUESTIONS[0]
    assert first["responses"][0] == ["Son 7.", True, True, "7", "7", False, None, None]
    assert second["responses"][0] == ["No sé.", False, True, "0", None, True, False, None]
    assert second["responses"][1][3:5] == ["1.08", "1080"]


def test_each_seed_and_sample_is_a_column_and_one_a_model_is_shown_at_first(tmp_path: Path) -> None:
    kept = []
    for seed in (0, 1):
        record = make_record("slam", {}, scores={"es": score("10", "01")}, samples=2, temperature=0.7, seed=seed)
        kept.append((tmp_path / str(seed), record.model_copy(update={"folders": {"mgsm": "mgsm"}})))
        stand(*kept[-1], [["7", "8"], ["1", "1,080"]])
    (board,) = boards_of([record for _, record in kept])
    (samples,) = samples_of(board, kept)
    assert samples.columns == [f"slam, seed {seed}, sample {place}" for seed in (0, 1) for place in (1, 2)]
    assert samples.first == [0]
    assert [each.text for each in samples.questions[1].responses if each] == ["1", "1,080"] * 2


@pytest.mark.parametrize("options", [("--single-file",), ("--port", "8000")])
def test_what_is_about_no_page_is_refused(runs: Path, options: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["board", str(runs), *options])
    assert isinstance(done.exception, UserError) or done.exit_code == 2
