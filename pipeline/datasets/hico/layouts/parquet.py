"""The canonical Parquet files (`pipeline.datasets.hico.tables`): `pairs.parquet`, with `images.parquet` beside it or alone.

A file of pairs needs file_name, hoi_id and the eight box columns; width and height are used if no file of images has
them. Its metadata may state `box_convention`; without it, boxes are taken as HICO-DET's own (pixel1_inclusive).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from pipeline.datasets.folder import annotation_files
from pipeline.datasets.hico.folder import BESIDE
from pipeline.datasets.hico.rows import UNSTATED, Rows
from pipeline.datasets.hico.tables import BOXES, PIXELS
from pipeline.errors import DataError
from pipeline.outside import columns
from pipeline.outside.parsing import shown

_NEEDED = ["file_name", "hoi_id", *BOXES]
_SIZE = ["file_name", "width", "height"]


class OtherTableError(DataError):
    """A Parquet table of something else whose name could be that of a table of pairs, such as `hard_pairs.parquet`."""


def read(path: Path) -> Rows:
    """The rows of a file of pairs and of the images files beside it; OtherTableError naming the columns that are missing."""
    table, metadata = columns.read(path, [*_NEEDED, "verb_id", "object_id", "width", "height"]), _metadata(path)
    if missing := [name for name in _NEEDED if name not in table.columns]:
        raise OtherTableError(
            f"{path}: not a table of HICO-DET pairs: columns {missing} are missing, it has {columns.names(path)}"
        )
    if (convention := metadata.get("box_convention", PIXELS)) != PIXELS:
        raise DataError(f"{path}: box_convention is {shown(convention)}, not {shown(PIXELS)}")
    rows = Rows(path, "parquet")
    sizes = _images(path)
    if sizes is None:
        sizes = table.drop_duplicates("file_name").reindex(columns=_SIZE)
        rows.notes.append("no file of images beside it, so images without pairs are unknown")
    else:
        unlisted = set(table["file_name"]) - set(sizes["file_name"])
        for name in sorted(map(str, unlisted)):
            rows.faults.add(f"image {name}", "has pairs but is in no file of images")
    known = {
        name
        for name, width, height in sizes[_SIZE].fillna(0).itertuples(index=False)
        if rows.image(str(name), width, height)
    }
    pairs = table.reindex(columns=[*_NEEDED, "verb_id", "object_id"]).astype({"file_name": str})
    pairs = pairs.fillna({"verb_id": UNSTATED, "object_id": UNSTATED})
    for row, (name, hoi, *rest) in enumerate(pairs.itertuples(index=False)):
        if name in known:
            rows.pair(name, row, hoi, rest[:4], rest[4:8], verb_id=rest[8], object_id=rest[9])
    return rows


def _images(path: Path) -> pd.DataFrame | None:
    """The tables of images in the folder, restricted to the split that the file's name has, if any.

    The size of an image that is in several of them is that of the first; copies come last.
    """
    found = []
    for other in annotation_files(sorted(path.parent.glob("*.parquet")), [BESIDE]):
        table = columns.read(other, [*_SIZE, "hoi_id"])
        if {*_SIZE} <= set(table.columns) and "hoi_id" not in table:
            found.append(table[_SIZE])
    if not found:
        return None
    images = pd.concat(found, ignore_index=True).drop_duplicates("file_name")
    split = next((s for s in ("train2015", "test2015") if s in path.name), "")
    return images[images["file_name"].astype(str).str.contains(split)]


def _metadata(path: Path) -> dict[str, Any]:
    stated = pq.read_schema(path).metadata or {}
    return {key.decode(): value.decode(errors="replace") for key, value in stated.items() if key == b"box_convention"}
