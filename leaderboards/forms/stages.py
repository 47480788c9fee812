"""What a stage read, tuned and took, in words: the one list that the board's page, the terminal and model cards choose from."""

from xreason.leaderboards.forms import format as _format
from xreason.leaderboards.records import StageCost


def stage_cells(stage: StageCost) -> dict[str, str]:
    """Returns heading to plain text, not escaped, in the order of columns; "" for the loss where none was logged."""
    losses = [f"{loss:.3f}" for _, loss in stage.losses]
    cut = None if stage.truncated is None else [f"{code} {rows:,}" for code, rows in sorted(stage.truncated.items()) if rows]
    return {
        "stage": stage.name,
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
        "loss": f"{losses[0]} to {losses[-1]}" if losses else "",
    }
