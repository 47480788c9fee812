"""Corpora of one's own: what rows may be, how files are checked, what is drawn and mixed and held out, and what a hash is of."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.places import ROOT
from xreason.harness.experiment import read_experiment
from xreason.harness.plan import plan_comparison
from xreason.harness.training.train import read_training, train
from xreason.tasks.errors import UserError
from xreason.tasks.prompts import alpaca
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.load import load_corpus
from xreason.trainers.corpora.own.references import anchored, without_places
from xreason.trainers.stages import AllParameters, Method, Stage
from xreason.trainers.train import texts_of

Write = Callable[[str, Sequence[Any]], Path]
EN, DE = {"question": "2+3?", "answer": "5", "language": "en"}, {"question": "3+3?", "answer": "6", "language": "de"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Returns what writes rows as JSON lines."""

    def write(name: str, rows: Sequence[Any]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
        return path

    return write


def read(name: str | Path, **told: Any) -> list[Example]:
    reference = name if isinstance(name, str) else f"file:{name}"
    return list(load_corpus(reference, ["en"], source="pocket", **told).examples)


def many(count: int, language: str = "en") -> list[dict[str, str]]:
    return [{"question": f"{language} {number}?", "answer": f"{number}", "language": language} for number in range(count)]


def test_a_question_is_framed_a_prompt_is_taken_as_it_is_and_a_chat_is_framed_with_what_was_said_before(write: Write) -> None:
    assert read(write("a.jsonl", [EN, DE])) == [Example(alpaca("2+3?"), "5", "en"), Example(alpaca("3+3?"), "6", "de")]
    assert read(write("b.jsonl", [{"prompt": "Q: 2+3?\nA:", "response": " 5"}])) == [Example("Q: 2+3?\nA:", " 5", "")]
    said = [("system", "Be brief."), ("user", "2+3?"), ("assistant", "5"), ("user", "And 1 more?"), ("assistant", "6")]
    chat = {"messages": [{"role": role, "content": text} for role, text in said]}
    asked = "Be brief.\n\n2+3?\n\n### Response:5\n\n### Instruction:\nAnd 1 more?"
    assert read(write("c.jsonl", [chat])) == [Example(alpaca(asked), "6", "")]
    shared = {"conversations": [{"from": "human", "value": "2+3?"}, {"from": "gpt", "value": "5"}]}
    assert read(write("d.jsonl", [shared])) == [Example(alpaca("2+3?"), "5", "")]
    assert read(write("e.jsonl", [{"instruction": "Add.", "input": "2, 3", "output": "5"}])) == [
        Example(alpaca("Add.\n\n2, 3"), "5", "")
    ]


def test_columns_are_named_where_they_are_not_found_and_a_language_is_a_column_or_a_code(write: Write) -> None:
    path = write("a.jsonl", [{"aufgabe": "2+3?", "loesung": "5", "sprache": "German"}])
    assert read(f"file:{path}#question=aufgabe#answer=loesung#language=sprache") == [Example(alpaca("2+3?"), "5", "de")]
    assert read(f"file:{path}#question=aufgabe#answer=loesung#language=sw")[0].language == "sw"
    assert read(f"file:{path}#prompt=aufgabe#response=loesung") == [Example("2+3?", "5", "")]
    with pytest.raises(UserError, match=r"a\.jsonl has no column 'Aufgabe'; it has aufgabe, loesung, sprache"):
        read(f"file:{path}#question=Aufgabe")
    with pytest.raises(UserError, match=r"no columns called question and answer.*but aufgabe, loesung, sprache; name them"):
        read(path)


def test_a_pattern_takes_one_language_a_file_by_its_name(write: Write, tmp_path: Path) -> None:
    for name in ("sw.jsonl", "train.de.jsonl", "more_fr.jsonl"):
        write(f"texts/{name}", [{"question": name, "answer": "5"}])
    examples = read(f"file:{tmp_path}/texts/*.jsonl")
    assert [(example.language, example.prompt) for example in examples] == [
        (code, alpaca(name)) for code, name in (("fr", "more_fr.jsonl"), ("sw", "sw.jsonl"), ("de", "train.de.jsonl"))
    ]
    with pytest.raises(UserError, match="No file is called"):
        read(f"file:{tmp_path}/texts/*.csv")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not json", "line 2 is no JSON object"),
        ('{"question": "x"}', "line 2 has no text in answer"),
        ('{"question": " ", "answer": "5"}', "line 2 has no text in question"),
        ('{"question": "x", "answer": 5.5}', "line 2 has no text in answer"),
        ('{"question": "x", "answer": "5", "language": "Klingonese"}', "line 2 names the language 'Klingonese'"),
        ("[]", "line 2 is no object with columns"),
    ],
)
def test_a_wrong_row_is_named_with_file_and_line_before_any_work(write: Write, line: str, says: str) -> None:
    path = write("a.jsonl", [EN])
    path.write_text(f"{path.read_text()}{line}\n\n{line}\n")
    with pytest.raises(UserError) as raised:
        read(path)
    assert f"a.jsonl, {says}" in str(raised.value)
    assert "(and 1 more rows are wrong)" in str(raised.value)
    assert len(str(raised.value).replace(str(path), "a.jsonl")) <= 400


