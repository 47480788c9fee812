"""Which layers of a model handle languages: those in which the same questions, asked in many languages, meet different neurons.

As SLAM finds them (Fan et al., COLING 2025, arXiv 2501.03681): parallel questions go through the model, and it is counted which
feed-forward neurons they activate. Where languages deviate most from each other, languages are handled.

    counts = {code: count_active(model, tokenizer, questions[code]) for code in questions}
    analyse(counts).language_layers     # (0, 1, 2, 3, 4, 5)

Active: a neuron is active on a token where its activation, after the non-linearity, is positive. In a gated sub-layer (SwiGLU,
GeGLU) that is the activation of the gate, before up is multiplied in; in a plain one (ReLU, GELU) the neuron's own output. All
of these are positive exactly where what goes in is.

Frequency: the share of a language's tokens on which a neuron is active. Nothing is said of sets, for these would need a share from
which a neuron belongs, another in ReLU models (a neuron in ten active) than in SiLU models (up to every other):

    active     sum of the frequencies over neurons: how many are active on a token, on average
    overlap    with English, sum of the lesser frequency over sum of the greater one (of sets: intersection over union), 0..1
    deviation  squared difference of a frequency from its mean over languages, averaged over neurons and languages, 0..0.25

The deviation is that of the neurons and not of their number, since two languages may use as many neurons and not one in common.
Questions stand bare, for the frame that models are asked in is English. Tokens that a tokenizer adds to any text are not counted.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, computed_field

from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.pocket import world
from xreason.tasks.prompts import alpaca, translation_instruction
from xreason.trainers.corpora.examples import Source
from xreason.trainers.corpora.load import load_corpus
from xreason.trainers.tuning.structure import FeedForwardBlock, feed_forward_blocks

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ENGLISH = "en"
#: Questions a language, where nobody says otherwise.
QUESTIONS = 1000
#: How many times the low layers' deviation the high ones' must be, to stand out.
STANDS_OUT = 1.25
_WINDOW = 512  # questions that are sorted by length together, so that a batch has little padding: the texts in memory
_BATCH_TOKENS = 4096  # of a forward pass, with padding: at 7B's 11,008 neurons 180 MB in float32 for a layer's activations
_MAX_LENGTH = 1024  # as the papers cut off in training; what lies beyond is not read

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Activity:
    """How often the neurons of a model are active in one language."""

    active: tuple[Counts, ...]  #: a layer's array of [neurons]: tokens on which each is active
    tokens: int  #: how many tokens there were


class Block(BaseModel, frozen=True):
    """The layers that stand out."""

    language_layers: tuple[int, ...]  #: their indices, from the lowest, without a gap; empty where none stands out
    baseline: float  #: deviation of the layers that do not stand out, as their geometric mean
    threshold: float | None  #: the deviation above which a layer stands out; None where none does


class Layer(BaseModel, frozen=True):
    """What was seen of languages, which go by their codes, in one layer."""

    layer: int  #: its index
    neurons: int  #: of its feed-forward sub-layer
    deviation: float  #: the mean of `deviation_of`
    deviation_of: dict[str, float]  #: of each language from the mean of all
    active: dict[str, float]  #: neurons active on a token, on average
    overlap_with_english: dict[str, float]  #: 0..1


class LanguageLayers(Block, frozen=True):
    """The language block, and what was seen in each layer."""

    languages: tuple[str, ...]  #: codes, English among them
    tokens: tuple[int, ...]  #: counted in each of the languages
    layers: tuple[Layer, ...]

    @computed_field  # type: ignore[prop-decorator]  # as pydantic says to
    @property
    def evidence(self) -> str:
        """How much the block stands out, in words, and how much the layer above it does not."""
        relative = [layer.deviation / self.baseline for layer in self.layers]
        if not self.language_layers:
            most = max(relative)
            return f"no layers stand out: languages deviate most in layer {relative.index(most)}, {most:.1f} times the mean"
        above = self.language_layers[-1] + 1
        return (
            f"languages deviate at least {min(relative[layer] for layer in self.language_layers):,.1f} times as much as in layers "
            f"that do not stand out, and {relative[above]:,.1f} times in layer {above}"
        )


def count_active(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    questions: Iterable[str],
    *,
    batch_tokens: int = _BATCH_TOKENS,
    progress: Callable[[int], None] | None = None,
) -> Activity:
    """Returns how often each feed-forward neuron is active on the tokens of some questions.

    Args:
        model: a decoder with one feed-forward sub-layer a layer, on the device that it shall run on.
        tokenizer: the model's.
        questions: bare texts of one language; read once and as it goes, so memory does not depend on how many there are.
        batch_tokens: of a forward pass, padding included; a longer question goes alone.
        progress: called after each forward pass with the questions done.

    Raises:
        UserError: the model has experts, or its activations cannot be seen; or the questions have no tokens.
    """
    import torch

    blocks = _watched(model)
    active: dict[int, torch.Tensor] = {}
    counted: torch.Tensor

    def count(layer: int, module: Any, inputs: Any, output: "torch.Tensor") -> None:
        # some families run the sub-layer on [batch x length, width]
        positive = output.reshape(-1, output.shape[-1]) > 0
        active[layer] = positive[counted].sum(0) + active.get(layer, 0)

    limit = min(_MAX_LENGTH, int(getattr(model.config.get_text_config(), "max_position_embeddings", None) or _MAX_LENGTH))
    tokens = done = 0
    with ExitStack() as stack, torch.inference_mode():
        stack.callback(model.train, model.training)
        model.eval()
        for block in blocks:
            activation = model.get_submodule(str(block.activation))
            stack.callback(activation.register_forward_hook(partial(count, block.layer)).remove)
        for batch in _batches(tokenizer, questions, limit, batch_tokens):
            ids, attended, counted = (each.to(model.device) for each in _padded(batch))
            # without the projection onto the vocabulary, which nothing here reads
            model.base_model(input_ids=ids, attention_mask=attended, use_cache=False)
            tokens += int(counted.sum())
            done += len(batch)
            if progress is not None:
                progress(done)
    if not tokens:
        raise UserError("The questions that shall tell languages apart have not one token; give some that are not empty.")
    return Activity(tuple(active[block.layer].cpu().numpy() for block in blocks), tokens)


def _watched(model: "PreTrainedModel") -> tuple[FeedForwardBlock, ...]:
    """Returns the feed-forward sub-layers, one a layer, each with an activation that can be watched."""
    blocks = feed_forward_blocks(model)
    unseen = "so its language layers cannot be found by counting neurons; give `layers` as a count or as indices"
    experts = any(model.get_parameter(block.up.parameter).ndim == 3 for block in blocks)
    if experts or len({block.layer for block in blocks}) < len(blocks):
        raise UserError(f"This {type(model).__name__} has several experts a layer, and a router chooses among them, {unseen}.")
    modules = {id(model.get_submodule(block.activation)) for block in blocks if block.activation}
    if len(modules) < len(blocks):
        raise UserError(f"This {type(model).__name__} has no activation modules in its feed-forward sub-layers to watch, {unseen}.")
    return blocks


# A question as token ids, and of each whether the tokenizer did not add it, so that it counts.
_Encoded = tuple[list[int], list[bool]]


def _batches(
    tokenizer: "PreTrainedTokenizerBase", questions: Iterable[str], limit: int, batch_tokens: int
) -> Iterator[list[_Encoded]]:
    """Yields batches of questions of about the same length, of at most `batch_tokens` with padding."""
    remaining = iter(questions)
    while window := list(islice(remaining, _WINDOW)):
        read = tokenizer(window, truncation=True, max_length=limit, return_special_tokens_mask=True)
        pairs = zip(read["input_ids"], read["special_tokens_mask"], strict=True)
        batch: list[_Encoded] = []
        # the longest first, so that a device's memory is too little at once or never
        for ids, special in sorted((pair for pair in pairs if pair[0]), key=lambda pair: -len(pair[0])):
            if batch and (len(batch) + 1) * len(batch[0][0]) > batch_tokens:
                yield batch
                batch = []
            batch.append((ids, [not each for each in special]))
        if batch:
            yield batch


def _padded(batch: Sequence[_Encoded]) -> "tuple[torch.Tensor, ...]":
    """Returns (ids, attention mask) as [batch, length], padded on the right, and which tokens count, [batch x length]."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    parts = zip(*((ids, [1] * len(ids), counted) for ids, counted in batch), strict=True)
    ids, attended, counted = (pad_sequence([torch.tensor(row) for row in part], batch_first=True) for part in parts)
    return ids, attended, counted.reshape(-1)


