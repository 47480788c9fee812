"""The probe of a swap: how likely the model that is resident finds each token of a fixed prompt, against what it should be."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from xreason.trainers.checkpoints.base import read_tensors

#: Tokens of the prompt, where the model takes so many; of them Transformers reads the first, for it may be slow.
TOKENS, READ_BY_TRANSFORMERS = 256, 64

#: Of the memory that is free, what a second copy of a model may take for the probe.
_SHARE = 0.25

#: Mean difference of log-probabilities (nats) that rounding can make, by dtype: other kernels add in another order, and in half
#: precision each of some dozen layers rounds by 2^-9 or 2^-12. In float32 2e-6 were seen; 1.2 where experts stood in a wrong order.
_TOLERANCE = {"float32": 0.005, "float16": 0.05, "bfloat16": 0.15}

#: The same where 8 or 4 bits are left of a weight: wide, for it is all that holds such weights against their files.
_OF_ROUNDED = 0.6


def tolerance(dtype: str, *, rounded: bool = False) -> float:
    """Returns the mean difference of log-probabilities (nats) up to which a model is the same.

    Args:
        dtype: that it is served in.
        rounded: whether vLLM quantizes weights, or the keys and values that it keeps.
    """
    return _OF_ROUNDED if rounded else _TOLERANCE.get(dtype, max(_TOLERANCE.values()))


def prompt(vocabulary: int, longest: int) -> list[int]:
    """Returns the tokens of the fixed prompt: from all of the vocabulary, so that many embeddings and experts are asked."""
    return [(7919 * index + 13) % vocabulary for index in range(min(TOKENS, longest - 1))]


def difference(one: Sequence[float], other: Sequence[float]) -> float:
    """Returns the mean absolute difference over what both have; infinite where a value is not a number."""
    mean = statistics.fmean(abs(a - b) for a, b in zip(one, other, strict=False))
    return float("inf") if math.isnan(mean) else mean


def log_probabilities(
    files: Mapping[str, Path], folder: Path, tokens: Sequence[int], *, adapter: Path | None = None
) -> list[float] | None:
    """Returns the log-probabilities (nats) of the prompt's tokens after its first, as Transformers has them on the processor.

    Returns None where memory does not allow a copy of the model, or Transformers cannot make one.

    Args:
        files: name of each tensor to its file.
        folder: of config.json.
        tokens: the prompt.
        adapter: folder of an adapter of PEFT that stands beside these tensors.
    """
    import psutil  # type: ignore[import-untyped]
    import torch
    import transformers
    from transformers.utils import logging

    tokens = tokens[:READ_BY_TRANSFORMERS]
    # at least two bytes an element are stored, and four are needed
    if 2 * sum(file.stat().st_size for file in set(files.values())) > _SHARE * psutil.virtual_memory().available:
        return None
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(folder)
        kind = getattr(transformers, config.architectures[0])
        model = kind.from_pretrained(None, config=config, state_dict=dict(read_tensors(files)), dtype=torch.float32)
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(adapter)).eval()
    # an assertion is vLLM's: architectures that it serves by Transformers' own classes it changes for all of this process
    except (AssertionError, AttributeError, OSError, RuntimeError, ValueError):
        return None
    finally:
        if shown:
            logging.enable_progress_bar()
    with torch.inference_mode():
        chances = model(torch.tensor([tokens])).logits[0, :-1].log_softmax(-1)
        return list(map(float, chances.gather(1, torch.tensor([tokens[1:]]).T).flatten()))
