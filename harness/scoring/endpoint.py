"""Models that a running server answers for, over the OpenAI completions API.

    runs/score/.asking-0f3a1c5be2d94a77.json     what a scoring that has begun is known by, until it is finished

What a server answers under a name may change, so a scoring that is finished is made anew when it is asked for again. One that was
not finished is gone on with: by the same command, within a day, if the server still has the model of that name and folder, asked in
the same way, and finds a fixed text as likely as it did. A server that was started anew with the same model answers on.
"""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from xreason.harness.scoring.questions import Scoring
from xreason.harness.serving import proof
from xreason.harness.serving.models import Model
from xreason.harness.store.steps import key_of
from xreason.leaderboards.files import write_whole
from xreason.tasks.errors import UserError
from xreason.tasks.files import parse_json
from xreason.tasks.names import unknown

if TYPE_CHECKING:
    from xreason.harness.scoring.client import Client

#: Of a model's hash and of its scores: what it is served in is the server's to know.
DTYPE = "server"

#: How long a server may take to list its models, or to give one token.
_SECONDS = 10

#: How long after it was last begun a scoring may be gone on with, in seconds.
_DAY = 24 * 60 * 60

#: What a server is asked how likely it finds it: another model finds it otherwise.
_FIXED_TEXT = "Lucy has 3 boxes of 12 pencils. Juma ana mayai 7. 一共有多少? 3 * 12 = 36. The answer is 36."


class Begun(BaseModel):
    """What is known of the scoring of one served model: that which is kept in a file until it is finished, and what it needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hash: str  #: of the model, as new as the scoring
    file: Path
    probe: tuple[float, ...] = ()  #: log-probabilities (nats) of the fixed text's tokens; none where the server does not tell them
    positions: int | None = None  #: longest prompt and response together, in tokens; None where the server does not tell it


class Endpoint(BaseModel):
    """A running server, and what it is asked with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    concurrency: int | None = None  #: requests in flight; None for as many as make it fastest
    begun: Mapping[str, Begun] = {}  #: by the hash of the model

    def client(self, model: Model) -> "Client":
        """Returns lm-eval's model for one that the server answers for; notes that its scoring has begun."""
        from xreason.harness.scoring.client import Client

        begun = self.begun.get(model.hash)
        if begun:
            begun.file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(begun.file, begun.model_dump_json() + "\n")
        return Client(
            address_of(self.url),
            str(model.served_as),
            concurrency=self.concurrency,
            positions=begun.positions if begun else None,
            headers=_key_shown(),
        )

    def finish(self, model: Model) -> None:
        """Notes that the scoring of a model is finished: the same command asks everything anew."""
        if model.hash in self.begun:
            self.begun[model.hash].file.unlink(missing_ok=True)


def address_of(url: str) -> str:
    """Returns the address of a server's API, given with or without /v1."""
    return url.rstrip("/").removesuffix("/v1") + "/v1"


def serving(
    url: str, names: Sequence[str], asked: Sequence[Scoring], folder: Path, *, concurrency: int | None = None
) -> tuple[Endpoint, list[Model]]:
    """Returns the server, and models of it, all that it lists for no names.

    Args:
        url: of the server.
        names: of models, as it lists them.
        asked: what they are to be asked.
        folder: of the plan.
        concurrency: requests in flight; None for as many as make it fastest.

    Raises:
        UserError: the server does not answer, does not list a model of that name, or is to use a chat template.
    """
    if asked[0].asking.prompt.chat:
        raise UserError("A server's chat template cannot be used yet; score the model itself, or choose another --prompt.")
    if asked[0].asking.thinking_tokens:
        raise UserError("A server's thinking is given no budget here; leave out --thinking-tokens, or score the model itself.")
    for each in asked:
        if not each.benchmark.generates:
            raise UserError(
                f"{each.suite} asks how likely answers are, and a server is asked for text alone; score the model itself."
            )
    address = address_of(url)
    listed = _listed_models(address)
    for name in names:
        if name not in listed:
            raise unknown(f"model at {url}", name, listed)
    begun, models = {}, []
    for name in names or listed:
        _try_out(address, name, samples=min(2, asked[0].asking.samples))
        root, positions = (listed[name].get(key) for key in ("root", "max_model_len"))
        known_by = key_of([address, name, root, [each.identity() for each in asked]])
        found = Begun(
            hash=key_of([address, name, datetime.now(UTC)]),
            file=folder / f".asking-{known_by[:16]}.json",
            probe=_probe(address, name),
            positions=positions if isinstance(positions, int) else None,
        )
        found = found.model_copy(update={"hash": _unfinished(found) or found.hash})
        begun[found.hash] = found
        models.append(Model(name=f"{name} at {url}", folder=Path(), hash=found.hash, served_as=name))
    return Endpoint(url=url, concurrency=concurrency, begun=begun), models


