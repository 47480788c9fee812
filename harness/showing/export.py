"""Leaving: from a checkpoint to a folder that Transformers and vLLM load, and where asked to the hub; boards to a data set there.

my-model/model.safetensors, config.json, tokenizer.json, ...    the base's files, with the tensors that training changed
my-model/generation_config.json                                 the base's own; made of its config where it has none
my-model/README.md                                              model card: data, stages, scores (see xreason.harness.showing.cards)
my-model/.eval_results/mgsm.yaml                                the scores as the hub reads them
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from xreason.harness.showing.cards import write_card
from xreason.harness.store.steps import STEP_FILE, step
from xreason.harness.training.train import TRAINING_FILE
from xreason.leaderboards.board import Board
from xreason.leaderboards.forms.markdown import write_board
from xreason.leaderboards.forms.page.page import write_page
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
        check_repository(push)
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
        instead = f"{directory} is written; then run `hf upload {push} {directory}`"
        _upload(directory, push, "model", "Model and card, exported by xreason", instead)
    return directory


def push_boards(boards: Sequence[Board], name: str, *, command: str = "", pictures: Sequence[Path] = ()) -> str:
    """Puts leaderboard.md, .json, .csv, .tex and .html into a data set of the hub, made where there is none; returns its address.

    Args:
        boards: what goes there; the page goes without samples.
        name: of the data set, "name/boards".
        command: what made the page, "" where that is not told.
        pictures: files that go into its folder pictures/.

    Raises:
        UserError: the hub does not take them.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_board(boards, folder)
        write_page(boards, folder, command=command)
        (folder / "pictures").mkdir()
        for picture in pictures:
            shutil.copy(picture, folder / "pictures")
        return _upload(folder, name, "dataset", "Boards, by xreason", "keep them with --out meanwhile")


def check_repository(name: str) -> None:
    """Makes sure that a repository of the hub can be called so.

    Raises:
        UserError: it cannot.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UserError(f"{name!r} can be no repository of the hub ({error}); give one such as my-name/my-model.") from error


def _upload(folder: Path, name: str, kind: str, said: str, instead: str) -> str:
    """Uploads a folder into a repository of that kind, made where there is none, with a message; returns its address."""
    from httpx2 import HTTPError
    from huggingface_hub import HfApi

    try:
        hub = HfApi()
        place = hub.create_repo(name, repo_type=kind, exist_ok=True)
        hub.upload_folder(repo_id=place.repo_id, repo_type=kind, folder_path=folder, commit_message=said)
    # ValueError: of a token that cannot be one; the hub's own errors are HTTPError or OSError
    except (HTTPError, OSError, ValueError) as error:
        raise UserError(f"The hub does not take {name} ({_reason(error)}); {instead}.") from error
    return str(place)


def _reason(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    told = {
        401: "it does not know you: log in with `hf auth login`",
        403: "your token may not write there: log in with one that may",
    }
    return told.get(status, f"it answered {status}") if isinstance(status, int) else type(error).__name__
