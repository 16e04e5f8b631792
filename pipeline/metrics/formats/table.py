"""Detections as Parquet, the format of the pipeline's own predictions.

================ ======================= ==============================================================
column           type                    meaning
================ ======================= ==============================================================
file_name        string                  the image; ``image`` is accepted for it, folders in it are ignored
  or image_id    int                     the annotations' ``image_id``
hoi_id           int, 0 .. 599           class, official order, counted from 0
score            float                   higher is better
hx1 hy1 hx2 hy2  float, pixels           the person's box, continuous coordinates
ox1 oy1 ox2 oy2  float, pixels           the object's box
prior            float, optional         what the detector alone gives the pair: the report's floor is made of it
================ ======================= ==============================================================

Other columns are ignored; rows may come in any order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX
from pipeline.outside import columns

COLUMNS = ("hoi_id", "score", *HUMAN_BOX, *OBJECT_BOX)
IMAGE = ("file_name", "image", "image_id", "image_index")


def read(path: Path) -> pd.DataFrame:
    """Read the table; file names become categories, so that a million rows stay small.

    Raises:
        DataError: the file is no Parquet file or lacks a column.
    """
    names = columns.names(path)
    key = next((name for name in IMAGE if name in names), None)
    missing = ([] if key else ["file_name (or image, image_id)"]) + [c for c in COLUMNS if c not in names]
    if missing or key is None:
        raise DataError(f"{path}: no column {', '.join(missing)}; columns are {', '.join(names) or 'none'}")
    frame = columns.read(path, [key, *COLUMNS, "prior"])
    if key == "image":
        key = "image_id" if frame["image"].dtype.kind in "iu" else "file_name"
        frame = frame.rename(columns={"image": key})
    if key == "file_name":
        return frame.assign(file_name=frame["file_name"].map(_name).astype("category"))
    if pd.api.types.is_string_dtype(frame[key]) and key == "image_id":
        return frame
    try:
        return frame.assign(**{key: columns.whole(frame, key, str(path))})
    except ValueError as error:
        raise DataError(str(error)) from None


def _name(value: Any) -> str | None:
    """The name of a file, also if it is stored as binary; None where there is none."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if value is None or value is pd.NA else str(value)


def write(path: Path, detections: pd.DataFrame) -> None:
    """Write the table with boxes and scores unchanged."""
    key = next(name for name in IMAGE if name in detections)
    with atomic(path) as temporary:
        detections[[key, *COLUMNS]].to_parquet(temporary, index=False, compression="zstd")
