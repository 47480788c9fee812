"""What tells models apart: who shares an engine, whose scores are found, and the dtype that is really served."""

import json
import shutil
from pathlib import Path

import pytest

from xreason.harness.experiment import experiment_of_flags
from xreason.harness.plan import plan_comparison, plan_scoring
from xreason.harness.scoring.questions import Asking, scorings
from xreason.harness.serving.models import plain_model

TEMPLATES = ["chat_template.jinja", "vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json"]
OTHERS = [
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "generation_config.json",
    "additional_chat_templates/tools.jinja",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain_model("pocket").folder, tmp_path / "model"))


def append(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    new = "{}" if path.suffix == ".json" else ""
    path.write_text((path.read_text() if path.exists() else new) + "\n")


@pytest.mark.parametrize("name", TEMPLATES + OTHERS)
def test_another_tokenizer_or_template_needs_another_engine_and_finds_no_old_scores(
    name: str, folder: Path, tmp_path: Path
) -> None:
    def keys() -> list[str]:
        asked = scorings(["pocket"], ["en"], limit=2, asking=Asking())
        methods = {"full": {"max_steps": 1, "rows": 8}}
        values = {
            "name": "x",
            "base": str(folder),
            "suites": ["pocket"],
            "source": "pocket",
            "languages": ["en"],
            "methods": methods,
        }
        compared = plan_comparison(experiment_of_flags(values), tmp_path)
        scored = plan_scoring([str(folder)], asked, tmp_path)
        trainings.append(compared.trainings[0].key)
        return [step.key for plan in (compared, scored) for row in plan.rows for step in row.scores]

    trainings: list[str] = []
    signature, before = plain_model(str(folder)).signature(), keys()
    append(folder, name)
    assert plain_model(str(folder)).signature() != signature
    assert not set(keys()) & set(before)
    # which text a question becomes is nothing to a training, which tokens its rows become is
    assert (trainings[0] == trainings[1]) == (name.endswith(".jinja") or name == "generation_config.json")


def test_what_no_tokenizer_reads_leaves_the_engine_as_it_is(folder: Path) -> None:
    signature = plain_model(str(folder)).signature()
    (folder / "README.md").write_text("notes")
    (folder / "trainer_state.json").write_text("{}")
    assert plain_model(str(folder)).signature() == signature


@pytest.mark.parametrize(
    ("stored", "asked", "on_gpu", "served"),
    [
        ("float32", "auto", True, "bfloat16"),
        ("float32", "float32", True, "float32"),
        ("float32", "auto", False, "float32"),
        ("float64", "auto", True, "bfloat16"),
        ("bfloat16", "auto", False, "bfloat16"),
        ("bfloat16", "float32", True, "float32"),
        ("float16", "auto", True, "float16"),
        (None, "auto", True, "bfloat16"),
        (None, "auto", False, "float32"),
    ],
)
def test_the_dtype_that_is_served_is_known_before_an_engine_starts(
    stored: str | None, asked: str, on_gpu: bool, served: str, folder: Path
) -> None:
    config = json.loads((folder / "config.json").read_text())
    config.pop("dtype", None)
    config.pop("torch_dtype", None)
    (folder / "config.json").write_text(json.dumps(config | ({"torch_dtype": stored} if stored else {})))
    assert plain_model(str(folder)).served_dtype(asked, on_gpu=on_gpu) == served


def test_scores_in_another_dtype_have_another_key_and_the_same_dtype_by_another_word_the_same(folder: Path, tmp_path: Path) -> None:
    asked = scorings(["pocket"], ["en"], limit=2, asking=Asking())

    def key(dtype: str) -> str:
        return plan_scoring([str(folder)], asked, tmp_path, dtype=dtype).rows[0].scores[0].key

    served = plain_model(str(folder)).served_dtype("auto")
    assert key("auto") == key(served)
    assert key("auto") != key("float16")
