"""What one engine for many models saves: a start of vLLM against a swap of weights, in one run on one machine.

    python -m benchmarks.engine            # the pocket model, a SLAM and a full checkpoint of it

Prints JSON: seconds of the first start, of a start when everything is imported, of each swap and of its proof
(medians), and how many swaps a warm start is worth.
"""

import statistics
import tempfile
from pathlib import Path

from benchmarks.report import report
from xreason.harness.serving import engine
from xreason.harness.serving.models import Model, checkpoint_model, plain_model
from xreason.harness.training.train import plan_training, train
from xreason.trainers.methods import load_method

REPETITIONS = 10
# enough to change every weight; what is learnt does not matter here
QUICK = {"max_steps": 4, "batch_size": 8, "rows": 40, "learning_rate": 1e-2}


def main() -> None:
    """Trains two checkpoints, serves them in turns, and prints what each turn took."""
    base = plain_model("pocket")
    with tempfile.TemporaryDirectory() as folder:
        slam, full = (_trained(base, method, Path(folder) / method) for method in ("slam", "full"))
        running = engine.start(base, max_length=1024)
        first = running.seconds_to_start
        running.stop()
        running = engine.start(base, max_length=1024)
        turns: dict[str, list[float]] = {"slam": [], "base": [], "full": []}
        proofs: dict[str, list[float]] = {name: [] for name in turns}
        for _ in range(REPETITIONS):
            for name, model in (("slam", slam), ("base", base), ("full", full), ("base", base)):
                turns[name].append(running.serve(model))
                proofs[name].append(running.seconds_to_prove)
        running.stop()
    warm, swaps = running.seconds_to_start, {name: statistics.median(seconds) for name, seconds in turns.items()}
    report(
        first_start_seconds=round(first, 2),
        warm_start_seconds=round(warm, 2),
        swap_seconds={name: round(seconds, 4) for name, seconds in swaps.items()},
        of_which_proof_seconds={name: round(statistics.median(seconds), 4) for name, seconds in proofs.items()},
        warm_start_over_swap={name: round(warm / seconds) for name, seconds in swaps.items()},
    )


def _trained(base: Model, method: str, folder: Path) -> Model:
    settings = {**QUICK, **({"layers": 1} if method == "slam" else {})}
    task = plan_training(method, 0, folder, load_method(method, settings), base, ("en", "sw"), source="pocket", data=None)
    train(task)
    return checkpoint_model(task.folder, method)[0]


if __name__ == "__main__":
    main()
