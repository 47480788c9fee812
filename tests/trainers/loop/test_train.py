"""Training for real, on tiny models: which tensors move, what the loss sees, and what a run reports."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
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
from xreason.trainers.loop.reports import StageReport
from xreason.trainers.methods import load_method
from xreason.trainers.stages import AllParameters, FeedForward, LowRank, Stage, Tune
from xreason.trainers.train import TrainingReport, train
from xreason.trainers.tuning.fitting import Choice
from xreason.trainers.tuning.memory import needed

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
    assert rows[-1].ids.tolist() == whole.ids[:250].tolist()
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
    assert row.ids.tolist() == [*source[: 40 - max_target], *target[:max_target]]
    assert (len(row.ids), row.prompt_length) == (40, 40 - max_target)
    assert (cut.truncated, cut.left_out) == ({"bn": 1}, 0)


def test_loss_on_all_is_loss_on_every_token_but_the_first(model_of: ModelOf, examples: list[Example]) -> None:
    import torch

    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    rows, _ = tokenize(examples[:4], tokenizer, 250, "right", "all")
    assert all(row.labels.tolist() == [IGNORED, *row.ids[1:]] for row in rows)
    with torch.no_grad():
        total = sum(
            model(input_ids=(ids := torch.from_numpy(row.ids).long()[None]), labels=ids).loss * (len(row.ids) - 1) for row in rows
        )
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


@pytest.mark.parametrize(("spare", "recomputed"), [(0, []), (-1, [0, 2])])
def test_activations_that_fit_are_kept_and_others_are_computed_again(
    spare: int, recomputed: list[int], model_of: ModelOf, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    stage = Stage("stage", ("x",), AllParameters(), max_steps=1, batch_size=4, micro_batch_size=4, max_length=250)
    rows = tokenize(examples, tokenizer, 250)[0]
    tokens = 4 * max(len(row.ids) for row in rows)
    share = sum(len(row.ids) - row.start for row in rows) / sum(len(row.ids) for row in rows)
    need = needed(model, stage, device="cpu", recompute=0, tokens=tokens, labels=math.ceil(share * tokens))
    # what the model holds is not free, and it has it
    free = need.total - need.weights + spare
    monkeypatch.setattr("xreason.trainers.tuning.memory.free_memory", lambda device: free)
    seen: list[list[int]] = []
    layers = list(model.model.layers)
    model.register_forward_pre_hook(
        lambda *_: seen.append([number for number, layer in enumerate(layers) if layer.gradient_checkpointing])
    )
    report = run_stage(model, tokenizer, stage, examples, seed=0)
    assert seen == [recomputed]
    assert report.layout == f"4 rows a forward pass, {'every second layer' if recomputed else 'nothing'} recomputed"


def test_what_cannot_fit_is_said_before_the_first_step_with_what_would(
    model_of: ModelOf, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    stage = Stage("stage", ("x",), AllParameters(), max_steps=1, batch_size=4, micro_batch_size=4, max_length=80)
    fits = needed(model, replace(stage, micro_batch_size=2), device="cpu")
    monkeypatch.setattr("xreason.trainers.tuning.memory.free_memory", lambda device: fits.total - fits.weights)
    with pytest.raises(
        UserError, match=r"'stage' needs 0\.0 GiB at least on this machine .*; what would fit is micro_batch_size: 2"
    ):
        run_stage(model, tokenizer, stage, examples, seed=0)
    assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())


def test_a_step_that_runs_out_of_memory_is_done_again_with_less_and_ends_in_the_same_weights(
    model_of: ModelOf, examples: list[Example]
) -> None:
    import torch

    # with dropout: what the step drew before it failed is drawn again
    stage = Stage("stage", ("x",), LowRank(rank=4), max_steps=3, batch_size=16, learning_rate=0.01, max_length=250)
    ended = []
    for fails in (False, True):
        model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
        passes: list[int] = []

        def full(_: Any, __: Any, passes: list[int] = passes, fails: bool = fails) -> None:
            passes.append(1)
            if fails and len(passes) == 6:
                raise torch.OutOfMemoryError("no room for the third layer")

        model.model.layers[2].register_forward_pre_hook(full)
        report = run_stage(model, tokenizer, stage, examples, seed=0)
        ended.append((model.state_dict(), report))
    (plain, whole), (again, retried) = ended
    assert whole.layout == "512 tokens a forward pass, nothing recomputed"
    assert retried.layout == "512 tokens a forward pass, every second layer recomputed"
    assert retried.losses == whole.losses
    assert all(torch.equal(tensor, again[name]) for name, tensor in plain.items())


def test_a_step_that_runs_out_of_memory_twice_is_said_in_a_sentence(model_of: ModelOf, examples: list[Example]) -> None:
    import torch

    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("no room at all")

    model.model.layers[2].register_forward_pre_hook(full)
    stage = Stage("stage", ("x",), AllParameters(), max_steps=3, batch_size=16, max_length=250)
    with pytest.raises(UserError, match=r"Step 1 of stage 'stage' ran out of memory with 512 tokens a forward pass, every second"):
        run_stage(model, tokenizer, stage, examples, seed=0)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_fastest_of_several_layouts_is_measured_and_measuring_changes_no_weight(
    model_of: ModelOf, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from xreason.trainers.tuning import fitting

    stage = Stage("stage", ("x",), LowRank(rank=4), max_steps=20, batch_size=4, learning_rate=0.01, max_length=250)
    ended, tried = [], set()
    chosen = fitting.fastest

    def watched(candidates: Any, attempt: Any) -> Any:
        tried.update(candidates)
        return chosen(candidates, attempt)

    monkeypatch.setattr("xreason.trainers.loop.loop.fastest", watched)
    for number in (1, 3):
        monkeypatch.setitem(fitting._CANDIDATES, "cpu", number)
        model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
        run_stage(model, tokenizer, stage, examples, seed=0)
        ended.append(model.state_dict())
    assert [(each.tokens, each.recompute) for each in sorted(tried, key=lambda each: each.cost)] == [(512, 0), (512, 4), (512, 2)]
    assert all(torch.equal(tensor, ended[1][name]) for name, tensor in ended[0].items())


def test_a_loss_that_is_no_number_ends_the_training(model_of: ModelOf, examples: list[Example]) -> None:
    model, tokenizer = load_base(model_of("llama"), device="cpu", mixed_precision=False)
    stage = Stage("stage", ("x",), AllParameters(), max_steps=30, batch_size=8, learning_rate=1e20, max_length=250)
    with pytest.raises(UserError, match="diverged; lower learning_rate"):
        run_stage(model, tokenizer, stage, examples, seed=0)


def test_every_epoch_sees_every_row_once_and_only_steps_are_sorted_by_length() -> None:
    lengths = [(index * 37) % 101 for index in range(103)]
    order = StepOrder(lengths, 16, 1)
    first, second = ([row for step in range(7) for row in order.rows(epoch * 7 + step)] for epoch in (0, 1))
    assert order.steps_an_epoch == 7
    assert sorted(first) == sorted(second) == list(range(103))
    assert first != second
    assert first == [row for step in range(7) for row in StepOrder(lengths, 16, 1).rows(step)]
    assert first != [row for step in range(7) for row in StepOrder(lengths, 16, 2).rows(step)]
    assert len(order.rows(6)) == 7
    for step in range(7):
        sorted_lengths = [lengths[row] for row in order.rows(step)]
        assert sorted_lengths == sorted(sorted_lengths, reverse=True)
    means = [sum(lengths[row] for row in order.rows(step)) for step in range(6)]
    assert means != sorted(means)
    assert means != sorted(means, reverse=True)


@pytest.mark.parametrize(("rows", "tokens"), [(4, 0), (None, 50)])
def test_processes_share_a_step_and_make_equally_many_passes(rows: int | None, tokens: int) -> None:
    order, choice = StepOrder(list(range(1, 23)), 22, 0), Choice(rows, tokens, 0)
    alone = order.micro_batches(0, choice)
    assert len(alone) == 6
    assert [row for passes in alone for row in passes] == order.rows(0)
    shared = [order.micro_batches(0, choice, world=4, rank=rank) for rank in range(4)]
    assert {len(passes) for passes in shared} == {2}
    assert sorted(row for passes in shared for rows in passes for row in rows) == list(range(22))


def test_a_step_is_cut_into_parts_of_equal_tokens() -> None:
    lengths = [(index * 37) % 101 + 20 for index in range(64)]
    order = StepOrder(lengths, 64, 0)
    parts = [sum(lengths[row] for row in rows) for rows in order.micro_batches(0, Choice(None, 1000, 0))]
    assert len(parts) == -(-sum(lengths) // 1000)
    assert max(parts) - min(parts) < 2 * max(lengths)


def test_a_step_smaller_than_the_processes_leaves_some_without_rows() -> None:
    order = StepOrder([5, 6, 7], 2, 0)
    assert [order.micro_batches(1, Choice(None, 100, 0), world=2, rank=rank) for rank in range(2)].count([[]]) == 1


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
