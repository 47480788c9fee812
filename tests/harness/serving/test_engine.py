"""Weights swapped in answer, token for token, as a fresh engine does, and prove that they are what the files hold."""

import ctypes
import json
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainers.families import feed_forward, layers, save_tiny_model
from xreason.harness.serving.models import Model, checkpoint_model, plain_model
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.delta import materialise, read_checkpoint, save_checkpoint

#: All that README names, by the model type of Transformers; vLLM's build for CPUs serves each.
IN_README = (
    *("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text"),
    *("phi3", "olmo2", "gpt_neox", "opt", "mixtral", "qwen3_moe"),
)
#: Experts; parameters that files have fused. GPT-NeoX is unlike too, but vLLM serves it by Transformers' class, and changes that
#: for all tests that come after in this process.
UNLIKE_THE_OTHERS = {"mixtral", "qwen3_moe", "phi3"}
SIZE: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 2, "initializer_range": 0.2}
#: vLLM's attention on CPUs has no heads of 16.
HEADS_OF_32 = {"qwen3", "gemma2", "gemma3_text", "qwen3_moe"}


def save_base(folder: Path, family: str, **settings: Any) -> Path:
    own = {"head_dim": 32} if family in HEADS_OF_32 else {}
    save_tiny_model(folder, plain_model("pocket").folder, family, max_position_embeddings=1024, **{**SIZE, **own, **settings})
    if family.startswith("gemma"):
        # it scales its embeddings up, and its head is tied to them: a tiny one would say its last token for ever
        scale(folder, "model.embed_tokens.weight", 0.01)
    return folder


def scale(folder: Path, name: str, by: float) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, name: tensors[name] * by}, folder / "model.safetensors", metadata={"format": "pt"})


def in_bfloat16(folder: Path) -> Path:
    import torch
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(folder).to(torch.bfloat16).save_pretrained(folder)
    return folder


