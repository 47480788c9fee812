"""A real proxy before a real server: it counts what is asked, and fails as it is told."""

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

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
