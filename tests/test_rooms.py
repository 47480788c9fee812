"""The rooms of the house: who imports whom, and how large each may grow."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.places import ROOT

FOLDERS = ("harness", "tasks", "trainers", "leaderboards")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
FACES = ("__init__.py", "__main__.py")


def lines(paths: list[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def linted(folder: Path) -> subprocess.CompletedProcess[str]:
    """Returns what import-linter says of the checkout in `folder`, by the contracts in its pyproject.toml."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--no-logo", "--no-cache"]
    # wide enough for a contract a line
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def planted(tmp_path: Path, module: str, line: str) -> Path:
    """Returns a copy of the rooms, links and all, with one more line in one module."""
    for name in ("xreason", *FOLDERS):
        (tmp_path / name).mkdir()
    for path in (*MODULES, ROOT / "xreason" / "__init__.py"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    for name in FOLDERS:
        (tmp_path / "xreason" / name).symlink_to(Path("..") / name)
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    with (tmp_path / module).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    return tmp_path


def test_imports_go_down_only_and_in_no_circle() -> None:
    done = linted(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("trainers/stages.py", "from xreason.harness import experiment", "The harness runs what the others make"),
        ("leaderboards/records.py", "import xreason.tasks.suites", "Boards are made of records alone"),
        ("tasks/names.py", "def f(): from xreason.tasks import suites", "No circle"),
        ("trainers/full.py", "import xreason.trainers.corpora.load", "A method needs only stages"),
        ("harness/store/steps.py", "import xreason.harness.scoring.score", "Harness: commands, then what is added"),
    ],
)
def test_an_import_that_goes_up_is_found_through_the_links(tmp_path: Path, module: str, line: str, broken: str) -> None:
    done = linted(planted(tmp_path, module, line))
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(each.startswith(broken) and "BROKEN" in each for each in done.stdout.splitlines()), done.stdout


def test_no_two_files_of_tests_share_a_name() -> None:
    # pytest imports them by it alone
    assert {
        name: count for name, count in Counter(path.name for path in (ROOT / "tests").rglob("test_*.py")).items() if count > 1
    } == {}


def test_no_room_has_more_than_nine_modules() -> None:
    rooms = Counter(str(path.parent.relative_to(ROOT)) for path in MODULES if path.name not in FACES)
    assert {room: count for room, count in rooms.items() if count > 9} == {}


def test_no_module_is_longer_than_420_lines() -> None:
    assert {str(path.relative_to(ROOT)): lines([path]) for path in MODULES if lines([path]) > 420} == {}


def test_every_room_says_what_enters_what_leaves_and_who_may_call_it() -> None:
    said = {path: path.read_text(encoding="utf-8") for path in MODULES if path.name == "__init__.py"}
    assert {path.parent for path in MODULES} == {path.parent for path in said}
    silent = [str(path.relative_to(ROOT)) for path, text in said.items() if not text.startswith('"""')]
    assert silent == []


def test_all_that_is_not_a_test_stays_within_34300_lines() -> None:
    others = [*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "xreason").glob("*.py")]
    assert lines([*MODULES, *others]) <= 34_300


def test_the_loop_from_a_stage_to_trained_weights_stays_within_1210_lines() -> None:
    # 700, and then: step checkpoints that are written beside the training (60), a step that ran out of memory done again and
    # layouts measured (60), attention over sequences of many lengths (30), held-out loss (120), rows that are streamed (30),
    # preferences (210)
    assert lines(sorted((ROOT / "trainers" / "loop").rglob("*.py"))) <= 1210
