"""Annotated example pairs of a user's classes, from a folder or a table; their pictures lie beside it.

A folder, or an annotation in it, comes from a labelling tool (docs/own-data.md). A table is Parquet or CSV, with a row a pair:

    file_name, class ("groom horse"; or verb and object), hx1, hy1, hx2, hy2, ox1, oy1, ox2, oy2 (pixels of the picture as seen)

Of a class the first `MOST` pairs are remembered, in the order of the annotation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.dataset import BOXES, CORNERS
from pipeline.datasets.own import annotated
from pipeline.datasets.own.pictures import Pictures
from pipeline.errors import DataError
from pipeline.outside import columns, csv_rows, file_names, pixels
from pipeline.outside.parsing import shown
from pipeline.predict.boxes import Boxes
from pipeline.predict.boxes import names as object_names
from pipeline.vocabulary.vocabulary import PERSON, Vocabulary, comparable

MOST = 8
"""How many pairs of a class are remembered."""
NAMED = ("class", "verb", "object")
TABLES = (".parquet", ".csv")


@dataclass(frozen=True)
class Example:
    """A picture with annotated pairs.

    Attributes:
        boxes: all boxes that are annotated in it, with score 1.
        hois: (n,) classes of its n pairs; pairs: (n, 8) their boxes, person and object, in pixels.
    """

    picture: Path
    boxes: Boxes
    hois: NDArray[np.int64]
    pairs: NDArray[np.float32]


def read(path: Path, vocabulary: Vocabulary) -> tuple[Example, ...]:
    """Read the examples in a folder, an annotation or a table, by picture; those of classes without an object are left out.

    Raises:
        DataError: naming the file, the row and what is wrong: no person in a pair, a class or a picture that nobody knows, a
            box that is none; or there is no pair at all.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; examples are a folder of annotated pictures, or a table")
    found = _table(path, vocabulary) if path.suffix.lower() in TABLES else _annotated(path, vocabulary)
    if not any(len(one.hois) for one in found):
        raise DataError(f"{path}: has no pair of a person and an object")
    return found


def counts(examples: Sequence[Example]) -> dict[int, int]:
    """The number of annotated pairs of each class, by rising id."""
    found = Counter(int(h) for one in examples for h in one.hois)
    return dict(sorted(found.items()))


def _annotated(path: Path, vocabulary: Vocabulary) -> tuple[Example, ...]:
    folder = path if path.is_dir() else path.parent
    pictures = Pictures.under(folder)
    if not pictures:
        raise DataError(f"{folder}: no picture is in this folder")
    found = annotated.read(path, pictures=pictures)
    found.problems.stop_if_any()
    known = object_names(vocabulary)
    things = np.array([known.get(comparable(thing.name), -1) for thing in found.vocabulary.objects], np.int64)
    rows, corners = found.rows, found.rows.boxes[CORNERS].to_numpy(np.float32)
    objects = things[rows.boxes["object_id"].to_numpy()]
    pairs = found.pairs
    pairs = pairs[pairs["hoi_id"] >= 0]
    named = {int(h): found.vocabulary.hoi(int(h)).name for h in pairs["hoi_id"].unique()}
    classes = {h: _class(name, vocabulary, str(found.file)) for h, name in named.items()}
    examples = []
    for image, name in enumerate(rows.images["file_name"]):
        mine = pairs[pairs["image"] == image]
        if mine.empty:
            continue
        own = (rows.boxes["image"] == image).to_numpy() & (objects >= 0)
        hois = np.array([classes[int(h)] for h in mine["hoi_id"]], np.int64)
        both = np.concatenate([corners[mine["subject"].to_numpy()], corners[mine["object"].to_numpy()]], axis=1)
        examples.append(Example(folder / name, _surely(corners[own], objects[own]), hois, both))
    return tuple(examples)


def _table(path: Path, vocabulary: Vocabulary) -> tuple[Example, ...]:
    table = _rows(path)
    named = "class" in table.columns
    needed = ["file_name", *(("class",) if named else ("verb", "object")), *BOXES]
    if missing := [name for name in needed if name not in table.columns]:
        lacks = "" if named or missing[0] not in NAMED else " (or class)"
        raise DataError(f"{path}: has no column {missing[0]}{lacks}; examples need {', '.join(needed)}")
    if table.empty:
        raise DataError(f"{path}: has no row")
    try:
        exact = np.stack([columns.numbers(table, name, f"{path},") for name in BOXES], axis=1)
    except ValueError as error:
        raise DataError(f"{error}; an example is a pair of a person (hx1 .. hy2) and an object") from None
    for boxes in (exact[:, :4], exact[:, 4:]):
        pixels.demand(boxes, None, table=f"{path},")
    corners: NDArray[np.float32] = exact.astype(np.float32)
    for row, both in enumerate(corners):
        for who, box in (("the person's", both[:4]), ("the object's", both[4:])):
            if not (np.isfinite(box).all() and (box[:2] < box[2:]).all()):
                raise DataError(
                    f"{path}, row {row}: {who} box {box.tolist()} is none: x1 < x2 and y1 < y2, in pixels; an example is "
                    "a pair of a person and an object"
                )
    for name in ("class",) if named else ("verb", "object"):
        lacking = table[name].isna().to_numpy() | (table[name] == "").to_numpy()
        if lacking.any():
            raise DataError(f"{path}, row {int(lacking.argmax())}: {name} is missing")
        for row, value in enumerate(table[name]):
            if not isinstance(value, str):
                raise DataError(f"{path}, row {row}: {name} is {shown(value)}; a text is needed")
    names = table["class"] if named else table["verb"].astype(str) + " " + table["object"].astype(str)
    hois = np.array([_class(str(name), vocabulary, f"{path}, row {row}") for row, name in enumerate(names)], np.int64)
    pictures = _pictures(path, table["file_name"])
    examples = []
    for place in dict.fromkeys(pictures):
        mine = np.array([one == place for one in pictures])
        objects = vocabulary.object_of[hois[mine]]
        both = corners[mine]
        kept = np.concatenate([both[:, :4], both[:, 4:]])
        labels = np.concatenate([np.full(mine.sum(), PERSON), objects])
        _, first = np.unique(np.column_stack([kept, labels]), axis=0, return_index=True)
        examples.append(Example(place, _surely(kept[sorted(first)], labels[sorted(first)]), hois[mine], both))
    return tuple(examples)


def _rows(path: Path) -> pd.DataFrame:
    if path.suffix.lower() == ".parquet":
        return columns.read(path, ["file_name", *NAMED, *BOXES])
    return pd.DataFrame([row for _, row in csv_rows.read(path)])


def _pictures(path: Path, written: pd.Series) -> list[Path]:
    """The path of the picture of every row, beside the table or in a folder below."""
    there = sorted(Pictures.under(path.parent).files)
    names = [str(name) for name in written]
    distinct = list(dict.fromkeys(names))
    place = dict(zip(distinct, file_names.places(distinct, there, table=str(path)).tolist(), strict=True))
    for row, name in enumerate(names):
        if place[name] < 0:
            raise DataError(f"{path}, row {row}: there is no picture {shown(name)} in {path.parent}")
    return [path.parent / there[place[name]] for name in names]


def _surely(corners: NDArray[np.float32], objects: NDArray[np.int64]) -> Boxes:
    return Boxes(corners, np.ones(len(corners), np.float32), objects.astype(np.int64))


def _class(name: str, vocabulary: Vocabulary, where: str) -> int:
    try:
        return vocabulary.find(name).hoi_id
    except ValueError as error:
        raise DataError(f"{where}: {error}; add the class (--classes FILE)") from None
