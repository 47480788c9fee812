"""What a row that starts from another and prefers between its samples means in a plan; and the doing of it, on the pocket model."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from xreason.harness import progress
from xreason.harness.experiment import read_experiment
from xreason.harness.outlook import outlook
from xreason.harness.plan import Plan, plan_comparison
from xreason.harness.run import run
from xreason.leaderboards.records import read_record
from xreason.tasks.errors import UserError
from xreason.trainers.corpora.pairs.made import pairs_made
from xreason.trainers.methods import load_method
from xreason.trainers.stages import Method

SLAM = "  slam: {layers: 1, max_steps: 3, batch_size: 8, rows: 40, learning_rate: 1e-3}\n"
PREFER = (
    "  prefer: {method: full, start: slam, corpora: english-rationales, rows: 20, epochs: 1, batch_size: 16, learning_rate: 1e-4, "
    "objective: {beta: 0.2}, samples: {count: 4, temperature: 1.2, max_new_tokens: 60}}\n"
)


def planned(folder: Path, methods: str, **said: Any) -> Plan:
    path = folder / "preferring.yaml"
    head = "name: preferring\nbase: pocket\nsuites: [pocket]\nlanguages: [en, sw]\nsource: pocket\nlimit: 4\n"
    path.write_text(f"{head}methods:\n{methods}")
    return plan_comparison(read_experiment(path, said), folder / "runs")


def test_samples_are_drawn_of_what_the_row_starts_from_and_before_it_is_trained(tmp_path: Path) -> None:
    plan = planned(tmp_path, PREFER + SLAM, seeds=[0, 1])
    assert [type(step).__name__ for step in plan.steps()][:6] == ["Train"] * 2 + ["MakePairs", "Train"] * 2
    slam, _, prefer, other = plan.trainings
    assert [task.title for task in plan.trainings] == [f"{row}, seed {seed}" for row in ("slam", "prefer") for seed in (0, 1)]
    assert (prefer.start, prefer.pairs) == (slam, plan.pairs[0].folder)
    assert prefer.needs == (slam.folder, plan.pairs[0].folder)
    assert (plan.pairs[0].start, plan.pairs[0].needs) == (slam.folder, (slam.folder,))
    assert other.pairs == plan.pairs[1].folder != prefer.pairs
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_another_start_or_another_sampling_is_another_key_and_who_imitates_keeps_its_own(tmp_path: Path) -> None:
    def keys(methods: str) -> list[str]:
        plan = planned(tmp_path, methods)
        return [plan.trainings[0].key, plan.pairs[0].key, plan.trainings[1].key]

    slam, pairs, prefer = keys(SLAM + PREFER)
    other = keys(SLAM.replace("max_steps: 3", "max_steps: 2") + PREFER)
    assert not {slam, pairs, prefer} & set(other)
    for changed in ("count: 5", "temperature: 1.1", "most: 3"):
        name = changed.partition(":")[0]
        told = PREFER.replace("count: 4", changed) if name == "count" else PREFER.replace("count: 4", f"count: 4, {changed}")
        if name == "temperature":
            told = PREFER.replace("temperature: 1.2", changed)
        same, *others = keys(SLAM + told)
        assert same == slam
        assert not {pairs, prefer} & set(others)
    # what is learnt of the pairs changes none of them
    assert keys(SLAM + PREFER.replace("beta: 0.2", "beta: 0.3"))[:2] == [slam, pairs]


def test_a_stage_that_imitates_is_written_as_before_there_was_anything_else() -> None:
    (stage,) = TypeAdapter(Method).dump_python(load_method("slam"), mode="json")["stages"]
    assert not {"objective", "samples"} & stage.keys()
    mapo = load_method("mapo", {"objective": {"loss": "simpo"}, "samples": {"count": 4}})
    assert (mapo.stages[0].objective.describe(), mapo.stages[0].samples.count) == ("prefer (SimPO, beta 2, gamma 1)", 4)
    written = TypeAdapter(Method).dump_python(mapo, mode="json")
    assert TypeAdapter(Method).validate_python(written) == mapo


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ("  a: {method: full, start: b}\n  b: {method: full, start: a}\n", "a takes b takes a: a row cannot be made of itself"),
        (
            "  a: {method: full, start: nowhere}\n",
            "a starts from nowhere, which is neither a row of the experiment nor",
        ),
        (
            "  two-stage: {samples: {count: 4}, objective: prefer}\n",
            "they are its first stage's; let another row do",
        ),
        (
            "  full: {samples: {count: 4}}\n",
            "stage 'multilingual reasoning' imitates; set objective: prefer",
        ),
        ("  slam: {objective: prefer}\n", "leave loss_on: response and truncation: right"),
        ("  mapo: {rows: 4, samples: {translator: nowhere}}\n", "The translation model nowhere .* is not to be had here"),
        (
            "  full: {objective: prefer, rows: 3}\n",
            "and the rows of multilingual-reasoning have one each; let the model make pairs",
        ),
        ("  full: {objective: prefer, samples: {count: 4}, held_out: 0.1}\n", "held_out tells the loss of what is imitated"),
        ("  full: {objective: {gamma: 1}}\n", "gamma=1.0 is a margin of simpo, which dpo has not"),
    ],
)
def test_what_cannot_be_is_one_sentence(methods: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=words):
        planned(tmp_path, methods)


def test_samples_are_a_step_with_a_record_and_an_interrupted_one_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, SLAM + PREFER)
    begun: list[int] = []

    @contextmanager
    def interrupted(title: str) -> Iterator[Any]:
        def report(done: int, total: int, words: str = "") -> None:
            if title.startswith("samples"):
                begun.append(done)
                if len(begun) == 9:
                    raise KeyboardInterrupt

        yield report

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(progress, "bar", interrupted)
        run(plan)
    (kept,) = plan.pairs[0].folder.parent.glob(".answers-*.jsonl")
    answered = len(kept.read_text().splitlines())
    assert 9 <= answered < 40
    begun.clear()
    with monkeypatch.context() as patch:
        patch.setattr(progress, "bar", lambda title: interrupted(f"again: {title}"))
        outcome = run(plan)
    assert outcome.failures == ()
    assert not kept.exists()
    # each sample was given once, those before the interrupt among them
    made = pairs_made(plan.pairs[0].folder)
    assert made is not None
    assert (made.questions, set(made.samples)) == (40, {"en", "sw"})
    lines = [json.loads(line) for line in (plan.pairs[0].folder / "samples.jsonl").read_text().splitlines()]
    assert len(lines) == sum(made.samples.values()) <= 160
    assert {line["gold"] for line in lines if line["right"]} <= {str(number) for number in range(200)}
    record = read_record(tmp_path / "runs" / "preferring" / "prefer" / "0" / "record.json")
    assert record.training is not None
    assert [stage.name for stage in record.training.stages] == ["language alignment", "multilingual reasoning"]
    last = record.training.stages[-1]
    assert (last.objective, last.rows) == ("prefer (DPO, beta 0.2)", sum(made.pairs.values()))
    assert "pairs, right over wrong, of 4 own samples a question (temperature 1.2) on pocket problems" in last.corpus
    assert record.training.tuned_parameters == record.training.total_parameters
    board = (tmp_path / "runs" / "preferring" / "leaderboard.md").read_text()
    assert "multilingual reasoning: prefer (DPO, beta 0.2)" in board
    seen = outlook(plan, tmp_path / "runs", tflops=1)
    assert (seen.steps, seen.steps_done, seen.pairs[0].done) == (6, 6, True)
    assert seen.trainings[1].stages[0].rows == sum(made.pairs.values())
    assert plan.steps() is not None
    assert all(step.is_done() for step in planned(tmp_path, SLAM + PREFER).steps())
    # what stands is not done again
    stood = {step.folder: (step.folder / "step.json").read_bytes() for step in plan.steps()}
    assert run(plan).boards == outcome.boards
    assert {folder: (folder / "step.json").read_bytes() for folder in stood} == stood


REWARD = (
    "  rewarded: {method: grpo, start: slam, corpora: english-rationales, rows: 20, max_steps: 5, batch_size: 16, max_length: 250, "
    "objective: {max_completion_length: 100, num_generations: 4, reward: {correct: 1.0}}}\n"
)


def test_a_row_that_earns_rewards_starts_from_another_and_its_rewards_are_in_its_key(tmp_path: Path) -> None:
    plan = planned(tmp_path, REWARD + SLAM)
    slam, rewarded = plan.trainings
    assert (rewarded.start, rewarded.needs, plan.pairs) == (slam, (slam.folder,), ())
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    for told in ("{correct: 1.0, length: 0.1}", "{correct: 0.5}"):
        other = planned(tmp_path, REWARD.replace("{correct: 1.0}", told) + SLAM).trainings
        assert (other[0].key, other[1].key != rewarded.key) == (slam.key, True)
    ((row, said),) = planned(tmp_path, REWARD.replace("{correct:", "{corect:") + SLAM).failures
    assert row == "rewarded"
    assert re.match(r".*'?corect'?.*correct", said)
    path = tmp_path / "preferring.yaml"
    path.write_text(f"base: pocket\nsuites: [pocket]\nsource: pocket\nmethods:\n{SLAM}{REWARD}")
    two = plan_comparison(read_experiment(path, {}), tmp_path / "runs", devices=2)
    assert two.failures == (("rewarded", "rewarded earns rewards, which one GPU does here; leave --launch out, or that row."),)


def test_an_outlook_counts_every_completion_as_long_as_it_may_be_and_says_so(tmp_path: Path) -> None:
    from xreason.harness.showing.outlook import outlook_tables

    seen = outlook(planned(tmp_path, REWARD + SLAM), tmp_path / "runs", tflops=1)
    slam, rewarded = (each.stages[0] for each in seen.trainings)
    # 20 questions in each of two languages, four completions each, 16 a step
    assert (rewarded.rows, rewarded.steps, rewarded.known_by) == (20 * 2 * 4, 5, ("bound",))
    assert 5 * 16 * 100 < rewarded.tokens <= 5 * 16 * 250
    # all parameters, and a forward pass to write and one for the KL term
    assert rewarded.flops_per_token > 1.6 * slam.flops_per_token
    shown = Console(width=200)
    with shown.capture() as said:
        shown.print(outlook_tables(seen))
    assert f"{rewarded.tokens:,}<" in said.get()
    assert "as long as it may be: a bound" in " ".join(said.get().split())
