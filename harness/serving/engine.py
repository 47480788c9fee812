"""One running vLLM that all models of a comparison take turns in.

The Engine is lm-eval's own vLLM model, extended by `serve`, which replaces the weights in place: what differs between the model
that is served and the next one is moved, nothing else. vLLM runs inside this process, so that an interrupt reaches it at once and
nothing is left behind when the process dies.

This module imports vLLM: import it only where a model is really to be served.
"""

import contextlib
import copy
import gc
import hashlib
import importlib.metadata
import json
import logging
import os
import re
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from xreason.harness.serving.answers import Answer, Answers
from xreason.harness.serving.models import Model
from xreason.harness.store.provenance import vllm_version
from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.base import tensor_files

#: In GiB, where there is no GPU and nobody set VLLM_CPU_KVCACHE_SPACE: enough for hundreds of prompts of a small model at a time.
CPU_KEY_VALUE_CACHE = "2"


def _prepare_environment() -> None:
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_WORKER_MULTIPROCESSING_METHOD", "spawn")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", CPU_KEY_VALUE_CACHE)


@contextlib.contextmanager
def _vllm_under_its_name() -> Iterator[None]:
    # lm-eval asks for the version of the distribution `vllm`; the build for CPUs is distributed as `vllm-cpu`
    find = importlib.metadata.version

    def version(distribution_name: str) -> str:
        return vllm_version() if distribution_name == "vllm" else find(distribution_name)

    importlib.metadata.version = version
    try:
        yield
    finally:
        importlib.metadata.version = find


_prepare_environment()
with _vllm_under_its_name():
    from lm_eval.models.vllm_causallms import VLLM
import torch  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from vllm import TokensPrompt  # noqa: E402
from vllm.platforms import current_platform  # noqa: E402

#: Tokens of prompts that are read at once on a CPU, where the longest prompt does not need more.
LEAST_BATCHED_TOKENS = 4096

#: What vLLM fuses into one parameter lies side by side in one sub-layer (q, k, v; gate, up): such a sub-layer is moved whole.
_SUB_LAYER = re.compile(r"^(.*\.\d+\.[^.]+\.)")

Progress = Callable[[int, int], None]


