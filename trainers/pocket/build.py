"""The recipe of the pocket experiment's base model: a Llama of 1.2 million parameters, trained from nothing in minutes on a CPU.

    xreason pocket build FOLDER

The base has met other languages the way large models meet them: much text in some, little in others, hardly any reasoning. So it
is strong in English and weaker the rarer a language was. It is trained on five kinds of text, here from German; `MIXTURE` says how
often each is drawn:

    reasoning      Clara has 8 books and gives Tom 3 of them. How many ...  ->  (the same again) 8 - 3 = 5. The answer is 5.
    text           Clara hat 8 Bücher und gibt Tom 3 davon. Wie viele Bücher hat Clara noch? 8 - 3 = 5. Die Antwort ist 5.
    equations      9 - 3 = 6. 2 × 7 = 14. 12 + 5 = 17. ...
    translation    Translate the following sentences from German to English. Clara hat ...  ->  Clara has 8 books and ...
    transfer       Clara hat 8 Bücher und gibt ...  ->  Clara has 8 books and ... 8 - 3 = 5. The answer is 5.

The last two come from a handful of problems (`TRANSLATED`, `TRANSFERRED`), seen again and again. The same seed gives the same
bits on the same machine with the same libraries; `recipe.json` in the folder says what it was made with.
"""

import hashlib
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xreason.tasks import prompts
from xreason.tasks.pocket import world
from xreason.trainers.corpora import pocket as corpora
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.tokens import IGNORED, Tokens, tokenize

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

VOCABULARY = 1024
#: Optimizer steps, sequences a step, and the peak of the learning rate.
STEPS, BATCH_SIZE, LEARNING_RATE = 2400, 16, 3e-3
#: Different problems behind all the recipe's text.
PROBLEMS = 20_000
#: How often each kind of text is drawn.
MIXTURE: Mapping[str, float] = {"reasoning": 0.65, "text": 0.13, "equations": 0.05, "translation": 0.1, "transfer": 0.07}
#: How often plain text is in each language.
TEXT: Mapping[str, int] = {"en": 5, "de": 4, "es": 4, "fr": 3, "zh": 3, "sw": 1}
#: Different problems that are translated into English.
TRANSLATED: Mapping[str, int] = {"de": 24, "es": 16, "fr": 10, "zh": 16, "sw": 2}
#: Different problems that are asked in a language and reasoned about in English.
TRANSFERRED: Mapping[str, int] = {"de": 5, "es": 4, "fr": 3, "zh": 4, "sw": 0}

_SORTED_TOGETHER = 8  # batches whose sequences are sorted by length together, so that little is padded
_PAD, _END = "<pad>", "<eos>"
_LONGEST = 4096  # tokens: real MGSM questions in Thai or Bengali take up to about 2,500 of these


