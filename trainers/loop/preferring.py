"""Preferences: pairs of responses as tokens, what the weights that a stage starts from give them, and the losses of DPO and SimPO.

    prompt     Natalia sold 48 clips in April, and half as many in May. How many in both?
    chosen     48 + 24 = 72. The answer is 72.          log p = -3.1, by the reference -3.4
    rejected   48 + 12 = 60. The answer is 60.          log p = -4.2, by the reference -3.9

Both sides of a pair go through the model in the same pass, each with the prompt; the reference's numbers stand in the pair.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy
import torch
import torch.distributed as dist
from torch.nn.functional import logsigmoid
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from xreason.tasks.errors import UserError
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.tokens import Cut, Tokens, tokenize
from xreason.trainers.loop import sharding
from xreason.trainers.loop.batches import StepOrder
from xreason.trainers.loop.losses import token_losses
from xreason.trainers.stages import Prefer
from xreason.trainers.tuning.fitting import Choice

_ENDLESS = 2**31
_REFERENCE_FILE = "reference.npy"

Collate = Callable[[Sequence[Tokens]], dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two responses to one prompt as the model sees them, each with the prompt."""

    chosen: Tokens
    rejected: Tokens
    #: log-probabilities of the two responses, in nats, by the weights that a stage starts from; 0 where its loss asks for none.
    reference: tuple[float, float] = (0.0, 0.0)

    @property
    def length(self) -> int:
        """How many tokens both are together."""
        return self.chosen.length + self.rejected.length

    @property
    def longest(self) -> int:
        """How many the longer one is."""
        return max(self.chosen.length, self.rejected.length)

    @property
    def labelled(self) -> int:
        """How many of them bear loss."""
        return self.chosen.labelled + self.rejected.labelled


def tokenize_pairs(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, max_length: int) -> tuple[list[Pair], Cut]:
    """Returns examples of two responses as pairs of tokens, as `tokenize` makes them, and what was cut off at the end of either.

    A pair of which nothing is left to compare is left out.

    Raises:
        UserError: an example is no pair, none is left, or the tokenizer has no end-of-text token.
    """
    if any(example.rejected is None for example in examples):
        said = "objective: prefer learns from pairs, and these rows have one response each"
        raise UserError(f"{said}; let the model make them: samples: {{count: 8}}.")
    sides = [replace(each, response=text) for each in examples for text in (each.response, str(each.rejected))]
    rows, truncated, pairs = tokenize(sides, tokenizer, _ENDLESS)[0], Counter[str](), list[Pair]()
    for example, chosen, rejected in zip(examples, rows[::2], rows[1::2], strict=True):
        truncated[example.language] += Pair(chosen, rejected).longest > max_length
        pair = Pair(_cut(chosen, max_length), _cut(rejected, max_length))
        if pair.chosen.labelled > 0 < pair.rejected.labelled and pair.chosen.ids.tolist() != pair.rejected.ids.tolist():
            pairs.append(pair)
    if not pairs:
        raise UserError(f"None of the {len(examples)} pairs differs within max_length={max_length} tokens; raise it.")
    return pairs, Cut({code: count for code, count in truncated.items() if count}, len(examples) - len(pairs))


def _cut(row: Tokens, max_length: int) -> Tokens:
    return Tokens(row.ids[:max_length], row.prompt_length)


def pair_losses(chosen: torch.Tensor, rejected: torch.Tensor, objective: Prefer) -> torch.Tensor:
    """Returns the loss of each pair, [pairs], of what each side is worth: see Prefer."""
    return -logsigmoid(objective.scale * (chosen - rejected) - objective.margin)


def preference_loss(
    model: PreTrainedModel, pairs: Sequence[Pair], collate: Collate, objective: Prefer, device: str
) -> tuple[torch.Tensor, torch.Tensor | float]:
    """Returns the loss over a micro-batch of pairs, summed; of none it is 0. Beside it what response_loss says."""
    worth, balance = _log_probabilities(model, pairs, collate, device)
    if objective.loss == "simpo":
        sides = [(max(pair.chosen.labelled, 1), max(pair.rejected.labelled, 1)) for pair in pairs or [_NO_PAIR]]
        worth = worth / torch.tensor(sides, device=device)
    else:
        worth = worth - torch.tensor([pair.reference for pair in pairs or [_NO_PAIR]], dtype=worth.dtype, device=device)
    return pair_losses(worth[:, 0], worth[:, 1], objective)[: len(pairs)].sum(), balance


def with_reference(
    model: PreTrainedModel,
    pairs: Sequence[Pair],
    order: StepOrder,
    choice: Choice,
    collate: Collate,
    device: str,
    kept: Path | None,
) -> list[Pair]:
    """Returns the pairs with the log-probabilities that `model`, as it is now and without dropout, gives them.

    They are read from the folder `kept` where an interrupted stage left them, and else left there. Of several processes each works
    out its share.
    """
    file = kept / _REFERENCE_FILE if kept else None
    found = sharding.from_main(lambda: numpy.load(file).tolist() if file and file.is_file() else None)
    if found is None:
        said = torch.zeros(len(pairs), 2, device=device)
        was_training = model.training
        model.eval()
        with torch.no_grad():
            for step in range(order.steps_an_epoch):
                for rows in order.micro_batches(step, choice, sharding.world_size(), sharding.rank()):
                    worth, _ = _log_probabilities(model, [pairs[row] for row in rows], collate, device)
                    said[rows] = worth[: len(rows)].float()
        model.train(was_training)
        if sharding.world_size() > 1:
            dist.all_reduce(said)
        found = said.tolist()
        if file and sharding.rank() == 0:
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_suffix(".partial.npy")
            numpy.save(aside, numpy.array(found, numpy.float32))
            aside.rename(file)
    return [replace(pair, reference=(one, other)) for pair, (one, other) in zip(pairs, found, strict=True)]


# takes part in a pass that has no pairs left for this process
_NO_PAIR = Pair(Tokens(numpy.zeros(1, numpy.int32), 1), Tokens(numpy.zeros(1, numpy.int32), 1))


def _log_probabilities(
    model: PreTrainedModel, pairs: Sequence[Pair], collate: Collate, device: str
) -> tuple[torch.Tensor, torch.Tensor | float]:
    """Returns the log-probabilities of both responses of each pair, in nats, [pairs, 2]; and what balances experts."""
    sides = [side for pair in pairs or [_NO_PAIR] for side in (pair.chosen, pair.rejected)]
    losses, balance = token_losses(model, collate(sides), device)
    parts: tuple[torch.Tensor, ...] = torch.split(losses, [side.labelled for side in sides])
    summed = torch.stack([part.sum() for part in parts])
    return -summed.view(-1, 2), balance
