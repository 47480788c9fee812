"""Weights swapped in answer, token for token, as a fresh engine does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xreason.harness.serving.models import Model, checkpoint_model, plain_model
from xreason.harness.training.train import plan_training, train
from xreason.trainers.methods import load_method

QUICK = {"max_steps": 8, "batch_size": 8, "rows": 40, "learning_rate": 2e-2}


@pytest.fixture(scope="session")
def untied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2 (biases, an output head of its own) with the pocket tokenizer, stored in bfloat16."""
    import torch
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM, set_seed

    tokenizer = AutoTokenizer.from_pretrained(plain_model("pocket").folder)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        initializer_range=0.2,
    )
    set_seed(0)
    folder = tmp_path_factory.mktemp("untied")
    Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def trained(base: Model, method: str, folder: Path) -> Model:
    layers = {"layers": [1]} if method == "slam" else {}
    settings = {**QUICK, **layers}
    task = plan_training(method, 0, folder, load_method(method, settings), base, ("en", "sw"), source="pocket", data=None)
    train(task)
    return checkpoint_model(task.folder, method)[0]


def answers(engine: Any) -> list[tuple[int, ...]]:
    from vllm import SamplingParams

    # a prefix of several KV blocks that all prompts share: what a prefix cache not dropped would answer from
    shared = "Clara has 8 books and Tom has 3 books. " * 12
    prompts = [shared + end for end in ("How many books?", "Who has books?", "8 + 3 =", "Tom", "Clara")]
    outputs = engine.model.generate(prompts, SamplingParams(temperature=0, max_tokens=24), use_tqdm=False)
    assert min(len(output.prompt_token_ids) for output in outputs) > 4 * 16
    return [tuple(output.outputs[0].token_ids) for output in outputs]


@pytest.mark.parametrize("which", ["pocket", "untied"])
def test_swapped_in_weights_answer_as_a_fresh_engine_does(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    from xreason.harness.serving import engine

    base = plain_model("pocket" if which == "pocket" else str(request.getfixturevalue("untied")))
    models = [base, trained(base, "slam", tmp_path / "slam"), trained(base, "full", tmp_path / "full")]
    assert [model.delta is not None for model in models] == [False, True, False]

    def fresh(model: Model) -> list[tuple[int, ...]]:
        running = engine.start(model, max_length=1024)
        try:
            return answers(running)
        finally:
            running.stop()

    expected = {model.name: fresh(model) for model in models}
    assert len({str(answer) for answer in expected.values()}) == 3
    running = engine.start(base, max_length=1024)
    try:
        # every change there and back, delta to delta's base and across
        for index in (1, 0, 2, 0, 1, 2, 1, 0, 2, 2):
            running.serve(models[index])
            assert answers(running) == expected[models[index].name], models[index].name
    finally:
        running.stop()


def test_another_tokenizer_needs_another_engine(untied: Path, make_other: Callable[[Path], Path]) -> None:
    other = plain_model(str(make_other(untied)))
    assert plain_model(str(untied)).signature() != other.signature()


@pytest.fixture
def make_other(tmp_path: Path) -> Callable[[Path], Path]:
    import shutil

    def copy(folder: Path) -> Path:
        shutil.copytree(folder, tmp_path / "other")
        path = tmp_path / "other" / "tokenizer.json"
        path.write_text(path.read_text().replace('"add_prefix_space": false', '"add_prefix_space": true', 1))
        return tmp_path / "other"

    return copy
