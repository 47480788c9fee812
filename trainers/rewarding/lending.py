"""A model is lent to TRL for a stage, and is then what it was but for what learnt."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate.state import AcceleratorState
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

_PROCESSES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")


@contextmanager
def as_it_was(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Iterator[None]:
    """Takes back what TRL and accelerate do to a model and its tokenizer beside training it."""
    own, said, pad = {"forward": model.__dict__.get("forward")}, vars(model.config).copy(), tokenizer.pad_token
    name, verbosity, bars = model.name_or_path, logging.get_verbosity(), logging.is_progress_bar_enabled()
    # whoever calls draws a bar of its own
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
        if model.is_gradient_checkpointing:
            model.gradient_checkpointing_disable()
        model.__dict__.pop("forward", None)
        model.__dict__.update({name: value for name, value in own.items() if value is not None})
        vars(model.config).clear()
        vars(model.config).update(said)
        model.name_or_path, tokenizer.pad_token = name, pad


@contextmanager
def alone() -> Iterator[None]:
    """Lets accelerate find one process, where torchrun started a single one too; of what it keeps, nothing is left."""
    told = {name: os.environ.pop(name) for name in _PROCESSES if name in os.environ}
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        yield
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
        os.environ.update(told)


@contextmanager
def in_float32(model: PreTrainedModel) -> Iterator[None]:
    """Makes all parameters float32 for a while; what is frozen is then what it was."""
    kept = {each: each.dtype for each in model.parameters() if each.dtype != torch.float32}
    for parameter in kept:
        parameter.data = parameter.data.float()
    try:
        yield
    finally:
        for parameter, dtype in kept.items():
            parameter.data = parameter.data.to(dtype)
