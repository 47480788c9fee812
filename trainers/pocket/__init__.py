"""The pocket experiment's base model, in model/, and the recipe that makes it again from nothing (build.py).

A seed enters, a Hugging Face folder of under 5,000,000 bytes leaves. Called by checkpoints, by name, and by the command line.
"""

from pathlib import Path

#: The base model that the repository ships, a Hugging Face folder.
MODEL: Path = Path(__file__).parent / "model"
