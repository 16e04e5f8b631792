"""The frozen CLIP's features of parts of pictures, which are cut out and squashed to its size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from models.clip import Clip
from models.precision import Precision, computing_in
from models.transfer import stacked
from pipeline.datasets.images import square

CROPS = 64
"""How many crops a forward pass takes."""


@torch.no_grad()
def embedded(clip: Clip, crops: Sequence[Tensor], *, precision: Precision = "fp32") -> Tensor:
    """CLIP's image features (P, d_a) of P uint8 crops (3, S, S): unit length, fp32, on the CPU, whatever the pass is in."""
    found = []
    for start in range(0, len(crops), CROPS):
        with computing_in(precision, clip.device):
            tokens = clip.embed_images(clip.normalise(stacked(crops[start : start + CROPS], clip.device)))
        found.append(tokens[:, 0].float().cpu())
    return torch.nn.functional.normalize(torch.cat([torch.zeros(0, clip.joint_width), *found]), dim=-1)


def of_boxes(clip: Clip, picture: Image, corners: NDArray[np.floating]) -> Tensor:
    """Features (n, d_a) of boxes (n, 4) of a picture, in its pixels: whole ones, two a side at least; equal boxes once."""
    if not len(corners):
        return torch.zeros(0, clip.joint_width)
    low = np.floor(np.clip(corners[:, :2], 0, None)).astype(np.int64)
    high = np.maximum(np.floor(corners[:, 2:] + 1).astype(np.int64), low + 2)
    boxes, place = np.unique(np.concatenate([low, high], axis=1), axis=0, return_inverse=True)
    cut = [square(picture.crop((x1, y1, x2, y2)), clip.image_size) for x1, y1, x2, y2 in boxes.tolist()]
    return embedded(clip, cut)[torch.from_numpy(place.reshape(-1))]
