"""How good a detector's boxes are: COCO's box AP, and the share of annotated pairs that they can make.

HICO-DET annotates the people and objects of its pairs, not all that an image shows, and the same person may have been
boxed by several annotators. So the report merges annotated boxes of one class that overlap by more than 0.7, as the
fine-tuning code of the field does, and its AP is for comparing detectors: a true box that nobody annotated counts as false.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from pipeline.boxes.box_ap import Boxes, distinct, precision_recall
from pipeline.boxes.instances import kept
from pipeline.config.model import Pairing
from pipeline.datasets.dataset import CORNERS
from pipeline.vocabulary.vocabulary import PERSON, Object

SAME = 0.7
"""The overlap above which two annotated boxes of a class count as one."""
MATCH = 0.5
"""The overlap of both boxes at which a detected pair matches an annotated one (HICO-DET's rule)."""
AT_ONCE = 2_000
"""How many annotated pairs are compared at once, each with all boxes of its image."""


def report(
    *,
    found: pd.DataFrame,
    images: pd.DataFrame,
    boxes: pd.DataFrame,
    pairs: pd.DataFrame,
    objects: Sequence[Object],
    split: str,
    pairing: Pairing | None = None,
) -> dict[str, Any]:
    """The report of one split as plain JSON.

    Args:
        found: raw boxes: image_id, object_id, score, x1 .. y2; those of other images are left out.
        images, boxes, pairs: the annotations' tables of the split.
        objects: the vocabulary's objects; position = object id.
        pairing: where it is given, the recall of the pairs that its thresholds keep is reported too.
    """
    ids = images["image_id"]
    found = found[found["image_id"].isin(ids)]
    result: dict[str, Any] = {"split": split, "images": len(ids), "boxes": box_ap(found, boxes, objects)}
    result["pairs"] = {"annotated": len(pairs), "recall_of_all_boxes": pair_recall(found, pairs)}
    if pairing is not None:
        result["pairs"]["recall_of_kept_boxes"] = pair_recall(found, pairs, pairing)
    return result


def summary(found: dict[str, Any]) -> dict[str, float]:
    """The figures of the report that a stage shows among its metrics."""
    keys = ("ap", "ap50", "ap_person", "ap_objects")
    return {k: found["boxes"][k] for k in keys} | {"pair_recall_ceiling": found["pairs"]["recall_of_all_boxes"]}


def box_ap(found: pd.DataFrame, boxes: pd.DataFrame, objects: Sequence[Object]) -> dict[str, Any]:
    """COCO's AP (mean over IoU 0.5 .. 0.95 and classes; 100 detections a class and image) in percent, by group and class."""
    boxes = merged(boxes)
    if found.empty or boxes.empty:
        return {"annotated": len(boxes), "ap": 0.0, "ap50": 0.0, "ap_person": 0.0, "ap_objects": 0.0, "classes": {}}
    scores = found["score"].to_numpy(np.float64)
    precision, recall = precision_recall(_arrays(found), scores, _arrays(boxes), classes=len(objects))
    counts = boxes["object_id"].value_counts()
    per_class = {
        thing.name: {
            "annotated": int(counts.get(i, 0)),
            "ap": _percent(precision[:, :, i]),
            "recall50": round(100 * float(recall[0, i]), 2),
        }
        for i, thing in enumerate(objects)
        if counts.get(i, 0)
    }
    return {
        "annotated": len(boxes),
        "ap": _percent(precision),
        "ap50": _percent(precision[0]),
        "ap_person": _percent(precision[:, :, PERSON]),
        "ap_objects": _percent(np.delete(precision, PERSON, axis=2)),
        "classes": per_class,
    }


def merged(boxes: pd.DataFrame) -> pd.DataFrame:
    """Annotated boxes without those that repeat another one of their class and image."""
    return boxes.iloc[distinct(_arrays(boxes), overlap=SAME)]


def pair_recall(found: pd.DataFrame, pairs: pd.DataFrame, pairing: Pairing | None = None) -> float:
    """The percentage of annotated pairs whose boxes a person's box and another box with the object's label overlap by half.

    With `pairing` the boxes that it keeps are asked; without it all boxes, and no threshold can do better.
    """
    if pairing is not None:
        found = found[found["image_id"].isin(pairs["image_id"])]
        found = found.iloc[_kept(found, pairing)]
    found = found.sort_values("image_id", kind="stable")
    images, labels = found["image_id"].to_numpy(np.int64), found["object_id"].to_numpy(np.int64)
    boxes = found[CORNERS].to_numpy(np.float32)
    own_images, wanted = pairs["image_id"].to_numpy(np.int64), pairs["object_id"].to_numpy(np.int64)
    sides = {side: pairs[[f"{side}{c}" for c in CORNERS]].to_numpy(np.float32) for side in "ho"}
    first, end = (np.searchsorted(images, own_images, side=side) for side in ("left", "right"))
    hits = 0
    for start in range(0, len(pairs), AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, len(pairs)))
        count = end[rows] - first[rows]
        pair = np.repeat(rows, count)
        box = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count - first[rows], count)
        human = (_overlap(boxes[box], sides["h"][pair]) >= MATCH) & (labels[box] == PERSON)
        thing = (_overlap(boxes[box], sides["o"][pair]) >= MATCH) & (labels[box] == wanted[pair])
        # One box cannot be both sides of a pair.
        people, things, both = (
            np.bincount(pair[which] - start, minlength=len(rows)) for which in (human, thing, human & thing)
        )
        hits += int((people * things > both).sum())
    return round(100 * hits / max(len(pairs), 1), 2)


def _kept(found: pd.DataFrame, pairing: Pairing) -> np.ndarray:
    """The rows of the boxes that the thresholds keep in their images."""
    boxes, scores, labels = (
        torch.tensor(found[columns].to_numpy(kind))
        for columns, kind in ((CORNERS, np.float32), ("score", np.float32), ("object_id", np.int64))
    )
    left = [np.zeros(0, np.int64)]
    for rows in map(np.asarray, found.groupby("image_id").indices.values()):
        left.append(rows[kept(boxes[rows], scores[rows], labels[rows], pairing).numpy()])
    return np.concatenate(left)


def _overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,) intersection over union in float32, as that of torchvision."""
    low, high = np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=1)
    one, other = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second))
    with np.errstate(invalid="ignore"):  # two boxes without area
        return both / (one + other - both)


def _arrays(table: pd.DataFrame) -> Boxes:
    return Boxes(
        image=table["image_id"].to_numpy(np.int64),
        label=table["object_id"].to_numpy(np.int64),
        corners=table[CORNERS].to_numpy(np.float64),
    )


def _percent(precision: np.ndarray) -> float:
    known = precision[precision > -1]
    return round(100 * float(known.mean()), 2) if len(known) else 0.0
