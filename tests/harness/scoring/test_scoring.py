"""What is made of responses: samples, how they end, few-shot prompts, and readings that can be applied again."""

import json
import os
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.harness.scoring.conftest import responses, samples_of
from tests.leaderboards.conftest import stage
from xreason.harness.plan import plan_scoring
from xreason.harness.rows import Row
from xreason.harness.scoring.evaluate import evaluate
from xreason.harness.scoring.questions import Asking, Scoring, scorings
from xreason.harness.scoring.records import record_of, write_boards
from xreason.harness.scoring.rescore import rescore
from xreason.harness.scoring.samples import write_board_page
from xreason.harness.scoring.score import score
from xreason.harness.scoring.verdicts import read_scores
from xreason.harness.serving.answers import Answers
from xreason.harness.serving.models import Model
from xreason.leaderboards.records import Record, RecordError, Training, read_record, write_record
from xreason.tasks.data import rows_hash
from xreason.tasks.errors import UserError
from xreason.tasks.readings.strict import strict_reading
from xreason.tasks.suites import SUITES
from xreason.trainers.combining.self_consistency import self_consistency

REAL = os.environ.get("XREASON_DATA")
POCKET = SUITES["pocket"]


def asked(suite: str, languages: tuple[str, ...], limit: int, max_new_tokens: int, asking: Asking) -> Scoring:
    return Scoring(suite=suite, languages=languages, limit=limit, max_new_tokens=max_new_tokens, asking=asking)


def test_samples_differ_among_themselves_and_do_not_depend_on_what_else_was_asked(
    engine: Any, pocket: Model, tmp_path: Path
) -> None:
    asking = Asking(samples=3, temperature=1.5)
    several = evaluate(engine, "pocket", pocket, asked("pocket", ("en", "sw"), 6, 24, asking), tmp_path / "several")
    evaluate(engine, "pocket", pocket, asked("pocket", ("sw",), 2, 24, asking), tmp_path / "few")
    said = responses(tmp_path / "several", "pocket_sw")
    assert [len(each) for each in said] == [3] * 6
    assert all(len(set(each)) > 1 for each in said)
    assert responses(tmp_path / "few", "pocket_sw") == said[:2]

    assert several["sw"].samples == 3
    assert several["sw"].majority_paper is not None
    (written,) = (tmp_path / "several").rglob("results_*.json")
    reported = json.loads(written.read_text())["results"]["pocket_en"]
    for metric in ("paper", "strict", "answered", "metamath"):
        right = "".join(getattr(several["en"], metric))
        assert reported[f"{metric},none"] == pytest.approx(right.count("1") / len(right))


