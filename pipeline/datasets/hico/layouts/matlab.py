"""The official MATLAB files: `anno_bbox.mat` (boxes of both splits) and `anno.mat` (labels of whole images).

bbox_train, bbox_test    (1, n) struct: filename, size {width, height, depth}, hoi
hoi                      (1, k) struct: id (1..600), bboxhuman, bboxobject (struct arrays x1 x2 y1 y2),
                         connection (pairs of 1-based positions in the two), invis (1: no box could be drawn)
anno_train, anno_test    (600, n): 1 positive, 0 ambiguous, -1 negative, NaN not judged
list_train, list_test    (n, 1) file names
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.datasets.hico.rows import Rows
from pipeline.datasets.hico.tables import image_id
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.machine import memory
from pipeline.outside import reading

LARGEST = 8 << 30
"""Most bytes that a MATLAB file may take in memory: scipy makes an array of every number of `anno_bbox.mat`."""
_ORDER = ("x1", "y1", "x2", "y2")


def load(path: Path) -> dict[str, Any]:
    """The variables of a MATLAB file; no code in it is run. DataError if it cannot be read, or unpacks to too much."""
    import scipy.io

    try:
        with memory.bounded(LARGEST):
            return scipy.io.loadmat(path)
    except MemoryError:
        raise DataError(
            f"{path}: its {path.stat().st_size:,} bytes need more than {LARGEST >> 30} GiB of memory, or more than there is"
        ) from None
    except Exception as error:  # a damaged file makes scipy raise nearly anything
        raise DataError(f"{path}: cannot be read as a MATLAB 5 file ({reading.why(error)})") from error


def has_boxes(value: dict[str, Any]) -> bool:
    """Whether this is `anno_bbox.mat`."""
    return any(f"bbox_{split}" in value for split in ("train", "test"))


def has_labels(value: dict[str, Any]) -> bool:
    """Whether this is `anno.mat`."""
    return any({f"anno_{split}", f"list_{split}"} <= value.keys() for split in ("train", "test"))


def read(value: dict[str, Any], path: Path) -> Rows:
    """The rows of `anno_bbox.mat`."""
    rows = Rows(path, "matlab")
    invisible = 0
    try:
        for split in ("train", "test"):
            for entry in _elements(value.get(f"bbox_{split}")):
                name, size = _text(entry["filename"]), _elements(entry["size"])[0]
                if rows.image(name, _number(size["width"]), _number(size["height"])):
                    invisible += _interactions(rows, name, _elements(entry["hoi"]))
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not the structure of anno_bbox.mat ({type(error).__name__}: {error})") from error
    rows.notes.append(f"{invisible} interactions are marked invisible and have no boxes")
    return rows


def _interactions(rows: Rows, name: str, found: Any) -> int:
    """Add an image's pairs; returns how many interactions have no box."""
    position = invisible = 0
    for interaction in found:
        hoi = _number(interaction["id"]) - 1
        humans, things = _boxes(interaction["bboxhuman"]), _boxes(interaction["bboxobject"])
        links = np.asarray(interaction["connection"]).reshape(-1, 2) if interaction["connection"].size else ()
        invisible += not len(links)
        for human, thing in links:
            if 1 <= human <= len(humans) and 1 <= thing <= len(things):
                rows.pair(name, position, hoi, humans[human - 1], things[thing - 1])
            else:
                rows.faults.add(
                    f"{name}, pair {position}",
                    f"connection ({human}, {thing}) is out of range: {len(humans)} people, {len(things)} objects",
                )
            position += 1
    return invisible


def labels(value: dict[str, Any], path: Path) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """The positive labels of `anno.mat` as (image_id, split, hoi_id, object_id), and the official list of files by split."""
    tables, lists = [], {}
    object_of = HICO.object_of
    for split in ("train", "test"):
        judged, names = value.get(f"anno_{split}"), value.get(f"list_{split}")
        if judged is None or names is None:
            continue
        lists[split] = [_text(name) for name in names.reshape(-1)]
        if judged.shape != (len(HICO.classes), len(lists[split])):
            raise DataError(f"{path}: anno_{split} has shape {judged.shape}, not (600, {len(lists[split])})")
        ids = np.array([image_id(name) for name in lists[split]])
        image, hoi = np.nonzero(judged.T == 1)
        tables.append(
            pd.DataFrame({"image_id": ids[image], "split": split, "hoi_id": hoi, "object_id": object_of[hoi]})
        )
    return pd.concat(tables, ignore_index=True), lists


def _elements(array: Any) -> Any:
    return () if array is None or not array.size else array.reshape(-1)


def _boxes(array: Any) -> list[tuple[int, ...]]:
    """Boxes of a struct array with fields x1, x2, y1, y2; an empty one may have no fields."""
    if not array.size or array.dtype.names is None:
        return []
    return [tuple(_number(box[key]) for key in _ORDER) for box in array.reshape(-1)]


def _number(array: Any) -> int:
    return np.asarray(array).item()


def _text(array: Any) -> str:
    found = array.reshape(-1)[0] if isinstance(array, np.ndarray) else array
    return _text(found) if isinstance(found, np.ndarray) else str(found)
