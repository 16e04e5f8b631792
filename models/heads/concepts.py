"""Region-aware prompts (VDRP, Yang et al. 2025, RAP): for each pair it is looked up which of a verb's phrases a region shows.

    w = sparsemax(10 cos(x, C_v)),    t^_v = t_v + gamma sum_k w_k c_vk

x is a pair's feature of a region; C_v are the frozen CLIP's features of up to K short phrases about what verb v shows there.
Only the product x . t^_v is needed, so the part of the phrases is computed alone: (P, V, K) numbers instead of (P, V, d).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SHARPNESS = 10.0
"""Factor of the cosines before the sparsemax; in the released code, not in the paper."""


def sparsemax(scores: Tensor) -> Tensor:
    """The nearest point of the probability simplex, over the last dimension (Martins and Astudillo, ICML 2016).

    s_(1) >= s_(2) >= ... the sorted scores; k the largest with 1 + k s_(k) > sum of the first k; tau = (that sum - 1) / k;
    max(s - tau, 0). Scores of -inf get 0; where all are -inf, all get 0.
    """
    ordered = scores.sort(dim=-1, descending=True).values
    there = ordered.isfinite()
    ordered = ordered.masked_fill(~there, 0.0)
    total = ordered.cumsum(dim=-1)
    position = torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)
    kept = ((1 + position * ordered > total) & there).sum(dim=-1, keepdim=True)
    last = (kept - 1).clamp(min=0)
    threshold = (total.gather(-1, last) - 1) / kept.clamp(min=1)
    return torch.where(kept > 0, (scores - threshold).clamp(min=0), 0.0)


def retrieved(features: Tensor, concepts: Tensor) -> Tensor:
    """(P, V): sum_k w_k x . c_vk, what the looked-up phrases of each verb say to each pair; 0 for a verb without phrase.

    Args:
        features: (P, d), unit length.
        concepts: (V, K, d), unit length; a phrase that is not there is a row of zeros.
    """
    verbs, phrases, width = concepts.shape
    cosines = (features @ concepts.reshape(verbs * phrases, width).T).reshape(len(features), verbs, phrases)
    absent = ~concepts.detach().any(dim=-1)
    weights = sparsemax((SHARPNESS * cosines).masked_fill(absent, -torch.inf))
    return (weights * cosines).sum(dim=-1)


def unit(features: Tensor) -> Tensor:
    """Features as floats of unit length."""
    return nn.functional.normalize(features.float(), dim=-1)
