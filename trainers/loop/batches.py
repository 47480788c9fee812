"""Which rows make up which optimizer step, and how rows become a batch."""

import math
from collections.abc import Sequence

import numpy

from xreason.trainers.corpora.tokens import IGNORED, Tokens


def padded(rows: Sequence[Tokens]) -> dict[str, object]:
    """Returns rows padded on the right: `input_ids` and `labels`, each int64 [rows, longest].

    No attention mask is made: attention looks left, where no padding stands, and without a mask it is faster.
    """
    import torch

    pad = torch.nn.utils.rnn.pad_sequence
    ids, labels = ([torch.tensor(each) for each in column] for column in zip(*((row.ids, row.labels) for row in rows), strict=True))
    return {"input_ids": pad(ids, True), "labels": pad(labels, True, IGNORED)}


class StepOrder:
    """Which rows make up each optimizer step of a stage, and how they are cut into micro-batches.

    Every epoch goes through all rows in a fresh random order, `batch_size` of them a step; the last step of an epoch may be
    smaller. Only within a step are rows sorted by length. Seed and step alone decide, so the order is the same after an interrupt
    and on any number of processes. A micro-batch holds `rows` at most, or, where that is None, about `tokens` tokens.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, *, rows: int | None, tokens: int) -> None:
        self.lengths = numpy.asarray(lengths)
        self.batch_size, self.seed, self.rows_at_once, self.tokens_at_once = batch_size, seed, rows, tokens
        self.steps_an_epoch = math.ceil(len(lengths) / batch_size)
        self._epoch, self._order = -1, self.lengths

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
        if self.rows_at_once is not None:
            size = min(self.rows_at_once, math.ceil(len(rows) / world))
            cut = [rows[start : start + size] for start in range(0, len(rows), size)]
        else:
            ends = numpy.cumsum(self.lengths[rows])
            parts = math.ceil(math.ceil(ends[-1] / self.tokens_at_once) / world) * world
            # a row belongs to the part in which its middle lies
            part = ((ends - self.lengths[rows] / 2) * parts / ends[-1]).astype(int)
            every = ([row for row, here in zip(rows, part, strict=True) if here == number] for number in range(parts))
            cut = [micro_batch for micro_batch in every if micro_batch]
        cut.extend([] for _ in range(-len(cut) % world))
        return cut[rank::world]
