"""The recipes of the pocket experiments' base models: Llamas of 1.2 million parameters, trained from nothing in minutes on a CPU.

    xreason pocket build FOLDER
    xreason pocket build FOLDER --plain --seed 10

The first is of `POCKET`. It has met other languages the way large models meet them: much text in some, little in others, hardly any
reasoning. So it is strong in English and weaker the rarer a language was. Text is of five kinds, here from German; a mixture says
how often each is drawn:

    reasoning      Clara has 8 books and gives Tom 3 of them. How many ...  ->  (the same again) 8 - 3 = 5. The answer is 5.
    text           Clara hat 8 Bücher und gibt Tom 3 davon. Wie viele Bücher hat Clara noch? 8 - 3 = 5. Die Antwort ist 5.
    equations      9 - 3 = 6. 2 × 7 = 14. 12 + 5 = 17. ...
    translation    Translate the following sentences from German to English. Clara hat ...  ->  Clara has 8 books and ...
    transfer       Clara hat 8 Bücher und gibt ...  ->  Clara has 8 books and ... 8 - 3 = 5. The answer is 5.

The last two come from a handful of problems, seen again and again. The second base is of `PLAIN`: it translates, as a large model
does that nobody has tuned, and hardly reasons: of the first kind it sees 60 problems, of plain text in other languages questions
alone. The same seed gives the same bits on the same machine with the same libraries; `recipe.json` in the folder says what it was
made with.
"""

import hashlib
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Recipe:
    """What a base model is made with. Problems are different ones; by language, codes to numbers of these."""

    steps: int  #: of the optimizer
    mixture: Mapping[str, float]  #: how often each kind of text is drawn
    text: Mapping[str, int]  #: how often plain text is in each language
    translated: Mapping[str, int]  #: problems whose question or rationale is translated into English
    transferred: Mapping[str, int]  #: problems that are asked in a language and reasoned about in English
    reasoned: int  #: problems that are asked and reasoned about in English
    written: int  #: problems behind plain text, which is their question or their rationale
    rationales: bool  #: whether plain text in other languages than English is rationales, too
    digits: str  #: what the tokenizer keeps apart, a regular expression
    dtype: str  #: that the weights are written in
    threads: int  #: the order in which floats are added depends on them
    problems: int = 20_000  #: behind all the recipe's text
    batch_size: int = 16  #: sequences a step
    learning_rate: float = 3e-3  #: its peak


#: The base of `xreason compare`.
POCKET = Recipe(
    steps=2400,
    mixture={"reasoning": 0.65, "text": 0.13, "equations": 0.05, "translation": 0.1, "transfer": 0.07},
    text={"en": 5, "de": 4, "es": 4, "fr": 3, "zh": 3, "sw": 1},
    translated={"de": 24, "es": 16, "fr": 10, "zh": 16, "sw": 2},
    transferred={"de": 5, "es": 4, "fr": 3, "zh": 4, "sw": 0},
    reasoned=20_000,
    written=10_000,
    rationales=True,
    digits=r" ?\d",
    dtype="float32",
    threads=2,
)
#: The plain bases of `xreason compare pocket-paper`. Without the few transferred problems a training on translation alone unlearns
#: to reason about what is not English: it translates, and stops.
PLAIN = Recipe(
    steps=1800,
    mixture={"reasoning": 0.07, "text": 0.25, "equations": 0.18, "translation": 0.4, "transfer": 0.1},
    text={"en": 5, "de": 4, "es": 4, "fr": 3, "zh": 3, "sw": 1},
    translated={"de": 800, "es": 640, "fr": 400, "zh": 480, "sw": 80},
    transferred={"de": 40, "es": 32, "fr": 20, "zh": 24, "sw": 5},
    reasoned=60,
    written=12_000,
    rationales=False,
    digits=r"\d",
    dtype="bfloat16",
    threads=1,
)

_SORTED_TOGETHER = 8  # batches whose sequences are sorted by length together, so that little is padded
_PAD, _END = "<pad>", "<eos>"
_LONGEST = 4096  # tokens: real MGSM questions in Thai or Bengali take up to about 2,500 of these


