"""Trains as told by JSON arguments, one after another; is killed from within at a step where that is said. Run as a process."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from xreason.trainers.loop.reports import StageProgress
from xreason.trainers.methods import load_method
from xreason.trainers.train import train


def main(told: dict[str, Any]) -> None:
    seen: list[list[Any]] = []

    def progress(state: StageProgress) -> None:
        seen.append([state.stage, state.step, state.loss, state.gradient_norm])
        if told.get("kill") == [state.stage, state.step]:
            # a step checkpoint is written beside the training: the one that was begun is whole first
            while list(Path(told["work"]).rglob("*.partial")):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)

    report = train(
        load_method(told["method"], told["settings"]),
        told["base"],
        Path(told["out"]),
        languages=["en", "de"],
        source="papers",
        data=Path(told["data"]),
        device="cpu",
        progress=progress,
        work=Path(told["work"]) if "work" in told else None,
        save_steps=told.get("save_steps", 2),
        save_minutes=None,
        mixed_precision=told.get("mixed_precision"),
        pairs=Path(told["pairs"]) if "pairs" in told else None,
    )
    if int(os.environ.get("RANK", "0")) == 0:
        last = report.stages[-1]
        said = {"seen": seen, "losses": last.losses, "held_out": last.held_out, "tokens": [stage.tokens for stage in report.stages]}
        Path(told["out"] + ".json").write_text(json.dumps(said))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        main(json.loads(argument))
