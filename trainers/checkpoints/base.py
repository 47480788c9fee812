"""The model that training starts from: where its files are, what they hash to, and how it is loaded."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xreason.tasks.errors import UserError
from xreason.tasks.files import read_object
from xreason.trainers.checkpoints.convert import PICKLED, converted, is_pickled
from xreason.trainers.checkpoints.hashes import kept_hash, known_hash
from xreason.trainers.pocket import MODELS

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

POCKET = "pocket"  #: The model that is taken where none is named goes by this word; others that ship are in MODELS.
CHECKPOINT_FILE = "checkpoint.json"  #: Marks a folder as one of our checkpoints.
_FETCH = "fetch the model again"
_INDEX = "model.safetensors.index.json"
_WANTED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
#: What safetensors and PyTorch call the same.
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_OF_TOKENIZERS = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"),
    "generation_config.json",
)
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def resolve_model(model: str | Path) -> Path:
    """Returns the folder of a model: the one given, a shipped model's, or the hub's copy of that id (fetched if it must be).

    Of a model whose weights come only as .bin, that of its conversion to safetensors, which is made the first time.

    Raises:
        UserError: there is none; or the folder holds no causal language model with its tokenizer, only a delta checkpoint, or
            no weights, or such as cannot be read.
    """
    folder = MODELS.get(model, Path(model).expanduser())
    if not folder.is_dir():
        folder = _fetched(str(model))
    if (folder / CHECKPOINT_FILE).is_file() and not (folder / "config.json").is_file():
        raise UserError(f"{model} is a checkpoint that holds only what changed; materialise it into a full model folder first.")
    if not (folder / "config.json").is_file():
        raise UserError(f"{model} holds no config.json, so it is no model folder; give the folder that `hf download` made.")
    _check_causal(folder)
    if is_pickled(folder):
        folder = converted(folder)
    weight_files(folder)
    return folder


def _check_id(model: str) -> None:
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise UserError(f"There is no model folder {model}; check the path, or give a hub id such as meta-math/MetaMath-7B-V1.0.")


def _fetched(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    _check_id(model)
    try:
        folder = Path(snapshot_download(model, allow_patterns=_WANTED))
        if not any(folder.glob("*.safetensors")):
            snapshot_download(model, allow_patterns=PICKLED)
        return folder
    except (OSError, HFValidationError, HfHubHTTPError) as error:
        raise UserError(
            f"{model} is no folder here, nor to be had from the hub ({type(error).__name__}); give a model folder, or run "
            f"`hf download {model}` on a machine with network."
        ) from error


def resolve_outline(model: str | Path) -> tuple[Path, str | None]:
    """Returns the folder of a model, and the hash of its config and weights where that is kept; asks no network, reads no weight.

    The folder may hold its config.json alone, as may the hub's cache (`hf download ID config.json`).

    Raises:
        UserError: there is no config on this machine, or it is of no causal language model, or a file beside it is damaged.
    """
    folder = MODELS.get(model, Path(model).expanduser())
    if (folder / "config.json").is_file():
        pass
    elif folder.is_dir():
        return resolve_model(model), None  # which says what is wrong
    else:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        _check_id(str(model))
        cached: Any = None
        with suppress(HFValidationError):
            cached = try_to_load_from_cache(str(model), "config.json")
        if not isinstance(cached, str):
            raise UserError(
                f"{model} is no folder here, nor in the hub's cache; a plan needs its config alone: give a folder with one, or run "
                f"`hf download {model} config.json` on a machine with network."
            )
        folder = Path(cached).parent
    if any(folder.glob("*.safetensors")):
        folder = resolve_model(folder)
        return folder, known_hash([folder / "config.json", *weight_files(folder)])
    _check_architecture(folder)
    config = read_object(folder / "config.json", _FETCH)
    if not (config.get("dtype") or config.get("torch_dtype")):
        raise UserError(
            f'{folder}/config.json says no dtype, and there are no weights to tell; add one, such as "dtype": "bfloat16".'
        )
    return folder, None


def weight_files(folder: Path) -> list[Path]:
    """Returns the safetensors files of a model folder, in the order of their names; a sharded model's are those of its index.

    Raises:
        UserError: there are none, the index cannot be read, or one that it names is missing.
    """
    index, files = folder / _INDEX, sorted(folder.glob("*.safetensors"))
    if index.is_file():
        named = read_object(index, _FETCH).get("weight_map")
        if not isinstance(named, dict) or not all(isinstance(name, str) and name for name in named.values()):
            raise UserError(f"{index} does not say which file holds which tensor (weight_map); {_FETCH}.")
        files = [folder / name for name in sorted(set(named.values()))]
    if not files:
        raise UserError(f"{folder} holds no safetensors weights; convert it with save_pretrained, which writes them.")
    for file in files:
        if not file.is_file():
            raise UserError(f"{file} is missing, though {index.name} names it; fetch the model again.")
    return files


def tensor_files(folder: Path) -> dict[str, Path]:
    """Returns which file of a folder stores which tensor.

    Raises:
        UserError: there are no files, or one that the index names is missing or damaged.
    """
    found: dict[str, Path] = {}
    for file in weight_files(folder):
        with _opened(file, "np") as opened:
            found.update(dict.fromkeys(opened.keys(), file))
    return found


def stored_dtype(folder: Path) -> str:
    """Returns the name of the dtype in which a folder stores its model: the config's word, or its first tensor's dtype."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if said := config.get("dtype") or config.get("torch_dtype"):
        return str(said)
    with _opened(weight_files(folder)[0], "np") as opened:
        first = str(opened.get_slice(next(iter(opened.keys()))).get_dtype())
    return _DTYPES.get(first, first.lower())


