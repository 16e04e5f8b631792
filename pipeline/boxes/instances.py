"""The detections of a split, selected and paired for the model, and their association with annotated pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from models import instances as model
from models.instances import Instances
from pipeline.boxes.augmentation import AS_IT_IS, Transform
from pipeline.config.model import Pairing

BOX = ["x1", "y1", "x2", "y2"]
Found = tuple[Tensor, Tensor, Tensor]
"""The detections of one image: boxes (n, 4) in fractions of it, scores (n,), object ids (n,)."""


class Detected:
    """The detections of every image of a split that count; boxes in fractions of the image.

    The table holds every raw box; those of an image are selected (threshold, non-maximum suppression, least and most) when
    they are first asked for.
    """

    def __init__(self, table: pd.DataFrame, *, sizes: dict[int, tuple[int, int]], pairing: Pairing) -> None:
        self.sizes = sizes
        self._pairing = pairing
        self._rows = {int(str(image_id)): rows for image_id, rows in table.groupby("image_id").indices.items()}
        self._boxes = table[BOX].to_numpy(np.float32)
        self._scores = table["score"].to_numpy(np.float32)
        self._labels = table["object_id"].to_numpy(np.int64)
        self._kept: dict[int, Found] = {}

    def batch(self, image_ids: Sequence[int], transforms: Sequence[Transform] | None = None) -> Instances:
        """The instances of some images, as they are or as the transforms change them."""
        transforms = transforms or [AS_IT_IS] * len(image_ids)
        return model.collate([self.kept(i, t) for i, t in zip(image_ids, transforms, strict=True)])

    def kept(self, image_id: int, transform: Transform = AS_IT_IS) -> Found:
        """The detections of a changed image that count, humans first."""
        if transform.window is not None:  # other boxes are seen, so others may count
            return sift(_seen(self.raw(image_id), transform, self.sizes[image_id]), self._pairing)
        if image_id not in self._kept:
            self._kept[image_id] = sift(self.raw(image_id), self._pairing)
        return _seen(self._kept[image_id], transform, self.sizes[image_id])

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


def _seen(found: Found, transform: Transform, size: tuple[int, int]) -> Found:
    boxes, seen = transform.boxes(found[0], size)
    return boxes[seen], found[1][seen], found[2][seen]


class Annotated:
    """The annotated pairs of a split, boxes in fractions of the image, restricted to some classes."""

    def __init__(self, pairs: pd.DataFrame, *, sizes: dict[int, tuple[int, int]], hois: Sequence[int]) -> None:
        self._sizes = sizes
        wanted = pairs[pairs["hoi_id"].isin(list(hois))].sort_values("image_id", kind="stable")
        ids, starts, counts = np.unique(wanted["image_id"].to_numpy(), return_index=True, return_counts=True)
        extents = np.array([[*sizes[i], *sizes[i]] for i in ids.tolist()], np.float32).reshape(-1, 4)
        scale = torch.from_numpy(np.repeat(extents, counts, axis=0))
        self._human, self._object = (
            torch.tensor(wanted[[f"{side}{c}" for c in BOX]].to_numpy(np.float32)) / scale for side in "ho"
        )
        self._hoi = torch.tensor(wanted["hoi_id"].to_numpy(np.int64))
        ranges = zip(ids.tolist(), starts.tolist(), (starts + counts).tolist(), strict=True)
        self._rows = {image_id: slice(start, end) for image_id, start, end in ranges}

    def matches(
        self,
        image_ids: Sequence[int],
        found: Instances,
        transforms: Sequence[Transform] | None = None,
        threshold: float = 0.5,
    ) -> tuple[Tensor, Tensor]:
        """(pair index, hoi_id) of every detected pair that overlaps an annotated one: min(IoU_h, IoU_o) >= threshold.

        An annotated pair does not count where a transform hides one of its boxes.
        """
        pair_index, hoi = [], []
        image, human, thing = found.pairs.unbind(dim=1)
        for i, image_id in enumerate(image_ids):
            if image_id not in self._rows:
                continue
            h, o, c = (values[self._rows[image_id]] for values in (self._human, self._object, self._hoi))
            if transforms is not None:
                h, h_seen = transforms[i].boxes(h, self._sizes[image_id])
                o, o_seen = transforms[i].boxes(o, self._sizes[image_id])
                h, o, c = (values[h_seen & o_seen] for values in (h, o, c))
            mine = torch.nonzero(image == i).flatten()
            overlap = torch.minimum(_iou(found.boxes[i, human[mine]], h), _iou(found.boxes[i, thing[mine]], o))
            p, g = torch.nonzero(overlap >= threshold, as_tuple=True)
            pair_index.append(mine[p])
            hoi.append(c[g])
        none = torch.zeros(0, dtype=torch.long)
        return (torch.cat(pair_index), torch.cat(hoi)) if pair_index else (none, none)


def _iou(a: Tensor, b: Tensor) -> Tensor:
    """The overlaps (n, m) of boxes (n, 4) and (m, 4)."""
    from torchvision.ops import box_iou

    return box_iou(a, b)
