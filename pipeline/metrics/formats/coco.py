"""Detections as COCO results: a list that ``pycocotools`` loads, with an entry for each pair.

COCO has no pairs, so ``category_id`` is the class counted from 1, ``bbox`` ``[x, y, width, height]`` the box around both,
and the two boxes of the pair follow in the same notation as ``human_bbox`` and ``object_bbox``, which COCO's tools keep.
``image_id`` is the annotations' id, or the place in their list of images counted from 1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX
from pipeline.outside.columns import number, whole_number
from pipeline.outside.escaping import half
from pipeline.outside.parsing import shown, why_not_read


def read(path: Path, content: list[Any]) -> pd.DataFrame:
    """The detections of the parsed file, with ``file_name`` if the entries have it, else ``image_id``.

    Raises:
        DataError: an entry lacks a field (the message says which).
    """
    rows = []
    for place, entry in enumerate(content):
        try:
            (hx, hy, hw, hh), (ox, oy, ow, oh) = (map(number, entry[key]) for key in ("human_bbox", "object_bbox"))
            boxes = (hx, hy, hx + hw, hy + hh, ox, oy, ox + ow, oy + oh)
            image = _name(entry["image_id"]) if isinstance(entry["image_id"], str) else whole_number(entry["image_id"])
            name = None if entry.get("file_name") is None else _name(entry["file_name"])
            hoi_id = whole_number(entry["category_id"]) - 1
            rows.append((name, image, hoi_id, number(entry["score"]), *boxes))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{path} entry {place}: {why_not_read(error)}; needed are image_id or file_name, "
                "category_id (the class, from 1), score, human_bbox and object_bbox [x, y, width, height]"
            ) from error
    columns = ["file_name", "image_id", "hoi_id", "score", *HUMAN_BOX, *OBJECT_BOX]
    frame = pd.DataFrame(rows, columns=columns)
    named = len(frame) > 0 and bool(frame["file_name"].notna().all())
    return frame.drop(columns="image_id" if named else "file_name")


def _name(value: Any) -> str:
    """The name of an image; ValueError if it is no text, or none that a table can hold."""
    if not isinstance(value, str) or half(value):
        raise ValueError(f"{shown(value)} is no name of an image")
    return value


def write(path: Path, detections: pd.DataFrame) -> None:
    """Write the detections, with ``image_id`` and, if there, ``file_name``."""
    values = detections[[*HUMAN_BOX, *OBJECT_BOX]].to_numpy(dtype=np.float64)
    human, thing = values[:, :4], values[:, 4:]
    union = np.concatenate([np.minimum(human, thing)[:, :2], np.maximum(human, thing)[:, 2:]], axis=1)
    entries = [
        {
            "image_id": int(image),
            "category_id": int(hoi) + 1,
            "bbox": around,
            "score": float(score),
            "human_bbox": person,
            "object_bbox": target,
        }
        for image, hoi, score, around, person, target in zip(
            detections["image_id"],
            detections["hoi_id"],
            detections["score"],
            *(_xywh(boxes) for boxes in (union, human, thing)),
            strict=True,
        )
    ]
    if "file_name" in detections:
        for entry, name in zip(entries, detections["file_name"], strict=True):
            entry["file_name"] = str(name)
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(entries), encoding="utf-8")


def _xywh(boxes: np.ndarray) -> list[list[float]]:
    found: list[list[float]] = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
    return found
