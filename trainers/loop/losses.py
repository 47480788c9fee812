"""What a stage minimises over a micro-batch: the loss of responses that are imitated."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from xreason.trainers.corpora.tokens import IGNORED
from xreason.trainers.tuning.memory import SCORED_AT_ONCE


def response_loss(model: PreTrainedModel, batch: dict[str, Any], device: str) -> tuple[torch.Tensor, torch.Tensor | float]:
    """Returns the loss over a micro-batch's labels, summed, in nats; only they are projected, and made float32 part by part.

    Beside it, weighted, the mean loss that balances experts, where the model's config asks for it (`output_router_logits`), else 0.
    """
    losses, balance = token_losses(model, batch, device, "sum")
    return losses.sum(), balance


def token_losses(
    model: PreTrainedModel, batch: dict[str, Any], device: str, reduction: str = "none"
) -> tuple[torch.Tensor, torch.Tensor | float]:
    """Returns the loss of each label, those of a row after those of the row before, in nats; or parts of their sum.

    Beside it what response_loss says.
    """

    def scored(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return cross_entropy(scores.float(), labels, ignore_index=IGNORED, reduction=reduction)

    labels = batch.pop("labels")
    keep = (labels != IGNORED).any(dim=0).nonzero()[:, 0]
    batch = {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()}
    output = model(**batch, use_cache=False, logits_to_keep=(keep - 1).to(device))
    # as Transformers weighs it, which is as the config says; None where it is not asked for
    weight = getattr(model, "aux_loss_coef" if hasattr(model, "aux_loss_coef") else "router_aux_loss_coef", 0.0)
    balance = 0.0 if getattr(output, "aux_loss", None) is None else output.aux_loss * weight
    scores, labels = output.logits.flatten(0, 1), labels[:, keep].flatten().to(device)
    if len(labels) <= SCORED_AT_ONCE:
        losses = scored(scores, labels)
    else:
        parts = zip(scores.split(SCORED_AT_ONCE), labels.split(SCORED_AT_ONCE), strict=True)
        every = [checkpoint(scored, *part, use_reentrant=False) for part in parts]
        losses = torch.stack(every) if reduction == "sum" else torch.cat(every)
    return (losses if reduction == "sum" else losses[labels != IGNORED]), balance
