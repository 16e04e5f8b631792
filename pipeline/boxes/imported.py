"""Another detector's boxes: a Parquet table, or results in COCO's JSON format.

    Parquet    image_id or file_name, object_id (the vocabulary's; HICO-DET's are 0..79 in COCO's order), score (0..1),
               x1, y1, x2, y2 (pixels)
    COCO       [{"image_id" or "file_name", "category_id", "bbox": [x, y, width, height], "score"}, ...]

A `file_name` may be the annotated one or, where they are unique, its last parts; beside an image_id it has to be that
image's. `category_id` is COCO's own (1..90, with gaps). Numbers may be written as texts; fractions of an id and missing
values are errors, as are a file without a single box and boxes that are not in pixels of their images. Boxes that are there
twice are taken and counted in a warning: as a rule the file was put together of parts that overlap.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config.detections import Detections
from pipeline.datasets.dataset import CORNERS
from pipeline.errors import ConfigError, DataError
from pipeline.outside import columns, file_names, pixels, reading
from pipeline.outside.columns import number, whole_number
from pipeline.outside.file_names import base_name
from pipeline.outside.parsing import shown, why_not_read
from pipeline.vocabulary.vocabulary import Object

log = logging.getLogger("ezhoi.boxes")
COLUMNS = ["image_id", "object_id", "score", *CORNERS]


def read(section: Detections, images: pd.DataFrame, objects: Sequence[Object]) -> pd.DataFrame:
    """Read the imported boxes under COLUMNS; ConfigError or DataError naming the file, the row and what it needs."""
    path = section.path
    if path is None:
        raise ConfigError(
            f"detections.source = {section.source} needs detections.path, "
            + ("results in COCO's format" if section.source == "coco" else "a table of " + ", ".join(COLUMNS))
        )
    table = (
        _coco(path, objects)
        if section.source == "coco"
        else columns.read(path, [*COLUMNS, "file_name"], repeated=["file_name"])
    )
    if "file_name" in table.columns and "image_id" not in table.columns:
        names = table.pop("file_name")
        table = table.assign(image_id=_by_name(path, names, images))
    if missing := [c for c in COLUMNS if c not in table.columns]:
        raise DataError(f"{path}: columns {missing} are missing; expected {COLUMNS}")
    if table.empty:
        raise DataError(f"{path}: holds no box; a detector that found nothing at all is no detector")
    found = _checked(path, table, images, len(objects))
    places = pd.Index(images["image_id"]).get_indexer(found["image_id"])
    size = images[["width", "height"]].to_numpy(np.float64)[places]
    pixels.demand(found[CORNERS].to_numpy(np.float64), size, table=f"{path},")
    if remark := repeated(found[["image_id", "object_id", *CORNERS]]):
        log.warning("%s: %s", path, remark)
    return found


def repeated(boxes: pd.DataFrame) -> str:
    """A remark on boxes that repeat another one in all these columns; empty if none does."""
    if not (again := int(boxes.duplicated().sum())):
        return ""
    return (
        f"{again:,} of its {len(boxes):,} boxes repeat another one of their image; of equal ones pairing.nms leaves one"
    )


def _coco(path: Path, objects: Sequence[Object]) -> pd.DataFrame:
    found = coco_rows(path)
    object_of = {thing.coco_id: i for i, thing in enumerate(objects) if thing.coco_id is not None}
    ids = found["category_id"].map(object_of)
    if ids.isna().any():
        row = int(ids.isna().to_numpy().argmax())
        raise DataError(
            f"{path}, entry {row}: no object has category_id {found['category_id'].iloc[row]}; the ids are COCO's, 1..90"
        )
    return found.drop(columns="category_id").assign(object_id=ids.astype("int64"))


def coco_rows(path: Path) -> pd.DataFrame:
    """The rows of results in COCO's format: category_id, score, CORNERS, and image_id or file_name or both.

    Raises DataError naming the file, the entry and what it needs.
    """
    entries: Any = reading.json_value(path, largest=reading.LARGEST_DATA)
    if not isinstance(entries, list):
        raise DataError(
            f"{path}: expected a list of results, as COCO's evaluation takes them, got {type(entries).__name__}"
        )
    rows: dict[str, list[Any]] = {name: [] for name in ("category_id", "score", *CORNERS)}
    keys = [k for k in ("image_id", "file_name") if entries and isinstance(entries[0], dict) and k in entries[0]]
    keys = keys or ["image_id"]
    rows |= {key: [] for key in keys}
    for place, entry in enumerate(entries):
        try:
            x, y, width, height = map(number, entry["bbox"])
            category, score = whole_number(entry["category_id"]), number(entry["score"])
            values = (category, score, x, y, x + width, y + height, *(entry[key] for key in keys))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}, entry {place}: {shown(entry)}: {why_not_read(error)}; needs image_id or file_name, "
                "category_id (COCO's, 1..90), bbox [x, y, width, height] and score"
            ) from None
        for column, value in zip(rows, values, strict=True):
            rows[column].append(value)
    return pd.DataFrame(rows)


def _by_name(path: Path, names: pd.Series[str], images: pd.DataFrame) -> pd.Series[int]:
    codes, distinct = pd.factorize(names)
    texts = [_text(name) for name in distinct]
    place = np.append(file_names.places(texts, images["file_name"].tolist(), table=str(path)), -1)[codes]
    if (place < 0).any():
        row = int((place < 0).argmax())
        raise DataError(f"{path}, row {row}: no annotated image is called {shown(_text(names.iloc[row]))}")
    return pd.Series(images["image_id"].to_numpy()[place], index=names.index, dtype="int64")


def _text(name: Any) -> Any:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def _checked(path: Path, table: pd.DataFrame, images: pd.DataFrame, count: int) -> pd.DataFrame:
    """The table with its numbers parsed, however they are written; DataError for the first row that is no box."""
    typed: dict[str, Any] = {}
    try:
        for column in COLUMNS:
            if column in ("image_id", "object_id"):
                typed[column] = columns.whole(table, column, f"{path},")
            elif table[column].dtype.kind not in "iuf" or isinstance(
                table[column].dtype, pd.api.extensions.ExtensionDtype
            ):
                typed[column] = columns.numbers(table, column, f"{path},")
    except ValueError as error:
        raise DataError(str(error)) from None
    table = table.assign(**typed)
    finite = np.isfinite(table[CORNERS].to_numpy(np.float64)).all(axis=1)
    right = (table["x2"] > table["x1"]) & (table["y2"] > table["y1"]) & table["score"].between(0, 1) & finite
    right &= table["object_id"].between(0, count - 1) & table["image_id"].isin(images["image_id"])
    if not right.all():
        row = table.index[~right][0]
        raise DataError(
            f"{path}, row {row}: {table.loc[row, COLUMNS].to_dict()}: needs x2 > x1, y2 > y1, finite corners, a score in "
            f"0..1, object_id in 0..{count - 1} and a known image_id"
        )
    if "file_name" in table.columns:
        _demand_same_image(path, table, images)
    return table[COLUMNS]


def _demand_same_image(path: Path, table: pd.DataFrame, images: pd.DataFrame) -> None:
    """DataError where a row's file_name is not that of its image_id: the two number images differently."""
    annotated = images.set_index("image_id")["file_name"]
    given = table[["image_id", "file_name"]].dropna().drop_duplicates()  # an image has many boxes
    names, of_id = given["file_name"].map(_text), given["image_id"].map(annotated)
    wrong = (names.map(base_name) != of_id.map(base_name)).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{path}, row {given.index[row]}: image_id {given['image_id'].iloc[row]} is {of_id.iloc[row]}, not "
            f"{shown(names.iloc[row])}; leave image_id out, or number images as the annotations do"
        )
