"""The run store: finished steps on disk, each whole or not there at all.

    runs/EXPERIMENT/METHOD/SEED/checkpoint-1a2b3c4d/      a step: its files, and step.json with the key it was made under
                                checkpoint                a link to the one that was last asked for
                                scores/SUITE-5e6f7a8b/    a step a suite
                                record.json               of what was last asked for

A key is a hash of everything that is said before a step begins and can change its result. Its first letters are in the folder's
name: what another setting makes stands beside, and replaces nothing. What a step needs of others is noted too, as the very making
of it: a step stands only as long as those do, else it is made again, and the old one takes another name and is kept. Only
`xreason runs clean` removes what is finished.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from xreason.harness.store.writable import check_writable
from xreason.leaderboards.files import sync_folder, write_whole
from xreason.tasks.errors import UserError
from xreason.tasks.files import read_object

STEP_FILE = "step.json"
PARTIAL = ".partial-"


class Step(BaseModel):
    """One step of a plan, and where it will stand; what it does is for its kind to say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path  #: where the finished step stands
    key: str  #: hash of all that is said before it begins and can change its result; "" where that is not all here (see outlines)
    needs: tuple[Path, ...] = ()  #: folders of the steps that it is made out of
    devices: int = 1  #: GPUs, or processes on a CPU, that it takes

    def is_done(self) -> bool:
        """Returns whether it stands, made under this key out of what now stands in `needs`."""
        return is_done(self.folder, self.key, self.needs)


def key_of(parts: Any) -> str:
    """Returns the SHA-256 of `parts`, anything that JSON can write; dictionaries with the same items have the same key."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def keyed(place: Path, key: str) -> Path:
    """Returns where a step that is called `place` stands when it is made under `key`: that name, and the key's first letters.

    Where the key is not known yet, and empty, that is in no place at all.
    """
    return place.with_name(f"{place.name}-{key[:8] or 'unknown'}")


def is_done(folder: Path, key: str, needs: Sequence[Path] = ()) -> bool:
    """Returns whether `folder` holds a finished step that was made under `key`, out of the steps that now stand in `needs`."""
    said = said_of(folder)
    return said.get("key") == key and said.get("needs", []) == [said_of(need).get("made") for need in needs]


def said_of(folder: Path) -> dict[str, Any]:
    """Returns what a step says of itself: its `key`, the very making of it (`made`), those of its `needs`; or nothing."""
    try:
        return read_object(folder / STEP_FILE, "it is made anew")
    except UserError:
        return {}


@contextmanager
def step(folder: Path, key: str, needs: Sequence[Path] = ()) -> Iterator[Path]:
    """Yields a new folder to write a step's files into; when the block ends well, it stands at `folder`, complete and on disk.

    When the block raises, or the process dies, `folder` is what it was before. What stood there is kept under another name.

    Args:
        folder: of the step.
        key: what it is made under.
        needs: folders of the finished steps that it is made out of.
    """
    aside = folder.with_name(f"{PARTIAL}{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        _sync(aside)
        said = {"key": key, "made": uuid.uuid4().hex, "needs": [said_of(need).get("made") for need in needs]}
        # last, when all else is on disk: a folder that has it is whole, wherever it stands
        write_whole(aside / STEP_FILE, json.dumps(said) + "\n")
        _put(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _put(aside: Path, folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        _keep(folder)
    aside.rename(folder)
    sync_folder(folder.parent)


def _keep(folder: Path) -> None:
    """Gives what stands at `folder` a name that no step is looked for under."""
    said = said_of(folder)
    name = f"{folder.name}.{str(said.get('made') or uuid.uuid4().hex)[:8]}"
    # before keys were in names
    free = keyed(folder, str(said["key"])) if "key" in said and "-" not in folder.name else folder.with_name(name)
    folder.rename(folder.with_name(name) if free.exists() else free)


def point(link: Path, folder: Path) -> None:
    """Makes `link` a symbolic link to `folder` beside it; a folder of that name, as there were before keys, takes another name."""
    if link.is_dir() and not link.is_symlink():
        _keep(link)
    aside = link.with_name(f".{link.name}.{os.getpid()}")
    # a convenience: nothing is found by it, and some file systems have no links
    with suppress(OSError):
        aside.symlink_to(folder.name)
        aside.replace(link)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds `folder` for this process; the lock dies with the process, however it dies. Steps that a kill left whole are put up.

    Raises:
        UserError: another process writes there, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"Another xreason is writing to {folder}; wait for it, or choose another folder with --out.") from None
    except OSError as error:
        raise UserError(f"Cannot write to {folder} ({error.strerror or error}); choose another folder with --out.") from error
    try:
        for aside in list(folder.rglob(f"{PARTIAL}*/{STEP_FILE}")):
            # whole, and a kill kept it from its place
            _put(aside.parent, aside.parent.with_name(aside.parent.name.removeprefix(PARTIAL)))
        yield
    finally:
        lock.release()


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)
