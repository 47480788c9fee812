"""The page, served on this machine alone, and made anew when there is more to show.

xreason board runs --serve
"""

import hashlib
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from xreason.leaderboards.forms.page.page import PAGE_FILE

HOST = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    """Hands out the page and its samples; whoever calls this machine by another name is turned away."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *request: Any, directory: Path, refresh: Callable[[], None], lock: Lock) -> None:
        self._refresh, self._lock, self._etag = refresh, lock, ""
        super().__init__(*request, directory=str(directory))

    def send_head(self) -> Any:
        """Answers GET and HEAD, the page anew where there is more."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        # a page of another site, whose name may lead here, is not to read what models said
        if host not in (HOST, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        if self.path == "/":
            self.path = f"/{PAGE_FILE}"
        if self.path == f"/{PAGE_FILE}":
            with self._lock:
                self._refresh()
            self._etag = hashlib.sha256((Path(self.directory) / PAGE_FILE).read_bytes()).hexdigest()
        return super().send_head()

    def end_headers(self) -> None:
        """Ends the headers, with what tells this page from an older one."""
        if self._etag:
            self.send_header("ETag", f'"{self._etag}"')
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        """Refuses to list a folder."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 (the name is its base's)
        """Says nothing: this is no server's log."""


def server(directory: Path, refresh: Callable[[], None], port: int = 0) -> ThreadingHTTPServer:
    """Returns a server of the page in `directory`, on loopback, not yet serving.

    Args:
        directory: where the page stands; nothing else should.
        refresh: called before the page is handed out, never twice at a time; it writes the page anew where there is more.
        port: to listen at; 0 for any that is free.

    Raises:
        OSError: the port is taken.
    """
    return ThreadingHTTPServer((HOST, port), partial(_Handler, directory=directory, refresh=refresh, lock=Lock()))