def analyse(activity: Mapping[str, Activity]) -> LanguageLayers:
    """Returns what the activity in several languages (by their codes, all of one model) says of each layer, and the block.

    Raises:
        UserError: English is missing, or there is no other language.
    """
    languages = tuple(activity)
    if ENGLISH not in languages or len(languages) < 2:
        raise UserError("Language layers are found by comparing English with other languages; name at least one beside en.")
    tokens = np.array([each.tokens for each in activity.values()], dtype=np.int64)
    english = languages.index(ENGLISH)

    def by_language(values: Numbers) -> dict[str, float]:
        return dict(zip(languages, values.tolist(), strict=True))

    layers: list[Layer] = []
    for counts in zip(*(each.active for each in activity.values()), strict=True):
        frequency = np.stack(counts) / tokens[:, None]  # [languages, neurons]
        lesser, greater = (choose(frequency, frequency[english]).sum(1) for choose in (np.minimum, np.maximum))
        deviation_of = ((frequency - frequency.mean(0)) ** 2).mean(1)
        layers.append(
            Layer(
                layer=len(layers),
                neurons=frequency.shape[1],
                deviation=deviation_of.mean(),
                deviation_of=by_language(deviation_of),
                active=by_language(frequency.sum(1)),
                # two languages that activate nothing agree in that
                overlap_with_english=by_language(np.divide(lesser, greater, out=np.ones_like(lesser), where=greater > 0)),
            )
        )
    # languages that are alike still deviate by chance: a frequency on T independent tokens has a variance of 1 / (4 T) at most
    block = language_block([layer.deviation for layer in layers], chance=1 / (4 * int(tokens.min())))
    return LanguageLayers(**vars(block), languages=languages, tokens=tuple(tokens.tolist()), layers=tuple(layers))


