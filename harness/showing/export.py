"""Leaving with the model: from a checkpoint to a folder that Transformers and vLLM load, and where asked to the hub.

my-model/model.safetensors, config.json, tokenizer.json, ...    the base's files, with the tensors that training changed
my-model/generation_config.json                                 the base's own; made of its config where it has none
my-model/README.md                                              model card: data, stages, scores (see xreason.harness.showing.cards)
"""

from pathlib import Path

from xreason.harness.showing.cards import write_card
from xreason.harness.store.steps import STEP_FILE, step
from xreason.harness.training.train import TRAINING_FILE
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.delta import materialise, read_checkpoint


def export(checkpoint: Path, directory: Path, *, push: str | None = None) -> Path:
    """Writes the whole model of a checkpoint into `directory`, whole or not at all, and returns it.

    Args:
        checkpoint: a folder that training wrote; its training.json, and record.json beside it, make the model card fuller.
        directory: a new or empty folder.
        push: id of a hub repository ("name/model"), made where there is none, that everything is uploaded to.

    Raises:
        UserError: there is no checkpoint, its base is gone or has changed, the folder is not empty, or the hub does not take the
            model (the folder is there then).
    """
    if push is not None:
        _check_repository(push)
    described = read_checkpoint(checkpoint)
    if directory.is_file() or (directory.is_dir() and any(directory.iterdir())):
        raise UserError(f"{directory} is not empty; name a new folder.")
    place = directory.absolute()
    with step(place, "export") as aside:
        materialise(described, aside)
        (aside / TRAINING_FILE).unlink(missing_ok=True)  # its numbers are on the card
        if not (aside / "generation_config.json").is_file():
            from transformers import AutoConfig, GenerationConfig

            config = AutoConfig.from_pretrained(aside, trust_remote_code=False)
            GenerationConfig.from_model_config(config).save_pretrained(aside)
        write_card(described, aside, name=push or place.name)
    # a model folder is no step of the run store
    (place / STEP_FILE).unlink()
    if push is not None:
        _upload(directory, push)
    return directory


def _check_repository(name: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UserError(f"{name!r} can be no repository of the hub ({error}); give one such as my-name/my-model.") from error


def _upload(directory: Path, name: str) -> None:
    from httpx2 import HTTPError
    from huggingface_hub import HfApi

    try:
        hub = HfApi()
        hub.create_repo(name, exist_ok=True)
        hub.upload_folder(repo_id=name, folder_path=directory, commit_message="Model and card, exported by xreason")
    # ValueError: of a token that cannot be one; the hub's own errors are HTTPError or OSError
    except (HTTPError, OSError, ValueError) as error:
        raise UserError(
            f"{directory} is written, but {name} does not take it ({type(error).__name__}): log in with `hf auth login`, then run "
            f"`hf upload {name} {directory}`."
        ) from error
