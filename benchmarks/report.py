"""How a benchmark says what it measured: as JSON, with the commit and the machine that it holds for."""

import json
import sys
from typing import Any

from xreason.harness.store import provenance


def report(**measured: Any) -> None:
    """Prints what was measured, by name."""
    said = {"commit": provenance.commit(), "machine": provenance.machine(), **measured}
    sys.stdout.write(json.dumps(said, indent=2, ensure_ascii=False) + "\n")
