"""The spatial relation of the two boxes of a pair as numbers.

The 18 of UPT (Zhang et al., CVPR 2022), which CMMP, VDRP and HOLa took over, and their logarithms. Of the
first box, the human's, and the second, the object's, in fractions of the image:

    0-3    centres: x and y of the human's, x and y of the object's
    4-7    extents: width and height of the human's, width and height of the object's
    8-9    areas
    10     area of the object's box over that of the human's
    11-12  width over height of either box
    13     intersection over union
    14-17  distance of the centres in widths (x) and heights (y) of the human's box, each split by its sign: how far the
           object is to the right, to the left, below, above
"""

from __future__ import annotations

import torch
from torch import Tensor

NUMBERS = 18
"""How many numbers describe a pair; with their logarithms there are twice as many."""
EPSILON = 1e-10
"""Added before the logarithm, and where a box could be empty."""


def numbers(human: Tensor, thing: Tensor) -> Tensor:
    """The 18 numbers (P, 18) of the boxes (P, 4) of both sides: left, top, right and bottom in fractions of the image.

    CLIP sees the image squashed to a square, as fractions do, so the ratio of a box's width and height is the one CLIP sees.
    """
    h, o = human.float(), thing.float()
    size_h, size_o = h[:, 2:] - h[:, :2], o[:, 2:] - o[:, :2]
    centre_h, centre_o = (h[:, :2] + h[:, 2:]) / 2, (o[:, :2] + o[:, 2:]) / 2
    area_h, area_o = size_h.prod(dim=1, keepdim=True), size_o.prod(dim=1, keepdim=True)
    common = (torch.minimum(h[:, 2:], o[:, 2:]) - torch.maximum(h[:, :2], o[:, :2])).clamp(min=0)
    shared = common.prod(dim=1, keepdim=True)
    apart = (centre_o - centre_h) / (size_h + EPSILON)
    signed = torch.stack([apart.clamp(min=0), (-apart).clamp(min=0)], dim=2).flatten(1)
    shapes = [size[:, :1] / (size[:, 1:] + EPSILON) for size in (size_h, size_o)]
    overlap = shared / (area_h + area_o - shared + EPSILON)
    ratio = area_o / (area_h + EPSILON)
    return torch.cat([centre_h, centre_o, size_h, size_o, area_h, area_o, ratio, *shapes, overlap, signed], dim=1)


def encoding(human: Tensor, thing: Tensor) -> Tensor:
    """The 18 numbers and log(x + 1e-10) of each, (P, 36); the arguments are those of `numbers`."""
    return with_logarithms(numbers(human, thing))


def with_logarithms(plain: Tensor) -> Tensor:
    """The numbers (P, 18) with log(x + 1e-10) of each behind them: (P, 36)."""
    return torch.cat([plain, torch.log(plain + EPSILON)], dim=1)
