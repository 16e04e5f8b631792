"""Writing `coco-rel/1.0`, which pycocotools, FiftyOne and Datumaro read as ordinary COCO instances.

Ids begin at 1: pycocotools takes an annotation id of 0 for "unmatched". Every annotation has all of COCO's five fields, as
some readers stop without them. `rel_categories` are 0, 1, 2, ... in order, as readers exist that take them for positions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.dataset import CORNERS
from pipeline.datasets.own.coco_rel import SCHEMA
from pipeline.datasets.own.raw import ALONE
from pipeline.machine.files import atomic
from pipeline.outside.streaming import OnProgress
from pipeline.vocabulary.vocabulary import PERSON, Vocabulary, spaced

BATCH = 4096
"""How many rows are made and written at once."""


def value(
    images: pd.DataFrame,
    boxes: pd.DataFrame,
    relations: pd.DataFrame,
    *,
    vocabulary: Vocabulary,
    about: str,
    categories: Sequence[int] | None = None,
) -> dict[str, Any]:
    """The content of a file, whose long lists are made while they are written.

    Args:
        images: image_id, file_name, width, height; and split and exhaustive where these are known.
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


def write(path: Path, content: Mapping[str, Any], *, on_progress: OnProgress | None = None) -> None:
    """Write a file, one row a line, so that two of them can be compared.

    Args:
        on_progress: is called with how many rows are written, and of how many.
    """
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    lists = {key: part for key, part in content.items() if isinstance(part, list | Rows) and len(part)}
    total, done = sum(map(len, lists.values())), 0
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("{")
        for place, (key, part) in enumerate(content.items()):
            file.write(f"{',' if place else ''}\n {json.dumps(key)}: ")
            if key not in lists:
                file.write("[]" if isinstance(part, Rows) else encode(part))
                continue
            before = "[\n  "
            entries = iter(part)
            while some := [encode(entry) for entry in islice(entries, BATCH)]:
                file.write(before + ",\n  ".join(some))
                before, done = ",\n  ", done + len(some)
                if on_progress is not None:
                    on_progress(done, total)
            file.write("\n ]")
        file.write("\n}\n")


class Rows(Iterable[dict[str, Any]]):
    """The entries of a long list, made when they are asked for: there are never more than a batch of them.

    Args:
        columns: the columns of the table, of one length.
        made: the entries of a batch, from its first row's place and its columns.
    """

    def __init__(self, columns: Sequence[Any], made: Callable[..., Iterator[dict[str, Any]]]) -> None:
        self._columns, self._made = columns, made

    def __len__(self) -> int:
        return len(self._columns[0])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self), BATCH):
            yield from self._made(start, *(column[start : start + BATCH] for column in self._columns))


def _images(images: pd.DataFrame) -> Rows:
    names = {"id": "image_id", "file_name": "file_name", "width": "width", "height": "height"}
    names |= {name: name for name in ("split", "exhaustive") if name in images}

    def made(_: int, *columns: pd.Series[Any]) -> Iterator[dict[str, Any]]:
        for row in zip(*(column.tolist() for column in columns), strict=True):
            yield dict(zip(names, row, strict=True))

    return Rows([images[column] for column in names.values()], made)


def _annotations(boxes: pd.DataFrame, numbers: Sequence[int]) -> Rows:
    def made(start: int, image: Any, thing: Any, *corners: Any) -> Iterator[dict[str, Any]]:
        sizes = short(np.stack([corner.to_numpy(np.float64) for corner in corners], axis=1)).tolist()
        rows = zip(image.tolist(), thing.tolist(), sizes, strict=True)
        for i, (image, thing, size) in enumerate(rows, start=start + 1):
            yield {
                "id": i,
                "image_id": image,
                "category_id": numbers[thing],
                "bbox": size,
                "area": round(size[2] * size[3], 3),
                "iscrowd": 0,
                "segmentation": [],
            }

    return Rows([boxes[name] for name in ("image_id", "object_id", *CORNERS)], made)


def short(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 4) x, y, width, height of x1, y1, x2, y2, with three decimals, or as many more (to eight) as it takes for reading
    them to give the same corners in the 32 bits that boxes are stored in: 12.34 and not 12.34000015258789."""
    sizes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    found, open_ = sizes.copy(), np.arange(len(sizes))
    for decimals in range(3, 9):
        rounded = np.round(sizes[open_], decimals)
        again = np.concatenate([rounded[:, :2], rounded[:, :2] + rounded[:, 2:]], axis=1)
        same = (again.astype(np.float32) == corners[open_].astype(np.float32)).all(axis=1)
        found[open_[same]] = rounded[same]
        open_ = open_[~same]
    return found


def _relations(relations: pd.DataFrame) -> Rows:
    def made(start: int, *columns: pd.Series[Any]) -> Iterator[dict[str, Any]]:
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for i, (image, subject, thing, verb) in enumerate(rows, start=start + 1):
            yield {
                "id": i,
                "image_id": image,
                "subject_id": subject + 1,
                "object_id": None if thing == ALONE else thing + 1,
                "predicate_id": verb,
            }

    return Rows([relations[name] for name in ("image_id", "subject", "object", "verb_id")], made)


def _alone(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """The classes without an object, numbered after the others."""
    first = max(vocabulary.ids, default=-1) + 1
    return [
        {"id": first + i, "predicate_id": verb, "category_id": None} for i, verb in enumerate(vocabulary.without_object)
    ]