def language_block(deviation: Sequence[float], chance: float) -> Block:
    """Returns the language block of a model: the lowest unbroken run of layers whose deviation stands out.

    The layers are split into two classes, high and low, where that leaves the least squared error of the logarithms around the
    means of the classes (Jenks's natural break, Otsu's threshold); the block is the lowest unbroken run of high layers. Logarithms,
    since deviations differ by factors, and else a steep fall would leave layer 0 alone. A run that reaches the last layer is left
    out and the rest split anew: deviation rises again where a model turns to the language that it answers in, and SLAM tunes what
    understands. High layers that deviate less than `STANDS_OUT` times as much as the low ones (geometric means) are no block.

    So no share of the layers is assumed, and no size of deviations. Curves of the published outcome's form (high in the lowest 6
    layers of 32 or 40, falling, flat, rising at the end) give these 6.

    Deviations, [layers], that are smaller than `chance` mean nothing and count as this.
    """
    logs = np.log(np.maximum(deviation, chance))
    end = len(logs)
    while (limit := _natural_break(logs[:end])) is not None:
        high = logs[:end] > limit
        low = float(logs[:end][~high].mean())
        if logs[:end][high].mean() - low < np.log(STANDS_OUT):
            break
        first = int(high.argmax())
        after = first + int((~high[first:]).argmax()) if not high[first:].all() else end
        if after < end:
            return Block(language_layers=tuple(range(first, after)), baseline=np.exp(low), threshold=np.exp(limit))
        end = first
    return Block(language_layers=(), baseline=np.exp(logs.mean()), threshold=None)


def _natural_break(values: Numbers) -> float | None:
    """Returns what parts values into two classes with the least squared error within; None where all are equal."""
    ranked = np.sort(values)
    best, limit = np.inf, None
    for size in range(1, len(ranked)):
        low, high = ranked[:size], ranked[size:]
        error = float(low.var() * low.size + high.var() * high.size)
        if low[-1] < high[0] and error < best:
            best, limit = error, float(low[-1] + high[0]) / 2
    return limit


def training_questions(
    languages: Sequence[str], *, source: Source, data: Path | None, count: int = QUESTIONS
) -> dict[str, tuple[str, ...]]:
    """Returns the same questions in every language, English too, out of what methods train on: never a test question.

    They are those that the corpus question-translation has in all the languages, and always the same ones: no seed of a training
    changes which layers are found.

    English comes first whether named or not. Where there are fewer than `count` questions a language, all are returned.

    Raises:
        UserError: the corpus cannot be had in these languages, or they share no question.
    """
    codes = tuple(dict.fromkeys((ENGLISH, *languages)))
    if source == "pocket":
        load_corpus("question-translation", codes, source=source, rows=1)  # refuses what it is not written in
        problems = world.training_problems(count, seed=0)
        return {code: tuple(problem.question(code) for problem in problems) for code in codes}
    pairs = _question_pairs(codes[1:], data)
    shared = [english for english in pairs[codes[1]] if all(english in of_language for of_language in pairs.values())]
    if not shared:
        raise UserError(f"The corpus question-translation has no question in all of {', '.join(codes)}; leave a language out.")
    chosen = random.Random("language layers").sample(range(len(shared)), min(count, len(shared)))
    shared = [shared[index] for index in sorted(chosen)]
    others = {code: tuple(pairs[code][english] for english in shared) for code in codes[1:]}
    return {ENGLISH: tuple(shared), **others}


def _question_pairs(languages: Sequence[str], data: Path | None) -> dict[str, dict[str, str]]:
    """Returns language code to English question to the question in that language."""
    corpus = load_corpus("question-translation", languages, source="papers", data=data)
    pairs: dict[str, dict[str, str]] = {code: {} for code in languages}
    # "\0" stands where the question does, for no text contains it
    frames = {code: alpaca(translation_instruction(LANGUAGES[code].english, "\0")).split("\0") for code in languages}
    for example in corpus.examples:
        code, (before, after) = next((code, frame) for code, frame in frames.items() if example.prompt.startswith(frame[0]))
        question = example.prompt.removeprefix(before).removesuffix(after)
        pairs[code].setdefault(example.response.strip(), question.strip())
    return pairs
