r"""Answers that are expressions: which one a response gives, and whether it equals the gold answer, by math_verify.

>>> expression_reading(r"Donc $x = \boxed{\frac{1}{2}}$.", "fr")
'\\frac{1}{2}'
>>> equal("$0.5$", r"\frac{1}{2}")
True

math_verify (https://github.com/huggingface/Math-Verify) parses and simplifies what models write, and some of that takes all the
time and memory there is. So it is asked in processes of its own. Each loads math_verify once and forks the one that compares; when
the kernel ends that one, it forks the next. The limit is one of processor time, so that a busy machine changes no verdict.
"""

import os
import queue
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal, Never

from xreason.tasks.errors import UserError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

#: Seconds of processor time after which a comparison is ended; what it compares is not equal then.
TIME_LIMIT = 0.9
_LONGEST_WAIT = 60.0  # seconds by the clock, in case the machine hardly runs at all
_MEMORY = 2 << 30  # bytes of address space that a comparing process may have
_GROWN = 1 << 19  # kibibytes of memory at which it makes way for a fresh one
_LONGEST = 4000  # characters of an answer that is compared; the longest published gold has 273
_PROCESSES = min(4, os.cpu_count() or 1)

Boxed = Literal["first", "last"]

_BOXED = re.compile(r"\\?\b[fF]?boxed\s*\{")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})")


def boxed(text: str, which: Boxed) -> str | None:
    r"""Returns what the first or the last `\boxed{...}` of `text` that is closed holds, braces in it included; None without one."""
    starts = [match.end() for match in _BOXED.finditer(text)]
    for start in starts if which == "first" else reversed(starts):
        depth = 1
        for end in range(start, len(text)):
            depth += (text[end] == "{") - (text[end] == "}")
            if depth == 0:
                return text[start:end].strip()
    return None


def paper_expression(text: str, which: Boxed) -> str | None:
    r"""Returns the expression that the authors of a benchmark take for the answer of `text`, or None where there is none.

    `which` box counts: PolyMath's authors take the first, MMATH's the last.
    """
    return boxed(text, which)


def expression_reading(text: str, language: str) -> str | None:
    r"""Returns the expression, in LaTeX, that a careful reader takes for the answer of `text`, or None where there is none.

    Args:
        text: the response, any string.
        language: the language that it was asked in, by its ISO 639 code.
    """
    return boxed(text, "last")


@lru_cache(maxsize=1 << 16)
def equal(gold: str, answer: str) -> bool:
    """Returns whether an answer, in LaTeX, equals the gold answer, as it is published: the same text, or equal to math_verify.

    Raises:
        UserError: the processes that compare cannot be started.
    """
    gold, answer = gold.strip(), answer.strip()
    if _bare(gold) == _bare(answer):
        return bool(_bare(gold))
    if len(answer) > _LONGEST or not answer or (_INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer)):
        return False
    comparer = _comparers().get()
    try:
        return comparer.compare(gold, answer)
    finally:
        _comparers().put(comparer)


def all_equal(pairs: Sequence[tuple[str, str]]) -> list[bool]:
    """Returns of each (gold, answer) whether they are equal, several compared at a time.

    Raises:
        UserError: the processes that compare cannot be started.
    """
    with ThreadPoolExecutor(_PROCESSES) as threads:
        return list(threads.map(lambda pair: equal(*pair), pairs))


def _bare(text: str) -> str:
    return re.sub(r"[\s$]|\\left|\\right|\\[,;!]", "", text)


@cache
def _comparers() -> "queue.LifoQueue[_Comparer]":
    comparers: queue.LifoQueue[_Comparer] = queue.LifoQueue()
    for _ in range(_PROCESSES):
        comparers.put(_Comparer())
    return comparers


class _Comparer:
    """A process with math_verify in it, started when it is first asked."""

    _connection: "Connection | None" = None

    def compare(self, gold: str, answer: str) -> bool:
        for _ in range(2):  # a process that something else ended is no verdict
            connection = self._connection or self._start()
            try:
                connection.send((gold, answer))
                if connection.poll(_LONGEST_WAIT):
                    return bool(connection.recv())
                self._end()
                return False
            except (EOFError, OSError):
                self._end()
        raise UserError("The processes that compare expressions were ended twice; see whether this machine has memory left.")

    def _start(self) -> "Connection":
        from multiprocessing import Pipe

        connection, theirs = Pipe()
        program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve({theirs.fileno()})"
        # no fork of this process, which may hold threads of vLLM; hashes of texts, and so the order of sets, are the same each time
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        try:
            connection.recv()
        except EOFError as error:
            raise UserError(
                "math_verify cannot be loaded; `pip install 'math-verify[antlr4-11-0]'` into this environment."
            ) from error
        self._connection = connection
        return connection

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._process.kill()
            self._process.wait()
            self._connection = None


def serve(descriptor: int) -> None:
    """Compares what comes through a connection, in processes forked from this one, until it is closed."""
    import resource
    from multiprocessing.connection import Connection

    connection = Connection(descriptor)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    _verdict(r"$\frac{1}{2}$", "0.5")  # which loads math_verify whole
    connection.send(None)
    while True:
        child = os.fork()
        if child == 0:
            _compare(connection)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            connection.send(False)
        elif os.WEXITSTATUS(status) == 0:
            return


def _compare(connection: "Connection") -> Never:
    import resource
    import signal

    while resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < _GROWN:
        try:
            gold, answer = connection.recv()
        except EOFError:
            os._exit(0)
        signal.setitimer(signal.ITIMER_PROF, TIME_LIMIT)  # at its end the kernel ends this process
        verdict = _verdict(gold, answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(verdict)
    os._exit(1)


def _verdict(gold: str, answer: str) -> bool:
    """Returns math_verify's verdict, as MMATH's authors ask for it (RUCAIBox/MMATH, mmath_eval.py, 8796b04)."""
    from math_verify import parse, verify

    said = parse(f"${answer}$", parsing_timeout=None)
    return bool(verify(_gold(gold), said, timeout_seconds=None))


@lru_cache(maxsize=1 << 12)
def _gold(gold: str) -> list[object]:
    from math_verify import parse

    # (1,4,4), (2,4,4) is nothing to math_verify without dollars
    return list(parse(gold if "$" in gold else f"${gold}$", parsing_timeout=None))
