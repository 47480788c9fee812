"""What a dry run says is what a real run comes to; it needs no weights, asks no network, and writes nothing but counts."""

import json
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.harness.conftest import Run, environment
from tests.places import CONFIGS
from xreason.harness import outlook as looking
from xreason.harness.experiment import read_experiment
from xreason.harness.outlook import outlook
from xreason.harness.plan import Plan, plan_comparison, plan_scoring, plan_training_alone
from xreason.harness.run import run
from xreason.harness.scoring.questions import scorings
from xreason.harness.serving.models import outlined_model
from xreason.harness.showing.outlook import outlook_tables
from xreason.harness.training import lengths
from xreason.harness.training.costs import Outlook
from xreason.harness.training.train import read_training
from xreason.tasks.errors import UserError
from xreason.trainers.corpora.load import load_corpus
from xreason.trainers.corpora.tokens import tokenize
from xreason.trainers.pocket import MODEL

EXPERIMENT = """\
name: quick
base: pocket
suites: [pocket]
languages: [en, sw, zh]
source: pocket
limit: 6
methods:
  slam: {layers: 2, rows: 8, epochs: 1.5, batch_size: 8, learning_rate: 1e-3}
  two-stage: {batch_size: 8, learning_rate: 1e-3, stages: [{rows: 10, max_steps: 2}, {rows: 16, epochs: 1, max_length: 60}]}
  lora: {rows: 6, max_steps: 1, batch_size: 8, learning_rate: 1e-3, rank: 4}
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "quick.yaml"
    path.write_text(EXPERIMENT)
    return path


def planned(path: Path, out: Path, **changed: Any) -> Plan:
    return plan_comparison(read_experiment(path, changed), out, outline=True)


def seen(path: Path, out: Path, **changed: Any) -> Outlook:
    return outlook(planned(path, out, **changed), out, tflops=1.0)


def config_only(folder: Path, **changed: Any) -> Path:
    folder.mkdir(parents=True)
    config = json.loads((CONFIGS / "llama-2-7b" / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changed}))
    return folder


def as_cached(cache: Path, name: str, **changed: Any) -> None:
    """Puts a config where `hf download NAME config.json` does."""
    repository = cache / f"models--{name.replace('/', '--')}"
    config_only(repository / "snapshots" / "0123abcd", **changed)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abcd")


def test_rows_tokens_steps_and_bytes_are_those_of_the_run(experiment: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    before = seen(experiment, runs)
    assert (before.steps, before.steps_done) == (7, 0)
    plan = plan_comparison(read_experiment(experiment, {}), runs)
    run(plan.model_copy(update={"rows": ()}))
    for told, task in zip(before.trainings, plan.trainings, strict=True):
        made = read_training(task.report)
        assert [(each.rows, each.tokens, each.steps, each.tuned_parameters) for each in told.stages] == [
            (each.rows, each.tokens, each.steps, each.tuned_parameters) for each in made.stages
        ]
        assert told.tuned_parameters == made.tuned_parameters
        assert {how for each in told.stages for how in each.known_by} == {"counted"}
        assert told.checkpoint == json.loads((task.folder / "checkpoint.json").read_text())["kind"]
        written = sum(path.stat().st_size for path in task.folder.iterdir())
        assert told.checkpoint_bytes == pytest.approx(written, rel=0.05)

    after = seen(experiment, runs)
    assert [each.done for each in after.trainings] == [True, True, True]
    assert after.steps_done == 3
    assert after.checkpoint_bytes == 0
    (stage,) = after.trainings[0].stages
    (cost,) = read_training(plan.trainings[0].report).stages
    assert stage.device_seconds == pytest.approx(stage.tokens / cost.tokens_per_second)
    assert stage.seconds_from == "1 earlier runs here"
    # another seed is another training, which takes as long
    other = seen(experiment, runs, seeds=[1])
    assert [each.done for each in other.trainings] == [False, False, False]
    assert other.trainings[0].stages[0].seconds_from == "1 earlier runs here"


def test_of_every_seed_and_stage_those_tokens_are_counted_that_the_loop_makes(experiment: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    assert isinstance(lengths.tokenizer_of(outlined_model("pocket")), lengths._Fast)
    for task in planned(experiment, tmp_path, seeds=[0, 3]).trainings:
        for number, stage in enumerate(task.method.stages):
            told = {"source": "pocket", "rows": stage.rows, "seed": task.seed, "frame": stage.frame}
            corpora = [load_corpus(name, task.languages, **told) for name in stage.corpora]  # type: ignore[arg-type]
            examples = [example for corpus in corpora for example in corpus.examples]
            rows, _ = tokenize(examples, tokenizer, stage.max_length, stage.truncation, stage.loss_on)
            for _ in range(2):
                found = lengths.stage_lengths(task, number, tmp_path, words=1024)
                assert found.each is not None
                assert found.each.tolist() == [len(row.ids) for row in rows]


def test_it_writes_counts_alone_and_counts_once(experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    first = seen(experiment, runs)
    assert {path.parent.name for path in runs.rglob("*") if path.is_file()} == {lengths.FOLDER}
    held = sorted(runs.rglob("*"))
    monkeypatch.setattr(lengths, "tokenize", None)
    assert seen(experiment, runs).trainings == first.trainings
    assert sorted(runs.rglob("*")) == held


def test_a_long_corpus_is_sampled_unless_all_is_asked_for(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lengths, "_AT_MOST", 6000)
    plan = planned(experiment, tmp_path)
    (sampled,), (exact,) = (
        outlook(plan, tmp_path / name, tflops=1.0, exact=name == "exact").trainings[0].stages for name in ("sampled", "exact")
    )
    assert (sampled.known_by, exact.known_by) == (("sampled",), ("counted",))
    assert sampled.rows == exact.rows
    assert sampled.tokens == pytest.approx(exact.tokens, rel=0.1)
    assert sampled.tokens != exact.tokens


def test_weights_are_not_opened_and_without_their_hash_nothing_counts_as_done(experiment: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(MODEL, base)
    (base / "model.safetensors").write_bytes(b"no weights at all")
    told = seen(experiment, tmp_path / "runs", base=str(base))
    assert told.steps_done == 0
    assert told.trainings[0].stages == seen(experiment, tmp_path / "runs").trainings[0].stages
    (note,) = told.notes
    assert "its weights were not read on this machine yet, so that nothing of it counts as done" in note


def test_of_configs_alone_tokens_are_estimated_and_engines_told_apart(experiment: Path, tmp_path: Path) -> None:
    base, other = config_only(tmp_path / "base"), config_only(tmp_path / "other", vocab_size=32001)
    methods = {"slam": {"layers": 6, "rows": 24}, "full": {"base": str(other), "rows": 24}, "lora": {"rows": 24}}
    told = seen(experiment, tmp_path, base=str(base), methods=methods)
    slam, full, _ = told.trainings
    assert (slam.tuned_parameters, slam.stages[0].total_parameters) == (541_065_216, 6_738_415_616)
    assert full.stages[0].total_parameters == 6_738_415_616 + 2 * 4096
    assert slam.stages[0].known_by == ("estimated",)
    assert slam.stages[0].rows == 2 * 2 * 24
    # 2 bytes a number; 12 for each of two step checkpoints
    assert (slam.checkpoint, full.checkpoint) == ("delta", "full")
    assert slam.checkpoint_bytes == pytest.approx(2 * 541_065_216, rel=0.01)
    assert full.step_checkpoint_bytes in (0, 12 * full.tuned_parameters)
    assert [(each.row, each.then) for each in told.engines] == [
        ("base", ("slam, seed 0", "lora, seed 0")),
        (
            "base-" + [row.name for row in planned(experiment, tmp_path, base=str(base), methods=methods).rows][3][5:],
            ("full, seed 0",),
        ),
    ]
    assert told.engines[1].why.startswith("another shape, or other templates, than ")
    fresh = seen(experiment, tmp_path, base=str(base), methods=methods, fresh_engines=True)
    assert len(fresh.engines) == 5


def test_estimates_by_characters_are_near_what_a_tokenizer_counts() -> None:
    from xreason.trainers.corpora.published import estimated_tokens, vocabulary

    # as Mistral-7B's tokenizer of 32,000 cuts them (mistral-common's tokenizer.model.v1)
    texts = {
        "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning.": 23,
        "Ein Zug fährt 80 km pro Stunde. Wie viele Kilometer fährt er in 3 Stunden?": 26,
    }
    for text, tokens in texts.items():
        assert estimated_tokens(text, vocabulary(32000)) == pytest.approx(tokens, rel=0.35)
        assert estimated_tokens(text, vocabulary(151936)) < estimated_tokens(text, vocabulary(32000))


def test_two_stage_s_recipe_over_slam_s_is_the_product_of_its_factors(experiment: Path, tmp_path: Path) -> None:
    told = seen(experiment, tmp_path)
    slam, two_stage = told.trainings[:2]
    (ratio,) = told.ratios
    assert ratio.tokens == pytest.approx(two_stage.tokens / slam.tokens)
    assert ratio.flops == pytest.approx(two_stage.flops / slam.flops)
    assert ratio.device_seconds == pytest.approx(two_stage.device_seconds / slam.device_seconds)
    assert ratio.rows == pytest.approx(sum(each.rows for each in two_stage.stages) / slam.stages[0].rows)
    assert ratio.flops_a_token > 1


def test_layers_that_are_still_to_be_found_are_the_published_number_and_that_is_said(experiment: Path, tmp_path: Path) -> None:
    told = seen(experiment, tmp_path, methods={"slam": {"rows": 8}})
    (training,) = told.trainings
    assert [each.done for each in told.layers] == [False]
    assert "assumed: auto finds them in the weights" in training.stages[0].tuned


def test_the_rate_that_is_said_is_the_one_that_is_reckoned_with(experiment: Path, tmp_path: Path) -> None:
    plan = planned(experiment, tmp_path)
    for tflops in (1.0, 2.0):
        told = outlook(plan, tmp_path, tflops=tflops)
        stage = told.trainings[0].stages[0]
        assert stage.device_seconds == pytest.approx(stage.flops / (tflops * 1e12))
        assert stage.seconds_from == f"--tflops {tflops:g}"
    measured = outlook(plan, tmp_path)
    assert measured.flops_per_second > 1e8
    assert measured.rate_from.startswith("50% of ")
    assert "matrix product" in measured.rate_from


def test_what_does_not_fit_the_disk_is_said(experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(looking.shutil, "disk_usage", lambda path: usage)
    assert "more than the disk has" in printed(seen(experiment, tmp_path))


def printed(told: Outlook) -> str:
    out = StringIO()
    Console(file=out, width=160).print(outlook_tables(told))
    return out.getvalue()


def test_a_missing_base_takes_no_other_row_with_it_and_none_at_all_is_an_error(experiment: Path, tmp_path: Path) -> None:
    told = seen(experiment, tmp_path, methods={"slam": {"rows": 8, "layers": 1}, "full": {"base": "./nowhere", "rows": 8}})
    assert [each.row for each in told.trainings] == ["slam"]
    assert told.failures[0][0] == "full"
    assert "full is left out: There is no model folder ./nowhere" in printed(told).replace("\n", " ")
    with pytest.raises(
        UserError, match="a plan needs its config alone: give a folder with one, or run `hf download org/none config"
    ):
        planned(experiment, tmp_path, base="org/none")
    without = config_only(tmp_path / "base", dtype=None)
    with pytest.raises(UserError, match="says no dtype, and there are no weights to tell"):
        planned(experiment, tmp_path, base=str(without))


PAPERS = """
import json, os, sys, time
from xreason.harness.cli.app import main
sys.argv = ["xreason", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
heavy = {{"torch", "transformers", "datasets", "vllm", "lm_eval"}} & set(sys.modules)
assert not heavy, heavy
"""


def test_papers_7b_from_cached_configs_alone_counts_to_the_parameter_and_says_what_is_missing(tmp_path: Path) -> None:
    cache, data = tmp_path / "hub", tmp_path / "data"
    as_cached(cache, "meta-math/MetaMath-7B-V1.0")
    as_cached(cache, "meta-llama/Llama-2-7b-hf")
    (data / "question_translation" / "sw-en").mkdir(parents=True)
    for code, line in (("sw", "Nina tufaha 3.\n"), ("en", "I have 3 apples.\n")):
        (data / "question_translation" / "sw-en" / f"train.{code}").write_text(line * 5)
    arguments = ["compare", "papers-7b", "--dry-run", "--json", "--tflops", "400", "--out", str(tmp_path / "runs")]
    arguments += ["--data", str(data)]
    variables = environment({"HF_HUB_CACHE": str(cache), "HF_DATASETS_CACHE": str(tmp_path / "made")})
    program = [sys.executable, "-c", PAPERS.format(arguments=arguments)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, env=variables, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    trainings = {each["row"]: each for each in told["trainings"]}
    assert trainings["slam"]["tuned_parameters"] == 541_065_216
    assert {each["stages"][0]["total_parameters"] for each in told["trainings"]} == {6_738_415_616}
    assert trainings["lora"]["tuned_parameters"] == 319_815_680
    (slam,) = trainings["slam"]["stages"]
    # Swahili's questions are here, 5 rows; all else as published
    assert slam["rows"] == 5 + (66_045 - 7469) + (73_660 - 7473)
    assert slam["known_by"] == ["estimated", "published"]
    assert [each["corpus"] for each in slam["missing"]] == ["question-translation", "answer-translation"]
    assert "hf download --repo-type dataset Mathoctopus/GSM8KInstruct_Parallel" in slam["missing"][0]["why"]
    question, response = trainings["two-stage"]["stages"]
    assert (question["rows"], response["rows"], response["steps"]) == (5 + 66_045 - 7469, 395_000, 9258)
    assert response["missing"][0]["reckoned_with"].startswith("395,000 rows of MetaMathQA")
    assert {(each["suite"], each["questions"]) for each in told["scores"]} == {("mgsm", 2500), ("msvamp", 10_000)}
    assert (told["steps"], told["steps_done"]) == (22, 0)
    assert not (tmp_path / "runs").exists()


def test_train_and_score_have_a_dry_run_too_and_all_fits_100_columns(tmp_path: Path, xreason: Run) -> None:
    settings: dict[str, Any] = {"languages": None, "source": None, "data": None, "seed": 0, "outline": True}
    training = plan_training_alone("slam", {"layers": 1, "rows": 8}, None, tmp_path, **settings)
    scoring = plan_scoring(["pocket"], scorings(("pocket",), ("en",), limit=2), tmp_path, outline=True)
    for plan in (training, scoring):
        assert max(map(len, printed(outlook(plan, tmp_path, tflops=1.0)).splitlines())) <= 100
    arguments = ("--model", "pocket", "--layers", "1", "--rows", "8", "--out", tmp_path, "--dry-run", "--tflops", "1")
    shown = xreason("train", "slam", *arguments)
    assert shown.returncode == 0, shown.stderr
    assert "1 steps, 0 of them done" in " ".join(shown.stdout.split())
    assert "73,728 (6.2 %)" in " ".join(shown.stdout.split())
    shown = xreason("score", "pocket", "--suites", "pocket", "--languages", "en", "--limit", "2", "--out", tmp_path, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "Engine 1: pocket (the first model, in float32)." in shown.stdout
