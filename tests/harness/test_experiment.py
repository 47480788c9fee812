"""Experiment files: what they say, what flags change, and what is said of a wrong line."""

from pathlib import Path

import pytest

from xreason.harness.experiment import EXPERIMENTS_FOLDER, experiment_file, experiment_of_flags, read_experiment
from xreason.tasks.errors import UserError
from xreason.tasks.languages import PAPER_LANGUAGES
from xreason.trainers.stages import FeedForward

GOOD = """\
name: mine
base: some/model
suites: [mgsm]
languages: [en, sw, te]
seeds: [0, 1]
methods:
  slam: {layers: 2, learning_rate: 1e-4}
  slam-wide:
    method: slam
    layers: 4
  full:
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    return path


def test_a_file_says_it_all(tmp_path: Path) -> None:
    experiment = read_experiment(written(tmp_path, GOOD), {})
    assert (experiment.name, experiment.base, experiment.seeds) == ("mine", "some/model", (0, 1))
    assert list(experiment.methods) == ["slam", "slam-wide", "full"]
    assert experiment.method("slam").stages[0].tune == FeedForward(2)
    assert experiment.method("slam").stages[0].learning_rate == 1e-4
    assert experiment.method("slam-wide").stages[0].tune == FeedForward(4)
    assert experiment.languages_trained() == ("en", "sw")


def test_flags_override_the_file_and_chosen_methods_keep_its_settings(tmp_path: Path) -> None:
    experiment = read_experiment(written(tmp_path, GOOD), {"seeds": ("7",), "limit": 5}, ("slam", "two-stage"))
    assert (experiment.seeds, experiment.limit) == ((7,), 5)
    assert list(experiment.methods) == ["slam", "two-stage"]
    assert experiment.method("slam").stages[0].tune == FeedForward(2)


def test_flags_alone_mean_the_papers_experiment() -> None:
    experiment = experiment_of_flags({"name": "x", "base": "some/model"})
    assert list(experiment.methods) == ["slam", "two-stage", "full"]
    assert experiment.suites == ("mgsm", "msvamp")
    assert set(experiment.languages_trained()) == set(PAPER_LANGUAGES)


def test_every_experiment_in_the_box_is_valid() -> None:
    files = list(EXPERIMENTS_FOLDER.glob("*.yaml"))
    assert {"pocket"} <= {path.stem for path in files}
    for path in files:
        read_experiment(path, {})


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("suites:", "suits:", 3, "There is no key 'suits'; did you mean 'suites'"),
        ("seeds: [0, 1]", "seeds: [0, x]", 5, "seeds.1: input should be a valid integer"),
        ("[mgsm]", "[mgms]", 3, "did you mean 'mgsm'"),
        ("en, sw", "en, swx", 4, "There is no language 'swx'"),
        ("  full:", "  ful:", 11, "did you mean 'full'"),
        ("    layers: 4", "    layres: 4", 10, "did you mean 'layers'"),
        ("    layers: 4", "    learning_rate: fast", 10, "learning_rate='fast' is not possible in stage 'language alignment'"),
        ("method: slam", "method: slm", 9, "did you mean 'slam'"),
        ("base: some/model", "base: 3", 2, "base: input should be a valid string"),
        ("name: mine", "name: ../mine", 1, "name: string should match pattern"),
        ("  full:", "  base:", 11, "cannot be called 'base'"),
        ("seeds: [0, 1]", "limit: 0", 5, "greater than 0"),
    ],
)
def test_a_wrong_key_type_or_value_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(UserError) as caught:
        read_experiment(path, {})
    assert str(caught.value).startswith(f"{path}, line {line}: ")
    assert says in str(caught.value)


def test_a_wrong_flag_is_named_as_a_flag(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--seeds: "):
        read_experiment(written(tmp_path, GOOD), {"seeds": ("x",)})


def test_what_is_no_yaml_mapping_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 2: not YAML"):
        read_experiment(written(tmp_path, "name: x\n\tbase: y\n"), {})
    with pytest.raises(UserError, match="no mapping"):
        read_experiment(written(tmp_path, "- a\n"), {})


def test_yaml_cannot_run_code(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not YAML"):
        read_experiment(written(tmp_path, "name: !!python/object/apply:os.system ['true']\n"), {})


def test_an_experiment_that_is_not_there_lists_those_in_the_box() -> None:
    with pytest.raises(UserError, match="pocket"):
        experiment_file("nowhere.yaml")
    with pytest.raises(UserError, match="There is no experiment file"):
        experiment_file("../experiments/pocket")
