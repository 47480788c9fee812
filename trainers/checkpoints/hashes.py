"""SHA-256 of large files, read once: kept by path, size, times and inode of each file, under ~/.cache/xreason (XDG_CACHE_HOME).

A file that was written to has other times, so its hash is made anew. Where the folder cannot be written, every hash is.
"""

import hashlib
import os
import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def known_hash(files: Sequence[Path]) -> str | None:
    """Returns the same as kept_hash where it is kept, else None; reads none of the files."""
    with suppress(OSError, UnicodeDecodeError):
        kept = _place(files).read_text(encoding="ascii")
        if re.fullmatch("[0-9a-f]{64}", kept):
            return kept
    return None


def _place(files: Sequence[Path]) -> Path:
    return _folder() / hashlib.sha256(repr([_identity(file) for file in files]).encode()).hexdigest()


def kept_hash(files: Sequence[Path]) -> str:
    """Returns the SHA-256 (hex) over names, sizes and contents of files, in their order."""
    if kept := known_hash(files):
        return kept
    place = _place(files)
    before = [_identity(file) for file in files]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\n{file.stat().st_size}\n".encode())
        with file.open("rb") as content:
            hashlib.file_digest(content, lambda: digest)
    # what was written to meanwhile is not what was read
    if before == [_identity(file) for file in files]:
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            aside = place.with_name(f"{place.name}.{uuid.uuid4().hex[:8]}")
            aside.write_text(digest.hexdigest(), encoding="ascii")
            aside.replace(place)
    return digest.hexdigest()


def _identity(file: Path) -> tuple[str, int, int, int, int]:
    # the time of the last change of the inode too: it tells of a file that was written to and got its old time back
    known = file.stat()
    return str(file.resolve()), known.st_size, known.st_mtime_ns, known.st_ctime_ns, known.st_ino


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xreason" / "hashes"
