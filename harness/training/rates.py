"""How fast this machine is: by what is said, by earlier runs in the store, or by one matrix product."""

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from xreason.harness.scoring.score import SCORED_FILE, Circumstances
from xreason.harness.store.provenance import has_gpu, machine
from xreason.harness.training.train import TRAINING_FILE, read_training
from xreason.leaderboards.records import Training
from xreason.tasks.errors import UserError

#: Share of a matrix product's rate that trainings are reckoned to reach, by what must be computed: stated, not measured.
REACHED = 0.5


def matrix_rate() -> tuple[float, str]:
    """Returns the floating-point operations a second of a large matrix product, and what did it."""
    best = math.inf
    matrix: Any
    if has_gpu():
        import torch

        size, matrix, what = 8192, torch.ones(8192, 8192, dtype=torch.bfloat16, device="cuda"), "bfloat16 matrix product on the GPU"
    else:
        import numpy

        size, what = 1024, "float32 matrix product on the CPU"
        matrix = numpy.ones((size, size), dtype=numpy.float32)
    for _ in range(4):
        began = time.perf_counter()
        # reading a number waits for the GPU
        float((matrix @ matrix)[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best, what


def device_name() -> str:
    """Returns what trainings here are said to have run on."""
    if not has_gpu():
        return "cpu"
    import torch

    return str(torch.cuda.get_device_name())


class EarlierRuns:
    """What trainings and scorings in a store took, of this device and, where that is a CPU, of this machine."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def tokens_per_second(self, tuned: int, total: int, rewards: bool) -> tuple[float, int] | None:
        """Returns the tokens a second and device of stages that tuned so many of so many parameters, and the number of stages.

        Those that earn `rewards` tell of such alone, for they write most of their tokens themselves.
        """
        # a merge, and a training that starts from another, tell the stages of others too
        told = {
            stage.model_dump_json(exclude={"name"}): stage.tokens_per_second / (training.devices or 1)
            for training in self._trainings
            for stage in training.stages
            if (stage.tuned_parameters, stage.total_parameters) == (tuned, total) and stage.tokens_per_second
            if bool(stage.rewards) == rewards
        }
        return (median(told.values()), len(told)) if told else None

    def seconds_a_question(self, suite: str, signature: str) -> tuple[float, int] | None:
        """Returns the seconds a question of a suite took models of these shapes, and how many scorings those were."""
        found = [
            each.seconds / each.questions
            for name, each in self._scorings
            if name == suite and each.signature == signature and each.seconds and each.questions
        ]
        return (median(found), len(found)) if found else None

    @cached_property
    def _trainings(self) -> list[Training]:
        return [each for each in self._all_trainings() if each.device == device_name() and (has_gpu() or each.machine == machine())]

    def _all_trainings(self) -> Iterator[Training]:
        for path in sorted(self._store.rglob(TRAINING_FILE)):
            with suppress(UserError, OSError):
                yield read_training(path)

    @cached_property
    def _scorings(self) -> list[tuple[str, Circumstances]]:
        read: list[tuple[str, Circumstances]] = []
        for path in sorted(self._store.rglob(f"scores/*/{SCORED_FILE}")):
            with suppress(OSError, ValueError):
                read.append((path.parent.name.rpartition("-")[0], Circumstances.model_validate_json(path.read_bytes())))
        return [(name, each) for name, each in read if each.machine == machine()]


def rate(tflops: float | None) -> tuple[float, str]:
    """Returns the floating-point operations a second and device that trainings are reckoned with, and where they are from."""
    if tflops is not None:
        return tflops * 1e12, f"--tflops {tflops:g}"
    speed, what = matrix_rate()
    return REACHED * speed, f"{REACHED:.0%} of {speed / 1e12:.3g} TFLOP/s, a {what}"
