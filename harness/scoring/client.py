"""Asks a running server lm-eval's questions, as many at once as make it fastest; each answer is kept as it comes.

This module imports lm-eval: import it only where questions are really asked.
"""

import asyncio
import hashlib
import json
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import aiohttp
import tenacity
from lm_eval.api.model import LM
from lm_eval.models.utils import normalize_gen_kwargs, postprocess_generated_text

from xreason.harness import progress
from xreason.harness.serving.answers import Answer, Answers, Tokens
from xreason.tasks.errors import UserError

#: Seconds after a server's latest answer in which it is asked again: enough for one that is started anew.
PATIENCE = 300.0

#: Seconds that one answer may take: a request may wait for its turn, a server may hang.
LONGEST_ANSWER = 900.0

#: Requests in flight at first, and what twice as many must bring in tokens a second to be worth it.
_FIRST, _WORTH = 128, 1.05

#: What vLLM would else take from the model's generation_config.json, where the engine in this process does not look.
_AS_ENGINE = {"top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
#: Of vLLM's own: it is told to write special tokens out, as lm-eval has its engine do.
_AS_VLLM = {
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "skip_special_tokens": False,
    "spaces_between_special_tokens": False,
    "truncation_side": "left",
}


class Client(LM):  # type: ignore[misc]
    """lm-eval's model for one that a server answers for, over the OpenAI completions API.

    Prompts are sent as text: the server adds a first token as the engine in this process does.

    Args:
        address: of the API, such as http://localhost:8000/v1.
        name: of the model there.
        concurrency: requests in flight; None for as many as make it fastest.
        positions: longest prompt and response together, in tokens, if the server tells it; it is taken for vLLM then, which is told
            all that its engine is, and to cut the beginning off longer prompts. Another is asked in the API's own words.
        headers: of every request, such as the key that a server wants.

    Attributes:
        progress: told how many of a suite's prompts are answered, and how many there are; None for nobody.
        answers: where responses are kept as they come, and found where they were given before; None for nowhere.
        cut_off: of the latest requests: lm-eval's task and document id to whether each response ended at the token limit; None
            where the server does not say why one ended.
        tokens: of the latest requests: the same to how many tokens each response took, as far as the server tells it.
        think_end_token: as lm-eval's own models have it, and `said` the same as tokens to all that each response says.
        shortened: how many of the latest prompts filled all the room that the model has for them.
        in_flight: requests in flight, as far as is known by now.
        rate: tokens a second of the latest requests.
    """

    def __init__(
        self,
        address: str,
        name: str,
        *,
        concurrency: int | None = None,
        positions: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.base_url = f"{address}/completions"
        self._name, self._positions, self._headers = name, positions, headers
        self.progress: progress.Report | None = None
        self.answers: Answers | None = None
        self.cut_off: dict[tuple[str, int], list[bool]] | None = {}
        self.tokens: dict[tuple[str, int], list[Tokens]] = {}
        self.shortened, self.rate = 0, 0.0
        self.think_end_token: str | None = None
        self.said: dict[tuple[str, int], list[str]] = {}
        self._flight = _Flight(concurrency)

    @property
    def in_flight(self) -> int:
        """How many requests it has in flight."""
        return self._flight.allowed

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Answers lm-eval's requests; those with the same prompt are one request, for several samples where it is not greedy.

        Raises:
            UserError: the server refuses a question, or stopped answering; what it answered is kept.
        """
        places: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            prompt, how = request.args
            places[prompt, json.dumps(how, sort_keys=True)].append(place)
        asked = [_Question(prompt, self._content(json.loads(how), prompt, len(where))) for (prompt, how), where in places.items()]
        known = [self.answers.known(each.prompt, each.content) if self.answers else None for each in asked]
        said = {number: answers for number, answers in enumerate(known) if answers is not None}
        if said:
            progress.say(f"{len(said):,} of {len(asked):,} questions were answered before")
        self.shortened = 0
        # the longest first, as lm-eval has it: what takes long does not begin when all else is done
        left = sorted((number for number in range(len(asked)) if number not in said), key=lambda number: -len(asked[number].prompt))
        if left:
            asyncio.run(self._ask_all(asked, deque(left), said))
        texts = [""] * len(requests)
        self.cut_off, self.tokens, self.said = defaultdict(list), defaultdict(list), defaultdict(list)
        for number, where in enumerate(places.values()):
            stops = asked[number].content.get("stop")
            for sample, place in enumerate(where):
                answer = said[number][min(sample, len(said[number]) - 1)]
                texts[place] = postprocess_generated_text(answer.text, stops, self.think_end_token)
                document = requests[place].task_name, requests[place].doc_id
                self.cut_off[document].append(answer.finish_reason == "length")
                self.tokens[document].append((answer.tokens, answer.thinking_tokens))
                self.said[document].append(answer.text)
        if any(answer.finish_reason is None for answers in said.values() for answer in answers):
            self.cut_off = None
        return texts

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """Raises NotImplementedError: what asks for it, tasks of lm-eval alone, is refused when a scoring is planned."""
        raise NotImplementedError("a server is asked for responses alone")

    loglikelihood_rolling = loglikelihood

    def _content(self, how: dict[str, Any], prompt: str, samples: int) -> dict[str, Any]:
        """Returns the request of one prompt."""
        how = normalize_gen_kwargs(how)
        how.pop("do_sample", None)
        longest, stops = int(how.pop("max_gen_toks")), how.pop("until", None)
        content = {"model": self._name, "max_tokens": longest, **_AS_ENGINE}
        if self._positions is not None:
            content |= {**_AS_VLLM, "truncate_prompt_tokens": max(1, self._positions - longest)}
        if stops:
            content["stop"] = [stops] if isinstance(stops, str) else stops
        if how["temperature"] > 0:
            # of the prompt alone: not of what was asked before it
            content |= {"n": samples, "seed": int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big")}
        return content | how

    async def _ask_all(self, asked: Sequence["_Question"], left: "deque[int]", said: dict[int, list[Answer]]) -> None:
        flight, began, asking = self._flight, time.monotonic(), len(left)
        workers = tokens = 0
        self._latest = began
        again = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type((_AgainError, aiohttp.ClientError, TimeoutError)),
            wait=_pause,
            stop=self._is_silent,
            reraise=True,
        )

        async def work() -> None:
            nonlocal workers, tokens
            while left and workers <= flight.allowed:
                question = asked[number := left.popleft()]
                try:
                    reply: _Reply = await again(self._answer, session, question)
                except (_AgainError, aiohttp.ClientError, TimeoutError) as error:
                    raise UserError(
                        f"The server at {self.base_url} stopped answering after {len(said):,} of {len(asked):,} questions "
                        f"({str(error)[:60] or type(error).__name__}); start it again and give the same command."
                    ) from error
                self._latest = time.monotonic()
                said[number] = reply.answers
                if self.answers:
                    self.answers.keep(question.prompt, question.content, reply.answers)
                if self.progress:
                    self.progress(len(said), len(asked))
                self.shortened += reply.prompt_tokens >= question.content.get("truncate_prompt_tokens", float("inf"))
                tokens += reply.tokens
                flight.landed(reply.tokens)
                begin()
            workers -= 1

        def begin() -> None:
            nonlocal workers
            while left and workers < min(flight.allowed, workers + len(left)):
                workers += 1
                group.create_task(work())

        limits = aiohttp.ClientTimeout(total=LONGEST_ANSWER, sock_connect=30)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=limits, headers=self._headers) as session,
                asyncio.TaskGroup() as group,
            ):
                begin()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        self.rate = tokens / (time.monotonic() - began)
        found = f"{min(flight.allowed, asking):,} requests in flight"
        why = " (more brought no more)" if flight.found else ""
        progress.say(f"endpoint: {found}{why}, {self.rate:,.0f} tokens a second")

    async def _answer(self, session: aiohttp.ClientSession, question: "_Question") -> "_Reply":
        """Asks once.

        Raises:
            _AgainError: the server is busy, or fails, or answers what is no completion.
            UserError: it refuses the question itself.
        """
        async with session.post(self.base_url, json={"prompt": question.prompt, **question.content}) as answer:
            body = await answer.read()
            if answer.status == 429 or answer.status >= 500:
                self._flight.is_too_much(answer.status)
                raise _AgainError(str(answer.status), answer.headers.get("Retry-After"))
            if answer.status != 200:
                said = " ".join(body.decode(errors="replace").split())
                raise UserError(
                    f"The server at {self.base_url} refuses a question ({answer.status}: {said[:200]}); mend that, and go on."
                )
        try:
            reply = json.loads(body)
            choices = sorted(reply["choices"], key=lambda choice: choice["index"])
            usage = reply.get("usage") or {}
            took = _shared_out(usage.get("completion_tokens"), len(choices))
            answers = [
                Answer(each["text"] or "", each.get("finish_reason"), tokens) for each, tokens in zip(choices, took, strict=True)
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _AgainError(f"an answer that is no completion: {type(error).__name__}") from error
        if len(answers) < question.content.get("n", 1):
            raise UserError(f"The server at {self.base_url} gives one sample of several that it is asked for; choose --samples 1.")
        tokens = usage.get("completion_tokens") or sum(len(each.text.split()) for each in answers)
        return _Reply(answers, tokens, usage.get("prompt_tokens") or 0)

    def _is_silent(self, state: tenacity.RetryCallState) -> bool:
        return time.monotonic() + state.upcoming_sleep - self._latest > PATIENCE


class _Question(NamedTuple):
    prompt: str
    content: dict[str, Any]  #: of the request, beside the prompt


class _Reply(NamedTuple):
    answers: list[Answer]
    tokens: int  #: of the response
    prompt_tokens: int


def _shared_out(tokens: Any, samples: int) -> list[int | None]:
    """Returns how many tokens each sample took, of which a server tells the sum alone: as even as can be."""
    if not isinstance(tokens, int) or tokens < 0:
        return [None] * samples
    return [tokens // samples + (sample < tokens % samples) for sample in range(samples)]


class _AgainError(Exception):
    """A failure that passes; `after` is what the server says of when, if it says so."""

    def __init__(self, what: str, after: str | None = None) -> None:
        super().__init__(what)
        self.after = float(after) if after and after.isdigit() else None


def _pause(state: tenacity.RetryCallState) -> float:
    """Returns how long to wait before a request is sent again, in seconds: as the server says, else longer each time, by chance."""
    error = state.outcome.exception() if state.outcome else None
    after = error.after if isinstance(error, _AgainError) else None
    return after if after is not None else tenacity.wait_random_exponential(multiplier=0.25, max=15)(state)


class _Flight:
    """How many requests are in flight: twice as many each time, until that brings no more tokens a second.

    Args:
        number: of requests, if it is fixed.
    """

    def __init__(self, number: int | None) -> None:
        self.allowed = number or _FIRST
        self.found = False
        self._rising = number is None
        self._best = (0.0, self.allowed)
        self._begin(after=0)

    def _begin(self, after: int) -> None:
        self._began, self._landed, self._tokens = time.monotonic(), -after, 0

    def landed(self, tokens: int) -> None:
        """Counts one answer; decides where as many have come as are in flight, without those that were before the latest rise."""
        self._landed, self._tokens = self._landed + 1, self._tokens + tokens
        if self._landed == 0:
            self._begin(after=0)
        if not self._rising or self._landed < self.allowed:
            return
        rate = self._tokens / (time.monotonic() - self._began)
        if rate > _WORTH * self._best[0]:
            self._best, self.allowed = (rate, self.allowed), 2 * self.allowed
            self._begin(after=self._best[1])
        else:
            self._rising, self.found, self.allowed = False, True, self._best[1]

    def is_too_much(self, status: int) -> None:
        """Takes back the latest rise, where a server has too much to do; a fixed number stays."""
        if self._rising and status in (429, 503):
            self._rising, self.found, self.allowed = False, True, max(1, self.allowed // 2)
