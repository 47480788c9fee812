"""What a person may tell vLLM: `--engine KEY=VALUE` and `engine:`, held against the installed vLLM's own EngineArgs.

    xreason score pocket --engine tensor_parallel_size=2 --engine gpu_memory_utilization=0.8

Names and types are read from vLLM's source: importing it takes longer than planning everything else.
"""

import ast
import difflib
import importlib.util
import os
import re
import textwrap
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from xreason.tasks.errors import UserError
from xreason.tasks.names import unknown

#: What weights are served in; "auto" is what the model stores, on a GPU bfloat16 for float32.
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
#: What is not vLLM's to be told here, and what is to be given instead.
_OURS = {
    **dict.fromkeys(
        ("model", "model_weights", "hf_config_path", "served_model_name", "revision", "code_revision", "config_format"),
        "name the model itself: a folder, a hub id, or what `hf download --revision` made",
    ),
    **dict.fromkeys(
        ("tokenizer", "tokenizer_mode", "tokenizer_revision", "skip_tokenizer_init"),
        "put the tokenizer into the model's folder, where scores are keyed by it",
    ),
    "dtype": "give --dtype (in an experiment `dtype:`)",
    **dict.fromkeys(
        ("load_format", "model_loader_extra_config", "pt_load_map_location", "ignore_patterns", "weight_transfer_config"),
        "weights are read from safetensors, those that a swap moves too; leave it out",
    ),
    **dict.fromkeys(
        ("worker_cls", "worker_extension_cls", "scheduler_cls", "model_class_overrides", "use_tqdm_on_load"),
        "the swap of weights and its proof stand on it; leave it out",
    ),
    "trust_remote_code": "code that comes with a model is never run; convert the model to a class that vLLM has",
    **dict.fromkeys(
        ("enable_lora", "max_lora_rank", "max_loras", "lora_dtype", "lora_target_modules", "default_mm_loras"),
        "name an adapter with its base, as BASE+ADAPTER",
    ),
    "reasoning_config": "give --think-end, and --thinking-tokens for a budget",
    **dict.fromkeys(
        ("runner", "convert", "logprobs_mode", "max_logprobs", "enable_prompt_embeds"),
        "models are served for text, and proved by log-probabilities; leave it out",
    ),
    "data_parallel_size": "one engine answers here; start `vllm serve -dp N`, and score it with --endpoint",
}

#: What changes no answer, and is in no key: how much memory and time vLLM takes, how many prompts at once, where, and what it logs.
#: All else may, were it by rounding alone: several cards add in another order, and compiled kernels (enforce_eager) fuse.
_HARMLESS = {
    *(
        "gpu_memory_utilization",
        "kv_cache_memory_bytes",
        "num_gpu_blocks_override",
        "cpu_offload_gb",
        "max_parallel_loading_workers",
    ),
    *("max_num_seqs", "max_num_batched_tokens", "max_num_scheduled_tokens", "async_scheduling", "stream_interval"),
    *("device_ids", "numa_bind", "numa_bind_nodes", "numa_bind_cpus", "master_addr", "master_port", "hf_token", "download_dir"),
    *("distributed_executor_backend", "distributed_timeout_seconds", "cpu_distributed_timeout_seconds", "shutdown_timeout"),
    *("disable_log_stats", "log_level", "log_config_file", "logging_config", "show_hidden_metrics_for_version"),
    *("safetensors_load_strategy", "safetensors_prefetch_num_threads", "safetensors_prefetch_block_size"),
}

#: What lm-eval's vLLM model calls otherwise.
_AS_LM_EVAL = {"max_length": "max_model_len", "max_batch_size": "max_num_seqs"}
#: What is lm-eval's own among the arguments of its vLLM model, and what is to be given instead.
_OF_LM_EVAL = {
    "batch_size": "vLLM batches by itself; leave it out, or give max_num_seqs",
    "max_gen_toks": "give --max-new-tokens",
    "device": "set CUDA_VISIBLE_DEVICES",
    **dict.fromkeys(
        ("add_bos_token", "prefix_token_id", "truncation_side"),
        "questions are put as --prompt says; leave it out",
    ),
    "think_end_token": "give --think-end",
    **dict.fromkeys(("chat_template_args", "enable_thinking"), "give --chat-arg, such as --chat-arg enable_thinking=false"),
}

