"""What a stage takes of a device: the estimate against PyTorch's own peak, and what a person is told where it does not fit."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.memory import TUNES, estimate_and_peak
from tests.places import CONFIGS
from tests.trainers.families import FAMILIES, tiny_model
from xreason.trainers.methods import load_method
from xreason.trainers.stages import AllParameters, FeedForward, LowRank, Named, Stage
from xreason.trainers.tuning.counting import count_of, skeleton
from xreason.trainers.tuning.fitting import cannot_fit, cannot_save, choices
from xreason.trainers.tuning.memory import USABLE, needed, saved_bytes

GIB = 2**30
SMALL: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 688, "num_attention_heads": 4}
SHAPES = {
    "wide head": {**SMALL, "num_hidden_layers": 4, "vocab_size": 8000},
    "grouped": {**SMALL, "num_hidden_layers": 8, "vocab_size": 2000, "num_key_value_heads": 2},
}


@pytest.mark.parametrize("recompute", [0, 1])
@pytest.mark.parametrize("method", TUNES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_estimate_is_within_15_percent_of_what_tensors_hold_at_the_peak(shape: str, method: str, recompute: int) -> None:
    estimate, peak = estimate_and_peak(SHAPES[shape], TUNES[method], recompute, words=30)
    assert estimate == pytest.approx(peak, rel=0.15)


def test_what_is_stored_in_float32_and_stays_frozen_is_kept_beside_its_copy_on_a_cpu() -> None:
    import torch

    estimate, peak = estimate_and_peak(SHAPES["grouped"], FeedForward(2), 2, stored=torch.float32, words=30)
    assert estimate == pytest.approx(peak, rel=0.15)


def stage_of(name: str, **settings: Any) -> Stage:
    return load_method(name, settings).stages[0]


def config(name: str) -> Any:
    return skeleton(CONFIGS / name)


def test_training_states_are_18_bytes_a_parameter_where_all_are_tuned() -> None:
    model = config("llama-2-7b")
    assert needed(model, stage_of("full"), device="cuda").states == 18 * 6_738_415_616
    slam = needed(model, stage_of("slam", layers=6), device="cuda")
    assert slam.states == 2 * 6_738_415_616 + 16 * 541_065_216
    eight_bits = needed(model, stage_of("full", optimizer="adamw-8bit"), device="cuda")
    assert eight_bits.states == 12 * 6_738_415_616


def test_several_devices_share_weights_gradients_and_optimizer_but_no_activations() -> None:
    model, stage = config("llama-2-7b"), stage_of("full")
    one, four = (needed(model, stage, device="cuda", devices=number) for number in (1, 4))
    assert four.optimizer * 4 == one.optimizer
    assert one.states / 5 < four.states < one.states / 3
    assert four.activations == one.activations


def test_what_lies_beneath_the_lowest_tuned_layer_keeps_nothing_and_what_is_recomputed_its_input_alone() -> None:
    model, stage = config("llama-2-7b"), stage_of("full")
    kept = [needed(model, stage, device="cuda", recompute=number, tokens=8192).activations for number in (0, 4, 2, 1)]
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] < kept[0] / 5
    low, high = (stage_of("slam", layers=layers) for layers in ([0, 1], [30, 31]))
    below, above = (needed(model, each, device="cuda", recompute=1, tokens=2048).activations for each in (low, high))
    assert below - above == 2048 * 2 * 4096 * 30


def test_without_mixed_precision_all_weights_are_float32() -> None:
    model, stage = config("llama-2-7b"), stage_of("slam", layers=6)
    mixed, plain = (needed(model, stage, device="cuda", mixed_precision=each) for each in (True, False))
    assert plain.weights == 4 * 6_738_415_616
    assert (plain.gradients, plain.optimizer) == (mixed.gradients, mixed.optimizer)
    assert plain.activations > mixed.activations


@pytest.mark.parametrize(
    "tune", [AllParameters(), FeedForward(2), LowRank(), Named(r".*\.(1|2)\..*")], ids=["all", "ffn", "lora", "named"]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_an_estimate(family: str, tune: Any) -> None:
    model, stage = tiny_model(family), Stage("stage", ("x",), tune, max_length=64)
    estimate = needed(model, stage, device="cuda", recompute=0)
    assert min(vars(replace(estimate, saving=1)).values()) > 0


@pytest.mark.parametrize(
    ("model", "method", "gpu", "told"),
    [
        (
            "llama-2-7b",
            "full",
            80,
            "Stage 'multilingual reasoning' needs 113.3 GiB at least on one GPU (weights 37.7, gradients 25.1, optimizer 50.2, "
            "activations 0.3), and 72.0 GiB are to be had there; what would fit is --launch 2, or lora.",
        ),
        (
            "llama-2-13b",
            "slam",
            24,
            "Stage 'language alignment' needs 37.7 GiB at least on one GPU (weights 27.4, gradients 3.2, optimizer 6.3, "
            "activations 0.8), and 21.6 GiB are to be had there; what would fit is --launch 2.",
        ),
        (
            "llama-2-13b",
            "slam",
            40,
            "Stage 'language alignment' needs 37.7 GiB at least on one GPU (weights 27.4, gradients 3.2, optimizer 6.3, "
            "activations 0.8), and 36.0 GiB are to be had there; what would fit is --launch 2, or optimizer: adamw-8bit, or lora.",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_what_would(model: str, method: str, gpu: int, told: str) -> None:
    stage = stage_of(method, **({"layers": 6} if method == "slam" else {}))
    error = cannot_fit(config(model), stage, int(USABLE * gpu * GIB), device="cuda")
    assert str(error) == told
    assert len(told) <= 400


def test_every_remedy_that_is_named_fits_by_the_estimate_and_what_fits_is_no_error() -> None:
    model, room = config("llama-2-13b"), int(USABLE * 40 * GIB)
    slam = stage_of("slam", layers=6)
    for stage, devices in ((slam, 2), (replace(slam, optimizer="adamw-8bit"), 1), (stage_of("lora"), 1)):
        assert cannot_fit(model, stage, room, device="cuda", devices=devices) is None
    long = replace(stage_of("lora"), micro_batch_size=32, max_length=4096, batch_size=128)
    told = str(cannot_fit(model, long, room, device="cuda"))
    assert told.endswith("; what would fit is micro_batch_size: 1, or max_length: 128.")
    assert cannot_fit(model, replace(long, micro_batch_size=1), room, device="cuda") is None
    assert cannot_fit(model, replace(long, micro_batch_size=2), room, device="cuda") is not None
    assert cannot_fit(model, replace(long, max_length=128), room, device="cuda") is None


def test_a_disk_too_small_for_two_step_checkpoints_is_said() -> None:
    stage, model = stage_of("full"), config("llama-2-7b")
    tuned = count_of(model, stage.tune).tuned
    assert saved_bytes(stage, tuned) == 12 * 6_738_415_616
    assert str(cannot_save(stage, tuned, 100 * 10**9, "/scratch/runs")) == (
        "Step checkpoints of stage 'multilingual reasoning' take 80.9 GB each, and two stand side by side, but 100.0 GB are free "
        "in /scratch/runs; give --save-minutes 0 to write none, or another disk with --out."
    )
    assert cannot_save(stage, tuned, 24 * tuned, "/scratch/runs") is None


def test_a_cpu_keeps_to_512_tokens_and_a_stage_s_own_rows_are_kept_to() -> None:
    first = choices(Stage("stage", ("x",), AllParameters()), "cpu")[:4]
    assert [(each.tokens, each.recompute) for each in first] == [(512, 0), (512, 4), (512, 2), (512, 1)]
    own = choices(Stage("stage", ("x",), AllParameters(), micro_batch_size=4), "cuda")
    assert [(each.rows, each.recompute) for each in own] == [(4, 0), (4, 4), (4, 2), (4, 1)]
    assert [each.recompute for each in choices(Stage("stage", ("x",), AllParameters()), "cpu", 1)] == [1, 1, 1]


def test_a_layout_that_runs_out_of_memory_is_no_candidate_and_the_fastest_of_the_others_is_taken() -> None:
    import time

    import torch

    from xreason.trainers.tuning.fitting import Choice, fastest

    large, slow, quick = (Choice(None, tokens, 0) for tokens in (16384, 8192, 4096))

    def attempt(choice: Choice) -> int:
        if choice is large:
            raise torch.OutOfMemoryError("no")
        time.sleep(0.05 if choice is slow else 0.01)
        return 1000

    assert fastest([large, slow, quick], attempt) is quick
    assert fastest([large], attempt) is large
