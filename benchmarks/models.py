"""Random models of a chosen size, with the pocket model's tokenizer: what is measured of them does not ask what they say."""

import shutil
from pathlib import Path

from xreason.trainers.pocket import MODEL

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "generation_config.json")


def random_llama(
    folder: Path, *, seed: int, hidden: int = 2048, layers: int = 8, words: int = 32000, dtype: str = "bfloat16"
) -> Path:
    """Writes a Llama with heads of 128 and returns its folder; by default one of 1 GB."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=hidden * 11 // 4,
        num_attention_heads=hidden // 128,
        num_key_value_heads=hidden // 128,
        num_hidden_layers=layers,
        vocab_size=words,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
    )
    torch.set_default_dtype(getattr(torch, dtype))
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="100GB")
    torch.set_default_dtype(torch.float32)
    for name in _TOKENIZER:
        if (MODEL / name).exists():
            shutil.copyfile(MODEL / name, folder / name)
    return folder
