"""What `pip install xreason` installs: one package, all of it, beside others of whatever name, and nobody writes into it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.places import ROOT

FOLDERS = ("harness", "tasks", "trainers", "leaderboards")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
OFFLINE = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
QUESTIONS = """\
question\tanswer
Marco ha 12 mele e ne mangia 5. Quante mele gli restano?\t7
Anna legge 15 pagine al giorno. Quante pagine legge in una settimana?\t105
"""
#: What PyPI has under names of ours: whoever imports it instead of ours ends here.
OTHERS = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "2.0"

[tool.setuptools]
packages = ["{name}"]
"""


def python(*arguments: str | Path, cwd: Path, **environment: str) -> str:
    command = [sys.executable, *map(str, arguments)]
    kept = {name: value for name, value in os.environ.items() if name not in ("XREASON_DATA", "XREASON_TASKS", "PYTHONPATH")}
    done = subprocess.run(command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a copy of the checkout, links and all, so that no build is left in the tree and none from it is taken."""
    folder = tmp_path_factory.mktemp("source") / "xreason"
    passed_over = shutil.ignore_patterns("__pycache__")
    for name in (*FOLDERS, "xreason"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=passed_over)
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "CHANGELOG.md", "CITATION.cff"):
        shutil.copy2(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    return built(source)


def built(source: Path) -> Path:
    python("-m", "pip", "wheel", *OFFLINE, "--wheel-dir", source.parent / "wheel", source, cwd=source.parent)
    (wheel,) = (source.parent / "wheel").glob("*.whl")
    return wheel


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_xreason_all_of_it_and_nothing_else(wheel: Path, source: Path) -> None:
    files = {path for folder in FOLDERS for path in (source / folder).rglob("*") if path.is_file() and path.name != "README.md"}
    ours = {f"xreason/{path.relative_to(source)}" for path in files} | {"xreason/__init__.py", "xreason/py.typed"}
    about = {name for name in names(wheel) if name.startswith(f"xreason-{VERSION}.dist-info/")}
    assert names(wheel) - about == ours
    assert wheel.stat().st_size < 14_000_000  # five models of 1.2 million parameters are most of it


def test_a_wheel_from_the_sdist_is_the_same_and_the_sdist_holds_no_file_twice(wheel: Path, source: Path, tmp_path: Path) -> None:
    python("-c", "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])", tmp_path, cwd=source)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getnames()
        archive.extractall(tmp_path, filter="data")
    assert not any(name.split("/")[1] in (*FOLDERS, "tests") for name in members if "/" in name)
    assert names(built(tmp_path / f"xreason-{VERSION}")) == names(wheel)


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with the wheel installed, and beside it distributions called harness and tasks, as PyPI has them."""
    folder = tmp_path_factory.mktemp("installed")
    others = []
    for name in ("harness", "tasks"):
        package = folder / "others" / name
        (package / name).mkdir(parents=True)
        (package / "pyproject.toml").write_text(OTHERS.format(name=name))
        (package / name / "__init__.py").write_text(f'raise ImportError("this is another {name}")\n')
        others.append(package)
    python("-m", "pip", "install", *OFFLINE, "--target", folder / "site", wheel, *others, cwd=folder)
    return folder / "site"


def xreason(site: Path, folder: Path, *arguments: str | Path) -> str:
    environment = {"PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return python("-m", "xreason.harness.cli", *arguments, cwd=folder, **environment)


def checksums(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_is_the_installed_package_that_these_tests_run(site: Path, tmp_path: Path) -> None:
    program = "import xreason.harness.cli.app as app, xreason.tasks.suites as suites; print(app.__file__); print(suites.__file__)"
    found = python("-P", "-c", program, cwd=tmp_path, PYTHONPATH=str(site)).split()
    assert [Path(each).is_relative_to(site / "xreason") for each in found] == [True, True]


def test_it_says_its_version(site: Path, tmp_path: Path) -> None:
    assert VERSION in xreason(site, tmp_path, "--version")


def test_a_language_is_added_beside_packages_of_our_old_names_and_nothing_installed_changes(site: Path, tmp_path: Path) -> None:
    # a person's own folders of these names lie first on the path of `python -m`
    for name in FOLDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('raise ImportError("this is a folder of somebody else")\n')
    mine = checksums(tmp_path)
    (tmp_path / "questions.tsv").write_text(QUESTIONS)
    before = checksums(site)
    assert {suite["suite"] for suite in json.loads(xreason(site, tmp_path, "tasks", "--json"))} >= {"mgsm", "msvamp", "pocket"}
    xreason(site, tmp_path, "language", "add", "it", "--suite", "mgsm", "--file", "questions.tsv", "--no-proof")
    assert any((tmp_path / "xreason_tasks").rglob("*it.jsonl"))
    assert checksums(site) == before
    xreason(site, tmp_path, "language", "remove", "it", "--suite", "mgsm")
    assert not any((tmp_path / "xreason_tasks").rglob("*it*"))
    assert checksums(site) == before
    assert {path: checksum for path, checksum in checksums(tmp_path).items() if path in mine} == mine
