"""Loss on rows that no stage trains on, a language each; and by it which step was the best, and when to stop."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import torch
from transformers import PreTrainedModel

from xreason.trainers.corpora.tokens import Tokens
from xreason.trainers.loop import sharding
from xreason.trainers.loop.batches import StepOrder
from xreason.trainers.loop.reports import StageProgress
from xreason.trainers.tuning.fitting import Choice

#: How often it is looked at where nobody says.
LOOKS = 10


class HeldOut:
    """Rows that are held out, by the code of their language."""

    def __init__(self, rows: Mapping[str, Sequence[Tokens]]) -> None:
        self._rows = rows
        self._orders = {code: StepOrder([len(row.ids) for row in own], len(own), 0) for code, own in rows.items()}

    @property
    def longest(self) -> int:
        """Tokens of the longest row; 0 where there is none."""
        return max((int(order.lengths.max()) for order in self._orders.values()), default=0)

    def losses(
        self, choice: Choice, no_row: Tokens, summed: Callable[[Sequence[Tokens]], torch.Tensor], model: PreTrainedModel
    ) -> dict[str, float]:
        """Returns the loss of each language, in nats a token that bears loss; `summed` gives that of a micro-batch, summed."""
        world, rank = sharding.world_size(), sharding.rank()
        found = {}
        model.eval()
        with torch.no_grad():
            for code, own in self._rows.items():
                parts = [
                    summed([own[row] for row in some] or [no_row])
                    for some in self._orders[code].micro_batches(0, choice, world, rank)
                ]
                tokens = sum(len(row.ids) - row.start for row in own)
                found[code] = sharding.mean(torch.stack(parts).sum()) * world / tokens
        model.train()
        return found


def best_step(log: Sequence[StageProgress]) -> int | None:
    """Returns the step at which held-out loss, its mean over languages, was lowest, the first such; None where nobody looked."""
    looked = [(fmean(row.held_out.values()), row.step) for row in log if row.held_out]
    return min(looked)[1] if looked else None


def is_over(log: Sequence[StageProgress], patience: int | None) -> bool:
    """Returns whether so many looks in a row, the last ones, found no lower loss than there was."""
    looked = [row.step for row in log if row.held_out]
    best = best_step(log)
    return patience is not None and best is not None and len(looked) - 1 - looked.index(best) >= patience


def copy_of(learning: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Returns weights as they are: in main memory, or, in shards, where these are."""
    where = {} if sharding.world_size() > 1 else {"device": "cpu"}
    return {name: weight.detach().to(**where, copy=True) for name, weight in learning.items()}  # type: ignore[call-overload]
