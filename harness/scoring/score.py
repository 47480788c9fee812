"""Scores models that are already there: hub ids, folders, checkpoints, or a running server.

runs/score/pocket/0/scores/mgsm/pocket/results_*.json and samples_mgsm_sw_*.jsonl
runs/score/pocket/0/record.json
runs/score/leaderboard.md and leaderboard.json
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from xreason.harness.scoring.results import Contender, Questions, record_of, score_all, score_contender, write_boards
from xreason.harness.serving.models import Model, checkpoint_model, is_checkpoint, plain_model, row_name
from xreason.harness.store.steps import key_of, only_writer
from xreason.harness.training.training import TRAINING_FILE, read_training
from xreason.leaderboards.board import Board
from xreason.leaderboards.records import Reading, Training
from xreason.tasks.errors import UserError
from xreason.tasks.names import unknown

FOLDER = "score"


def score_models(
    references: Sequence[str], questions: Questions, out: Path, *, dtype: str = "auto", reading: Reading = "paper"
) -> tuple[list[Board], Path]:
    """Scores every model that the references name, with one engine where their shapes allow.

    Returns:
        One board for each suite, and the folder that holds everything.

    Raises:
        UserError: a reference names no model, vLLM cannot serve it, or some questions cannot be had.
    """
    folder = out / (FOLDER + questions.asking.suffix)
    with only_writer(folder):
        contenders = [_contender(reference, folder) for reference in dict.fromkeys(references)]
        scorings = questions.scorings()
        return write_boards(score_all(contenders, scorings, dtype=dtype), folder, reading=reading), folder


def score_endpoint(
    url: str, names: Sequence[str], questions: Questions, out: Path, *, reading: Reading = "paper"
) -> tuple[list[Board], Path]:
    """Scores models that a running server answers for, over the OpenAI completions API; always anew, as a server may change.

    Args:
        url: of the server, with or without /v1.
        names: of the models there; all that it lists for none.
        questions: what is asked.
        out: the run store.
        reading: what the boards rank by.

    Raises:
        UserError: the server does not answer, does not list a model of that name, or is to sample or use a chat template; or
            some questions cannot be had.
    """
    from lm_eval.api.registry import get_model

    if questions.asking.samples > 1:
        # it sends one seed with every request, so that all samples would be the same
        raise UserError("lm-eval cannot take several samples from a server; score the model itself, without --endpoint.")
    if questions.asking.prompt.chat:
        raise UserError("A server's chat template cannot be used yet; score the model itself, or choose another --prompt.")
    address = url.rstrip("/").removesuffix("/v1") + "/v1"
    listed = _listed_models(address)
    for name in names:
        if name not in listed:
            raise unknown(f"model at {url}", name, listed)
    folder = out / (FOLDER + questions.asking.suffix)
    with only_writer(folder):
        records = []
        scorings = questions.scorings()
        for name in names or listed:
            # tokenizing is the server's: it gets the prompt as text
            lm = get_model("local-completions")(
                base_url=f"{address}/completions", model=name, tokenizer_backend="none", num_concurrent=32, max_length=10**6
            )
            model = Model(f"{name} at {url}", Path(), key_of([address, name, datetime.now(UTC)]))
            contender = Contender(row_name(name), 0, folder / row_name(name) / "0", model, model, None)
            score_contender(lm, contender, scorings, "server")
            records.append(record_of(contender, scorings, "server"))
        return write_boards(records, folder, reading=reading), folder


def _listed_models(address: str) -> list[str]:
    import requests

    try:
        answer = requests.get(f"{address}/models", timeout=30)
        answer.raise_for_status()
        names = [str(model["id"]) for model in answer.json()["data"]]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"No server answers at {address}/models ({type(error).__name__}); start one with: vllm serve MODEL"
        ) from error
    if not names:
        raise UserError(f"The server at {address} lists no model; start it with one: vllm serve MODEL")
    return names


def _contender(reference: str, folder: Path) -> Contender:
    row = row_name(reference)
    place = folder / row / "0"
    if not is_checkpoint(Path(reference)):
        model = plain_model(reference)
        return Contender(row, 0, place, model, model, None)
    model, base = checkpoint_model(Path(reference), row)
    return Contender(row, 0, place, model, base, _training_beside(Path(reference)))


def _training_beside(checkpoint: Path) -> Training | None:
    path = checkpoint.parent / TRAINING_FILE
    return read_training(path) if path.exists() else None
