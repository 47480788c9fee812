"""One table of all jobs that others do: which is where, how far, how fast. Drawn anew in a terminal; elsewhere a line a change."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.live import Live
from rich.table import Table

from xreason.harness import progress
from xreason.harness.placing import Job


@dataclass
class _Line:
    job: Job
    state: str = "waiting"
    where: str = ""
    began: float | None = None
    ended: float | None = None
    how: str = ""  #: how fast

    @property
    def seconds(self) -> str:
        return "" if self.began is None else f"{(self.ended or time.monotonic()) - self.began:,.0f}"


class LiveTable:
    """Rows by jobs, in their order: row, step, state, node, seconds, speed. Use it in a `with` block."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._lines = {job.key: _Line(job) for job in jobs}
        self._live = Live(
            console=progress.console,
            get_renderable=self.table,
            refresh_per_second=2,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def state(self, job: Job, state: str, where: str = "") -> None:
        """Notes that a job is now waiting, begun, done, failed or found done."""
        line = self._lines[job.key]
        line.where = where or line.where
        if state == "begun":
            state, line.began, line.ended = job.what, time.monotonic(), None
        elif line.began is not None and line.ended is None:
            line.ended = time.monotonic()
        # how far it was said to be last is behind it
        line.state, line.how = state, line.how if state == "done" and line.how.endswith("tokens/s") else ""
        if not progress.console.is_terminal:
            took = f", {line.seconds} s" if line.ended is not None else ""
            place = f" on {line.where}" if line.where else ""
            progress.say(f"{job.name}, {job.what}: {'begun' if state == job.what else state}{place}{took}")

    def moved(self, key: tuple[str, str], done: int, total: int, words: str) -> None:
        """Notes how far a job is: what is said of tokens a second is its speed, else what it has done by now."""
        line = self._lines.get(key)
        if line is None or line.began is None or line.ended is not None:
            return
        line.state = f"{line.job.what} {done / max(total, 1):.0%}"
        tokens = [part for part in words.split(", ") if part.endswith("tokens/s")]
        line.how = tokens[0] if tokens else f"{done:,} of {total:,}"

    def table(self) -> Table:
        """Returns it as it is now."""
        table = Table("row", "step", "state", "node", "seconds", "speed", title_justify="left")
        for line in self._lines.values():
            table.add_row(line.job.name, line.job.what, line.state, line.where, line.seconds, line.how)
        return table

    def __enter__(self) -> "LiveTable":
        if progress.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if progress.console.is_terminal:
            self._live.stop()
        else:
            progress.console.print(self.table())
