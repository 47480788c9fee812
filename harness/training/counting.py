"""What a method tunes of a model, exactly, and what training will take, estimated: without loading a weight.

count_method("meta-llama/Llama-2-7b-hf", load_method("slam")).as_dict()
{"tuned": 541065216, "total": 6738415616, "share": 0.0803, "stages": [...], ...}
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from xreason.trainers.methods import wants_layers, with_layers
from xreason.trainers.slam import PUBLISHED_LAYERS
from xreason.trainers.stages import Method
from xreason.trainers.tuning.counting import Counts, Memory, count_of, estimate_flops, estimate_memory, skeleton
from xreason.trainers.tuning.freezing import changed_weights
from xreason.trainers.tuning.structure import layer_count

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GIB = 2**30  # bytes


@dataclass(frozen=True)
class StageCount:
    """What one stage tunes and takes.

    Attributes:
        name: the stage's.
        tuned: what is tuned, in words.
        counts: the same in numbers, exact.
        changed: numbers in the weights that it may leave changed: of merged adapters those that they stand beside.
        sequences: of a forward pass, for which memory is estimated.
        length: of those, in tokens.
        memory: on one GPU, estimated.
        flops: floating-point operations a token, estimated, with gradient checkpointing.
    """

    name: str
    tuned: str
    counts: Counts
    changed: int
    sequences: int
    length: int
    memory: Memory
    flops: int


@dataclass(frozen=True)
class MethodCount:
    """What all stages of a method tune and take.

    Attributes:
        model: as given.
        method: the method's name.
        stages: in order.
    """

    model: str
    method: str
    stages: tuple[StageCount, ...]

    @property
    def largest(self) -> StageCount:
        """The stage that tunes most."""
        return max(self.stages, key=lambda stage: stage.counts.tuned)

    @property
    def memory(self) -> int:
        """The most that a stage needs on one GPU, in bytes."""
        return max(stage.memory.total for stage in self.stages)

    def as_dict(self) -> dict[str, Any]:
        """Returns it for JSON; `tuned`, `total` and `share` (in 0..1) are of the stage that tunes most."""
        counts = self.largest.counts
        return {
            "model": self.model,
            "method": self.method,
            "tuned": counts.tuned,
            "total": counts.total,
            "share": counts.share,
            "memory_bytes": self.memory,
            "stages": [_stage_as_dict(stage) for stage in self.stages],
        }


def count_method(model: str, method: Method) -> MethodCount:
    """Returns what `method` tunes of `model`, and what each stage takes.

    Memory is for the sequences a forward pass that the stage sets, or for one: the least there is.

    Args:
        model: "pocket", a folder (config.json is enough), or a hub id.
        method: see xreason.trainers.methods.load_method.

    Raises:
        UserError: there is no such model, or a stage does not fit it.
    """
    return count_built(skeleton(model), model, method)


def count_built(model: "PreTrainedModel", name: str, method: Method) -> MethodCount:
    """Returns the same of a model that is built already, with or without weights.

    Where a stage says `layers: auto`, the published number of layers is counted, and said to be assumed: to find the layers takes
    weights.

    Raises:
        UserError: a stage does not fit the model.
    """
    if wants_layers(method):
        assumed = range(min(PUBLISHED_LAYERS, layer_count(model)))
        method = with_layers(method, assumed, f"assumed: auto finds them in the weights, the paper tuned {PUBLISHED_LAYERS}")
    stages = []
    for stage in method.stages:
        sequences = stage.micro_batch_size or 1
        stages.append(
            StageCount(
                name=stage.name,
                tuned=stage.tune.describe(),
                counts=count_of(model, stage.tune),
                changed=sum(model.get_parameter(name).numel() for name in changed_weights(model, stage.tune)),
                sequences=sequences,
                length=stage.max_length,
                memory=estimate_memory(model, stage.tune, sequences=sequences, length=stage.max_length),
                flops=estimate_flops(model, stage.tune),
            )
        )
    return MethodCount(name, method.name, tuple(stages))


def count_table(counted: MethodCount) -> Table:
    """Returns what each stage tunes and takes, one column a stage."""
    table = Table(
        "",
        *(stage.name for stage in counted.stages),
        title=f"{counted.method} on {counted.model}",
        caption="Parameters are counted; memory (one GPU, bfloat16 over float32) and FLOPs are estimates.",
    )
    lines: dict[str, list[str]] = {
        "tuned": [stage.tuned for stage in counted.stages],
        "parameters": [f"{stage.counts.tuned:,} of {stage.counts.total:,}" for stage in counted.stages],
        "share": [f"{stage.counts.share:.1%}" for stage in counted.stages],
        "weights": [_gib(stage.memory.weights) for stage in counted.stages],
        "gradients": [_gib(stage.memory.gradients) for stage in counted.stages],
        "optimizer": [_gib(stage.memory.optimizer) for stage in counted.stages],
        "activations": [
            f"{_gib(stage.memory.activations)} ({stage.sequences} x {stage.length} tokens)" for stage in counted.stages
        ],
        "memory": [_gib(stage.memory.total) for stage in counted.stages],
        "GFLOPs a token": [f"{stage.flops / 1e9:,.3g}" for stage in counted.stages],
    }
    for name, values in lines.items():
        table.add_row(name, *values)
    return table


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def _stage_as_dict(stage: StageCount) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "what": stage.tuned,
        "tuned": stage.counts.tuned,
        "total": stage.counts.total,
        "share": stage.counts.share,
        "changed": stage.changed,
        "sequences": stage.sequences,
        "length": stage.length,
        "memory_bytes": {
            "weights": stage.memory.weights,
            "gradients": stage.memory.gradients,
            "optimizer": stage.memory.optimizer,
            "activations": stage.memory.activations,
            "total": stage.memory.total,
        },
        "flops_per_token": stage.flops,
    }
