"""Examples as a model sees them: exact tokens, cut off where they are too long, and loss on the response alone or on all."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy
from numpy.typing import NDArray

from xreason.tasks.errors import UserError
from xreason.trainers.corpora.examples import Example
from xreason.trainers.stages import LossOn, Truncation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: What PyTorch's cross entropy leaves out.
IGNORED = -100
_AT_ONCE = 4096  # rows that are tokenized at once: lists of Python's numbers are large


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
    def learns(self) -> bool:
        """Whether anything of it bears loss."""
        return len(self.ids) > self.start

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

    def and_of(self, other: "Cut") -> "Cut":
        """Returns it together with what was too long of other rows."""
        return Cut(dict(Counter(self.truncated) + Counter(other.truncated)), self.left_out + other.left_out)


def encode(
    examples: Sequence[Example],
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
    truncation: Truncation = "right",
    loss_on: LossOn = "response",
) -> list[tuple[Tokens, bool]]:
    """Returns each example as tokens, at most `max_length`, and whether something was cut off; there may be nothing left to learn.

    The prompt's tokens are those of `tokenizer(prompt)`, which is what is scored. The response follows without anything between, as
    the joint text is tokenized; where a token would span the border (so that scoring could never see it) the response is
    tokenized on its own. For `truncation` and `loss_on` see Stage.

    Raises:
        UserError: the tokenizer has no end-of-text token.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise UserError(
            "The tokenizer has no end-of-text token (eos_token), so the model could never learn to stop; set one in it."
        )
    prompts = tokenizer([example.prompt for example in examples])["input_ids"]
    joint = tokenizer([example.prompt + example.response for example in examples])["input_ids"]
    rows: list[tuple[Tokens, bool]] = []
    for example, prompt, ids in zip(examples, prompts, joint, strict=True):
        if ids[: len(prompt)] != prompt:
            ids = prompt + tokenizer(example.response, add_special_tokens=False)["input_ids"]
        if ids[-1] != end or len(ids) == len(prompt):
            ids = [*ids, end]
        kept, whole = len(prompt), len(ids)
        if whole > max_length:
            if truncation == "proportional":
                # LLaMA-Factory 0.5.3, src/llmtuner/data/utils.py, infer_max_len
                kept = max_length - max(int(max_length * ((len(ids) - kept) / len(ids))), 1)
                ids = ids[:kept] + ids[len(prompt) :]
            ids = ids[:max_length]
        row = Tokens(numpy.array(ids, numpy.int32), min(kept, len(ids)) if loss_on == "response" else 0)
        rows.append((row, whole > max_length))
    return rows


def tokenize(
    examples: Sequence[Example],
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
    truncation: Truncation = "right",
    loss_on: LossOn = "response",
) -> tuple[list[Tokens], Cut]:
    """Returns the examples as `encode` does, without those that have nothing left to learn, and what was cut off.

    Raises:
        UserError: the tokenizer has no end-of-text token, or no example has anything left to learn.
    """
    rows: list[Tokens] = []
    truncated: Counter[str] = Counter()
    for start in range(0, len(examples), _AT_ONCE):
        some = examples[start : start + _AT_ONCE]
        for example, (row, cut) in zip(some, encode(some, tokenizer, max_length, truncation, loss_on), strict=True):
            truncated.update([example.language] if cut else ())
            if row.learns:
                rows.append(row)
    check_some(rows, examples, max_length)
    return rows, Cut(dict(truncated), len(examples) - len(rows))


def check_some(rows: Sequence[Tokens], examples: Sequence[Example], max_length: int) -> None:
    """Raises a UserError where there are no rows with anything to learn."""
    if not any(row.learns for row in rows):
        raise UserError(f"None of the {len(examples)} examples has a response within max_length={max_length} tokens; raise it.")


class TokenStream:
    """Examples that are tokenized when their step comes, so that none waits for all; the last that were asked for are kept.

    An example that has nothing left to learn is left where it is, and bears no loss.

    Args:
        examples: all there are, by their numbers.
        encoded: what makes tokens of some, as `encode` does.
        longest: tokens that no row exceeds.
        kept: rows, at least as many as two steps have.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        encoded: Callable[[Sequence[Example]], list[tuple[Tokens, bool]]],
        longest: int,
        kept: int,
    ) -> None:
        self._examples, self._encoded, self._longest, self._most = examples, encoded, longest, kept
        self._rows: dict[int, tuple[Tokens, bool]] = {}

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, row: int) -> Tokens:
        self.fetch([row])
        return self._rows[row][0]

    def fetch(self, rows: Iterable[int]) -> None:
        """Tokenizes these rows, as far as they are not at hand."""
        asked = [int(row) for row in rows]
        if new := [row for row in asked if row not in self._rows]:
            made = self._encoded([self._examples[row] for row in new])
            kept = {row: self._rows[row] for row in asked if row in self._rows} | dict(zip(new, made, strict=True))
            before = list(self._rows.items())[-max(self._most - len(kept), 0) :] if self._most > len(kept) else []
            self._rows = {**dict(before), **kept}

    def cut(self, rows: Iterable[int]) -> Cut:
        """Returns what of some rows was too long."""
        asked = list(rows)
        self.fetch(asked)
        truncated = Counter(self._examples[row].language for row in asked if self._rows[row][1])
        return Cut(dict(truncated), sum(not self._rows[row][0].learns for row in asked))

    @property
    def lengths(self) -> "Lengths":
        """Their lengths, in tokens."""
        return _Lengths(self)

    @property
    def longest(self) -> int:
        """Tokens that no row exceeds."""
        return self._longest


class Lengths(Protocol):
    """Lengths of rows, in tokens, looked up by several of their numbers at once."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> NDArray[Any]: ...

    def max(self) -> int:
        """Returns what no length exceeds."""


class _Lengths:
    def __init__(self, stream: TokenStream) -> None:
        self._stream = stream

    def __len__(self) -> int:
        return len(self._stream)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        self._stream.fetch(rows)
        return numpy.array([len(self._stream[int(row)].ids) for row in rows], dtype=numpy.int64)

    def max(self) -> int:
        return self._stream.longest
