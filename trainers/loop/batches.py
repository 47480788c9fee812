"""From examples to batches: exact tokens, loss on the response alone, and which rows make up which optimizer step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy
from numpy.typing import NDArray

from xreason.tasks.errors import UserError
from xreason.trainers.corpora.examples import Example

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

#: What PyTorch's cross entropy leaves out.
IGNORED = -100


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


class PaddedCollator:
    """Pads rows on the right and takes labels on the response and its end of text only.

    No attention mask is made: padding stands on the right, attention looks left, and without a mask it is faster.

    Args:
        pad_token_id: any token will do; it bears no loss.
    """

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[Tokens]) -> dict[str, "torch.Tensor"]:
        """Returns `input_ids` and `labels`, each int64 [rows, longest]."""
        import torch

        shape = (len(rows), max(len(row.ids) for row in rows))
        ids: NDArray[numpy.int64] = numpy.full(shape, self.pad_token_id, dtype=numpy.int64)
        labels: NDArray[numpy.int64] = numpy.full(shape, IGNORED, dtype=numpy.int64)
        for place, row in enumerate(rows):
            ids[place, : len(row.ids)] = row.ids
            # nothing stands before the first token that could foretell it
            start = max(row.prompt_length, 1)
            labels[place, start : len(row.ids)] = row.ids[start:]
        return {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels)}


class StepOrder:
    """Which rows make up each optimizer step of a stage, and how they are cut into micro-batches.

    Every epoch goes through all rows in a fresh random order, `batch_size` of them a step; the last step of an epoch may be
    smaller. Only within a step are rows sorted by length, so that a micro-batch holds sequences of like length. Seed and step alone
    decide, so the order is the same after an interruption and on any number of processes.

    Args:
        lengths: tokens of each row.
        batch_size: rows an optimizer step, over all processes.
        seed: of all orders.
        rows: of a micro-batch, at most; None cuts a step by tokens.
        tokens: of a micro-batch, about; a step is cut into parts of equal tokens.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, *, rows: int | None, tokens: int) -> None:
        self.lengths = numpy.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.rows_at_once = rows
        self.tokens_at_once = tokens
        self.steps_an_epoch = math.ceil(len(lengths) / batch_size)
        self._epoch = -1
        self._order: NDArray[numpy.int64] = numpy.empty(0, dtype=numpy.int64)

    @property
    def most_tokens(self) -> int:
        """Tokens that no micro-batch exceeds."""
        longest = int(self.lengths.max())
        return self.tokens_at_once + longest if self.rows_at_once is None else self.rows_at_once * longest

    def rows(self, step: int) -> list[int]:
        """Returns the rows of a step, counted from 0, the longest first."""
        epoch, place = divmod(step, self.steps_an_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, numpy.random.default_rng([self.seed, epoch]).permutation(len(self.lengths))
        rows = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        return [int(row) for row in rows[numpy.argsort(-self.lengths[rows], kind="stable")]]

    def micro_batches(self, step: int, world: int = 1, rank: int = 0) -> list[list[int]]:
        """Returns the rows of each micro-batch that process `rank` of `world` runs in a step.

        All processes run equally many, for each pass is one that all take part in; one that is left over is empty.
        """
        rows = self.rows(step)
        cut = self._by_tokens(rows, world) if self.rows_at_once is None else self._by_rows(rows, self.rows_at_once, world)
        cut.extend([] for _ in range(-len(cut) % world))
        return cut[rank::world]

    def _by_rows(self, rows: list[int], most: int, world: int) -> list[list[int]]:
        size = min(most, math.ceil(len(rows) / world))
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def _by_tokens(self, rows: list[int], world: int) -> list[list[int]]:
        ends = numpy.cumsum(self.lengths[rows])
        parts = math.ceil(math.ceil(ends[-1] / self.tokens_at_once) / world) * world
        # a row belongs to the part in which its middle lies
        part = ((ends - self.lengths[rows] / 2) * parts / ends[-1]).astype(int)
        cut = ([row for row, here in zip(rows, part, strict=True) if here == number] for number in range(parts))
        return [micro_batch for micro_batch in cut if micro_batch]
