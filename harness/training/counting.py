"""What a method tunes of a model, exactly, and what training will take, estimated: without loading a weight.

count_method(skeleton("meta-llama/Llama-2-7b-hf"), "Llama-2-7B", load_method("slam"))
MethodCount(method="slam", tuned=541065216, total=6738415616, share=0.0803, stages=(...), ...)
"""

from typing import TYPE_CHECKING

from pydantic import field_serializer

from xreason.leaderboards.records import Frozen
from xreason.trainers.methods import wants_layers, with_layers
from xreason.trainers.slam import PUBLISHED_LAYERS
from xreason.trainers.stages import Method, Reward, Stage
from xreason.trainers.tuning.counting import count_of, estimate_flops
from xreason.trainers.tuning.freezing import changed_weights, tuned_in_all
from xreason.trainers.tuning.memory import Memory, needed
from xreason.trainers.tuning.structure import layer_count

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class StageCount(Frozen):
    """What one stage tunes and takes."""

    stage: str
    what: str  #: what is tuned, in words
    tuned: int  #: numbers that are trained, exact
    total: int  #: parameters of the model, tied ones once
    share: float  #: tuned of total, in 0..1
    changed: int  #: numbers in the weights that it may leave changed: of merged adapters those that they stand beside
    sequences: int  #: of a forward pass, each of `length` tokens, for which memory is estimated
    length: int
    memory_bytes: Memory  #: on one GPU, estimated
    flops_per_token: int  #: floating-point operations, estimated, with gradient checkpointing
    on_one: bool = False  #: whether one GPU must hold it, for several cannot share it out

    @field_serializer("memory_bytes")
    def _with_total(self, memory: Memory) -> dict[str, int]:
        return vars(memory) | {"total": memory.total}


class MethodCount(Frozen):
    """What all stages of a method tune and take."""

    model: str
    method: str
    tuned: int  #: numbers that its stages tune together, exact; see xreason.trainers.tuning.freezing.tuned_in_all
    total: int  #: parameters of the model, tied ones once
    share: float  #: tuned of total, in 0..1
    memory_bytes: int  #: the most that a stage needs on one GPU
    stages: tuple[StageCount, ...]


def count_method(model: "PreTrainedModel", name: str, method: Method) -> MethodCount:
    """Returns what `method` tunes of a model (called `name`), with or without weights, and what each stage takes.

    Memory is for the sequences a forward pass that the stage sets, or for one: the least there is. Where a stage says
    `layers: auto`, the published number of layers is counted, and said to be assumed: to find the layers takes weights.

    Raises:
        UserError: a stage does not fit the model.
    """
    method = with_assumed_layers(model, method)
    stages = tuple(_count(model, stage) for stage in method.stages)
    tuned, total = tuned_in_all(model, [stage.tune for stage in method.stages]), stages[0].total
    memory = max(stage.memory_bytes.total for stage in stages)
    return MethodCount(
        model=name, method=method.name, tuned=tuned, total=total, share=tuned / total, memory_bytes=memory, stages=stages
    )


def with_assumed_layers(model: "PreTrainedModel", method: Method) -> Method:
    """Returns the method with the published number of lowest layers where a stage says `layers: auto`; its evidence says so."""
    if not wants_layers(method):
        return method
    assumed = range(min(PUBLISHED_LAYERS, layer_count(model)))
    return with_layers(method, assumed, f"assumed: auto finds them in the weights, the paper tuned {PUBLISHED_LAYERS}")


def _count(model: "PreTrainedModel", stage: Stage) -> StageCount:
    counts, sequences = count_of(model, stage.tune), stage.micro_batch_size or 1
    return StageCount(
        stage=stage.name,
        what=stage.tune.describe(),
        tuned=counts.tuned,
        total=counts.total,
        share=counts.share,
        changed=sum(model.get_parameter(name).numel() for name in changed_weights(model, stage.tune)),
        sequences=sequences,
        length=stage.max_length,
        memory_bytes=needed(model, stage, device="cuda"),
        flops_per_token=estimate_flops(model, stage.tune),
        on_one=isinstance(stage.objective, Reward),
    )
