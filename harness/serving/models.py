"""What can be served: a model folder, a model of the hub, a checkpoint of ours, or the pocket model, all by one word.

xreason score pocket                                  the model that this project ships
xreason score meta-llama/Llama-2-7b-hf                a hub id (asks the hub, or its cache)
xreason score runs/pocket/slam/0/checkpoint           a checkpoint: its base, and the tensors that changed
"""

import hashlib
import json
import os
import string
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from xreason.harness.store.provenance import has_gpu
from xreason.harness.store.steps import key_of
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.base import (
    CHECKPOINT_FILE,
    base_hash,
    check_tokenizer,
    resolve_model,
    resolve_outline,
    stored_dtype,
    tensor_files,
)
from xreason.trainers.checkpoints.delta import read_checkpoint, verify_base
from xreason.trainers.checkpoints.hashes import kept_hash

#: Keys of a config.json that say nothing about shapes: two models that differ only there can take turns in one engine.
_SHAPELESS = {"_name_or_path", "transformers_version", "torch_dtype", "dtype", "use_cache"}

#: Letters that a name in the run store is made of.
_PLAIN = frozenset(string.ascii_letters + string.digits + "._+-")
#: Files that decide which tokens a text becomes; and those that decide what text a question becomes, and when an answer ends.
_TOKENIZER = ("*token*", "vocab*", "merges*", "*.model")
_TEMPLATES = ("*.jinja", "chat_template*", "*/*.jinja", "generation_config.json")


#: What is scored without weights and without an engine, see xreason.harness.serving.dummy; its name, and what it is known by.
DUMMY, _DUMMY_RULE = "dummy", "right, wrong, empty, hostile by turns: 1"


class Model(BaseModel):
    """One model to be served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str  #: what the person called it
    folder: Path  #: a full Transformers folder: the model itself, or the base of a delta checkpoint
    hash: str  #: SHA-256 of all that it answers with
    delta: Path | None = None  #: folder with the tensors that differ from those in `folder`, or None
    adapter: Path | None = None  #: folder of a LoRA adapter of PEFT that is served beside `folder`, or None
    size: int = 0  #: bytes on disk that are its own
    known: bool = True  #: whether that hash is of its weights; else they were not read, and no step that needs them has a key
    served_as: str | None = None  #: its name at the running server that answers for it; None where it is a folder's

    def positions(self) -> int:
        """Returns the longest sequence it can take, in tokens."""
        config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        return int(config.get("max_position_embeddings") or config.get("n_positions") or 2048)

    @property
    def has_weights(self) -> bool:
        """Whether it is a folder's, which an engine here can serve: not a running server's, nor the dummy."""
        return self.served_as is None and not self.is_dummy

    @property
    def is_dummy(self) -> bool:
        """Whether it is the model that is none."""
        return self.hash == _DUMMY_HASH

    def signature(self) -> str:
        """Returns a hash of its shapes, its tokenizer and its templates: models that share it can take turns in one engine."""
        if not self.has_weights:
            return self.hash  # what a server's model is made of is not known
        config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        shapes = {key: value for key, value in config.items() if key not in _SHAPELESS}
        digest = hashlib.sha256(json.dumps(shapes, sort_keys=True).encode())
        digest.update(self._hash_of(*_TOKENIZER, *_TEMPLATES).encode())
        return digest.hexdigest()

    def tokenizer(self) -> str:
        """Returns a hash of its tokenizer, which decides what a training trains on."""
        return self._hash_of(*_TOKENIZER)

    def _hash_of(self, *patterns: str) -> str:
        paths = sorted({path for pattern in patterns for path in self.folder.glob(pattern) if path.is_file()})
        return key_of([[path.relative_to(self.folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()] for path in paths])

    def served_dtype(self, asked: str, *, on_gpu: bool | None = None) -> str:
        """Returns the dtype it is served in: what was asked for, or for "auto" what its files store.

        On a GPU, float32 becomes bfloat16 unless it was asked for by name: fast attention has no float32.

        Args:
            asked: "auto" or the name of a dtype.
            on_gpu: whether a GPU serves it; this machine's first choice for None.
        """
        if asked != "auto" or not self.has_weights:
            return asked
        stored = stored_dtype(self.folder)
        if stored in {"float32", "float64"}:
            return "bfloat16" if (has_gpu() if on_gpu is None else on_gpu) else "float32"
        return stored


_DUMMY_HASH = key_of([_DUMMY_RULE])


def dummy_model() -> Model:
    """Returns the model that is none."""
    return Model(name=DUMMY, folder=Path(), hash=_DUMMY_HASH)


def plain_model(reference: str) -> Model:
    """Returns the model that `reference` names: "pocket", a folder, or a hub id (asks the hub, or its cache).

    Raises:
        UserError: there is no such folder and no such model to be had, or it is no causal language model with a tokenizer.
    """
    folder = resolve_model(reference)
    check_tokenizer(folder)
    return Model(name=reference, folder=folder, hash=base_hash(folder), size=_size(folder))


def outlined_model(reference: str) -> Model:
    """Returns the same without reading a weight or asking a network: its `hash` is its weights' only where that is kept already.

    Raises:
        UserError: not even its config is on this machine, or what is there is no causal language model.
    """
    folder, known = resolve_outline(reference)
    check_tokenizer(folder)
    return Model(name=reference, folder=folder, hash=known or key_of([str(folder)]), known=known is not None, size=_size(folder))


def is_checkpoint(folder: Path) -> bool:
    """Returns whether `folder` is a checkpoint of ours."""
    return (folder / CHECKPOINT_FILE).is_file()


def checkpoint_model(folder: Path, name: str) -> tuple[Model, Model]:
    """Returns the model of a checkpoint, called `name`, and its base.

    Raises:
        UserError: the checkpoint cannot be read, or its base is gone or has changed since.
    """
    checkpoint = read_checkpoint(folder)
    if lost := set(checkpoint.tensors) - tensor_files(folder).keys():
        raise UserError(
            f"{folder} lacks {len(lost):,} of the tensors that its {CHECKPOINT_FILE} names, {min(lost)} first; train again."
        )
    verify_base(checkpoint)
    base = plain_model(checkpoint.base)
    own = kept_hash(sorted([*folder.glob("*.safetensors"), *folder.glob("adapter_config.json")]))
    whole = folder if checkpoint.kind == "full" else base.folder
    model = Model(name=name, folder=whole, hash=key_of([base.hash, own]), size=_size(folder))
    return model if checkpoint.kind == "full" else model.model_copy(update={str(checkpoint.kind): folder}), base


def row_name(reference: str) -> str:
    """Returns a name for a row of the board: what was typed, its letters in any script, the rest of it as hyphens."""
    kept = (each if each in _PLAIN or (not each.isascii() and each.isprintable()) else " " for each in reference.removesuffix("/"))
    return "-".join("".join(kept).split()).strip("-._") or "model"


def folder_name(reference: str) -> str:
    """Returns a name for a folder of the run store: of plain letters, and another for every reference.

    Where what was typed is no such name, it ends in a hash of it: ./模型一 is model-91c1e06f, and ./x another than ../x.
    """
    plain = "".join(each for each in row_name(reference) if each in _PLAIN).strip("-._")[-64:].lstrip("-._") or "model"
    typed = os.path.normpath(reference)
    return plain if plain == typed else f"{plain}-{hashlib.sha256(typed.encode()).hexdigest()[:8]}"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
