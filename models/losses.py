"""The losses, in fp32: focal loss under the detection prior (Eq. 13) and class relation (Eq. 16)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def with_prior(logits: Tensor, prior: Tensor) -> Tensor:
    """The logit x with sigmoid(x) = prior * sigmoid(logits): log(prior / (1 + exp(-logits) - prior) + 1e-8).

    Finite for any prior in [0, 1]: 1 - prior is taken first, so that nothing cancels, and the logits are kept in +-50.
    """
    z = logits.float().clamp(-50, 50)
    return torch.log(prior / ((1 - prior) + torch.exp(-z)) + 1e-8)


def focal(logits: Tensor, labels: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Element-wise focal loss (Eq. 13): |1 - y - alpha| (|y - sigmoid(x)| + 1e-6)^gamma BCE(x, y)."""
    weight = (1 - labels - alpha).abs()
    distance = ((labels - torch.sigmoid(logits)).abs() + 1e-6) ** gamma
    return weight * distance * nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")


def class_relation(features: Tensor, descriptions: Tensor, *, temperature: float) -> Tensor:
    """Eq. 16: KL from the classes' relations in the descriptions to those in the learned text features.

    Relations are row-softmaxes of the cosine matrices; the KL is averaged over the n x n entries, as released.

    Args:
        features: (n, d_a) learned; descriptions: (n, d_a) fixed. Neither need have unit length.
    """
    target = (_cosines(descriptions) / temperature).softmax(dim=1)
    learned = (_cosines(features) / temperature).log_softmax(dim=1)
    return (target * (target.clamp(min=1e-12).log() - learned)).mean()


def _cosines(rows: Tensor) -> Tensor:
    unit = nn.functional.normalize(rows.float(), dim=-1)
    return unit @ unit.T