def sources(seed: int) -> dict[str, Sequence[Example]]:
    """Returns all that the base model is trained on, by the names of `MIXTURE`; plain text has an empty prompt. No test problem."""
    problems = world.training_problems(PROBLEMS, seed)
    chance = random.Random(f"pocket base {seed}")
    # rare kinds take their problems from the end, which plain text (in all languages) does not reach
    rest = iter(reversed(problems))
    either = (corpora.question_translation, corpora.answer_translation)
    translations = [chance.choice(either)(next(rest), code) for code, count in TRANSLATED.items() for _ in range(count)]
    transfers = [corpora.english_rationale(next(rest), code) for code, count in TRANSFERRED.items() for _ in range(count)]
    texts = []
    for problem in problems[: PROBLEMS // 2]:
        (code,) = chance.choices(list(TEXT), list(TEXT.values()))
        texts.append(Example("", chance.choice((problem.question, problem.rationale))(code)))
    facts = [f" {fact}." for fact in world.equations()]
    tables = ["".join(chance.choices(facts, k=12)) for _ in range(PROBLEMS // 4)]
    return {
        "reasoning": [corpora.native_reasoning(problem, "en") for problem in problems],
        "text": texts,
        "equations": [Example("", table) for table in tables],
        "translation": translations,
        "transfer": transfers,
    }


def train_tokenizer() -> "PreTrainedTokenizerFast":
    """Returns a byte-level BPE tokenizer of `VOCABULARY` entries, trained on rationales in all languages, each digit by itself.

    Any text can be written in it. The two halves of the Alpaca frame and the translation instruction are one entry each: the pocket
    model sees hardly anything else around its problems, and a shorter prompt is a faster experiment.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    head, tail = prompts.ALPACA.split("{instruction}")
    frame = [head, tail, prompts.translation_instruction("\n", "").split(" \n")[0]]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r" ?\d"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    texts = [problem.rationale(code) for problem in world.training_problems(1500, 0) for code in world.LANGUAGES]
    learner = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(frame),
        special_tokens=[_PAD, _END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, learner)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in frame])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=_PAD, eos_token=_END, model_max_length=_LONGEST, clean_up_tokenization_spaces=False
    )


def new_model(seed: int) -> "LlamaForCausalLM":
    """Returns the untrained model, in float32."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=288,
            num_hidden_layers=6,
            num_attention_heads=4,  # heads of 32: vLLM's CPU attention takes 32 or 64
            num_key_value_heads=4,
            max_position_embeddings=_LONGEST,
            initializer_range=0.04,
            tie_word_embeddings=True,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
        )
    )


def _batches(rows: Mapping[str, Sequence[Tokens]], seed: int) -> Iterator[list[Tokens]]:
    """Yields batches without end; sequences of one batch are about equally long."""
    chance = random.Random(f"pocket batches {seed}")
    names = list(rows)
    while True:
        drawn = chance.choices(names, [MIXTURE[name] for name in names], k=BATCH_SIZE * _SORTED_TOGETHER)
        pool = sorted((chance.choice(rows[name]) for name in drawn), key=lambda row: len(row.ids))
        batches = [pool[start : start + BATCH_SIZE] for start in range(0, len(pool), BATCH_SIZE)]
        chance.shuffle(batches)
        yield from batches


def _loss(model: "LlamaForCausalLM", batch: Sequence[Tokens]) -> "torch.Tensor":
    """Returns the mean cross entropy over the responses, in nats a token."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids = pad_sequence([torch.from_numpy(row.ids).long() for row in batch], batch_first=True)
    mask = pad_sequence([torch.ones(len(row.ids), dtype=torch.long) for row in batch], batch_first=True)
    labels = pad_sequence([torch.from_numpy(row.labels).long() for row in batch], batch_first=True, padding_value=IGNORED)[:, 1:]
    hidden = model.model(input_ids=ids, attention_mask=mask).last_hidden_state[:, :-1]
    wanted = labels != IGNORED
    # logits of the wanted places only: two thirds of a batch are prompt
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[wanted]), labels[wanted])


def _train(model: "LlamaForCausalLM", batches: Iterator[list[Tokens]], progress: Callable[[int, int, float], None] | None) -> None:
    """Trains `model` in place: AdamW, a cosine from `LEARNING_RATE` after 3% of warm-up."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    warm_up = 0.03 * STEPS
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / warm_up) * (1 + math.cos(math.pi * step / STEPS)) / 2
    )
    model.train()
    for step in range(1, STEPS + 1):
        loss = _loss(model, next(batches))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if progress:
            progress(step, STEPS, loss.item())


def recipe(seed: int) -> dict[str, Any]:
    """Returns what the base model is made with, as `recipe.json` keeps it."""
    # changes with the world's sentences, names and held-out numbers
    digest = hashlib.sha256()
    for name, examples in sources(seed).items():
        for example in examples:
            digest.update(json.dumps([name, example.prompt, example.response]).encode())
    return {
        "seed": seed,
        "steps": STEPS,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "problems": PROBLEMS,
        "mixture": dict(MIXTURE),
        "text": dict(TEXT),
        "translated": dict(TRANSLATED),
        "transferred": dict(TRANSFERRED),
        "text_sha256": digest.hexdigest(),
    }


def build(directory: Path, *, seed: int = 0, progress: Callable[[int, int, float], None] | None = None) -> None:
    """Makes the base model from nothing and writes it to `directory` as a Hugging Face folder, in float32.

    Args:
        directory: is made if need be; files of the same names are replaced.
        seed: of the text, of its order and of the first weights.
        progress: called after every step with its number, how many there are and the loss in nats a token.
    """
    import torch

    torch.set_num_threads(2)  # the order in which floats are added depends on it
    tokenizer = train_tokenizer()
    rows = {name: tokenize(examples, tokenizer, _LONGEST)[0] for name, examples in sources(seed).items()}
    model = new_model(seed)
    _train(model, _batches(rows, seed), progress)
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    (directory / "recipe.json").write_text(json.dumps(recipe(seed), indent=2) + "\n", encoding="utf-8")
