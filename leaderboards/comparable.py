"""Whether records may stand on one board: the checks that keep a comparison fair."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from itertools import pairwise

from xreason.leaderboards.records import Record
from xreason.leaderboards.styles import style_of


class BoardError(ValueError):
    """Records that cannot be compared; the text is one sentence that names the difference and says what to do next."""


def check_comparable(records: Sequence[Record], suite: str, *, across_styles: bool) -> None:
    """Refuses records that were not asked the same questions of `suite`, or not in the same style unless `across_styles`.

    Raises:
        BoardError: see `xreason.leaderboards.board.build_board`.
    """
    if not records:
        raise BoardError(f"There are no records to build a board of {suite} from: run a comparison first.")
    keys = ((_label(record), record.provenance.model_hash, style_of(record.provenance)) for record in records)
    (label, _, _), count = Counter(keys).most_common(1)[0]
    if count > 1:
        raise BoardError(f"There are {count} records of {label}: name the folder of one experiment, or remove all but one.")
    for record in records:
        if not record.scores.get(suite):
            raise BoardError(f"{_label(record)} was not scored on {suite}: score it there, or leave it off this board.")
    _check_bases(records)
    same_way = "score both the same way, or put them on two boards"
    _check_same(records, lambda record: _asked(record, suite), same_way)
    if not across_styles:
        named = ("the prompt style", "the hash of the prompt", "the number of shots", "the number of samples", "the temperature")
        remedy = f"{same_way}, or rank across styles with --across-styles"
        _check_same(records, lambda record: dict(zip(named, astuple(style_of(record.provenance)), strict=True)), remedy)


def _label(record: Record) -> str:
    return f"{record.method} (seed {record.seed})"


def _asked(record: Record, suite: str) -> dict[str, object]:
    scores = sorted(record.scores[suite].items())
    return {
        "the limit on questions": record.provenance.limit,
        f"the version of {suite}": record.provenance.suite_versions.get(suite),
        f"max_new_tokens of {suite}": record.provenance.max_new_tokens.get(suite),
        f"the languages of {suite}": ", ".join(code for code, _ in scores),
        f"the number of questions of {suite}": ", ".join(f"{code} {score.questions}" for code, score in scores),
    }


def _check_bases(records: Sequence[Record]) -> None:
    bases = sorted({(record.provenance.model_hash, record.method) for record in records if record.training is None})
    for (one, first), (other, second) in pairwise(bases):
        if one == other:
            raise BoardError(f"{first} and {second} are the same base model, scored twice: leave one off.")
    mixed = {method for _, method in bases} & {record.method for record in records if record.training is not None}
    if mixed:
        raise BoardError(f"{min(mixed)} has records with and without a training: give the base model a name of its own.")


def _check_same(records: Sequence[Record], facts_of: Callable[[Record], Mapping[str, object]], remedy: str) -> None:
    facts = [facts_of(record) for record in records]
    for name, expected in facts[0].items():
        for record, found in zip(records, facts, strict=True):
            if found[name] != expected:
                difference = f"{_label(records[0])} and {_label(record)} differ in {name} ({expected} against {found[name]})"
                raise BoardError(f"{difference}: {remedy}.")
