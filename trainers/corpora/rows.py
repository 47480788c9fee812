"""Rows of published sets, read from a local file or from the hub, with errors that say which file and line to look at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xreason.tasks.errors import MissingSetError, UserError
from xreason.tasks.files import out_of_reach, parse_json


def read_lines(path: Path) -> list[str]:
    r"""Returns the lines of a UTF-8 file, without their "\n"; other separators that Unicode knows do not end a line.

    Raises:
        UserError: the file cannot be read, or a line is not UTF-8.
    """
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {number} is not UTF-8; convert the file, or fetch it again.") from error
    if wrong := next((number for number, line in enumerate(lines, start=1) if "\0" in line), None):
        raise UserError(f"{path}, line {wrong} holds a NUL character, which no text has; repair the file, or fetch it again.")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def read_json_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Returns the rows of a file of JSON lines, or of one JSON list; only `columns`, all of them text.

    Raises:
        UserError: a row is not JSON, or lacks a column, or holds something else than text in it.
    """
    lines = read_lines(path)
    if lines and lines[0].lstrip().startswith("["):
        rows = enumerate(parse_json("\n".join(lines), f"{path}", _REPAIR), start=1)
        return [_chosen(row, columns, f"{path}, row {number}") for number, row in rows]
    places = ((f"{path}, line {number}", line) for number, line in enumerate(lines, start=1) if line.strip())
    return [_chosen(parse_json(line, where, _REPAIR), columns, where) for where, line in places]


_REPAIR = "repair it, or fetch the file again"


def _chosen(row: Any, columns: Sequence[str], where: str) -> dict[str, str]:
    if not isinstance(row, dict) or not all(isinstance(row.get(column), str) for column in columns):
        has = ", ".join(row) if isinstance(row, dict) else type(row).__name__
        raise UserError(f"{where} must hold text in the columns {', '.join(columns)}, but has {has}; is this the right file?")
    return {column: row[column] for column in columns}


#: Sets of the hub that have several parts, and which is read.
_CONFIGS = {"openai/gsm8k": "main"}


def load_hub_rows(hub_id: str, columns: Sequence[str], looked_for: Path, otherwise: str = "") -> list[dict[str, str]]:
    """Returns `columns` of the train split of a set on the Hugging Face hub (or in its cache).

    Errors name `looked_for`, the local path that was not there, and end in `otherwise`, what else there is.

    Raises:
        MissingSetError: the hub cannot be reached or has no such set.
        UserError: its columns differ.
    """
    try:
        if out_of_reach(hub_id):
            raise ConnectionError
        import datasets

        table = datasets.load_dataset(hub_id, _CONFIGS.get(hub_id), split="train")
    except Exception as error:  # whatever the hub client raises, the remedy is the same
        folder = looked_for.parent if looked_for.suffix else looked_for
        raise MissingSetError(
            f"{hub_id} is neither at {looked_for} nor to be had from the hub ({type(error).__name__}); with a network run "
            f"`hf download --repo-type dataset {hub_id} --local-dir {folder}`, and give the data folder with --data{otherwise}."
        ) from error
    if not set(columns) <= set(table.column_names):
        has = ", ".join(table.column_names)
        raise UserError(f"{hub_id} on the hub has the columns {has}, not {', '.join(columns)}; use a local copy.")
    rows = enumerate(table.select_columns(list(columns)), start=1)
    return [_chosen(row, columns, f"{hub_id}, row {number}") for number, row in rows]


def find_json_file(folder: Path, name: str = "train.jsonl") -> Path | None:
    """Returns the file called `name` in `folder`, else the only JSON file in it (as `hf download` names it), else None.

    Raises:
        UserError: there are several, none of them called so.
    """
    if (folder / name).is_file():
        return folder / name
    found = sorted(path for pattern in ("*.json", "*.jsonl") for path in folder.glob(pattern))
    if len(found) > 1:
        raise UserError(f"{folder} holds several JSON files and no {name}; name the one to use {name}.")
    return found[0] if found else None
