"""README, CONTRIBUTING and docs/: what they link to is there, and the commands that they name are ours."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT
from xreason.tasks.rewards.named import GROUP as REWARDS
from xreason.trainers.corpora.own.packages import GROUP as CORPORA
from xreason.trainers.methods import GROUP

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "tasks" / "README.md"])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_that_is_imported_or_run_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = re.findall(r"\bpython -m ((?:xreason|benchmarks)[\w.]*)", text) + re.findall(r"\b(xreason(?:\.\w+)+)", text)
    for name in set(named) - {GROUP, CORPORA, REWARDS}:
        path = ROOT / name.replace(".", "/")
        # the last part may be a class or a function
        candidates = (path, path.with_suffix(".py"), path.parent.with_suffix(".py"))
        assert any(each.exists() for each in candidates), name


def test_every_command_that_is_named_is_one() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "xreason.harness.cli", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    commands = set(re.findall(r"^  ([a-z]+)\b", shown.stdout, flags=re.MULTILINE))
    named = {
        name for path in DOCUMENTS for name in re.findall(r"(?:^ {4}|`)xreason ([a-z]+)", path.read_text(), flags=re.MULTILINE)
    }
    assert named
    assert named - commands == set()
