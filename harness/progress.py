"""What is shown while something long runs: a rich line on the error stream, and a line for each thing done."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

#: Tables go to the output stream; everything that only says how it goes, to the error stream.
console = Console(stderr=True, highlight=False)

#: How often a log, which cannot be drawn over, gets a line.
SECONDS_A_LINE = 30


class Report(Protocol):
    """What moves a progress line."""

    def __call__(self, done: int, total: int, words: str = "") -> None:
        """Says that `done` of `total` are done, and a few words."""


class Listener(Protocol):
    """Who is told, in place of the error stream, what goes on in this process."""

    def said(self, text: str) -> None:
        """Is told a line."""

    def moved(self, done: int, total: int, words: str = "") -> None:
        """Is told how far the work in hand is."""


_interrupted = False
_listener: Listener | None = None


def is_first_process() -> bool:
    """Returns whether this process speaks and writes: alone, or the first of those that torchrun or accelerate started."""
    return os.environ.get("RANK", "0") == "0"


def tell(listener: Listener) -> None:
    """Has all that this process would show told to a listener instead."""
    global _listener
    _listener = listener


def heed_interrupts() -> None:
    """Makes Ctrl-C end the program even where a library swallows the KeyboardInterrupt: the next progress raises it again."""

    def interrupt(*_: object) -> None:
        global _interrupted
        _interrupted = True
        raise KeyboardInterrupt

    usual = sys.unraisablehook

    def swallowed(told: "sys.UnraisableHookArgs") -> None:
        # where Python itself swallows it, in a destructor, it would say so with a traceback
        if not isinstance(told.exc_value, KeyboardInterrupt):
            usual(told)

    signal.signal(signal.SIGINT, interrupt)
    sys.unraisablehook = swallowed


def _end_if_interrupted() -> None:
    if _interrupted:
        raise KeyboardInterrupt


def say(text: str) -> None:
    """Prints one line of what is going on; `text` is shown as it is."""
    _end_if_interrupted()
    if _listener:
        _listener.said(text)
    elif is_first_process():
        console.print(text, markup=False, style="dim", soft_wrap=True)


@contextmanager
def bar(title: str) -> Iterator[Report]:
    """Shows a progress line while the block runs; yields what moves it. Into a file or pipe, a line every half minute instead."""
    if _listener:
        yield _listener.moved
        return
    if not console.is_terminal:
        yield _lines(title)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None, words="")

        def report(done: int, total: int, words: str = "") -> None:
            _end_if_interrupted()
            progress.update(task, completed=done, total=total, words=words)

        yield report


def _lines(title: str) -> Report:
    last = time.monotonic()

    def report(done: int, total: int, words: str = "") -> None:
        nonlocal last
        _end_if_interrupted()
        if time.monotonic() - last >= SECONDS_A_LINE:
            last = time.monotonic()
            say(f"{title}: {done:,} of {total:,} {words}".rstrip())

    return report
