"""Means beside the one that ranks: over the languages of a group, and over the questions of a level.

A reader looks over all of them for what stands out: the gains of all subsets are one family of claims, and so are all their pairs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xreason.leaderboards.contenders import Contender, Key
from xreason.leaderboards.means.measured import Measured
from xreason.leaderboards.records import Reading
from xreason.leaderboards.rows import Pair, Subset
from xreason.leaderboards.statistics.families import together
from xreason.leaderboards.statistics.intervals import Difference, Interval

Pairs = Sequence[tuple[Contender, Contender]]


@dataclass(frozen=True)
class SubsetMeans:
    """What the subsets of a board come to: of each row, by its key, name of a subset to its mean and to its gain."""

    subsets: tuple[Subset, ...] = ()
    means: Mapping[Key, Mapping[str, Interval]] = field(default_factory=dict)
    gains: Mapping[Key, Mapping[str, Difference]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Asked:
    name: str
    kind: str
    languages: tuple[str, ...]
    questions: int
    measured: Measured


def subset_means(
    measured: Measured,
    contenders: Sequence[Contender],
    *,
    groups: Mapping[str, Sequence[str]],
    levels: Mapping[str, int],
    languages: Sequence[str],
    averaged: Sequence[str],
    reading: Reading,
    pairs: Pairs,
    over: Pairs,
) -> SubsetMeans:
    """Returns the means of groups and levels that some question is in, with gains and pairs.

    Args:
        measured: the answers of all questions.
        contenders: the rows.
        groups: name of a group to the codes of its languages.
        levels: name of a level to what its questions weigh.
        languages: those that all rows were scored in, which alone count in a group.
        averaged: those of the mean, and so of a level.
        reading: how answers are read.
        pairs: rows that are held against each other.
        over: each row with the base that its gain is over.
    """
    asked = [*_groups(measured, contenders, groups, languages), *_levels(measured, contenders, levels, averaged)]
    if not asked:
        return SubsetMeans()
    compared = _together([each.measured.differences(pairs, each.languages, reading) for each in asked])
    gained = _together([each.measured.differences(over, each.languages, reading) for each in asked])
    named = [(one.name, other.name) for one, other in pairs]
    return SubsetMeans(
        tuple(
            Subset.model_validate(
                {"name": each.name, "kind": each.kind, "languages": each.languages, "questions": each.questions}
                | {"pairs": tuple(Pair(first=one, second=other, difference=d) for (one, other), d in zip(named, of, strict=True))}
            )
            for each, of in zip(asked, compared, strict=True)
        ),
        {row.key: {each.name: each.measured.mean(row, each.languages, reading) for each in asked} for row in contenders},
        {row.key: {each.name: of[place] for each, of in zip(asked, gained, strict=True)} for place, (row, _) in enumerate(over)},
    )


def _groups(
    measured: Measured, contenders: Sequence[Contender], groups: Mapping[str, Sequence[str]], languages: Sequence[str]
) -> Iterator[_Asked]:
    scores = contenders[0].scores[0]
    for name, members in groups.items():
        if codes := tuple(code for code in languages if code in members):
            yield _Asked(name, "group", codes, sum(scores[code].questions for code in codes), measured)


def _levels(
    measured: Measured, contenders: Sequence[Contender], levels: Mapping[str, int], averaged: Sequence[str]
) -> Iterator[_Asked]:
    weights, asked = measured.weights or (), [contenders[0].scores[0][code].questions for code in averaged]
    for name, weight in levels.items():
        counts = [weights[:count].count(weight) for count in asked]
        # a limit may leave none of a level
        if all(counts):
            yield _Asked(f"level {name}", "level", tuple(averaged), sum(counts), Measured(contenders, contenders[0].suite, weight))


def _together(found: Sequence[Sequence[Difference]]) -> list[list[Difference]]:
    """Returns the differences of each subset, all judged as one family."""
    judged = iter(together([each for of in found for each in of]))
    return [[next(judged) for _ in of] for of in found]