@contextmanager
def _opened(file: Path, framework: str) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework=framework) as opened:
            yield opened
    except SafetensorError as error:
        raise UserError(f"{file} cannot be read as safetensors ({error}); fetch it again.") from error


def base_hash(model: str | Path) -> str:
    """Returns the SHA-256 (hex) over names and contents of a model's config and safetensors files, kept once it is known.

    The tokenizer is no part of it: see xreason.harness.serving.models.Model.signature.

    Raises:
        UserError: as resolve_model.
    """
    folder = resolve_model(model)
    return kept_hash([folder / "config.json", *weight_files(folder)])


def stored_tensors(folder: Path) -> Iterator[tuple[str, "torch.Tensor"]]:
    """Yields (name, tensor) for all that a folder stores, one tensor in memory at a time, in the stored dtype."""
    for file in weight_files(folder):
        yield from tensors_of_file(file)


def tensors_of_file(file: Path) -> Iterator[tuple[str, "torch.Tensor"]]:
    """Yields (name, tensor) of one safetensors file, one tensor in memory at a time.

    Raises:
        UserError: the file is damaged.
    """
    with _opened(file, "pt") as opened:
        for name in opened.keys():  # noqa: SIM118  # it is no mapping
            yield name, opened.get_tensor(name)


def read_tensors(files: Mapping[str, str | Path]) -> Iterator[tuple[str, "torch.Tensor"]]:
    """Yields (name, tensor) for these tensors, file by file; nothing is read before it is looked at.

    Args:
        files: name of each tensor to the file that stores it.

    Raises:
        UserError: a file is damaged.
    """
    by_file: dict[str | Path, list[str]] = {}
    for name, file in files.items():
        by_file.setdefault(file, []).append(name)
    for file, names in by_file.items():
        with _opened(Path(file), "pt") as opened:
            for name in sorted(names):
                yield name, opened.get_tensor(name)


def load_base(folder: Path, *, device: str, mixed_precision: bool) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Returns the model and its tokenizer, on `device`.

    Weights are float32; with mixed precision, bfloat16 ones stay so (what a stage tunes, it makes float32).

    Raises:
        UserError: its tokenizer cannot be read, or its weights do not fit its config.
    """
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    wrong = (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, StrictDataclassError)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except wrong as error:
        reason = type(error).__name__
        raise UserError(f"{folder} holds no tokenizer that can be read ({reason}); put the model's own beside it.") from error
    dtype: Any = "auto" if mixed_precision else torch.float32
    tensor_files(folder)  # a damaged file is named before Transformers meets it
    # whoever calls draws a bar of its own, and says below what does not fit
    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        model, loading = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except wrong as error:
        said = " ".join(str(error).split())[:120]
        raise UserError(f"{folder} holds a model that cannot be loaded ({said}); fetch it again.") from error
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
    missing = sorted(loading["missing_keys"])
    if missing:
        raise UserError(f"{folder} lacks weights that its config asks for ({', '.join(missing[:3])}); fetch the model again.")
    for name, stored, wanted in sorted(loading["mismatched_keys"]):
        shapes = f"{name} is {list(stored)}, and its config asks for {list(wanted)}"
        raise UserError(f"{folder} holds weights that do not fit its config ({shapes}); fetch the model again.")
    if model.dtype == torch.float16:
        model = model.float()
    return model.to(device), tokenizer


def check_tokenizer(folder: Path) -> None:
    """Makes sure that what a model folder says of its tokenizer can be read; Transformers and vLLM say no file when it cannot.

    Raises:
        UserError: a file is damaged.
    """
    for name in _OF_TOKENIZERS:
        if (folder / name).exists():
            read_object(folder / name, _FETCH)
    if (path := folder / _TOKENIZERS[0]).exists():
        from tokenizers import Tokenizer

        try:
            Tokenizer.from_file(str(path))
        except Exception as error:  # the package raises it as such
            raise UserError(f"{path} is no tokenizer ({str(error)[:120]}); {_FETCH}.") from error


def _check_causal(folder: Path) -> None:
    _check_architecture(folder)
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise UserError(f"{folder} holds no tokenizer ({', '.join(_TOKENIZERS)}); put the model's own beside it.")


def _check_architecture(folder: Path) -> None:
    # by what the files say: importing Transformers to find this out takes seconds
    architectures = read_object(folder / "config.json", _FETCH).get("architectures")
    if not isinstance(architectures, list) or not architectures:
        raise UserError(f"{folder}/config.json names no architecture; {_FETCH}.")
    if not any(str(name).endswith(("ForCausalLM", "LMHeadModel")) for name in architectures):
        raise UserError(f"{folder} is {architectures[0]}, not a causal language model; give one such as LlamaForCausalLM.")
