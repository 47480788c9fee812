"""One training on several processes: what each of them is, and a model in shards over all of them.

    torchrun --nproc-per-node 2 SCRIPT        # every process makes the same calls; a single process needs nothing of this

The whole model lives in the memory of the first process, the others hold its outline. For a stage it is sharded over all
(PyTorch's FSDP2: each process holds its part of every weight, gradient and optimizer state, and gathers one layer at a time), and
what was tuned is brought back afterwards. Accelerate's FSDP is not used: as of 1.15 it takes its plugin for GPUs only, and on CPUs
lays DDP over the model without a word (accelerate/state.py leaves MULTI_CPU out of the kinds that may become FSDP).
"""

import atexit
import os
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Value = TypeVar("Value")


def start(device: str) -> None:
    """Joins the other processes, where torchrun or accelerate started this one as one of several; once a process.

    Args:
        device: "cpu" or "cuda".
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    import torch
    import torch.distributed as dist

    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not dist.is_initialized():
        # gloo beside NCCL, for what is said between processes lies in main memory
        dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)


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


def from_main(value: Value) -> Value:
    """Returns, on all processes, the value that the main one gives."""
    import torch.distributed as dist

    if world_size() == 1:
        return value
    said = [value]
    dist.broadcast_object_list(said, src=0)
    return said[0]


def heard_from_main(kind: type[Value]) -> Value:
    """Returns, on a process that is not the main one, what that gives to `from_main`: a value of this kind."""
    said = from_main(None)
    if not isinstance(said, kind):
        raise TypeError(f"expected {kind.__name__}, heard {said!r}")
    return said


def outline(folder: Path) -> "PreTrainedModel":
    """Returns the model of a folder without its weights, which takes no memory."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder, trust_remote_code=False))


def shard(
    model: "PreTrainedModel", device: str, mixed_precision: bool, freeze: Callable[["PreTrainedModel"], object]
) -> "PreTrainedModel":
    """Returns the model in shards over all processes; where there is only one, the model itself.

    Args:
        model: frozen, whole on the main process; elsewhere its outline does.
        device: "cpu" or "cuda".
        mixed_precision: gather weights in bfloat16; gradients are summed in float32.
        freeze: freezes a model as this one is.
    """
    if world_size() == 1:
        return model
    import torch
    import torch.distributed as dist
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    with torch.device("meta"):
        sharded = type(model)(deepcopy(model.config))
    freeze(sharded)
    described = from_main({name: (each.dtype, each.requires_grad) for name, each in model.named_parameters()})
    for name, parameter in sharded.named_parameters():
        parameter.data = parameter.data.to(described[name][0])
        parameter.requires_grad_(described[name][1])
    options: dict[str, Any] = {"mesh": init_device_mesh(device, (world_size(),))}
    if mixed_precision:
        options["mp_policy"] = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for module in list(sharded.modules()):
        if type(module).__name__ in (model._no_split_modules or ()):
            fully_shard(module, **options)
    fully_shard(sharded, **options)
    sharded.to_empty(device=device)
    whole = model.state_dict() if is_main() else {}
    set_model_state_dict(sharded, whole, options=StateDictOptions(full_state_dict=True, broadcast_from_rank0=True))
    # some buffers, such as rotary frequencies, are in no state dict
    buffers = dict(model.named_buffers())
    for name, buffer in sharded.named_buffers():
        if is_main():
            buffer.copy_(buffers[name])
        dist.broadcast(buffer, src=0)
    # the word by which Transformers' Trainer knows to leave placement and gradients to the model
    sharded._is_distributed_loading_by_transformers = True
    return sharded


def bring_back(sharded: "PreTrainedModel", model: "PreTrainedModel") -> None:
    """Puts what was tuned in the shards into the whole `model` of the main process, frozen as it was."""
    if sharded is model:
        return
    parameters = dict(model.named_parameters())
    shards: dict[str, Any] = {name: each for name, each in sharded.named_parameters() if each.requires_grad}
    for name in shards:
        # all processes take part in gathering, one keeps what is gathered
        gathered = shards[name].full_tensor()
        if is_main():
            parameters[name].data.copy_(gathered)
