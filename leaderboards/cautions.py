"""What a reader must know before citing a board: where its rows are not quite like with like, one sentence each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

from xreason.leaderboards.contamination import in_domain_cautions
from xreason.leaderboards.contenders import Contender
from xreason.leaderboards.records import Record, Training

_UNKNOWN = "not recorded"
_COST = "training times do not compare"


def cautions_of(contenders: Sequence[Contender], suite: str, partial: Sequence[str]) -> Iterator[str]:
    """Yields the cautions of a board of `suite`; `partial` are the codes of languages that some of its rows were not scored in."""
    yield from _languages(contenders, partial)
    yield from _questions(contenders, suite)
    yield from _conditions(contenders, suite)
    yield from _prompts(contenders)
    yield from in_domain_cautions(contenders, suite)
    yield from _same_weights(contenders)
    yield from _combined(contenders)
    yield from _costs(contenders)


def _languages(contenders: Sequence[Contender], partial: Sequence[str]) -> Iterator[str]:
    lacking: dict[str, list[str]] = {}
    for code in partial:
        names = _names([each for each in contenders if any(code not in scores for scores in each.scores)])
        lacking.setdefault(names, []).append(code)
    for names, codes in lacking.items():
        yield f"No mean, rank or difference counts {', '.join(codes)}: {names} lacks it."


def _questions(contenders: Sequence[Contender], suite: str) -> Iterator[str]:
    unknown = [each for each in contenders if any(not _told(record, suite) for record in each.records)]
    if unknown and len(contenders) > 1:
        yield f"Which questions were asked is not recorded for {_names(unknown)}: their number was compared, not they."


def _conditions(contenders: Sequence[Contender], suite: str) -> Iterator[str]:
    records = [record for each in contenders for record in each.records]
    facts: dict[str, Callable[[Record], str | None]] = {
        "dtype served in": lambda record: record.provenance.dtype or _UNKNOWN,
        "arguments of vLLM": lambda record: _arguments(record.provenance.engine),
        "identifier of languages": lambda record: record.provenance.identifier or "none",
        "machine that scored": lambda record: record.provenance.machine,
    }
    # where the questions are known to be the same, it does not matter where they came from
    if not all(_told(record, suite) for record in records):
        facts["source of the questions"] = lambda record: record.provenance.data.get(suite, _UNKNOWN)
    for package in sorted({package for record in records for package in record.provenance.versions}):
        facts[package] = lambda record, package=package: record.provenance.versions.get(package, _UNKNOWN)  # type: ignore[misc]
    for name, fact in facts.items():
        if sides := _sides([(fact(record) or _UNKNOWN, each) for each in contenders for record in each.records]):
            yield f"Rows differ in {name}: {sides}."


def _arguments(told: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={told[name]}" for name in sorted(told)) or "none"


def _prompts(contenders: Sequence[Contender]) -> Iterator[str]:
    ways: dict[tuple[str, str], list[Contender]] = {}
    for each in contenders:
        for frame in dict.fromkeys(training.stages[-1].frame for training in each.trainings):
            if frame is not None and frame != each.key.style.prompt:
                ways.setdefault((frame, each.key.style.prompt), []).append(each)
    for (frame, prompt), rows in ways.items():
        yield f"Trained in the prompt {frame} and asked in {prompt}: {_names(rows)}."


def _same_weights(contenders: Sequence[Contender]) -> Iterator[str]:
    for each in contenders:
        for one, other in combinations(each.records, 2):
            if each.trainings and one.provenance.weights_hash and one.provenance.weights_hash == other.provenance.weights_hash:
                yield f"{each.name}: seeds {one.seed} and {other.seed} are the same weights, so its interval is too narrow."


def _combined(contenders: Sequence[Contender]) -> Iterator[str]:
    for each in contenders:
        asked = each.records[0].provenance.translate_test
        merged = each.trainings[0].merged if each.trainings and not asked else None
        if merged is not None:
            made = f"{each.name} was merged, not trained: {merged.how}"
            yield f"{made}; its training time is that of {' and '.join(merged.rows)}, and of merging."
        if asked is not None and asked.models > 1:
            yield f"{each.name} takes {asked.models} models; its training time is that of {asked.of}, which answers, alone."


def _costs(contenders: Sequence[Contender]) -> Iterator[str]:
    trained = [(training, each) for each in contenders for training in each.trainings]
    if len(trained) > 1 and (sides := _sides([(_place(training), each) for training, each in trained])):
        yield f"What trainings ran on differs, so {_COST}: {sides}."
    elif len(trained) > 1 and trained[0][0].device is None:
        yield "What trainings ran on is not recorded, so their times may not compare."
    if least := [each for each in contenders if any(training.tuned_at_least for training in each.trainings)]:
        yield f"The tuned share of {_names(least)} is its largest stage's: what all its stages tuned is not recorded."
    for each in contenders:
        if cut := _truncated(each.trainings):
            codes = ", ".join(f"{code} {rows:,}" for code, rows in sorted(cut.items()))
            yield f"{each.name}: training rows cut off at the length limit: {codes}."


def _place(training: Training) -> str:
    return ", ".join(filter(None, (training.device, training.machine))) or _UNKNOWN


def _truncated(trainings: Sequence[Training]) -> dict[str, int]:
    """Language code to rows that all stages of one seed cut off, the most over seeds; without those of which none was."""
    rows: dict[str, int] = {}
    for training in trainings:
        told = [stage.truncated or {} for stage in training.stages]
        for code in {code for each in told for code in each}:
            rows[code] = max(rows.get(code, 0), sum(each.get(code, 0) for each in told))
    return {code: count for code, count in rows.items() if count}


def _told(record: Record, suite: str) -> bool:
    told = record.scores.get(suite) or record.measures[suite]
    return all(each.questions_hash is not None for each in told.values())


def _sides(values: Sequence[tuple[str, Contender]]) -> str:
    """Each value with the rows that have it; "" where all have the same."""
    sides: dict[str, list[Contender]] = {}
    for value, contender in values:
        sides.setdefault(value, []).append(contender)
    return "; ".join(f"{value} ({_names(rows)})" for value, rows in sides.items()) if len(sides) > 1 else ""


def _names(contenders: Sequence[Contender]) -> str:
    return ", ".join(dict.fromkeys(each.name for each in contenders))
