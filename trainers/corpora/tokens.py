"""Examples as a model sees them: exact tokens, cut off where they are too long, and loss on the response alone or on all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy
from numpy.typing import NDArray

from xreason.tasks.errors import UserError
from xreason.trainers.corpora.examples import Example
from xreason.trainers.stages import LossOn, Truncation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: What PyTorch's cross entropy leaves out.
IGNORED = -100


@dataclass(frozen=True, eq=False)
class Tokens:
    """One example as the model sees it."""

    ids: NDArray[numpy.int32]  #: prompt, response, end of text; a fourteenth of the memory of Python's numbers
    prompt_length: int  #: how many of them bear no loss: the prompt's, or none

    @property
    def start(self) -> int:
        """Where loss begins: nothing stands before the first token that could foretell it."""
        return max(self.prompt_length, 1)

    @property
    def labels(self) -> NDArray[numpy.int32]:
        """What bears loss at its place, IGNORED at the others; made anew."""
        labels = self.ids.copy()
        labels[: self.start] = IGNORED
        return labels

    @property
    def length(self) -> int:
        """How many tokens it is."""
        return len(self.ids)

    @property
    def longest(self) -> int:
        """The same: it is one sequence."""
        return len(self.ids)

    @property
    def labelled(self) -> int:
        """How many of them bear loss."""
        return len(self.ids) - self.start


@dataclass(frozen=True)
class Cut:
    """What of a stage's examples was too long."""

    truncated: Mapping[str, int]  #: language code to examples of which something was cut off; languages without any are not in it
    left_out: int  #: those of them of which nothing that bears loss remained: they would teach nothing, and are not trained on


def tokenize(
    examples: Sequence[Example],
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
    truncation: Truncation = "right",
    loss_on: LossOn = "response",
) -> tuple[list[Tokens], Cut]:
    """Returns the examples as tokens, at most `max_length` each, and what was cut off.

    The prompt's tokens are those of `tokenizer(prompt)`, which is what is scored. The response follows without anything between, as
    the joint text is tokenized; where a token would span the border (so that scoring could never see it) the response is
    tokenized on its own. For `truncation` and `loss_on` see Stage.

    Raises:
        UserError: the tokenizer has no end-of-text token, or no example has anything left to learn.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise UserError(
            "The tokenizer has no end-of-text token (eos_token), so the model could never learn to stop; set one in it."
        )
    prompts = tokenizer([example.prompt for example in examples])["input_ids"]
    joint = tokenizer([example.prompt + example.response for example in examples])["input_ids"]
    rows: list[Tokens] = []
    truncated: Counter[str] = Counter()
    for example, prompt, ids in zip(examples, prompts, joint, strict=True):
        if ids[: len(prompt)] != prompt:
            ids = prompt + tokenizer(example.response, add_special_tokens=False)["input_ids"]
        if ids[-1] != end or len(ids) == len(prompt):
            ids = [*ids, end]
        kept = len(prompt)
        if len(ids) > max_length:
            truncated[example.language] += 1
            if truncation == "proportional":
                # LLaMA-Factory 0.5.3, src/llmtuner/data/utils.py, infer_max_len
                kept = max_length - max(int(max_length * ((len(ids) - kept) / len(ids))), 1)
                ids = ids[:kept] + ids[len(prompt) :]
            ids = ids[:max_length]
        row = Tokens(numpy.array(ids, numpy.int32), kept if loss_on == "response" else 0)
        if len(ids) > row.start:
            rows.append(row)
    if not rows:
        raise UserError(f"None of the {len(examples)} examples has a response within max_length={max_length} tokens; raise it.")
    return rows, Cut(dict(truncated), len(examples) - len(rows))
