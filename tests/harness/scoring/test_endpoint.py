"""Questions put to a running server: the model's own answers, as fast as it gives them, none asked for twice."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from benchmarks.server import Server
from tests.harness.conftest import Run
from tests.harness.scoring.conftest import responses
from tests.harness.scoring.served import Proxy, passing
from xreason.harness.plan import Plan, plan_endpoint
from xreason.harness.run import run
from xreason.harness.scoring import client
from xreason.harness.scoring.client import Client
from xreason.harness.scoring.evaluate import evaluate
from xreason.harness.scoring.questions import Asking, Scoring, scorings
from xreason.harness.scoring.verdicts import read_scores
from xreason.harness.serving.models import Model
from xreason.tasks.errors import UserError
from xreason.tasks.suites import SUITES


@pytest.fixture(scope="module")
def server(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server, which ends before the engine does: that waits a minute for all processes of vLLM that it is above."""
    running = Server(tmp_path_factory.mktemp("served"))
    yield running
    running.kill()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with passing(server.url) as running:
        yield running


def pocket_asked(limit: int = 8, **asking: Any) -> tuple[Scoring, ...]:
    return scorings(("pocket",), ("en", "sw"), limit=limit, max_new_tokens=38, asking=Asking(**asking))


def said(plan: Plan) -> list[list[list[str]]]:
    (score,) = plan.rows[0].scores
    return [responses(score.folder, f"pocket_{code}") for code in ("en", "sw")]


@pytest.mark.parametrize("asking", [{}, {"samples": 3, "temperature": 1.0, "top_k": 20}])
def test_a_server_answers_as_the_model_itself(
    server: Server, engine: Any, pocket: Model, tmp_path: Path, asking: dict[str, Any]
) -> None:
    (scoring,) = asked = pocket_asked(24, **asking)
    plan = plan_endpoint(server.url, (), asked, tmp_path)
    (record,) = (board.rows[0] for board in run(plan).boards)
    expected = evaluate(engine, "pocket", pocket, scoring, tmp_path / "itself")
    itself = [responses(tmp_path / "itself", f"pocket_{code}") for code in ("en", "sw")]
    tokens = {code: score.tokens for code, score in read_scores(plan.rows[0].scores[0].folder, SUITES["pocket"]).items()}
    if asking:
        # each prompt's seed is another
        assert [[len(each) for each in language] for language in said(plan)] == [[3] * 24] * 2
        assert any(len(set(each)) > 1 for each in said(plan)[0])
        assert all(24 * 3 < (each or 0) <= 24 * 3 * 38 for each in tokens.values())
    else:
        assert tokens == {code: score.tokens for code, score in expected.items()}
        assert said(plan) == itself
        assert record.mean_responses.cut_off == pytest.approx(sum(each.responses.cut_off or 0 for each in expected.values()) / 2)


def test_a_server_that_fails_now_and_then_is_asked_again(proxy: Proxy, tmp_path: Path) -> None:
    before = [500, 0, 429, 503]
    proxy.fails = lambda number, times: before[number % 4] if times == 1 and number % 3 else None
    plan = plan_endpoint(proxy.url, ("served",), pocket_asked(), tmp_path)
    run(plan)
    assert all(times == 1 for times in proxy.answered.values())
    assert sum(times > 1 for times in proxy.asked.values()) >= 8
    proxy.fails = lambda number, times: None
    steady = plan_endpoint(proxy.url, ("served",), pocket_asked(), tmp_path / "steady")
    run(steady)
    assert said(plan) == said(steady)


# it kills a server and starts it again: that is what is tested
def test_a_scoring_goes_on_where_it_was_after_its_server_died(
    server: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 2.0)
    asked = pocket_asked(40)
    proxy.fails = lambda number, times: server.kill() if number == 50 and times == 1 else None  # type: ignore[func-returns-value]
    plan = plan_endpoint(proxy.url, ("served",), asked, tmp_path, concurrency=8)
    with pytest.raises(UserError, match=r"stopped answering after \d+ of 80 .* start it again and give the same command"):
        run(plan)
    answered = dict(proxy.answered)
    assert 0 < len([prompt for prompt, times in answered.items() if times]) < 80
    assert not plan.rows[0].scores[0].is_done()

    proxy.fails = lambda number, times: None
    server.start()
    again = plan_endpoint(proxy.url, ("served",), asked, tmp_path)
    assert again.rows == plan.rows
    run(again)
    assert {times for prompt, times in proxy.answered.items()} == {1}
    assert not list(tmp_path.rglob(".a*"))
    anew = plan_endpoint(proxy.url, ("served",), asked, tmp_path)
    run(anew)
    assert {times for prompt, times in proxy.answered.items()} == {2}
    assert said(again) == said(anew)


