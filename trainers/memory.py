"""How much memory a piece of work needed at its peak."""

import contextlib
import resource
import sys
from pathlib import Path

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


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
