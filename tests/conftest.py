"""How tests share a machine: each of several processes of them keeps to its own processors, as do all that it starts."""

import os


def pytest_configure() -> None:
    """Takes this process's share; without a second process there is none to take."""
    worker, mine = os.environ.get("PYTEST_XDIST_WORKER"), sorted(os.sched_getaffinity(0))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if worker and (share := len(mine) // count):
        # one that takes the place of a lost one has a higher number
        first = share * (int(worker.removeprefix("gw")) % count)
        # more threads than processors would wait for each other
        os.sched_setaffinity(0, mine[first : first + share])
