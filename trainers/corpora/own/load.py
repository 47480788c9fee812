"""From a reference to a corpus: every row is read and checked once, then looked up as it is trained on."""

import hashlib
import random
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import numpy
from numpy.typing import NDArray

from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.trainers.corpora.examples import Corpus, Example
from xreason.trainers.corpora.own.packages import CorpusSource, packaged
from xreason.trainers.corpora.own.references import Form, Reference, example_of, form_of, is_reference, read_reference
from xreason.trainers.corpora.own.rows import Rows, rows_of_file, rows_of_hub, same_files
from xreason.trainers.stages import Frame


class Streamed(Sequence[Example]):
    """Examples that are made when they are asked for, by their number; `example` makes one."""

    def __init__(self, numbers: Sequence[int] | NDArray[Any], example: Callable[[int], Example]) -> None:
        self._numbers, self._example = numbers, example

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Example: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Example]: ...

    def __getitem__(self, place: int | slice) -> Example | Sequence[Example]:
        if isinstance(place, slice):
            return Streamed(self._numbers[place], self._example)
        return self._example(int(self._numbers[place]))

    def __iter__(self) -> Iterator[Example]:
        return (self._example(int(number)) for number in self._numbers)


@dataclass(frozen=True)
class _Checked:
    """All rows of a reference, found to be of their form."""

    parts: tuple[tuple[Rows, Form], ...]  #: a file each
    ends: tuple[int, ...]  #: how many rows there are up to the end of each
    codes: tuple[str, ...]  #: languages, in the order in which they are met; "" for none
    language: NDArray[numpy.uint16]  #: of each row, its place in `codes`
    hash: str  #: SHA-256 of what the rows ask and answer, in which language

    def example(self, number: int, frame: Frame) -> Example:
        part = next(place for place, end in enumerate(self.ends) if number < end)
        rows, form = self.parts[part]
        return example_of(form.kind, form.read(rows[number - (self.ends[part - 1] if part else 0)]), frame)


def load_own(name: str, *, rows: int | None = None, seed: int = 0, frame: Frame = "alpaca") -> Corpus:
    """Returns a corpus of one's own, by its reference or by the name under which a package brings it.

    It is taken whole, in all its languages; with `rows`, so many of each, drawn by `seed`. Its hash is of all its rows.

    Raises:
        UserError: it cannot be had, or its rows are not of one form; names file and line.
    """
    brought = None if is_reference(name) else packaged(name)
    said, short = (brought.rows if brought else name), name
    if isinstance(said, str):
        reference = read_reference(said)
        paths = _paths(reference)
        checked = _checked(said, same_files(paths))
        short = name if brought else reference.short
        where = ", ".join(map(str, paths[:3])) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "") or reference.place
    else:
        checked, where = _checked_package(name), brought.package if brought else ""
    chosen = _drawn(checked, rows, seed)
    if frame == "octopus" and (wrong := [code for code in checked.codes if code not in LANGUAGES]):
        lacks = f"{short} has rows of {'no language' if wrong == [''] else ', '.join(wrong)}"
        raise UserError(f"{lacks}, and the frame octopus names the language of an answer; name it with #language=, or take alpaca.")
    forms = dict.fromkeys(form.words() for _, form in checked.parts)
    return Corpus(
        name=short,
        description=brought.description if brought else " and ".join(forms),
        rows=len(chosen),
        languages=tuple(filter(None, checked.codes)),
        where=where,
        hash=checked.hash,
        left_out=0,
        sources=brought.made_from if brought else None,
        examples=Streamed(chosen, lambda number: checked.example(number, frame)),
    )


def _paths(reference: Reference) -> list[Path]:
    """Returns the files that a reference names, in the order of their names."""
    if reference.kind == "hub":
        return []
    path = Path(reference.place).expanduser()
    if not _is_pattern(reference.place) or path.is_file():
        if not path.is_file():
            raise UserError(f"There is no file {path}; give the path of your text, as file:PATH, or as file:DIR/*.jsonl.")
        return [path]
    anchor = Path(path.anchor)
    found = sorted(each for each in anchor.glob(str(path.relative_to(anchor))) if each.is_file())
    if not found:
        raise UserError(f"No file is called {path}; give a pattern that some are, such as file:DIR/*.jsonl.")
    return found


def _is_pattern(place: str) -> bool:
    return any(letter in place for letter in "*?[")


