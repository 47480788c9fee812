"""What preferring between own samples gives and takes: DPO from SLAM's pocket checkpoint, on pairs that this makes itself.

    python -m benchmarks.preferring                # minutes on one core; --runs DIR keeps what was made

SLAM as `xreason compare pocket` trains it; then 150 training questions a language, four samples each, right ones over wrong ones,
one pass of DPO over all parameters. Settings were taken as they are, none was chosen by the test. Prints JSON: accuracies of the
languages other than English in 0..1, before and after, their difference with its 95 % interval over questions, and the seconds of
making the pairs (vLLM's start among them) and of training on them.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.report import report

EXPERIMENT = """\
name: preferring
base: pocket
suites: [pocket]
source: pocket
mean: without-english
methods:
  slam: {layers: 1, rows: 1440, epochs: 1, batch_size: 32, learning_rate: 2e-3, warmup_ratio: 0.03}
  prefer:
    method: full
    start: slam
    corpora: english-rationales
    rows: 150
    epochs: 1
    batch_size: 32
    learning_rate: 1e-4
    max_length: 250
    objective: {loss: dpo, beta: 0.1}
    samples: {pairs: right, count: 4, temperature: 1.0, max_new_tokens: 100}
"""


def main() -> None:
    """Trains, scores, and prints what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    told = parser.parse_args()
    from xreason.harness.experiment import read_experiment
    from xreason.harness.plan import plan_comparison
    from xreason.harness.run import run
    from xreason.trainers.corpora.pairs.made import pairs_made

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "preferring.yaml"
        file.write_text(EXPERIMENT)
        plan = plan_comparison(read_experiment(file, {"seeds": told.seeds}), told.runs or Path(folder))
        (board,) = run(plan).boards
        made = [pairs_made(each.folder) for each in plan.pairs]
    rows = {row.name: row for row in board.rows}
    pair = next(each for each in board.pairs if {each.first, each.second} == {"prefer", "slam"})
    difference, sign = pair.difference, 1 if pair.first == "prefer" else -1
    report(
        seeds=told.seeds,
        others={name: round(row.mean.value, 4) for name, row in rows.items() if row.mean},
        english={name: round(row.english.value, 4) for name, row in rows.items() if row.english},
        difference=round(sign * difference.value, 4),
        interval=sorted(round(sign * each, 4) for each in (difference.low, difference.high)),
        pairs=[sum(each.pairs.values()) for each in made if each],
        seconds_of_pairs=[round(each.seconds, 1) for each in made if each],
        seconds_of_training=[round(training.stages[-1].seconds, 1) for training in rows["prefer"].trainings],
        seconds_of_slam=[round(training.seconds, 1) for training in rows["slam"].trainings],
    )


if __name__ == "__main__":
    main()
