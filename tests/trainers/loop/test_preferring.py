"""Preferences: DPO and SimPO as TRL computes them, in the loop that imitates."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from xreason.tasks.prompts import alpaca
from xreason.trainers.checkpoints.base import load_base
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.tokens import IGNORED
from xreason.trainers.stages import AllParameters, Prefer, Stage

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


@pytest.mark.parametrize(("loss", "kind"), [("dpo", "llama"), ("simpo", "llama")])
def test_loss_and_gradients_of_50_random_batches_are_trl_s(loss: str, kind: str, model_of: ModelOf, tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="TRL is not installed: pip install trl")
    import torch
    from datasets import Dataset

    from xreason.trainers.loop.batches import StepOrder
    from xreason.trainers.loop.packing import packed, packed_attention
    from xreason.trainers.loop.preferring import preference_loss, tokenize_pairs, with_reference
    from xreason.trainers.tuning.fitting import Choice

    model, tokenizer = load_base(model_of(kind), device="cpu", mixed_precision=False)
    start, _ = load_base(model_of(kind), device="cpu", mixed_precision=False)
    # away from the reference, so that the two differ
    torch.manual_seed(0)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(0.02 * torch.randn_like(each))
    examples = pairs(4 * BATCHES)
    rows, cut = tokenize_pairs(examples, tokenizer, 250)
    assert (len(rows), cut.left_out, dict(cut.truncated)) == (4 * BATCHES, 0, {})
    order = StepOrder([row.length for row in rows], 8, 0)
    objective = Prefer("dpo", 0.3) if loss == "dpo" else Prefer("simpo", 2.5, 1.4)
    theirs = trl_s(objective, model, start, tokenizer, Dataset, tmp_path)
    furthest: list[float] = []
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
        furthest.append(max(abs(float(total) / 4 - float(theirs_loss)), apart(gradients(model), expected)))
    assert max(furthest) < 1e-5


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
