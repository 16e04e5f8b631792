"""Detections of a split, selected and paired as the model wants them, and their association with annotated pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from models import instances as model
from models.instances import Instances
from pipeline.sections.model import Pairing

BOX = ["x1", "y1", "x2", "y2"]
Found = tuple[Tensor, Tensor, Tensor]
"""Of one image: boxes (n, 4) in fractions of it, scores (n,), object ids (n,)."""


class Detected:
    """The detections of every image of a split that count; boxes in fractions of the image.

    The table holds every raw box; an image's are sifted (threshold, non-maximum suppression, least and most) when first
    asked for.
    """

    def __init__(self, table: pd.DataFrame, *, sizes: dict[int, tuple[int, int]], pairing: Pairing) -> None:
        self.sizes = sizes
        self._pairing = pairing
        self._rows = {int(str(image_id)): rows for image_id, rows in table.groupby("image_id").indices.items()}
        self._boxes = table[BOX].to_numpy(np.float32)
        self._scores = table["score"].to_numpy(np.float32)
        self._labels = table["object_id"].to_numpy(np.int64)
        self._kept: dict[int, Found] = {}

    def batch(self, image_ids: Sequence[int], mirrored: Sequence[bool] | None = None) -> Instances:
        """Instances of some images, boxes mirrored where asked."""
        images = [self.kept(i) for i in image_ids]
        if mirrored is not None:
            images = [(_mirror(b), s, c) if m else (b, s, c) for (b, s, c), m in zip(images, mirrored, strict=True)]
        return model.collate(images)

    def kept(self, image_id: int) -> Found:
        """What counts of an image, humans first."""
        if image_id not in self._kept:
            self._kept[image_id] = sift(self.raw(image_id), self._pairing)
        return self._kept[image_id]

    def raw(self, image_id: int) -> Found:
        """All boxes of an image."""
        rows = self._rows.get(image_id, np.zeros(0, np.int64))
        width, height = self.sizes[image_id]
        scale = torch.tensor([width, height, width, height], dtype=torch.float32)
        boxes = torch.from_numpy(self._boxes[rows]) / scale
        return boxes, torch.from_numpy(self._scores[rows]), torch.from_numpy(self._labels[rows])


def kept(boxes: Tensor, scores: Tensor, labels: Tensor, pairing: Pairing) -> Tensor:
    """Indices of the detections of an image that the thresholds leave, humans first."""
    return model.select(
        boxes,
        scores,
        labels,
        score_threshold=pairing.score_threshold,
        nms=pairing.nms,
        least=pairing.min_instances,
        most=pairing.max_instances,
    )


def sift(found: Found, pairing: Pairing) -> Found:
    """The detections of an image that the thresholds leave, humans first."""
    rows = kept(*found, pairing)
    boxes, scores, labels = found
    return boxes[rows], scores[rows], labels[rows]


def _by_image(table: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    for image_id, rows in table.groupby("image_id").indices.items():
        yield int(str(image_id)), table.iloc[rows]


def _mirror(boxes: Tensor) -> Tensor:
    return torch.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], dim=1)


class Annotated:
    """The annotated pairs of a split, boxes in fractions of the image, restricted to some classes."""

    def __init__(self, pairs: pd.DataFrame, *, sizes: dict[int, tuple[int, int]], hois: Sequence[int]) -> None:
        self._by_image: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        wanted = pairs[pairs["hoi_id"].isin(list(hois))]
        for image_id, group in _by_image(wanted):
            width, height = sizes[image_id]
            scale = torch.tensor([width, height, width, height], dtype=torch.float32)
            human = torch.tensor(group[[f"h{c}" for c in BOX]].to_numpy(np.float32)) / scale
            thing = torch.tensor(group[[f"o{c}" for c in BOX]].to_numpy(np.float32)) / scale
            self._by_image[image_id] = human, thing, torch.tensor(group["hoi_id"].to_numpy(np.int64))

    def matches(
        self, image_ids: Sequence[int], found: Instances, mirrored: Sequence[bool] | None = None, threshold: float = 0.5
    ) -> tuple[Tensor, Tensor]:
        """(pair index, hoi_id) of every detected pair that overlaps an annotated one: min(IoU_h, IoU_o) >= threshold."""
        pair_index, hoi = [], []
        image, human, thing = found.pairs.unbind(dim=1)
        for i, image_id in enumerate(image_ids):
            if image_id not in self._by_image:
                continue
            h, o, c = self._by_image[image_id]
            if mirrored is not None and mirrored[i]:
                h, o = _mirror(h), _mirror(o)
            mine = torch.nonzero(image == i).flatten()
            overlap = torch.minimum(_iou(found.boxes[i, human[mine]], h), _iou(found.boxes[i, thing[mine]], o))
            p, g = torch.nonzero(overlap >= threshold, as_tuple=True)
            pair_index.append(mine[p])
            hoi.append(c[g])
        none = torch.zeros(0, dtype=torch.long)
        return (torch.cat(pair_index), torch.cat(hoi)) if pair_index else (none, none)


def _iou(a: Tensor, b: Tensor) -> Tensor:
    """(n, m) of boxes (n, 4) and (m, 4)."""
    from torchvision.ops import box_iou

    return box_iou(a, b)
