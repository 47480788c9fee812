"""Whether what a command is to leave can be written: asked before it works for hours, not after."""

import os
import tempfile
from pathlib import Path

from xreason.tasks.errors import UserError


def check_writable(folder: Path, remedy: str = "choose another folder with --out") -> None:
    """Makes sure that files can be written into a folder, which need not be there yet; leaves nothing behind.

    Raises:
        UserError: they cannot; says why, and the remedy.
    """
    whole = folder.absolute()
    there = next(each for each in (whole, *whole.parents) if os.path.lexists(each))
    try:
        # tried, for permission bits do not tell of read-only disks, nor mean anything to root
        with tempfile.TemporaryDirectory(prefix=".xreason-", dir=there):
            pass
    except OSError as error:
        raise UserError(f"Cannot write to {folder} ({error.strerror or error}); {remedy}.") from error
