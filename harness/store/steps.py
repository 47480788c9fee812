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

import fcntl
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
_LOCK = ".lock"


class Step(BaseModel):
    """One step of a plan, and where it will stand; what it does is for its kind to say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path  #: where the finished step stands
    key: str  #: hash of all that is said before it begins and can change its result; "" where that is not all here (see outlines)
    needs: tuple[Path, ...] = ()  #: folders of the steps that it is made out of
    devices: int = 1  #: GPUs, or processes on a CPU, that it takes

    @property
    def place(self) -> Path:
        """The folder that no two processes may write to at once."""
        return self.folder

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
    aside = link.with_name(f".{link.name}.{uuid.uuid4().hex[:8]}")
    # a convenience: nothing is found by it, and some file systems have no links
    with suppress(OSError):
        aside.symlink_to(folder.name)
        aside.replace(link)


class Held(UserError):  # noqa: N818 - a state, not a mistake
    """Another process is doing this step now."""


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds the step of a folder for this process; the lock dies with the process. A step that a kill left whole is put up.

    The lock is flock's, on a file beside the folder. It holds between machines where the file system carries it there: NFS (version
    4, or 3 with its lock service), GPFS, CephFS, and Lustre that is mounted with `flock`; not Lustre with `localflock`.

    Raises:
        Held: another process holds it.
        UserError: there cannot be a lock, or the folder cannot be written.
    """
    held = Held(f"Another xreason is making {folder}; wait for it, or choose another folder with --out.")
    with _locked(folder.with_name(f"{_LOCK}-{folder.name}"), fcntl.LOCK_EX, held):
        for mark in [folder.with_name(f"{PARTIAL}{folder.name}") / STEP_FILE, *folder.rglob(f"{PARTIAL}*/{STEP_FILE}")]:
            if mark.exists():
                _put(mark.parent, mark.parent.with_name(mark.parent.name.removeprefix(PARTIAL)))
        yield


def forget_lock(folder: Path) -> None:
    """Removes the lock of a step that is gone; to be called by none but who is `alone` with its experiment."""
    folder.with_name(f"{_LOCK}-{folder.name}").unlink(missing_ok=True)


@contextmanager
def in_use(folder: Path, *, alone: bool = False) -> Iterator[None]:
    """Says for a while that this process uses what stands in an experiment's folder: beside others, or `alone`.

    Raises:
        UserError: it is in use where this process would be alone, or the folder cannot be written.
    """
    check_writable(folder)
    held = UserError(f"Another xreason is using {folder}; wait for it, then give the command again.")
    with _locked(folder / _LOCK, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, held):
        yield


@contextmanager
def _locked(path: Path, how: int, held: UserError) -> Iterator[None]:
    """Holds a lock of our own, for filelock's cannot be shared; raises `held` where another process has it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # to read and to write: over NFS a shared lock asks for the one, any other for the other
        file = path.open("a+")
    except OSError as error:
        said = f"Cannot write to {path.parent} ({error.strerror or error}); choose another folder with --out."
        raise UserError(said) from error
    with file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise held from None
        except OSError as error:
            said = f"{path.parent} cannot be locked ({error.strerror or error}); choose another disk with --out."
            raise UserError(said) from error
        yield


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)
