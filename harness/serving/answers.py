"""Responses kept as they come, so that a scoring that is killed goes on where it was.

    runs/pocket/slam/0/scores/.answers-0f3a1c5be2d94a77.jsonl
    {"asked": "1c0d5e...", "said": [["Let's think step by step ... The answer is 12.", "stop", 41, null]]}

One line a prompt: the hash of its tokens (of its text, where a server answers) and of how it is sampled, and what its samples
say, with vLLM's reason why each ended, and the tokens that it took.
The file's name is of all that can change a response, weights and questions among it: it never answers for another model.
"""

import copy
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

from xreason.tasks.readings.verdicts import THINK_END, think_begin

#: The tokens of a prompt, or its text where a server makes tokens of it.
Prompt = tuple[int, ...] | str


#: Makes text of tokens.
Decode = Callable[[list[int]], str]

#: How many a response took, and how many of them are thinking; None where that is not known.
Tokens = tuple[int | None, int | None]


class Answer(NamedTuple):
    """One response, and vLLM's reason why it ended: "stop", or "length" at the token limit."""

    text: str
    finish_reason: str | None
    tokens: int | None = None  #: that it took, what ends it included; None where that is not told
    thinking_tokens: int | None = None  #: those of them that are no part of the answer; None where a model cannot mark them
    thinking_ended: bool | None = None  #: whether its thinking was ended at its budget; None without one


#: What models mark their thinking with, each a token of its own; see xreason.tasks.readings.verdicts.parts.
THINKING = (think_begin(THINK_END), THINK_END)


def thinking_marks(tokenizer: Any, end: str | None = None) -> tuple[int, ...]:
    """Returns the tokens that begin and end thinking, `end` or the usual one; none where a tokenizer has not both."""
    known, marks = tokenizer.get_added_vocab(), (think_begin(end), end) if end else THINKING
    return tuple(known[mark] for mark in marks) if {*marks} <= {*known} else ()


class Budget(NamedTuple):
    """How many tokens the thinking of a response may have, and its answer."""

    thinking: int
    answer: int


def budget_of(params: Any) -> Budget | None:
    """Returns what vLLM's parameters say of it: an answer has what thinking and its marks leave."""
    thinking: int | None = params.thinking_token_budget
    return None if thinking is None else Budget(thinking, params.max_tokens - thinking - len(THINKING))


def answer_of(said: Any, marks: tuple[int, ...], prompt: Sequence[int], budget: Budget | None, decode: Decode) -> Answer:
    """Returns one of vLLM's completions.

    Args:
        said: the completion.
        marks: as thinking_marks gives them.
        prompt: its tokens.
        budget: what vLLM ended its thinking at; an answer that is longer is cut off. Marks are in neither.
        decode: makes text of tokens.
    """
    tokens, text, reason = list(said.token_ids), said.text, said.finish_reason
    if not marks:
        return Answer(text, reason, len(tokens))
    before = _thinking_before(prompt, *marks)
    lengths = list(_lengths(tokens, *marks, before=before))
    if budget:
        places = [place for place, length in enumerate(lengths) if length is None and tokens[place] not in marks]
        if len(places) > budget.answer:
            tokens, reason = tokens[: places[budget.answer]], "length"
            # half a character that the last token began is no text yet
            text = text[: len(decode(tokens).rstrip("\ufffd"))]
    ended = any(length is not None and length >= budget.thinking for length in lengths) if budget else None
    return Answer(text, reason, len(tokens), thinking_tokens(tokens, *marks, begun=before is not None), ended)


def thinking_tokens(tokens: Sequence[int], begin: int, end: int, *, begun: bool = False) -> int:
    """Returns how many tokens of a response are thinking: up to the last that ends it, and from one after that which begins it.

    Of one whose prompt has `begun` to think, all are where none ends it.
    """
    ended = len(tokens) - tokens[::-1].index(end) if end in tokens else 0
    rest = tokens[ended:]
    if begun and not ended:
        return len(tokens)
    return ended + (len(rest) - rest.index(begin) if begin in rest else 0)


def _thinking_before(prompt: Sequence[int], begin: int, end: int) -> int | None:
    """Returns for how many tokens a prompt is thinking at its end; None where it is not."""
    marked = next((place for place, token in enumerate(reversed(prompt)) if token in (begin, end)), None)
    return None if marked is None or prompt[-1 - marked] == end else marked


def _lengths(tokens: Sequence[int], begin: int, end: int, *, before: int | None) -> Iterator[int | None]:
    """Yields of each token how many of thinking stand right before it, as vLLM counts them; None where it is none of them."""
    length = before
    for token in tokens:
        yield length
        length = None if token == end else 0 if token == begin else None if length is None else length + 1


def sampling_of(params: Any, prompt: Sequence[int], samples: int) -> Any:
    """Returns vLLM's parameters of one prompt's samples, which depend on the prompt alone: not on what was asked before it."""
    if params.temperature == 0:
        return params
    own = copy.copy(params)
    own.n = samples
    own.seed = int.from_bytes(hashlib.sha256(repr(prompt).encode()).digest()[:4], "big")
    return own


class Answers:
    """The responses of one scoring, on disk as soon as they are here.

    Args:
        path: of the file; one that is there is gone on with.

    Raises:
        OSError: it is there and cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = dict(_read(path)) if path.exists() else {}
        self._file: IO[bytes] | None = None

    def known(self, prompt: Prompt, sampling: Any) -> list[Answer] | None:
        """Returns the samples of a prompt that was answered before, None for any other."""
        return self._known.get(_name(prompt, sampling))

    def keep(self, prompt: Prompt, sampling: Any, said: Iterable[Answer]) -> None:
        """Writes the samples of one prompt: from now on they outlive the process, however it dies."""
        line = {"asked": _name(prompt, sampling), "said": [list(answer) for answer in said]}
        if self._file is None:
            self._file = self._path.open("ab")
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()

    def remove(self) -> None:
        """Removes the file: what it held stands elsewhere now."""
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> "Answers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()


def _name(prompt: Prompt, sampling: Any) -> str:
    return hashlib.sha256(repr((prompt, sampling)).encode()).hexdigest()


def _read(path: Path) -> Iterable[tuple[str, list[Answer]]]:
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        # the process died while it wrote this line: the next would be glued to it
        with path.open("r+b") as file:
            file.truncate(len(whole) + 1 if whole else 0)
    for line in whole.split(b"\n") if whole else ():
        try:
            row = json.loads(line)
            yield str(row["asked"]), [Answer(*said) for said in row["said"]]
        except (ValueError, KeyError, TypeError):
            continue  # a damaged line is a question that is asked again
