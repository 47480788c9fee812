"""What this machine has, and what training a 7B model by each method would need: the first thing to run on a new machine."""

import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from xreason.harness.store.provenance import distribution_version, machine, vllm_version
from xreason.harness.training.counting import MethodCount, count_method
from xreason.harness.training.rates import matrix_rate
from xreason.leaderboards.forms.format import share, size
from xreason.tasks.data import SOURCES
from xreason.trainers.corpora import octopus
from xreason.trainers.methods import list_methods
from xreason.trainers.stages import Method
from xreason.trainers.tuning.counting import skeleton_of
from xreason.trainers.tuning.memory import USABLE

GIB = 2**30  # bytes
# What one GPU may hold, in GiB, as they are sold for training; several are reckoned in the last.
_GPU_SIZES = (24, 40, 48, 80)
#: What else there is for a stage that one must hold.
_LARGEST = (141, 180)
_LIBRARIES = ("xreason", "torch", "transformers", "accelerate", "peft", "lm-eval", "datasets")


def diagnose() -> dict[str, Any]:
    """Returns what this machine has and what each method needs on a 7B model, as JSON holds it; sizes in bytes. Takes seconds.

    `needs` has an entry a method: what xreason.harness.training.counting says of it, `tokens_per_second_at_most` (measured FLOP/s
    over FLOPs a token: no training reaches it), the size of the checkpoint in bfloat16, and one line of advice.
    """
    from huggingface_hub import constants

    gpus, (speed, speed_of) = _gpus(), matrix_rate()
    data, cache = os.environ.get("XREASON_DATA") or None, Path(constants.HF_HUB_CACHE)
    # the suites, then the corpora
    sets = (*SOURCES, "gsm8k", octopus.FOLDER, "metamath", "question_translation")
    return {
        "machine": machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "disk_free_bytes": shutil.disk_usage(Path.cwd()).free,
        "gpus": gpus,
        "bfloat16": _bfloat16(),
        "flops_per_second": speed,
        "flops_measured_on": speed_of,
        "versions": {name: distribution_version(name) for name in _LIBRARIES} | {"vllm": vllm_version()},
        "data": {"folder": data, "sets": [name for name in sets if data and (Path(data) / name).is_dir()]},
        "hub_cache": {
            "folder": str(cache),
            "models": len(list(cache.glob("models--*"))),
            "offline": bool(constants.HF_HUB_OFFLINE),
        },
        "needs": _needs_of_7b([gpu["memory_bytes"] for gpu in gpus], speed),
    }


def doctor_tables(diagnosis: Mapping[str, Any]) -> tuple[Table, Table]:
    """Returns the same as two tables: the machine, and what a 7B model needs, a row a method."""
    has = Table("", "", title="This machine", show_header=False)
    data, cache = diagnosis["data"], diagnosis["hub_cache"]
    gpus = [f"{gpu['name']}, {size(gpu['memory_bytes'])} ({size(gpu['free_bytes'])} free)" for gpu in diagnosis["gpus"]]
    sets = f"{data['folder']}: {', '.join(data['sets']) or 'nothing of ours in it'}"
    lines = {
        "machine": diagnosis["machine"],
        "GPUs": "\n".join(gpus) or "none that PyTorch sees",
        "bfloat16": diagnosis["bfloat16"],
        "speed": f"{diagnosis['flops_per_second'] / 1e12:.3g} TFLOP/s ({diagnosis['flops_measured_on']})",
        "memory": size(diagnosis["memory_bytes"]),
        "disk": f"{size(diagnosis['disk_free_bytes'])} free here",
        "versions": ", ".join(f"{name} {version}" for name, version in diagnosis["versions"].items()),
        "data": sets if data["folder"] else "no folder given (--data DIR or XREASON_DATA), so from the hub",
        "hub cache": f"{cache['folder']}: {cache['models']} models" + (", offline" if cache["offline"] else ""),
    }
    for name, value in lines.items():
        has.add_row(name, escape(value))
    headings = ("method", "tuned", "memory", "checkpoint", "tokens/s at most", "advice")
    needs = Table(*headings, title="Training a 7B model (Llama-2-7B's shape)")
    for need in diagnosis["needs"]:
        tuned, speed = f"{need['tuned'] / 1e6:,.0f} M ({share(need['share'])})", f"{need['tokens_per_second_at_most']:,.3g}"
        needs.add_row(need["method"], tuned, size(need["memory_bytes"]), size(need["checkpoint_bytes"]), speed, need["advice"])
    return has, needs


