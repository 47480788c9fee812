"""Whether records may stand on one board: the checks that keep a comparison fair."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise

from xreason.leaderboards.contenders import is_base, key_of
from xreason.leaderboards.records import Record
from xreason.leaderboards.styles import style_of

_SAME_WAY = "score both the same way, or put them on two boards"
#: A value that takes more characters than this is cut in a sentence.
_LONGEST_VALUE = 60


class BoardError(ValueError):
    """Records that cannot be compared; the text is one sentence that names the difference and says what to do next."""


def check_comparable(records: Sequence[Record], suite: str, *, across_styles: bool) -> None:
    """Refuses records that were not asked the same questions of `suite`, or not in the same style unless `across_styles`.

    Raises:
        BoardError: see `xreason.leaderboards.board.build_board`.
    """
    if not records:
        raise BoardError(f"There are no records to build a board of {suite} from: run a comparison first.")
    _check_once(records)
    for record in records:
        if not record.scores.get(suite):
            raise BoardError(f"{_label(record)} was not scored on {suite}: score it there, or leave it off this board.")
    _check_bases(records)
    _check_same(records, lambda record: _asked(record, suite), _SAME_WAY)
    for code in sorted({code for record in records for code in record.scores[suite]}):
        _check_questions([record for record in records if code in record.scores[suite]], suite, code)
    if told := [record for record in records if suite in (record.families or {})]:
        _check_same(told, lambda record: {f"the families of questions of {suite}": (record.families or {})[suite]}, _SAME_WAY)
    _check_same(records, lambda record: {f"the weights of questions of {suite}": record.weights.get(suite)}, _SAME_WAY)
    if not across_styles:
        _check_same(records, _style, f"{_SAME_WAY}, or rank across styles with --across-styles")


def check_measured(records: Sequence[Record], suite: str) -> None:
    """Refuses records that were not asked the same of a suite of lm-eval's tasks, or are not measured alike.

    Raises:
        BoardError: see `xreason.leaderboards.measured.board.measured_board`.
    """
    _check_once(records)
    _check_bases(records)
    _check_same(records, lambda record: _asked(record, suite), _SAME_WAY)
    _check_same(records, _style, _SAME_WAY)
    for code in sorted({code for record in records for code in record.measures[suite]}):
        told = [record for record in records if code in record.measures[suite]]
        _check_same(told, partial(_measured, suite=suite, code=code), _SAME_WAY)


def _measured(record: Record, *, suite: str, code: str) -> dict[str, object]:
    told = record.measures[suite][code]
    return {f"the measure of {suite}": told.metric, f"the questions of {suite} in {code}": told.questions_hash}


def _check_once(records: Sequence[Record]) -> None:
    (key, seed), count = Counter((key_of(record), record.seed) for record in records).most_common(1)[0]
    if count > 1:
        label = f"{key.method} (seed {seed})"
        raise BoardError(f"There are {count} records of {label}: name the folder of one experiment, or remove all but one.")


def _label(record: Record) -> str:
    return f"{record.method} (seed {record.seed})"


def _asked(record: Record, suite: str) -> dict[str, object]:
    return {
        "the limit on questions": record.provenance.limit,
        f"the version of {suite}": record.provenance.suite_versions.get(suite),
        f"max_new_tokens of {suite}": record.provenance.max_new_tokens.get(suite),
    }


def _style(record: Record) -> dict[str, object]:
    style = style_of(record.provenance)
    return {
        "the prompt style": style.prompt,
        "the hash of the prompt": style.prompt_hash,
        "the number of shots": style.shots,
        "the number of samples": style.samples,
        "the temperature": style.temperature,
        "how worked examples are chosen": style.worked_examples,
        "what bounds sampling": style.decoding,
        "the system instruction": style.system or "none",
        "what the chat template was told": style.written_chat_args,
        "what ends thinking": style.think_end or "nothing",
        "the budget for thinking": style.thinking_tokens or "none",
    }


def _check_bases(records: Sequence[Record]) -> None:
    bases = sorted({(key_of(each).style, key_of(each).made, each.method) for each in records if each.training is None})
    for (*one, first), (*other, second) in pairwise(bases):
        if one == other:
            raise BoardError(f"{first} and {second} are the same model, as far as their records tell, scored twice: leave one off.")
    mixed = {each.method for each in records if is_base(each)} & {each.method for each in records if each.training is not None}
    if mixed:
        raise BoardError(f"{min(mixed)} has records with and without a training: give the base model a name of its own.")


def _check_questions(records: Sequence[Record], suite: str, code: str) -> None:
    """Holds what was asked in one language: the questions themselves where two records tell them, their number in any case."""
    _check_same(
        records, lambda each: {f"the number of questions of {suite}": f"{code} {each.scores[suite][code].questions}"}, _SAME_WAY
    )
    known = [(record, told) for record in records if (told := record.scores[suite][code].questions_hash) is not None]
    for record, told in known[1:]:
        first, expected = known[0]
        if told != expected:
            sides = f"{_label(first)} and {_label(record)} were asked other questions of {suite} in {code}"
            raise BoardError(f"{sides} (hash {expected[:12]} against {told[:12]}): score both on the same ones, or leave one off.")


def _check_same(records: Sequence[Record], facts_of: Callable[[Record], Mapping[str, object]], remedy: str) -> None:
    facts = [facts_of(record) for record in records]
    for name, expected in facts[0].items():
        for record, found in zip(records, facts, strict=True):
            if found[name] != expected:
                sides = f"{_short(expected)} against {_short(found[name])}"
                raise BoardError(f"{_label(records[0])} and {_label(record)} differ in {name} ({sides}): {remedy}.")


def _short(value: object) -> str:
    written = str(value)
    return written if len(written) <= _LONGEST_VALUE else f"{written[: _LONGEST_VALUE - 1]}…"
