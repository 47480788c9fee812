"""How tests share a machine: each of several processes of them keeps to its own processors, as do all that it starts."""

import os


def pytest_configure() -> None:
    """Takes this process's share; without a second process there is none to take."""
    worker, mine = os.environ.get("PYTEST_XDIST_WORKER"), sorted(os.sched_getaffinity(0))
    if worker and (share := len(mine) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])):
        first = share * int(worker.removeprefix("gw"))
        # more threads than processors would wait for each other
        os.sched_setaffinity(0, mine[first : first + share])
