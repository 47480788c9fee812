"""Responses kept as they come, so that a scoring that is killed goes on where it was.

    runs/pocket/slam/0/scores/.answers-0f3a1c5be2d94a77.jsonl
    {"asked": "1c0d5e...", "said": [["Let's think step by step ... The answer is 12.", "stop", 41, null]]}

One line a prompt: the hash of its tokens (of its text, where a server answers) and of how it is sampled, and what its samples
say, with vLLM's reason why each ended, and the tokens that it took.
The file's name is of all that can change a response, weights and questions among it: it never answers for another model.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

#: The tokens of a prompt, or its text where a server makes tokens of it.
Prompt = tuple[int, ...] | str


#: How many a response took, and how many of them are thinking; None where that is not known.
Tokens = tuple[int | None, int | None]


class Answer(NamedTuple):
    """One response, and vLLM's reason why it ended: "stop", or "length" at the token limit."""

    text: str
    finish_reason: str | None
    tokens: int | None = None  #: that it took, what ends it included; None where that is not told
    thinking_tokens: int | None = None  #: those of them that are no part of the answer; None where a model cannot mark them


#: What models mark their thinking with, each a token of its own; see xreason.tasks.readings.verdicts.answer_part.
THINKING = ("<think>", "</think>")


def thinking_marks(tokenizer: Any) -> tuple[int, ...]:
    """Returns the tokens that begin and end thinking; none where a tokenizer has not both."""
    known = tokenizer.get_added_vocab()
    return tuple(known[mark] for mark in THINKING) if {*THINKING} <= {*known} else ()


def answer_of(said: Any, marks: tuple[int, ...]) -> Answer:
    """Returns one of vLLM's completions; `marks` as thinking_marks gives them."""
    return Answer(
        said.text, said.finish_reason, len(said.token_ids), thinking_tokens(list(said.token_ids), *marks) if marks else None
    )


def thinking_tokens(tokens: Sequence[int], begin: int, end: int) -> int:
    """Returns how many tokens of a response are thinking: up to the last that ends it, and from one after that which begins it."""
    ended = len(tokens) - tokens[::-1].index(end) if end in tokens else 0
    rest = tokens[ended:]
    return ended + (len(rest) - rest.index(begin) if begin in rest else 0)


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
