"""Tiny real models, made on the spot: Llama, Qwen2 and Mistral of 4 layers, with a byte-level tokenizer trained here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from xreason.tasks.prompts import alpaca
from xreason.trainers.corpora.examples import Example

EXAMPLES = [
    Example(alpaca(f"Was ist {first} plus {second}?"), f"{first} + {second} = {first + second}. The answer is {first + second}.")
    for first in range(8)
    for second in range(8)
]


@pytest.fixture
def examples() -> list[Example]:
    return EXAMPLES


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=400, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([example.prompt + example.response for example in EXAMPLES], trainer)
    # as Llama: the beginning-of-text token is added to every prompt
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    folder = tmp_path_factory.mktemp("tokenizer")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    return folder


def make_model(
    folder: Path, tokenizer_folder: Path, kind: str, tied: bool = False, dtype: str = "float32", shard: str = "5GB"
) -> Path:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, set_seed

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=tied,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    set_seed(0)
    model = AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
    model.save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model_of(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Callable[..., Path]:
    """Returns a function that makes a model folder, each kind once a session."""
    made: dict[str, Path] = {}

    def make(kind: str = "llama", tied: bool = False, dtype: str = "float32", shard: str = "5GB") -> Path:
        key = f"{kind}-{tied}-{dtype}-{shard}"
        if key not in made:
            made[key] = make_model(tmp_path_factory.mktemp(key), tokenizer_folder, kind, tied, dtype, shard)
        return made[key]

    return make


@pytest.fixture(scope="session")
def octopus_rows() -> Callable[[list[tuple[str, str, str]]], str]:
    """Returns a function that writes (language, question, rationale) as GSM8KInstruct_Parallel's JSON lines."""
    import json

    def write(rows: list[tuple[str, str, str]]) -> str:
        frame = (
            "Below is an instruction that describes a task. Write a response that appropriately completes the request in {0}. "
            "Please answer in {0}.\n\n### Instruction:\n{1}\n\n### Response:"
        )
        return "".join(
            json.dumps({"prompt": frame.format(language, question), "chosen": rationale}, ensure_ascii=False) + "\n"
            for language, question, rationale in rows
        )

    return write


@pytest.fixture
def data(tmp_path: Path, octopus_rows: Callable[[list[tuple[str, str, str]]], str]) -> Path:
    """Returns a data folder in the papers' layout, with the same 32 problems in English and German."""
    return papers_data(tmp_path / "data", octopus_rows)


def papers_data(folder: Path, octopus_rows: Callable[[list[tuple[str, str, str]]], str]) -> Path:
    numbers = [(first, second) for first in range(11, 19) for second in range(21, 25)]
    rows = [("English", f"{one} and {two}?", f"{one + two}") for one, two in numbers]
    rows += [("German", f"{one} und {two}?", f"{one + two}") for one, two in numbers]
    (folder / "gsm8kinstruct_parallel").mkdir(parents=True)
    (folder / "gsm8kinstruct_parallel/train.jsonl").write_text(octopus_rows(rows))
    (folder / "metamath").mkdir()
    lines = (f'{{"query": "{one} and {two}?", "response": "{one + two}"}}\n' for one, two in numbers)
    (folder / "metamath/train.jsonl").write_text("".join(lines))
    return folder
