"""What is finished is kept: trials, newer libraries, a row that fails, an interrupt; and two models of one name are two rows."""

import json
import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.harness.test_plan import planned
from xreason.harness.plan import Plan, plan_scoring
from xreason.harness.run import run
from xreason.harness.scoring.questions import scorings
from xreason.harness.scoring.score import SCORED_FILE, Circumstances, Score
from xreason.harness.scoring.verdicts import write_verdicts
from xreason.harness.store import provenance
from xreason.harness.store.steps import Step, step
from xreason.harness.training.train import train
from xreason.leaderboards.records import LanguageScore, read_record
from xreason.tasks.errors import UserError
from xreason.trainers.pocket import MODEL

ASKED = scorings(("pocket",), ("en",), limit=4)
QUICK = "max_steps: 2, batch_size: 8, rows: 24, learning_rate: 1e-3"
WILD = "max_steps: 8, batch_size: 8, rows: 64, learning_rate: 1e30, max_grad_norm: 1e30"


def stand(task: Step, text: str = "") -> None:
    """Makes a finished step that holds one small file."""
    with step(task.folder, task.key, task.needs) as directory:
        (directory / "kept").write_text(text)


def scored(task: Score, verdicts: str = "1010") -> None:
    """Makes the finished scoring of a model that answered so."""
    with step(task.folder, task.key, task.needs) as directory:
        given: dict[str, Any] = dict.fromkeys(("paper", "strict", "answered", "cut_off"), (verdicts,))
        given |= dict.fromkeys(set(LanguageScore.model_fields) - given.keys())
        said = {code: LanguageScore.model_validate(given) for code in task.scoring.languages}
        write_verdicts(directory, task.scoring.benchmark, said)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        told = Circumstances(data="here", commit="c", machine="m", date=now, versions={"vllm": "1"})
        (directory / SCORED_FILE).write_text(told.model_dump_json())


def copies(names: Iterable[str], folder: Path) -> None:
    """Makes models that differ in what their configs say, so in their hashes."""
    for name in names:
        shutil.copytree(MODEL, folder / name)
        with (folder / name / "config.json").open("a") as config:
            config.write("\n" * (1 + len(os.fspath(folder / name).encode()) + sum(name.encode())))


def test_a_trial_leaves_the_full_scores_and_going_back_finds_them(tmp_path: Path) -> None:
    full, trial = planned(tmp_path, "  full:\n"), planned(tmp_path, "  full:\n", limit=5)
    kept, passing = full.rows[0].scores[0], trial.rows[0].scores[0]
    stand(kept, "all")
    stand(passing, "five")
    assert kept.is_done()
    assert passing.is_done()
    assert (kept.folder / "kept").read_text() == "all"