#: What is offered where nothing is spelt alike.
_COMMON = ("tensor_parallel_size", "pipeline_parallel_size", "gpu_memory_utilization", "max_model_len", "quantization")

#: What annotations are made of, where vLLM's configs name no choices.
_TYPES = {"Literal": typing.Literal} | {each.__name__: each for each in (int, float, bool, str, list, dict, set, tuple)}

#: Arguments whose product is how many cards one engine takes.
_CARDS = ("tensor_parallel_size", "pipeline_parallel_size", "prefill_context_parallel_size")
_FROM_ONE = {*_CARDS, "max_model_len"}


def told(texts: Sequence[str], flag: str = "--engine", such_as: str = "tensor_parallel_size=2") -> dict[str, str]:
    """Returns the arguments that texts such as "max_model_len=2048" tell, by name, as they were typed.

    Raises:
        UserError: one is not of that form, or a name is told twice.
    """
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name or not value:
            raise UserError(f"{flag} {text!r} says no value; write it as KEY=VALUE, such as {such_as}.")
        if given.setdefault(name, value.strip()) != value.strip():
            raise UserError(f"{name} is given twice, with different values; give it once.")
    return given


def told_as_lm_eval(text: str) -> tuple[str | None, str | None, dict[str, str]]:
    """Returns what `--model_args` tells, in lm-eval's form: model and dtype, None where they are not there, and vLLM's arguments.

    Raises:
        UserError: a part of it is not of the form KEY=VALUE, told twice, or lm-eval's alone; or the dtype is none.
    """
    # at the commas before a name, not at those within a list or a mapping
    given = told([part for part in re.split(r",(?=\s*[\w-]*=)", text) if part.strip()], "--model-args")
    model, dtype, adapter = (given.pop(name, None) for name in ("pretrained", "dtype", "lora_local_path"))
    if dtype is not None and dtype not in get_args(Dtype):
        raise unknown("dtype", dtype, get_args(Dtype))
    if given.get("batch_size", "").startswith("auto"):
        del given["batch_size"]
    if own := next((name for name in given if name in _OF_LM_EVAL), None):
        raise UserError(f"{own} of lm-eval's models is not taken here: {_OF_LM_EVAL[own]}.")
    return f"{model}+{adapter}" if model and adapter else model, dtype, {_AS_LM_EVAL.get(name, name): given[name] for name in given}


def checked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns arguments as vLLM wants them, each of its type: of text, as it is typed, what YAML reads in it.

    Raises:
        UserError: vLLM has no such argument, or the value is not of its type; or it is not to be set here.
    """
    return {name: _checked(name, value) for name, value in arguments.items()}


def changing(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those of checked arguments that can change an answer, in the order of their names."""
    return {name: arguments[name] for name in sorted(arguments) if name not in _HARMLESS}


def cards(arguments: Mapping[str, Any]) -> int:
    """Returns how many cards, or processes on a processor, one engine takes."""
    product = 1
    for name in _CARDS:
        product *= int(arguments.get(name, 1))
    return product


def check_cards(arguments: Mapping[str, Any]) -> None:
    """Refuses an engine that wants more cards than this machine has, or where it has none more processes than processors.

    Raises:
        UserError: it does.
    """
    wanted = cards(arguments)
    if wanted == 1 or arguments.get("nnodes", 1) > 1 or arguments.get("distributed_executor_backend") == "ray":
        return
    import torch

    there, what = torch.cuda.device_count(), "GPU"
    if not torch.cuda.is_available():
        there, what = len(os.sched_getaffinity(0)), "processor"
    if wanted > there:
        said = " x ".join(f"{name}={arguments[name]}" for name in _CARDS if arguments.get(name, 1) > 1)
        raise UserError(f"{said} takes {wanted} {what}s for one engine, and {there} can be used here; give at most {there}.")


