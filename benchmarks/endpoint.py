"""What a server costs: questions put to `vllm serve` against the same questions put to the engine in this process.

    python -m benchmarks.endpoint              # the pocket model, 100 questions in each of its languages
    python -m benchmarks.endpoint random 40    # a random one of 51 million parameters
    python -m benchmarks.endpoint FOLDER 400

Prints JSON: tokens a second of both, their ratio (medians of three turns, one after the other), and how many answers are the same.
Server and client share this machine's cores, which the engine in this process has to itself. Both engines are told the same. What
is told beside that: the processor seconds of each process, for a thousand tokens; what the threads of an engine spend on waiting
for each other is in them.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.models import random_llama
from benchmarks.report import report
from benchmarks.server import Server
from xreason.harness.scoring.endpoint import serving
from xreason.harness.scoring.evaluate import evaluate
from xreason.harness.scoring.questions import Scoring, scorings
from xreason.harness.serving import engine
from xreason.harness.serving.models import Model, plain_model

TURNS = 3
WORDS = 1024  # of the pocket model's tokenizer
#: As the engine in this process is started, which logs nothing. What it sets in the environment for vLLM holds for both.
ALIKE = ["--max-num-seqs", "256", "--disable-log-stats", "--disable-uvicorn-access-log"]


def main() -> None:
    """Asks both, in turns, and prints how fast they were."""
    named = sys.argv[1] if len(sys.argv) > 1 else "pocket"
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    (scoring,), (first,) = scorings(("pocket",), limit=limit), scorings(("pocket",), ("en",), limit=4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if named == "random":
            named = str(random_llama(folder / "random", seed=0, hidden=640, layers=10, words=WORDS, dtype="float32"))
        model = plain_model(named)
        server = Server(folder, model.folder, ALIKE)
        try:
            running = engine.start(model, max_length=2048, dtype="float32", max_num_seqs=256)
            tokenizer = running.tokenizer
            endpoint, (served,) = serving(server.url, (), (scoring,), folder)
            both: dict[str, list[_Turn]] = {"server": [], "in_process": []}
            for turn in range(TURNS + 1):
                client = endpoint.client(served)
                for place, lm, asked in (("server", client, served), ("in_process", running, model)):
                    # the first turn is for what is made once, at the first question
                    both[place].append(_asked(lm, asked, scoring if turn else first, folder / f"{place}-{turn}", server))
            in_flight = client.in_flight
            running.stop()
        finally:
            server.kill()
    turns = {place: each[1:] for place, each in both.items()}
    tokens = {place: len(tokenizer("".join(each[0].said)).input_ids) for place, each in turns.items()}
    rates = {place: tokens[place] / statistics.median(turn.seconds for turn in each) for place, each in turns.items()}
    pairs = [
        one == other
        for ours, theirs in zip(turns["server"], turns["in_process"], strict=True)
        for one, other in zip(ours.said, theirs.said, strict=True)
    ]
    parts = {
        f"{place}, {part}": round(1000 * statistics.median(turn.busy[part] for turn in each) / tokens[place], 3)
        for place, each in turns.items()
        for part in (("client", "api", "engine") if place == "server" else ("client",))
    }
    report(
        model=sys.argv[1] if len(sys.argv) > 1 else "pocket",
        weight_bytes=model.size,
        questions=scoring.questions,
        requests_in_flight=in_flight,
        tokens_per_second={place: round(rate) for place, rate in rates.items()},
        server_over_in_process=round(rates["server"] / rates["in_process"], 3),
        same_answers=sum(pairs) / len(pairs),
        processor_seconds_of_a_thousand_tokens=parts,
    )


class _Turn(NamedTuple):
    seconds: float
    said: list[str]
    busy: dict[str, float]  #: processor seconds of each part; the engine in this process is in `client`


def _asked(lm: Any, model: Model, scoring: Scoring, folder: Path, server: Server) -> _Turn:
    """Returns how long the answers took, what they are, and who was busy with them."""
    taken: list[_Turn] = []
    generate = type(lm).generate_until

    def timed(requests: list[Any], **more: Any) -> list[str]:
        before, began = _busy(server), time.perf_counter()
        said: list[str] = generate(lm, requests, **more)
        seconds = time.perf_counter() - began
        taken.append(_Turn(seconds, said, {part: after - before[part] for part, after in _busy(server).items()}))
        return said

    lm.generate_until = timed
    evaluate(lm, model.name, model, scoring, folder)
    return taken[0]


def _busy(server: Server) -> dict[str, float]:
    return {"client": time.process_time(), **server.seconds()}


if __name__ == "__main__":
    main()
