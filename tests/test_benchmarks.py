"""The page that is made of what benchmarks print."""

import json
import subprocess
import sys
from pathlib import Path

from tests.places import ROOT


def page_of(folder: Path, results: dict[str, object]) -> list[str]:
    for name, said in results.items():
        (folder / f"{name}.json").write_text(json.dumps(said))
    command = [sys.executable, "-m", "benchmarks.page", str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def test_what_misses_its_bound_says_so_and_what_was_not_run_too(tmp_path: Path) -> None:
    page = page_of(tmp_path, {"endpoint": {"server_over_in_process": 0.5, "same_answers": 1.0}})
    bounds = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[-1] for line in page if " | at " in line}
    assert bounds["a server: tokens/s over those of the engine in this process"] == "0.5 (missed) |"
    assert bounds["share of its answers that are the same"] == "1 |"
    assert bounds["bytes that it writes"] == "not run |"


def test_lists_are_tables_and_ways_are_words(tmp_path: Path) -> None:
    page = page_of(tmp_path, {"memory": {"worst": 1.1, "of": {"all": [1, 2.5]}, "lines": [{"a_b": 1000, "c": "<|"}]}})
    found = page[page.index("## memory") :]
    assert "| worst | 1.1 |" in found
    assert "| of, all | 1, 2.5 |" in found
    assert found[-3:] == ["| a b | c |", "| --- | --- |", "| 1,000 | &lt;\\| |"]
