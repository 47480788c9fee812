"""Every family, trained for real on tiny models: what learns, what stays bit-equal, and what its checkpoint holds."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.trainers.families import FAMILIES, feed_forward, layers, save_tiny_model, tiny_model
from xreason.trainers.checkpoints.base import load_base, stored_tensors, tensor_files
from xreason.trainers.checkpoints.delta import iterate_tensors, materialise, read_checkpoint, save_checkpoint
from xreason.trainers.methods import load_method
from xreason.trainers.stages import AllParameters, FeedForward, Tune
from xreason.trainers.train import train
from xreason.trainers.tuning.freezing import freeze_all_but, thaw
from xreason.trainers.tuning.structure import choose

if TYPE_CHECKING:
    import torch

SLAM = FeedForward((0, 2))


def steps(model: Any, count: int = 3, checkpointing: bool = False, bfloat16: bool = False) -> list[float]:
    """Takes optimizer steps on random tokens, with weight decay; returns the losses."""
    import torch

    torch.manual_seed(0)
    tokens = torch.randint(2, 250, (4, 24))
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=0.01, weight_decay=0.1)
    model.train()
    if checkpointing:
        model.gradient_checkpointing_enable()
    losses = []
    for _ in range(count):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = model(tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    held = sum(state["exp_avg"].numel() for state in optimizer.state.values())
    assert held == sum(p.numel() for p in model.parameters() if p.requires_grad)
    if checkpointing:
        model.gradient_checkpointing_disable()
    return losses


def train_stage(model: Any, tune: Tune, **settings: Any) -> list[float]:
    freeze_all_but(model, tune)
    try:
        return steps(model, **settings)
    finally:
        thaw(model)


def copied(model: Any) -> "dict[str, torch.Tensor]":
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("family", FAMILIES)
def test_slam_moves_up_and_down_of_its_layers_and_not_a_bit_more(family: str) -> None:
    import torch

    model = tiny_model(family)
    before = copied(model)
    losses = train_stage(model, SLAM)
    after = copied(model)
    assert losses[-1] < losses[0]
    assert before.keys() == after.keys()
    up, slices, down, _ = feed_forward(family)
    names = {f"{layers(family)}.{layer}.{name}" for layer in (0, 2) for name in (up, down)}
    assert {name for name in before if not before[name].equal(after[name])} == names
    if slices is not None:
        for layer in (0, 2):
            name = f"{layers(family)}.{layer}.{up}"
            moved = before[name] != after[name]
            learns = torch.zeros_like(moved)
            learns[slices] = True
            assert not moved[~learns].any()
            # the up rows of all experts: weight decay reaches also those that no token took
            assert moved[learns].float().mean() > 0.99


@pytest.mark.parametrize("family", FAMILIES)
def test_the_counts_of_a_frozen_model_are_those_of_the_choice(family: str) -> None:
    model = tiny_model(family)
    total = model.num_parameters()
    tuned = freeze_all_but(model, SLAM)
    assert tuned == sum(chosen.count for chosen in choose(tiny_model(family), SLAM))
    assert tuned == sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert sum(parameter.numel() for parameter in model.parameters()) == total


@pytest.mark.parametrize("family", ["phi3", "mixtral", "qwen3_moe", "gpt_oss"])
def test_a_split_tensor_learns_as_a_masked_one_would(family: str) -> None:
    import torch

    whole, split = tiny_model(family), tiny_model(family)
    up, slices, down, _ = feed_forward(family)
    # the reference: the whole tensor learns, and what must not is put back after every step
    chosen = {f"{layers(family)}.{layer}.{name}" for layer in (0, 2) for name in (up, down)}
    kept = {name: parameter.detach().clone() for name, parameter in whole.named_parameters() if name.endswith(up)}
    for name, parameter in whole.named_parameters():
        parameter.requires_grad_(name in chosen)

    from torch.optim.optimizer import register_optimizer_step_post_hook

    def put_back(*_: Any) -> None:
        with torch.no_grad():
            for name, before in kept.items():
                before[slices] = whole.get_parameter(name)[slices]
                whole.get_parameter(name).copy_(before)

    handle = register_optimizer_step_post_hook(put_back)
    expected = steps(whole)
    handle.remove()
    assert train_stage(split, SLAM) == pytest.approx(expected, rel=1e-5)
    for name, parameter in split.named_parameters():
        torch.testing.assert_close(parameter, whole.get_parameter(name), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "phi3", "mixtral"])
def test_gradient_checkpointing_gives_the_same(family: str) -> None:
    plain, checkpointed = tiny_model(family), tiny_model(family)
    assert train_stage(plain, SLAM) == train_stage(checkpointed, SLAM, checkpointing=True)
    assert all(one.equal(other) for one, other in zip(plain.parameters(), checkpointed.parameters(), strict=True))


@pytest.mark.parametrize("family", ["llama", "phi3", "mixtral", "qwen3_moe", "opt"])
def test_a_bfloat16_model_keeps_its_frozen_bits_and_learns_in_float32(family: str) -> None:
    import torch

    model = tiny_model(family).to(torch.bfloat16)
    before = copied(model)
    train_stage(model, SLAM, bfloat16=True)
    up, slices, down, _ = feed_forward(family)
    for name, parameter in model.named_parameters():
        if name in {f"{layers(family)}.{layer}.{part}" for layer in (0, 2) for part in (up, down)}:
            assert parameter.dtype == torch.float32
            moved = parameter != before[name].float()
            assert moved.any()
            if slices is not None and name.endswith(up):
                moved[slices] = False
                assert not moved.any()
        else:
            assert parameter.dtype == torch.bfloat16
            assert parameter.equal(before[name])


def test_tied_embeddings_stay_tied_and_a_thawed_model_can_be_frozen_anew() -> None:
    model = tiny_model("gemma3_text", tie_word_embeddings=True)
    train_stage(model, SLAM)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    before = copied(model)
    train_stage(model, AllParameters())
    assert all(not before[name].equal(parameter) for name, parameter in model.named_parameters())
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_a_model_is_not_frozen_twice() -> None:
    model = tiny_model("phi3")
    freeze_all_but(model, SLAM)
    with pytest.raises(RuntimeError, match="call thaw first"):
        freeze_all_but(model, SLAM)
    thaw(model)
    assert freeze_all_but(model, SLAM) == 2 * 2 * 64 * 128


def logits(model: Any) -> "torch.Tensor":
    import torch

    with torch.no_grad():
        result: torch.Tensor = model.eval()(torch.arange(2, 40)[None]).logits
    return result


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("tune", [SLAM, AllParameters()], ids=["slam", "all"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_loads_in_plain_transformers_as_the_trained_model(
    family: str, tune: Tune, dtype: str, tokenizer_folder: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    base = save_tiny_model(tmp_path / "base", tokenizer_folder, family, dtype=dtype)
    model, _ = load_base(base, device="cpu", mixed_precision=False)
    train_stage(model, tune)
    checkpoint = save_checkpoint(model, base, tmp_path / "checkpoint", method="some", seed=0)
    stored, saved = dict(stored_tensors(base)), dict(iterate_tensors(checkpoint))
    assert saved.keys() <= stored.keys()
    assert all((saved[name].shape, saved[name].dtype) == (stored[name].shape, stored[name].dtype) for name in saved)
    assert all(not saved[name].equal(stored[name]) for name in checkpoint.tensors)
    if tune == SLAM:
        assert checkpoint.kind == "delta"
        # "h.0." in GPT-2, whose files name them without a prefix
        assert {int(part) for name in saved for part in re.findall(r"(?:layers|h)\.(\d+)\.", name)} == {0, 2}
    whole = materialise(checkpoint, tmp_path / "whole")
    for parameter in model.parameters():
        parameter.data = parameter.data.to(getattr(torch, dtype)).float()
    loaded = AutoModelForCausalLM.from_pretrained(whole, dtype=torch.float32)
    assert logits(loaded).equal(logits(model))


def test_a_delta_of_experts_holds_those_projections_that_learnt_under_the_names_on_disk(
    tokenizer_folder: Path, tmp_path: Path
) -> None:
    base = save_tiny_model(tmp_path / "base", tokenizer_folder, "mixtral")
    assert "model.layers.0.block_sparse_moe.experts.0.w1.weight" in tensor_files(base)
    model, _ = load_base(base, device="cpu", mixed_precision=False)
    train_stage(model, SLAM)
    checkpoint = save_checkpoint(model, base, tmp_path / "checkpoint", method="some", seed=0)
    assert set(checkpoint.tensors) == {
        f"model.layers.{layer}.block_sparse_moe.experts.{expert}.{name}.weight"
        for layer in (0, 2)
        for expert in range(4)
        for name in ("w2", "w3")  # down and up; w1 is the gate
    }


@pytest.mark.parametrize("family", ["mixtral", "qwen3_moe"])
def test_a_base_whose_files_hold_experts_in_one_tensor_gets_a_delta_of_such(
    family: str, tokenizer_folder: Path, tmp_path: Path
) -> None:
    base = save_tiny_model(tmp_path / "base", tokenizer_folder, family)
    tiny_model(family, vocab_size=load_base(base, device="cpu", mixed_precision=False)[0].config.vocab_size).save_pretrained(
        base, save_original_format=False
    )
    model, _ = load_base(base, device="cpu", mixed_precision=False)
    train_stage(model, SLAM)
    checkpoint = save_checkpoint(model, base, tmp_path / "checkpoint", method="some", seed=0)
    assert set(checkpoint.tensors) == {
        f"model.layers.{layer}.mlp.experts.{name}" for layer in (0, 2) for name in ("gate_up_proj", "down_proj")
    }
    whole, _ = load_base(materialise(checkpoint, tmp_path / "whole"), device="cpu", mixed_precision=False)
    assert logits(whole).equal(logits(model))


@pytest.mark.parametrize("family", FAMILIES)
def test_slam_by_the_command_s_own_way_moves_the_same(family: str, tokenizer_folder: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    base = save_tiny_model(tmp_path / "base", tokenizer_folder, family)
    settings = {"layers": [0, 2], "rows": 8, "epochs": 1, "batch_size": 8, "learning_rate": 0.01, "max_length": 250}
    train(load_method("slam", settings), base, tmp_path / "out", languages=["de"], source="pocket", device="cpu")
    whole = materialise(read_checkpoint(tmp_path / "out"), tmp_path / "whole")
    before, after = (copied(AutoModelForCausalLM.from_pretrained(each, dtype=torch.float32)) for each in (base, whole))
    up, slices, down, _ = feed_forward(family)
    names = {f"{layers(family)}.{layer}.{name}" for layer in (0, 2) for name in (up, down)}
    assert {name for name in before if not before[name].equal(after[name])} == names
    for layer in (0, 2) if slices else ():
        name = f"{layers(family)}.{layer}.{up}"
        moved = before[name] != after[name]
        assert moved[slices].any()
        moved[slices] = False
        assert not moved.any()
