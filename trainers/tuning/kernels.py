"""How a model computes while a stage runs: by which kernels, and which layers' activations it computes again."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from xreason.trainers.tuning.structure import layers_path

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def recompute_every(model: "PreTrainedModel", number: int) -> None:
    """Lets the activations of every so manieth layer be computed again in the backward pass (gradient checkpointing); 0 of none."""
    if model.is_gradient_checkpointing:
        model.gradient_checkpointing_disable()
    if number:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        # Transformers lets the embeddings' output ask for gradients, which only reentrant checkpoints need
        model.disable_input_require_grads()
        layers: Any = model.get_submodule(layers_path(model))
        for place, layer in enumerate(layers):
            layer.gradient_checkpointing = place % number == 0


@contextmanager
def fused_kernels(model: "PreTrainedModel", device: str) -> Iterator[str]:
    """Lets Liger's kernels compute norms, rotary positions and gated feed-forward sub-layers, and puts the model's own back.

    Yields what does, in words: nothing where this is no GPU, or where Liger is not installed or does not know the model.
    """
    if device != "cuda" or find_spec("liger_kernel") is None:
        yield ""
        return
    from importlib.metadata import version

    from liger_kernel.transformers import _apply_liger_kernel_to_instance
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN

    if model.config.model_type not in MODEL_TYPE_TO_APPLY_LIGER_FN:
        yield ""
        return
    # Liger replaces classes and functions of the module that defines the model, and methods of the model's own layers
    defined = vars(sys.modules[type(model).__module__])
    names = dict(defined)
    own = [(vars(module), set(vars(module))) for module in model.modules()]
    # the loss is the loop's, which projects only what bears loss
    loss = {"cross_entropy": False, "fused_linear_cross_entropy": False}
    _apply_liger_kernel_to_instance(model, rope=True, rms_norm=True, swiglu=True, **loss)
    patched = [(attributes, set(attributes) - before) for attributes, before in own]
    try:
        yield f"liger-kernel {version('liger-kernel')}"
    finally:
        defined.update(names)
        for attributes, added in patched:
            for name in added:
                del attributes[name]