def advice(counted: MethodCount, gpus: Sequence[int]) -> str:
    """Returns in one line what trains this, given the memory of each of the machine's GPUs, in bytes.

    Several GPUs share out weights, gradients and optimizer (FSDP's full shard) and hold activations of their own each, but for a
    stage that one must hold.
    """
    need, smallest, alone = counted.memory_bytes, min(gpus, default=0), any(stage.on_one for stage in counted.stages)
    said = f"{counted.method} needs about {math.ceil(need / GIB)} GiB: "
    if need <= USABLE * smallest:
        return said + "one GPU of this machine will do"
    here = None if alone else _gpus_needed(counted, smallest)
    if here is not None and here <= len(gpus):
        return said + f"{here} GPUs of this machine with FSDP"
    sizes = (*_GPU_SIZES, *_LARGEST) if alone else _GPU_SIZES
    each = next((each for each in sizes if need <= USABLE * each * GIB), sizes[-1])
    number = _gpus_needed(counted, each * GIB)
    if alone and number != 1:
        return said + f"more than one GPU of {each} GiB holds, and several cannot share it out; tune less"
    if number is None:
        return said + f"more than {each} GiB GPUs can share out; lower micro_batch_size or max_length"
    wanted = f"{number} x {each} GiB GPU" + ("s with FSDP" if number > 1 else "")
    return said + wanted + (", more than is here" if gpus else ", and PyTorch sees no GPU here")


def _gpus_needed(counted: MethodCount, size: int) -> int | None:
    """Returns how many GPUs of so many bytes hold every stage; None where activations alone fill one."""
    rooms = [(stage.memory_bytes.states, USABLE * size - stage.memory_bytes.activations) for stage in counted.stages]
    return None if any(room <= 0 for _, room in rooms) else max(math.ceil(states / room) for states, room in rooms)


def _needs_of_7b(gpus: Sequence[int], speed: float) -> list[dict[str, Any]]:
    from transformers import LlamaConfig

    # its defaults are the published shape of Llama-2-7B, the size that the papers train
    model = skeleton_of(LlamaConfig())
    # a package whose method is broken is for `xreason methods` to show; what takes other rows needs what these need
    counts = [count_method(model, "Llama-2-7B", each.method) for each in list_methods() if isinstance(each.method, Method)]
    return [
        counted.model_dump(mode="json")
        | {
            "tokens_per_second_at_most": speed / max(stage.flops_per_token for stage in counted.stages),
            # 2 bytes a number; of stages that change different things as many as the one that changes most, at least
            "checkpoint_bytes": 2 * max(stage.changed for stage in counted.stages),
            "advice": advice(counted, gpus),
        }
        for counted in counts
    ]


def _gpus() -> list[dict[str, Any]]:
    import torch

    names = map(torch.cuda.get_device_name, range(torch.cuda.device_count()))
    memory = (torch.cuda.mem_get_info(index) for index in range(torch.cuda.device_count()))
    return [{"name": name, "memory_bytes": total, "free_bytes": free} for name, (free, total) in zip(names, memory, strict=True)]


def _bfloat16() -> str:
    import torch

    if torch.cuda.is_available():
        return "yes, on the GPU" if torch.cuda.is_bf16_supported() else "not on this GPU: training is in float32"
    processor = Path("/proc/cpuinfo")
    flags = processor.read_text(encoding="utf-8").split() if processor.exists() else []
    fast = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags]
    return f"the processor has {' and '.join(fast)}; training on it is in float32" if fast else "not in this processor's hardware"
