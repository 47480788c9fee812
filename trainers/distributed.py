"""One training on several processes: what each of them is, and a model in shards over all of them.

torchrun --nproc-per-node 2 -m ...        # every process calls the same functions; a single one needs none of this
"""

import os


def world_size() -> int:
    """Returns how many processes train together."""
    import torch.distributed as dist

    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Returns which of them this one is, from 0."""
    import torch.distributed as dist

    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def is_main() -> bool:
    """Returns whether this is the process that writes."""
    return rank() == 0


def barrier() -> None:
    """Waits until all processes are here."""
    import torch.distributed as dist

    if world_size() > 1:
        dist.barrier()


def launched() -> bool:
    """Returns whether torchrun or accelerate started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def as_main(decision: bool) -> bool:
    """Returns what the main process decided, on all of them."""
    import torch
    import torch.distributed as dist

    if world_size() == 1:
        return decision
    said = torch.tensor(int(decision))
    dist.broadcast(said, src=0)
    return bool(said.item())