class Engine(VLLM):  # type: ignore[misc]
    """lm-eval's vLLM model whose weights can be replaced.

    Args:
        model: the first model to serve; all others must share its signature.
        dtype: "auto" serves what the folder stores (vLLM's own "auto" would turn float32 into bfloat16).
        max_length: longest prompt and response together, in tokens; the model's own limit for None.
        arguments: anything else that `vllm.LLM` takes.

    Attributes:
        seconds_to_start: how long vLLM took to start.
        progress: told how many of a batch's prompts are answered, and how many there are; None for nobody.
        answers: where responses are kept as they come, and found where they were given before; None for nowhere.
        cut_off: of the latest requests: lm-eval's task and document id to whether each response ended at the token limit.
        shortened: how many of the latest prompts were too long for the model and lost their beginning.
    """

    def __init__(self, model: Model, *, dtype: str = "auto", max_length: int | None = None, **arguments: Any) -> None:
        began = time.perf_counter()
        self._folder, self._signature = model.folder, model.signature()
        self._changed: frozenset[str] = frozenset()
        self._names = frozenset(tensor_files(model.folder))
        self.progress: Progress | None = None
        self.answers: Answers | None = None
        self.cut_off: dict[tuple[str, int], list[bool]] = {}
        self.shortened = 0
        self._ends: dict[tuple[int, ...], deque[bool]] = defaultdict(deque)
        if current_platform.is_cpu():
            # compiling costs more than it gains on a CPU, for models that one can wait for there
            arguments = {"enforce_eager": True, "enable_chunked_prefill": False, **arguments}
            # vLLM rewinds the chance of a prompt that it read in part, and cannot do that on CPUs: prompts are read whole there
            arguments.setdefault("max_num_batched_tokens", max(LEAST_BATCHED_TOKENS, max_length or model.positions()))
        super().__init__(
            pretrained=str(model.folder),
            dtype=_stored_dtype(model.folder) if dtype == "auto" else dtype,
            max_model_len=max_length,
            worker_extension_cls="xreason.harness.serving.worker.SwapExtension",
            use_tqdm_on_load=False,
            disable_log_stats=True,
            **arguments,
        )
        self.seconds_to_start = time.perf_counter() - began
        self.serve(model)

    def takes(self, model: Model) -> bool:
        """Returns whether `model` can be served without another start: same shapes, same tokenizer."""
        return model.signature() == self._signature

    def serve(self, model: Model) -> float:
        """Replaces the weights by those of `model`; returns the seconds it took.

        Raises:
            ValueError: the model has other shapes or another tokenizer than this engine.
        """
        if not self.takes(model):
            raise ValueError(f"{model.name} has other shapes or another tokenizer than the running engine")
        began = time.perf_counter()
        own = tensor_files(model.delta) if model.delta else {}
        files = tensor_files(model.folder) | own
        differs = frozenset(own) if model.folder == self._folder else self._names
        moving = _whole_sub_layers(differs | self._changed, self._names)
        if moving:
            with tempfile.TemporaryDirectory(prefix="xreason-swap-") as folder:
                _gather(moving, files, Path(folder))
                self.model.collective_rpc("swap_weights", args=(folder,))
            if not self.model.reset_prefix_cache():
                raise RuntimeError("vLLM did not drop its prefix cache; answers would mix two models")
        self._changed = differs
        return time.perf_counter() - began

    def stop(self) -> None:
        """Ends vLLM and gives its memory back."""
        self.model.llm_engine.engine_core.shutdown()
        del self.model

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Answers lm-eval's requests; tells `self.progress` how many are done, and notes in `self.cut_off` how each ended."""
        self._ends.clear()
        responses = list(super().generate_until(requests, disable_tqdm=True))
        self._note_ends(requests)
        return responses

    def _model_generate(self, requests: list[list[int]], generate: bool = False, sampling_params: Any = None) -> Any:
        """Answers prompts; the samples of a prompt, which lm-eval asks for one by one, are one request for parallel sampling."""
        if not generate:
            return super()._model_generate(requests, generate, sampling_params)
        positions: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for position, request in enumerate(requests):
            positions[tuple(request)].append(position)
        params = {tokens: _sampling(sampling_params[places[0]], tokens, len(places)) for tokens, places in positions.items()}
        answered = self._answered(params)
        outputs: list[Any] = [None] * len(requests)
        for tokens, places in positions.items():
            for sample, position in enumerate(places):
                # where decoding is greedy, questions with the same prompt share the one answer
                answer = answered[tokens][min(sample, len(answered[tokens]) - 1)]
                outputs[position] = SimpleNamespace(outputs=[answer])
                self._ends[tokens].append(answer.finish_reason == "length")
        return outputs

    def _answered(self, params: Mapping[tuple[int, ...], Any]) -> dict[tuple[int, ...], list[Answer]]:
        """Returns the samples of every prompt, from `answers` where they are there; keeps the others as vLLM ends them."""
        known = {tokens: self.answers.known(tokens, params[tokens]) for tokens in params} if self.answers else {}
        said = {tokens: answers for tokens, answers in known.items() if answers is not None}
        missing = {tokens: each for tokens, each in params.items() if tokens not in said}
        prompts = [TokensPrompt(prompt_token_ids=list(tokens)) for tokens in missing]
        vllm = self.model.llm_engine
        identifiers = self.model.enqueue(prompts, list(missing.values()), lora_request=self.lora_request, use_tqdm=False)
        try:
            while vllm.has_unfinished_requests():
                for output in vllm.step():
                    tokens = tuple(output.prompt_token_ids)
                    said[tokens] = [Answer(each.text, each.finish_reason) for each in output.outputs]
                    if self.answers:
                        self.answers.keep(tokens, params[tokens], said[tokens])
                    if self.progress:
                        self.progress(len(said), len(params))
        finally:
            if vllm.has_unfinished_requests():
                # an interrupt, a full disk: the rest of these is not to be answered beside the next questions
                vllm.abort_request(identifiers, internal=True)
        return said

    def _note_ends(self, requests: Sequence[Any]) -> None:
        # lm-eval sorts prompts by length and hands back texts alone, so a response is found again by its prompt
        self.cut_off, self.shortened = defaultdict(list), 0
        encoded = self.tok_encode(tuple(request.args[0] for request in requests))
        for request, tokens in zip(requests, encoded, strict=True):
            prompt = tuple(tokens)
            if prompt not in self._ends:
                self.shortened += 1
                prompt = next(known for known in self._ends if prompt[-len(known) :] == known)
            self.cut_off[request.task_name, request.doc_id].append(self._ends[prompt].popleft())


def _sampling(params: Any, prompt: tuple[int, ...], samples: int) -> Any:
    """Returns the parameters of one prompt's samples, which depend on the prompt alone: not on what was asked before it."""
    if params.temperature == 0:
        return params
    own = copy.copy(params)
    own.n = samples
    own.seed = int.from_bytes(hashlib.sha256(repr(prompt).encode()).digest()[:4], "big")
    return own


def start(model: Model, **arguments: Any) -> Engine:
    """Starts an engine.

    Raises:
        UserError: vLLM cannot serve the model on this machine; with its own reason.
    """
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    # a training, or an engine that has ended, leaves memory behind on the GPU: vLLM takes a share of what is free
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        return Engine(model, **arguments)
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"vLLM cannot serve {model.name}: {reason}") from error


def _whole_sub_layers(names: frozenset[str], all_names: frozenset[str]) -> frozenset[str]:
    prefixes = {match[1] for name in names if (match := _SUB_LAYER.match(name))}
    siblings = {name for name in all_names if (match := _SUB_LAYER.match(name)) and match[1] in prefixes}
    return names | siblings


def _gather(names: frozenset[str], files: dict[str, Path], folder: Path) -> None:
    by_file: dict[Path, list[str]] = {}
    for name in sorted(names):
        by_file.setdefault(files[name], []).append(name)
    for number, (path, wanted) in enumerate(by_file.items()):
        with safe_open(path, framework="pt") as tensors:
            save_file({name: tensors.get_tensor(name) for name in wanted}, folder / f"model-{number}.safetensors")


def _stored_dtype(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return str(config.get("dtype") or config.get("torch_dtype") or "auto")
