"""What each stage of a method reads: its corpora joined or mixed by weights, without the rows that are held out.

joined      all rows of all corpora
mixed       as many rows as there are without one of them twice: of the corpus that is soonest out all, of each other as many
            as its weight says, drawn by the seed
held out    a share of each language of each corpus, those rows whose texts have the lowest hashes, so that they are the same
            for every seed, mix and stage; or a file's. No stage of the method trains on a text that any stage holds out
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, overload

import numpy
from numpy.typing import NDArray

from xreason.tasks.errors import UserError
from xreason.trainers.corpora.examples import Corpus, Example, bare
from xreason.trainers.stages import OF_HELD_OUT, Method, Stage


@dataclass(frozen=True)
class StageText:
    """What one stage reads."""

    corpora: tuple[Corpus, ...]  #: whole, in the stage's order
    rows: Sequence[Example] = field(repr=False)  #: that it trains on: a list, or read when they are asked for where any corpus is
    held_out: Mapping[str, Sequence[Example]] = field(repr=False)  #: language code ("" for none) to rows; none where not asked for
    words: str  #: the corpora in words, with what is taken of them
    hashes: tuple[str, ...]  #: of the corpora, and of the file that is held out


class Joined(Sequence[Example]):
    """Rows of several corpora one after another, looked up as they are asked for; of each corpus all, or those at some places."""

    def __init__(self, parts: Sequence[tuple[Sequence[Example], NDArray[Any]]]) -> None:
        self._parts = parts
        self._ends = list(accumulate(len(places) for _, places in parts))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, place: int) -> Example: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Example]: ...

    def __getitem__(self, place: int | slice) -> Example | Sequence[Example]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        part = bisect_right(self._ends, place)
        examples, places = self._parts[part]
        return examples[int(places[place - (self._ends[part - 1] if part else 0)])]

    def __iter__(self) -> Iterator[Example]:
        return (self[place] for place in range(len(self)))


def stage_texts(method: Method, load: Callable[[str, Stage], Corpus], seed: int) -> list[StageText]:
    """Returns what each stage of a method reads; `load` gives a stage's corpus by its name, and `seed` draws the rows of mixes.

    Raises:
        UserError: a corpus cannot be had, nothing is left to train on or to hold out, or settings of held-out loss lack it.
    """
    for stage in method.stages:
        said = [name for name, usual in OF_HELD_OUT.items() if getattr(stage, name) != usual]
        if said and stage.held_out is None:
            raise UserError(f"{said[0]} of stage {stage.name!r} goes by held-out loss; set held_out too, such as held_out: 0.05.")
    loaded = [[load(name, stage) for name in stage.corpora] for stage in method.stages]
    files = [load(stage.held_out, stage) if isinstance(stage.held_out, str) else None for stage in method.stages]
    asked = any(stage.held_out is not None for stage in method.stages)
    # one corpus may be read by several stages
    known: dict[int, NDArray[Any]] = {}
    texts = (
        [[known.setdefault(id(each.examples), _hashes(each.examples)) for each in corpora] for corpora in loaded] if asked else []
    )
    held = [
        _held_out(stage, corpora, file, texts[number]) if stage.held_out is not None else ([], numpy.empty(0, numpy.uint64))
        for number, (stage, corpora, file) in enumerate(zip(method.stages, loaded, files, strict=True))
    ]
    reserved = numpy.unique(numpy.concatenate([hashes for _, hashes in held]))
    made = []
    for number, (stage, corpora, file) in enumerate(zip(method.stages, loaded, files, strict=True)):
        free = [
            numpy.flatnonzero(~numpy.isin(texts[number][place], reserved)) if asked else numpy.arange(len(each.examples))
            for place, each in enumerate(corpora)
        ]
        if not all(map(len, free)):
            raise UserError(f"Stage {stage.name!r} has nothing left to train on once rows are held out; hold out fewer.")
        rows, words = _read(stage, corpora, free, seed, touched=asked)
        by_language: dict[str, list[Example]] = {}
        for example in held[number][0]:
            by_language.setdefault(example.language, []).append(example)
        if by_language:
            words += f", {len(held[number][0]):,} rows held out"
        hashes = (*(each.hash for each in corpora), *([file.hash] if file else ()))
        made.append(StageText(tuple(corpora), rows, by_language, words, hashes))
    return made


def _read(
    stage: Stage, corpora: Sequence[Corpus], free: Sequence[NDArray[Any]], seed: int, *, touched: bool
) -> tuple[Sequence[Example], str]:
    """Returns the rows that a stage trains on, of those that are free, and what they are in words."""
    names = [f"{corpus.name} ({corpus.description})" for corpus in corpora]
    if isinstance(stage.corpora, Mapping):
        weights = numpy.array(list(stage.corpora.values())) / sum(stage.corpora.values())
        whole = min(len(each) / weight for each, weight in zip(free, weights, strict=True))
        # what a float may lack of a whole number is no row less
        counts = [max(int(whole * weight + 1e-6), 1) for weight in weights]
        draws = [numpy.random.default_rng([seed, place]) for place in range(len(free))]
        told = zip(names, weights, counts, free, strict=True)
        names = [f"{weight:.3g} of {name}: {count:,} of {len(each):,} rows" for name, weight, count, each in told]
        free = [numpy.sort(draw.choice(each, count, replace=False)) for draw, each, count in zip(draws, free, counts, strict=True)]
    parts = [(corpus.examples, places) for corpus, places in zip(corpora, free, strict=True)]
    if not all(isinstance(examples, list | tuple) for examples, _ in parts):
        return Joined(parts), " + ".join(names)
    if touched or isinstance(stage.corpora, Mapping):
        return [examples[place] for examples, places in parts for place in places], " + ".join(names)
    return [example for examples, _ in parts for example in examples], " + ".join(names)


def _hashes(examples: Sequence[Example]) -> NDArray[Any]:
    """Returns a hash of what each row asks and answers, whatever frame it stands in."""
    said = ("\0".join(text.strip() for text in bare(each)) for each in examples)
    digests = (hashlib.blake2b(each.encode(), digest_size=8).digest() for each in said)
    return numpy.fromiter((int.from_bytes(each) for each in digests), numpy.uint64, len(examples))


def _held_out(
    stage: Stage, corpora: Sequence[Corpus], file: Corpus | None, texts: Sequence[NDArray[Any]]
) -> tuple[list[Example], NDArray[Any]]:
    """Returns the rows that a stage holds out, and the hashes of their texts."""
    if file is not None:
        return list(file.examples), _hashes(file.examples)
    chosen: list[Example] = []
    hashes = []
    share = float(stage.held_out or 0)
    for corpus, own in zip(corpora, texts, strict=True):
        languages: dict[str, list[int]] = {}
        for place, example in enumerate(corpus.examples):
            languages.setdefault(example.language, []).append(place)
        for code, places in languages.items():
            if len(places) < 2:
                raise UserError(
                    f"{corpus.name} has one row of {code or 'no language'}, of which none can be held out; leave it out."
                )
            of_language = own[places]
            lowest = numpy.argsort(of_language, kind="stable")[: max(round(share * len(places)), 1)]
            chosen += [corpus.examples[places[each]] for each in lowest]
            hashes.append(of_language[lowest])
    return chosen, numpy.concatenate(hashes)
