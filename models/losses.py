"""The losses: focal loss under the detection prior (Eq. 13), class relation (Eq. 16), negative learning (section 3.2); and
CMMP's consistency, which a training uses only where its weight is not 0.

Pure functions, in fp32 whatever they are given and whatever autocast says, and finite with finite gradients for every finite
input: scores of exactly 0 and 1, images without a pair, a single pair, a batch without a positive.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPSILON = 1e-8
LARGEST_LOGIT = 50.0


def with_prior(logits: Tensor, prior: Tensor) -> Tensor:
    """The logit x with sigmoid(x) = prior * sigmoid(logits): log(prior / (1 + exp(-logits) - prior) + 1e-8).

    It is computed as log(prior + 1e-8 b) - log(b) with b = (1 - prior) + exp(-logits), so that nothing cancels and the
    gradient of no quotient overflows. Logits are clamped to +-50.

    Args:
        logits, prior: of one shape; prior in [0, 1].
    """
    p = prior.float()
    b = (1 - p) + torch.exp(-logits.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT))
    return torch.log(p + EPSILON * b) - torch.log(b)


def focal(logits: Tensor, labels: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Element-wise focal loss (Eq. 13): |1 - y - alpha| (|y - sigmoid(x)| + 1e-6)^gamma BCE(x, y).

    Args:
        logits, labels: of one shape; labels 0 or 1.
    """
    x, y = logits.float().clamp(-1e30, 1e30), labels.float()  # beyond, the gradient would be inf times 0
    weight = (1 - y - alpha).abs()
    distance = ((y - torch.sigmoid(x)).abs() + 1e-6) ** gamma
    return weight * distance * nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none")


def negative_learning(logits: Tensor, prior: Tensor, negative: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Section 3.2: pairs of seen classes are no examples of an unseen one. Focal loss with label 0, summed over `negative`.

    Args:
        logits: (P, U), of P pairs and the phrases of U unseen classes; prior: (P,).
        negative: (P, U), True where the pair is known not to show the class.
    """
    x = with_prior(logits, prior[:, None].expand_as(logits))
    return (focal(x, torch.zeros_like(x), alpha=alpha, gamma=gamma) * negative).sum()


def class_relation(features: Tensor, descriptions: Tensor, *, temperature: float) -> Tensor:
    """Eq. 16: KL from the classes' relations in the descriptions to those in the learned text features.

    Relations are row-softmaxes of the cosine matrices; the KL is averaged over the n x n entries, as released.

    Args:
        features: (n, d_a) learned; descriptions: (n, d_a) fixed. Neither need have unit length.
    """
    with torch.autocast(features.device.type, enabled=False):
        target = (_cosines(descriptions) / temperature).softmax(dim=1)
        learned = (_cosines(features) / temperature).log_softmax(dim=1)
        return (target * (target.clamp(min=1e-12).log() - learned)).sum() / max(target.numel(), 1)


def consistency(learned: Tensor, plain: Tensor) -> Tensor:
    """CMMP (Lei et al., ECCV 2024): a learned prompt says what the hand-written one of its class says, and of no other class.

    Cross-entropy of the n x n cosines, learned against plain, with the identity; no temperature. A guard against forgetting
    what CLIP knows of the words; 0 for no class.

    Args:
        learned: (n, d_a) text features under learned prompts; plain: (n, d_a) of the same phrases without any.
    """
    if not len(learned):
        return learned.float().sum()
    with torch.autocast(learned.device.type, enabled=False):
        cosines = _unit(learned) @ _unit(plain).T
        return nn.functional.cross_entropy(cosines, torch.arange(len(learned), device=learned.device))


def _cosines(rows: Tensor) -> Tensor:
    """The cosines (n, n) of all rows."""
    unit = _unit(rows)
    return unit @ unit.T


def _unit(rows: Tensor) -> Tensor:
    """The rows scaled to unit length. Large rows are first divided by their largest entry, so that no square overflows."""
    x = rows.float()
    largest = x.detach().abs().amax(dim=-1, keepdim=True) if x.numel() else x[:, :1]
    return nn.functional.normalize(x / largest.clamp(min=1), dim=-1)