def test_the_command_says_how_it_went(server: Server, xreason: Run, tmp_path: Path) -> None:
    flags = ("--suites", "pocket", "--languages", "en,sw", "--limit", "4", "--json", "--out", tmp_path)
    done = xreason("score", "--endpoint", server.url, *flags, "--concurrency", "3")
    assert done.returncode == 0, done.stderr
    assert "3 requests in flight" in done.stderr
    row = json.loads(done.stdout)["boards"][0]["rows"][0]
    assert row["method"] == "served"
    assert row["mean_responses"]["cut_off"] is not None


class Stub:
    """A server of its own: answers `rate` requests a second from so many in flight on, and counts how many are."""

    def __init__(self, at_once: int = 200, seconds: float = 0.3) -> None:
        self.places, self.seconds, self.most, self.now = asyncio.Semaphore(at_once), seconds, 0, 0
        self.model: dict[str, Any] = {"id": "tiny", "root": "a"}
        self.likely = -1.0
        self.status, self.busy = 200, 0

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [self.model]})

    async def complete(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if self.busy:
            self.busy -= 1
            return web.Response(status=429, headers={"Retry-After": "1"})
        self.now += 1
        self.most = max(self.most, self.now)
        if "echo" not in asked:
            async with self.places:
                await asyncio.sleep(self.seconds)
        self.now -= 1
        choice = {"index": 0, "text": " The answer is 5.", "logprobs": {"token_logprobs": [None, self.likely, 0.0]}}
        if self.status != 200:
            return web.json_response({"error": "too long"}, status=self.status)
        return web.json_response({"choices": [choice | {"finish_reason": "stop"}], "usage": {"completion_tokens": 5}})


@pytest.fixture
def stub() -> Iterator[tuple[Stub, str]]:
    loop, stub = asyncio.new_event_loop(), Stub()
    app = web.Application()
    app.add_routes([web.get("/v1/models", stub.models), web.post("/v1/completions", stub.complete)])
    runner = web.AppRunner(app)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    loop.run_until_complete(site.start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield stub, f"http://127.0.0.1:{runner.addresses[0][1]}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class _Request:
    def __init__(self, number: int) -> None:
        self.args = (f"Question {number}?", {"max_gen_toks": 8, "temperature": 0, "until": ["\n"]})
        self.task_name, self.doc_id = "pocket_en", number


def test_requests_in_flight_rise_until_they_bring_no_more(stub: tuple[Stub, str]) -> None:
    server, url = stub
    asking = Client(f"{url}/v1", "tiny")
    assert asking.generate_until([_Request(number) for number in range(1600)]) == [" The answer is 5."] * 1600
    # two hundred at a time are answered: 128 are too few, 512 no faster than 256
    assert asking.in_flight == 256
    assert 256 <= server.most <= 512


def test_a_number_of_requests_that_is_given_is_kept(stub: tuple[Stub, str]) -> None:
    server, url = stub
    Client(f"{url}/v1", "tiny", concurrency=7).generate_until([_Request(number) for number in range(40)])
    assert server.most == 7


@pytest.mark.parametrize("changed", ["probe", "folder", "time", "questions", "nothing"])
def test_another_model_under_the_same_name_does_not_go_on_with_its_answers(
    stub: tuple[Stub, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    server, url = stub
    first = plan_endpoint(url, (), pocket_asked(), tmp_path)
    assert first.endpoint is not None
    first.endpoint.client(first.rows[0].base)
    if changed == "probe":
        server.likely = -1.5
    elif changed == "folder":
        server.model = {"id": "tiny", "root": "b"}
    elif changed == "time":
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 2 * 86400)
    second = plan_endpoint(url, (), pocket_asked(9 if changed == "questions" else 8), tmp_path)
    assert (second.rows[0].base.hash == first.rows[0].base.hash) is (changed == "nothing")


def test_a_question_that_a_server_refuses_ends_it_with_the_servers_words(stub: tuple[Stub, str]) -> None:
    server, url = stub
    server.status = 400
    with pytest.raises(UserError, match=r"refuses a question \(400: .*too long"):
        Client(f"{url}/v1", "tiny").generate_until([_Request(1)])


def test_a_server_that_is_busy_is_left_alone_as_long_as_it_says(stub: tuple[Stub, str], monkeypatch: pytest.MonkeyPatch) -> None:
    server, url = stub
    server.busy, began = 2, time.monotonic()
    assert Client(f"{url}/v1", "tiny").generate_until([_Request(1)]) == [" The answer is 5."]
    assert 2 <= time.monotonic() - began < 20
    monkeypatch.setattr(client, "PATIENCE", 0.5)
    server.busy = 1
    with pytest.raises(UserError, match=r"stopped answering after 0 of 1 questions \(429\)"):
        Client(f"{url}/v1", "tiny").generate_until([_Request(1)])
