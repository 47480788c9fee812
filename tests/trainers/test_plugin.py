"""A method from a package of its own (tests/plugin), installed with pip: listed, counted on, and trained by its name."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.places import PLUGIN, ROOT
from xreason.trainers.stages import STAGE_SETTINGS, FeedForward, Method
from xreason.trainers.tuning.counting import skeleton
from xreason.trainers.tuning.structure import choose


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder that pip installed the package into; offline, from a copy, so that no build is left in the tree."""
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"
    source.mkdir()
    for file in ("pyproject.toml", "questions_last.py", "riddles.py"):
        (source / file).write_bytes((PLUGIN / file).read_bytes())
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, cwd=folder)
    return folder / "site"


def run(installed: Path, *arguments: str) -> str:
    path = os.pathsep.join([str(installed), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}
    environment.pop("XREASON_DATA", None)
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=installed, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_file_is_short() -> None:
    assert len((PLUGIN / "questions_last.py").read_text().splitlines()) <= 20


def test_it_is_listed_beside_those_in_the_box(installed: Path) -> None:
    code = "import json; from xreason.harness.showing.tables import methods_as_dicts; print(json.dumps(methods_as_dicts()))"
    rows: dict[str, dict[str, Any]] = {row["method"]: row for row in json.loads(run(installed, "-c", code))}
    assert list(rows)[:3] == ["slam", "two-stage", "full"]
    row = rows["questions-last"]
    assert (row["package"], row["problem"]) == ("xreason-questions 0.1.0", "")
    assert [stage["tuned"] for stage in row["stages"]] == ["all parameters", "up_proj, down_proj of layers 1"]


def test_its_corpus_is_listed_shown_and_trained_on_by_its_name(installed: Path, tmp_path: Path) -> None:
    program = ["-c", "from xreason.harness.cli.app import main; main()"]
    (listed,) = [row for row in json.loads(run(installed, *program, "corpora", "--json")) if row["corpus"] == "riddles"]
    assert (listed["where"], listed["licence"]) == ("package xreason-questions 0.1.0", "Apache-2.0")
    shown = json.loads(run(installed, *program, "corpora", "riddles", "--json"))
    assert [row["language"] for row in shown] == ["de", "sw"]
    assert "".join(token["text"] for token in shown[1]["tokens"] if token["loss"]).startswith("2 + 2 = 4")
    settings = ("--max-steps", "2", "--batch-size", "8", "--learning-rate", "1e-3")
    trained = json.loads(
        run(installed, *program, "train", "full", "--corpora", "riddles", *settings, "--out", str(tmp_path), "--json")
    )
    (stage,) = trained["stages"]
    assert (stage["corpus"], stage["rows"], stage["languages"]) == ("riddles (sums in two languages)", 64, ["de", "sw"])
    assert stage["sources"] == []


def test_it_trains_by_its_name_with_a_setting_of_its_own(installed: Path, tmp_path: Path) -> None:
    code = (
        "import json, sys; from pathlib import Path\n"
        "from xreason.harness.plan import plan_training_alone\nfrom xreason.harness.run import run\n"
        "from xreason.harness.training.train import read_training\n"
        "settings = {'layer': 2, 'max_steps': 2, 'batch_size': 8, 'rows': 16, 'learning_rate': 1e-3}\n"
        "plan = plan_training_alone('questions-last', settings, 'pocket', Path(sys.argv[1]), "
        "languages=['sw'], source='pocket', data=None, seed=0)\n"
        "run(plan)\n"
        "task = plan.trainings[0]\n"
        "print(json.dumps([read_training(task.report).model_dump(mode='json'), str(task.folder)]))"
    )
    training, folder = json.loads(run(installed, "-c", code, str(tmp_path)).splitlines()[-1])
    assert [stage["tuned"] for stage in training["stages"]] == ["all parameters", "up_proj, down_proj of layers 2"]
    assert [stage["steps"] for stage in training["stages"]] == [2, 2]
    assert training["stages"][1]["tuned_parameters"] < training["stages"][0]["tuned_parameters"] / 10
    assert json.loads((Path(folder) / "checkpoint.json").read_text())["method"] == "questions-last"


def test_the_template_of_the_guide_to_corpora_is_one_and_its_package_declares_it() -> None:
    guide = (ROOT / "docs" / "a-corpus-of-your-own.md").read_text()
    code = guide.partition("```python\n")[2].partition("```")[0]
    project = tomllib.loads(guide.partition("```toml\n")[2].partition("```")[0])
    ((name, value),) = project["project"]["entry-points"]["xreason.corpora"].items()
    module, _, function = value.partition(":")
    assert project["tool"]["setuptools"]["py-modules"] == [module]
    names: dict[str, Any] = {}
    exec(code, names)
    made = names[function]()
    assert name == "riddles"
    assert next(iter(made.rows()))["language"] in made.languages


def test_the_template_of_the_guide_is_a_method_and_its_package_declares_it() -> None:
    guide = (ROOT / "docs" / "a-method-of-your-own.md").read_text()
    code = guide.partition("```python\n")[2].partition("```")[0]
    project = tomllib.loads(guide.partition("```toml\n")[2].partition("```")[0])
    ((name, value),) = project["project"]["entry-points"]["xreason.methods"].items()
    module, _, function = value.partition(":")
    assert project["tool"]["setuptools"]["py-modules"] == [module]
    assert len(code.splitlines()) <= 20
    names: dict[str, Any] = {}
    exec(code, names)
    method = names[function](first=3)
    assert isinstance(method, Method)
    assert (method.name, method.stages[0].tune) == (name, FeedForward((3, 4)))


def test_the_guide_s_other_methods_prefer_and_tune_attention_and_its_table_has_every_setting_of_a_stage() -> None:
    guide = (ROOT / "docs" / "a-method-of-your-own.md").read_text()
    names: dict[str, Any] = {}
    for block in guide.split("```python\n")[2:]:
        exec(block.partition("```")[0], names)
    assert names["careful"]().stages[0].objective.describe() == "prefer (DPO, beta 0.1)"
    tuned = {each.name for each in choose(skeleton("pocket"), names["attention"]().stages[0].tune)}
    assert tuned == {f"model.layers.{layer}.self_attn.{name}_proj.weight" for layer in range(6) for name in "qkvo"}
    table = guide.partition("| field |")[2].partition("\n\n")[0]
    assert {setting for setting in STAGE_SETTINGS if f"`{setting}`" not in table} == {"corpora"}


def test_it_stands_on_a_board(installed: Path, tmp_path: Path) -> None:
    experiment = tmp_path / "plugin.yaml"
    experiment.write_text(
        "base: pocket\nsource: pocket\nsuites: [pocket]\nlanguages: [en, sw]\nlimit: 4\nmethods:\n"
        "  questions-last: {layer: 2, max_steps: 2, batch_size: 8, rows: 16, learning_rate: 1e-3}\n"
    )
    program = [
        "-c",
        "from xreason.harness.cli.app import main; main()",
        "compare",
        str(experiment),
        "--out",
        str(tmp_path),
        "--json",
    ]
    (board,) = json.loads(run(installed, *program))["boards"]
    assert [row["method"] for row in board["rows"]] == ["base", "questions-last"]
    assert board["rows"][1]["rank"] == 1
