"""Corpora that other packages bring.

A package adds one by an entry point in the group `xreason.corpora` that names a function which returns a CorpusSource:

    [project.entry-points."xreason.corpora"]
    riddles = "my_package.riddles:riddles"

docs/a-corpus-of-your-own.md is a template.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from xreason.tasks.errors import UserError
from xreason.tasks.names import canonical

GROUP = "xreason.corpora"


@dataclass(frozen=True)
class CorpusSource:
    """A corpus of a package: where its rows are, and what a list says of them."""

    #: a reference (file:PATH, absolute, or hub:OWNER/NAME), or a function that gives the rows: each a mapping with question and
    #: answer, messages, or prompt and response, and `language`, a code, where there is one; a pair with `chosen` and `rejected`.
    rows: str | Callable[[], Iterable[Mapping[str, Any]]]
    description: str  #: what it holds, in words
    source: str = ""  #: who made it
    licence: str = ""
    languages: tuple[str, ...] = ()  #: codes, for the list
    #: data sets that its text was made from, by the names of suites' `in_domain`: "gsm8k"; None where that is not known.
    made_from: tuple[str, ...] | None = None
    package: str = ""  #: that brings it, with its version; it need not say so


def package_names() -> tuple[str, ...]:
    """Returns the names of the corpora that packages bring."""
    return tuple(_registered(tuple(sys.path)))


@lru_cache(maxsize=32)
def packaged(name: str) -> CorpusSource:
    """Returns a package's corpus by its name.

    Raises:
        UserError: two packages bring it, or the one fails to.
        KeyError: none does.
    """
    entries = _registered(tuple(sys.path))[canonical(name)]
    if len(entries) > 1:
        both = " and ".join(f"{entry.value} ({_package(entry)})" for entry in entries)
        raise UserError(f"{both} all call themselves corpus {canonical(name)!r}; uninstall all but one of the packages.")
    entry = entries[0]
    try:
        made = entry.load()()
    except UserError:
        raise
    except Exception as error:  # another package's code runs here, and may fail in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"Corpus {name!r} ({entry.value}) cannot be had ({reason}); repair or uninstall {_package(entry)}."
        ) from error
    if not isinstance(made, CorpusSource):
        raise UserError(f"Corpus {name!r} ({entry.value}) is {type(made).__name__} and no CorpusSource; repair {_package(entry)}.")
    return replace(made, package=_package(entry))


@lru_cache(maxsize=1)
def _registered(path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        found.setdefault(canonical(entry.name), {}).setdefault(entry.value, entry)
    return {name: list(entries.values()) for name, entries in found.items()}


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
