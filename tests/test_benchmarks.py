"""The page that is made of what benchmarks print, and the simulations whose table is in docs/statistics.md."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.error_rates import World, coverage, many, table, type_one
from tests.places import ROOT


def written_page(*folder: str) -> str:
    command = [sys.executable, "-m", "benchmarks.page", *folder]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def page_of(folder: Path, results: dict[str, object]) -> list[str]:
    for name, said in results.items():
        (folder / f"{name}.json").write_text(json.dumps(said))
    return written_page(str(folder)).splitlines()


def test_the_page_in_docs_is_what_the_results_give() -> None:
    assert written_page() == (ROOT / "docs/performance.md").read_text(encoding="utf-8")


def test_what_misses_its_bound_says_so_and_what_was_not_run_too(tmp_path: Path) -> None:
    page = page_of(tmp_path, {"endpoint": {"server_over_in_process": 0.5, "same_answers": 1.0}})
    bounds = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[-1] for line in page if " | at " in line}
    assert bounds["the same of the pocket model, 1.2 million parameters"] == "0.5 (missed) |"
    assert bounds["share of its answers that are the same"] == "1 |"
    assert bounds["bytes that it writes"] == "not run |"


def test_lists_are_tables_and_ways_are_words(tmp_path: Path) -> None:
    page = page_of(tmp_path, {"memory": {"worst": 1.1, "of": {"all": [1, 2.5]}, "lines": [{"a_b": 1000, "c": "<|"}]}})
    found = page[page.index("## memory") :]
    assert "| worst | 1.1 |" in found
    assert "| of, all | 1, 2.5 |" in found
    assert found[-3:] == ["| a b | c |", "| --- | --- |", "| 1,000 | &lt;\\| |"]


@pytest.mark.parametrize("suite", ["MGSM", "MSVAMP"])
def test_simulated_methods_are_as_good_as_they_are_said_to_be(suite: str) -> None:
    world = World(suite, (0.3, 0.9), (4.0, 1.0), share=0.25)
    drawn = [world.drawn(np.random.default_rng(number)) for number in range(30)]
    for found in (np.mean([right for right, _ in drawn], axis=(0, 2, 3, 4)), np.mean([own for _, own in drawn], axis=(0, 2))):
        assert found == pytest.approx([0.3, 0.9], abs=0.02)
    assert np.std([own[0] for _, own in drawn]) == pytest.approx(0.04, rel=0.25)


def test_a_simulated_board_seldom_errs_and_finds_what_is_there() -> None:
    generator = np.random.default_rng(0)
    equal = type_one(World("MGSM", (0.5, 0.5), (1.0, 1.0)), 60, generator)
    assert equal["one seed, of methods"] == 0
    assert max(equal.values()) < 15
    assert min(coverage(World("MGSM", (0.5, 0.5), (1.0, 1.0)), 60, generator).values()) > 85
    better = many(World("MGSM", (0.56, *(0.5,) * 4), (0.5,) * 5), 20, generator)
    assert better["found"] >= max(better["found, Bonferroni t"], better["found, t of seeds"], 50)
    assert table([better]).startswith("| family-wise error | found |")
