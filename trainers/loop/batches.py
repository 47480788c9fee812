"""Which rows make up which optimizer step, and how rows become a batch."""

import math
from collections.abc import Sequence

import numpy

from xreason.trainers.corpora.tokens import IGNORED, Lengths, Tokens
from xreason.trainers.tuning.fitting import Choice


def padded(rows: Sequence[Tokens]) -> dict[str, object]:
    """Returns rows padded on the right: `input_ids` and `labels`, each int64 [rows, longest].

    No attention mask is made: attention looks left, where no padding stands, and without a mask it is faster.
    """
    import torch

    columns = zip(*((row.ids, row.labels) for row in rows), strict=True)
    ids, labels = ([torch.from_numpy(each).long() for each in column] for column in columns)
    pad = torch.nn.utils.rnn.pad_sequence
    return {"input_ids": pad(ids, True), "labels": pad(labels, True, IGNORED)}


class StepOrder:
    """Which rows make up each optimizer step of a stage, and how they are cut into micro-batches.

    Every epoch goes through all rows in a fresh random order, `batch_size` of them a step; the last step of an epoch may be
    smaller. Only within a step are rows sorted by length. Seed and step alone decide, so the order is the same after an interrupt
    and on any number of processes. How large a micro-batch is, is a Choice: so many rows at most, or about so many tokens.
    """

    def __init__(self, lengths: list[int] | Lengths, batch_size: int, seed: int) -> None:
        self.lengths: Lengths = numpy.asarray(lengths) if isinstance(lengths, list | tuple) else lengths
        self.batch_size, self.seed = batch_size, seed
        self.steps_an_epoch = math.ceil(len(lengths) / batch_size)
        self._epoch, self._order = -1, numpy.empty(0, int)

    def most_tokens(self, choice: Choice) -> int:
        """Returns how many tokens no micro-batch exceeds."""
        longest = int(self.lengths.max())
        return choice.tokens + longest if choice.rows is None else choice.rows * longest

    def rows(self, step: int) -> list[int]:
        """Returns the rows of a step, counted from 0, the longest first."""
        epoch, place = divmod(step, self.steps_an_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, numpy.random.default_rng([self.seed, epoch]).permutation(len(self.lengths))
        rows = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        return [int(row) for row in rows[numpy.argsort(-self.lengths[rows], kind="stable")]]

    def micro_batches(self, step: int, choice: Choice, world: int = 1, rank: int = 0) -> list[list[int]]:
        """Returns the rows of each micro-batch that process `rank` of `world` runs in a step.

        All processes run equally many, for each pass is one that all take part in; one that is left over is empty.
        """
        rows = self.rows(step)
        if choice.rows is not None:
            size = min(choice.rows, math.ceil(len(rows) / world))
            cut = [rows[start : start + size] for start in range(0, len(rows), size)]
        else:
            ends = numpy.cumsum(self.lengths[rows])
            parts = math.ceil(math.ceil(ends[-1] / choice.tokens) / world) * world
            # a row belongs to the part in which its middle lies
            part = ((ends - self.lengths[rows] / 2) * parts / ends[-1]).astype(int)
            every = ([row for row, here in zip(rows, part, strict=True) if here == number] for number in range(parts))
            cut = [micro_batch for micro_batch in every if micro_batch]
        cut.extend([] for _ in range(-len(cut) % world))
        return cut[rank::world]
