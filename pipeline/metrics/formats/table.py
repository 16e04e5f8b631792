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

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX

COLUMNS = ("hoi_id", "score", *HUMAN_BOX, *OBJECT_BOX)
IMAGE = ("file_name", "image", "image_id", "image_index")


def read(path: Path) -> pd.DataFrame:
    """The table; file names come as categories, so that a million rows stay small.

    Raises:
        DataError: the file is no Parquet file or lacks a column.
    """
    try:
        names = pq.read_schema(path).names
        key = next((name for name in IMAGE if name in names), None)
        missing = ([] if key else ["file_name (or image, image_id)"]) + [c for c in COLUMNS if c not in names]
        if missing:
            raise DataError(f"{path}: no column {', '.join(missing)}; columns are {', '.join(names) or 'none'}")
        columns = [key, *COLUMNS, *(["prior"] if "prior" in names else [])]
        table = pq.read_table(path, columns=columns)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from error
    if key == "image":
        named = pa.types.is_integer(table.schema.field("image").type)
        key = "image_id" if named else "file_name"
        table = table.rename_columns([key, *columns[1:]])
    if key == "file_name":
        table = table.set_column(0, "file_name", table.column(0).cast(pa.string()).dictionary_encode())
    return table.to_pandas()


def write(path: Path, detections: pd.DataFrame) -> None:
    """Write the table, boxes and scores as they are."""
    key = next(name for name in IMAGE if name in detections)
    with atomic(path) as temporary:
        detections[[key, *COLUMNS]].to_parquet(temporary, index=False, compression="zstd")
