"""Sequences laid end to end in one row, without padding and without seeing each other.

    three examples          one packed row of 9 tokens           what attention works on
    a b c                   a b c d e f g h i                    a b c .
    d e                     position ids:                        d e . .
    f g h i                 0 1 2 0 1 0 1 2 3                    f g h i

Every layer that works token by token (projections, feed-forward, norms, the head) sees tokens alone. Attention is the one layer
that mixes them. In half precision on a GPU PyTorch's variable-length attention takes them as they lie; elsewhere they are put side
by side, padded on the right, and the kernel that PyTorch chooses runs causally; no mask is made, and no sequence can look into
another, for they are different rows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, cast

import numpy
import torch
from torch import Size, Tensor
from torch.nn import Module
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from xreason.trainers.corpora.tokens import Tokens

#: The name under which Transformers finds the attention.
PACKED_ATTENTION = "xreason_packed"


def can_pack(model: PreTrainedModel, longest: int) -> bool:
    """Returns whether packed rows, of which the longest has so many tokens, give the model's own result.

    They do where attention is the one layer that mixes tokens (no state-space or linear layers), where it can be replaced, and
    where no window cuts a sequence.
    """
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    return (
        not model._is_stateful
        and set(getattr(config, "layer_types", None) or ()) <= {"full_attention", "sliding_attention"}
        and model._can_set_attn_implementation()
        and model.is_backend_compatible()
        and model.config._attn_implementation == "sdpa"
        and (window is None or longest <= window)
    )


def packed(rows: Sequence[Tokens]) -> dict[str, Any]:
    """Returns rows laid end to end.

    `input_ids`, `labels` and `position_ids` are int64 [1, tokens]; `packed_places`, int64 [2, tokens], says in which sequence and
    where in it each token stands; `packed_ends`, int32 [sequences + 1], where each begins and the last ends; `packed_shape` is
    (sequences, longest).
    """
    lengths = torch.tensor([len(row.ids) for row in rows])
    positions = torch.cat([torch.arange(len(row.ids)) for row in rows])
    return {
        "input_ids": torch.from_numpy(numpy.concatenate([row.ids for row in rows])).long()[None],
        "labels": torch.from_numpy(numpy.concatenate([row.labels for row in rows])).long()[None],
        "position_ids": positions[None],
        "packed_places": torch.stack([torch.arange(len(rows)).repeat_interleave(lengths), positions]),
        "packed_ends": torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]).int(),
        "packed_shape": Size((len(rows), int(lengths.max()))),
    }


@contextmanager
def packed_attention(model: PreTrainedModel) -> Iterator[None]:
    """Lets `model` attend as packed rows need it, and puts its own attention back."""
    AttentionInterface.register(PACKED_ATTENTION, _attend)
    AttentionMaskInterface.register(PACKED_ATTENTION, lambda *args, **kwargs: None)
    before = model.config._attn_implementation
    model.set_attn_implementation(PACKED_ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _attend(
    module: Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: None,
    packed_places: Tensor,
    packed_ends: Tensor,
    packed_shape: Size,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attends within each sequence; query [1, heads, tokens, width] gives [1, tokens, heads, width]."""
    if _has_varlen(query, value) and not kwargs.get("dropout"):
        from torch.nn.attention.varlen import varlen_attn

        longest, grouped = packed_shape[1], query.shape[1] != key.shape[1]
        q, k, v = (each[0].transpose(0, 1) for each in (query, key, value))
        settings: dict[str, Any] = {"scale": kwargs.get("scaling"), "window_size": (-1, 0), "enable_gqa": grouped}
        result = cast(Tensor, varlen_attn(q, k, v, packed_ends, packed_ends, longest, longest, **settings))
        return result[None], None
    places = packed_places.unbind()

    def side_by_side(states: Tensor) -> Tensor:
        by_token = states[0].transpose(0, 1)
        padded = by_token.new_zeros(*packed_shape, *by_token.shape[1:])
        # index_put keeps the places alone for the backward pass, where index_copy would keep the tokens as well
        return padded.index_put(places, by_token).transpose(1, 2)

    states = (side_by_side(each) for each in (query, key, value))
    result, _ = sdpa_attention_forward(module, *states, None, **{**kwargs, "is_causal": True})
    return result[places][None], None


def _has_varlen(query: Tensor, value: Tensor) -> bool:
    """Returns whether PyTorch's variable-length attention takes these: it is flash attention, so half precision on a GPU."""
    return (
        query.is_cuda
        and query.dtype in (torch.bfloat16, torch.float16)
        and query.shape[-1] == value.shape[-1] <= 256
        and query.shape[-1] % 8 == 0
        and torch.cuda.get_device_capability(query.device) >= (8, 0)
        and find_spec("torch.nn.attention.varlen") is not None
    )
