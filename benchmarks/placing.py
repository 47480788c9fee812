"""What placing over nodes costs, what it saves, and what is left when a node is lost.

    python -m benchmarks.placing            # all three, on a Ray of two nodes of one core each in this machine
    python -m benchmarks.placing waits      # the ratio where every step is a fixed wait: what placing itself costs
    python -m benchmarks.placing compare    # four methods of the pocket model: in turn with all cores, against placed
    python -m benchmarks.placing kills      # the same placed, a node killed at three random moments

Prints JSON: seconds, ratios, whether the boards are equal, and how many steps were made twice.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from benchmarks.report import report
from xreason.harness.placing import Hands, Job
from xreason.harness.plan import Plan
from xreason.harness.run import Walk
from xreason.harness.store.steps import PARTIAL, STEP_FILE, Step, step

NODES = 2
#: Ray gives a node's agents 15 seconds to start: an import that is read from source takes them on a busy machine.
_COMPILED = ("ray", "grpc", "requests", "chardet", "urllib3", "jsonschema", "msgpack")
_EXPERIMENT = """\
name: four
base: pocket
suites: [pocket]
source: pocket
methods:
  slam: {layers: 1, rows: 720, epochs: 1, batch_size: 32, learning_rate: 2e-3, warmup_ratio: 0.03}
  two-stage: {epochs: 1, batch_size: 32, learning_rate: 1e-3, stages: [{rows: 480}, {rows: 2400}]}
  full: {corpora: english-rationales, rows: 667, epochs: 1, batch_size: 32, learning_rate: 1e-3}
  lora: {corpora: english-rationales, rows: 250, epochs: 1, batch_size: 32, learning_rate: 2e-3, rank: 8}
