"""A comparison placed over two nodes by Ray, one lost in the middle; and two comparisons of one store, without Ray."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.placing import Wait, lose, made_twice, scored, two_nodes, verdicts, waits, walked
from tests.harness.conftest import EXPERIMENT, PROGRAM, Run, environment
from tests.places import ROOT
from xreason.harness.cli.app import _with_address
from xreason.harness.placing import Hands, Here, Job, attempt
from xreason.harness.plan import Plan
from xreason.harness.run import Walk
from xreason.harness.store.steps import Step, only_writer, step
from xreason.tasks.errors import UserError

# two nodes, a core each
pytestmark = pytest.mark.every_core


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    with two_nodes() as cluster:
        yield cluster


def begun(folder: Path) -> dict[str, list[float]]:
    """Returns when each wait was begun, by its name."""
    times: dict[str, list[float]] = {}
    for line in (folder / "journal").read_text().splitlines():
        name, when = line.split()
        times.setdefault(name, []).append(float(when))
    return times


def test_two_nodes_do_two_steps_at_a_time_and_none_before_what_it_needs(cluster: Any, tmp_path: Path) -> None:
    folder = tmp_path / "waits"
    jobs = waits(folder, 4, 1.5)
    walked(jobs, folder, cluster.address)
    spans = {name: (when, when + 1.5) for name, (when,) in begun(folder).items()}
    assert set(spans) == {job.name for job in jobs}
    at_once = [sum(other[0] <= began < other[1] for other in spans.values()) for began, _ in spans.values()]
    assert max(at_once) == 2
    assert all(spans[f"second-first-{number}"][0] >= spans[f"first-{number}"][1] for number in range(4))


def test_a_step_for_more_than_any_node_has_is_a_sentence(cluster: Any, tmp_path: Path) -> None:
    (first, *_) = waits(tmp_path / "waits", 1, 0)
    large = Wait(**{**vars(first), "devices": 2})
    with pytest.raises(UserError, match="takes 2 CPUs of one node, and no node of the cluster has more than 1"):
        walked([large], tmp_path, cluster.address)


class Dying(Wait):
    def do(self, hands: Hands) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_step_whose_process_is_lost_again_and_again_fails_its_row_and_the_rest_goes_on(cluster: Any, tmp_path: Path) -> None:
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # what the nodes cannot import
    first, second, *rest = waits(tmp_path / "waits", 2, 1)
    walk = Walk(Plan(folder=tmp_path), raising=False)
    walk.through([Dying(**vars(first)), second, *rest], cluster.address)
    assert [job.is_done() for job in (first, second, *rest)] == [False, True, False, True]
    assert re.fullmatch(r"its process on \S+ is gone \(\w+\), for the 3rd time", walk.reasons["first-0"])


def test_an_address_where_no_cluster_answers_is_a_sentence(xreason: Run, experiment: Path, tmp_path: Path) -> None:
    done = xreason("compare", experiment, "--out", tmp_path, "--ray", "127.0.0.1:1")
    assert done.returncode == 2, done.stderr
    assert "No Ray cluster answers at 127.0.0.1:1 (ConnectionRefusedError" in done.stderr


class Failing(Job):
    def do(self, hands: Hands) -> None:
        raise MemoryError("none left")


def test_a_job_that_fails_says_why_and_lets_its_locks_go(tmp_path: Path) -> None:
    task = Step(folder=tmp_path / "step", key="key")
    result = attempt(Failing(name="n", what="training", rows=("n",), steps=(task,)), Hands())
    assert (result.ended, result.reason) == ("failed", "MemoryError: none left")
    with only_writer(task.place):
        pass


def test_what_another_process_makes_is_held_until_it_stands(tmp_path: Path) -> None:
    (job, *_) = waits(tmp_path / "waits", 1, 0)
    if (child := os.fork()) == 0:
        task = job.steps[0]
        with only_writer(task.place), step(task.folder, task.key):
            time.sleep(3)
        os._exit(0)
    while not list(tmp_path.rglob(".partial-*")):
        time.sleep(0.05)
    placing = Here(Hands(), raising=True)
    placing.begin([job])
    ((_, result),) = placing.ended()
    assert result.ended == "held"
    assert "Another xreason is making" in result.reason
    Walk(Plan(folder=tmp_path), raising=True).through([job])
    os.waitpid(child, 0)
    assert job.is_done()
    assert not (tmp_path / "waits" / "journal").exists()


def test_the_sbatch_file_is_clean_for_shellcheck() -> None:
    subprocess.run([Path(sys.executable).with_name("shellcheck"), ROOT / "docs" / "cluster.sbatch"], check=True)


@dataclass
class Shared:
    runs: Path
    first: str  #: what the first process said
    second: str
    boards: tuple[str, str]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Returns what two comparisons left that did one experiment in one store at the same time."""
    place = tmp_path_factory.mktemp("shared")
    (experiment := place / "quick.yaml").write_text(EXPERIMENT)
    command = [*PROGRAM, "compare", str(experiment), "--out", str(place / "runs")]
    both = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    (out, err), (other_out, other_err) = (each.communicate(timeout=500) for each in both)
    assert [each.returncode for each in both] == [0, 0], err + other_err
    return Shared(place / "runs", err, other_err, (out, other_out))


def test_a_second_comparison_takes_what_nobody_holds_and_both_end_with_the_same_board(shared: Shared) -> None:
    # over 20 s: both score by a real engine
    assert shared.boards[0] == shared.boards[1]
    assert made_twice(shared.runs) == []
    said = shared.first + shared.second
    assert [said.count(f"{name}, seed 0: trained in") for name in ("slam", "two-stage", "full")] == [1, 1, 1]
    assert said.count("12 questions of Pocket in") == 4
    assert all(" seed 0: trained in" in each or "12 questions of Pocket in" in each for each in (shared.first, shared.second))
    assert "another xreason does it now" in said


def test_placed_over_two_nodes_of_which_one_is_lost_the_board_is_that_of_a_run_in_turn(
    cluster: Any, shared: Shared, xreason: Run, experiment: Path, tmp_path: Path
) -> None:
    # over 20 s: both nodes begin trainings, and the one that is left starts an engine. The last test that uses the cluster
    runs = tmp_path / "placed"

    def lose_one() -> None:
        while len([*runs.glob("quick/*/0/.partial-checkpoint*")]) < 2:
            time.sleep(0.05)
        lose(cluster)

    losing = threading.Thread(target=lose_one, daemon=True)
    losing.start()
    done = xreason("compare", experiment, "--out", runs, "--ray", cluster.address)
    assert done.returncode == 0, done.stderr
    assert not losing.is_alive()
    assert "it is gone on with elsewhere" in done.stderr
    assert scored(runs, "quick") == scored(shared.runs, "quick")
    assert verdicts(runs, "quick") == verdicts(shared.runs, "quick")
    assert made_twice(runs) == []
    assert len([*runs.rglob("step.json")]) == len([*shared.runs.rglob("step.json")])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["compare", "--ray"], ["compare", "--ray", "auto"]),
        (["compare", "--ray", "--json"], ["compare", "--ray", "auto", "--json"]),
        (["compare", "--ray", "host:6379", "--json"], ["compare", "--ray", "host:6379", "--json"]),
        (["compare", "--json"], ["compare", "--json"]),
    ],
)
def test_ray_without_an_address_is_the_cluster_that_runs_here(typed: list[str], meant: list[str]) -> None:
    assert _with_address(typed) == meant
