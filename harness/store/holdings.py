"""What the run store holds: every step and what was left unfinished, how old, how large, and what uses it; and the removal of some.

Nothing else removes what is finished. Paths are relative to the store's folder.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xreason.harness.store.steps import PARTIAL, STEP_FILE, forget_lock, in_use, said_of
from xreason.tasks.errors import UserError

_RECORD, _BOARD = "record.json", "leaderboard.json"
#: What a step is, by how its folder's name begins, or that of the folder which that stands in.
_KINDS = {
    PARTIAL: "unfinished",
    "unfinished": "unfinished",
    "checkpoint": "checkpoint",
    "found": "language layers",
    "pairs": "pairs",
}
_KINDS_WITHIN = {"scores": "scores", "languages": "counted activity", "translations": "translations"}


@dataclass(frozen=True)
class Holding:
    """A folder of the store."""

    path: Path  #: relative to the store's
    #: "checkpoint", "pairs", "scores", "translations", "language layers", "counted activity", "unfinished" or "step"
    what: str
    made: float  #: when it was finished, or last written to, in seconds since 1970
    size: int  #: bytes
    used_by: tuple[str, ...]  #: records and boards that are made of it, and steps that are and stand in none of these


def holdings(root: Path) -> list[Holding]:
    """Returns what the store in `root` holds, by path.

    Raises:
        UserError: there is no such folder.
    """
    if not root.is_dir():
        raise UserError(f"There is no folder {root}; name a run store, such as runs.")
    folders = sorted(_folders(root))
    said = {folder: said_of(folder) for folder in folders}
    on_records = dict(_on_records(root))

    def users(folder: Path, below: tuple[Path, ...] = ()) -> Iterator[str]:
        yield from on_records.get(folder, ())
        for other in folders:
            needs = said[other].get("needs")
            if isinstance(needs, list) and said[folder].get("made") in needs and other not in below:
                yield from tuple(users(other, (*below, other))) or (str(other.relative_to(root)),)

    return [
        Holding(folder.relative_to(root), _kind(folder), _made(folder), _size(folder), tuple(dict.fromkeys(users(folder))))
        for folder in folders
    ]


def remove(root: Path, names: Sequence[str], sure: Callable[[list[Holding]], bool]) -> int:
    """Removes what is named: folders of the store, each by its path in it or from here, with all that is in them.

    Args:
        root: the store's folder.
        names: of what shall go.
        sure: is called with the holdings that would go; nothing is removed unless it returns True.

    Returns:
        How many bytes were removed.

    Raises:
        UserError: a path leaves the store or names nothing of it, or another process uses what is there.
    """
    whole, there = root.resolve(), [root / each.path for each in holdings(root)]
    chosen = list(dict.fromkeys(_named(root, name, [each.resolve() for each in there]) for name in names))
    with ExitStack() as locks:
        for experiment in dict.fromkeys(whole / path.relative_to(whole).parts[0] for path in chosen):
            locks.enter_context(in_use(experiment, alone=True))
        going = [each for each in holdings(whole) if any((whole / each.path).is_relative_to(path) for path in chosen)]
        if not sure(going):
            return 0
        for path in chosen:
            # first of all what says that a step is whole: what is left of an interrupted removal is none
            for mark in [*path.rglob(STEP_FILE)]:
                mark.unlink()
            shutil.rmtree(path)
            forget_lock(path)
            for link in path.parent.iterdir() if path.parent.is_dir() else ():
                if link.is_symlink() and not link.exists():
                    link.unlink()
    return sum(each.size for each in going)


def _named(root: Path, name: str, there: Iterable[Path]) -> Path:
    """Returns the folder of a name, links followed."""
    whole = root.resolve()
    path = next((each.resolve() for each in (root / name, Path(name)) if os.path.lexists(each)), None)
    if path is None:
        raise UserError(f"{root} holds no {name}; `xreason runs {root}` lists what it holds.")
    if whole not in path.parents:
        raise UserError(f"{name} is no folder inside {root}, so it stays; `xreason runs {root}` lists what can be removed.")
    if not any(each.is_relative_to(path) for each in there):
        raise UserError(f"{name} holds no step; `xreason runs {root}` lists what can be removed.")
    return path


def _folders(root: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(root):
        folder = Path(place)
        if folder != root and (STEP_FILE in files or folder.name.startswith((PARTIAL, "unfinished"))):
            folders.clear()
            yield folder


def _on_records(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yields folders of scores, and the records and boards that are made of them."""
    for path in sorted(root.rglob(_RECORD)):
        with suppress(AttributeError, KeyError, TypeError):  # no record, or no board, whatever it is called
            record, board = _read(path), path.parent.parent.parent / _BOARD
            shown = {
                (row["method"], seed) for each in _read(board).get("boards", ()) for row in each["rows"] for seed in row["seeds"]
            }
            on_board = board.is_relative_to(root) and (record.get("method"), record.get("seed")) in shown
            users = [str(each.relative_to(root)) for each in ([path, board] if on_board else [path])]
            places = [path.parent / "scores" / record.get("folders", {}).get(suite, suite) for suite in record["scores"]]
            yield from [(place, users) for place in places]


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def _kind(folder: Path) -> str:
    named = (what for name, what in _KINDS.items() if folder.name.startswith(name))
    return next(named, None) or _KINDS_WITHIN.get(folder.parent.name, "step")


def _made(folder: Path) -> float:
    mark = folder / STEP_FILE
    return (mark if mark.exists() else folder).stat().st_mtime


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
