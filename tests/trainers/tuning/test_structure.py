"""Feed-forward sub-layers: found in every family, by structure, on any device."""

import pytest

from tests.trainers.families import FAMILIES, feed_forward, layers, tiny_config, tiny_model
from xreason.tasks.errors import UserError
from xreason.trainers.stages import AllParameters, FeedForward
from xreason.trainers.tuning.structure import Part, choose, feed_forward_blocks, layer_count


@pytest.mark.parametrize("family", FAMILIES)
def test_up_and_down_of_every_layer_are_found(family: str) -> None:
    model = tiny_model(family)
    up, slices, down, _ = feed_forward(family)
    assert layer_count(model) == 4
    assert [(block.layer, block.up, block.down) for block in feed_forward_blocks(model)] == [
        (layer, Part(f"{layers(family)}.{layer}.{up}", slices), Part(f"{layers(family)}.{layer}.{down}")) for layer in range(4)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_meta_device_gives_the_same(family: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(tiny_config(family))
    assert feed_forward_blocks(model) == feed_forward_blocks(tiny_model(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gate_is_the_projection_before_the_activation(family: str) -> None:
    import torch

    model = tiny_model(family)
    block = feed_forward_blocks(model)[1]
    gate = feed_forward(family)[3]
    assert (block.gate and block.gate.parameter) == (gate and f"{layers(family)}.1.{gate}")
    if block.gate is None:
        return
    # the sub-layer says it itself: what comes out is nothing where the up projection is nothing
    with torch.no_grad():
        model.get_parameter(block.up.parameter)[block.up.slices or ...] = 0
        if family == "gpt_oss":  # its up projection counts from -1
            for name in ("gate_up_proj_bias", "down_proj_bias"):
                model.get_parameter(f"{block.path}.{name}").zero_()
            model.get_parameter(f"{block.path}.gate_up_proj_bias")[:, 1::2] = -1
        outputs = []
        model.get_submodule(block.path).register_forward_hook(lambda module, inputs, output: outputs.append(output))
        model(torch.arange(20)[None])
        assert outputs[0].abs().max() == 0


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"gpt_oss"}))
def test_the_activation_reads_the_gate_or_where_there_is_none_the_up_projection(family: str) -> None:
    model = tiny_model(family)
    for block in feed_forward_blocks(model):
        assert block.activation is not None
        assert not list(model.get_submodule(block.activation).parameters())
        assert block.activation.startswith(block.path)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh"])
def test_the_gate_is_known_by_what_it_does_and_not_by_its_name(activation: str) -> None:
    import torch
    from torch import nn

    class Misnamed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up_proj, self.gate_proj = nn.Linear(64, 128), nn.Linear(64, 128)
            self.down_proj = nn.Linear(128, 64)

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            activated: torch.Tensor = getattr(nn.functional, activation)(self.up_proj(states))
            return self.down_proj(activated * self.gate_proj(states))  # type: ignore[no-any-return]

    model = tiny_model("llama")
    for block in model.model.layers:
        block.mlp = Misnamed()
    found = feed_forward_blocks(model)[0]
    assert found.gate is not None
    assert [found.gate.parameter, found.up.parameter, found.down.parameter] == [
        f"model.layers.0.mlp.{name}.weight" for name in ("up_proj", "gate_proj", "down_proj")
    ]


def test_biases_routers_and_attention_are_not_chosen() -> None:
    for family in ("opt", "qwen3_moe", "mixtral", "gpt_neox"):
        names = {tuned.name for tuned in choose(tiny_model(family), FeedForward((1,)))}
        up, _, down, _ = feed_forward(family)
        assert names == {f"{layers(family)}.1.{up}", f"{layers(family)}.1.{down}"}


@pytest.mark.parametrize(("family", "count"), [("llama", 2 * 64 * 128), ("phi3", 2 * 64 * 128), ("mixtral", 4 * 2 * 64 * 128)])
def test_what_is_tuned_is_counted(family: str, count: int) -> None:
    assert sum(tuned.count for tuned in choose(tiny_model(family), FeedForward((0, 2)))) == 2 * count


def test_all_parameters_are_chosen_once_though_tied() -> None:
    model = tiny_model("gemma2", tie_word_embeddings=True)
    names = [tuned.name for tuned in choose(model, AllParameters())]
    assert names == [name for name, _ in model.named_parameters()]
    assert "lm_head.weight" not in names


def test_equal_widths_are_no_hindrance() -> None:
    for family, width in (("llama", 64), ("phi3", 64), ("phi3", 32), ("mixtral", 32), ("mixtral", 64), ("opt", 64)):
        sizes = {"ffn_dim": width} if family == "opt" else {"intermediate_size": width}
        up, slices, down, _ = feed_forward(family)
        found = feed_forward_blocks(tiny_model(family, **sizes))[0]
        expected = slices and (*slices[:-1], slice(width, 2 * width))
        assert (found.up.parameter, found.up.slices) == (f"{layers(family)}.0.{up}", expected)
        assert found.down.parameter == f"{layers(family)}.0.{down}"


def test_dense_and_expert_layers_may_take_turns() -> None:
    model = tiny_model("qwen3_moe", mlp_only_layers=[1])
    assert [block.path.rpartition("layers.")[2] for block in feed_forward_blocks(model)] == [
        "0.mlp.experts",
        "1.mlp",
        "2.mlp.experts",
        "3.mlp.experts",
    ]


def test_experts_that_all_tokens_share_learn_too() -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 64, "intermediate_size": 128, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 48}
    heads = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "num_experts": 4, "vocab_size": 100}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("qwen2_moe", **sizes, **heads))
    names = [tuned.name.rpartition("mlp.")[2] for tuned in choose(model, FeedForward((0,)))]
    assert names == ["experts.gate_up_proj", "experts.down_proj", "shared_expert.up_proj.weight", "shared_expert.down_proj.weight"]


def test_absent_layers_are_refused_with_the_layers_there_are() -> None:
    with pytest.raises(UserError, match=r"no layers 4-5: it has layers 0-3"):
        choose(tiny_model("llama"), FeedForward((0, 4, 5)))


def test_a_model_without_feed_forward_sub_layers_is_refused_with_what_it_has() -> None:
    from transformers import MambaConfig, MambaForCausalLM

    model = MambaForCausalLM(MambaConfig(hidden_size=32, num_hidden_layers=2, vocab_size=50, state_size=4))
    with pytest.raises(
        UserError, match=r"backbone\.layers\.0 .*tune all parameters instead\. The layer has: .*in_proj\.weight \[128, 32\]"
    ):
        choose(model, FeedForward((0,)))