def _unfinished(now: Begun) -> str | None:
    """Returns the hash of the model whose scoring is to be gone on with, None where there is none."""
    try:
        if time.time() - now.file.stat().st_mtime > _DAY:
            return None
        before = Begun.model_validate_json(now.file.read_bytes())
    except (OSError, ValueError):
        return None
    same = len(before.probe) == len(now.probe) and before.positions == now.positions
    if not same or (now.probe and proof.difference(before.probe, now.probe) > proof.tolerance(DTYPE)):
        return None
    return before.hash


def _probe(address: str, name: str) -> tuple[float, ...]:
    """Returns how likely a server finds the tokens of the fixed text after its first; nothing where it does not tell."""
    content = {"model": name, "prompt": _FIXED_TEXT, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 0}
    with suppress(UserError, KeyError, TypeError, IndexError, ValueError):
        said = _asked(f"{address}/completions", content)["choices"][0]["logprobs"]["token_logprobs"]
        # the last is of the token that it added
        return tuple(map(float, said[1:-1]))
    return ()


def _listed_models(address: str) -> dict[str, Mapping[str, Any]]:
    """Returns the server's models by name, with what it tells of each."""
    said = _asked(f"{address}/models")
    try:
        listed = [(model["id"], model) for model in said["data"]]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"What answers at {address}/models lists no models ({type(error).__name__}); start a server with: vllm serve MODEL"
        ) from error
    if not all(isinstance(name, str) and name for name, _ in listed):
        raise UserError(f"The server at {address} lists a model without a name; start it with one: vllm serve MODEL")
    if not listed:
        raise UserError(f"The server at {address} lists no model; start it with one: vllm serve MODEL")
    return dict(listed)


def _try_out(address: str, name: str, samples: int) -> None:
    """Asks for one token, so that a server that answers nothing is known before it is asked everything, again and again.

    Raises:
        UserError: it gives none, or one sample where two are asked for.
    """
    content = {"model": name, "prompt": "1", "max_tokens": 1, "temperature": samples - 1, "n": samples}
    said = _asked(f"{address}/completions", content)
    try:
        texts = [choice["text"] for choice in said["choices"]]
    except (KeyError, TypeError):
        texts = []
    if not texts or not all(isinstance(text, str) for text in texts):
        raise UserError(f"{address}/completions gives no completion of {name}; start the server with: vllm serve {name}")
    if len(texts) < samples:
        raise UserError(f"The server at {address} gives one sample where several are asked for; choose --samples 1.")


def _asked(url: str, content: dict[str, Any] | None = None) -> Any:
    """Returns the JSON that a server answers to a GET, or with `content` to a POST.

    Raises:
        UserError: it does not answer, or not with JSON.
    """
    import requests

    try:
        method = "GET" if content is None else "POST"
        answer = requests.request(method, url, json=content, timeout=_SECONDS, headers=_key_shown())
        answer.raise_for_status()
        return parse_json(answer.content, f"What {url} answers", "start a server with: vllm serve MODEL")
    # ValueError: of an address that is none
    except (requests.RequestException, ValueError) as error:
        code = f" {error.response.status_code}" if isinstance(error, requests.HTTPError) and error.response is not None else ""
        raise UserError(f"No server answers at {url} ({type(error).__name__}{code}); start one with: vllm serve MODEL") from error


def _key_shown() -> dict[str, str]:
    """Returns the headers that a server which wants a key is sent: that of OPENAI_API_KEY."""
    key = os.environ.get("OPENAI_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}
