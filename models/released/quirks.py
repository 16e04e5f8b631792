"""What parity with the released code needs and nothing else should copy: every deviation from the paper, each by name."""

from __future__ import annotations

import torch
from torch import Tensor

PROMPTS_BEHIND_END = 2
"""The text prompts overwrite the last tokens of the 77, behind EOT: under the causal mask they have no effect."""

DROPOUT = 0.1
"""Inside the adapters: on attention weights, on both residual branches and in the MLP."""

ROI_DROPOUT = 0.2
"""On every element of a RoI-Align map, before its mean."""

BLOCK_SCALE = 1e-9
"""Start of the factor behind a block adapter, whose last layer starts at zero as well: gradients start near zero twice."""

LOGIT_SCALE = 2.6592600
"""ln(1 / 0.07), used as a factor; CLIP uses its exponential."""

SEED = 66
"""The prompts are drawn from the global stream of this seed, are not trained and not saved."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def imagenet_normalised(pixels: Tensor) -> Tensor:
    """Normalise uint8 pixels (..., 3, S, S) with ImageNet's statistics, not with CLIP's."""
    mean, std = (torch.tensor(v, device=pixels.device).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (pixels.float() / 255 - mean) / std


def redrawn_prompts(*, layers: int, prompts: int, width: int, seed: int = SEED) -> Tensor:
    """Standard normal prompts (N, p, d_t), layer by layer, from a fresh stream of the released seed.

    The released code draws them from the global stream after its data set, detector and CLIP were built, so what it
    really drew depends on all of these and on the version of torch: another value of the same distribution.
    """
    stream = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(prompts, width, generator=stream) for _ in range(layers)])


def half_rounded(prompts: Tensor) -> Tensor:
    """Round visual prompts to fp16 on their way into the fp32 tower, and their gradients on the way back."""
    return prompts.half().to(prompts.dtype)


def one_added_to_padding(absent: Tensor, own: int) -> Tensor:
    """UTPL's padding mask (C, m + own): a bool mask joined with float zeros becomes a float one, which MHA adds.

    So padded sentences gain 1 on their attention logit instead of being hidden. `own` rows follow that are no padding.
    """
    return torch.cat([absent.float(), absent.new_zeros(len(absent), own, dtype=torch.float32)], dim=1)


def scaled_dot(pairs: Tensor, text: Tensor, scale: Tensor | float) -> Tensor:
    """Phrase logits (P, C): a raw dot product times half of the scale, neither side of unit length."""
    return scale / 2 * pairs @ text.T


def relation_indices(verbs: Tensor, objects_of_hois: Tensor, unseen: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the class-relation loss: verb ids are taken for HOI ids and for row numbers.

    Args:
        verbs: annotated verb ids of the batch, with repeats.
        objects_of_hois: (600,) object id of every HOI.
        unseen: HOI ids of the unseen classes.

    Returns:
        The verb ids themselves, and the unseen HOIs that share an object with the HOIs of those numbers.
    """
    objects = objects_of_hois[verbs].unique()
    return verbs, unseen[torch.isin(objects_of_hois[unseen], objects)]
