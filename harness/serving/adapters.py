"""LoRA adapters as PEFT writes them, served beside their base: nothing is merged, and no weight of the base is moved.

xreason score meta-llama/Llama-2-7b-hf+someone/llama-2-7b-sw-lora
xreason score pocket+./my-adapter            adapter_config.json and adapter_model.safetensors
"""

import re
from pathlib import Path
from typing import Any

from xreason.harness.serving.models import Model, plain_model
from xreason.harness.store.steps import key_of
from xreason.tasks.errors import UserError
from xreason.tasks.files import read_object
from xreason.trainers.checkpoints.base import tensor_files
from xreason.trainers.checkpoints.hashes import kept_hash

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"

#: As vLLM's LoRAConfig takes them (MaxLoRARanks).
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)

_FETCH = "fetch the adapter again"
#: What of PEFT's LoRA vLLM does not compute (its PEFTHelper): key of the config to the values that mean nothing of the kind.
_PLAIN: dict[str, tuple[Any, ...]] = {
    "use_dora": (None, False),
    "modules_to_save": (None, []),
    "bias": (None, "none"),
    "lora_bias": (None, False),
    "init_lora_weights": (None, True, False, "gaussian", "eva", "orthogonal", "mica", "lora_ga"),
    "layer_replication": (None, []),
    "alora_invocation_tokens": (None, []),
    "use_bdlora": (None, {}),
    "use_qalora": (None, False),
    "fan_in_fan_out": (None, False),
    "trainable_token_indices": (None, [], {}),
}
#: A tensor of an adapter: base_model.model. + the layer's name in the base + .lora_A.weight.
_TENSOR = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_[AB]\.weight")


def base_and_adapter(reference: str) -> tuple[str, str] | None:
    """Returns the two parts of BASE+ADAPTER; None for what names something that is there, or has no plus between two names."""
    if Path(reference).exists():
        return None
    places = [place for place, letter in enumerate(reference) if letter == "+" and 0 < place < len(reference) - 1]
    parts = [(reference[:place], reference[place + 1 :]) for place in places]
    # a folder's name may hold a plus too
    return next((each for each in parts if Path(each[1]).is_dir()), parts[-1] if parts else None)


def adapter_model(base_reference: str, adapter_reference: str, name: str) -> tuple[Model, Model]:
    """Returns the model that an adapter makes of its base, called `name`, and that base.

    Raises:
        UserError: one of them is not to be had, the adapter does not fit the base, or it is one that vLLM cannot serve.
    """
    folder, base = _resolved(adapter_reference), plain_model(base_reference)
    _check(folder, base.folder)
    own = kept_hash([folder / CONFIG_FILE, folder / WEIGHTS_FILE])
    size = (folder / WEIGHTS_FILE).stat().st_size
    return Model(name=name, folder=base.folder, hash=key_of([base.hash, own]), adapter=folder, size=size), base


def rank_of(folder: Path) -> int:
    """Returns the highest rank of an adapter's layers."""
    config = read_object(folder / CONFIG_FILE, _FETCH)
    try:
        ranks = [int(rank) for rank in (config["r"], *(config.get("rank_pattern") or {}).values())]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder / CONFIG_FILE} tells no rank (r); {_FETCH}.") from error
    if not 1 <= max(ranks) <= max(RANKS) or min(ranks) < 1:
        raise UserError(f"{folder} has rank {max(ranks)}, and vLLM serves ranks from 1 to {max(RANKS)}; merge it into its base.")
    return max(ranks)


def _resolved(reference: str) -> Path:
    folder = Path(reference).expanduser()
    if not folder.is_dir():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        if reference.startswith((".", "/", "~")) or reference.count("/") != 1:
            raise UserError(f"There is no adapter folder {reference}; check the path, or give a hub id such as someone/an-adapter.")
        try:
            folder = Path(snapshot_download(reference, allow_patterns=["adapter_*"]))
        except (OSError, HFValidationError, HfHubHTTPError) as error:
            raise UserError(
                f"The adapter {reference} is no folder here, nor to be had from the hub ({type(error).__name__}); give its folder, "
                f"or run `hf download {reference}` on a machine with network."
            ) from error
    if not (folder / CONFIG_FILE).is_file():
        raise UserError(f"{reference} holds no {CONFIG_FILE}, so it is no adapter of PEFT; give the folder that PEFT wrote.")
    if not (folder / WEIGHTS_FILE).is_file():
        also = ", only a .bin, which can run code when it is read" if any(folder.glob("adapter_model*.bin")) else ""
        raise UserError(f"{folder} holds no {WEIGHTS_FILE}{also}; load it in PEFT, and write it anew with save_pretrained.")
    return folder.resolve()


def _check(folder: Path, base: Path) -> None:
    """Refuses an adapter that is not of this base, or not of the kind that vLLM computes."""
    config = read_object(folder / CONFIG_FILE, _FETCH)
    if config.get("peft_type") != "LORA":
        raise UserError(f"{folder} is an adapter of kind {config.get('peft_type')}, and vLLM serves LORA; merge it into its base.")
    if unlike := [key for key, plain in _PLAIN.items() if config.get(key) not in plain]:
        said = f"{unlike[0]}={config[unlike[0]]!r:.60}"
        raise UserError(f"{folder} has {said}, which vLLM does not serve; merge it into its base with PEFT, and score that folder.")
    rank_of(folder)
    stored = tensor_files(base)
    own = _shapes({name: file for name, file in tensor_files(folder).items() if file.name == WEIGHTS_FILE})
    weights = {name: f"{found['layer']}.weight" for name in own if (found := _TENSOR.fullmatch(name))}
    if lost := [name for name in own if weights.get(name) not in stored]:
        raise UserError(f"{folder} holds {lost[0]}, for which {base} has no layer; name the base that it was trained on.")
    wanted = _shapes({weight: stored[weight] for weight in weights.values()})
    for name, weight in weights.items():
        side = -1 if ".lora_A." in name else 0
        if len(own[name]) != 2 or len(wanted[weight]) != 2 or own[name][side] != wanted[weight][side]:
            sides = f"{name} is {own[name]}, beside a weight of {wanted[weight]}"
            raise UserError(f"{folder} does not fit {base}: {sides}; name the base that it was trained on.")


def _shapes(files: dict[str, Path]) -> dict[str, list[int]]:
    from safetensors import safe_open

    found: dict[str, list[int]] = {}
    for file in set(files.values()):
        with safe_open(file, framework="np") as opened:
            found |= {name: opened.get_slice(name).get_shape() for name in files if files[name] == file}
    return found
