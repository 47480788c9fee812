"""What is read off a config without PyTorch is what Transformers' own skeleton of it says."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.places import CONFIGS
from tests.trainers.families import FAMILIES, tiny_config
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.outline import Outline, outline_of
from xreason.trainers.pocket import MODEL
from xreason.trainers.stages import AllParameters, FeedForward, LowRank, Named, Tune
from xreason.trainers.tuning.counting import count_of, estimate_flops, skeleton, skeleton_of, sketch
from xreason.trainers.tuning.freezing import changed_weights, tuned_in_all
from xreason.trainers.tuning.structure import feed_forward_blocks, layers_path

KNOWN = ("llama", "mistral", "qwen2", "qwen3")
TUNES: list[Tune] = [
    AllParameters(),
    FeedForward(2),
    FeedForward((1, 3)),
    LowRank(rank=4),
    LowRank(rank=2, targets=("q_proj", "down_proj")),
    Named(r".*norm.*|lm_head\.weight"),
]
SETTINGS: list[dict[str, Any]] = [{}, {"tie_word_embeddings": True}, {"num_key_value_heads": 4, "attention_bias": True}]


def assert_alike(outline: Any, model: Any, tunes: list[Tune] = TUNES) -> None:
    for duplicates in (True, False):
        named = dict(model.named_parameters(remove_duplicate=duplicates))
        assert {name: each.shape for name, each in outline.named_parameters(remove_duplicate=duplicates)} == {
            name: tuple(each.shape) for name, each in named.items()
        }
    assert layers_path(outline) == layers_path(model)
    assert feed_forward_blocks(outline) == feed_forward_blocks(model)
    for tune in tunes:
        assert count_of(outline, tune) == count_of(model, tune)
        assert estimate_flops(outline, tune) == estimate_flops(model, tune)
        assert estimate_flops(outline, tune, checkpointing=False) == estimate_flops(model, tune, checkpointing=False)
        assert set(changed_weights(outline, tune)) == set(changed_weights(model, tune))
    assert tuned_in_all(outline, tunes) == tuned_in_all(model, tunes)


@pytest.mark.parametrize("settings", SETTINGS, ids=["as it is", "tied", "all heads, biased"])
@pytest.mark.parametrize("family", KNOWN)
def test_an_outline_has_the_names_shapes_and_counts_of_the_skeleton(family: str, settings: dict[str, Any]) -> None:
    config = tiny_config(family, **settings)
    outline = outline_of(json.loads(config.to_json_string(use_diff=False)))
    assert isinstance(outline, Outline)
    assert_alike(outline, skeleton_of(config))


def test_published_shapes_and_the_pocket_model_are_counted_to_the_parameter() -> None:
    for folder in (CONFIGS / "llama-2-7b", CONFIGS / "llama-2-13b", MODEL):
        outline = sketch(folder)
        assert isinstance(outline, Outline)
        assert_alike(outline, skeleton(folder), [AllParameters(), FeedForward(1), LowRank()])
    counts = count_of(sketch(CONFIGS / "llama-2-7b"), FeedForward(6))
    assert (counts.tuned, counts.total) == (541_065_216, 6_738_415_616)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(KNOWN)))
def test_of_another_family_there_is_no_outline(family: str) -> None:
    assert outline_of(json.loads(tiny_config(family).to_json_string(use_diff=False))) is None


@pytest.mark.parametrize(
    "changed", [{"hidden_size": "x"}, {"vocab_size": 0}, {"num_key_value_heads": -1}, {"quantization_config": {}}]
)
def test_of_a_config_that_is_odd_there_is_no_outline(changed: dict[str, Any]) -> None:
    config = json.loads((CONFIGS / "llama-2-7b" / "config.json").read_text())
    assert outline_of(config) is not None
    assert outline_of({**config, **changed}) is None


def test_what_a_model_lacks_is_refused_in_the_same_words() -> None:
    outline, model = sketch(MODEL), skeleton(MODEL)
    for tune in (FeedForward(99), LowRank(targets=("wrong",)), Named("nothing")):
        said = []
        for each in (outline, model):
            with pytest.raises(UserError) as error:
                count_of(each, tune)
            said.append(str(error.value))
        assert said[0] == said[1]


def test_to_count_a_known_family_needs_neither_pytorch_nor_transformers() -> None:
    program = f"""
import sys
from pathlib import Path
from xreason.trainers.stages import FeedForward
from xreason.trainers.tuning.counting import count_of, estimate_flops, sketch
model = sketch(Path({str(CONFIGS / "llama-2-7b")!r}))
print(count_of(model, FeedForward(6)).tuned, estimate_flops(model, FeedForward(6)))
assert not {{"torch", "transformers"}} & set(sys.modules), "imported"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("541065216 ")
