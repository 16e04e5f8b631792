"""COCO's instances file (`instances_{train,val}2014.json`, or a part of it) for the images of V-COCO: it has their boxes.

    found = read(Path("instances_val2014.json"), images=labels.image_id)

The annotations take a third of a gigabyte with their outlines; only those of the wanted images are kept, without outlines.
Boxes are COCO's own x, y, width, height.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.outside.columns import number, whole_number
from pipeline.outside.escaping import half
from pipeline.outside.parsing import shown, why_not_read

IMAGES = ("id", "file_name", "width", "height")
ANNOTATIONS = ("id", "image_id", "category_id", "x", "y", "width", "height", "area", "ignore", "iscrowd")
PERSON = 1
"""COCO's category of persons."""


@dataclass(frozen=True, kw_only=True)
class Instances:
    """The wanted images and what COCO annotates in them."""

    images: pd.DataFrame
    """id, file_name, width, height."""
    annotations: pd.DataFrame
    """id, image_id, category_id, x, y, width, height, area, ignore, iscrowd, in the file's order."""


def read(path: Path, *, images: Collection[int]) -> Instances:
    """The annotations of some images.

    Raises:
        DataError: the file is not COCO's, it lacks a wanted image, or an annotation is malformed (named by its id).
    """
    wanted = {int(image) for image in images}

    def kept(entry: dict[str, Any]) -> Any:
        """A wanted annotation as a tuple, None for any other; a value that is no annotation is returned as it is."""
        if "bbox" not in entry or not isinstance(entry.get("image_id"), int):
            return entry
        return _annotation(entry, path) if entry["image_id"] in wanted else None

    value = reading.json_value(path, largest=reading.LARGEST_DATA, each=kept)
    if not isinstance(value, dict) or not all(isinstance(value.get(key), list) for key in ("images", "annotations")):
        raise DataError(f"{path}: not COCO's instances file: needs lists under images and annotations")
    listed = [_image(entry, path) for entry in value["images"] if _is_wanted(entry, wanted)]
    if missing := wanted - {row[0] for row in listed}:
        raise DataError(
            f"{path}: lacks {len(missing):,} of {len(wanted):,} labelled images, such as {min(missing)}: it is of another "
            "split. V-COCO's train and val are images of COCO's train2014, test of val2014"
        )
    rows = [row for row in value["annotations"] if isinstance(row, tuple)]
    found = Instances(
        images=pd.DataFrame(listed, columns=list(IMAGES)), annotations=pd.DataFrame(rows, columns=list(ANNOTATIONS))
    )
    for name, table in (("image", found.images), ("annotation", found.annotations)):
        if (twice := table["id"].duplicated()).any():
            raise DataError(f"{path}: {name} {table['id'][twice].iloc[0]} comes twice")
    return found


def _is_wanted(entry: Any, wanted: Collection[int]) -> bool:
    return isinstance(entry, dict) and type(entry.get("id")) is int and entry["id"] in wanted


def _image(entry: dict[str, Any], path: Path) -> tuple[Any, ...]:
    try:
        width, height = whole_number(entry["width"]), whole_number(entry["height"])
        if width < 1 or height < 1 or not isinstance(entry["file_name"], str) or half(entry["file_name"]):
            raise ValueError("file_name is a text, width and height are at least 1")
        return entry["id"], entry["file_name"], width, height
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: image {shown(entry['id'])}: {why_not_read(error)}") from None


def _annotation(entry: dict[str, Any], path: Path) -> tuple[Any, ...]:
    try:
        box = tuple(number(corner) for corner in entry["bbox"])
        area = number(entry["area"])
        if len(box) != 4 or not all(map(math.isfinite, (*box, area))):
            raise ValueError(f"bbox {shown(entry['bbox'])} and area {area} are not five finite numbers")
        ids = (whole_number(entry[key]) for key in ("id", "image_id", "category_id"))
        marks = (whole_number(entry.get(key, 0)) for key in ("ignore", "iscrowd"))
        return (*ids, *box, area, *marks)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: annotation {shown(entry.get('id'))}: {why_not_read(error)}") from None
