"""Low-rank adapters on tiny models of every family: what learns, what is counted, what is left when they are merged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainers.families import FAMILIES, layers, save_tiny_model, tiny_config, tiny_model
from tests.trainers.tuning.test_families import copied, logits, steps, train_stage
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.base import load_base, stored_tensors
from xreason.trainers.checkpoints.delta import iterate_tensors, materialise, read_checkpoint, save_checkpoint
from xreason.trainers.methods import load_method
from xreason.trainers.stages import AllParameters, LowRank, Stage
from xreason.trainers.tuning.counting import count_of, estimate_flops, skeleton_of
from xreason.trainers.tuning.freezing import freeze_all_but, thaw
from xreason.trainers.tuning.memory import needed
from xreason.trainers.tuning.structure import choose

SMALL = LowRank(rank=4, alpha=8, dropout=0.0)


def linear_weights(model: Any, family: str) -> set[str]:
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    return {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and name.startswith(layers(family))
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_alone_learn_and_merging_moves_the_linear_layers_and_not_a_bit_more(family: str) -> None:
    model = tiny_model(family)
    before, names = copied(model), linear_weights(model, family)
    losses = train_stage(model, SMALL)
    after = copied(model)
    assert losses[-1] < losses[0]
    assert before.keys() == after.keys()
    assert {name for name in before if not before[name].equal(after[name])} == names
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_counted_without_weights_is_what_learns(family: str) -> None:
    model = tiny_model(family)
    total = model.num_parameters()
    tuned = freeze_all_but(model, SMALL)
    learning = {name: parameter.numel() for name, parameter in model.named_parameters() if parameter.requires_grad}
    counted = skeleton_of(tiny_config(family))
    assert {each.name: each.count for each in choose(counted, SMALL)} == learning
    assert (count_of(counted, SMALL).tuned, count_of(counted, SMALL).total) == (tuned, total)
    assert tuned == sum(learning.values())


def test_a_merged_model_answers_as_the_one_with_adapters_and_has_a_rank_no_higher() -> None:
    import torch

    model = tiny_model("llama")
    before = copied(model)
    freeze_all_but(model, SMALL)
    steps(model)
    expected = logits(model)
    thaw(model)
    torch.testing.assert_close(logits(model), expected, rtol=1e-4, atol=1e-5)
    moved = model.model.layers[1].mlp.up_proj.weight - before["model.layers.1.mlp.up_proj.weight"]
    values = torch.linalg.svdvals(moved.double())
    assert values[3] > 1e-3
    assert values[4] < 1e-5


def test_merging_computes_w_plus_scaled_b_times_a() -> None:
    import torch

    model = tiny_model("llama")
    before = copied(model)
    freeze_all_but(model, SMALL)
    adapted = model.model.layers[0].self_attn.q_proj
    with torch.no_grad():
        adapted.lora_A.default.weight.fill_(0.5)
        adapted.lora_B.default.weight.fill_(0.25)
    thaw(model)
    # 4 ranks of 0.25 * 0.5, times alpha / rank = 2
    expected = before["model.layers.0.self_attn.q_proj.weight"] + 1.0
    torch.testing.assert_close(model.model.layers[0].self_attn.q_proj.weight, expected, rtol=0, atol=1e-6)


def test_targets_choose_the_layers_by_name() -> None:
    model = tiny_model("llama")
    before = copied(model)
    train_stage(model, LowRank(rank=2, dropout=0.0, targets=("q_proj", "v_proj")))
    moved = {name for name, parameter in model.named_parameters() if not before[name].equal(parameter)}
    assert moved == {f"model.layers.{layer}.self_attn.{name}.weight" for layer in range(4) for name in ("q_proj", "v_proj")}


@pytest.mark.parametrize("target", ["lm_head", "c_fc"])
def test_a_target_that_no_layer_has_is_refused_with_those_there_are(target: str) -> None:
    with pytest.raises(UserError, match=f"called {target}; choose `targets` among: q_proj, k_proj"):
        choose(tiny_model("llama"), LowRank(targets=("q_proj", target)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "rank=0"),
        ({"rank": 2.5}, "rank=2.5"),
        ({"alpha": -1}, "alpha=-1"),
        ({"dropout": 1}, "dropout=1"),
        ({"targets": [3]}, "targets="),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_method("lora", settings)


def test_settings_reach_the_adapters_and_the_rest_the_stage() -> None:
    (stage,) = load_method("lora", {"rank": 8, "alpha": 32, "targets": "q_proj", "epochs": 1}).stages
    assert (stage.tune, stage.epochs) == (LowRank(8, 32, 0, ("q_proj",)), 1)
    assert stage.tune.describe() == "adapters of rank 8 (alpha 32) of q_proj, merged"


@pytest.mark.parametrize("family", ["llama", "phi3", "gpt2"])
def test_a_bfloat16_model_stays_bfloat16_while_adapters_learn_in_float32(family: str) -> None:
    import torch

    model = tiny_model(family).to(torch.bfloat16)
    before, names = copied(model), linear_weights(model, family)
    freeze_all_but(model, SMALL)
    learning = {parameter.dtype for parameter in model.parameters() if parameter.requires_grad}
    assert learning == {torch.float32}
    steps(model, bfloat16=True)
    thaw(model)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert {name for name, parameter in model.named_parameters() if not before[name].equal(parameter)} == names


def test_a_seed_settles_what_adapters_begin_with_and_nothing_else() -> None:
    import torch

    def first(seed: int) -> "torch.Tensor":
        model = tiny_model("llama")
        torch.manual_seed(7)
        freeze_all_but(model, SMALL, seed=seed)
        assert torch.rand(1).equal(torch.rand(1, generator=torch.Generator().manual_seed(7)))
        return model.model.layers[0].self_attn.q_proj.lora_A.default.weight.detach()

    assert first(1).equal(first(1))
    assert not first(1).equal(first(2))


def test_adapters_begin_as_nothing() -> None:
    model = tiny_model("llama")
    expected = logits(model)
    freeze_all_but(model, SMALL)
    assert logits(model).equal(expected)


def test_a_model_with_adapters_is_not_frozen_again_and_a_merged_one_can_be() -> None:
    model = tiny_model("llama", tie_word_embeddings=True)
    freeze_all_but(model, SMALL)
    with pytest.raises(RuntimeError, match="call thaw first"):
        freeze_all_but(model, AllParameters())
    thaw(model)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert train_stage(model, SMALL)[-1] < 7
    train_stage(model, AllParameters())
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.config.tie_word_embeddings


def test_gradient_checkpointing_gives_the_same() -> None:
    plain, checkpointed = tiny_model("llama"), tiny_model("llama")
    assert train_stage(plain, SMALL) == train_stage(checkpointed, SMALL, checkpointing=True)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_its_checkpoint_is_a_delta_of_the_merged_layers_that_plain_transformers_loads(
    family: str, dtype: str, tokenizer_folder: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    base = save_tiny_model(tmp_path / "base", tokenizer_folder, family, dtype=dtype)
    model, _ = load_base(base, device="cpu", mixed_precision=False)
    count = len(linear_weights(model, family))
    train_stage(model, SMALL)
    checkpoint = save_checkpoint(model, base, tmp_path / "checkpoint", method="lora", seed=0)
    saved = dict(iterate_tensors(checkpoint))
    assert checkpoint.kind == "delta"
    assert len(saved) == count
    assert saved.keys() <= dict(stored_tensors(base)).keys()
    whole = materialise(checkpoint, tmp_path / "whole")
    for parameter in model.parameters():
        parameter.data = parameter.data.to(getattr(torch, dtype)).float()
    assert logits(AutoModelForCausalLM.from_pretrained(whole, dtype=torch.float32)).equal(logits(model))


def test_adapters_that_are_kept_are_written_as_peft_has_them_and_are_no_more_than_they_were(
    tokenizer_folder: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from xreason.trainers.tuning.adapters import kept_adapters

    base = save_tiny_model(tmp_path / "base", tokenizer_folder, "llama", dtype="float32")
    model, _ = load_base(base, device="cpu", mixed_precision=False)
    train_stage(model, replace(SMALL, merge=False))
    saved = save_checkpoint(model, base, tmp_path / "kept", method="lora", seed=0, adapter=kept_adapters(model))
    assert saved.kind == "adapter"
    assert read_checkpoint(tmp_path / "kept") == saved
    with_peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), tmp_path / "kept")
    assert torch.allclose(logits(with_peft.eval()), logits(model.eval()), atol=1e-5)
    whole = AutoModelForCausalLM.from_pretrained(materialise(saved, tmp_path / "whole"), dtype=torch.float32)
    assert torch.allclose(logits(whole.eval()), logits(model), atol=1e-6)
    # the stage that is done cannot give them back, so another training of the model keeps none
    train_stage(model, SMALL)
    assert kept_adapters(model) is None


def test_adapters_are_merged_under_the_keys_that_they_had_and_kept_by_one_stage_alone() -> None:
    from pydantic import TypeAdapter

    dumped = TypeAdapter(LowRank).dump_python(SMALL, mode="json")
    assert "merge" not in dumped
    kept = replace(SMALL, merge=False)
    assert TypeAdapter(LowRank).validate_python(TypeAdapter(LowRank).dump_python(kept, mode="json")) == kept
    assert load_method("lora", {"merge": False}).stages[0].tune.describe().endswith("kept beside the base")
    stage = load_method("lora", {"merge": False}).stages[0]
    with pytest.raises(UserError, match="has several stages"):
        replace(load_method("lora", {}), stages=(stage, stage))


def test_estimates_count_adapters_on_top_of_the_frozen_model() -> None:
    model = skeleton_of(tiny_config("llama"))
    counts = count_of(model, SMALL)
    memory = needed(model, Stage("stage", ("x",), SMALL), device="cuda")
    assert memory.weights == 2 * (counts.total + counts.tuned) + 4 * counts.tuned
    assert (memory.gradients, memory.optimizer) == (4 * counts.tuned, 8 * counts.tuned)
    # all but the table of embeddings is met, forward and back; only the adapters have gradients of their own
    met = counts.total - 400 * 64 + counts.tuned
    assert estimate_flops(model, SMALL, checkpointing=False) == 2 * (2 * met + counts.tuned)
