"""Proves a GPU machine where vLLM, lm-eval and datasets are not there: what `xreason doctor --gpu` does where they are.

    PYTHONPATH=. python -m benchmarks.gpu [--minutes 8] [--shape 7b|tiny] [--only slam,full] [--out gpu.json]

Needs torch, transformers, accelerate, peft, safetensors, numpy, pyyaml, typer, rich and pydantic, no network, and this checkout.
"""

import argparse
from pathlib import Path

from rich.console import Console

from xreason.harness.showing.gpu import SHAPES, proof_tables, prove


def main() -> None:
    """Runs the parts, prints a table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--shape", choices=SHAPES, default="7b")
    parser.add_argument("--only", default="", help="names of parts, by commas")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    asked = parser.parse_args()
    only = [name for name in asked.only.split(",") if name]
    Console().print(*proof_tables(prove(asked.shape, asked.minutes, asked.out, only=only)))


if __name__ == "__main__":
    main()
