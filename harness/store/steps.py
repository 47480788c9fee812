"""The run store: finished steps on disk, each whole or not there at all.

    runs/EXPERIMENT/METHOD/SEED/checkpoint/      a step: its files, and step.json with the key it was made under
                                training.json
                                scores/SUITE/    a step a suite
                                record.json

A key is a hash of everything that is said before a step begins and can change its result. What a step needs of others is noted
too, as the very making of it: a step stands only as long as those do. Any other is made again.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from xreason.leaderboards.files import sync_folder
from xreason.tasks.errors import UserError

STEP_FILE = "step.json"
_PARTIAL = ".partial-"


class Step(BaseModel):
    """One step of a plan, and where it will stand; what it does is for its kind to say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path  #: where the finished step stands
    key: str  #: hash of all that is said before it begins and can change its result
    needs: tuple[Path, ...] = ()  #: folders of the steps that it is made out of
    devices: int = 1  #: GPUs, or processes on a CPU, that it takes

    def is_done(self) -> bool:
        """Returns whether it stands, made under this key out of what now stands in `needs`."""
        return is_done(self.folder, self.key, self.needs)


def key_of(parts: Any) -> str:
    """Returns the SHA-256 of `parts`, anything that JSON can write; dictionaries with the same items have the same key."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def is_done(folder: Path, key: str, needs: Sequence[Path] = ()) -> bool:
    """Returns whether `folder` holds a finished step that was made under `key`, out of the steps that now stand in `needs`."""
    said = _said(folder)
    return said.get("key") == key and said.get("needs", []) == [_said(need).get("made") for need in needs]


def _said(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / STEP_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


@contextmanager
def step(folder: Path, key: str, needs: Sequence[Path] = ()) -> Iterator[Path]:
    """Yields a new folder to write a step's files into; when the block ends well, it stands at `folder`, complete and on disk.

    When the block raises, or the process dies, `folder` is what it was before.

    Args:
        folder: of the step.
        key: what it is made under.
        needs: folders of the finished steps that it is made out of.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.parent / f"{_PARTIAL}{folder.name}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        said = {"key": key, "made": uuid.uuid4().hex, "needs": [_said(need).get("made") for need in needs]}
        (aside / STEP_FILE).write_text(json.dumps(said) + "\n", encoding="utf-8")
        _sync(aside)
        if folder.exists():
            outdated = folder.parent / f"{_PARTIAL}outdated-{folder.name}"
            shutil.rmtree(outdated, ignore_errors=True)
            folder.rename(outdated)
            aside.rename(folder)
            shutil.rmtree(outdated)
        else:
            aside.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds `folder` for this process; the lock dies with the process, however it dies.

    Raises:
        UserError: another process writes there, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("permission denied")
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"Another xreason is writing to {folder}; wait for it, or choose another folder with --out.") from None
    except OSError as error:
        raise UserError(f"Cannot write to {folder} ({error.strerror or error}); choose another folder with --out.") from error
    try:
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
