"""Whether records may stand on one board: the checks that keep a comparison fair."""

from collections import Counter
from collections.abc import Callable, Sequence

from xreason.leaderboards.records import Record
from xreason.leaderboards.styles import style_of


class BoardError(ValueError):
    """Records that cannot be compared; the text is one sentence that names the difference and says what to do next."""


_SAME_WAY = "score both the same way, or put them on two boards"


def check_comparable(records: Sequence[Record], suite: str, *, across_styles: bool) -> None:
    """Refuses records that were not asked the same questions in the same way.

    Args:
        records: the records of one board.
        suite: the suite they are compared on.
        across_styles: whether they may differ in prompt, shots and decoding.

    Raises:
        BoardError: see `xreason.leaderboards.board.build_board`.
    """
    if not records:
        raise BoardError(f"There are no records to build a board of {suite} from: run a comparison first.")
    _check_each_once(records)
    _check_scored(records, suite)
    _check_bases(records)
    asked: list[tuple[str, Callable[[Record], object]]] = [
        ("the limit on questions", lambda record: record.provenance.limit),
        (f"the version of {suite}", lambda record: record.provenance.suite_versions.get(suite)),
        (f"max_new_tokens of {suite}", lambda record: record.provenance.max_new_tokens.get(suite)),
        (f"the languages of {suite}", lambda record: ", ".join(sorted(record.scores[suite]))),
        (f"the number of questions of {suite}", lambda record: _questions(record, suite)),
    ]
    for name, read in asked:
        _check_same(records, name, read, _SAME_WAY)
    if not across_styles:
        _check_one_style(records)


def _label(record: Record) -> str:
    return f"{record.method} (seed {record.seed})"


def _questions(record: Record, suite: str) -> str:
    return ", ".join(f"{code} {score.questions}" for code, score in sorted(record.scores[suite].items()))


def _check_one_style(records: Sequence[Record]) -> None:
    styled: list[tuple[str, Callable[[Record], object]]] = [
        ("the prompt style", lambda record: record.provenance.prompt),
        ("the hash of the prompt", lambda record: record.provenance.prompt_hash),
        ("the number of shots", lambda record: record.provenance.shots),
        ("the number of samples", lambda record: record.provenance.samples),
        ("the temperature", lambda record: record.provenance.temperature),
    ]
    for name, read in styled:
        _check_same(records, name, read, f"{_SAME_WAY}, or rank across styles with --across-styles")


def _check_each_once(records: Sequence[Record]) -> None:
    keys = ((_label(record), record.provenance.model_hash, style_of(record.provenance)) for record in records)
    (label, _, _), count = Counter(keys).most_common(1)[0]
    if count > 1:
        raise BoardError(f"There are {count} records of {label}: name the folder of one experiment, or remove all but one.")


def _check_scored(records: Sequence[Record], suite: str) -> None:
    for record in records:
        if not record.scores.get(suite):
            raise BoardError(f"{_label(record)} was not scored on {suite}: score it there, or leave it off this board.")


def _check_bases(records: Sequence[Record]) -> None:
    untrained = {record.method for record in records if record.training is None}
    for model in {record.provenance.model_hash for record in records}:
        same = {record.method for record in records if record.training is None and record.provenance.model_hash == model}
        if len(same) > 1:
            raise BoardError(f"{' and '.join(sorted(same))} are the same base model, scored twice: leave one off.")
    mixed = untrained & {record.method for record in records if record.training is not None}
    if mixed:
        raise BoardError(f"{mixed.pop()} has records with and without a training: give the base model a name of its own.")


def _check_same(records: Sequence[Record], name: str, read: Callable[[Record], object], remedy: str) -> None:
    first = records[0]
    for record in records[1:]:
        if read(record) != read(first):
            raise BoardError(
                f"{_label(first)} and {_label(record)} differ in {name} ({read(first)} against {read(record)}): {remedy}."
            )