"""


@dataclass(frozen=True, kw_only=True)
class Wait(Job):
    """A job of fixed length: it sleeps, and what it leaves is a step like any other."""

    seconds: float
    journal: Path  #: gets a line for every time that it was begun: its name, and when

    def do(self, hands: Hands) -> None:
        """Sleeps, where it is not done yet."""
        (task,) = self.steps
        if task.is_done():
            return
        with self.journal.open("a", encoding="utf-8") as file:
            file.write(f"{self.name} {time.time()}\n")
        with step(task.folder, task.key, task.needs):
            time.sleep(self.seconds)


def waits(folder: Path, count: int, seconds: float) -> list[Job]:
    """Returns so many chains of two waits, the second of which needs the first."""
    steps = [Step(folder=folder / f"first-{number}", key="wait") for number in range(count)]
    steps += [Step(folder=folder / f"second-{task.folder.name}", key="wait", needs=(task.folder,)) for task in steps]
    named = {task.folder.name: task for task in steps}
    told: dict[str, Any] = {"what": "waiting", "seconds": seconds, "journal": folder / "journal"}
    folder.mkdir(parents=True)
    return [Wait(name=name, rows=(name.removeprefix("second-"),), steps=(task,), **told) for name, task in named.items()]


def walked(jobs: Sequence[Job], folder: Path, ray: str | None = None) -> float:
    """Does jobs, and returns the seconds that it took."""
    began = time.perf_counter()
    Walk(Plan(folder=folder), raising=True).through(jobs, ray)
    return time.perf_counter() - began


@contextmanager
def two_nodes() -> Iterator[Any]:
    """Yields a Ray cluster of two nodes with a core each; the second can be lost."""
    from importlib.util import find_spec

    import_places = [spec.submodule_search_locations for name in _COMPILED if (spec := find_spec(name))]
    compiled = [place for places in import_places for place in places or ()]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *compiled], check=True)  # noqa: S603
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    try:
        for _ in range(NODES - 1):
            cluster.add_node(**size)
        yield cluster
    finally:
        cluster.shutdown()


def lose(cluster: Any) -> None:
    """Kills the last node, with all that runs there, as a power cut would."""
    node = sorted(cluster.worker_nodes, key=lambda node: str(node.node_id))[0]
    cluster.remove_node(node, allow_graceful=False)


def made_twice(folder: Path) -> list[str]:
    """Returns the steps of a store that were finished more than once: what stood there before has another name now."""
    made = [path.parent for path in folder.rglob(STEP_FILE)]
    return [str(each.relative_to(folder)) for each in made if "." in each.name]


#: Of a board, what is of the machine that it was made on, and trainings: their losses differ in the last bits by how many cores
#: add them up.
_OF_THE_MACHINE = {"provenance", "trainings", "training_seconds", "device_seconds", "checkpoint_bytes"}


def scored(runs: Path, name: str = "four") -> Any:
    """Returns all of a written board but what is of the machine: every score, interval, rank and difference, and all shares."""
    boards = json.loads((runs / name / "leaderboard.json").read_text(encoding="utf-8"))["boards"]
    for board in boards:
        board["rows"] = [{key: value for key, value in row.items() if key not in _OF_THE_MACHINE} for row in board["rows"]]
    return [{key: value for key, value in board.items() if key not in _OF_THE_MACHINE} for board in boards]


def verdicts(runs: Path, name: str = "four") -> dict[str, Any]:
    """Returns what every record holds of every response, by its row."""
    records = {path.parent: json.loads(path.read_text(encoding="utf-8")) for path in (runs / name).rglob("record.json")}
    return {str(folder.relative_to(runs)): record["scores"] for folder, record in records.items()}


def compared(experiment: Path, runs: Path, *options: str) -> float:
    """Runs a comparison in a process of its own, its log beside its store, and returns the seconds that it took."""
    command = [sys.executable, "-m", "xreason.harness.cli", "compare", str(experiment), "--out", str(runs), *options]
    began = time.perf_counter()
    with (runs.parent / f"{runs.name}.log").open("w", encoding="utf-8") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603
    return time.perf_counter() - began


def _killed(experiment: Path, runs: Path, standing: int, after: float, board: Any) -> dict[str, Any]:
    """Has a comparison placed, and kills a node some seconds after so many of its nine steps stand; returns what became of it."""
    with two_nodes() as cluster:

        def kill() -> None:
            while len([*runs.rglob(STEP_FILE)]) < standing or not [*runs.rglob(f"{PARTIAL}*")]:
                time.sleep(0.2)
            time.sleep(after)
            lose(cluster)

        killing = Thread(target=kill, daemon=True)
        killing.start()
        seconds = compared(experiment, runs, "--ray", cluster.address)
        ended_first = killing.is_alive()
    return {
        "killed_with_steps_standing": standing,
        "and_seconds_after": after,
        "ended_before_the_kill": ended_first,
        "seconds": seconds,
        "steps": len([*runs.rglob(STEP_FILE)]),
        "boards_equal": scored(runs) == board,
        "made_twice": made_twice(runs),
    }


def main() -> None:
    """Measures what is named, all for nothing."""
    asked = sys.argv[1:] or ["waits", "compare", "kills"]
    # kept where it is named, for logs and boards
    work = Path(os.environ.get("XREASON_BENCHMARK") or tempfile.mkdtemp(prefix="xreason-placing-"))
    work.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    if "waits" in asked:
        in_turn = walked(waits(work / "waits", 6, 20), work / "waits")
        with two_nodes() as cluster:
            placed = walked(waits(work / "placed-waits", 6, 20), work / "placed-waits", cluster.address)
        found["waits"] = {"in_turn_seconds": in_turn, "placed_seconds": placed, "placed_over_in_turn": placed / in_turn}
    experiment = work / "four.yaml"
    experiment.write_text(_EXPERIMENT, encoding="utf-8")
    if {"compare", "kills"} & set(asked):
        in_turn = compared(experiment, work / "in-turn")
        board = scored(work / "in-turn")
        with two_nodes() as cluster:
            placed = compared(experiment, work / "placed", "--ray", cluster.address)
        found["compare"] = {
            "in_turn_seconds": in_turn,
            "placed_seconds": placed,
            "placed_over_in_turn": placed / in_turn,
            "boards_equal": scored(work / "placed") == board,
            "verdicts_equal": verdicts(work / "placed") == verdicts(work / "in-turn"),
        }
    chance = random.Random("placing")
    for number, (standing, after) in enumerate((chance.randrange(8), chance.uniform(1, 15)) for _ in range(3)):
        if "kills" in asked:
            found.setdefault("kills", []).append(_killed(experiment, work / f"killed-{number}", standing, after, board))
    report(**found)


if __name__ == "__main__":
    main()
