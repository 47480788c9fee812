"""Preferences: DPO and SimPO as TRL computes them, in the loop that imitates."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xreason.tasks.errors import UserError
from xreason.tasks.prompts import alpaca
from xreason.trainers.checkpoints.base import load_base
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.tokens import IGNORED
from xreason.trainers.stages import AllParameters, FeedForward, LowRank, Prefer, Stage

ModelOf = Callable[..., Path]
BATCHES = 50


def pair(chance: random.Random) -> Example:
    first, second = chance.randrange(50), chance.randrange(50)
    wrong = f"{first} plus {second}, which is {first + second + chance.randrange(1, 9)}" + "." * chance.randrange(1, 9)
    return Example(alpaca(f"Was ist {first} plus {second}?"), f"{first} + {second} = {first + second}.", "de", wrong)


def pairs(count: int, seed: int = 0) -> list[Example]:
    chance = random.Random(seed)
    return [pair(chance) for _ in range(count)]


def stage(objective: Prefer, **settings: Any) -> Stage:
    told = {"batch_size": 8, "epochs": 1, "learning_rate": 1e-3, "max_length": 250, **settings}
    return Stage("preferences", ("x",), told.pop("tune", AllParameters()), objective=objective, **told)


def gradients(model: Any) -> dict[str, Any]:
    found = {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}
    model.zero_grad()
    return found


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("objective", [Prefer("dpo", 0.3), Prefer("simpo", 2.5, 1.4)])
def test_loss_and_gradients_of_50_random_batches_are_trl_s(objective: Prefer, model_of: ModelOf, tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="TRL is not installed: pip install trl")
    import torch
    from datasets import Dataset

    from xreason.trainers.loop.batches import StepOrder
    from xreason.trainers.loop.packing import packed, packed_attention
    from xreason.trainers.loop.preferring import preference_loss, tokenize_pairs, with_reference
    from xreason.trainers.tuning.fitting import Choice

    model, tokenizer = load_base(model_of(), device="cpu", mixed_precision=False)
    start, _ = load_base(model_of(), device="cpu", mixed_precision=False)
    # away from the reference, so that the two differ
    torch.manual_seed(0)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(0.02 * torch.randn_like(each))
    examples = pairs(4 * BATCHES)
    rows, cut = tokenize_pairs(examples, tokenizer, 250)
    assert (len(rows), cut.left_out, dict(cut.truncated)) == (4 * BATCHES, 0, {})
    order = StepOrder([row.length for row in rows], 8, 0)
    theirs = trl_s(objective, model, start, tokenizer, Dataset, tmp_path)
    furthest, largest = list[float](), list[float]()
    with packed_attention(start):
        rows = with_reference(start, rows, order, Choice(None, 512, 0), packed, "cpu", None)
    for number in range(BATCHES):
        batch = slice(4 * number, 4 * number + 4)
        theirs_loss = theirs(rows[batch])
        theirs_loss.backward()
        expected = gradients(model)
        with packed_attention(model):
            total, _ = preference_loss(model, rows[batch], packed, objective, "cpu")
            (total / 4).backward()  # type: ignore[no-untyped-call]
        furthest.append(max(abs(total.item() / 4 - theirs_loss.item()), apart(gradients(model), expected)))
        largest.append(max(float(each.abs().max()) for each in expected.values()))
    assert max(furthest) < 1e-5
    # where gradients were nothing, that would say nothing
    assert min(largest) > 1e-2


def trl_s(objective: Prefer, model: Any, start: Any, tokenizer: Any, dataset: Any, folder: Path) -> Callable[[Sequence[Any]], Any]:
    """Returns TRL's own loss of a batch of our pairs, whose tokens it is handed."""
    import torch

    tokenizer.pad_token = tokenizer.eos_token
    told: dict[str, Any] = {"output_dir": str(folder), "report_to": "none", "use_cpu": True, "bf16": False, "beta": objective.scale}
    one = dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])
    if objective.loss == "dpo":
        from trl import DPOConfig, DPOTrainer

        trainer = DPOTrainer(model, start, DPOConfig(**told), train_dataset=one, processing_class=tokenizer)
    else:
        from trl.experimental.cpo import CPOConfig, CPOTrainer

        told |= {"loss_type": "simpo", "cpo_alpha": 0.0, "simpo_gamma": objective.margin}
        trainer = CPOTrainer(model, args=CPOConfig(**told), train_dataset=one, processing_class=tokenizer)

    def padded(rows: Sequence[Any], pad: int, values: Callable[[Any], Any]) -> Any:
        tensors = [torch.tensor(values(row)) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=pad)

    def loss_of(batch: Sequence[Any]) -> Any:
        chosen, rejected = [row.chosen for row in batch], [row.rejected for row in batch]
        model.train()
        if objective.loss == "dpo":
            sides = chosen + rejected
            inputs = {
                "input_ids": padded(sides, tokenizer.pad_token_id, lambda row: row.ids.tolist()),
                "attention_mask": padded(sides, 0, lambda row: [1] * row.length),
                "completion_mask": padded(sides, 0, lambda row: [int(each != IGNORED) for each in row.labels]),
            }
            return trainer._compute_loss(model, inputs, return_outputs=False)
        inputs = {}
        for name, rows in (("chosen", chosen), ("rejected", rejected)):
            inputs[f"{name}_input_ids"] = padded(rows, tokenizer.pad_token_id, lambda row: row.ids.tolist())
            inputs[f"{name}_attention_mask"] = padded(rows, 0, lambda row: [1] * row.length)
            inputs[f"{name}_labels"] = padded(rows, IGNORED, lambda row: row.labels.tolist())
        return trainer.get_batch_loss_metrics(model, inputs)[0]

    return loss_of


