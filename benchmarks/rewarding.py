"""What rewards give and take: GRPO from SLAM's pocket checkpoint, 100 steps on its own samples.

    python -m benchmarks.rewarding                # minutes on two cores; --runs DIR keeps what was made

SLAM as `xreason compare pocket` trains it; then 100 steps of GRPO by TRL, of eight samples on each of eight training questions,
rewarded for the right answer and for coming to an end. Settings were taken as they are, none was chosen by the test. Prints JSON:
the mean reward over the first and the last tenth of the steps, and what it rises by on the line through all, with its standard
error; each reward's own means; accuracies in 0..1 of the languages other than English, before and after, the start's 95 % interval
over questions, and that of the difference; and the seconds of training.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.report import report

EXPERIMENT = """\
name: rewarding
base: pocket
suites: [pocket]
source: pocket
mean: without-english
methods:
  slam: {layers: 1, rows: 1440, epochs: 1, batch_size: 32, learning_rate: 2e-3, warmup_ratio: 0.03}
  grpo:
    start: slam
    corpora: english-rationales
    rows: 500
    max_steps: 100
    learning_rate: 1e-4
    batch_size: 64
    micro_batch_size: 64
    max_length: 250
    objective: {reward: {correct: 1.0, length: 0.1}, max_completion_length: 100}
"""
_STEPS, _TENTH = 100, 10


def main() -> None:
    """Trains, scores, and prints what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    told = parser.parse_args()
    from scipy.stats import linregress

    from xreason.harness.experiment import read_experiment
    from xreason.harness.plan import plan_comparison
    from xreason.harness.run import run

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rewarding.yaml"
        file.write_text(EXPERIMENT)
        (board,) = run(plan_comparison(read_experiment(file, {"seeds": told.seeds}), told.runs or Path(folder))).boards
    rows = {row.name: row for row in board.rows}
    stages = [training.stages[-1] for training in rows["grpo"].trainings]
    pair = next(each for each in board.pairs if {each.first, each.second} == {"grpo", "slam"})
    difference, sign = pair.difference, 1 if pair.first == "grpo" else -1
    start, after = rows["slam"].mean, rows["grpo"].mean

    def mean(name: str, steps: slice) -> list[float]:
        """Returns the mean of a reward over some steps, of each seed."""
        told = [[means[name] for _, means in stage.rewards][steps] for stage in stages]
        return [round(sum(each) / len(each), 4) for each in told]

    lines = [linregress(*zip(*((step, means["reward"]) for step, means in stage.rewards), strict=True)) for stage in stages]
    first, last = (mean("reward", steps) for steps in (slice(_TENTH), slice(-_TENTH, None)))
    report(
        seeds=told.seeds,
        reward={
            "first_tenth": first,
            "last_tenth": last,
            "rise_over_the_steps": [round(_STEPS * line.slope, 4) for line in lines],
            "standard_error": [round(_STEPS * line.stderr, 4) for line in lines],
        },
        least_rise=min(round(after - before, 4) for before, after in zip(first, last, strict=True)),
        rewards={
            name: [mean(name, slice(_TENTH)), mean(name, slice(-_TENTH, None))]
            for name in stages[0].rewards[0][1]
            if name != "reward"
        },
        others={name: round(row.mean.value, 4) for name, row in rows.items() if row.mean},
        english={name: round(row.english.value, 4) for name, row in rows.items() if row.english},
        start_interval=[round(start.low, 4), round(start.high, 4)] if start else None,
        above_the_start_s_interval=round(after.value - start.low, 4) if start and after else None,
        difference=round(sign * difference.value, 4),
        interval=sorted(round(sign * each, 4) for each in (difference.low, difference.high)),
        seconds=max(round(stage.seconds, 1) for stage in stages),
        tokens=[stage.tokens for stage in stages],
    )


if __name__ == "__main__":
    main()
