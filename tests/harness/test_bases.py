"""Methods with a base of their own: which models are scored as they are, and where."""

import shutil
from pathlib import Path

import pytest

from xreason.harness.compare import base_folders, bases_of
from xreason.harness.experiment import Experiment, read_experiment
from xreason.tasks.errors import UserError
from xreason.trainers.pocket import MODEL


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Returns a model that differs from the pocket model in what its config says, so in its hash."""
    folder = tmp_path / "other"
    shutil.copytree(MODEL, folder)
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    return folder


def experiment(tmp_path: Path, methods: str) -> Experiment:
    path = tmp_path / "bases.yaml"
    path.write_text(f"name: bases\nbase: pocket\nsuites: [pocket]\nsource: pocket\nmethods:\n{methods}")
    return read_experiment(path, {})


def test_each_base_is_scored_once_and_the_experiment_s_own_keeps_its_folder(tmp_path: Path, other: Path) -> None:
    asked = experiment(tmp_path, f"  slam: {{base: '{other}'}}\n  two-stage: {{base: '{MODEL}'}}\n  full: {{base: '{other}'}}\n")
    bases = bases_of(asked)
    assert [asked.base_of(row) for row in asked.methods] == [str(other), str(MODEL), str(other)]
    folders = base_folders(bases, asked)
    assert [base.name for base in folders.values()] == ["pocket", str(other)]
    first, second = folders
    assert first == "base"
    assert second.startswith("base-")
    assert second.endswith("other")


def test_without_a_base_of_its_own_a_method_starts_from_the_experiment_s(tmp_path: Path) -> None:
    asked = experiment(tmp_path, "  slam: {layers: 1}\n  full:\n")
    assert [base.name for base in base_folders(bases_of(asked), asked).values()] == ["pocket"]


def test_a_row_with_the_name_of_a_base_s_folder_is_refused(tmp_path: Path, other: Path) -> None:
    plain = experiment(tmp_path, f"  full: {{base: '{other}'}}\n")
    _, taken = base_folders(bases_of(plain), plain)
    asked = experiment(tmp_path, f"  {taken}: {{method: full, base: '{other}'}}\n")
    with pytest.raises(UserError, match="folder of the base"):
        base_folders(bases_of(asked), asked)


def test_a_base_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 6: base=7 of method 'full'"):
        experiment(tmp_path, "  full: {base: 7}\n")