Weights = dict[str, Any]


def start_and_end(stage: Stage, model: Path, examples: Sequence[Example], **told: Any) -> tuple[Weights, Weights, Any]:
    from xreason.trainers.loop.loop import run_stage

    trained, tokenizer = load_base(model, device="cpu", mixed_precision=False)
    start = {name: each.detach().clone() for name, each in trained.named_parameters()}
    report = run_stage(trained, tokenizer, stage, examples, seed=0, **told)
    return start, {name: each.detach().clone() for name, each in trained.named_parameters()}, report


@pytest.mark.parametrize("tune", [AllParameters(), LowRank(4, dropout=0.5)])
def test_dpo_begins_at_log_2_for_its_reference_is_what_it_starts_from(tune: Any, model_of: ModelOf) -> None:
    _, _, report = start_and_end(stage(Prefer(), tune=tune, max_steps=1), model_of("llama"), pairs(8))
    # adapters begin at nothing, so that dropping their inputs changes nothing
    assert report.losses[0][1] == pytest.approx(0.693147, abs=2e-6)
    assert (report.rows, report.objective) == (8, "prefer (DPO, beta 0.1)")


@pytest.mark.parametrize("objective", [Prefer("dpo", 0.5), Prefer("simpo", 2)])
def test_it_learns_to_prefer_with_what_is_tuned_and_nothing_else(objective: Prefer, model_of: ModelOf) -> None:
    start, end, report = start_and_end(stage(objective, tune=FeedForward((1,)), epochs=6), model_of("llama"), pairs(32))
    assert report.losses[-1][1] < 0.8 * report.losses[0][1]
    moved = {name for name in start if not start[name].equal(end[name])}
    assert moved == {f"model.layers.1.mlp.{name}_proj.weight" for name in ("up", "down")}


def test_micro_batches_and_padding_change_nothing(model_of: ModelOf, monkeypatch: pytest.MonkeyPatch) -> None:
    from xreason.trainers.loop import loop

    told = stage(Prefer("dpo", 0.5), batch_size=6, epochs=1)
    _, whole, report = start_and_end(told, model_of("llama"), pairs(14))
    _, small, other = start_and_end(replace(told, micro_batch_size=1), model_of("llama"), pairs(14))
    monkeypatch.setattr(loop, "can_pack", lambda *_: False)
    _, padded, _ = start_and_end(replace(told, micro_batch_size=3), model_of("llama"), pairs(14))
    for each in (small, padded):
        assert apart(whole, each) < 2e-5
    assert (report.steps, report.tokens) == (other.steps, other.tokens) == (3, report.tokens)


def test_an_interrupted_stage_goes_on_from_its_reference_and_ends_in_the_same_weights(model_of: ModelOf, tmp_path: Path) -> None:
    from xreason.trainers.loop.resuming import Saving

    told = stage(Prefer("dpo", 0.5), epochs=2)
    _, whole, _ = start_and_end(told, model_of("llama"), pairs(32))
    saving = Saving(tmp_path, 2, None)

    def interrupt(state: Any) -> None:
        if state.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_and_end(told, model_of("llama"), pairs(32), saving=saving, progress=interrupt)
    assert {path.name for path in tmp_path.iterdir()} == {"step-4", "reference.npy"}
    written = (tmp_path / "reference.npy").stat().st_mtime_ns
    seen: list[int] = []
    _, again, _ = start_and_end(told, model_of("llama"), pairs(32), saving=saving, progress=lambda state: seen.append(state.step))
    assert seen[0] == 5
    assert (tmp_path / "reference.npy").stat().st_mtime_ns == written
    assert all(whole[name].equal(again[name]) for name in whole)


def test_rows_without_a_rejected_response_are_refused_and_those_with_nothing_to_compare_left_out(model_of: ModelOf) -> None:
    from xreason.trainers.loop.preferring import tokenize_pairs

    _, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    with pytest.raises(UserError, match=r"these rows have one response each; let the model make them: samples: {count: 8}\.$"):
        tokenize_pairs([Example("a", "b")], tokenizer, 99)
    example = pairs(1)[0]
    length = len(tokenizer(example.prompt)["input_ids"])
    same = replace(example, rejected=example.response)
    rows, cut = tokenize_pairs([example, same], tokenizer, 250)
    assert (len(rows), cut.left_out) == (1, 1)
    example = replace(example, rejected="nothing like it")
    rows, cut = tokenize_pairs([example], tokenizer, length + 1)
    assert [rows[0].chosen.length, rows[0].rejected.length, dict(cut.truncated)] == [length + 1, length + 1, {"de": 1}]
    with pytest.raises(UserError, match=f"None of the 1 pairs differs within max_length={length} tokens"):
        tokenize_pairs([example], tokenizer, length)
