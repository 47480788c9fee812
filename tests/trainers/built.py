"""A model built so that its languages differ in known layers and in no other."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "de", "sw")
WORDS = 64
LAYERS = 8
_CONTENT, _WIDTH = 40, 48
_FIRST_WORD = 4


def word(language: str, index: int) -> str:
    """Returns a word of a language; the words of one index mean the same in all."""
    return f"{language}{index}"


def questions(language: str, count: int, longest: int = 12) -> Iterator[str]:
    """Yields the same questions in every language, word by word, of 3 words to `longest`."""
    import random

    chance = random.Random(0)
    for _ in range(count):
        yield " ".join(word(language, chance.randrange(WORDS)) for _ in range(chance.randint(3, longest)))


def built_tokenizer() -> Any:
    """Returns a tokenizer of one token a word, which puts <s> before every text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["<s>", "</s>", "<pad>", "<unk>", *(word(code, index) for code in LANGUAGES for index in range(WORDS))]
    tokenizer = Tokenizer(models.WordLevel({name: index for index, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def built_model(language_layers: Sequence[int], *, spills: bool = False) -> Any:
    """Returns a random Llama of 8 layers, float64, whose languages differ only in `language_layers`.

    A word's embedding is its meaning, the same numbers in every language, in the first 40 dimensions, and its language in the
    last 8: one of them is 3, the others 0, so that no norm tells languages apart. No attention and no feed-forward sub-layer
    reads or writes these 8, but that the gates of the language layers read them. What these layers write is set to 0, so that
    nothing of the language gets into the meaning: in all other layers the languages are alike to the last neuron. With `spills`
    it is not, so that the layers above the language layers differ too, but less.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    set_seed(0)
    config = LlamaConfig(
        vocab_size=_FIRST_WORD + len(LANGUAGES) * WORDS,
        hidden_size=_WIDTH,
        intermediate_size=96,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        initializer_range=0.1,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    model = LlamaForCausalLM(config).double()
    with torch.no_grad():
        table = model.model.embed_tokens.weight
        table[:, :] = 0
        table[:_FIRST_WORD, :_CONTENT] = torch.randn(_FIRST_WORD, _CONTENT, dtype=torch.float64)
        meanings = torch.randn(WORDS, _CONTENT, dtype=torch.float64)
        for place in range(len(LANGUAGES)):
            first = _FIRST_WORD + place * WORDS
            table[first : first + WORDS, :_CONTENT] = meanings
            table[first : first + WORDS, _CONTENT + place] = 3
        for index, layer in enumerate(model.model.layers):
            attention, ffn = layer.self_attn, layer.mlp
            for reader in (attention.q_proj, attention.k_proj, attention.v_proj, ffn.gate_proj, ffn.up_proj):
                reader.weight[:, _CONTENT:] = 0
            for writer in (attention.o_proj, ffn.down_proj):
                writer.weight[_CONTENT:] = 0
            if index in language_layers:
                ffn.gate_proj.weight[:, _CONTENT:] = 0.3 * torch.randn(96, _WIDTH - _CONTENT, dtype=torch.float64)
                if not spills:
                    ffn.down_proj.weight[:] = 0
    return model


def save_built_model(folder: Path, language_layers: Sequence[int]) -> Path:
    """Writes a built model, in float32, with its tokenizer."""
    built_model(language_layers).float().save_pretrained(folder)
    built_tokenizer().save_pretrained(folder)
    return folder


def save_questions(data: Path, count: int) -> Path:
    """Writes the questions of all languages as QAlign lays its pairs out, into a data folder."""
    for code in LANGUAGES[1:]:
        folder = data / "question_translation" / f"{code}-en"
        folder.mkdir(parents=True)
        for each in (code, "en"):
            (folder / f"train.{each}").write_text("".join(f"{question}\n" for question in questions(each, count)))
    return data
