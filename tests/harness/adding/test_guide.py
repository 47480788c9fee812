"""docs/a-suite-of-your-own.md, followed to the letter in a fresh folder; its proofs, which start an engine, are left out."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.conftest import environment
from tests.places import ROOT

REAL = os.environ.get("XREASON_DATA")
GUIDE = (ROOT / "docs" / "a-suite-of-your-own.md").read_text(encoding="utf-8")
SHIM = """\
#!/bin/sh
case "$2" in add) set -- "$@" --no-proof ;; esac
exec {python} -m xreason.harness.cli "$@"
"""


@pytest.mark.skipif(REAL is None, reason="XREASON_DATA names no folder with the real sets")
def test_every_command_of_the_guide_does_what_it_says(tmp_path: Path) -> None:
    # what it fetches from others is at hand
    (work := tmp_path / "work").mkdir()
    (work / "MMATH").mkdir()
    (work / "MMATH" / "mmath").symlink_to(Path(str(REAL)) / "mmath")
    (work / "X-CSQA").symlink_to(Path(str(REAL)) / "xcsqa")
    (commands := tmp_path / "bin").mkdir()
    for name, text in (("xreason", SHIM.format(python=sys.executable)), ("git", "#!/bin/sh\n")):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    settings = environment({"PATH": f"{commands}:{os.environ['PATH']}", "XREASON_TASKS": ""})
    settings.pop("XREASON_DATA", None)
    blocks = re.findall(r"```bash\n(.*?)```", GUIDE, flags=re.DOTALL)
    said = []
    for block in blocks:
        done = subprocess.run(
            ["bash", "-euc", block], cwd=work, env=settings, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, (block, done.stdout[-2000:], done.stderr)
        said.append(done.stdout)
    quiz, capitals, published, olympiads, levels, board, arabic, last = said
    assert "read as       number: question in question, answer in answer, id in id" in quiz
    # the mean over sources by hand: of AIME2024 16 of 30 are right, of AIME2025 none, of CNMO 1 of 18, of MATH500 77 of 311
    assert {"33.3", "50.0", "20.9"} <= {*re.findall(r"\d+\.\d", board)}
    assert "choice: question in question, answer in answer (an option's text), options in options, id in id" in capitals
    assert "(a letter), options in question.choices" in published
    assert "expression: question in question" in olympiads
    assert "level in data_source" in levels
    assert "line 1594: the question is that of line 642, under another answer" in arabic
    assert "Quiz has German (de, Deutsch): 3 questions" in last
    assert "Quiz is out" in last
