"""Sequences laid end to end in one row, without padding and without seeing each other.

    three examples          one packed row of 9 tokens           what attention works on
    a b c                   a b c d e f g h i                    a b c .
    d e                     position ids:                        d e . .
    f g h i                 0 1 2 0 1 0 1 2 3                    f g h i

Every layer that works token by token (projections, feed-forward, norms, the head) sees tokens alone. Attention is the one layer
that mixes them: there the sequences are put side by side, padded on the right, and the kernel that PyTorch chooses runs causally;
no mask is made, and no sequence can look into another, for they are different rows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from xreason.trainers.loop.batches import IGNORED, Tokens

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

#: The name under which Transformers finds the attention.
PACKED_ATTENTION = "xreason_packed"


def can_pack(model: "PreTrainedModel", longest: int) -> bool:
    """Returns whether packed rows give the model's own result.

    They do where attention is the one layer that mixes tokens (no state-space or linear layers), where it can be replaced, and
    where no window cuts a sequence.

    Args:
        model: any causal language model.
        longest: tokens of the longest sequence.
    """
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    return (
        not model._is_stateful
        and set(getattr(config, "layer_types", None) or ()) <= {"full_attention", "sliding_attention"}
        and model._can_set_attn_implementation()
        and model._supports_attention_backend
        and model.config._attn_implementation == "sdpa"
        and (window is None or longest <= window)
    )


class PackedCollator:
    """Lays rows end to end and takes labels on the response and its end of text only."""

    def __call__(self, rows: Sequence[Tokens]) -> dict[str, Any]:
        """Returns one packed row.

        `input_ids`, `labels` and `position_ids` are int64 [1, tokens]; `packed_places`, two of int64 [tokens], says in which
        sequence and where in it each token stands; `packed_shape` is (sequences, longest).
        """
        import torch

        lengths = numpy.array([len(row.ids) for row in rows])
        starts = numpy.repeat(numpy.cumsum(lengths) - lengths, lengths)
        positions: NDArray[numpy.int64] = numpy.arange(lengths.sum()) - starts
        sequences: NDArray[numpy.int64] = numpy.repeat(numpy.arange(len(rows)), lengths)
        ids: NDArray[numpy.int64] = numpy.concatenate([row.ids for row in rows]).astype(numpy.int64)
        prompts = numpy.repeat([max(row.prompt_length, 1) for row in rows], lengths)
        labels = numpy.where(positions < prompts, IGNORED, ids)
        return {
            "input_ids": torch.from_numpy(ids)[None],
            "labels": torch.from_numpy(labels)[None],
            "position_ids": torch.from_numpy(positions)[None],
            "packed_places": (torch.from_numpy(sequences), torch.from_numpy(positions)),
            "packed_shape": (len(rows), int(lengths.max())),
        }


@contextmanager
def packed_attention(model: "PreTrainedModel") -> Iterator[None]:
    """Lets `model` attend as packed rows need it, and puts its own attention back."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(PACKED_ATTENTION, _attend)
    AttentionMaskInterface.register(PACKED_ATTENTION, _no_mask)
    before = model.config._attn_implementation
    model.set_attn_implementation(PACKED_ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _no_mask(*args: Any, **kwargs: Any) -> None:
    return None


def _attend(
    module: "torch.nn.Module",
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    attention_mask: "torch.Tensor | None",
    packed_places: tuple["torch.Tensor", "torch.Tensor"],
    packed_shape: tuple[int, int],
    **kwargs: Any,
) -> tuple["torch.Tensor", None]:
    """Attends within each sequence; query [1, heads, tokens, width] gives [1, tokens, heads, width]."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    def side_by_side(states: "torch.Tensor") -> "torch.Tensor":
        by_token = states[0].transpose(0, 1)
        padded = by_token.new_zeros(*packed_shape, *by_token.shape[1:])
        # index_put keeps the places alone for the backward pass, where index_copy would keep the tokens as well
        return padded.index_put(packed_places, by_token).transpose(1, 2)

    result, _ = sdpa_attention_forward(
        module, side_by_side(query), side_by_side(key), side_by_side(value), None, **{**kwargs, "is_causal": True}
    )
    return result[packed_places][None], None
