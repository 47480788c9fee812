"""What a plan will take, as tables that fit 100 columns."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group
from rich.constrain import Constrain
from rich.markup import escape
from rich.table import Table

from xreason.harness.training.costs import MergeOutlook, Outlook, RecipeRatio, ScoreOutlook, TrainingOutlook
from xreason.leaderboards.forms.format import count, duration, share, size

_WIDTH = 100
#: How rows and tokens are known: the mark behind a number, and what it says.
_MARKS: Mapping[str, tuple[str, str]] = {
    "sampled": ("~", "tokens of a sample of the rows (--exact counts all)"),
    "estimated": ("≈", "tokens estimated from characters, no tokenizer here"),
    "expected": ("^", "pairs: those that were made, else one a sample, twice as long as the corpus's rows"),
    "bound": ("<", "completions that earn rewards, each as long as it may be: a bound"),
    "published": ("*", "a set is not here: rows as published, tokens of about such rows"),
}


def outlook_tables(seen: Outlook) -> Constrain:
    """Returns what trainings read and take, what is scored by which engines, two recipes, and what there is to know beside."""
    return Constrain(Group(*_parts(seen)), _WIDTH)


def _parts(seen: Outlook) -> Iterator[Table | str]:
    done = f"{seen.steps} steps, {seen.steps_done} of them done"
    yield f"{escape(str(seen.folder))}: {done}. Nothing was trained, served or fetched to say this."
    if seen.layers:
        finds = ", ".join(f"{each.base} ({'done' if each.done else 'to do'})" for each in seen.layers)
        yield escape(f"Language layers are found first, of {finds}.")
    for each in seen.pairs:
        asked = f"{count(each.samples)} samples on each of {count(each.questions)} questions" if each.questions else "samples"
        takes = "done" if each.done else f"{_time(each.device_seconds)}, {each.seconds_from}"
        yield escape(f"{each.row}, seed {each.seed}, prefers between {asked} ({takes}).")
    if seen.trainings:
        yield _stages(seen)
        yield _trainings(seen)
    if seen.merges:
        yield _merges(seen)
    if seen.scores:
        yield _scores(seen.scores)
    if seen.translations:
        said = (f"{each.suite} by {each.row} ({'done' if each.done else 'to do'})" for each in seen.translations)
        yield escape(f"Put into English before it is asked: {', '.join(said)}.")
    if votes := [each for each in seen.scores if each.voting]:
        said = (f"{each.suite} by {each.row}, {each.voting} times ({'done' if each.done else 'to do'})" for each in votes)
        yield escape(f"Answered several times, for a vote: {', '.join(said)}.")
    for number, start in enumerate(seen.engines, start=1):
        then = f", then {', '.join(start.then)}" if start.then else ""
        yield escape(f"Engine {number}: {start.row} ({start.why}){then}.")
    yield from map(_ratio, seen.ratios)
    yield _in_all(seen)
    notes = (*_missing(seen), *seen.notes, *(f"{row} is left out: {reason}" for row, reason in seen.failures))
    yield from (escape(note) for note in notes)


def _stages(seen: Outlook) -> Table:
    headings = ("training", "stage", "rows x epochs", "steps", "tokens", "GFLOP/token", "device time")
    stages = [stage for training in seen.trainings for stage in training.stages]
    known = {how for stage in stages for how in stage.known_by}
    legend = [f"{mark} {words}" for how, (mark, words) in _MARKS.items() if how in known]
    rates = "; ".join(dict.fromkeys(stage.seconds_from for stage in stages))
    table = _table("What trainings read", *headings, caption=". ".join([*legend, f"Device time: {rates}."]))
    for training in seen.trainings:
        name = _name(training, seen)
        for stage in training.stages:
            marks = "".join(_MARKS[how][0] for how in stage.known_by if how in _MARKS)
            table.add_row(
                name,
                escape(stage.name),
                f"{count(stage.rows)} x {stage.epochs:g}{'*' if 'published' in stage.known_by else ''}",
                count(stage.steps),
                f"{count(stage.tokens)}{marks}",
                f"{stage.flops_per_token / 1e9:,.3g}",
                _time(stage.device_seconds),
            )
            name = ""
    for column in table.columns[2:]:
        column.justify = "right"
    return table


def _trainings(seen: Outlook) -> Table:
    headings = ("training", "base", "tunes", "memory", "which has", "checkpoint", "while it trains")
    table = _table("What trainings take", *headings)
    for each in seen.trainings:
        table.add_row(
            _name(each, seen),
            escape(each.base.rstrip("/").rpartition("/")[2]),
            f"{count(each.tuned_parameters)} ({share(each.tuned_parameters / each.stages[0].total_parameters)})",
            size(each.memory_bytes) + (f" x {each.devices}" if each.devices > 1 else ""),
            escape(each.memory_at),
            f"{each.checkpoint}, {size(each.checkpoint_bytes)}",
            f"2 x {size(each.step_checkpoint_bytes)}" if each.step_checkpoint_bytes else "nothing",
        )
    return table


def _merges(seen: Outlook) -> Table:
    table = _table("What is merged, without training", "row", "of", "checkpoint, at most")
    for each in seen.merges:
        table.add_row(_name(each, seen), escape(each.how), f"{each.checkpoint}, {size(each.checkpoint_bytes)}")
    return table


def _scores(scores: tuple[ScoreOutlook, ...]) -> Table:
    by = "; ".join(dict.fromkeys(each.seconds_from for each in scores if not each.done))
    headings = ("suite", "models", "done", "questions each", "tokens at most", "device time")
    table = _table("What is scored", *headings, caption=f"Device time: {by}." if by else None)
    for suite in dict.fromkeys(each.suite for each in scores):
        mine = [each for each in scores if each.suite == suite]
        left = [each for each in mine if not each.done]
        tokens, seconds = sum(each.tokens_at_most for each in left), sum(each.device_seconds for each in left)
        numbers = (len(mine), len(mine) - len(left), mine[0].questions, tokens)
        table.add_row(suite, *map(count, numbers), _time(seconds))
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _ratio(ratio: RecipeRatio) -> Table:
    title = escape(f"{ratio.row} over {ratio.over}, seed {ratio.seed}, recipe over recipe")
    headings = ("rows", "x epochs", "x tokens a row", "= tokens", "x FLOP a token", "= FLOP", "device time")
    table = _table(title, *headings, caption="The SLAM paper says 4.1 to 11.9 times the training time; not on which machines.")
    parts = (ratio.rows, ratio.epochs, ratio.tokens_a_row, ratio.tokens, ratio.flops_a_token, ratio.flops, ratio.device_seconds)
    table.add_row(*(f"{each:.2f}" for each in parts))
    return table


def _in_all(seen: Outlook) -> str:
    while_training = f", up to {size(seen.most_bytes)} while they are made" if seen.most_bytes > seen.checkpoint_bytes else ""
    short = "; more than the disk has" if seen.most_bytes > seen.disk_free_bytes else ""
    room = f" ({size(seen.disk_free_bytes)} are free{short})"
    written = f"{size(seen.checkpoint_bytes)}{while_training}{room}"
    return f"To be done: {_time(seen.device_seconds)} of device time. To be written: {written}."


def _missing(seen: Outlook) -> Iterator[str]:
    """Yields a line a set that is not here: what it is reckoned with, and where it was looked for."""
    by_reason: dict[str, dict[str, None]] = {}
    for each in (missing for training in seen.trainings for stage in training.stages for missing in stage.missing):
        said = f"{each.corpus} in {', '.join(each.languages)}: {each.reckoned_with}"
        by_reason.setdefault(each.why, {})[said] = None
    for why, said_all in by_reason.items():
        yield f"Missing: {why} Reckoned with instead: {'; '.join(said_all)}."


def _table(title: str, *headings: str, caption: str | None = None) -> Table:
    told: dict[str, Any] = {"title": title, "caption": caption, "title_justify": "left", "caption_justify": "left"}
    return Table(*headings, **told, padding=(0, 0, 0, 1))


def _name(training: TrainingOutlook | MergeOutlook, seen: Outlook) -> str:
    several = len({each.seed for each in seen.trainings}) > 1
    words = (training.row, f", seed {training.seed}" if several else "", " (done)" if training.done else "")
    return escape("".join(words))


def _time(seconds: float) -> str:
    hours = seconds / 3600
    return f"{count(round(hours))} h" if hours >= 100 else f"{hours:.3g} h" if hours >= 1 else duration(seconds)
