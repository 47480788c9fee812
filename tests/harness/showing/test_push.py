"""Boards and models on the hub: uploaded by its own client to a server that speaks as much of its API as that needs."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.harness.conftest import Run
from tests.leaderboards.conftest import make_record
from xreason.harness.scoring.records import boards_of
from xreason.harness.showing.export import push_boards
from xreason.leaderboards.records import write_record
from xreason.tasks.errors import UserError

FILES = {f"leaderboard.{ending}" for ending in ("md", "json", "csv", "tex", "html")}


class Hub(ThreadingHTTPServer):
    """Keeps what was committed: the kind and name of a repository, and the files in it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.kept: dict[tuple[str, str], dict[str, bytes]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token != "hf_writer":
            return self._answer(403 if token else 401, {"error": "no"})
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            kind, name = asked.get("type", "model"), f"{asked.get('organization') or 'me'}/{asked['name']}"
            there = (kind, name) in self.server.kept
            self.server.kept.setdefault((kind, name), {})
            prefix = "" if kind == "model" else f"{kind}s/"
            return self._answer(409 if there else 200, {"url": f"{self.server.url}/{prefix}{name}", "error": "it is there"})
        kind, name, what = re.findall(r"^/api/(model|dataset)s/(.+)/(preupload|commit)/main", self.path)[0]
        if what == "preupload":
            files = [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False} for each in json.loads(body)["files"]]
            return self._answer(200, {"files": files})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.server.kept[kind, name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        url = f"{self.server.url}/{kind}s/{name}/commit/0123"
        return self._answer(200, {"commitUrl": url, "commitOid": "0123", "hookOutput": ""})

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", "hf_writer")
        yield server
        server.shutdown()


def test_a_board_and_its_pictures_are_uploaded_as_they_are_written(hub: Hub, xreason: Run, tmp_path: Path) -> None:
    write_record(make_record("base", {"en": 0.4, "sw": 0.1}), tmp_path / "runs" / "base" / "0" / "record.json")
    places = ("--out", tmp_path / "out", "--pictures", tmp_path / "pictures")
    there = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_writer"}
    done = xreason("board", tmp_path / "runs", *places, "--push", "lab/boards", **there)
    assert done.returncode == 0, done.stderr
    assert f"uploaded to {hub.url}/datasets/lab/boards" in done.stderr
    kept = hub.kept["dataset", "lab/boards"]
    drawn = {f"pictures/{path.name}": path.read_bytes() for path in (tmp_path / "pictures").iterdir()}
    written = {name: (tmp_path / "out" / name).read_bytes() for name in FILES}
    assert drawn and kept == written | drawn


def test_a_board_is_uploaded_again_over_the_one_before(hub: Hub) -> None:
    for accuracy in (0.4, 0.6):
        address = push_boards(boards_of([make_record("base", {"en": accuracy})]), "lab/boards")
    assert address == f"{hub.url}/datasets/lab/boards"
    assert set(hub.kept["dataset", "lab/boards"]) == FILES
    assert b"60.0" in hub.kept["dataset", "lab/boards"]["leaderboard.md"]


@pytest.mark.parametrize(("token", "said"), [("", "it does not know you: log in with"), ("hf_reader", "your token may not write")])
def test_who_may_not_write_there_is_told_so(hub: Hub, token: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match=rf"^The hub does not take lab/boards \({said}.*\); keep them with --out meanwhile\.$"):
        push_boards(boards_of([make_record("base", {"en": 0.4})]), "lab/boards")
    assert hub.kept == {}


def test_a_hub_that_is_not_reached_is_said_in_one_sentence(xreason: Run, tmp_path: Path) -> None:
    write_record(make_record("base", {"en": 0.4}), tmp_path / "record.json")
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_writer"}
    done = xreason("board", tmp_path / "record.json", "--push", "lab/boards", **nowhere)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("The hub does not take lab/boards (ConnectError); keep them with --out meanwhile.")
