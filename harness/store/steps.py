"""The run store: finished steps on disk, each whole or not there at all.

    runs/EXPERIMENT/METHOD/SEED/checkpoint/      a step: its files, and step.json with the key it was made under
                                training.json
                                scores/SUITE/    a step a suite
                                record.json

A key is a hash of everything that can change a step's result. A step whose key matches is skipped; any other is made again.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xreason.leaderboards.files import sync_folder
from xreason.tasks.errors import UserError

STEP_FILE = "step.json"
_PARTIAL = ".partial-"


def key_of(parts: Any) -> str:
    """Returns the SHA-256 of `parts`, anything that JSON can write; dictionaries with the same items have the same key."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def is_done(folder: Path, key: str) -> bool:
    """Returns whether `folder` holds a finished step that was made under `key`."""
    try:
        return bool(json.loads((folder / STEP_FILE).read_text(encoding="utf-8"))["key"] == key)
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def step(folder: Path, key: str) -> Iterator[Path]:
    """Yields a new folder to write a step's files into; when the block ends well, it stands at `folder`, complete and on disk.

    When the block raises, or the process dies, `folder` is what it was before.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.parent / f"{_PARTIAL}{folder.name}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        (aside / STEP_FILE).write_text(json.dumps({"key": key}) + "\n", encoding="utf-8")
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
