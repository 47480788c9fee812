"""Rows of a file or of a data set, looked up by their number as they are asked for; nothing but where they begin is held.

A file of JSON lines is read in place; CSV, TSV, Parquet and JSON lists go through `datasets`, which lays them out on disk.
"""

import os
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import from_json

from xreason.tasks.errors import MissingSetError, UserError
from xreason.tasks.files import out_of_reach

#: What a file's name ends in, and what reads it.
_BUILDERS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".json": "json"}
SUFFIXES = (".jsonl", *_BUILDERS)
_COLUMNS_OF = 100  # rows whose columns are looked at
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Rows(Protocol):
    """Rows by their numbers, from 0."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Any: ...

    def columns(self) -> list[str]:
        """Returns the names of its columns."""

    def read(self) -> Iterator[tuple[str, Any]]:
        """Yields every row with its place, for people; in place of one that cannot be read what is wrong with it, a ValueError."""


class JsonLines:
    """A file with an object a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
            self._stood = self._state()
        except OSError as error:
            raise UserError(f"{path} cannot be read ({(error.strerror or str(error)).lower()}); give another file.") from error
        self._begin, self._lines, self._end = array("q"), array("q"), 0

    def _state(self) -> tuple[int, int]:
        stat = os.fstat(self._file.fileno())
        return stat.st_size, stat.st_mtime_ns

    def __len__(self) -> int:
        return len(self._begin)

    def __getitem__(self, number: int) -> Any:
        if self._state() != self._stood:
            raise UserError(f"{self.path} was changed while it was read; give the command again, and it is read anew.")
        end = self._begin[number + 1] if number + 1 < len(self._begin) else self._end
        return from_json(os.pread(self._file.fileno(), end - self._begin[number], self._begin[number]))

    def columns(self) -> list[str]:
        """Returns those that its first rows have."""
        rows = (row for _, row in islice(self.read(), _COLUMNS_OF))
        return list(dict.fromkeys(str(name) for row in rows if isinstance(row, dict) for name in row))

    def read(self) -> Iterator[tuple[str, Any]]:
        """Yields them as Rows does, and notes where each begins."""
        self._begin, self._end = array("q"), 0
        self._file.seek(0)
        try:
            for number, line in enumerate(self._file, start=1):
                begin, self._end = self._end, self._end + len(line)
                if number == 1 and line.startswith(_BYTE_ORDER_MARK):
                    line, begin = line.removeprefix(_BYTE_ORDER_MARK), len(_BYTE_ORDER_MARK)
                if line.isspace():
                    continue
                self._begin.append(begin)
                try:
                    row = from_json(line)
                except ValueError as error:
                    said = (
                        str(error).replace("recursion limit exceeded", "nested too deeply").replace(" at line 1 column", ", column")
                    )
                    row = ValueError(f"is no JSON object ({said})")
                yield f"line {number}", row
        except OSError as error:
            raise UserError(f"{self.path} cannot be read ({(error.strerror or str(error)).lower()}); give another file.") from error


class Table:
    """A data set that `datasets` holds on disk."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, number: int) -> Any:
        return self._table[number]

    def columns(self) -> list[str]:
        """Returns their names."""
        return list(self._table.column_names)

    def read(self) -> Iterator[tuple[str, Any]]:
        """Yields them as Rows does."""
        return ((f"row {number}", row) for number, row in enumerate(self._table, start=1))


def rows_of_file(path: Path) -> Rows:
    """Returns the rows of a file.

    Raises:
        UserError: it is none that can be read.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise UserError(f"{path} is none of {', '.join(SUFFIXES)}; save the text as one of them.")
    if not path.is_file():
        raise UserError(f"There is no file {path}; give the path of your text, as file:PATH.")
    if kind == ".jsonl":
        return JsonLines(path)
    import datasets

    datasets.disable_progress_bars()
    try:
        told = _as_text(path) if _BUILDERS[kind] == "csv" else {}
        return Table(datasets.load_dataset(_BUILDERS[kind], data_files=str(path), split="train", **told))
    except Exception as error:  # each builder fails in its own ways
        reason = " ".join(str(error.__cause__ or error).split())[:120]
        raise UserError(f"{path} cannot be read as {_BUILDERS[kind]} ({reason}); save it anew, or as JSON lines.") from error


def _as_text(path: Path) -> dict[str, Any]:
    """Returns what has `datasets` take every cell as it is written: not 0.50 as a number, nor "NA" as nothing."""
    import csv

    from datasets import Features, Value

    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = next(csv.reader(file, delimiter=delimiter), [])
    features = Features({name: Value("string") for name in names})
    return {"sep": delimiter, "features": features, "keep_default_na": False, "encoding": "utf-8-sig"}


def rows_of_hub(hub_id: str, config: str | None, split: str) -> Rows:
    """Returns the rows of a data set of the hub, or of its cache; no code of its repository is run.

    Raises:
        MissingSetError: it cannot be had.
    """
    try:
        if out_of_reach(hub_id):
            raise ConnectionError("the hub is not to be asked, and its cache has nothing of it")
        import datasets

        datasets.disable_progress_bars()
        return Table(datasets.load_dataset(hub_id, config, split=split))
    except Exception as error:  # whatever the hub's client raises, the remedy is the same
        reason = " ".join(str(error).split())[:120]
        where = f"{hub_id}{f', config {config}' if config else ''}, split {split}"
        raise MissingSetError(
            f"{where} cannot be had from the hub ({type(error).__name__}: {reason}); name its #config= and #split=, or with a "
            f"network run `hf download --repo-type dataset {hub_id} --local-dir DIR`, and give its files as file:DIR/*.parquet."
        ) from error


def same_files(paths: list[Path]) -> tuple[tuple[str, int, int], ...]:
    """Returns what tells files apart from what they were before: path, size and time of change."""
    stats = [path.stat() for path in paths]
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in zip(paths, stats, strict=True))