def test_a_vote_over_what_vllm_samples_goes_on_where_it_was_interrupted(
    engine: Any, pocket: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, how = tmp_path / "x" / "vote" / "0", self_consistency(samples=5, temperature=1.2, top_k=40)
    row = Row(name="vote", seed=0, folder=folder, base=pocket, model=pocket, voting=how, of="base")
    row = row.asked([asked("pocket", ("en", "sw"), 6, 48, Asking())], "auto", {})
    (task,), keep, kept = row.scores, Answers.keep, list[object]()

    def interrupt(answers: Answers, prompt: Any, sampling: Any, said: Any) -> None:
        if len(kept) == 4:
            raise KeyboardInterrupt
        kept.append((prompt, sampling.n, sampling.temperature, sampling.top_k))
        keep(answers, prompt, sampling, said)

    monkeypatch.setattr(Answers, "keep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        score(task, engine, pocket)
    assert [each[1:] for each in kept] == [(5, 1.2, 40)] * 4  # type: ignore[index]
    assert not task.is_done()
    left: list[object] = []
    monkeypatch.setattr(Answers, "keep", lambda answers, *said: (left.append(said), keep(answers, *said)))
    score(task, engine, pocket)
    assert len(left) == 12 - 4
    at_once = evaluate(engine, "vote", pocket, task.scoring, tmp_path / "at-once")
    assert read_scores(task.folder, POCKET) == at_once
    record = record_of(row.scores, folder, pocket)
    assert record.provenance.sampling == {"top_k": 40}
    found = record.scores["pocket"]["en"]
    for number, texts in enumerate(responses(task.folder, "pocket_en")):
        assert len(texts) == 5
        votes = Counter(read for text in texts if (read := strict_reading(text, "en")) is not None)
        most = votes.most_common(1)[0][0] if votes else None
        assert (found.majority_strict[number] == "1") == (most == Decimal(POCKET.rows("en")[number]["answer"]))
        assert most is None or strict_reading(texts[found.elected[number]], "en") == most  # type: ignore[index]
    (board,) = write_boards([record], tmp_path / "x")
    assert board.rows[0].tokens_in_use == pytest.approx(sum(each.tokens or 0 for each in at_once.values()) / 12)


def test_a_response_is_cut_off_where_it_reaches_the_token_limit(engine: Any, pocket: Model, tmp_path: Path) -> None:
    short = evaluate(engine, "pocket", pocket, asked("pocket", ("en", "sw"), 5, 4, Asking()), tmp_path / "short")
    long = evaluate(engine, "pocket", pocket, asked("pocket", ("en", "sw"), 5, 96, Asking()), tmp_path / "long")
    assert [score.responses.cut_off for score in short.values()] == [1.0, 1.0]
    assert long["en"].responses.cut_off == 0.0
    assert long["en"].responses.answered == 1.0
    assert engine.shortened == 0
    # each token is counted, the one that ends a response too; the pocket model cannot mark thinking
    assert [(score.tokens, score.mean_tokens, score.thinking_tokens) for score in short.values()] == [(20, 4.0, None)] * 2
    said = [engine.tok_encode(text) for (text,) in responses(tmp_path / "long", "pocket_en")]
    assert long["en"].tokens == sum(len(tokens) + 1 for tokens in said) - 5 * len(engine.tok_encode(""))


def test_a_prompt_that_is_too_long_loses_its_beginning_and_is_counted(engine: Any, pocket: Model, tmp_path: Path) -> None:
    evaluate(engine, "pocket", pocket, asked("pocket", ("en",), 3, 2048 - 8, Asking()), tmp_path)
    assert engine.shortened == 3


@pytest.mark.skipif(REAL is None, reason="XREASON_DATA names no folder with the real sets")
def test_worked_examples_stand_before_the_question_and_a_response_ends_where_the_next_would_begin(
    engine: Any, pocket: Model, tmp_path: Path
) -> None:
    evaluate(engine, "pocket", pocket, asked("mgsm", ("sw",), 2, 16, Asking(style="native-cot", shots=3)), tmp_path)
    (path,) = tmp_path.rglob("samples_mgsm_sw_*.jsonl")
    for line in path.read_text(encoding="utf-8").splitlines():
        prompt, generation = json.loads(line)["arguments"]["gen_args_0"].values()
        assert prompt.count("Swali: ") == prompt.count("\nJibu la Hatua kwa Hatua:") == 4
        assert "Swali:" in generation["until"]


def test_a_model_without_a_chat_template_is_a_sentence(engine: Any, pocket: Model, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no chat template"):
        evaluate(engine, "pocket", pocket, asked("pocket", ("en",), 1, 4, Asking(style="chat")), tmp_path)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"style": "octopuss"}, "did you mean 'octopus'"),
        ({"shots": 4}, "takes no worked examples"),
        ({"samples": 4}, "give a temperature"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        Asking(**settings)


def test_a_suite_without_worked_examples_and_a_style_without_words_are_sentences() -> None:
    with pytest.raises(UserError, match="has no worked examples"):
        scorings(("pocket",), ("en",), asking=Asking(style="direct", shots=1))[0].identity()


@pytest.fixture
def run(engine: Any, tmp_path: Path) -> Path:
    """A finished run of two models that are one, with its board."""
    plan = plan_scoring(["pocket"], scorings(("pocket",), ("en", "sw"), limit=8, max_new_tokens=48), tmp_path)
    (row,) = plan.rows
    folder = tmp_path / "run" / "pocket" / "0"
    task = row.scores[0].model_copy(update={"folder": folder / "scores" / "pocket"})
    score(task, engine, row.base)
    record = record_of([task], folder, row.base)
    write_board_page(write_boards([record], tmp_path / "run"), [(folder, record)], tmp_path / "run")
    return tmp_path / "run"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_reading_a_run_again_gives_the_same_bytes(run: Path) -> None:
    before = contents(run)
    done, boards = rescore(run)
    assert [(each.verdicts, each.changed) for each in done] == [(32, 0)]
    assert [board.suite for board in boards] == ["pocket"]
    assert contents(run) == before


def test_a_record_tells_what_answered_in_which_dtype_and_which_questions(run: Path, pocket: Model) -> None:
    record = read_record(run / "pocket" / "0" / "record.json")
    assert record.provenance.weights_hash == record.provenance.model_hash == pocket.hash
    assert record.provenance.dtype == "float32"
    assert record.provenance.in_domain == {"pocket": ("pocket-world",)}
    hashes = {code: score.questions_hash for code, score in record.scores["pocket"].items()}
    assert hashes == {code: rows_hash(POCKET.rows(code)[:8]) for code in ("en", "sw")}


def test_a_changed_response_changes_its_verdicts_alone(run: Path) -> None:
    record = read_record(run / "pocket" / "0" / "record.json")
    (path,) = run.rglob("samples_pocket_en_*.jsonl")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines[3]["resps"] = [["I do not know."]]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    done, _ = rescore(run)
    assert done[0].changed == 2
    now, was = done[0].record.scores["pocket"], record.scores["pocket"]
    assert now["sw"] == was["sw"]
    assert now["en"].strict[0] == was["en"].strict[0][:3] + "0" + was["en"].strict[0][4:]
    assert now["en"].answered[0][3] == "0"


def test_a_response_may_hold_any_character_that_ends_lines_elsewhere(run: Path) -> None:
    (path,) = run.rglob("samples_pocket_en_*.jsonl")
    samples = samples_of(run, "pocket_en")
    for sample in samples:
        sample["resps"] = [["Two lines.\u2028And\u2029more\u0085of\x0bthem\x0c\x1c\x1d\x1e\r\nThe answer is: " + sample["target"]]]
    # as lm-eval writes them
    path.write_text("".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples), encoding="utf-8")
    done, _ = rescore(run)
    assert done[0].record.scores["pocket"]["en"].strict == ("1" * 8,)


def test_a_record_of_the_first_format_is_brought_up_to_date(run: Path) -> None:
    path = run / "pocket" / "0" / "record.json"
    record = read_record(path)
    old = json.loads(path.read_text())
    for key in ("shots", "samples", "temperature", "suite_versions", "identifier"):
        del old["provenance"][key]
    scores = {code: {"paper": score["paper"][0]} for code, score in old["scores"]["pocket"].items()}
    path.write_text(json.dumps({**old, "format": 1, "scores": {"pocket": scores}}))
    (run / "pocket" / "0" / "scores" / "pocket" / "verdicts.json").write_text(json.dumps(scores))
    with pytest.raises(RecordError, match="rescore"):
        read_record(path)

    rescore(path.parent)
    untold = {"cut_off": None, "tokens": None}
    unknown = {"pocket": {code: score.model_copy(update=untold) for code, score in record.scores["pocket"].items()}}
    assert read_record(path) == Record.model_validate({**record.model_dump(), "scores": unknown})


def test_verdicts_of_older_readings_are_made_again_from_the_samples(run: Path) -> None:
    folder = run / "pocket" / "0" / "scores" / "pocket"
    verdicts = json.loads((folder / "verdicts.json").read_text())
    right = read_scores(folder, POCKET)
    verdicts["version"] = "0.1"
    verdicts["languages"]["en"]["strict"] = ["0" * 8]
    (folder / "verdicts.json").write_text(json.dumps(verdicts))
    assert read_scores(folder, POCKET) == right


def test_reading_one_row_again_keeps_the_others_on_the_board(run: Path) -> None:
    record = read_record(run / "pocket" / "0" / "record.json")
    other = run / "slam" / "0"
    shutil.copytree(run / "pocket" / "0", other)
    trained = record.model_copy(update={"method": "slam", "training": Training(stages=(stage(),))})
    write_record(trained, other / "record.json")
    write_board_page(write_boards([record, trained], run), [(run / "pocket" / "0", record), (other, trained)], run)
    before = contents(run)
    done, _ = rescore(other)
    assert [each.record.method for each in done] == ["pocket", "slam"]
    assert contents(run) == before


def test_a_folder_without_records_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name the folder of a comparison"):
        rescore(tmp_path)
