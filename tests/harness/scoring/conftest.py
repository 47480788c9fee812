"""The engine that the tests of scoring share, and how they read what lm-eval has written."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xreason.harness.serving.models import Model, plain_model


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """A running engine with the pocket model."""
    from xreason.harness.serving import engine

    running = engine.start(plain_model("pocket"), max_length=2048)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def pocket() -> Model:
    return plain_model("pocket")


def samples_of(directory: Path, task: str) -> list[dict[str, Any]]:
    """Returns lm-eval's samples of a task, in its order."""
    (path,) = directory.rglob(f"samples_{task}_*.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def responses(directory: Path, task: str) -> list[list[str]]:
    return [sample["resps"][0] for sample in samples_of(directory, task)]
