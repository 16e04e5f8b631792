"""The pairs of a batch of images as columns of a table: image, object, detection prior, and boxes in pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.hoi import pair_prior
from models.instances import Instances
from pipeline.boxes.instances import BOX


def columns(found: Instances, ids: Sequence[int], sizes: Mapping[int, tuple[int, int]]) -> dict[str, Any]:
    """The columns image_id, object_id, prior (s_human * s_object) and hx1 .. oy2 of the pairs of the images `ids`, in order.

    Args:
        sizes: width and height of each image, by id.
    """
    image, _, thing = found.pairs.unbind(dim=1)
    table: dict[str, Any] = {
        "image_id": np.array(ids, dtype=np.int64)[image.numpy()],
        "object_id": found.labels[image, thing].numpy(),
        "prior": pair_prior(found, 1.0).numpy(),
    }
    for side, boxes in zip("ho", _boxes(found, [sizes[i] for i in ids]), strict=True):
        table |= {f"{side}{corner}": boxes[:, i].numpy() for i, corner in enumerate(BOX)}
    return table


def unions(found: Instances, size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """The smallest box around both boxes of every pair of one image of that width and height.

    It is given as left, top, right and bottom in whole pixels; each side has two pixels at least.
    """
    human, thing = _boxes(found, [size])
    union = torch.cat([torch.minimum(human, thing)[:, :2], torch.maximum(human, thing)[:, 2:]], dim=1)
    return [_whole(box) for box in union.tolist()]


def _boxes(found: Instances, sizes: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """The human's and the object's box (P, 4) of every pair, in pixels."""
    image, human, thing = found.pairs.unbind(dim=1)
    scale = torch.tensor(sizes, dtype=torch.float32).reshape(-1, 2).repeat(1, 2)[image]
    return found.boxes[image, human] * scale, found.boxes[image, thing] * scale


def _whole(box: list[float]) -> tuple[int, int, int, int]:
    left, top = int(box[0]), int(box[1])
    return left, top, max(int(box[2] + 1), left + 2), max(int(box[3] + 1), top + 2)
