"""Variance prompts (VDRP, Yang et al. 2025, VDP): a verb's text learns how much the pictures of the verb differ.

    sigma2_v = variance of z over the training pairs of v; the mean of it over the five verbs nearest to v, G(v)
    noise    t~_v = t_v + beta eps sigma~_v,    sigma~_v = sigma_v / mean_dim(sigma_v) . std_dim(t0_v)

Variances are of the pairs of *seen* classes alone, whose labels a training may know. A verb without any gets the mean of the
seen verbs that are nearest to it in words.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

GROUP = 5
"""How many verbs a group has, |G(v)|."""


def of_verbs(features: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
    """Variances (V, d) of the features of each verb's pairs, and which verbs have one (V,): those with two pairs or more.

    Args:
        features: (P, d); shown: (P, V) bool, the verbs of the annotated pairs of *seen* classes that a pair matches.
    """
    x, member = features.double(), shown.double()
    count = member.sum(dim=0)
    mean = (member.T @ x) / count.clamp(min=1)[:, None]
    square = (member.T @ x.square()) / count.clamp(min=1)[:, None]
    there = count > 1
    variance = (square - mean.square()).clamp(min=0) * (count / (count - 1).clamp(min=1))[:, None]
    return (variance * there[:, None]).to(features.dtype), there


def of_groups(variances: Tensor, there: Tensor, texts: Tensor, *, size: int = GROUP) -> Tensor:
    """For each verb, the mean variance (V, d) of the `size` verbs nearest to it (itself included) that have a variance.

    Args:
        variances: (V, d); there: (V,) bool, of `of_verbs`. Without any, all are 0.
        texts: (V, d) features of the verbs; the nearest have the largest cosine.
    """
    rows = nn.functional.normalize(texts.float(), dim=-1)
    known = there.nonzero().flatten()
    if not len(known):
        return torch.zeros_like(variances)
    nearest = (rows @ rows[known].T).topk(min(size, len(known)), dim=1).indices
    return variances[known[nearest]].mean(dim=1)


def spread(variances: Tensor, texts: Tensor) -> Tensor:
    """sigma~ (V, d): the deviations of each verb's pictures, scaled to the size of its text's numbers."""
    deviations = variances.sqrt()
    share = deviations / deviations.mean(dim=1, keepdim=True).clamp(min=1e-12)
    return share * texts.std(dim=1, keepdim=True)


class VariancePrompts(nn.Module):
    """Delta_v = LN(W2 ReLU(W1 sigma2_v)), d -> d/4 (8 at least) -> d: how the variance of a verb's pictures moves its text.

    Variances of unit features are of the order of 1/d, so they are given in units of their own mean.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, max(width // 4, 8))
        self.up = nn.Linear(max(width // 4, 8), width)
        self.norm = nn.LayerNorm(width)

    def forward(self, variances: Tensor) -> Tensor:
        """The shifts Delta (V, d) for variances (V, d)."""
        relative = variances / variances.mean().clamp(min=1e-12)
        shifted: Tensor = self.norm(self.up(torch.relu(self.down(relative))))
        return shifted
