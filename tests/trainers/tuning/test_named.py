"""Parameters chosen by their names, trained for real: which tensors move, and what is said where a pattern chooses nothing."""

from pathlib import Path

import pytest

from tests.trainers.families import save_tiny_model, tiny_model
from tests.trainers.tuning.test_families import copied, train_stage
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.delta import materialise, read_checkpoint
from xreason.trainers.stages import Method, Named, Stage
from xreason.trainers.train import train
from xreason.trainers.tuning.freezing import changed_weights, freeze_all_but
from xreason.trainers.tuning.structure import choose

ATTENTION = {f"self_attn.{name}_proj.weight" for name in "qkvo"}
LLAMA_LAYER = ATTENTION | {f"mlp.{name}_proj.weight" for name in ("gate", "up", "down")}
LLAMA_LAYER |= {"input_layernorm.weight", "post_attention_layernorm.weight"}

CHOICES = {
    r".*\.self_attn\..*": {f"model.layers.{layer}.{name}" for layer in range(4) for name in ATTENTION},
    r"model\.embed_tokens\..*|model\.layers\.(2|3)\..*": {"model.embed_tokens.weight"}
    | {f"model.layers.{layer}.{name}" for layer in (2, 3) for name in LLAMA_LAYER},
    "lm_head.weight": {"lm_head.weight"},
}


@pytest.mark.parametrize("pattern", CHOICES)
def test_what_the_pattern_names_moves_and_not_a_bit_more(pattern: str) -> None:
    model = tiny_model("llama")
    before = copied(model)
    losses = train_stage(model, Named(pattern))
    after = copied(model)
    assert losses[-1] < losses[0]
    assert {name for name in before if not before[name].equal(after[name])} == CHOICES[pattern]
    assert set(changed_weights(model, Named(pattern))) == CHOICES[pattern]
    assert freeze_all_but(model, Named(pattern)) == sum(before[name].numel() for name in CHOICES[pattern])


def test_a_method_that_tunes_attention_changes_attention_alone_in_its_checkpoint(tokenizer_folder: Path, tmp_path: Path) -> None:
    base = save_tiny_model(tmp_path / "base", tokenizer_folder, "llama")
    stage = Stage(
        "attention", ("question-translation",), Named(r".*\.self_attn\..*"), rows=8, epochs=1, max_length=250, batch_size=8
    )
    method = Method("attention", (stage,), "a test", "Tunes attention.").with_settings({"learning_rate": "1e-2"})
    report = train(method, base, tmp_path / "out", languages=["de"], source="pocket", device="cpu")
    checkpoint = read_checkpoint(tmp_path / "out")
    assert set(checkpoint.tensors) == CHOICES[r".*\.self_attn\..*"]
    assert report.stages[0].tuned == r"parameters named .*\.self_attn\..*"
    assert (materialise(checkpoint, tmp_path / "whole") / "config.json").is_file()


def test_a_shared_tensor_is_chosen_once_and_by_either_of_its_names() -> None:
    model = tiny_model("gemma3_text", tie_word_embeddings=True)
    patterns = (r"lm_head\.weight", r"model\.embed_tokens\.weight", r"lm_head.*|.*embed_tokens.*")
    assert [[each.name for each in choose(model, Named(pattern))] for pattern in patterns] == [["model.embed_tokens.weight"]] * 3
    before = copied(model)
    train_stage(model, Named(r"lm_head\.weight"))
    assert {name for name, parameter in model.named_parameters() if not before[name].equal(parameter)} == {
        "model.embed_tokens.weight"
    }
    assert model.lm_head.weight is model.model.embed_tokens.weight


@pytest.mark.parametrize("pattern", ["self_attn", r"model\.layers\.7\..*", "model.layers.0.self_attn.q_proj.weights"])
def test_a_pattern_that_matches_no_whole_name_is_refused_with_the_nearest(pattern: str) -> None:
    with pytest.raises(UserError, match=r"matches no whole name .* such as .*model\.layers\.\d") as refused:
        choose(tiny_model("llama"), Named(pattern))
    if "q_proj" in pattern:
        assert "such as model.layers.0.self_attn.q_proj.weight," in str(refused.value)
