"""COCO's average precision of boxes, with pycocotools' numbers: all classes and images at once, without an object a box.

A detection is compared with the annotated boxes of its image and class, in the order of its score: it takes the one that it
overlaps most and that no better detection has taken, if the overlap reaches the threshold. AP is the mean, over ten thresholds
and 101 recalls, of the highest precision at that recall or a greater one.
pycocotools asks every image about every class, 45 seconds and 3 GB at HICO-DET's size; here only detections that overlap
something are gone through, the first of every image and class together, then the second ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.tables.boxes import Floats

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
RECALLS: Floats = np.linspace(0.0, 1.0, 101)
MOST = 100
"""How many detections of a class and image count."""


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Boxes of images: ids of image and class (n,), and corners x1, y1, x2, y2 in pixels (n, 4) as float64."""

    image: NDArray[np.int64]
    label: NDArray[np.int64]
    corners: Floats

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: NDArray[np.int64]) -> Boxes:
        """The chosen rows, in the chosen order."""
        return Boxes(image=self.image[rows], label=self.label[rows], corners=self.corners[rows])


def precision_recall(found: Boxes, scores: Floats, truth: Boxes, *, classes: int) -> tuple[Floats, Floats]:
    """Precision (thresholds, recalls, classes) and greatest recall (thresholds, classes); -1 where nothing is annotated.

    Args:
        scores: (n,) of the found boxes; equal ones count in the order of their rows.
        classes: labels are 0 .. classes - 1.
    """
    order = np.lexsort((-scores, found.image, found.label))
    order = order[_place(found.label[order], found.image[order]) < MOST]
    found, scores = found.take(order), scores[order]
    hits = _hits(found, truth)
    ranked = np.lexsort((-scores, found.label))
    label, hits = found.label[ranked], hits[:, ranked]
    precision = np.full((len(THRESHOLDS), len(RECALLS), classes), -1.0)
    recall = np.full((len(THRESHOLDS), classes), -1.0)
    starts, ends = (np.searchsorted(label, np.arange(classes), side=side) for side in ("left", "right"))
    for c in np.unique(truth.label):
        right = np.cumsum(hits[:, starts[c] : ends[c]], axis=1, dtype=np.float64)
        share = right / (np.arange(1, right.shape[1] + 1) + np.spacing(1))
        highest = np.maximum.accumulate(share[:, ::-1], axis=1)[:, ::-1]
        reached = right / (truth.label == c).sum()
        for t in range(len(THRESHOLDS)):
            at = np.searchsorted(reached[t], RECALLS)
            precision[t, :, c] = np.append(highest[t], 0.0)[at]
        recall[:, c] = reached[:, -1] if right.shape[1] else 0.0
    return precision, recall


def distinct(boxes: Boxes, *, overlap: float) -> NDArray[np.int64]:
    """Rows of the boxes without those that overlap an earlier one of their image and class by more than `overlap`.

    A box that is dropped suppresses no later one.
    """
    order = np.lexsort((boxes.label, boxes.image))
    kept = []
    while len(order):
        first = _place(boxes.image[order], boxes.label[order]) == 0
        heads = order[first]
        kept.append(heads)
        head_of = heads[np.cumsum(first) - 1]
        order = order[~first & (_overlap(boxes.corners[head_of], boxes.corners[order]) <= overlap)]
    return np.sort(np.concatenate(kept)) if kept else order


def _hits(found: Boxes, truth: Boxes) -> NDArray[np.bool_]:
    """Whether each of the found boxes, best first in its image and class, is a true one: (thresholds, n)."""
    hits = np.zeros((len(THRESHOLDS), len(found)), dtype=np.bool_)
    box, own, overlap = _candidates(found, truth)
    taken = np.zeros((len(THRESHOLDS), len(truth)), dtype=np.bool_)
    distinct_boxes, box_of = np.unique(box, return_inverse=True)
    turn = _place(found.label[distinct_boxes], found.image[distinct_boxes])[box_of]
    # The last of a box's candidates is the one that it overlaps most, and of equal ones the later.
    order = np.lexsort((own, overlap, box, turn))
    box, own, overlap, turn = box[order], own[order], overlap[order], turn[order]
    for start, end in _runs(turn):
        for t, threshold in enumerate(THRESHOLDS):
            free = start + np.flatnonzero((overlap[start:end] >= threshold) & ~taken[t, own[start:end]])
            last = np.append(box[free[1:]] != box[free[:-1]], True)[: len(free)]
            hits[t, box[free[last]]] = taken[t, own[free[last]]] = True
    return hits


def _candidates(found: Boxes, truth: Boxes) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Found box, annotated box of its image and class, and overlap, wherever that reaches the least threshold."""
    images = np.unique(truth.image)
    stride = np.int64(len(images) + 1)
    key = truth.label * stride + np.searchsorted(images, truth.image)
    order = np.argsort(key, kind="stable")
    place = np.searchsorted(images, found.image)
    known = place < len(images)
    known[known] = images[place[known]] == found.image[known]
    wanted = found.label * stride + np.where(known, place, len(images))
    first = np.searchsorted(key[order], wanted, side="left")
    count = np.searchsorted(key[order], wanted, side="right") - first
    box = np.repeat(np.arange(len(found)), count)
    own = order[np.arange(len(box)) - np.repeat(np.cumsum(count) - count - first, count)]
    overlap = _overlap(found.corners[box], truth.corners[own])
    near = overlap >= THRESHOLDS[0]
    return box[near], own[near], overlap[near]


def _overlap(first: Floats, second: Floats) -> Floats:
    """(n,) intersection over union, of left, top, width and height as COCO has them, rounding included."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = (
        (c[:, 0], c[:, 1], c[:, 2] - c[:, 0], c[:, 3] - c[:, 1]) for c in (first, second)
    )
    width = np.minimum(ax + aw, bx + bw) - np.maximum(ax, bx)
    height = np.minimum(ay + ah, by + bh) - np.maximum(ay, by)
    both = np.where((width > 0) & (height > 0), width * height, 0.0)
    union = aw * ah + bw * bh - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


def _place(*sorted_by: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) how many rows before each one have its values, which lie side by side."""
    new = np.zeros(len(sorted_by[0]), dtype=np.bool_)
    new[:1] = True
    for values in sorted_by:
        new[1:] |= values[1:] != values[:-1]
    rows = np.arange(len(new))
    return rows - np.maximum.accumulate(np.where(new, rows, 0))


def _runs(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Start and end of each run of equal values."""
    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return [(start, end) for start, end in pairwise(edges) if end > start]
