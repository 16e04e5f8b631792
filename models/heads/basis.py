"""Low-rank class texts (HOLa, Lei et al., ICCV 2025): F = W B, and what keeps the factors in shape.

    factorise          F (C, d) to loadings W (C, k) and basis B (k, d)
    reconstruction     W B stays near F; moves B
    sparsity           a class is made of few basis features; moves W
    decorrelation      columns of W say different things
    orthogonality      rows of B say different things
    action_divergence  a class's loadings on the action features are those of its action

The basis is common to all classes, so the row of an unseen class lives in the space that the seen classes' rows span.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

VARIANCE = 0.95
"""The share of the variance that the basis keeps where no rank is chosen."""
TEMPERATURE = 0.1
"""Temperature of the softmaxes by which loadings are compared."""


def factorise(features: Tensor, *, rank: int | None = None) -> tuple[Tensor, Tensor]:
    """Loadings W (C, k) and basis B (k, d) of features (C, d): principal components with the classes as variables.

    The d dimensions are the samples, each class one variable. Variables are not centred: the mean over the dimensions of a
    CLIP feature is one number close to 0, and without centring W B is the best approximation of rank k. Rows of B have unit
    length and are orthogonal, in order of falling variance; each is turned so that its largest loading is positive.

    Args:
        rank: k; None: as many as keep 95 % of the variance. At most min(C, d).
    """
    left, sizes, right = torch.linalg.svd(features.double(), full_matrices=False)
    if rank is None:
        kept = sizes.square().cumsum(dim=0) / sizes.square().sum()
        rank = int((kept < VARIANCE - 1e-12).sum()) + 1
    k = min(rank, len(sizes))
    loadings, basis = left[:, :k] * sizes[:k], right[:k]
    largest = loadings.gather(0, loadings.abs().argmax(dim=0, keepdim=True))
    sign = torch.where(largest < 0, -1.0, 1.0)
    return (loadings * sign).to(features.dtype), (basis * sign.T).to(features.dtype)


def action_rows(rank: int) -> slice:
    """The rows of the basis that describe actions: the last two thirds, from k/3 on. The first vary most, with the object."""
    return slice(-(-rank // 3) if rank > 1 else 0, rank)


def reconstruction(loadings: Tensor, basis: Tensor, features: Tensor) -> Tensor:
    """mean_c |W_c B - F_c|^2 with W held fixed."""
    return (loadings.detach() @ basis - features).square().sum(dim=1).mean()


def sparsity(loadings: Tensor) -> Tensor:
    """mean_c |W_c|_1."""
    return loadings.abs().sum(dim=1).mean()


def decorrelation(loadings: Tensor) -> Tensor:
    """sum over i != j of |cos(W_:i, W_:j)|, of the columns."""
    return _off_diagonal(loadings.T).abs().sum()


def orthogonality(basis: Tensor) -> Tensor:
    """sum of |S S^T| with S the cosines of different rows of B, 0 on the diagonal."""
    between = _off_diagonal(basis)
    return (between @ between.T).abs().sum()


def action_divergence(found: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Mean over the classes of weight_c KL(softmax(wanted_c / 0.1) || softmax(found_c / 0.1)).

    Args:
        found: (C, k) unit loadings of the classes on the action features; wanted: (C, k) those of their actions.
        weights: (C,).
    """
    target, learned = (wanted / TEMPERATURE).log_softmax(dim=1), (found / TEMPERATURE).log_softmax(dim=1)
    return (weights * (target.exp() * (target - learned)).sum(dim=1)).mean()


def _off_diagonal(rows: Tensor) -> Tensor:
    """(n, n): cosines of the rows, 0 on the diagonal."""
    unit = nn.functional.normalize(rows, dim=-1)
    return (unit @ unit.T).masked_fill(torch.eye(len(rows), dtype=torch.bool, device=rows.device), 0.0)
