"""Packed rows against the same sequences one by one: same loss, same gradients, and no look into a neighbour."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy
import pytest

from xreason.trainers.checkpoints.base import load_base
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.tokens import IGNORED, Tokens, tokenize
from xreason.trainers.loop.batches import padded
from xreason.trainers.loop.packing import PACKED_ATTENTION, can_pack, packed, packed_attention

ModelOf = Callable[..., Path]
KINDS = ["llama", "qwen2", "mistral"]


@pytest.fixture
def rows(examples: list[Example], model_of: ModelOf) -> list[Tokens]:
    _, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    longer = Example(examples[0].prompt, "A much longer response than the others, which is to be padded to.")
    return tokenize([*examples[:4], longer], tokenizer, 250)[0]


def loaded(model_of: ModelOf, kind: str) -> Any:
    return load_base(model_of(kind), device="cpu", mixed_precision=False)[0]


def total_loss(model: Any, batch: dict[str, Any]) -> Any:
    from torch.nn.functional import cross_entropy

    labels = batch.pop("labels")
    scores = model(**batch, use_cache=False).logits
    return cross_entropy(scores[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum")


@pytest.mark.parametrize("kind", KINDS)
def test_a_packed_row_has_the_loss_and_gradients_of_its_sequences_one_by_one(
    kind: str, model_of: ModelOf, rows: list[Tokens]
) -> None:
    model = loaded(model_of, kind)
    alone = sum(total_loss(model, padded([row])) for row in rows)
    alone.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    with packed_attention(model):
        together = total_loss(model, packed(rows))
        together.backward()
    assert together.item() == pytest.approx(alone.item(), rel=1e-5)
    for name, parameter in model.named_parameters():
        difference = (parameter.grad - expected[name]).norm() / expected[name].norm()
        assert difference < 1e-5, name


@pytest.mark.parametrize("layout", [padded, packed])
def test_scores_made_float32_in_parts_give_the_same_loss_and_gradients(
    layout: Any, model_of: ModelOf, rows: list[Tokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    from xreason.trainers.loop import losses

    model = loaded(model_of, "llama")
    with packed_attention(model) if layout is packed else nullcontext():
        total_loss(model, layout(rows)).backward()
        expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
        for size in (10_000, 7):
            model.zero_grad()
            monkeypatch.setattr(losses, "SCORED_AT_ONCE", size)
            loss, _ = losses.response_loss(model, layout(rows), "cpu")
            loss.backward()
            assert loss.item() == pytest.approx(total_loss(model, layout(rows)).item(), rel=1e-5)
            for name, parameter in model.named_parameters():
                assert (parameter.grad - expected[name]).norm() / expected[name].norm() < 1e-5, name


@pytest.mark.parametrize("kind", KINDS)
def test_no_sequence_sees_its_neighbours(kind: str, model_of: ModelOf, rows: list[Tokens]) -> None:
    import torch

    model = loaded(model_of, kind)
    other = [Tokens(row.ids[::-1].copy(), row.prompt_length) for row in rows]
    first, last = len(rows[0].ids), len(rows[-1].ids)
    with packed_attention(model), torch.no_grad():

        def scores(*chosen: Tokens) -> Any:
            batch = packed(chosen)
            del batch["labels"]
            return model(**batch, use_cache=False).logits[0]

        one, another = scores(*rows), scores(rows[0], *other[1:-1], rows[-1])
        assert torch.equal(one[:first], another[:first])
        assert torch.equal(one[-last:], another[-last:])
        assert not torch.equal(one[first:-last], another[first:-last])


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_gets_its_own_attention_back(kind: str, model_of: ModelOf) -> None:
    model = loaded(model_of, kind)
    before = model.config._attn_implementation
    with packed_attention(model):
        assert model.config._attn_implementation == PACKED_ATTENTION
    assert model.config._attn_implementation == before


def test_a_packed_row_pads_nothing_and_restarts_positions(rows: list[Tokens]) -> None:
    batch = packed(rows)
    assert batch["input_ids"][0].tolist() == [token for row in rows for token in row.ids]
    assert batch["position_ids"][0].tolist() == [position for row in rows for position in range(len(row.ids))]
    answered = [token for row in rows for token in row.ids[row.prompt_length :]]
    assert [label for label in batch["labels"][0].tolist() if label != IGNORED] == answered


def test_a_sequence_without_a_prompt_is_not_asked_to_foretell_its_first_token() -> None:
    batch = packed([Tokens(numpy.array(ids, numpy.int32), 0) for ids in ([5, 6, 7], [8, 9])])
    assert batch["labels"][0].tolist() == [IGNORED, 6, 7, IGNORED, 9]


def test_layers_that_mix_tokens_without_attention_are_left_to_the_model(model_of: ModelOf) -> None:
    model = loaded(model_of, "qwen2")
    assert can_pack(model, 100)
    model.config.layer_types = ["full_attention", "linear_attention", "full_attention", "full_attention"]
    assert not can_pack(model, 100)


def test_a_window_shorter_than_a_sequence_is_left_to_the_model(model_of: ModelOf) -> None:
    model = loaded(model_of, "mistral")
    assert can_pack(model, 100)
    model.config.sliding_window = 64
    assert can_pack(model, 64)
    assert not can_pack(model, 65)
