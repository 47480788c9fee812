"""Text of one's own in the loop: streamed from its file, killed and gone on with; and loss on rows that are held out."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, overload

from tests.trainers.loop.test_resume import KILLED, run, same
from xreason.trainers.checkpoints.base import load_base
from xreason.trainers.corpora.examples import Example
from xreason.trainers.loop.held_out import best_step, is_over
from xreason.trainers.loop.loop import run_stage
from xreason.trainers.loop.reports import StageProgress, StageReport
from xreason.trainers.stages import FeedForward, Stage

ModelOf = Callable[..., Path]
FAST: dict[str, Any] = {"learning_rate": 0.01, "batch_size": 8, "micro_batch_size": 4, "epochs": 1, "max_length": 250}


class Looked(Sequence[Example]):
    """Rows that are looked up, and which were."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples, self.asked = examples, set[int]()

    def __len__(self) -> int:
        return len(self.examples)

    @overload
    def __getitem__(self, place: int) -> Example: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Example]: ...

    def __getitem__(self, place: int | slice) -> Any:
        self.asked |= {place} if isinstance(place, int) else set()
        return self.examples[place]


def trained(model_of: ModelOf, examples: Sequence[Example], **told: Any) -> tuple[StageReport, dict[str, Any]]:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    held_out = told.pop("held_out", None)
    stage = Stage("stage", ("x",), FeedForward(1), **{**FAST, **told})
    report = run_stage(model, tokenizer, stage, examples, seed=0, held_out=held_out)
    return report, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one[name].equal(other[name]) for name in one)


def test_rows_that_are_streamed_train_as_a_list_does_and_none_is_read_before_its_step(
    model_of: ModelOf, examples: list[Example]
) -> None:
    report, weights = trained(model_of, examples)
    looked = Looked(examples)
    streamed, same_weights = trained(model_of, looked)
    assert equal(weights, same_weights)
    assert streamed.losses == report.losses
    assert (streamed.rows, streamed.steps, streamed.tokens) == (report.rows, report.steps, report.tokens)
    few = Looked(examples)
    trained(model_of, few, max_steps=2)
    assert len(few.asked) == 16


def test_what_is_cut_off_is_counted_as_it_is_seen_and_a_row_with_nothing_to_learn_bears_no_loss(
    model_of: ModelOf, examples: list[Example]
) -> None:
    long = [Example(examples[0].prompt * 40, "5", "de"), *examples[:7]]
    report, _ = trained(model_of, Looked(long), epochs=3)
    assert (report.truncated, report.left_out, report.rows) == ({"de": 1}, 1, 7)


def test_a_killed_training_on_a_mix_of_one_s_own_goes_on_and_ends_in_the_same_weights(
    model_of: ModelOf, data: Path, tmp_path: Path
) -> None:
    rows = [
        {"question": f"{one} und {one + 1}?", "answer": f"{2 * one + 1}", "language": ("de", "sw")[one % 2]} for one in range(40)
    ]
    (tmp_path / "own.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    corpora = {f"file:{tmp_path}/own.jsonl": 0.6, "multilingual-reasoning": 0.4}
    settings = {**FAST, "corpora": corpora, "epochs": 2, "held_out": 0.1, "look_every": 3, "keep": "best"}
    told = {"method": "full", "settings": settings, "base": str(model_of("llama")), "data": str(data)}
    assert run({**told, "out": str(tmp_path / "whole")}) == 0
    again = {**told, "out": str(tmp_path / "again"), "work": str(tmp_path / "work")}
    assert run({**again, "kill": ["multilingual reasoning", 8]}) == KILLED
    # a file that has moved is the same text
    (tmp_path / "own.jsonl").rename(tmp_path / "moved.jsonl")
    settings["corpora"] = {f"file:{tmp_path}/moved.jsonl": 0.6, "multilingual-reasoning": 0.4}
    assert run({**again, "settings": settings}) == 0
    assert same(tmp_path / "whole", tmp_path / "again")
    whole, resumed = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "again"))
    assert resumed["seen"][0][1] == 7
    assert resumed["losses"] == whole["losses"]


def test_held_out_loss_is_told_a_language_and_changes_no_weight(model_of: ModelOf, examples: list[Example]) -> None:
    held = {"de": examples[60:], "": examples[56:60]}
    plain, weights = trained(model_of, examples[:56])
    report, same_weights = trained(model_of, examples[:56], held_out=held, look_every=3)
    assert equal(weights, same_weights)
    assert report.losses[-1] == plain.losses[-1]
    assert [step for step, _ in report.held_out] == [3, 6, 7]
    assert {tuple(losses) for _, losses in report.held_out} == {("de", "")}
    assert report.held_out[-1][1]["de"] < report.held_out[0][1]["de"]
    assert report.log[-1].numbers()["held-out/all"] == report.held_out[-1][1][""]
    assert (plain.held_out, plain.kept_step, report.kept_step) == ((), None, None)
    # what it is: the loss of that row, where the weights are the last step's
    (alone,) = trained(model_of, examples[:56], held_out={"de": examples[63:]}, look_every=7)[0].held_out
    assert alone[0] == 7
    assert 0 < alone[1]["de"] < 2 * report.held_out[-1][1]["de"]


def test_the_best_step_is_kept_and_patience_ends_a_stage(model_of: ModelOf, examples: list[Example]) -> None:
    # of what these rows teach nothing, and which is the less likely the better they are learnt
    other = {"de": [Example(examples[0].prompt, "Qzx Kjw Vyp!", "de")]}
    told: dict[str, Any] = {"held_out": other, "look_every": 1, "schedule": "constant", "warmup_ratio": 0, "learning_rate": 0.2}
    last, _ = trained(model_of, examples[:56], **told)
    best, weights = trained(model_of, examples[:56], **told, keep="best")
    assert (last.kept_step, best.held_out) == (None, last.held_out)
    assert best.kept_step == min(last.held_out, key=lambda look: look[1]["de"])[0] < 5
    _, then = trained(model_of, examples[:56], **told, max_steps=best.kept_step)
    assert equal(weights, then)
    over, _ = trained(model_of, examples[:56], **told, patience=2)
    assert over.steps == best.kept_step + 2
    assert over.epochs == over.steps / 7


def test_patience_counts_looks_since_the_lowest_loss() -> None:
    told: dict[str, Any] = dict.fromkeys(("total_steps", "tokens", "memory_bytes"), 1)
    told |= dict.fromkeys(("loss", "tokens_per_second", "learning_rate", "gradient_norm"), 1.0)
    losses = ({}, {"de": 2.0, "sw": 4.0}, {"de": 1.0, "sw": 4.0}, {}, {"de": 3.0, "sw": 4.0}, {"de": 2.5, "sw": 2.5})
    log = [StageProgress(stage="x", step=step, held_out=each, **told) for step, each in enumerate(losses)]
    assert best_step(log) == 2
    assert fmean(log[2].held_out.values()) == fmean(log[5].held_out.values())
    assert [is_over(log, patience) for patience in (None, 1, 2, 3)] == [False, True, True, False]
    assert (best_step([]), is_over([], 1)) == (None, False)