def changed(base: Path, folder: Path, family: str, tuned: str) -> Model:
    """Returns a checkpoint in which every weight is other ("full"), or up and down of layer 1 ("slam"), as trainings write them."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    up, slices, down, _ = feed_forward(family)
    chance = torch.Generator().manual_seed(len(tuned))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            part = parameter
            if tuned == "slam":
                if name not in (f"{layers(family)}.1.{up}", f"{layers(family)}.1.{down}"):
                    continue
                part = parameter[slices] if slices and name.endswith(up) else parameter
            part += torch.randn(part.shape, generator=chance).to(part.dtype) * (0.5 if tuned == "slam" else 0.1)
    save_checkpoint(model, base, folder, method=tuned, seed=0)
    return checkpoint_model(folder, tuned)[0]


def answers(engine: Any) -> list[tuple[int, ...]]:
    from vllm import SamplingParams

    # a prefix of several KV blocks that all prompts share: what a prefix cache not dropped would answer from
    shared = "Clara has 8 books and Tom has 3 books. " * 28
    prompts = [shared + end for end in ("How many books?", "Who has books?", "8 + 3 =", "Tom", "Clara")]
    outputs = engine.model.generate(prompts, SamplingParams(temperature=0, max_tokens=16), use_tqdm=False)
    block = engine.model.llm_engine.vllm_config.cache_config.block_size
    assert min(len(output.prompt_token_ids) for output in outputs) > 2 * block
    return [tuple(output.outputs[0].token_ids) for output in outputs]


def started(model: Model, **arguments: Any) -> Any:
    from vllm import ModelRegistry

    from xreason.harness.serving import engine

    # as vLLM does before it looks at a model that it does not know: in this process, in place of one that imports all anew
    for name in json.loads((model.folder / "config.json").read_text())["architectures"]:
        if hasattr(ModelRegistry.models[name], "load_model_cls"):
            ModelRegistry.register_model(name, ModelRegistry.models[name].load_model_cls())
    # a start reads as many tokens as it may ever have to at once
    return engine.start(model, max_length=1024, max_num_batched_tokens=1024, **arguments)


def fresh_answers(folder: Path) -> list[tuple[int, ...]]:
    running = started(plain_model(str(folder)))
    try:
        return answers(running)
    finally:
        running.stop()


# three starts of vLLM a family: nothing less shows that a swap ends where a start does
@pytest.mark.parametrize("family", IN_README)
def test_swapped_in_weights_answer_as_a_fresh_engine_does(family: str, tmp_path: Path) -> None:
    if family not in UNLIKE_THE_OTHERS and not os.environ.get("XREASON_ALL_FAMILIES"):
        pytest.skip("half a minute a family: XREASON_ALL_FAMILIES=1 runs those that vLLM loads as it loads others here")
    folder = save_base(tmp_path / "base", family)
    if family == "mistral":
        in_bfloat16(folder)
    base = plain_model(str(folder))
    slam, full = (changed(folder, tmp_path / tuned, family, tuned) for tuned in ("slam", "full"))
    assert (slam.delta is None, full.delta is None) == (False, True)
    expected = {
        "slam": fresh_answers(materialise(read_checkpoint(tmp_path / "slam"), tmp_path / "whole")),
        "full": fresh_answers(tmp_path / "full"),
    }
    running = started(base)
    try:
        expected[base.name] = answers(running)
        assert len({str(answer) for answer in expected.values()}) == 3
        for model in (slam, full, base, slam, base):
            running.serve(model)
            assert answers(running) == expected[model.name], model.name
    finally:
        running.stop()


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Model, Model]:
    place = tmp_path_factory.mktemp("three")
    folder = save_base(place / "base", "qwen2", tie_word_embeddings=True)
    return (
        plain_model(str(folder)),
        changed(folder, place / "slam", "qwen2", "slam"),
        changed(folder, place / "full", "qwen2", "full"),
    )


# the tests that start engines of their own stand before those that share one: vLLM has one in a process
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library than glibc")
def test_memory_that_one_layer_freed_serves_the_next_one_and_the_next_swap() -> None:
    import torch

    from xreason.harness.serving.worker import _freed_memory_kept

    def cleared() -> list[int]:
        """Returns how many pages the system cleared for 64 MiB, several times after each other."""
        pages = []
        for _ in range(8):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            torch.empty(16 << 20).fill_(1)
            pages.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
        return pages

    with _freed_memory_kept():
        # what else is allocated meanwhile may stand in the way once
        assert min(cleared()) < 100
    with _freed_memory_kept():
        assert cleared()[0] < 1000


def test_fresh_engines_start_for_every_model_and_swap_nothing(three: tuple[Model, Model, Model]) -> None:
    from xreason.harness.serving.engines import Engines

    base, slam, _ = three
    said: list[str] = []
    with Engines(longest=1024, say=said.append) as engines:
        engines.engine_for(base)
        swapped = answers(engines.engine_for(slam))
    with Engines(longest=1024, fresh=True, say=said.append) as engines:
        assert answers(engines.engine_for(slam)) == swapped
        assert answers(engines.engine_for(base)) != swapped
    assert [line.split()[1] for line in said] == ["starting", "serving", slam.name, *["starting", "serving"] * 2]


@pytest.fixture(scope="module")
def running(three: tuple[Model, Model, Model]) -> Iterator[Any]:
    engine = started(three[0])
    yield engine
    engine.stop()


def loaded_model(running: Any) -> Any:
    return running.model.llm_engine.model_executor.driver_worker.worker.model_runner.get_model()


def damage(running: Any, what: str) -> None:
    """Alters what is resident, as a reload would that goes wrong."""
    import torch

    model = loaded_model(running)
    layer = model.model.layers[1]
    with torch.inference_mode():
        if what == "a norm":
            layer.input_layernorm.weight[3] += 0.5
        elif what == "a packed matrix":
            packed = layer.mlp.down_proj.cpu_linear
            layer.mlp.down_proj.cpu_linear = lambda x, weight, bias: packed(x * 1.001, weight, bias)
        elif what == "the packed copy for the output":
            packed = model.lm_head.cpu_linear
            model.lm_head.cpu_linear = lambda x, weight, bias: packed(x, weight, bias).roll(1, -1)
        else:
            rotary = layer.self_attn.rotary_emb
            rotary.cos_sin_cache.mul_(0.5)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("a norm", "model.layers.1.input_layernorm.weight"),
        ("a packed matrix", "model.layers.1.mlp.down_proj.weight"),
        ("the packed copy for the output", "model.embed_tokens.weight"),
        ("what no file holds", "log-probabilities"),
    ],
)
def test_a_swap_that_went_wrong_is_an_error_that_names_tensor_and_model(
    what: str, said: str, running: Any, three: tuple[Model, Model, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, slam, full = three
    running.serve(base)
    swap = running.model.collective_rpc

    def wrongly(method: str, *arguments: Any, **named: Any) -> Any:
        result = swap(method, *arguments, **named)
        if method == "swap_weights":
            damage(running, what)
        return result

    monkeypatch.setattr(running.model, "collective_rpc", wrongly)
    with pytest.raises(UserError) as error:
        running.serve(full)
    assert said in str(error.value)
    assert "full" in str(error.value)
    monkeypatch.undo()
    if what == "what no file holds":
        loaded_model(running).model.layers[1].self_attn.rotary_emb.cos_sin_cache.mul_(2)
    # everything is moved again, for it is not known what is resident
    running.serve(slam)


def test_weights_that_were_served_before_are_held_against_that_time(running: Any, three: tuple[Model, Model, Model]) -> None:
    base, slam, _ = three
    for model in (slam, base, slam):
        running.serve(model)
    known = running._probes[slam.folder, slam.delta]
    running.serve(base)
    running._probes[slam.folder, slam.delta] = [each - 0.1 for each in known]
    with pytest.raises(UserError, match=r"slam: log-probabilities of a fixed prompt are off by 0\.1"):
        running.serve(slam)
    running._probes[slam.folder, slam.delta] = known
    running.serve(slam)


def copied(model: Model, folder: Path, dropped: tuple[str, ...] = (), **added: Any) -> Path:
    """Returns a copy of a model's folder that lacks tensors, or has some more."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model.folder, folder)
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.endswith(dropped or "-")}
    save_file(kept | added, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("dropped", ["layers.1.mlp.gate_proj.weight", "layers.0.self_attn.k_proj.bias", "model.norm.weight"])
def test_a_tensor_that_no_file_holds_is_an_error_before_serving(
    dropped: str, running: Any, three: tuple[Model, Model, Model], tmp_path: Path
) -> None:
    running.serve(three[0])
    lacking = plain_model(str(copied(three[2], tmp_path / "lacking", (dropped,))))
    with pytest.raises(UserError, match="lacks weights that its config asks for"):
        running.serve(lacking)
    # what was served goes on being served
    running.serve(three[1])


def test_folders_that_name_more_tensors_than_others_take_turns(
    running: Any, three: tuple[Model, Model, Model], tmp_path: Path
) -> None:
    import torch

    base, _, full = three
    old = copied(full, tmp_path / "old", **{"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(16)})
    running.serve(full)
    expected = answers(running)
    running.serve(base)
    running.serve(plain_model(str(old)))
    assert answers(running) == expected
    running.serve(base)
    assert answers(running) != expected
