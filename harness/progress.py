"""What is shown while something long runs: a rich line on the error stream, and a line for each thing done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

#: Tables go to the output stream; everything that only says how it goes, to the error stream.
console = Console(stderr=True, highlight=False)

#: Told how much is done, how much there is, and a few words.
Report = Callable[[int, int, str], None]


def say(text: str) -> None:
    """Prints one line of what is going on; `text` is shown as it is."""
    console.print(text, markup=False, style="dim")


@contextmanager
def bar(title: str) -> Iterator[Report]:
    """Shows a progress line while the block runs; yields what moves it."""
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
            progress.update(task, completed=done, total=total, words=words)

        yield report