def test_csv_and_parquet_are_read_as_datasets_reads_them_and_are_the_same_text(write: Write, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import csv, parquet

    rows = [EN | {"answer": "0.50"}, DE | {"answer": "NA"}]
    csv.write_csv(pyarrow.Table.from_pylist(rows), tmp_path / "a.csv")
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    files = (write("a.jsonl", rows), tmp_path / "a.csv", tmp_path / "a.parquet")
    hashes = {load_corpus(f"file:{path}", [], source="papers").hash for path in files}
    assert len(hashes) == 1
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"b\.parquet cannot be read as parquet"):
        read(tmp_path / "b.parquet")


def test_the_hub_is_asked_for_what_is_named_and_what_cannot_be_had_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"no-such/set, config main, split test cannot be had from the hub.*hf download"):
        read("hub:no-such/set#config=main#split=test")
    with pytest.raises(UserError, match="no option of hub: 'splitt'; did you mean 'split'"):
        read("hub:no-such/set#splitt=test")
    with pytest.raises(UserError, match="names no place"):
        read("hub:gsm8k")


def test_a_hash_is_of_what_rows_say_whatever_the_file_is_called_and_however_it_is_laid_out(write: Write) -> None:
    one = load_corpus(f"file:{write('a.jsonl', [EN, DE])}", [], source="papers").hash
    laid_out = [{"lang": "English", "id": 7, "response": 5, "query": "2+3?"}, {"lang": "de", "query": "3+3?", "response": "6"}]
    assert one == load_corpus(f"file:{write('b.jsonl', laid_out)}", [], source="papers").hash
    path = write("c.jsonl", [EN, DE | {"answer": "7"}])
    edited = load_corpus(f"file:{path}", [], source="papers").hash
    assert edited != one
    path.write_text(path.read_text().replace('"7"', '"6"'))
    assert load_corpus(f"file:{path}", [], source="papers").hash == one


def test_a_key_knows_no_paths_and_an_experiment_s_are_relative_to_its_file(tmp_path: Path) -> None:
    said = {"name": "x", "corpora": {"file:/a/b.jsonl": 0.7, "gsm8k": 0.3}, "held_out": "file:/a/c.jsonl"}
    assert without_places(said) == {"name": "x", "corpora": {"own 0": 0.7, "gsm8k": 0.3}, "held_out": "file"}
    plain = {"name": "x", "corpora": ["gsm8k"]}
    assert without_places(plain) == plain
    assert anchored("file:a.jsonl#language=sw", tmp_path) == f"file:{tmp_path}/a.jsonl#language=sw"
    assert anchored("gsm8k", tmp_path) == "gsm8k"


def test_rows_are_drawn_a_language_and_by_content(write: Write) -> None:
    path = write("a.jsonl", [*many(50), *many(50, "de")])
    drawn = read(path, rows=5, seed=1)
    assert [example.language for example in drawn] == ["en"] * 5 + ["de"] * 5
    assert drawn == read(path.rename(path.with_name("b.jsonl")), rows=5, seed=1)
    assert drawn != read(path.with_name("b.jsonl"), rows=5, seed=2)


def stage(**told: Any) -> Stage:
    return Stage(name="x", tune=AllParameters(), **told)


def texts(*stages: Stage, seed: int = 0) -> Any:
    return texts_of(Method("m", stages, "s", "d"), ["en", "de"], source="pocket", data=None, seed=seed)


