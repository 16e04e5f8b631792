"""Writing `coco-rel/1.0`, which pycocotools, FiftyOne and Datumaro read as ordinary COCO instances.

Ids begin at 1: pycocotools takes an annotation id of 0 for "unmatched". Every annotation has all of COCO's five fields, as
some readers stop without them. `rel_categories` are 0, 1, 2, ... in order, as readers exist that take them for positions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.datasets.dataset import CORNERS
from pipeline.datasets.own.native import SCHEMA
from pipeline.datasets.own.raw import ALONE
from pipeline.machine.files import atomic
from pipeline.vocabulary.vocabulary import PERSON, Vocabulary, spaced


def value(
    images: pd.DataFrame,
    boxes: pd.DataFrame,
    relations: pd.DataFrame,
    *,
    vocabulary: Vocabulary,
    about: str,
    categories: Sequence[int] | None = None,
) -> dict[str, Any]:
    """The content of a file.

    Args:
        images: image_id, file_name, width, height; split and exhaustive if they are told.
        boxes: image_id, object_id, x1 .. y2; the n-th gets the id n + 1.
        relations: image_id, subject, object (positions in `boxes`, `ALONE` for a person acting alone), verb_id.
        about: what `info.description` says.
        categories: the category id of every object; 1, 2, 3, ... if left out.
    """
    numbers = list(categories or range(1, len(vocabulary.objects) + 1))
    return {
        "info": {"description": about, "version": "1", "schema": SCHEMA},
        "licenses": [],
        "images": _images(images),
        "categories": [
            {"id": number, "name": thing.noun, "supercategory": "person" if place == PERSON else ""}
            for place, (number, thing) in enumerate(zip(numbers, vocabulary.objects, strict=True))
        ],
        "annotations": _annotations(boxes, numbers),
        "rel_categories": [
            {"id": i, "name": spaced(verb.name), "ing": spaced(verb.ing), "supercategory": ""}
            for i, verb in enumerate(vocabulary.verbs)
        ],
        "rel_annotations": _relations(relations),
        "hoi_categories": [
            {"id": c.hoi_id, "predicate_id": c.verb_id, "category_id": numbers[c.object_id]} for c in vocabulary.classes
        ]
        + _alone(vocabulary),
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file, one row a line, so that two of them can be compared."""
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("{")
        for place, (key, part) in enumerate(content.items()):
            file.write(f"{',' if place else ''}\n {json.dumps(key)}: ")
            if isinstance(part, list) and part:
                rows = ",\n  ".join(map(encode, part))
                file.write(f"[\n  {rows}\n ]")
            else:
                file.write(encode(part))
        file.write("\n}\n")


def _images(images: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {"id": "image_id", "file_name": "file_name", "width": "width", "height": "height"}
    columns |= {name: name for name in ("split", "exhaustive") if name in images}
    table = [images[column].tolist() for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*table, strict=True)]


def _annotations(boxes: pd.DataFrame, numbers: Sequence[int]) -> list[dict[str, Any]]:
    x1, y1, x2, y2 = (boxes[corner].astype("float64") for corner in CORNERS)
    sizes = pd.DataFrame({"x": x1, "y": y1, "w": x2 - x1, "h": y2 - y1}).to_numpy().tolist()
    rows = zip(boxes["image_id"].tolist(), boxes["object_id"].tolist(), sizes, strict=True)
    return [
        {
            "id": i,
            "image_id": image,
            "category_id": numbers[thing],
            "bbox": size,
            "area": size[2] * size[3],
            "iscrowd": 0,
            "segmentation": [],
        }
        for i, (image, thing, size) in enumerate(rows, start=1)
    ]


def _relations(relations: pd.DataFrame) -> list[dict[str, Any]]:
    rows = zip(*(relations[name].tolist() for name in ("image_id", "subject", "object", "verb_id")), strict=True)
    return [
        {
            "id": i,
            "image_id": image,
            "subject_id": subject + 1,
            "object_id": None if thing == ALONE else thing + 1,
            "predicate_id": verb,
        }
        for i, (image, subject, thing, verb) in enumerate(rows, start=1)
    ]


def _alone(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """The classes without an object, numbered after the others."""
    first = max(vocabulary.ids, default=-1) + 1
    return [
        {"id": first + i, "predicate_id": verb, "category_id": None} for i, verb in enumerate(vocabulary.without_object)
    ]
