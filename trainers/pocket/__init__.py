"""The pocket experiment's training side: its corpora, its base model, and the recipe that makes that model.

    Path(xreason.trainers.pocket.__file__).parent / "model"    the base model, a Hugging Face folder of under 5,000,000 bytes

`corpora.py` writes the papers' corpora out of the pocket world; `build.py` makes `model/` again from nothing.
"""

from pathlib import Path

#: The base model that the repository ships, a Hugging Face folder.
MODEL: Path = Path(__file__).parent / "model"