def sources(seed: int, made: Recipe = POCKET) -> dict[str, Sequence[Example]]:
    """Returns all that a base is trained on, by the names of its mixture; plain text has an empty prompt. No test problem."""
    problems = world.training_problems(made.problems, seed)
    chance = random.Random(f"pocket base {seed}")
    # rare kinds take their problems from the end, which plain text (in all languages) does not reach
    rest = iter(reversed(problems))
    either = (corpora.question_translation, corpora.answer_translation)
    translations = [chance.choice(either)(next(rest), code) for code, count in made.translated.items() for _ in range(count)]
    transfers = [corpora.english_rationale(next(rest), code) for code, count in made.transferred.items() for _ in range(count)]
    texts = []
    for problem in problems[: made.written]:
        (code,) = chance.choices(list(made.text), list(made.text.values()))
        write = chance.choice((problem.question, problem.rationale))
        texts.append(Example("", write(code) if made.rationales or code == "en" else problem.question(code)))
    facts = [f" {fact}." for fact in world.equations()]
    tables = ["".join(chance.choices(facts, k=12)) for _ in range(made.problems // 4)]
    return {
        "reasoning": [corpora.native_reasoning(problem, "en") for problem in problems[: made.reasoned]],
        "text": texts,
        "equations": [Example("", table) for table in tables],
        "translation": translations,
        "transfer": transfers,
    }


def train_tokenizer(digits: str = POCKET.digits) -> "PreTrainedTokenizerFast":
    """Returns a byte-level BPE tokenizer of `VOCABULARY` entries, trained on rationales in all languages, `digits` kept apart.

    Any text can be written in it. The two halves of the Alpaca frame and the translation instruction are one entry each: the pocket
    model sees hardly anything else around its problems, and a shorter prompt is a faster experiment.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    head, tail = prompts.ALPACA.split("{instruction}")
    frame = [head, tail, prompts.translation_instruction("\n", "").split(" \n")[0]]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(digits), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
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


def _batches(rows: Mapping[str, Sequence[Tokens]], seed: int, made: Recipe) -> Iterator[list[Tokens]]:
    """Yields batches without end; sequences of one batch are about equally long."""
    chance = random.Random(f"pocket batches {seed}")
    names = list(rows)
    while True:
        drawn = chance.choices(names, [made.mixture[name] for name in names], k=made.batch_size * _SORTED_TOGETHER)
        pool = sorted((chance.choice(rows[name]) for name in drawn), key=lambda row: len(row.ids))
        batches = [pool[start : start + made.batch_size] for start in range(0, len(pool), made.batch_size)]
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


def _train(
    model: "LlamaForCausalLM",
    batches: Iterator[list[Tokens]],
    made: Recipe,
    progress: Callable[[int, int, float], None] | None,
) -> None:
    """Trains `model` in place: AdamW, a cosine from the recipe's learning rate after 3% of warm-up."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=made.learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
    warm_up = 0.03 * made.steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / warm_up) * (1 + math.cos(math.pi * step / made.steps)) / 2
    )
    model.train()
    for step in range(1, made.steps + 1):
        loss = _loss(model, next(batches))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if progress:
            progress(step, made.steps, loss.item())


def recipe(seed: int, made: Recipe = POCKET) -> dict[str, Any]:
    """Returns what a base model is made with, as `recipe.json` keeps it."""
    # changes with the world's sentences, names and held-out numbers
    digest = hashlib.sha256()
    for name, examples in sources(seed, made).items():
        for example in examples:
            digest.update(json.dumps([name, example.prompt, example.response]).encode())
    said = asdict(made)
    # what all bases but this one differ in from it
    apart = () if made == POCKET else ("reasoned", "written", "rationales", "digits", "dtype", "threads")
    kept = ("steps", "batch_size", "learning_rate", "problems", "mixture", "text", "translated", "transferred", *apart)
    return {"seed": seed, **{name: said[name] for name in kept}, "text_sha256": digest.hexdigest()}


def build(
    directory: Path, *, seed: int = 0, made: Recipe = POCKET, progress: Callable[[int, int, float], None] | None = None
) -> None:
    """Makes a base model from nothing and writes it to `directory` as a Hugging Face folder, in the recipe's dtype.

    Args:
        directory: is made if need be; files of the same names are replaced.
        seed: of the text, of its order and of the first weights.
        made: its recipe.
        progress: called after every step with its number, how many there are and the loss in nats a token.
    """
    import torch

    torch.set_num_threads(made.threads)
    tokenizer = train_tokenizer(made.digits)
    rows = {name: tokenize(examples, tokenizer, _LONGEST)[0] for name, examples in sources(seed, made).items()}
    model = new_model(seed)
    _train(model, _batches(rows, seed, made), made, progress)
    directory.mkdir(parents=True, exist_ok=True)
    model.to(getattr(torch, made.dtype)).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    (directory / "recipe.json").write_text(json.dumps(recipe(seed, made), indent=2) + "\n", encoding="utf-8")
