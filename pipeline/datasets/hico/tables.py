"""HICO-DET's annotation as two tables, the same for every layout, and their Parquet schema.

    images    image_id, split, file_name, width, height (0: unknown), n_pairs
    pairs     pair_id, image_id, file_name, width, height, hoi_id, verb_id, object_id, hx1 .. hy2, ox1 .. oy2

Boxes are HICO-DET's own: 1-based inclusive pixel indices, whole numbers (`PIXELS`). A box of x1 = 1, x2 = 640 covers an
image of 640 pixels from edge to edge. `continuous` gives the coordinates that everything else here computes with: edges
between pixels, 0 .. width, that is x1 - 1, y1 - 1, x2, y2 as float32; exact, and `pixels` is its inverse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.dataset import BOXES
from pipeline.machine.files import atomic
from pipeline.outside.parsing import shown

LOW = [name for name in BOXES if name.endswith("1")]
"""Columns of the corners x1, y1, where a pixel's index is one more than its edge's coordinate."""
TEST_IDS_FROM = 100_000
"""Test images are numbered from here on, so that an image_id is unique in the whole dataset."""
PIXELS = "pixel1_inclusive"
_NAME = re.compile(r"HICO_(train|test)2015_(\d{8})\.jpg")

_IDS = [("image_id", pa.int32())]
_SIZE = [("width", pa.int16()), ("height", pa.int16())]
_CLASS = [("hoi_id", pa.int16()), ("verb_id", pa.int16()), ("object_id", pa.int16())]
PAIRS = pa.schema(
    [("pair_id", pa.int32()), *_IDS, ("file_name", pa.dictionary(pa.int32(), pa.string())), *_SIZE, *_CLASS]
    + [(name, pa.int16()) for name in BOXES],
    metadata={"box_convention": PIXELS},
)
IMAGES = pa.schema(
    [
        ("split", pa.string()),
        *_IDS,
        ("file_name", pa.string()),
        *_SIZE,
        ("n_pairs", pa.int32()),
        ("is_empty", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Tables:
    """Images and pairs; boxes as 1-based inclusive pixels."""

    images: pd.DataFrame
    pairs: pd.DataFrame

    def of(self, split: str) -> Tables:
        """One split's rows."""
        images = self.images[self.images["split"] == split]
        pairs = self.pairs[self.pairs["image_id"].isin(images["image_id"])]
        return Tables(images.reset_index(drop=True), pairs.reset_index(drop=True))


def split_of(file_name: str) -> str | None:
    """'train' or 'test' by the file's name; None where it is no HICO-DET image's."""
    found = _NAME.fullmatch(file_name)
    return found[1] if found else None


def image_id(file_name: str) -> int:
    """The number in a HICO-DET image's name; that of a test image plus `TEST_IDS_FROM`.

    Raises:
        ValueError: the name is not HICO_train2015_00000001.jpg or of that form.
    """
    found = _NAME.fullmatch(file_name)
    if found is None:
        raise ValueError(f"{shown(file_name)} is not the name of a HICO-DET image (HICO_train2015_00000001.jpg)")
    return int(found[2]) + (TEST_IDS_FROM if found[1] == "test" else 0)


def continuous(boxes: pd.DataFrame) -> pd.DataFrame:
    """Pixel boxes (any of the `BOXES` columns) as float32 edges: x1 and y1 less one."""
    moved = boxes.astype("float32")
    low = [name for name in LOW if name in moved]
    moved[low] -= 1
    return moved


def pixels(boxes: pd.DataFrame) -> pd.DataFrame:
    """The inverse of `continuous`, as int16."""
    low = [name for name in LOW if name in boxes]
    moved = boxes.astype("float64")
    moved[low] += 1
    whole = moved.round()
    if not np.array_equal(whole, moved):
        raise ValueError("boxes are not whole pixels")
    return whole.astype("int16")


def write(folder: Path, tables: Tables) -> list[Path]:
    """`images.parquet` and `pairs.parquet` in `folder`, in the canonical schema; read back by `layouts.parquet`."""
    images = tables.images.assign(is_empty=tables.images["n_pairs"] == 0)
    written = []
    for name, table, schema in (("images", images, IMAGES), ("pairs", tables.pairs, PAIRS)):
        path = folder / f"{name}.parquet"
        with atomic(path) as temporary:
            frame = table[schema.names]
            pq.write_table(
                pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(
                    schema.metadata
                ),
                temporary,
                compression="zstd",
            )
        written.append(path)
    return written
