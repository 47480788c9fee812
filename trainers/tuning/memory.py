"""Memory that this machine has free, whether a training fits it, and the most that was held."""

import contextlib
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from xreason.trainers.stages import Tune
from xreason.trainers.tuning.counting import estimate_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def peak_memory(device: str, *, anew: bool = False) -> int:
    """Returns the most that was held, in bytes: by tensors on the current GPU, else by this process; `anew` begins from now."""
    if device == "cuda":
        import torch

        if anew:
            torch.cuda.reset_peak_memory_stats()
        return torch.cuda.max_memory_allocated()
    # where this is not Linux, or not allowed, the peak since the process began is the best there is
    with contextlib.suppress(OSError):
        if anew:
            Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak resident set size to the current one
        return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def free_memory(device: str) -> int:
    """Returns what is free on the current GPU, or in main memory, in bytes; where no one says, enough."""
    if device == "cuda":
        import torch

        # what PyTorch has reserved and does not use is free to it
        return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    with contextlib.suppress(OSError):
        return int(Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]) * 1024
    return sys.maxsize


def activations_fit(model: "PreTrainedModel", tune: Tune, tokens: int, device: str, mixed_precision: bool, processes: int) -> bool:
    """Returns whether the free memory holds all activations of so many tokens, beside the gradients and optimizer state to come."""
    needed = estimate_memory(model, tune, sequences=1, length=tokens, checkpointing=False, mixed_precision=mixed_precision)
    return needed.activations + (needed.gradients + needed.optimizer) // processes <= free_memory(device)
