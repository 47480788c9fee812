"""What `xreason corpora` shows: which text there is, and rows as a model sees them; and what of a person's text is in a key."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from xreason.harness.plan import plan_training_alone
from xreason.harness.showing.corpora.listed import corpora_as_dicts
from xreason.harness.showing.corpora.seen import rows_drawn, rows_seen
from xreason.harness.training.train import train
from xreason.tasks.errors import UserError
from xreason.tasks.prompts import alpaca
from xreason.trainers.corpora.load import CORPORA, load_corpus

ROWS = [
    {"question": "Anna hat 3 Äpfel. 数?", "answer": "3 苹果.", "language": "de"},
    {"question": "2?", "answer": "2.", "language": "en"},
    {"question": "4?", "answer": "4.", "language": "en"},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    return path


def test_a_stranger_sees_what_the_model_sees(file: Path) -> None:
    corpus = load_corpus(f"file:{file}", [], source="pocket")
    seen = rows_seen(corpus, "pocket", rows=1, frame="alpaca", max_length=250, loss_on="response")
    assert [row["language"] for row in seen] == ["de", "en"]
    tokens = seen[0]["tokens"]
    assert "".join(each["text"] for each in tokens if not each["loss"]) == alpaca(ROWS[0]["question"])
    assert "".join(each["text"] for each in tokens if each["loss"] and not each["special"]) == ROWS[0]["answer"]
    assert [each["text"] for each in tokens if each["special"]] == ["<eos>"]
    # a letter of several tokens is one piece
    assert any(len(each["ids"]) > 1 for each in tokens)
    (all_of_it, _) = rows_seen(corpus, "pocket", rows=1, frame="alpaca", max_length=250, loss_on="all")
    assert all_of_it["tokens"][5]["loss"]
    (cut, _) = rows_seen(corpus, "pocket", rows=1, frame="alpaca", max_length=5, loss_on="response")
    assert (cut["cut_off"], sum(len(each["ids"]) for each in cut["tokens"])) == (True, 5)


def test_loss_is_told_by_colours_or_where_there_are_none_by_marks(file: Path) -> None:
    corpus = load_corpus(f"file:{file}", [], source="pocket")
    seen = rows_seen(corpus, "pocket", rows=1, frame="alpaca", max_length=250, loss_on="response")
    said = []
    for kind in (None, "standard"):
        console = Console(file=io.StringIO(), color_system=kind, width=200, force_terminal=kind is not None)  # type: ignore[arg-type]
        console.print(rows_drawn(corpus, seen, "pocket", console=console))
        said.append(console.file.getvalue())  # type: ignore[attr-defined]
    plain, coloured = said
    assert "### Response:⟦3 苹果.‹<eos>›⟧" in plain
    assert "file:my.jsonl (questions and answers; 3 rows of" in plain
    assert "\x1b[" not in plain
    assert "⟦" not in coloured
    assert "\x1b[1;32m" in coloured
    assert "\x1b[2m" in coloured


def test_both_sides_of_a_pair_are_seen(file: Path) -> None:
    file.write_text("".join(f"{json.dumps(row | {'rejected': 'Neun.'})}\n" for row in ROWS))
    corpus = load_corpus(f"file:{file}", [], source="pocket")
    seen = rows_seen(corpus, "pocket", rows=1, frame="alpaca", max_length=250, loss_on="response")
    for row, said in zip(seen, ROWS, strict=False):
        for side, text in (("tokens", said["answer"]), ("rejected", "Neun.")):
            assert "".join(each["text"] for each in row[side] if not each["loss"]) == alpaca(said["question"])
            assert "".join(each["text"] for each in row[side] if each["loss"] and not each["special"]) == text
    console = Console(file=io.StringIO(), color_system=None, width=200)
    console.print(rows_drawn(corpus, seen, "pocket", console=console))
    plain = console.file.getvalue()  # type: ignore[attr-defined]
    assert plain.index("row 1, de, chosen: ") < plain.index("⟦3 苹果.‹<eos>›⟧") < plain.index("row 1, de, rejected: ")
    assert plain.count("⟦Neun.‹<eos>›⟧") == 2


def test_corpora_are_listed_with_rows_languages_licence_and_how_they_are_had(tmp_path: Path) -> None:
    (tmp_path / "gsm8k").mkdir()
    listed = corpora_as_dicts(tmp_path)
    assert [row["corpus"] for row in listed[: len(CORPORA)]] == list(CORPORA)
    by_name = {row["corpus"]: row for row in reversed(listed)}
    assert by_name["gsm8k"] == {
        **{"corpus": "gsm8k", "holds": "GSM8K with its rationales", "rows": 7473, "languages": ["en"], "licence": "MIT"},
        **{"source": "GSM8K (arXiv 2110.14168)", "where": str(tmp_path / "gsm8k"), "problem": ""},
    }
    assert by_name["english-reasoning"]["where"].startswith("hf download --repo-type dataset meta-math/MetaMathQA")


def test_an_edited_file_is_another_training_and_a_renamed_one_is_not(file: Path, tmp_path: Path) -> None:
    def planned(path: Path, **settings: object) -> str:
        told = {"corpora": [f"file:{path}"], "max_steps": 1, **settings}
        plan = plan_training_alone("full", told, "pocket", tmp_path, languages=None, source=None, data=None, seed=0)
        return plan.trainings[0].key

    key = planned(file)
    moved = file.rename(tmp_path / "other.jsonl")
    assert planned(moved) == key
    assert planned(moved, held_out=0.4, corpora=[f"file:{moved}#language=en"]) != key
    moved.write_text(moved.read_text().replace("3 Äpfel", "4 Äpfel").replace("\\u00c4", "\\u00e4"))
    assert planned(moved) != key


def test_a_file_that_was_changed_since_it_was_planned_is_not_trained_on(file: Path, tmp_path: Path) -> None:
    told = {"corpora": [f"file:{file}"], "max_steps": 1}
    plan = plan_training_alone("full", told, "pocket", tmp_path / "runs", languages=None, source=None, data=None, seed=0)
    file.write_text(file.read_text() + json.dumps(ROWS[1]))
    with pytest.raises(UserError, match="was changed since full, seed 0 was planned"):
        train(plan.trainings[0])
