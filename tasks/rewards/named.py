"""Rewards by name: those in the box, and those that other packages bring.

A package, ours too, adds one by an entry point in the group `xreason.rewards` that names a function of a Completion to a number:

    [project.entry-points."xreason.rewards"]
    short = "my_package.short:short"

docs/a-reward-of-your-own.md is a template.
"""

import math
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache, wraps
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

from xreason.tasks.errors import UserError
from xreason.tasks.names import unknown
from xreason.tasks.readings.identification import identifier
from xreason.tasks.rewards.completions import Completion

GROUP = "xreason.rewards"
_OURS = "xreason"

Rewarding = Callable[[Completion], float]


def list_rewards() -> list[dict[str, str]]:
    """Returns every reward that is registered: its name, package, and first line of description, or what is wrong with it."""
    found = []
    for name, entries in _registered(tuple(sys.path)).items():
        try:
            said = (_function(name, _one(name)).__doc__ or "").strip().partition("\n")[0]
        except UserError as error:
            said = str(error)
        found.append({"reward": name, "package": " and ".join(map(_package, entries)), "description": said})
    return found


def load_rewards(names: Iterable[str]) -> dict[str, Rewarding]:
    """Returns rewards by name, each a function that raises a UserError where it fails or what it gives is no number.

    Raises:
        UserError: there is none of a name, two packages bring it, or it cannot be imported.
    """
    return {name: _checked(name, _one(name)) for name in names}


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """Returns what rewards depend on, and TRL, whose loss learns by them: packages, each with its version."""
    told = {name: _package(_one(name)) for name in sorted(names)} | {"trl": "unknown"}
    with suppress(PackageNotFoundError):
        # a patch release mends without changing what is computed
        told["trl"] = ".".join(version("trl").split(".")[:2])
    return told | ({"identifier": identifier()} if "in_language" in told else {})


def _one(name: str) -> EntryPoint:
    registered = _registered(tuple(sys.path))
    if name not in registered:
        raise unknown("reward", name, registered)
    entries = registered[name]
    if len(entries) > 1:
        both = " and ".join(f"{entry.value} ({_package(entry)})" for entry in entries)
        raise UserError(f"{both} all call themselves reward {name!r}; uninstall all but one of the packages.")
    return entries[0]


def _checked(name: str, entry: EntryPoint) -> Rewarding:
    function = _function(name, entry)

    @wraps(function)
    def reward(completion: Completion) -> float:
        try:
            number = float(function(completion))
        except UserError:
            raise
        except Exception as error:  # another package's code runs here, and may fail in any way
            raise _broken(name, entry, f"failed ({' '.join(f'{type(error).__name__}: {error}'.split())[:120]})") from error
        if not math.isfinite(number):
            raise _broken(name, entry, f"gave {number}")
        return number

    # what TRL calls it
    reward.__name__ = name
    return reward


def _function(name: str, entry: EntryPoint) -> Rewarding:
    try:
        function: Rewarding = entry.load()
    except Exception as error:  # as above
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise _broken(name, entry, f"cannot be imported ({reason})") from error
    if not callable(function):
        raise _broken(name, entry, f"is {type(function).__name__} and no function")
    return function


@lru_cache(maxsize=1)
def _registered(path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda each: (_package(each) != _OURS, each.name)):
        found.setdefault(entry.name, {}).setdefault(entry.value, entry)
    return {name: list(entries.values()) for name, entries in found.items()}


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist and entry.dist.name != _OURS else _OURS


def _broken(name: str, entry: EntryPoint, how: str) -> UserError:
    return UserError(f"Reward {name!r} ({entry.value}) {how}; repair or uninstall {_package(entry)}.")
