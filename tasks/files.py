"""The one reader of JSON that a person may have touched: within bounds of size and depth, or one sentence that names the place.

And whether a set of the hub is on this disk at all.
"""

import os
from pathlib import Path
from typing import Any

from xreason.tasks.errors import UserError

#: In bytes, of a file that is read as one JSON value. Lists of hundreds of thousands of rows are smaller; JSON lines have no bound.
LARGEST = 2**30


def parse_json(text: str | bytes, place: str, then: str) -> Any:
    """Returns what JSON text says; deeper than 200 levels it is refused (pydantic's own bound).

    Args:
        text: of it; bytes are UTF-8.
        place: where it stands, for people: a file, or a file and a line.
        then: what to do where it cannot be read, in words that end the sentence.

    Raises:
        UserError: it is not JSON, or too deep.
    """
    from pydantic_core import from_json

    try:
        return from_json(text)
    except ValueError as error:
        reason = str(error).replace("recursion limit exceeded", "nested too deeply")
        raise UserError(f"{place} is not JSON ({reason}); {then}.") from error


def read_json(path: Path, then: str) -> Any:
    """Returns what a JSON file says; `then` as above.

    Raises:
        UserError: it cannot be read, is too large, is not JSON, or is nested too deeply.
    """
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise UserError(f"{path} is too large to be read ({size / 2**30:.1f} GiB of {LARGEST / 2**30:.0f}); {then}.")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({(error.strerror or str(error)).lower()}); {then}.") from error
    return parse_json(content, str(path), then)


def read_object(path: Path, then: str) -> dict[str, Any]:
    """Returns the object that a JSON file holds; `then` as above.

    Raises:
        UserError: as read_json, or it holds something else than an object.
    """
    return as_object(read_json(path, then), str(path), then)


def as_object(value: Any, place: str, then: str) -> dict[str, Any]:
    """Returns a JSON value that is an object.

    Raises:
        UserError: it is something else.
    """
    if not isinstance(value, dict):
        raise UserError(f"{place} holds no JSON object but {_KINDS.get(type(value), 'a number')}; {then}.")
    return value


_KINDS = {list: "a list", str: "text", type(None): "null", bool: "a truth value"}


def out_of_reach(hub_id: str) -> bool:
    """Returns whether a data set can surely not be had: the hub is not to be asked, and its caches hold nothing of it.

    To ask `datasets` would import it, which takes seconds.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() not in {"1", "ON", "YES", "TRUE"}:
        return False
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("HF_HOME") or cache / "huggingface").expanduser()
    fetched, made = (Path(os.environ.get(name) or home / folder) for name, folder in _CACHES.items())
    return not any((*fetched.glob(f"datasets--{hub_id.replace('/', '--')}"), *made.glob(f"{hub_id.partition('/')[0]}___*")))


_CACHES = {"HF_HUB_CACHE": "hub", "HF_DATASETS_CACHE": "datasets"}