# the plan and the training ask for the same rows; a file that was changed since is another
@lru_cache(maxsize=32)
def _checked(text: str, files: tuple[tuple[str, int, int], ...]) -> _Checked:
    reference = read_reference(text)
    if reference.kind == "hub":
        told = reference.options
        sources = [(reference.place, "", rows_of_hub(reference.place, told.get("config"), told.get("split", "train")))]
    else:
        paths = [Path(path) for path, _, _ in files]
        codes = [_code_of(path) if _is_pattern(reference.place) else "" for path in paths]
        sources = [(str(path), code, rows_of_file(path)) for path, code in zip(paths, codes, strict=True)]
    return _check(reference, sources)


def _code_of(path: Path) -> str:
    """Returns the language that a file's name ends in: sw.jsonl, train.sw.jsonl, train_sw.jsonl."""
    last = path.stem.replace("_", ".").replace("-", ".").rpartition(".")[2].lower()
    return last if last in LANGUAGES else ""


@lru_cache(maxsize=32)
def _checked_package(name: str) -> _Checked:
    brought: CorpusSource = packaged(name)
    if isinstance(brought.rows, str):
        raise TypeError("a reference is read as one")
    return _check(Reference("file", name, {}), [(f"The corpus {name} of {brought.package}", "", _Listed(list(brought.rows())))])


class _Listed:
    """Rows that a package made."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Any:
        return self._rows[number]

    def columns(self) -> list[str]:
        return list(dict.fromkeys(str(name) for row in self._rows[:100] if isinstance(row, dict) for name in row))

    def read(self) -> Iterator[tuple[str, Any]]:
        return ((f"row {number}", row) for number, row in enumerate(self._rows, start=1))


def _check(reference: Reference, sources: Sequence[tuple[str, str, Rows]]) -> _Checked:
    """Reads every row once.

    Raises:
        UserError: some are not of the form of their file; names the first, with its file and line.
    """
    digest = hashlib.sha256()
    places: dict[str, int] = {}
    language, first, wrong = array("H"), "", 0
    parts, counts = [], []
    for where, code, rows in sources:
        form, count = _form(reference, rows, where, code), 0
        for place, row in rows.read():
            count += 1
            try:
                if isinstance(row, ValueError):
                    raise row
                asked, answer, spoken, rejected = form.read(row)
            except ValueError as error:
                first, wrong = first or f"{where}, {place} {error}", wrong + 1
                continue
            language.append(places.setdefault(spoken, len(places)))
            other = "" if rejected is None else f" {len(rejected)} {rejected}"
            digest.update(f"{form.kind} {spoken} {len(asked)} {len(answer)} {asked}{answer}{other}".encode())
        parts.append((rows, form))
        counts.append(count)
    if wrong:
        more = f" (and {wrong - 1:,} more rows are wrong)" if wrong > 1 else ""
        raise UserError(f"{first}{more}; mend it, or name the columns with #question=...#answer=....")
    ends = tuple(accumulate(counts))
    return _Checked(tuple(parts), ends, tuple(places), numpy.frombuffer(language, numpy.uint16), digest.hexdigest())


def _form(reference: Reference, rows: Rows, where: str, code: str) -> Form:
    columns = rows.columns()
    if not columns:
        for place, row in rows.read():
            said = str(row) if isinstance(row, ValueError) else "is no object with columns"
            raise UserError(f'{where}, {place} {said}; write {{"question": "...", "answer": "..."}}.')
        raise UserError(f'{where} has no rows; write {{"question": "...", "answer": "..."}}, one a line.')
    first = next(row for _, row in rows.read() if isinstance(row, Mapping))
    return form_of(reference, columns, where, code, first)


def _drawn(checked: _Checked, rows: int | None, seed: int) -> NDArray[Any]:
    """Returns the numbers of the rows that are taken: all, or so many of each language."""
    if rows is None:
        return numpy.arange(len(checked.language))
    chosen = []
    for place, code in enumerate(checked.codes):
        own = numpy.flatnonzero(checked.language == place)
        # as other corpora draw, but by what a file holds in place of what it is called
        drawn = random.Random(f"{seed} {checked.hash} {code}").sample(range(len(own)), min(rows, len(own)))
        chosen.append(own[drawn])
    return numpy.sort(numpy.concatenate(chosen))
