"""Tiny random models of every family that stages must handle, built from their config classes."""

from pathlib import Path
from typing import Any

from xreason.trainers.tuning.structure import Slices

#: What a tiny model of a family needs beside the common sizes; the key is the family's model type.
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {},
    "qwen2": {},
    "qwen3": {"head_dim": 16},
    "gemma2": {"head_dim": 16, "sliding_window": 64},
    "gemma3_text": {"head_dim": 16, "sliding_window": 64},
    "phi3": {"pad_token_id": 0},
    "olmo2": {},
    "gpt_neox": {},
    "opt": {"ffn_dim": 128, "word_embed_proj_dim": 64, "dropout": 0.0},
    "mixtral": {"num_local_experts": 4},
    "qwen3_moe": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "head_dim": 16},
    "gpt_oss": {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 16, "sliding_window": 64},
    "gpt2": {"n_inner": 128},
}

_ALL = slice(None)
#: (up, its slices, down, gate), relative to a layer; the layers' list is `model.layers` unless LAYERS says otherwise.
FEED_FORWARD: dict[str, tuple[str, Slices | None, str, str | None]] = {
    "phi3": ("mlp.gate_up_proj.weight", (slice(128, 256),), "mlp.down_proj.weight", "mlp.gate_up_proj.weight"),
    "gpt_neox": ("mlp.dense_h_to_4h.weight", None, "mlp.dense_4h_to_h.weight", None),
    "opt": ("fc1.weight", None, "fc2.weight", None),
    "mixtral": ("mlp.experts.gate_up_proj", (_ALL, slice(128, 256)), "mlp.experts.down_proj", "mlp.experts.gate_up_proj"),
    "qwen3_moe": ("mlp.experts.gate_up_proj", (_ALL, slice(32, 64)), "mlp.experts.down_proj", "mlp.experts.gate_up_proj"),
    "gpt_oss": (
        "mlp.experts.gate_up_proj",
        (_ALL, _ALL, slice(1, None, 2)),
        "mlp.experts.down_proj",
        "mlp.experts.gate_up_proj",
    ),
    "gpt2": ("mlp.c_fc.weight", None, "mlp.c_proj.weight", None),
}
_USUAL = ("mlp.up_proj.weight", None, "mlp.down_proj.weight", "mlp.gate_proj.weight")
LAYERS = {"gpt_neox": "gpt_neox.layers", "opt": "model.decoder.layers", "gpt2": "transformer.h"}


def feed_forward(family: str) -> tuple[str, Slices | None, str, str | None]:
    """Returns (up, its slices, down, gate) of a family, relative to a layer."""
    return FEED_FORWARD.get(family, _USUAL)


def layers(family: str) -> str:
    """Returns the name of a family's list of layers."""
    return LAYERS.get(family, "model.layers")


def tiny_config(family: str, **settings: Any) -> Any:
    """Returns the config of a tiny model: width 64, 128 neurons, 4 layers."""
    from transformers import AutoConfig

    common: dict[str, Any] = {
        "vocab_size": 400,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    return AutoConfig.for_model(family, **{**common, **FAMILIES[family], **settings})


def tiny_model(family: str, **settings: Any) -> Any:
    """Returns a tiny random model, the same at every call."""
    from transformers import AutoModelForCausalLM, set_seed

    set_seed(0)
    return AutoModelForCausalLM.from_config(tiny_config(family, **settings))


def save_tiny_model(folder: Path, tokenizer_folder: Path, family: str, **settings: Any) -> Path:
    """Writes a tiny random model with a tokenizer into `folder`, as Transformers does, and returns it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    tiny_model(family, vocab_size=len(tokenizer), **settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
