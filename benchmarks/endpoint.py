"""What a server costs: questions put to `vllm serve` against the same questions put to the engine in this process.

    python -m benchmarks.endpoint              # the pocket model, 100 questions in each of its languages
    python -m benchmarks.endpoint FOLDER 400

Prints JSON: tokens a second of both, their ratio (medians of three turns, one after the other), and how many answers are the same.
Server and client share this machine's cores, which the engine in this process has to itself. Both engines are told the same.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import report
from tests.harness.scoring.served import Server
from xreason.harness.scoring.endpoint import serving
from xreason.harness.scoring.evaluate import evaluate
from xreason.harness.scoring.questions import Scoring, scorings
from xreason.harness.serving import engine
from xreason.harness.serving.models import Model, plain_model

TURNS = 3
#: As the engine in this process is started.
ALIKE = ["--no-enable-chunked-prefill", "--max-num-batched-tokens", "4096", "--max-num-seqs", "256"]


def main() -> None:
    """Asks both, in turns, and prints how fast they were."""
    model = plain_model(sys.argv[1] if len(sys.argv) > 1 else "pocket")
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    (scoring,), (first,) = scorings(("pocket",), limit=limit), scorings(("pocket",), ("en",), limit=4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(folder, model.folder, ALIKE)
        try:
            running = engine.start(model, max_length=2048, dtype="float32", max_num_seqs=256)
            tokenizer = running.tokenizer
            endpoint, (served,) = serving(server.url, (), (scoring,), folder)
            both: dict[str, list[tuple[float, list[str]]]] = {"server": [], "in_process": []}
            for turn in range(TURNS + 1):
                client = endpoint.client(served)
                for place, lm, asked in (("server", client, served), ("in_process", running, model)):
                    # the first turn is for what is made once, at the first question
                    both[place].append(_asked(lm, asked, scoring if turn else first, folder / f"{place}-{turn}"))
            in_flight = client.in_flight
            running.stop()
        finally:
            server.kill()
    turns = {place: each[1:] for place, each in both.items()}
    tokens = {place: len(tokenizer("".join(each[0][1])).input_ids) for place, each in turns.items()}
    rates = {place: tokens[place] / statistics.median(seconds for seconds, _ in each) for place, each in turns.items()}
    pairs = [
        one == other
        for (_, ones), (_, others) in zip(turns["server"], turns["in_process"], strict=True)
        for one, other in zip(ones, others, strict=True)
    ]
    report(
        model=model.name,
        questions=scoring.questions,
        requests_in_flight=in_flight,
        tokens_per_second={place: round(rate) for place, rate in rates.items()},
        server_over_in_process=round(rates["server"] / rates["in_process"], 3),
        same_answers=sum(pairs) / len(pairs),
    )


def _asked(lm: Any, model: Model, scoring: Scoring, folder: Path) -> tuple[float, list[str]]:
    """Returns how long the answers took, in seconds, and what they are."""
    taken: list[tuple[float, list[str]]] = []
    generate = type(lm).generate_until

    def timed(requests: list[Any], **more: Any) -> list[str]:
        began = time.perf_counter()
        said: list[str] = generate(lm, requests, **more)
        taken.append((time.perf_counter() - began, said))
        return said

    lm.generate_until = timed
    evaluate(lm, model.name, model, scoring, folder)
    return taken[0]


if __name__ == "__main__":
    main()
