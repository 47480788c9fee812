"""Models that a running server answers for, over the OpenAI completions API."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xreason.harness.scoring.questions import Asking
from xreason.harness.serving.models import Model
from xreason.harness.store.steps import key_of
from xreason.tasks.errors import UserError
from xreason.tasks.names import unknown

#: Of a model's hash and of its scores: what it is served in is the server's to know.
DTYPE = "server"


def address_of(url: str) -> str:
    """Returns the address of a server's API, given with or without /v1."""
    return url.rstrip("/").removesuffix("/v1") + "/v1"


def served_models(url: str, names: Sequence[str], asking: Asking) -> list[Model]:
    """Returns models of the server, all that it lists for no names; each time as new ones, for a server may change.

    Raises:
        UserError: the server does not answer, does not list a model of that name, or is to sample or to use a chat template.
    """
    if asking.samples > 1:
        # it sends one seed with every request, so that all samples would be the same
        raise UserError("lm-eval cannot take several samples from a server; score the model itself, without --endpoint.")
    if asking.prompt.chat:
        raise UserError("A server's chat template cannot be used yet; score the model itself, or choose another --prompt.")
    address = address_of(url)
    listed = _listed_models(address)
    for name in names:
        if name not in listed:
            raise unknown(f"model at {url}", name, listed)
    now = datetime.now(UTC)
    return [
        Model(name=f"{name} at {url}", folder=Path(), hash=key_of([address, name, now]), served_as=name) for name in names or listed
    ]


def client(url: str, model: Model) -> Any:
    """Returns lm-eval's model for one that a server answers for."""
    from lm_eval.api.registry import get_model

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    # tokenizing is the server's: it gets the prompt as text
    return get_model("local-completions")(
        base_url=f"{address_of(url)}/completions",
        model=model.served_as,
        tokenizer_backend="none",
        num_concurrent=32,
        max_length=10**6,
    )


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