def with_versions(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    real = provenance.distribution_version
    monkeypatch.setattr(provenance, "distribution_version", lambda name: versions.get(name) or real(name))


def test_a_patch_release_trains_nothing_again_and_a_minor_one_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_versions(monkeypatch, transformers="5.19.0", torch="2.13.0+cpu")
    (before,) = planned(tmp_path, "  full:\n").trainings
    stand(before, "7B")
    with_versions(monkeypatch, transformers="5.19.4", torch="2.13.1+cu128")
    assert planned(tmp_path, "  full:\n").trainings[0].is_done()
    with_versions(monkeypatch, transformers="5.20.0")
    (newer,) = planned(tmp_path, "  full:\n").trainings
    assert not newer.is_done()
    stand(newer, "another")
    assert (before.folder / "kept").read_text() == "7B"
    assert before.is_done()


def test_two_models_whose_names_clean_to_one_are_two_rows_with_two_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    copies(("模型一", "模型二", "x/checkpoint"), Path())
    copies(("x/checkpoint",), Path(".."))
    references = ["./模型一", "./模型二", "../x/checkpoint", "./x/checkpoint"]
    plan = plan_scoring(references, ASKED, tmp_path / "runs")
    for row, verdicts in zip(plan.rows, ("1000", "1100", "1110", "1111"), strict=True):
        scored(row.scores[0], verdicts)
    (board,) = run(plan).boards
    assert sorted(row.mean.value for row in board.rows) == [0.25, 0.5, 0.75, 1]
    assert len({row.method for row in board.rows}) == 4
    records = [read_record(row.folder / "record.json") for row in plan.rows]
    assert [record.scores["pocket"]["en"].paper[0] for record in records] == ["1000", "1100", "1110", "1111"]


def test_a_name_in_any_script_stands_on_the_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("模型一", "বাংলা মডেল", "แบบจำลอง")
    copies(names, tmp_path)
    plan = plan_scoring([f"./{name}" for name in names], ASKED, tmp_path / "runs")
    assert [row.name for row in plan.rows] == ["模型一", "বাংলা-মডেল", "แบบจำลอง"]


def test_scores_that_were_made_under_another_key_are_no_record(tmp_path: Path) -> None:
    from xreason.harness.scoring.records import record_of

    (row,) = plan_scoring(["pocket"], ASKED, tmp_path).rows
    scored(row.scores[0])
    record_of(row.scores, row.folder, row.base)
    other = row.scores[0].model_copy(update={"key": "0" * 64})
    with pytest.raises(UserError, match="is not finished"):
        record_of([other], row.folder, row.base)


def prepared(plan: Plan) -> Plan:
    """Returns a plan whose bases and good methods are trained and scored; what is left to do fails."""
    for row in plan.rows:
        if row.name not in ("wild", "later"):
            if row.train:
                train(row.train)
            for task in row.scores:
                scored(task)
    return plan


def test_one_method_that_diverges_takes_no_other_s_scores_with_it(tmp_path: Path) -> None:
    methods = f"  wild: {{method: full, {WILD}}}\n  slam: {{layers: 1, {QUICK}}}\n"
    plan = prepared(planned(tmp_path, methods, languages=["en", "sw"], limit=4))
    done = run(plan)
    ((name, reason),) = done.failures
    assert name == "wild, seed 0"
    assert "diverged" in reason
    assert {row.method for row in done.boards[0].rows} == {"base", "slam"}
    page, data = ((plan.folder / f"leaderboard.{form}").read_text() for form in ("md", "json"))
    assert name in page
    assert "diverged" in page
    assert json.loads(data)["boards"][0]["failures"] == [{"row": name, "reason": reason}]


def test_what_a_method_lacks_is_known_when_the_plan_is_made_and_the_others_go_on(tmp_path: Path) -> None:
    methods = (
        f"  far: {{method: full, base: '{tmp_path / 'nowhere'}'}}\n  deep: {{method: slam, layers: 99}}\n"
        f"  textless: {{method: full, corpora: [no-such-text]}}\n  slam: {{layers: 1, {QUICK}}}\n"
    )
    (tmp_path / "nowhere").mkdir()
    plan = prepared(planned(tmp_path, methods))
    done = run(plan)
    assert [name for name, _ in done.failures] == ["far", "deep", "textless"]
    for (_, reason), says in zip(done.failures, ("nowhere holds no config.json", "no layers", "no-such-text"), strict=True):
        assert says in reason
    assert {row.method for row in done.boards[0].rows} == {"base", "slam"}


def test_a_corpus_that_one_method_lacks_leaves_the_others(tmp_path: Path) -> None:
    data = tmp_path / "data" / "question_translation" / "de-en"
    data.mkdir(parents=True)
    for code in ("de", "en"):
        (data / f"train.{code}").write_text("Was ist 1 plus 1?\n" * 30)
    methods = f"  aligned: {{method: slam, layers: 1, corpora: [question-translation], {QUICK}}}\n  full: {{{QUICK}}}\n"
    said = {"source": "papers", "data": str(tmp_path / "data"), "train_languages": ["de"]}
    plan = planned(tmp_path, methods, **said)
    assert [name for name, _ in plan.failures] == ["full"]
    assert [row.name for row in plan.rows] == ["base", "aligned"]


def test_where_every_row_fails_the_first_reason_is_the_error(tmp_path: Path) -> None:
    plan = planned(tmp_path, f"  wild: {{method: full, {WILD}}}\n")
    alone = plan.model_copy(update={"rows": tuple(row for row in plan.rows if row.train)})
    with pytest.raises(UserError, match="diverged"):
        run(alone)


def test_a_record_stands_as_soon_as_its_model_is_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xreason.harness.serving.engines import Engines

    def interrupted(self: Engines, model: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Engines, "engine_for", interrupted)
    copies(("later",), tmp_path)
    plan = plan_scoring(["pocket", str(tmp_path / "later")], ASKED, tmp_path / "runs")
    first, second = plan.rows
    scored(first.scores[0])
    with pytest.raises(KeyboardInterrupt):
        run(plan)
    assert read_record(first.folder / "record.json").scores["pocket"]["en"].paper == ("1010",)
    assert not (second.folder / "record.json").exists()


def test_the_name_without_a_key_leads_to_the_checkpoint_that_was_last_asked_for(tmp_path: Path) -> None:
    (long,) = planned(tmp_path, f"  full: {{{QUICK}}}\n").trainings
    (short,) = planned(tmp_path, f"  full: {{{QUICK.replace('2', '1', 1)}}}\n").trainings
    link = long.folder.parent / "checkpoint"
    for asked in (long, short, long):
        train(asked)
        assert link.resolve() == asked.folder.resolve()
        assert (link / "training.json").is_file()
    assert short.folder.is_dir()


def test_a_checkpoint_of_the_layout_before_keys_in_names_is_kept(tmp_path: Path) -> None:
    (task,) = planned(tmp_path, f"  full: {{{QUICK}}}\n").trainings
    old = task.folder.parent / "checkpoint"
    old.mkdir(parents=True)
    (old / "model.safetensors").write_text("7B")
    (old / "step.json").write_text(json.dumps({"key": "ab" * 32, "made": "1", "needs": []}))
    train(task)
    assert [path.read_text() for path in old.parent.glob("*/model.safetensors") if path.stat().st_size == 2] == ["7B"]
