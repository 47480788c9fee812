"""The order of questions: the same one in the same place in every language of a suite, and the levels that they are of."""

from collections import Counter
from collections.abc import Mapping, Sequence

from xreason.tasks.added import Level
from xreason.tasks.errors import UserError
from xreason.tasks.sets.own import by_turns
from xreason.tasks.sets.source import Row


def in_one_order(rows: Mapping[str, list[Row]], fixed: Mapping[str, list[Row]] = {}) -> dict[str, list[Row]]:
    """Returns the rows of some languages, by their codes, so that the same id stands in the same place in all.

    Where two languages have the same ids, that is the order of `fixed`, rows that cannot be moved, else of the first language;
    where they have none in common (PolyMath's name their language), each keeps its own, as rows without ids do. Where questions
    are of levels, these take turns.

    Raises:
        UserError: two languages have some ids in common, but not all.
    """
    standing = {code: [row["id"] for row in each if "id" in row] for code, each in fixed.items()}
    ordered: dict[str, list[Row]] = {}
    for code, own in rows.items():
        by_id = {row["id"]: row for row in own if "id" in row}
        alike = next((ids for ids in standing.values() if len(ids) == len(own) and {*ids} == by_id.keys()), None)
        found = [by_id[name] for name in alike] if alike else own
        ordered[code] = by_turns(found) if found and "level" in found[0] else found
        standing[code] = [row["id"] for row in ordered[code] if "id" in row]
    first: dict[str, tuple[int, str]] = {}
    for code, ids in standing.items():
        for place, name in enumerate(ids):
            before, other = first.setdefault(name, (place, code))
            if before != place:
                lacking = next((each for each in standing[other] if each not in {*ids}), None) or next(
                    each for each in ids if each not in {*standing[other]}
                )
                shared = len({*ids} & {*standing[other]})
                said = f"{other} and {code} share {shared:,} questions by their ids, but not {lacking[:40]!r}"
                raise UserError(f"{said}; give both the same questions, or leave ids out with --id-column none.")
    return ordered


def levels_of(rows: Mapping[str, Sequence[Row]], weights: Mapping[str, int] | None) -> dict[str, Level]:
    """Returns the levels that the questions of all languages are of, each with how many a language has and what it weighs.

    Args:
        rows: by language, each with its `level`.
        weights: level to what it weighs; {} for all the same, None where every question weighs the same.

    Raises:
        UserError: two languages have other levels, or the weights are of others.
    """
    counts = {code: Counter(row.get("level", "") for row in each) for code, each in rows.items()}
    first, *others = counts
    for code in others:
        if counts[code] != counts[first]:
            level = min(name for name in {*counts[first], *counts[code]} if counts[first][name] != counts[code][name])
            has, other = counts[first][level], counts[code][level]
            said = f"{first} has {has:,} questions of the level {level[:40]!r}, and {code} has {other:,}"
            raise UserError(f"{said}; give every language the same.")
    found = sorted(counts[first])
    if weights and sorted(weights) != found:
        raise UserError(
            f"The levels are {', '.join(found)[:200]}, and --weights names {', '.join(weights)[:80]}; give each its weight."
        )
    return {
        name: Level(counts[first][name], None if weights is None else (weights or dict.fromkeys(found, 1))[name]) for name in found
    }
