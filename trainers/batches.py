"""From examples to batches: exact tokens, loss on the response alone, and sequences of like length together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from tasks.errors import UserError
from trainers.corpora import Example

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

#: What PyTorch's cross entropy leaves out.
IGNORED = -100
#: Batches that are sorted by length together. More pads less, fewer mixes better; 50 is what Transformers' own sampler takes.
_BATCHES_SORTED_TOGETHER = 50


@dataclass(frozen=True)
class Tokens:
    """One example as the model sees it.

    Attributes:
        ids: prompt, response, end of text.
        prompt_length: how many of them are the prompt's; no loss is taken on these.
    """

    ids: tuple[int, ...]
    prompt_length: int


def tokenize(examples: Sequence[Example], tokenizer: "PreTrainedTokenizerBase", max_length: int) -> tuple[list[Tokens], int]:
    """Returns the examples that fit as tokens, and how many did not fit.

    The prompt's tokens are those of `tokenizer(prompt)`, which is what is scored. The response follows without anything between, as
    the joint text is tokenized; where a token would span the border (so that scoring could never see it) the response is
    tokenized on its own. A longer example is left out, not cut off: a rationale without its end teaches to stop never, or
    anywhere.

    Raises:
        UserError: the tokenizer has no end-of-text token, or no example fits.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise UserError(
            "The tokenizer has no end-of-text token (eos_token), so the model could never learn to stop; set one in it."
        )
    prompts = tokenizer([example.prompt for example in examples])["input_ids"]
    joint = tokenizer([example.prompt + example.response for example in examples])["input_ids"]
    fitting: list[Tokens] = []
    for example, prompt, ids in zip(examples, prompts, joint, strict=True):
        if ids[: len(prompt)] != prompt:
            ids = prompt + tokenizer(example.response, add_special_tokens=False)["input_ids"]
        if ids[-1] != end or len(ids) == len(prompt):
            ids = [*ids, end]
        if len(ids) <= max_length:
            fitting.append(Tokens(tuple(ids), len(prompt)))
    if not fitting:
        raise UserError(f"None of the {len(examples)} examples fits into max_length={max_length} tokens; raise max_length.")
    return fitting, len(examples) - len(fitting)


class ResponseCollator:
    """Pads rows on the right and takes labels on the response and its end of text only.

    Args:
        pad_token_id: any token will do; padding is masked and bears no loss.
    """

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, "torch.Tensor"]:
        """Returns `input_ids`, `labels` and `attention_mask`, each int64 [rows, longest]."""
        import torch

        shape = (len(rows), max(len(row["input_ids"]) for row in rows))
        ids: NDArray[numpy.int64] = numpy.full(shape, self.pad_token_id, dtype=numpy.int64)
        labels: NDArray[numpy.int64] = numpy.full(shape, IGNORED, dtype=numpy.int64)
        mask: NDArray[numpy.int64] = numpy.zeros(shape, dtype=numpy.int64)
        for place, row in enumerate(rows):
            tokens, start = row["input_ids"], int(row["prompt_length"])
            ids[place, : len(tokens)] = tokens
            labels[place, start : len(tokens)] = tokens[start:]
            mask[place, : len(tokens)] = 1
        return {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels), "attention_mask": torch.from_numpy(mask)}


class LengthGroupedOrder:
    """A sampler: a fresh order every epoch in which each batch holds sequences of like length, and batches come in any order.

    Transformers' own length-grouped sampler runs from long to short within its groups, a curriculum that nobody asked for; here
    the batches are shuffled again. Only the seed and the epoch decide the order.

    Args:
        lengths: tokens of each row.
        batch_size: rows a forward pass.
        seed: of all orders.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths = numpy.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = numpy.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        order = generator.permutation(len(self.lengths))
        group = self.batch_size * _BATCHES_SORTED_TOGETHER
        batches: list[NDArray[numpy.int64]] = []
        for start in range(0, len(order), group):
            rows = order[start : start + group]
            rows = rows[numpy.argsort(self.lengths[rows], kind="stable")]
            batches.extend(rows[first : first + self.batch_size] for first in range(0, len(rows), self.batch_size))
        # the one short batch stays last: rows are cut into batches again by whoever reads this order
        whole = len(batches) - (len(batches[-1]) < self.batch_size)
        for batch in [*generator.permutation(whole), *range(whole, len(batches))]:
            yield from batches[batch].tolist()
