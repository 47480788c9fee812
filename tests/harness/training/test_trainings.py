"""A training in the run store: what its report tells of the method, the machine, and what all stages together tuned."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.places import CONFIGS, ROOT
from tests.trainers.built import LANGUAGES, save_built_model, save_questions
from tests.trainers.families import tiny_model
from xreason.harness.serving.models import plain_model
from xreason.harness.store.provenance import machine
from xreason.harness.training.counting import count_method
from xreason.harness.training.train import Train, plan_training, recipe_of, train
from xreason.trainers.methods import load_method, with_layers
from xreason.trainers.stages import AllParameters, FeedForward, LowRank, Method, Named, Stage, Tune
from xreason.trainers.tuning.counting import skeleton
from xreason.trainers.tuning.freezing import changed_weights, freeze_all_but, thaw, tuned_in_all

QUICK: dict[str, Any] = {"max_steps": 1, "batch_size": 4, "rows": 8, "learning_rate": 1e-3}


def task_of(folder: Path, seed: int = 0, method: Method | None = None, **settings: Any) -> Train:
    method = method or load_method("slam", {"layers": 1, **QUICK, **settings})
    place = folder / method.name / str(seed)
    return plan_training(method.name, seed, place, method, plain_model("pocket"), ("en", "de"), source="pocket", data=None)


def staged(*tunes: Tune) -> Method:
    stages = tuple(Stage(f"stage {number}", ("english-reasoning",), tune, **QUICK) for number, tune in enumerate(tunes))
    return Method("staged", stages, "nobody", "A test.")


def test_a_report_says_what_it_ran_on_and_what_was_cut_off(tmp_path: Path) -> None:
    training = train(task_of(tmp_path, max_length=40))
    assert (training.device, training.devices, training.machine) == ("cpu", 1, machine())
    assert training.device_seconds == training.seconds
    (stage,) = training.stages
    assert stage.sources == ("pocket-world",)
    # of translation, German alone is taught
    assert stage.truncated is not None
    assert 0 < stage.truncated["de"] <= 16
    assert list(stage.truncated) == ["de"]


def test_how_often_it_is_saved_changes_no_key(tmp_path: Path) -> None:
    task, place = task_of(tmp_path), tmp_path / "slam" / "0"
    planned = partial(plan_training, "slam", 0, place, task.method, task.base, ("en", "de"), source="pocket", data=None)
    never = planned(save_minutes=0)
    assert (never.key, never.save_minutes, task.save_minutes) == (task.key, 0, 15)


def test_a_recipe_is_the_same_for_every_seed_and_another_for_every_other_setting(tmp_path: Path) -> None:
    recipe = recipe_of(task_of(tmp_path))
    assert recipe == recipe_of(task_of(tmp_path, seed=1)) == recipe_of(task_of(tmp_path, micro_batch_size=2))
    found = with_layers(load_method("slam", QUICK), (0,), "found: so")
    assert recipe == recipe_of(task_of(tmp_path, method=found))
    others = [
        {"layers": 2},
        {"learning_rate": 1e-2},
        {"rows": 9},
        {"frame": "octopus"},
        {"truncation": "right"},
        {"loss_on": "all"},
    ]
    recipes = {recipe_of(task_of(tmp_path, **other)) for other in others}
    assert len(recipes | {recipe}) == len(others) + 1


def test_a_recipe_knows_its_text_whatever_rows_a_seed_draws(tmp_path: Path) -> None:
    def recipe(text: str, seed: int) -> str:
        folder = tmp_path / "question_translation" / "de-en"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "train.de").write_text("".join(f"{text} {number}\n" for number in range(20)))
        (folder / "train.en").write_text("".join(f"{number}\n" for number in range(20)))
        method = load_method("slam", {**QUICK, "layers": 1, "corpora": "question-translation"})
        place, base = tmp_path / str(seed), plain_model("pocket")
        return recipe_of(plan_training("slam", seed, place, method, base, ("de",), source="papers", data=tmp_path))

    assert recipe("eins", 0) == recipe("eins", 1) != recipe("zwei", 1)


def test_several_stages_tune_the_union_of_what_each_changes(tmp_path: Path) -> None:
    method = staged(FeedForward((0,)), LowRank(rank=2, targets=("q_proj",)), FeedForward((5,)), FeedForward((0, 5)))
    training = train(task_of(tmp_path, method=method))
    # two layers' up and down, and the six layers' q_proj that the adapters are merged into
    expected = 2 * 2 * 128 * 288 + 6 * 128 * 128
    assert training.tuned_parameters == expected
    assert training.total_parameters == training.stages[0].total_parameters
    counted = count_method(skeleton("pocket"), "pocket", method)
    assert (counted.tuned, counted.total) == (expected, training.total_parameters)
    assert counted.share == pytest.approx(training.tuned_share)


@pytest.mark.parametrize(
    "tunes",
    [
        (FeedForward((0,)), FeedForward((0, 1))),
        (FeedForward((0,)), Named(r"model\.layers\.0\.mlp\..*")),
        (LowRank(rank=2), FeedForward((3,))),
        (FeedForward((1,)), AllParameters(), LowRank(rank=2)),
    ],
    ids=["overlapping", "a part and its whole", "adapters below", "all"],
)
@pytest.mark.parametrize("family", ["llama", "phi3", "mixtral"])
def test_the_union_is_counted_to_the_number_also_where_only_a_part_of_a_tensor_learns(family: str, tunes: tuple[Tune, ...]) -> None:
    import torch

    model = tiny_model(family)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    counted = tuned_in_all(model, tunes)
    for tune in tunes:
        freeze_all_but(model, tune)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.5)
        thaw(model)
        assert changed_weights(model, tune)
    changed = sum(int((parameter != before[name]).sum()) for name, parameter in model.named_parameters())
    assert counted == changed


def test_a_single_stage_counts_what_it_trains_adapters_included() -> None:
    model = tiny_model("llama")
    assert tuned_in_all(model, [LowRank(rank=2, targets=("q_proj",))]) == 4 * 2 * (64 + 64)
    counted = count_method(skeleton(CONFIGS / "llama-2-7b"), "Llama-2-7B", load_method("slam"))
    assert counted.tuned == counted.stages[0].tuned == 541_065_216


FINDING = """
import os, sys
from pathlib import Path
from xreason.harness.plan import plan_training_alone
from xreason.harness.run import run
from xreason.harness.training import layers

