"""Training for real, on tiny models: which tensors move, what the loss sees, and what a run reports."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainers.families import save_tiny_model
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.base import load_base, stored_tensors
from xreason.trainers.checkpoints.delta import Checkpoint, iterate_tensors, materialise, read_checkpoint
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.tokens import IGNORED, tokenize
from xreason.trainers.loop.batches import StepOrder, padded
from xreason.trainers.loop.loop import run_stage
from xreason.trainers.loop.packing import packed, packed_attention
from xreason.trainers.loop.reports import StageProgress, StageReport
from xreason.trainers.methods import load_method
from xreason.trainers.stages import AllParameters, FeedForward, Stage, Tune
from xreason.trainers.train import TrainingReport, train
from xreason.trainers.tuning.counting import estimate_memory

ModelOf = Callable[..., Path]
FAST: dict[str, Any] = {"learning_rate": 0.01, "batch_size": 16, "micro_batch_size": 8, "epochs": 1, "max_length": 250}


def trained(name: str, base: Path, data: Path, out: Path, seed: int = 0, **settings: Any) -> tuple[TrainingReport, Checkpoint]:
    method = load_method(name, {**FAST, **settings})
    report = train(method, base, out, languages=["en", "de"], source="papers", data=data, seed=seed, device="cpu")
    return report, read_checkpoint(out)


def tensors(folder: Path) -> dict[str, Any]:
    return dict(stored_tensors(folder))


def changed(base: Path, other: Path) -> set[str]:
    before, after = tensors(base), tensors(other)
    assert before.keys() == after.keys()
    return {name for name in before if not before[name].equal(after[name])}


@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral"])
def test_slam_moves_the_named_tensors_and_no_other(kind: str, model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    base = model_of(kind)
    report, checkpoint = trained("slam", base, data, tmp_path / "out", layers=[0, 2])
    expected = {f"model.layers.{layer}.mlp.{module}.weight" for layer in (0, 2) for module in ("up_proj", "down_proj")}
    assert checkpoint.kind == "delta"
    assert set(checkpoint.tensors) == {name for name, _ in iterate_tensors(checkpoint)} == expected
    assert changed(base, materialise(checkpoint, tmp_path / "whole")) == expected
    assert report.stages[0].tuned_parameters == 4 * 64 * 128
    assert report.stages[0].tuned == "up_proj, down_proj of layers 0, 2"


@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral"])
@pytest.mark.parametrize("name", ["two-stage", "full"])
def test_two_stage_and_full_move_every_tensor(kind: str, name: str, model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    base = model_of(kind)
    report, checkpoint = trained(name, base, data, tmp_path / "out")
    assert checkpoint.kind == "full"
    assert changed(base, tmp_path / "out") == set(tensors(base))
    assert report.stages[-1].tuned_parameters == report.stages[-1].total_parameters


def test_the_same_seed_gives_the_same_weights_and_another_does_not(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    base = model_of("llama")
    for run, seed in (("one", 0), ("two", 0), ("three", 1)):
        trained("slam", base, data, tmp_path / run, seed=seed, layers=1)
    one, two, three = (tensors(tmp_path / run) for run in ("one", "two", "three"))
    assert all(one[name].equal(two[name]) for name in one)
    assert not any(one[name].equal(three[name]) for name in one)


def test_the_report_says_what_it_did_and_cost(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    report, _ = trained("two-stage", model_of("llama"), data, tmp_path / "out", rows=20, epochs=2)
    first, second = report.stages
    assert first.corpus == "question-translation (questions of GSM8K, translated into English)"
    assert (first.languages, first.rows, first.steps, first.epochs) == (("de",), 20, 4, 2)
    assert second.corpus == "english-reasoning (MetaMathQA in English)"
    assert second.languages == ("en",)
    assert [step for step, _ in first.losses] == [1, 2, 3, 4]
    assert first.losses[-1][1] < first.losses[0][1]
    assert first.tokens > 0
    assert first.tokens_per_second == pytest.approx(first.tokens / first.seconds)
    assert first.peak_memory_bytes > 100 * 2**20
    assert [corpus.name for corpus in report.corpora] == ["question-translation", "english-reasoning"]
    assert report.checkpoint_bytes > 0
    assert [corpus.rows for corpus in report.corpora] == [20, 20]
    assert "two-stage" not in first.model_dump_json()
    assert TrainingReport.model_validate_json(report.model_dump_json()) == report


def test_rows_that_are_too_long_are_cut_off_at_their_end_and_counted_by_language(
    model_of: ModelOf, examples: list[Example]
) -> None:
    _, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    long, hopeless = Example(examples[0].prompt, "1" * 500, "bn"), Example("1" * 500, "1", "th")
    whole = tokenize([long], tokenizer, 10_000)[0][0]
    rows, cut = tokenize([*examples, long, long, hopeless], tokenizer, 250)
    # QAlign, MathOctopus, MetaMath: the end-of-text token goes first; a row of which no response is left would teach nothing
    assert (cut.truncated, cut.left_out) == ({"bn": 2, "th": 1}, 1)
    assert len(rows) == len(examples) + 2
    assert rows[-1].ids == whole.ids[:250]
    assert rows[-1].ids[-1] != tokenizer.eos_token_id
    assert rows[-1].prompt_length == whole.prompt_length
    with pytest.raises(UserError, match="max_length=5 "):
        tokenize(examples, tokenizer, 5)


@pytest.mark.parametrize(("prompt", "response"), [(30, 30), (90, 10), (10, 90), (200, 1)])
def test_slam_s_rows_are_cut_in_proportion_as_llama_factory_does(prompt: int, response: int, model_of: ModelOf) -> None:
    _, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    example = Example("é" * prompt, "ß" * response, "bn")
    whole = tokenize([example], tokenizer, 10_000)[0][0]
    source, target = whole.ids[: whole.prompt_length], whole.ids[whole.prompt_length :]
    # LLaMA-Factory 0.5.3, src/llmtuner/data/utils.py L42-46
    max_target = max(int(40 * (len(target) / (len(source) + len(target)))), 1)
    (row,), cut = tokenize([example], tokenizer, 40, "proportional")
    assert row.ids == source[: 40 - max_target] + target[:max_target]
    assert (len(row.ids), row.prompt_length) == (40, 40 - max_target)
    assert (cut.truncated, cut.left_out) == ({"bn": 1}, 0)


def test_loss_on_all_is_loss_on_every_token_but_the_first(model_of: ModelOf, examples: list[Example]) -> None:
    import torch

    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    rows, _ = tokenize(examples[:4], tokenizer, 250, "right", "all")
    assert all(row.labels == (IGNORED, *row.ids[1:]) for row in rows)
    with torch.no_grad():
        total = sum(model(input_ids=(ids := torch.tensor([row.ids])), labels=ids).loss * (len(row.ids) - 1) for row in rows)
    stage = Stage("stage", ("x",), AllParameters(), max_steps=1, batch_size=4, max_length=250, loss_on="all")
    report = run_stage(model, tokenizer, stage, examples[:4], seed=0)
    assert report.losses[0][1] == pytest.approx(float(total) / sum(len(row.ids) - 1 for row in rows), rel=1e-5)


def test_a_stage_says_what_it_cut_off(model_of: ModelOf, examples: list[Example]) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    told = [*examples, Example(examples[0].prompt, "1" * 500, "sw"), Example("1" * 500, "1", "th")]
    report = run_stage(model, tokenizer, Stage("stage", ("x",), FeedForward(1), max_steps=1, max_length=250), told, seed=0)
    assert (report.truncated, report.left_out, report.rows) == ({"sw": 1, "th": 1}, 1, len(examples) + 1)
    assert StageReport.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize(("asked", "recompute"), [(False, False), (True, False), (True, True)])
def test_the_loss_that_balances_experts_reaches_the_router_where_the_model_s_config_asks_for_it(
    asked: bool, recompute: bool, tokenizer_folder: Path, examples: list[Example], tmp_path: Path
) -> None:
    import torch

    base = save_tiny_model(tmp_path, tokenizer_folder, "mixtral", output_router_logits=asked, router_aux_loss_coef=50.0)
    router = "model.layers.1.mlp.gate.weight"

    def gradient(with_balance: bool) -> Any:
        model, tokenizer = load_base(base, device="cpu", mixed_precision=False)
        batch = padded(tokenize(examples[:4], tokenizer, 250, "right", "all")[0])
        output = model(**batch, output_router_logits=True)
        (output.loss if with_balance else output.loss - 50.0 * output.aux_loss).backward()
        return model.get_parameter(router).grad

    model, tokenizer = load_base(base, device="cpu", mixed_precision=False)
    seen: list[Any] = []
    model.get_parameter(router).register_hook(lambda gradient: seen.append(gradient.clone()))
    settings: dict[str, Any] = {"batch_size": 4, "micro_batch_size": 4, "max_steps": 1, "max_length": 250, "loss_on": "all"}
    report = run_stage(
        model, tokenizer, Stage("stage", ("x",), AllParameters(), **settings), examples[:4], seed=0, recompute=recompute
    )
    # rows of one length: no padding, which the router would be counted on
    plain, balanced = gradient(False), gradient(True)
    assert (plain - balanced).norm() > 0.1 * plain.norm()
    torch.testing.assert_close(seen[-1], balanced if asked else plain, rtol=1e-3, atol=1e-5)
    # what is reported is the loss on the text alone
    assert report.losses[0][1] < 10


def test_prompts_bear_no_loss_and_the_end_of_text_is_trained(model_of: ModelOf, examples: list[Example]) -> None:
    _, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    pairs = [examples[0], Example(examples[1].prompt, "A much longer response than the first.")]
    rows, _ = tokenize(pairs, tokenizer, 250)
    batch = padded(rows)
    for example, ids, labels in zip(pairs, *(batch[key].tolist() for key in ("input_ids", "labels")), strict=True):
        prompt = tokenizer(example.prompt)["input_ids"]
        assert ids[: len(prompt)] == prompt
        assert labels[: len(prompt)] == [IGNORED] * len(prompt)
        answered = [label for label in labels if label != IGNORED]
        assert answered[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(answered[:-1]) == example.response
        assert set(labels[len(prompt) + len(answered) :]) <= {IGNORED}


def test_a_token_that_would_span_prompt_and_response_is_split_there(model_of: ModelOf) -> None:
    _, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    # "instruction" is one token of this tokenizer: "instr" + "uction" must not become it
    rows, _ = tokenize([Example("Below is an instr", "uction")], tokenizer, 250)
    assert list(rows[0].ids[: rows[0].prompt_length]) == tokenizer("Below is an instr")["input_ids"]
    assert tokenizer.decode(rows[0].ids[rows[0].prompt_length : -1]) == "uction"


def test_the_loss_is_that_of_the_model_itself(model_of: ModelOf, examples: list[Example]) -> None:
    import torch

    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    rows, _ = tokenize(examples[:8], tokenizer, 250)
    batch = padded(rows)
    with torch.no_grad():
        expected = model(**batch).loss.item()
    stage = Stage("stage", ("x",), AllParameters(), max_steps=1, batch_size=8, micro_batch_size=4, max_length=250)
    report = run_stage(model, tokenizer, stage, examples[:8], seed=0)
    assert report.losses[0][1] == pytest.approx(expected, rel=1e-5)
    assert report.tokens == sum(len(row.ids) for row in rows)


def test_frozen_parameters_have_neither_gradient_nor_leftovers(model_of: ModelOf, examples: list[Example]) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    forward = model.forward
    stage = Stage("stage", ("x",), FeedForward(1), max_steps=1, batch_size=8, max_length=250)
    run_stage(model, tokenizer, stage, examples, seed=0)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert model.forward == forward


@pytest.mark.parametrize("recompute", [False, True])
def test_nothing_is_kept_or_gone_back_through_below_the_lowest_tuned_layer(
    recompute: bool, model_of: ModelOf, examples: list[Example]
) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    needs: dict[int, set[bool]] = {}
    for number, layer in enumerate(model.model.layers):
        layer.register_forward_hook(lambda _, __, output, number=number: needs.setdefault(number, set()).add(output.requires_grad))
    stage = Stage("stage", ("x",), FeedForward((2,)), max_steps=1, batch_size=8, max_length=250)
    run_stage(model, tokenizer, stage, examples, seed=0, recompute=recompute)
    assert needs == {0: {False}, 1: {False}, 2: {True}, 3: {True}}


@pytest.mark.parametrize("tune", [FeedForward((2,)), AllParameters()])
def test_gradient_checkpointing_changes_no_weight(tune: Tune, model_of: ModelOf, examples: list[Example]) -> None:
    import torch

    stage = Stage("stage", ("x",), tune, max_steps=3, batch_size=8, learning_rate=0.01, max_length=250)
    ended = []
    for recompute in (False, True):
        model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
        run_stage(model, tokenizer, stage, examples, seed=0, recompute=recompute)
        ended.append(model.state_dict())
        assert not model.is_gradient_checkpointing
    assert all(torch.equal(ended[0][name], ended[1][name]) for name in ended[0])


@pytest.mark.parametrize(("spare", "recomputes"), [(0, False), (-1, True)])
def test_activations_that_fit_are_kept_and_others_are_computed_again(
    spare: int, recomputes: bool, model_of: ModelOf, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    stage = Stage("stage", ("x",), AllParameters(), max_steps=1, batch_size=4, micro_batch_size=4, max_length=250)
    longest = max(len(row.ids) for row in tokenize(examples, tokenizer, 250)[0])
    needed = estimate_memory(model, stage.tune, sequences=4, length=longest, checkpointing=False, mixed_precision=False)
    free = needed.activations + needed.gradients + needed.optimizer + spare
    monkeypatch.setattr("xreason.trainers.tuning.memory.free_memory", lambda device: free)
    seen: list[bool] = []
    model.register_forward_pre_hook(lambda *_: seen.append(model.is_gradient_checkpointing))
    run_stage(model, tokenizer, stage, examples, seed=0)
    assert seen == [recomputes]


def test_the_estimate_of_activations_is_near_what_autograd_keeps(model_of: ModelOf, examples: list[Example]) -> None:
    import torch

    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    rows, _ = tokenize(examples[:8], tokenizer, 250)
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    batch = packed(rows)
    del batch["labels"]
    with packed_attention(model), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # the head's own share is not the layers': one token keeps it small
        model(**batch, use_cache=False, logits_to_keep=1)
    measured = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    tokens = sum(len(row.ids) for row in rows)
    estimated = estimate_memory(
        model, AllParameters(), sequences=1, length=tokens, checkpointing=False, mixed_precision=False
    ).activations
    # without the scores over the vocabulary and their gradient
    assert 0.8 < measured / (estimated - tokens * 8 * model.config.vocab_size) < 1.25


def test_integrations_that_are_not_there_are_refused(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    missing = next(name for name in LOGGER_TYPE_TO_CLASS if name not in map(str, get_available_trackers()))
    for name, message in (("tensorbord", "tensorboard"), (missing, f"pip install {missing}")):
        with pytest.raises(UserError, match=message):
            train(
                load_method("slam", FAST),
                model_of("llama"),
                tmp_path,
                languages=["de"],
                source="papers",
                data=data,
                report_to=[name],
            )


def test_trackers_are_told_the_settings_and_every_report(
    model_of: ModelOf, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import tracking

    told: list[Any] = []

    class Kept(tracking.GeneralTracker):  # type: ignore[misc]
        name = "kept"
        requires_logging_directory = True

        def __init__(self, run_name: str, logging_dir: Path) -> None:
            super().__init__()
            told.append(logging_dir)

        @property
        def tracker(self) -> None:
            return None

        def store_init_configuration(self, values: dict[str, Any]) -> None:
            told.append(values)

        def log(self, values: dict[str, Any], step: int | None = None, **kwargs: Any) -> None:
            told.append((step, values["train/loss"]))

        def finish(self) -> None:
            told.append("finished")

    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "kept", Kept)
    monkeypatch.setattr(tracking, "get_available_trackers", lambda: ["kept"])
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    stage = Stage("stage", ("x",), FeedForward(1), max_steps=2, batch_size=4, max_length=250)
    report = run_stage(model, tokenizer, stage, examples, seed=0, report_to=["kept"], directory=tmp_path)
    assert told[0] == tmp_path
    assert (told[1]["name"], told[1]["batch_size"]) == ("stage", 4)
    assert told[2:] == [*report.losses, "finished"]


def test_matrices_decay_and_norms_do_not(model_of: ModelOf, examples: list[Example]) -> None:
    ended = []
    for decay in (0.0, 0.5):
        model, tokenizer = load_base(model_of("qwen2"), device="cpu", mixed_precision=False)
        stage = Stage(
            "stage", ("x",), AllParameters(), max_steps=1, batch_size=4, weight_decay=decay, learning_rate=0.01, max_length=250
        )
        run_stage(model, tokenizer, stage, examples, seed=0)
        ended.append(dict(model.named_parameters()))
    same = {name for name, parameter in ended[0].items() if parameter.equal(ended[1][name])}
    assert same == {name for name in ended[0] if "norm" in name or "bias" in name}


def test_the_optimizer_has_the_stage_s_betas_and_gradients_are_clipped_to_its_norm(
    model_of: ModelOf, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    made: list[dict[str, Any]] = []
    plain, norms = torch.optim.AdamW, []

    class Noted(plain):  # type: ignore[misc, valid-type]
        def __init__(self, groups: Any, **settings: Any) -> None:
            made.append(settings)
            super().__init__(groups, **settings)

        def step(self, closure: Any = None) -> Any:
            gradients = [parameter.grad for group in self.param_groups for parameter in group["params"]]
            norms.append(torch.nn.utils.get_total_norm(gradients).item())
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "AdamW", Noted)
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    stage = Stage("stage", ("x",), AllParameters(), max_steps=2, batch_size=4, betas=(0.8, 0.95), max_grad_norm=0.1, max_length=250)
    report = run_stage(model, tokenizer, stage, examples, seed=0)
    assert made == [{"lr": 2e-5, "betas": (0.8, 0.95), "fused": True}]
    assert all(row.gradient_norm > 0.1 for row in report.log)
    assert norms == pytest.approx([0.1, 0.1], rel=1e-3)


def test_an_optimizer_whose_package_is_missing_is_refused_with_the_line_to_type(
    model_of: ModelOf, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    monkeypatch.setattr("xreason.trainers.loop.reports.find_spec", lambda name: None)
    stage = Stage("stage", ("x",), FeedForward(1), optimizer="adamw-8bit", max_length=250)
    with pytest.raises(UserError, match="pip install bitsandbytes"):
        run_stage(model, tokenizer, stage, examples, seed=0)


@pytest.mark.parametrize(
    "schedule", ["linear", "constant_with_warmup", "inverse_sqrt", "polynomial", "cosine_with_restarts", "constant"]
)
def test_every_schedule_runs_and_warm_up_begins_at_nothing(schedule: str, model_of: ModelOf, examples: list[Example]) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    settings: dict[str, Any] = {"schedule": schedule, "warmup_ratio": 0.5, "max_steps": 4, "batch_size": 2, "max_length": 250}
    report = run_stage(model, tokenizer, Stage("stage", ("x",), FeedForward(1), **settings), examples, seed=0)
    rates = [row.learning_rate for row in report.log]
    assert max(rates) == pytest.approx(2e-5)
    assert rates[:2] == ([2e-5, 2e-5] if schedule == "constant" else [0.0, 1e-5])


def test_the_log_tells_learning_rate_gradient_norm_and_memory(model_of: ModelOf, examples: list[Example]) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    stage = Stage("stage", ("x",), FeedForward(1), max_steps=4, batch_size=8, learning_rate=0.01, max_length=250)
    seen: list[StageProgress] = []
    report = run_stage(model, tokenizer, stage, examples, seed=0, progress=seen.append)
    assert [row.learning_rate for row in report.log] == pytest.approx([0.01, 0.00853553, 0.005, 0.00146447], rel=1e-5)
    assert all(row.gradient_norm > 0 and row.memory_bytes > 100 * 2**20 for row in report.log)
    assert [(row.step, row.loss) for row in report.log] == list(report.losses)
    assert [(state.step, state.gradient_norm) for state in seen] == [(row.step, row.gradient_norm) for row in report.log]
    assert StageReport.model_validate_json(report.model_dump_json()) == report


def test_mixed_precision_keeps_frozen_weights_as_stored_and_tunes_in_float32(model_of: ModelOf, examples: list[Example]) -> None:
    import torch

    model, tokenizer = load_base(model_of("llama", dtype="bfloat16"), device="cpu", mixed_precision=True)
    stage = Stage("stage", ("x",), FeedForward(2), max_steps=4, batch_size=16, learning_rate=0.01, max_length=250)
    report = run_stage(model, tokenizer, stage, examples, seed=0, mixed_precision=True)
    dtypes = {name: parameter.dtype for name, parameter in model.named_parameters()}
    assert {name for name, dtype in dtypes.items() if dtype == torch.float32} == {
        f"model.layers.{layer}.mlp.{module}.weight" for layer in (0, 1) for module in ("up_proj", "down_proj")
    }
    assert report.losses[-1][1] < report.losses[0][1]


def test_progress_reaches_the_last_step_and_an_interrupt_passes_through(model_of: ModelOf, examples: list[Example]) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    stage = Stage("stage", ("x",), FeedForward(1), max_steps=3, batch_size=8, max_length=250)
    seen: list[StageProgress] = []
    run_stage(model, tokenizer, stage, examples, seed=0, progress=seen.append)
    assert [(state.stage, state.step, state.total_steps) for state in seen] == [("stage", step, 3) for step in (1, 2, 3)]
    assert all(state.tokens_per_second > 0 for state in seen)

    def interrupt(state: StageProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(model, tokenizer, stage, examples, seed=0, progress=interrupt)


def test_a_loss_that_is_no_number_ends_the_training(model_of: ModelOf, examples: list[Example]) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    stage = Stage("stage", ("x",), AllParameters(), max_steps=30, batch_size=8, learning_rate=1e20, max_length=250)
    with pytest.raises(UserError, match="diverged; lower learning_rate"):
        run_stage(model, tokenizer, stage, examples, seed=0)


def test_every_epoch_sees_every_row_once_and_only_steps_are_sorted_by_length() -> None:
    lengths = [(index * 37) % 101 for index in range(103)]
    order = StepOrder(lengths, 16, 1, rows=4, tokens=0)
    first, second = ([row for step in range(7) for row in order.rows(epoch * 7 + step)] for epoch in (0, 1))
    assert order.steps_an_epoch == 7
    assert sorted(first) == sorted(second) == list(range(103))
    assert first != second
    assert first == [row for step in range(7) for row in StepOrder(lengths, 16, 1, rows=4, tokens=0).rows(step)]
    assert first != [row for step in range(7) for row in StepOrder(lengths, 16, 2, rows=4, tokens=0).rows(step)]
    assert len(order.rows(6)) == 7
    for step in range(7):
        sorted_lengths = [lengths[row] for row in order.rows(step)]
        assert sorted_lengths == sorted(sorted_lengths, reverse=True)
    means = [sum(lengths[row] for row in order.rows(step)) for step in range(6)]
    assert means != sorted(means)
    assert means != sorted(means, reverse=True)


@pytest.mark.parametrize(("rows", "tokens"), [(4, 0), (None, 50)])
def test_processes_share_a_step_and_make_equally_many_passes(rows: int | None, tokens: int) -> None:
    order = StepOrder(list(range(1, 23)), 22, 0, rows=rows, tokens=tokens)
    alone = order.micro_batches(0)
    assert len(alone) == 6
    assert [row for passes in alone for row in passes] == order.rows(0)
    shared = [order.micro_batches(0, world=4, rank=rank) for rank in range(4)]
    assert {len(passes) for passes in shared} == {2}
    assert sorted(row for passes in shared for rows in passes for row in rows) == list(range(22))


def test_a_step_is_cut_into_parts_of_equal_tokens() -> None:
    lengths = [(index * 37) % 101 + 20 for index in range(64)]
    order = StepOrder(lengths, 64, 0, rows=None, tokens=1000)
    parts = [sum(lengths[row] for row in rows) for rows in order.micro_batches(0)]
    assert len(parts) == -(-sum(lengths) // 1000)
    assert max(parts) - min(parts) < 2 * max(lengths)


def test_a_step_smaller_than_the_processes_leaves_some_without_rows() -> None:
    order = StepOrder([5, 6, 7], 2, 0, rows=None, tokens=100)
    assert [order.micro_batches(1, world=2, rank=rank) for rank in range(2)].count([[]]) == 1


def test_steps_are_counted_as_run(model_of: ModelOf, examples: list[Example]) -> None:
    for settings, steps in (({"epochs": 3, "batch_size": 16}, 6), ({"batch_size": 7, "max_steps": 2}, 2)):
        model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
        stage = Stage("stage", ("x",), FeedForward(1), max_length=250, **settings)  # type: ignore[arg-type]
        report = run_stage(model, tokenizer, stage, examples[:17], seed=0)
        assert (report.steps, report.losses[-1][0]) == (steps, steps)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    yield


@pytest.mark.usefixtures("offline")
def test_models_that_do_not_do_are_refused(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    import shutil

    from transformers import BertConfig, BertForMaskedLM

    def refused(base: str | Path, message: str) -> None:
        with pytest.raises(UserError, match=message):
            trained("slam", Path(base) if isinstance(base, Path) else base, data, tmp_path / "out")  # type: ignore[arg-type]

    refused(tmp_path / "nowhere", "no model folder")
    refused("somebody/some-model", r"hf download somebody/some-model")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(empty, "no config.json")
    small = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=9)
    BertForMaskedLM(small).save_pretrained(tmp_path / "bert")
    refused(tmp_path / "bert", "BertForMaskedLM, not a causal language model")
    bare = tmp_path / "bare"
    shutil.copytree(model_of("llama"), bare, ignore=lambda _, names: [name for name in names if "token" in name])
    refused(bare, "no tokenizer")
    pickled = tmp_path / "pickled"
    shutil.copytree(model_of("llama"), pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    refused(pickled, "without running code")


def test_layers_that_the_model_lacks_are_refused_before_any_training(model_of: ModelOf, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no layers 4-5: it has layers 0-3"):
        trained("slam", model_of("llama"), data, tmp_path / "out", layers=6)
    assert not (tmp_path / "out").exists()