def test_a_mix_takes_rows_by_weight_none_twice_the_same_for_a_seed_and_says_so(write: Write) -> None:
    path = write("a.jsonl", many(70))
    mixed = stage(corpora={f"file:{path}": 0.7, "english-reasoning": 0.3}, rows=100)
    (text,) = texts(mixed)
    rows = list(text.rows)
    assert len({(row.prompt, row.response) for row in rows}) == len(rows) == 100
    assert {row.prompt for row in rows[:70]} == {alpaca(each["question"]) for each in many(70)}
    assert text.words.startswith("0.7 of file:a.jsonl (questions and answers): 70 of 70 rows + 0.3 of english-reasoning")
    assert text.words.endswith("30 of 100 rows")
    assert rows == list(texts(mixed)[0].rows)
    assert rows[70:] != list(texts(mixed, seed=1)[0].rows)[70:]


def test_rows_held_out_are_a_share_of_each_language_and_no_stage_trains_on_them(write: Write) -> None:
    path = write("a.jsonl", [*many(100), *many(20, "de")])
    first, second = texts(stage(corpora=f"file:{path}", held_out=0.1), stage(corpora=f"file:{path}", frame="octopus"))
    assert {code: len(rows) for code, rows in first.held_out.items()} == {"en": 10, "de": 2}
    held = {row.response for row in first.held_out["en"]}
    assert len(first.rows) == len(second.rows) == 108
    for text in (first, second):
        assert held.isdisjoint(row.response for row in text.rows if row.language == "en")
    assert first.words.endswith("12 rows held out")
    # the same ones for another seed
    assert texts(stage(corpora=f"file:{path}", held_out=0.1), seed=5)[0].held_out == first.held_out


def test_rows_of_a_file_are_held_out_and_left_out_where_they_are_trained_on(write: Write) -> None:
    path, other = write("a.jsonl", many(20)), write("b.jsonl", [*many(3), *many(1, "de")])
    (text,) = texts(stage(corpora=f"file:{path}", held_out=f"file:{other}"))
    assert (len(text.rows), {code: len(rows) for code, rows in text.held_out.items()}) == (17, {"en": 3, "de": 1})
    assert len(text.hashes) == 2
    with pytest.raises(UserError, match="nothing left to train on"):
        texts(stage(corpora=f"file:{path}", held_out=f"file:{path}"))
    with pytest.raises(UserError, match="keep of stage 'x' goes by held-out loss"):
        texts(stage(corpora=f"file:{path}", keep="best"))


def test_a_file_that_changes_under_a_training_is_refused(write: Write) -> None:
    path = write("a.jsonl", many(5))
    examples = load_corpus(f"file:{path}", [], source="papers").examples
    path.write_text(path.read_text() + json.dumps(EN))
    with pytest.raises(UserError, match="was changed while it was read"):
        examples[0]


def test_the_guide_s_own_rows_are_a_corpus(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "a-corpus-of-your-own.md").read_text(encoding="utf-8")
    (tmp_path / "my.jsonl").write_text(guide.partition("```jsonl\n")[2].partition("```")[0], encoding="utf-8")
    assert [row.language for row in read(tmp_path / "my.jsonl")] == ["it", "en"]
    mix = yaml.safe_load(guide.partition("```yaml\n")[2].partition("```")[0])
    (tmp_path / "mixed.yaml").write_text(yaml.safe_dump(mix))
    (stage,) = read_experiment(tmp_path / "mixed.yaml", {}).method("full-mixed").stages
    assert stage.corpora == {f"file:{tmp_path}/my.jsonl": 0.7, "multilingual-reasoning": 0.3}


def said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


ASKED = [said("system", "Be brief."), said("user", "2+3?")]
PAIR = Example(alpaca("Be brief.\n\n2+3?"), "5", "", "6")


@pytest.mark.parametrize(
    ("row", "example"),
    [
        ({"question": "2+3?", "chosen": "5", "rejected": 6, "language": "en"}, Example(alpaca("2+3?"), "5", "en", "6")),
        ({"question": "2+3?", "answer": "5", "rejected": "6"}, Example(alpaca("2+3?"), "5", "", "6")),
        ({"prompt": "Q: 2+3?\nA:", "chosen": " 5", "rejected": " 6"}, Example("Q: 2+3?\nA:", " 5", "", " 6")),
        ({"prompt": ASKED, "chosen": [said("assistant", "5")], "rejected": [said("assistant", "6")]}, PAIR),
        ({"chosen": [*ASKED, said("assistant", "5")], "rejected": [*ASKED, said("assistant", "6")]}, PAIR),
        # as UltraFeedback has it: the prompt as a text beside chats that begin with it
        ({"prompt": "2+3?", "chosen": [*ASKED, said("assistant", "5")], "rejected": [*ASKED, said("assistant", "6")]}, PAIR),
    ],
)
def test_a_row_with_a_rejected_response_is_a_pair_as_trl_has_it(write: Write, row: dict[str, Any], example: Example) -> None:
    assert read(write("a.jsonl", [row])) == [example]


