"""Where tests find what does not lie beside them."""

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
CONFIGS = TESTS / "trainers" / "configs"
PLUGIN = TESTS / "plugin"
