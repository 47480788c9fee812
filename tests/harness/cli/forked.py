"""The command line, in processes that begin with everything imported: hundreds of commands in the time of a few.

One server imports all that is heavy once. Every command runs in a fork of it, as `xreason` would in a process of its own: with a
folder, environment, output and exit code of its own, and nothing of it is left for the next one. No engine is ever started: what
imports vLLM is ended.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

#: What commands import; none of it may start a thread.
HEAVY = (
    *("torch", "transformers", "lm_eval", "lm_eval.models.api_models", "datasets", "pyarrow.parquet", "safetensors.torch"),
    *("rich.console", "rich.table", "transformers.models.llama.modeling_llama", "transformers.core_model_loading", "requests"),
    *(
        "xreason.harness.cli.app",
        "xreason.harness.run",
        "xreason.harness.plan",
        "xreason.harness.experiment",
        "xreason.trainers.train",
    ),
    *("xreason.harness.scoring.evaluate", "xreason.harness.scoring.rescore", "xreason.harness.showing.export"),
    *("xreason.harness.showing.tables", "xreason.harness.adding.languages", "xreason.leaderboards.forms.terminal"),
)
STARTED_AN_ENGINE = 99


class Ended(NamedTuple):
    """How a command ended; `code` is that of subprocess, -9 where it ran out of time."""

    code: int
    out: str
    err: str
    seconds: float


class Forked:
    """Runs commands, or functions, in forks of one server."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        command = [sys.executable, "-m", "tests.harness.cli.forked"]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(environment))

    def run(self, *arguments: object, at: Path, timeout: float = 30, call: str = "", **variables: str) -> Ended:
        """Runs `xreason ARGUMENTS` in the folder `at`, or the function `call` ("module:name") with these arguments."""
        assert self._server.stdin
        assert self._server.stdout
        out, err = self._folder / "out", self._folder / "err"
        asked = {"arguments": [str(each) for each in arguments], "at": str(at), "timeout": timeout, "call": call}
        self._server.stdin.write(json.dumps({**asked, "out": str(out), "err": str(err), "variables": variables}) + "\n")
        self._server.stdin.flush()
        said = json.loads(self._server.stdout.readline())
        texts = (path.read_text(encoding="utf-8", errors="replace") for path in (out, err))
        return Ended(said["code"], *texts, said["seconds"])

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.communicate(timeout=30)


class _NoEngine:
    def find_spec(self, name: str, *_: Any) -> None:
        if name == "xreason.harness.serving.engine":
            os._exit(STARTED_AN_ENGINE)


def _child(arguments: Sequence[str], at: str, call: str, out: str, err: str, variables: Mapping[str, str]) -> None:
    for path, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.chdir(at)
    os.environ.update(variables)
    code = 1
    try:
        if call:
            module, _, name = call.partition(":")
            getattr(importlib.import_module(module), name)(*arguments)
            code = 0
        else:
            sys.meta_path.insert(0, _NoEngine())
            if "--tasks" in arguments or "XREASON_TASKS" in variables:
                # what a person's folder adds is read on import
                for name in [name for name in sys.modules if name.partition(".")[0] == "xreason"]:
                    del sys.modules[name]
            sys.argv = ["xreason", *arguments]
            importlib.import_module("xreason.harness.cli.app").main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    for name in HEAVY:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        timeout, began = asked.pop("timeout"), time.perf_counter()
        child = os.fork()
        if not child:
            os.setsid()
            _child(**asked)
        signal.signal(signal.SIGALRM, lambda *_, child=child: os.killpg(child, signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, timeout)
        _, status = os.waitpid(child, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        said = {"code": os.waitstatus_to_exitcode(status), "seconds": time.perf_counter() - began}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
