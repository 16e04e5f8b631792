"""How good a detector's boxes are: box AP by pycocotools, and the share of annotated pairs that they can make.

HICO-DET annotates the people and objects of its pairs, not all that an image shows, and the same person may have been
boxed by several annotators. So the report merges annotated boxes of one class that overlap by more than 0.7, as the
fine-tuning code of the field does, and its AP is for comparing detectors: a true box that nobody annotated counts as false.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torchvision.ops import batched_nms, box_iou

from pipeline.boxes.instances import kept
from pipeline.config.model import Pairing
from pipeline.vocabulary.vocabulary import PERSON, Object

CORNERS = ["x1", "y1", "x2", "y2"]
SAME = 0.7
"""Overlap above which two annotated boxes of a class are one."""
MATCH = 0.5
"""Overlap of both boxes at which a detected pair is an annotated one (HICO-DET's rule)."""


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
        objects: the vocabulary's; position = object id.
        pairing: with it, also the recall of the pairs that its thresholds leave.
    """
    ids = images["image_id"]
    found = found[found["image_id"].isin(ids)]
    result: dict[str, Any] = {"split": split, "images": len(ids), "boxes": box_ap(found, boxes, ids.tolist(), objects)}
    result["pairs"] = {"annotated": len(pairs), "recall_of_all_boxes": pair_recall(found, pairs)}
    if pairing is not None:
        result["pairs"]["recall_of_kept_boxes"] = pair_recall(found, pairs, pairing)
    return result


def summary(found: dict[str, Any]) -> dict[str, float]:
    """The figures that a stage shows among its metrics."""
    keys = ("ap", "ap50", "ap_person", "ap_objects")
    return {k: found["boxes"][k] for k in keys} | {"pair_recall_ceiling": found["pairs"]["recall_of_all_boxes"]}


def box_ap(found: pd.DataFrame, boxes: pd.DataFrame, ids: list[int], objects: Sequence[Object]) -> dict[str, Any]:
    """COCO's AP (mean over IoU 0.5 .. 0.95 and classes; 100 detections a class and image) in percent, by group and class."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    boxes = merged(boxes)
    if found.empty or boxes.empty:
        return {"annotated": len(boxes), "ap": 0.0, "ap50": 0.0, "ap_person": 0.0, "ap_objects": 0.0, "classes": {}}
    truth = COCO()
    truth.dataset = {
        "images": [{"id": int(i)} for i in ids],
        "categories": [{"id": i, "name": thing.name} for i, thing in enumerate(objects)],
        "annotations": [
            {"id": n, "image_id": int(i), "category_id": int(c), "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
            for n, (i, c, b) in enumerate(
                zip(boxes["image_id"], boxes["object_id"], _xywh(boxes).tolist(), strict=True), 1
            )
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        guess = truth.loadRes(np.column_stack([found["image_id"], _xywh(found), found[["score", "object_id"]]]))
        run = COCOeval(truth, guess, "bbox")
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][
        :, :, :, 0, -1
    ]  # IoU thresholds, recall points, classes; -1 where none is annotated
    counts = boxes["object_id"].value_counts()
    per_class = {
        thing.name: {
            "annotated": int(counts.get(i, 0)),
            "ap": _percent(precision[:, :, i]),
            "recall50": round(100 * float(run.eval["recall"][0, i, 0, -1]), 2),
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
    kept = []
    for rows in boxes.groupby("image_id", sort=False).indices.values():
        corners = torch.tensor(boxes[CORNERS].to_numpy(np.float32)[rows])
        labels = torch.tensor(boxes["object_id"].to_numpy(np.int64)[rows])
        kept.append(rows[np.sort(batched_nms(corners, torch.ones(len(rows)), labels, SAME).numpy())])
    return boxes.iloc[np.concatenate(kept)] if kept else boxes


def pair_recall(found: pd.DataFrame, pairs: pd.DataFrame, pairing: Pairing | None = None) -> float:
    """Percent of annotated pairs of which a person's box and another box with the object's label overlap both boxes by half.

    With `pairing`, of the boxes that it keeps; without, of all: no threshold can do better.
    """
    by_image = found.groupby("image_id").indices
    boxes = torch.tensor(found[CORNERS].to_numpy(np.float32))
    labels, scores = (
        torch.tensor(found["object_id"].to_numpy(np.int64)),
        torch.tensor(found["score"].to_numpy(np.float32)),
    )
    sides = {side: torch.tensor(pairs[[f"{side}{c}" for c in CORNERS]].to_numpy(np.float32)) for side in "ho"}
    wanted = torch.tensor(pairs["object_id"].to_numpy(np.int64))
    hits = 0
    for image_id, own in pairs.groupby("image_id").indices.items():
        mine = torch.from_numpy(by_image.get(image_id, np.zeros(0, np.int64)))
        if pairing is not None and len(mine):
            mine = mine[kept(boxes[mine], scores[mine], labels[mine], pairing)]
        rows = torch.as_tensor(own)
        human = (box_iou(boxes[mine], sides["h"][rows]) >= MATCH) & (labels[mine] == PERSON)[:, None]
        thing = (box_iou(boxes[mine], sides["o"][rows]) >= MATCH) & (labels[mine][:, None] == wanted[rows])
        both = human & thing  # one box cannot be both sides of a pair
        people, things = human.sum(0), thing.sum(0)
        hits += int(((people * things - both.sum(0)) > 0).sum())
    return round(100 * hits / max(len(pairs), 1), 2)


def _xywh(table: pd.DataFrame) -> np.ndarray:
    corners = table[CORNERS].to_numpy(np.float64)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def _percent(precision: np.ndarray) -> float:
    known = precision[precision > -1]
    return round(100 * float(known.mean()), 2) if len(known) else 0.0
