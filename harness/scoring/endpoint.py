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
from xreason.tasks.files import parse_json
from xreason.tasks.names import unknown

#: Of a model's hash and of its scores: what it is served in is the server's to know.
DTYPE = "server"

#: How long a server may take to list its models, or to give one token.
_SECONDS = 10


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
    for name in names or listed:
        _try_out(address, name)
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
    said = _asked(f"{address}/models")
    try:
        names = [model["id"] for model in said["data"]]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"What answers at {address}/models lists no models ({type(error).__name__}); start a server with: vllm serve MODEL"
        ) from error
    if not all(isinstance(name, str) and name for name in names):
        raise UserError(f"The server at {address} lists a model without a name; start it with one: vllm serve MODEL")
    if not names:
        raise UserError(f"The server at {address} lists no model; start it with one: vllm serve MODEL")
    return names


def _try_out(address: str, name: str) -> None:
    """Asks for one token, so that a server that answers nothing is known before lm-eval asks it everything, several times.

    Raises:
        UserError: it gives none.
    """
    said = _asked(f"{address}/completions", {"model": name, "prompt": "1", "max_tokens": 1, "temperature": 0})
    try:
        text = said["choices"][0]["text"]
    except (KeyError, TypeError, IndexError):
        text = None
    if not isinstance(text, str):
        raise UserError(f"{address}/completions gives no completion of {name}; start the server with: vllm serve {name}")


def _asked(url: str, content: dict[str, Any] | None = None) -> Any:
    """Returns the JSON that a server answers to a GET, or with `content` to a POST.

    Raises:
        UserError: it does not answer, or not with JSON.
    """
    import requests

    try:
        answer = requests.request("GET" if content is None else "POST", url, json=content, timeout=_SECONDS)
        answer.raise_for_status()
        return parse_json(answer.content, f"What {url} answers", "start a server with: vllm serve MODEL")
    # ValueError: of an address that is none
    except (requests.RequestException, ValueError) as error:
        code = f" {error.response.status_code}" if isinstance(error, requests.HTTPError) and error.response is not None else ""
        raise UserError(f"No server answers at {url} ({type(error).__name__}{code}); start one with: vllm serve MODEL") from error
