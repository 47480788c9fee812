"""How tests share a machine: each of several processes of them keeps to its own processors, and what takes long begins first."""

import os

import pytest


def pytest_configure() -> None:
    """Takes this process's share; without a second process there is none to take."""
    worker, mine = os.environ.get("PYTEST_XDIST_WORKER"), sorted(os.sched_getaffinity(0))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if worker and (share := len(mine) // count):
        # one that takes the place of a lost one has a higher number
        first = share * (int(worker.removeprefix("gw")) % count)
        # more threads than processors would wait for each other
        os.sched_setaffinity(0, mine[first : first + share])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files first whose tests start processes, for these take long: a process that ends with a short file waits for nobody."""
    long = {item.path for item in items if hasattr(getattr(item, "module", None), "subprocess") or "xreason" in _used(item)}
    items.sort(key=lambda item: item.path not in long)


def _used(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])
