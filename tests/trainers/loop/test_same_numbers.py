"""Numbers of a stage: those of the loop before this one, and the same wherever in a method it stands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xreason.trainers.checkpoints.base import load_base
from xreason.trainers.corpora.examples import Example
from xreason.trainers.loop.loop import run_stage
from xreason.trainers.loop.reports import StageProgress
from xreason.trainers.loop.resuming import Saving, last_step
from xreason.trainers.methods import load_method
from xreason.trainers.stages import AllParameters, FeedForward, LowRank, Stage, Tune
from xreason.trainers.train import train

ModelOf = Callable[..., Path]
FORMER = json.loads((Path(__file__).parent / "losses_of_the_former_loop.json").read_text())
MIXED: dict[str, Any] = {"seed": 0, "mixed_precision": True}


@pytest.mark.every_core
@pytest.mark.parametrize("method", FORMER["losses"])
def test_the_first_50_losses_are_those_of_the_loop_before(method: str, tmp_path: Path) -> None:
    report = train(
        load_method(method, FORMER["settings"][method]),
        "pocket",
        tmp_path / "out",
        languages=FORMER["languages"],
        source="pocket",
        seed=FORMER["seed"],
        device="cpu",
    )
    for stage, losses in zip(report.stages, FORMER["losses"][method], strict=True):
        # processors of two makers add floats in different orders: losses of 0.01 were 3e-7 apart
        assert [loss for _, loss in stage.losses] == pytest.approx(losses, rel=1e-5, abs=1e-6)


def stage_of(tune: Tune, steps: int = 4) -> Stage:
    return Stage("stage", ("x",), tune, max_steps=steps, batch_size=8, micro_batch_size=4, learning_rate=0.01, max_length=250)


def dtypes_in_forward(model: Any) -> dict[str, set[Any]]:
    """Returns a table that fills with the dtypes of what every linear layer and norm sees, gives and holds."""
    seen: dict[str, set[Any]] = {}

    def watch(name: str) -> Callable[..., None]:
        def note(module: Any, inputs: Any, output: Any) -> None:
            # small copies of modules are run too, to find what is gate and what is up
            if any(module is each for each in model.modules()):
                seen.setdefault(name, set()).add((inputs[0].dtype, module.weight.dtype, output.dtype))

        return note

    for name, module in model.named_modules():
        if name.endswith(("_proj", "norm", "lm_head", "embed_tokens")):
            module.register_forward_hook(watch(name))
    return seen


@pytest.mark.parametrize("tune", [FeedForward((1,)), AllParameters(), LowRank(rank=2)], ids=["slam", "all", "lora"])
@pytest.mark.parametrize("stored", ["bfloat16", "float32"])
def test_a_stage_has_the_same_dtypes_and_losses_as_the_first_and_as_the_second(
    stored: str, tune: Tune, model_of: ModelOf, examples: list[Example]
) -> None:
    import torch

    model, tokenizer = load_base(model_of("llama", dtype=stored), device="cpu", mixed_precision=True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    seen = dtypes_in_forward(model)
    first = run_stage(model, tokenizer, stage_of(tune), examples, **MIXED)
    expected = {name: set(each) for name, each in seen.items()}
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert {dtype for name, each in expected.items() if "embed" not in name for dtypes in each for dtype in dtypes} == {
        torch.bfloat16
    }
    # another stage leaves float32 everywhere; from the same numbers the stage must go the same way
    run_stage(model, tokenizer, stage_of(AllParameters(), 1), examples, **MIXED)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    model.load_state_dict(before)
    seen.clear()
    second = run_stage(model, tokenizer, stage_of(tune), examples, **MIXED)
    assert seen == expected
    assert second.losses == first.losses
    if not isinstance(tune, LowRank):
        assert all(torch.equal(tensor.float(), weights[name].float()) for name, tensor in model.state_dict().items())


def test_what_one_stage_has_learnt_is_rounded_by_none_that_freezes_it(model_of: ModelOf, examples: list[Example]) -> None:
    import torch

    model, tokenizer = load_base(model_of("llama", dtype="bfloat16"), device="cpu", mixed_precision=True)
    run_stage(model, tokenizer, stage_of(AllParameters()), examples, **MIXED)
    learnt = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    assert all(not tensor.equal(tensor.to(torch.bfloat16).float()) for tensor in learnt.values())
    run_stage(model, tokenizer, stage_of(FeedForward((1,))), examples, **MIXED)
    moved = {name for name, parameter in model.named_parameters() if not parameter.equal(learnt[name])}
    assert moved == {f"model.layers.1.mlp.{name}.weight" for name in ("up_proj", "down_proj")}


def test_gradients_of_micro_batches_are_summed_in_float32(model_of: ModelOf, examples: list[Example]) -> None:
    from dataclasses import replace

    losses = []
    for size in (1, 8):
        model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=True)
        stage = replace(stage_of(AllParameters(), 3), micro_batch_size=size)
        losses.append([loss for _, loss in run_stage(model, tokenizer, stage, examples, **MIXED).losses])
    assert losses[0] == pytest.approx(losses[1], rel=5e-3)


def test_mixed_precision_learns_as_float32_does(model_of: ModelOf, examples: list[Example]) -> None:
    losses = []
    for mixed in (True, False):
        model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=mixed)
        report = run_stage(model, tokenizer, stage_of(AllParameters(), 8), examples, seed=0, mixed_precision=mixed)
        losses.append([loss for _, loss in report.losses])
    assert losses[0] == pytest.approx(losses[1], rel=2e-2)


@pytest.mark.parametrize("tune", [FeedForward((1,)), LowRank(rank=2, dropout=0.5)], ids=["slam", "lora"])
def test_an_interrupted_stage_in_mixed_precision_ends_in_the_same_bits(
    tune: Tune, model_of: ModelOf, examples: list[Example], tmp_path: Path
) -> None:
    import torch

    def loaded() -> Any:
        return load_base(model_of("llama", dtype="bfloat16"), device="cpu", mixed_precision=True)

    model, tokenizer = loaded()
    whole = run_stage(model, tokenizer, stage_of(tune, 6), examples, **MIXED)
    other, _ = loaded()
    saving = Saving(tmp_path, every_steps=2, every_minutes=None)

    def interrupt(state: StageProgress) -> None:
        if state.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(other, tokenizer, stage_of(tune, 6), examples, progress=interrupt, saving=saving, **MIXED)
    saved = last_step(tmp_path)
    assert saved is not None
    assert saved.name == "step-4"
    third, _ = loaded()
    seen = dtypes_in_forward(third)
    resumed = run_stage(third, tokenizer, stage_of(tune, 6), examples, saving=saving, **MIXED)
    assert resumed.losses == whole.losses
    assert all(torch.equal(tensor, third.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert {dtypes[0] for name, each in seen.items() if "embed" not in name for dtypes in each} == {torch.bfloat16}
