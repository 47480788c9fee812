"""How much memory a piece of work needed at its peak, and whether what a training is to keep will fit."""

import contextlib
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_MEMORY = Path("/proc/meminfo")

# Numbers that autograd keeps a token and layer of a Llama, as counted with saved_tensors_hooks: four as wide as the feed-forward
# (gate, its activation, up, their product); of the hidden width 7 at the norms and projections and 4 in attention.
_KEPT_FEED_FORWARD = 4
_KEPT_HIDDEN = 11
# Bytes that come with each tuned number: its gradient and AdamW's two moments, in float32.
_TUNED_BYTES = 12


class PeakMemory:
    """Measures from the moment it is made. On a GPU: memory that tensors held there; else: resident memory of this process.

    Args:
        on_gpu: measure the current CUDA device.
    """

    def __init__(self, on_gpu: bool) -> None:
        self.on_gpu = on_gpu
        if on_gpu:
            import torch

            torch.cuda.reset_peak_memory_stats()
            return
        # where this is not Linux, or not allowed, the peak since the process began is the best there is
        with contextlib.suppress(OSError):
            _CLEAR.write_text("5")  # proc(5): resets the peak resident set size to the current one

    def read(self) -> int:
        """Returns the peak so far, in bytes."""
        if self.on_gpu:
            import torch

            return int(torch.cuda.max_memory_allocated())
        try:
            line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
            return int(line.split()[1]) * 1024
        except (OSError, StopIteration):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return peak if sys.platform == "darwin" else peak * 1024


def activation_bytes(config: "PreTrainedConfig", tokens: int, bytes_a_number: int) -> int:
    """Returns about how much a forward pass keeps for the backward pass, in bytes, where all layers are gone back through.

    Args:
        config: of the text model.
        tokens: in the pass.
        bytes_a_number: 4 for float32, 2 for bfloat16.
    """
    feed_forward = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    kept = _KEPT_FEED_FORWARD * feed_forward + _KEPT_HIDDEN * config.hidden_size
    return int(tokens * config.num_hidden_layers * kept * bytes_a_number)


def free_bytes(on_gpu: bool) -> int | None:
    """Returns what is free on the current GPU, or in main memory; None where the system does not say."""
    if on_gpu:
        import torch

        # what PyTorch has reserved and does not use is free to it
        return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())
    try:
        line = next(line for line in _MEMORY.read_text().splitlines() if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024


def activations_fit(activations: int, tuned_parameters: int, free: int | None) -> bool:
    """Returns whether activations fit beside the gradients and optimizer state that are still to come.

    Args:
        activations: bytes, see activation_bytes.
        tuned_parameters: numbers that are tuned on this device.
        free: bytes, see free_bytes; None counts as enough.
    """
    return free is None or activations + _TUNED_BYTES * tuned_parameters <= free
