"""Proves that training, and serving where vLLM is there, work on this machine's GPU, and how fast: in minutes, without network.

    xreason doctor --gpu [--minutes 8] [--shape tiny]
    python -m benchmarks.gpu                              the same, where neither vLLM nor lm-eval nor datasets are installed

A random model of Llama-2-7B's shape, of as many layers as fit, is trained on rows of the pocket world's words that are as long as
real ones. Parts that the time does not suffice for are left out, and said so; what was measured stands in a file after every part.
vLLM is asked MGSM's questions where XREASON_DATA names a folder with them, else the pocket's. `--shape tiny` takes a model of a few
layers, on a GPU or a CPU, by the same code: for trying out the command itself.
"""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.table import Table

from xreason.harness import progress
from xreason.harness.showing.gpu_bench import SHAPES, Bench, Measured, OutOfTimeError
from xreason.harness.showing.gpu_parts import PARTS
from xreason.harness.store.provenance import commit, distribution_version, machine, vllm_version
from xreason.tasks.errors import UserError
from xreason.trainers.tuning.memory import give_back_memory, now


def prove(shape: str, minutes: float, out: Path, *, only: Sequence[str] = ()) -> Measured:
    """Runs the parts, and returns what they measured, as JSON holds it; writes it to `out` after every part.

    Args:
        shape: of SHAPES.
        minutes: in which all must be done; what no longer fits is left out.
        out: the file.
        only: names of parts; all for none.

    Raises:
        UserError: there is no such shape or part, or no GPU, and the shape is not tiny.
    """
    import torch

    from xreason.tasks.names import unknown

    if shape not in SHAPES:
        raise unknown("shape", shape, SHAPES)
    for name in set(only) - {name for name, _, _ in PARTS}:
        raise unknown("part", name, [name for name, _, _ in PARTS])
    if not torch.cuda.is_available() and shape != "tiny":
        raise UserError("PyTorch sees no GPU here; run this where one is, or try it out with --shape tiny.")
    began = time.perf_counter()
    bench = Bench(shape, 60 * minutes)
    bench.rate = matrix_rate(bench.device)
    libraries = ("torch", "transformers", "accelerate", "peft", "safetensors", "pydantic")
    said: Measured = {
        "machine": machine(),
        "card": bench.name,
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "versions": {name: distribution_version(name) for name in libraries} | {"vllm": vllm_version()},
        "commit": commit(),
        "shape": shape,
        "matrix_flops_per_second": bench.rate,
        "parts": bench.done,
    }
    for name, part, least in PARTS:
        if only and name not in only:
            continue
        bench.done[name] = measured = _attempt(bench, name, part, least)
        said["seconds"] = time.perf_counter() - began
        out.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        progress.say(f"{name}: {_line(measured)}")
    return said


def _attempt(bench: Bench, name: str, part: Callable[[Bench], Measured], least: float) -> Measured:
    if name == "served" and not all(map(find_spec, ("vllm", "lm_eval", "datasets"))):
        return {"left_out": "vllm, lm-eval and datasets are not all installed"}
    if bench.left() < (least if bench.device == "cuda" else 0):
        return {"left_out": f"{max(0, bench.left()):.0f} s are left"}
    began = time.perf_counter()
    try:
        measured = part(bench)
    except OutOfTimeError:
        measured = {"left_out": "the time was over"}
    # one part that fails takes no other with it: what the rest shows is wanted all the more
    except Exception as error:
        measured = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    give_back_memory()
    return measured | {"seconds": round(time.perf_counter() - began, 1)}


def proof_tables(said: Measured) -> tuple[Table, Table]:
    """Returns the same as two tables: the machine, and a row a part."""
    has, parts = Table(show_header=False), Table("part", "seconds", "measured")
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    rate = f"{said['matrix_flops_per_second'] / 1e12:.3g} TFLOP/s (matrix product of random numbers)"
    for key in ("card", "driver", "cuda", "machine", "commit", "shape"):
        has.add_row(key, str(said[key]))
    has.add_row("versions", versions)
    has.add_row("speed", rate)
    for name, measured in said["parts"].items():
        parts.add_row(name, str(measured.get("seconds", "")), _line(measured, "\n"))
    return has, parts


def _line(measured: Measured, between: str = ", ") -> str:
    return between.join(f"{key.replace('_', ' ')} {_shown(key, value)}" for key, value in measured.items() if key != "seconds")


def _shown(key: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    if key.endswith("bytes"):
        return f"{value / 2**30:.2f} GiB"
    return str(value)


def matrix_rate(device: str) -> float:
    """Returns the floating-point operations a second of a large product of random matrices: bfloat16 on a GPU, else float32."""
    import torch

    size, dtype = (8192, torch.bfloat16) if device == "cuda" else (1024, torch.float32)
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))

    def products(count: int) -> float:
        began = now()
        for _ in range(count):
            torch.mm(one, other)
        return (now() - began) / count

    products(3)
    return float(2 * size**3 / products(10))


def _driver() -> str | None:
    try:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split("\n")[0]  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