counted = layers.count_active

def count_active(*arguments, **settings):
    with open(sys.argv[3], "a") as file:
        file.write(os.environ["RANK"] + "\\n")
    return counted(*arguments, **settings)

layers.count_active = count_active
settings = {"max_steps": 1, "batch_size": 2, "rows": 8, "learning_rate": 1e-3, "corpora": "question-translation"}
base, data, _, out = sys.argv[1:]
run(plan_training_alone(
    "slam", settings, base, Path(out), languages=["de", "sw"], source="papers", data=Path(data), seed=0
))
"""


def test_processes_that_torchrun_started_find_the_layers_once(tmp_path: Path) -> None:
    base, data = save_built_model(tmp_path / "base", (2, 3)), save_questions(tmp_path / "data", 60)
    (tmp_path / "finding.py").write_text(FINDING)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", tmp_path / "finding.py"]
    command += [base, data, tmp_path / "counted", tmp_path / "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    # once a language, all by the first process
    assert (tmp_path / "counted").read_text().split() == ["0"] * len(LANGUAGES)
    training = json.loads((tmp_path / "out/train/slam/0/checkpoint/training.json").read_text())
    assert training["stages"][0]["tuned"].startswith("up_proj, down_proj of layers 2-3 (found:")
    assert training["devices"] == 2


def test_each_process_has_the_gpu_of_its_own_number_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from xreason.trainers.train import choose_device

    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert choose_device(None) == ("cuda", True, "a GPU")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert choose_device(None) == ("cuda", True, "a GPU")
    assert chosen == [3]