def _checked(name: str, value: Any) -> Any:
    known = _declared()
    if name in _OURS:
        raise UserError(f"{name} is not set for vLLM here: {_OURS[name]}.")
    if name.startswith("data_parallel"):
        raise UserError(f"{name} is not set for vLLM here: {_OURS['data_parallel_size']}.")
    if name not in known.annotations:
        raise unknown("argument of vLLM", name, difflib.get_close_matches(name, known.annotations, n=5) or _COMMON)
    for meant in _readings(value):
        try:
            taken = known.type_of(name).validate_python(meant)
        except ValidationError:
            continue
        # to pydantic, true is 1
        if isinstance(meant, bool) > isinstance(taken, bool) or (name in _FROM_ONE and taken < 1):
            continue
        # a set, which no key and no record can hold, stays the list that it was
        return meant if isinstance(taken, set) else taken
    least = " from 1" if name in _FROM_ONE else ""
    raise UserError(f"{name}={value!r:.80} is not possible; the installed vLLM wants {known.words(name)}{least}.")


def _readings(value: Any) -> Iterator[Any]:
    if isinstance(value, str):
        with suppress(yaml.YAMLError):
            yield yaml.safe_load(value)
    # what begins as a mapping or a list and is none is no text either
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        yield value


@cache
def _declared() -> "_Declared":
    found = importlib.util.find_spec("vllm")
    if found is None or found.origin is None:
        raise UserError("vLLM is not installed here, so that its arguments cannot be checked; install the extra cpu or cuda.")
    return _Declared(Path(found.origin).parent)


class _Declared:
    """The fields of EngineArgs as vLLM's source declares them; what their types are called is looked for among its configs."""

    def __init__(self, package: Path) -> None:
        tree = ast.parse((package / "engine" / "arg_utils.py").read_text(encoding="utf-8"))
        (declared,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "EngineArgs")
        fields = [each for each in declared.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
        self._package = package
        self.annotations = {each.target.id: each.annotation for each in fields if each.target.id[0] != "_"}  # type: ignore[union-attr]

    def type_of(self, name: str) -> TypeAdapter[Any]:
        """Returns what holds a value against the field's type; as far as that is told by vLLM's configs, and all else passes."""
        config = ConfigDict(coerce_numbers_to_str=True, arbitrary_types_allowed=True)
        try:
            return TypeAdapter(self._meant(self.annotations[name]), config=config)
        except Exception:  # a type that only vLLM itself can tell
            return TypeAdapter(Any)

    def words(self, name: str) -> str:
        """Returns the field's type in words."""
        meant = self._meant(self.annotations[name])
        choices = typing.get_args(meant) if typing.get_origin(meant) is typing.Literal else ()
        listed = textwrap.shorten(", ".join(map(str, choices)), 240, placeholder=" ...")
        return f"one of {listed}" if choices else ast.unparse(self.annotations[name])[:120]

    def _meant(self, annotation: ast.expr) -> Any:
        quoted = isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
        said = str(ast.literal_eval(annotation)) if quoted else ast.unparse(annotation)
        names = {node.id for node in ast.walk(ast.parse(said)) if isinstance(node, ast.Name)}
        try:
            # an annotation of the installed vLLM, all of which is imported later
            return eval(said, {name: self._named(name) for name in names})  # noqa: S307
        except (TypeError, AttributeError):  # of a class that vLLM alone has
            return Any

    def _named(self, name: str) -> Any:
        """Returns what a name stands for: a plain type, or choices that one of vLLM's configs lists; else anything."""
        if name in self._aliases:
            return self._meant(self._aliases[name])
        return _TYPES.get(name, Any)

    @cached_property
    def _aliases(self) -> dict[str, ast.expr]:
        found: dict[str, ast.expr] = {}
        for path in sorted((self._package / "config").glob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                target = (
                    node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else None
                )
                value = getattr(node, "value", None)
                if isinstance(target, ast.Name) and isinstance(value, ast.Subscript) and ast.unparse(value.value) == "Literal":
                    found[target.id] = value
        return found
