"""Methods by name: those in the box, and those that other packages bring.

A package, ours too, adds a method by an entry point in the group `xreason.methods` that names a function which returns a Method, or
a Merge of other rows or a way of asking one (combining/declared.py):

    [project.entry-points."xreason.methods"]
    my-method = "my_package.my_method:my_method"

docs/a-method-of-your-own.md is a template.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from xreason.tasks.errors import UserError
from xreason.tasks.names import canonical, unknown
from xreason.trainers.combining.declared import Combined, Merge
from xreason.trainers.stages import METHOD_SETTINGS, STAGE_SETTINGS, FeedForward, Method, Tune

GROUP = "xreason.methods"
#: Those that a comparison means where nobody names any.
PAPER_METHODS = ("slam", "two-stage", "full")

# The order in which they are listed: ours by what they cost, then the others by name.
_TAKE_OTHERS = ("layer-swap", "linear", "task-arithmetic", "translate-test", "self-consistency")
_FIRST = (*PAPER_METHODS, "mathoctopus", "lora", "english-sft", "language-sft", "mapo", "grpo", *_TAKE_OTHERS)
_OURS = "xreason"


@dataclass(frozen=True)
class ListedMethod:
    """A method that can be named, or a registration that is broken."""

    name: str  #: as it is typed
    package: str  #: the distribution that brings it, with its version where another than ours
    method: Method | Combined | None  #: with its own settings; None where it is broken
    problem: str  #: what is wrong with it, in one sentence; empty where nothing is


def method_names() -> tuple[str, ...]:
    """Returns the names of all methods: ours in the order of their cost, then those of other packages by name.

    Raises:
        UserError: no package is installed, not even ours.
    """
    return tuple(_registered())


def list_methods() -> tuple[ListedMethod, ...]:
    """Returns every method that is registered, in the order of method_names; what is broken is told, not raised."""
    found = []
    for name, entries in _registered().items():
        package = " and ".join(_package(entry) for entry in entries)
        try:
            found.append(ListedMethod(name, package, _made(entries[0], _function(entries), {}), ""))
        except UserError as error:
            found.append(ListedMethod(name, package, None, str(error)))
    return tuple(found)


def load_method(name: str, settings: Mapping[str, Any] | None = None) -> Method:
    """Returns the method called `name`, in which hyphens and underscores are the same and case does not matter.

    Settings that the method's function takes (such as `layers` of slam) go to it, the rest to Method.with_settings.

    Raises:
        UserError: there is no such method or setting, two packages bring it, its package cannot be imported or its function fails,
            what that returns is no Method, or it takes other rows, and so no training of its own.
    """
    method = load_row(name, settings)
    if isinstance(method, Method):
        return method
    raise UserError(
        f"{method.name} trains nothing by itself, it takes other rows of a comparison; run: xreason compare --methods {method.name}"
    )


def load_row(name: str, settings: Mapping[str, Any] | None = None) -> Method | Combined:
    """Returns the same, or what takes other rows, all of whose settings but `base` its function takes."""
    registered = _registered()
    entries = registered.get(canonical(name))
    if entries is None:
        raise unknown("method", name, registered)
    function = _function(entries)
    own, given = inspect.signature(function).parameters, dict(settings or {})
    takes = {*own, *STAGE_SETTINGS, *METHOD_SETTINGS}
    for key in given:
        if key not in takes:
            raise unknown(f"setting of {canonical(name)}", str(key), takes)
    method = _made(entries[0], function, {key: value for key, value in given.items() if key in own})
    rest = {key: value for key, value in given.items() if key not in own}
    if isinstance(method, Method):
        return method.with_settings(rest)
    known = {*own, "base"} if isinstance(method, Merge) else {*own}
    for key in rest:
        if key not in known:
            raise unknown(f"setting of {canonical(name)}", key, known)
    return replace(method, **rest)


def wants_layers(method: Method) -> bool:
    """Returns whether a stage says `layers: auto`, so that the language layers must be found before the method can run."""
    return any(_is_auto(stage.tune) for stage in method.stages)


def with_layers(method: Method, layers: Sequence[int], evidence: str) -> Method:
    """Returns the method with `layers` (indices) where its stages say auto; `evidence` says why these, and boards show it."""
    found = FeedForward(tuple(layers), evidence)
    return replace(method, stages=tuple(replace(stage, tune=found) if _is_auto(stage.tune) else stage for stage in method.stages))


def _is_auto(tune: Tune) -> bool:
    return isinstance(tune, FeedForward) and tune.layers == "auto"


def _registered() -> dict[str, list[EntryPoint]]:
    """Returns what is registered under each name; more than one entry where packages call different functions the same."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in _entry_points(tuple(sys.path)):
        found.setdefault(canonical(entry.name), {}).setdefault(entry.value, entry)
    if not set(PAPER_METHODS) <= found.keys():
        raise UserError("xreason is not installed here, only its files are; run `pip install -e .` where its pyproject.toml is.")
    return {name: list(entries.values()) for name, entries in found.items()}


# every check of a setting asks for them, and to read the metadata of all that is installed takes a while
@lru_cache(maxsize=1)
def _entry_points(path: tuple[str, ...]) -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=_place)


def _place(entry: EntryPoint) -> tuple[int, str, bool, str]:
    name = canonical(entry.name)
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name, _package(entry) != _OURS, entry.value)


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist and entry.dist.name != _OURS else _OURS


def _function(entries: list[EntryPoint]) -> Callable[..., object]:
    """Returns the function that makes a method."""
    if len(entries) > 1:
        both = " and ".join(f"{entry.value} ({_package(entry)})" for entry in entries)
        raise UserError(f"{both} all call themselves method {canonical(entries[0].name)!r}; uninstall all but one of the packages.")
    try:
        function: Callable[..., object] = entries[0].load()
        inspect.signature(function)
    except Exception as error:  # another package's code runs here, and may fail in any way
        raise _broken(entries[0], "cannot be imported", error) from error
    return function


def _made(entry: EntryPoint, function: Callable[..., object], settings: Mapping[str, Any]) -> Method | Combined:
    try:
        method = function(**settings)
    except UserError:
        raise
    except Exception as error:  # as above
        raise _broken(entry, f"cannot be made of {dict(settings)}", error, "give it other settings, or repair") from error
    if not isinstance(method, Method | Combined):
        raise _broken(entry, f"returned {type(method).__name__} and no xreason.trainers.stages.Method")
    return method


def _broken(entry: EntryPoint, how: str, error: Exception | None = None, advice: str = "repair or uninstall") -> UserError:
    reason = f" ({' '.join(f'{type(error).__name__}: {error}'.split())})" if error else ""
    return UserError(f"Method {canonical(entry.name)!r} ({entry.value}) {how}{reason}; {advice} {_package(entry)}.")