def test_both_sides_of_a_pair_stand_in_the_frame_of_the_stage_and_in_its_hash_and_columns_may_be_named(write: Write) -> None:
    row = {"frage": "2+3?", "gut": "5", "schlecht": "6", "language": "de"}
    path = write("a.jsonl", [row])
    named = f"file:{path}#question=frage#chosen=gut#rejected=schlecht"
    (example,) = read(named, frame="octopus")
    assert (example.response, example.rejected) == (" 5", " 6")
    corpus = load_corpus(named, [], source="papers")
    assert corpus.description == "questions and answers, each chosen over a rejected one"
    write("a.jsonl", [row | {"schlecht": "7"}])
    assert load_corpus(named, [], source="papers").hash != corpus.hash
    (plain,) = read(f"file:{path}#question=frage#answer=gut")
    assert plain.rejected is None


@pytest.mark.parametrize(
    ("first", "line", "says"),
    [
        ({"question": "2?", "chosen": "2", "rejected": "3"}, {"question": "2?", "chosen": "2"}, "line 2 has no text in rejected"),
        ({"question": "2?", "chosen": "2", "rejected": "3"}, {"question": "2?", "rejected": "3"}, "line 2 has no text in chosen"),
        (
            {"chosen": [*ASKED, said("assistant", "5")], "rejected": [*ASKED, said("assistant", "6")]},
            {"chosen": [*ASKED, said("assistant", "5")], "rejected": [said("user", "3+3?"), said("assistant", "6")]},
            "line 2 has chats in chosen and rejected that differ before their last message",
        ),
        (
            {"prompt": ASKED, "chosen": [said("assistant", "5")], "rejected": [said("assistant", "6")]},
            {"prompt": ASKED, "chosen": [said("assistant", "5")], "rejected": "6"},
            "line 2 has no chat in rejected",
        ),
        (
            {"prompt": ASKED, "chosen": [said("assistant", "5")], "rejected": [said("assistant", "6")]},
            {"prompt": ASKED, "chosen": [said("assistant", "5")], "rejected": [said("user", "6")]},
            "line 2 has no chat in rejected in which user and assistant take turns",
        ),
    ],
)
def test_a_wrong_pair_is_named_with_file_and_line(write: Write, first: Any, line: Any, says: str) -> None:
    with pytest.raises(UserError, match=rf"a\.jsonl, {says}"):
        read(write("a.jsonl", [first, line]))


def test_two_texts_without_what_they_answer_are_refused(write: Write) -> None:
    both = {"chosen": "Human: 2+3? Assistant: 5", "rejected": "Human: 2+3? Assistant: 6"}
    with pytest.raises(UserError, match=r"a\.jsonl has texts in rejected, and nothing tells what they answer; give columns prompt"):
        read(write("a.jsonl", [both]))


def test_the_guide_s_pairs_are_pairs_and_its_row_prefers_between_them(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "a-corpus-of-your-own.md").read_text(encoding="utf-8").partition("## Pairs to prefer between")[2]
    (tmp_path / "pairs.jsonl").write_text(guide.partition("```jsonl\n")[2].partition("```")[0], encoding="utf-8")
    (tmp_path / "preferred.yaml").write_text(guide.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    experiment = read_experiment(tmp_path / "preferred.yaml", {})
    plan = plan_comparison(experiment, tmp_path / "runs")
    assert not plan.failures
    assert not plan.pairs
    # trained, and no file of samples asked for
    (task,) = plan.trainings
    train(task)
    (stage,) = read_training(task.report).stages
    assert (stage.rows, stage.objective, stage.steps) == (2, "prefer (DPO, beta 0.1)", 2)
    assert stage.losses[0][1] == pytest.approx(math.log(2), abs=1e-3)
    assert stage.losses[-1][1] < stage.losses[0][1]
