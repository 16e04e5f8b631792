"""How the two boxes of a pair lie: the 18 numbers of UPT (Zhang et al., CVPR 2022), which CMMP, VDRP and HOLa read as well."""

from __future__ import annotations

import torch
from torch import Tensor

NUMBERS = 18
EPSILON = 1e-10
"""Added to what is divided by, and under the logarithm."""


def geometry(human: Tensor, thing: Tensor, size: Tensor) -> Tensor:
    """(P, 18) of the boxes of P pairs; corners and sizes in pixels.

    In order: centres of human and object over the image's width and height (4: x, y, x, y); widths and heights over those
    of the image (4); areas over that of the image (2); the object's area over the human's; width over height of human and
    object (2); IoU; how far the object's centre lies to the right, left, below and above of the human's, in widths and
    heights of the human (4).

    Args:
        human, thing: (P, 4), x1, y1, x2, y2; size: (P, 2), width and height of each pair's image.
    """
    (h_centre, h_extent), (o_centre, o_extent) = (_centre_and_extent(boxes) for boxes in (human, thing))
    h_area, o_area = h_extent.prod(dim=1, keepdim=True), o_extent.prod(dim=1, keepdim=True)
    offset = (o_centre - h_centre) / (h_extent + EPSILON)
    away = torch.stack([offset.clamp(min=0), (-offset).clamp(min=0)], dim=2).flatten(1)  # right, left, below, above
    return torch.cat(
        [
            *(h_centre / size, o_centre / size),
            *(h_extent / size, o_extent / size),
            *(h_area / size.prod(dim=1, keepdim=True), o_area / size.prod(dim=1, keepdim=True)),
            o_area / (h_area + EPSILON),
            *(extent[:, :1] / (extent[:, 1:] + EPSILON) for extent in (h_extent, o_extent)),
            _overlap(human, thing, h_area + o_area),
            away,
        ],
        dim=1,
    )


def with_logarithms(numbers: Tensor) -> Tensor:
    """(P, 18) to (P, 36): the numbers and their logarithms, as the papers' networks read them."""
    return torch.cat([numbers, (numbers + EPSILON).log()], dim=1)


def _centre_and_extent(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]


def _overlap(a: Tensor, b: Tensor, areas: Tensor) -> Tensor:
    """(P, 1): IoU of row with row."""
    extent = torch.minimum(a, b)[:, 2:] - torch.maximum(a, b)[:, :2]
    shared = extent.clamp(min=0).prod(dim=1, keepdim=True)
    return shared / (areas - shared + EPSILON)
