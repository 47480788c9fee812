"""Counts to the parameter, from configs alone; estimates against the formulas' own published or measured figures."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.places import CONFIGS
from tests.trainers.families import FAMILIES, tiny_config, tiny_model
from xreason.tasks.errors import UserError
from xreason.trainers.stages import AllParameters, FeedForward, Tune
from xreason.trainers.tuning.counting import Counts, count, count_of, estimate_flops, skeleton, skeleton_of


@pytest.mark.parametrize(
    ("name", "tuned", "total", "percent"),
    [
        # SLAM's abstract: 6.5-8 % of the parameters of 13B and 7B
        ("llama-2-13b", 849_346_560, 13_015_864_320, 6.5),
        ("llama-2-7b", 541_065_216, 6_738_415_616, 8.0),
        # 6 layers x (up + down), of every expert; totals are those of the models' published weights
        ("mixtral-8x7b", 6 * 8 * 2 * 4096 * 14336, 46_702_792_704, 12.1),
        ("phi-3-mini", 6 * 2 * 3072 * 8192, 3_821_079_552, 7.9),
        ("gemma-2-2b", 6 * 2 * 2304 * 9216, 2_614_341_888, 9.7),
    ],
)
def test_six_layers_are_counted_to_the_parameter(name: str, tuned: int, total: int, percent: float) -> None:
    counts = count(CONFIGS / name, FeedForward(6))
    assert counts == Counts(tuned, total)
    assert round(100 * counts.share, 1) == percent
    assert count(CONFIGS / name, AllParameters()) == Counts(total, total)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_without_weights_counts_as_one_with(family: str) -> None:
    model = tiny_model(family)
    expected = count_of(model, FeedForward((1, 3)))
    assert count_of(skeleton_of(tiny_config(family)), FeedForward((1, 3))) == expected
    assert expected.total == model.num_parameters()


def test_tied_embeddings_count_once() -> None:
    untied = skeleton_of(tiny_config("llama", tie_word_embeddings=False))
    tied = skeleton_of(tiny_config("llama", tie_word_embeddings=True))
    assert count_of(untied, AllParameters()).total - count_of(tied, AllParameters()).total == 400 * 64


def test_the_pocket_model_goes_by_its_name() -> None:
    assert count("pocket", FeedForward(1)).total == sum(parameter.numel() for parameter in skeleton("pocket").parameters())


@pytest.mark.parametrize(
    ("config", "message"),
    [(None, "no config.json"), ("nonsense", "config.json is not JSON"), ('{"model_type": "vit"}', "no decoder")],
)
def test_what_is_no_decoder_is_refused(config: str | None, message: str, tmp_path: Path) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(UserError, match=message):
        count(tmp_path, AllParameters())


def test_layers_that_the_model_lacks_are_refused() -> None:
    with pytest.raises(UserError, match="no layers 32: it has layers 0-31"):
        count(CONFIGS / "llama-2-7b", FeedForward((0, 32)))


@pytest.mark.parametrize("tune", [AllParameters(), FeedForward(2), FeedForward((2, 3))], ids=["all", "lowest", "highest"])
@pytest.mark.parametrize("family", ["llama", "gemma2", "phi3", "gpt_neox"])
def test_flops_are_those_that_pytorch_counts(family: str, tune: Tune) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from xreason.trainers.tuning.freezing import freeze_all_but

    settings: dict[str, Any] = {"attn_implementation": "eager"}
    model = tiny_model(family, **settings)
    expected = estimate_flops(model, tune, checkpointing=False)
    freeze_all_but(model, tune)
    tokens = torch.arange(8)[None]
    with FlopCounterMode(display=False) as counter:
        model(tokens, labels=tokens).loss.backward()
    # attention's own products are left out of the estimate, and norms and biases are in it; both are small
    assert counter.get_total_flops() / 8 == pytest.approx(expected, rel=0.03)


def test_checkpointing_repeats_the_forward_pass_above_the_lowest_tuned_layer() -> None:
    model = skeleton(CONFIGS / "llama-2-7b")
    met, words = 6_738_415_616 - 32000 * 4096, 32000 * 4096
    layer = 4 * 4096 * 4096 + 3 * 4096 * 11008 + 2 * 4096
    assert estimate_flops(model, AllParameters(), checkpointing=False) == 6 * met
    assert estimate_flops(model, AllParameters()) - 6 * met == 2 * (met - words - 4096)
    plain = estimate_flops(model, FeedForward((4, 5)), checkpointing=False)
    assert estimate_flops(model, FeedForward((4, 5))) - plain == 2 * 28 * layer


def test_of_experts_those_count_that_a_token_takes() -> None:
    config = json.loads((CONFIGS / "mixtral-8x7b" / "config.json").read_text())
    experts = 32 * 8 * 3 * config["hidden_size"] * config["intermediate_size"]
    met = 46_702_792_704 - experts + experts * 2 // 8 - 32000 * 4096
    assert estimate_flops(skeleton(CONFIGS / "mixtral-8x7b"), AllParameters(), checkpointing=False) == 6 * met
