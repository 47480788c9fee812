"""LoRA adapters of PEFT beside their base: they answer as their merged weights do, and what vLLM cannot serve is a sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.scoring.conftest import responses
from xreason.harness import progress
from xreason.harness.plan import plan_scoring
from xreason.harness.run import run
from xreason.harness.scoring.questions import scorings
from xreason.harness.serving.adapters import CONFIG_FILE, WEIGHTS_FILE, adapter_model, base_and_adapter
from xreason.harness.serving.models import plain_model
from xreason.harness.training.train import plan_training, train
from xreason.leaderboards.records import read_record
from xreason.tasks.errors import UserError
from xreason.trainers.methods import load_method
from xreason.trainers.pocket import MODEL


def adapter(folder: Path, *targets: str, scale: float = 0.3, rank: int = 4) -> Any:
    """Writes an adapter of the pocket model, and returns PEFT's model of it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    chance = torch.Generator().manual_seed(len(targets))
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(MODEL), LoraConfig(r=rank, lora_alpha=8, target_modules=list(targets))
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = scale * torch.randn(weight.shape, generator=chance)
    model.save_pretrained(folder)
    return model


def kept(place: Path) -> Path:
    """Returns the checkpoint of a training that keeps its adapter."""
    how = {"merge": False, "rank": 4, "alpha": 8, "max_steps": 3, "batch_size": 8, "rows": 40, "learning_rate": 1e-2}
    lora, base = load_method("lora", how), plain_model("pocket")
    task = plan_training("lora", 0, place / "kept", lora, base, ("en", "sw"), source="pocket", data=None)
    train(task)
    assert json.loads((task.folder / "checkpoint.json").read_text())["kind"] == "adapter"
    assert not list(task.folder.glob("model*.safetensors"))
    return task.folder


def merged(model: Any, folder: Path) -> Path:
    from safetensors.torch import load_file, save_file

    shutil.copytree(MODEL, folder)
    own = model.merge_and_unload().state_dict()
    stored = load_file(MODEL / "model.safetensors")
    save_file({name: own[name].contiguous() for name in stored}, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def attention(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters") / "attention"
    adapter(folder, "q_proj", "v_proj")
    return folder


def test_adapters_of_one_base_share_an_engine_and_answer_as_their_merged_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(progress, "say", said.append)
    whole = merged(adapter(tmp_path / "first", "q_proj", "v_proj", "up_proj", "down_proj"), tmp_path / "merged")
    adapter(tmp_path / "second", "o_proj", "gate_proj", rank=8)
    adapter(tmp_path / "idle", "q_proj", scale=0)
    named = [*(f"pocket+{tmp_path / name}" for name in ("first", "second")), str(kept(tmp_path)), "pocket"]
    named += [f"pocket+{tmp_path / 'idle'}", str(whole)]
    done = run(plan_scoring(named, scorings(["pocket"], ["en", "sw"], limit=20), tmp_path / "runs"))
    ((failed, reason),) = done.failures
    assert failed.endswith("idle")
    assert reason.startswith(f"The adapter {tmp_path / 'idle'} changes nothing of what vLLM answers")
    # one engine for all four, and one for the merged weights
    assert [("swapped in" in line) for line in said if "starting vLLM" in line or "swapped in" in line] == [
        False,
        *[True] * 3,
        False,
    ]
    places = {name: next((tmp_path / "runs" / "score").glob(f"*{name}-*")) for name in ("first", "second", "merged")}
    answered = {name: responses(place, "pocket_en") + responses(place, "pocket_sw") for name, place in places.items()}
    assert answered["first"] == answered["merged"] != answered["second"]
    record = read_record(places["first"] / "0" / "record.json")
    assert record.provenance.model == "pocket"
    assert record.provenance.weights_hash != record.provenance.model_hash


def test_base_and_adapter_are_told_apart_at_the_plus(tmp_path: Path, attention: Path) -> None:
    assert base_and_adapter(f"pocket+{attention}") == ("pocket", str(attention))
    assert base_and_adapter("meta-llama/Llama-2-7b-hf+someone/lora") == ("meta-llama/Llama-2-7b-hf", "someone/lora")
    (tmp_path / "a+b").mkdir()
    assert base_and_adapter(str(tmp_path / "a+b")) is None
    assert base_and_adapter(f"{tmp_path}/model+{tmp_path / 'a+b'}") == (f"{tmp_path}/model", str(tmp_path / "a+b"))
    assert base_and_adapter("pocket") is None


def configured(**changes: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / CONFIG_FILE
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def renamed(old: str, new: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / WEIGHTS_FILE)
        save_file({name.replace(old, new): tensor for name, tensor in tensors.items()}, folder / WEIGHTS_FILE)

    return change


def transposed(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / WEIGHTS_FILE)
    save_file({name: tensor.T[:-1].contiguous().T.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS_FILE)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (configured(use_dora=True), "use_dora=True, which vLLM does not serve; merge it"),
        (configured(modules_to_save=["embed_tokens"]), "modules_to_save="),
        (configured(bias="all"), "bias='all'"),
        (configured(init_lora_weights="pissa"), "init_lora_weights='pissa'"),
        (configured(peft_type="IA3"), "an adapter of kind IA3"),
        (configured(r=1024), "has rank 1024, and vLLM serves ranks from 1 to 512"),
        (configured(r="x"), "tells no rank"),
        (lambda folder: (folder / CONFIG_FILE).write_text("[]"), "holds no JSON object"),
        (lambda folder: (folder / CONFIG_FILE).unlink(), "so it is no adapter of PEFT"),
        (lambda folder: (folder / WEIGHTS_FILE).rename(folder / "adapter_model.bin"), "only a .bin, which can run code"),
        (lambda folder: (folder / WEIGHTS_FILE).write_bytes(b"x"), "cannot be read as safetensors"),
        (renamed("layers.5", "layers.7"), "has no layer; name the base that it was trained on"),
        (renamed("lora_A.weight", "lora_magnitude_vector"), "has no layer"),
        (transposed, "does not fit"),
    ],
)
def test_an_adapter_that_cannot_be_served_is_one_sentence(
    change: Callable[[Path], object], says: str, attention: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(attention, tmp_path / "adapter"))
    change(folder)
    with pytest.raises(UserError) as error:
        adapter_model("pocket", str(folder), "x")
    assert says in str(error.value)
    assert len(str(error.value).replace(str(tmp_path), "")) <= 400


def test_an_adapter_that_is_nowhere_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("./nowhere", "some-org/no-such-adapter"):
        with pytest.raises(UserError, match="adapter"):
            adapter_model("pocket", name, "x")
