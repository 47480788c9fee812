"""One training on several processes: what each of them is, and a model in shards over all of them.

    torchrun --nproc-per-node 2 SCRIPT        # every process makes the same calls; a single process needs nothing of this

The whole model lives in the memory of the first process, the others hold its outline. For a stage it is sharded over all (PyTorch's
FSDP2: each holds a part of every weight, gradient and optimizer state, and gathers a layer at a time); then what learnt comes back.
"""

import atexit
import os
from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from transformers import PreTrainedModel

from xreason.trainers.tuning.structure import layers_path

Value = TypeVar("Value")


def start(device: str) -> None:
    """Joins the other processes, where torchrun or accelerate started this one as one of several, on "cpu" or "cuda"."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        # gloo beside NCCL, for what is said between processes lies in main memory
        dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)


def world_size() -> int:
    """Returns how many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Returns which of them this one is, from 0; the first is the one that writes."""
    return dist.get_rank() if world_size() > 1 else 0


def barrier() -> None:
    """Waits until all processes are here."""
    if world_size() > 1:
        dist.barrier()


def from_main(make: Callable[[], Value]) -> Value:
    """Returns, on all processes, what `make` gives on the first, the only one that calls it."""
    said = [make() if rank() == 0 else None]
    if world_size() > 1:
        dist.broadcast_object_list(said, src=0)
    return cast(Value, said[0])


def mean(value: torch.Tensor) -> float:
    """Returns the mean of a number over all processes."""
    if world_size() > 1:
        dist.all_reduce(value)
    return float(value) / world_size()


def shard(
    model: PreTrainedModel, device: str, mixed_precision: bool, freeze: Callable[[PreTrainedModel], object]
) -> PreTrainedModel:
    """Returns a model in shards over all processes; where there is only one, the model itself.

    The model is whole on the main process, elsewhere its outline does; `freeze` freezes another as it is. With `mixed_precision`
    frozen weights are held in bfloat16, and all are gathered in it; gradients are summed in float32.
    """
    if world_size() == 1:
        return model
    with torch.device("meta"):
        sharded = type(model)(deepcopy(model.config))
    freeze(sharded)
    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if mixed_precision else MixedPrecisionPolicy()
    for parameter in sharded.parameters():
        parameter.data = parameter.data.to(torch.bfloat16 if mixed_precision and not parameter.requires_grad else torch.float32)
    mesh = init_device_mesh(device, (world_size(),))
    for module in [*sharded.get_submodule(layers_path(sharded)).children(), sharded]:
        fully_shard(module, mesh=mesh, mp_policy=policy)
    sharded.to_empty(device=device)
    whole = model.state_dict() if rank() == 0 else {}
    set_model_state_dict(sharded, whole, options=StateDictOptions(full_state_dict=True, broadcast_from_rank0=True))
    # some buffers, such as rotary frequencies, are in no state dict
    for name, buffer in sharded.named_buffers():
        if rank() == 0:
            buffer.copy_(model.get_buffer(name))
        dist.broadcast(buffer, src=0)
    return sharded


def reduce_now(sharded: Any, last: bool) -> None:
    """Lets the next backward pass sum gradients over all processes if it is the `last` of a step; else they wait, whole on each."""
    sharded.set_requires_gradient_sync(last)
    sharded.set_is_last_backward(last)


def bring_back(sharded: PreTrainedModel, model: PreTrainedModel) -> None:
    """Puts what was tuned in the shards, gathered by all processes, into the whole `model` of the main one, frozen as it was."""
    parameters: dict[str, Any] = {} if sharded is model else dict(sharded.named_parameters())
    for name, shards in parameters.items():
        if shards.requires_grad:
            gathered = shards.full_tensor()
            if rank() == 0:
                model.get_parameter(name).data.copy_(gathered)
