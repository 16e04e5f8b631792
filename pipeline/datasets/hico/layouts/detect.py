"""One annotation file, whatever its layout: parsed once, recognised by its content and read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.datasets.hico.layouts import hake, matlab, parquet, ppdm, upt
from pipeline.datasets.hico.rows import Rows
from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.outside.parsing import shown

TITLES = {
    "matlab": "official MATLAB (anno_bbox.mat)",
    "upt": "UPT / EZ-HOI JSON (instances_*2015.json)",
    "hake": "HAKE instance-level JSON",
    "ppdm": "PPDM / QPIC JSON (trainval_hico.json, test_hico.json)",
    "parquet": "canonical Parquet",
}
_JSON = (upt, ppdm, hake)


@dataclass(frozen=True)
class Labels:
    """`anno.mat`: positive labels of images (image_id, split, hoi_id, object_id), and the official file lists by split."""

    file: Path
    presence: pd.DataFrame
    lists: dict[str, list[str]]


def read(path: Path) -> Rows | Labels:
    """The rows of a file; the labels of whole images if it is `anno.mat`.

    Raises:
        DataError: the file is missing, damaged, or has none of the layouts; the message names what was found.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.suffix.lower() == ".parquet":
        return parquet.read(path)
    if path.suffix.lower() == ".mat":
        return _matlab(path)
    value = reading.json_value(path, largest=reading.LARGEST_DATA)
    for layout in _JSON:
        if layout.matches(value):
            return layout.read(value, path)
    raise DataError(f"{path}: JSON of no known layout: {_shape(value)}. Known: {'; '.join(TITLES.values())}.")


def _matlab(path: Path) -> Rows | Labels:
    value = matlab.load(path)
    if matlab.has_boxes(value):
        return matlab.read(value, path)
    if matlab.has_labels(value):
        return Labels(path, *matlab.labels(value, path))
    names = [name for name in value if not name.startswith("_")]
    raise DataError(f"{path}: neither anno_bbox.mat nor anno.mat; its variables are {names}")


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with the keys {', '.join(map(shown, list(value)[:8]))}"
    if isinstance(value, list):
        return f"a list of {len(value)}, the first {shown(value[0]) if value else 'missing'}"
    return f"a single {type(value).__name__}"
