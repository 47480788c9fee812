"""What each stage of a training read, tuned and took, and what was merged, as cells."""

from collections.abc import Sequence

from xreason.leaderboards.board import Board
from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.forms.cells import Cell, Table
from xreason.leaderboards.records import StageCost, Training

#: The heading of a stage's cell to the field of StageCost that it holds, where that is a number.
_STAGE_NUMBERS = {
    "rows": "rows",
    "share tuned": "tuned_parameters",
    "sequences a step": "batch_size",
    "learning rate": "learning_rate",
    "tokens": "tokens",
    "tokens/s": "tokens_per_second",
    "time": "seconds",
    "peak memory": "peak_memory_bytes",
}


def stage_table(boards: Sequence[Board]) -> Table | None:
    """Returns what each stage trained on and took, each training once; None where nothing was trained."""
    # the same training stands on the board of every suite, and in rows that were asked in other styles
    trained = {
        (f"{row.method} ({row.setting})" if row.setting else row.method, seed, training.model_dump_json()): training
        for board in boards
        for row in board.rows
        for seed, training in zip(row.seeds, row.trainings, strict=False)
    }
    if not trained:
        return None
    rows = [
        (
            Cell(name, value=name),
            Cell(str(seed), value=seed),
            *(Cell(text, value=_of_stage(stage, heading, text)) for heading, text in cells.items()),
        )
        for (name, seed, _), training in trained.items()
        for stage, cells in zip((*training.stages, None), training_cells(training), strict=False)
    ]
    headings = stage_cells(next(iter(trained.values())).stages[0])
    return Table("What each stage trained on", ("model", "seed", *headings), tuple(rows))


def training_cells(training: Training) -> list[dict[str, str]]:
    """Returns the stages of a training as stage_cells has them; of a merged model, what was merged too, under the same headings."""
    lines = [stage_cells(stage) for stage in training.stages]
    if training.merged is None:
        return lines
    told = {"stage": "merge", "tuned": training.merged.how, "time": _format.duration(training.merged.seconds)}
    return [*lines, {heading: told.get(heading, _format.NOTHING) for heading in lines[0]}]


def stage_cells(stage: StageCost) -> dict[str, str]:
    """Returns what a stage read, tuned and took: heading to plain text, in column order; "" for a loss that was not logged."""
    losses = [f"{loss:.3f}" for _, loss in stage.losses]
    cut = None if stage.truncated is None else [f"{code} {rows:,}" for code, rows in sorted(stage.truncated.items()) if rows]
    return {
        "stage": stage.name if stage.objective in (None, "imitate") else f"{stage.name}: {stage.objective}",
        "corpus": stage.corpus,
        "rows": _format.count(stage.rows),
        "languages": ", ".join(stage.languages),
        "tuned": f"{stage.tuned} ({_format.count(stage.tuned_parameters)})",
        "share tuned": _format.share(stage.tuned_parameters / stage.total_parameters),
        "epochs / steps": f"{stage.epochs:g} / {_format.count(stage.steps)}",
        "sequences a step": _format.count(stage.batch_size),
        "learning rate": _format.learning_rate(stage.learning_rate),
        "tokens": _format.count(stage.tokens),
        "tokens/s": _format.count(round(stage.tokens_per_second)),
        "time": _format.duration(stage.seconds),
        "peak memory": _format.size(stage.peak_memory_bytes),
        "rows cut off": _format.NOTHING if cut is None else ", ".join(cut) or "0",
        "loss": (f"{losses[0]} to {losses[-1]}" if losses else "") + _held_out(stage) + _rewards(stage),
    }


def _held_out(stage: StageCost) -> str:
    """Returns the last loss on rows held out, in words, or that of the step whose weights were kept; nothing without any."""
    looks = [each for each in stage.held_out if stage.kept_step in (None, each[0])]
    if not looks:
        return ""
    told = ", ".join(f"{code}{' ' if code else ''}{loss:.3f}" for code, loss in looks[-1][1].items())
    return f"; held out {told}{'' if stage.kept_step is None else f' (step {stage.kept_step:,} kept)'}"


def _rewards(stage: StageCost) -> str:
    """Returns the first and the last mean reward, in words; nothing where none is earned."""
    return f"; reward {stage.rewards[0][1]['reward']:.3f} to {stage.rewards[-1][1]['reward']:.3f}" if stage.rewards else ""


def _of_stage(stage: StageCost | None, heading: str, text: str) -> float | str | None:
    field = _STAGE_NUMBERS.get(heading)
    if stage is None:  # of merging
        return None if field or text == _format.NOTHING else text
    return (text or None) if field is None else float(getattr(stage, field))
