"""The models that ship, and the recipes that make them again from nothing (build.py): `pocket`, and those of `pocket-paper`.

A seed enters, a Hugging Face folder leaves: under 5,000,000 bytes in model/, under 3,000,000 each in paper/. Called by
checkpoints, by name, and by the command line. A reasoner is no recipe of its own; docs/pocket-paper.md has its commands.
"""

from collections.abc import Mapping
from pathlib import Path

_HERE = Path(__file__).parent

#: The base model that the repository ships, a Hugging Face folder.
MODEL: Path = _HERE / "model"
#: By the words that they go by: that one; and of `pocket-paper` two plain bases, and the reasoner made of each by English alone.
MODELS: Mapping[str | Path, Path] = {
    "pocket": MODEL,
    **{f"pocket-{kind}-{base}": _HERE / "paper" / f"{kind}-{base}" for kind in ("plain", "reasoner") for base in "ab"},
}
