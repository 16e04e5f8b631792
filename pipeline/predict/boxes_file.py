"""A file of another detector's boxes, by picture: a Parquet table, or results in COCO's JSON format.

    Parquet    file_name or image_id, object_id or label, score (0..1), x1, y1, x2, y2 (pixels of the picture as seen)
    COCO       [{"file_name" or "image_id", "category_id" (COCO's, 1..90), "bbox": [x, y, width, height], "score"}, ...]

A picture is found by its file name or the last parts of it; a file that has only `image_id` is matched with the number at
the end of the pictures' names (`000000000139.jpg` is 139). Boxes of other pictures are ignored. A label that the model
does not know is left out and counted (`Boxes.left_out`). Some of the pictures are measured: boxes of resized ones are an
error, unless they are too few to tell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.boxes import imported
from pipeline.datasets.dataset import CORNERS
from pipeline.errors import DataError
from pipeline.outside import columns, file_names, pixels
from pipeline.outside.parsing import shown
from pipeline.predict.boxes import Boxes, far_larger
from pipeline.predict.boxes import names as object_names
from pipeline.vocabulary.vocabulary import Vocabulary, comparable

MEASURED = 100
"""How many of the pictures are measured, spread over all of them: their boxes tell whether the others are in pixels too."""
LEAST = 20
"""Of fewer measured boxes, those outside of their pictures are a warning: one or two that are wrong say nothing of a file."""
Size = Callable[[int], tuple[int, int] | None]
"""The width and height of a picture by its place, as a person sees it; None if it cannot be read."""
_NUMBER = re.compile(r"(\d{1,18})$")


@dataclass(frozen=True)
class BoxesFile:
    """All boxes of a file, in order of the pictures that they belong to."""

    path: Path
    starts: NDArray[np.int64]
    """Where the boxes of picture i begin and end, (N + 1,)."""
    corners: NDArray[np.float32]
    scores: NDArray[np.float32]
    objects: NDArray[np.int64]
    """The object ids; -1 where the vocabulary has no such object."""
    labels: NDArray[Any]
    """The file's own label of each box."""
    repeated: str = ""
    """A remark on boxes that are there twice; empty if none is."""

    def of(self, place: int) -> Boxes:
        """The boxes of the picture at that place; none where the file has none."""
        rows = slice(int(self.starts[place]), int(self.starts[place + 1]))
        known = self.objects[rows] >= 0
        unknown = Counter(str(label) for label in self.labels[rows][~known])
        return Boxes(self.corners[rows][known], self.scores[rows][known], self.objects[rows][known], dict(unknown))

    @property
    def without(self) -> int:
        """How many pictures have no box in the file."""
        return int((np.diff(self.starts) == 0).sum())


def read(path: Path, pictures: Sequence[str], vocabulary: Vocabulary, *, size: Size = lambda place: None) -> BoxesFile:
    """The boxes of those pictures, by their names; DataError naming the file, the row and what it needs."""
    table = _coco(path, vocabulary) if path.suffix == ".json" else _parquet(path, vocabulary)
    place = _places(path, table, pictures)
    _demand_pixels(path, table, place, size)
    table, place = table[place >= 0], place[place >= 0]
    if table.empty:
        raise DataError(f"{path}: has no box of any of the {len(pictures):,} pictures, such as {shown(pictures[0])}")
    if (table["object"] < 0).all():
        said = ", ".join(shown(str(label)) for label in table["label"].drop_duplicates()[:5])
        objects = ", ".join(vocabulary.object_names[:5])
        raise DataError(
            f"{path}: the model knows none of the objects that its boxes are labelled with ({said} ...); it knows {objects} ..."
        )
    order = np.argsort(place, kind="stable")
    corners, scores = (table[names].to_numpy(np.float32)[order] for names in (CORNERS, "score"))
    return BoxesFile(
        path,
        np.searchsorted(place[order], np.arange(len(pictures) + 1)),
        corners,
        scores,
        table["object"].to_numpy(np.int64)[order],
        table["label"].to_numpy()[order],
        imported.repeated(table[["object", *CORNERS]].assign(place=place)[table["object"] >= 0]),
    )


def _parquet(path: Path, vocabulary: Vocabulary) -> pd.DataFrame:
    table = columns.read(path, ["file_name", "image_id", "label", "object_id", "score", *CORNERS])
    wanted = {"file_name or image_id": {"file_name", "image_id"}, "label or object_id": {"label", "object_id"}}
    wanted |= {name: {name} for name in ("score", *CORNERS)}
    if missing := [said for said, names in wanted.items() if not names & set(table.columns)]:
        raise DataError(f"{path}: has no column {', '.join(missing)}")
    try:
        numbers = {name: columns.numbers(table, name, f"{path},") for name in ("score", *CORNERS)}
        if "label" in table.columns:
            known = object_names(vocabulary)
            codes, distinct = pd.factorize(table["label"])
            is_text = np.array([*(isinstance(name, str) for name in distinct), False])[codes]
            if not is_text.all():
                row = int((~is_text).argmax())
                raise ValueError(f"{path}, row {row}: label is {shown(table['label'].iloc[row])}, a text is needed")
            ids = np.array([*(known.get(comparable(str(name)), -1) for name in distinct), -1], np.int64)[codes]
            labels = table["label"].to_numpy()
        else:
            ids = labels = columns.whole(table, "object_id", f"{path},")
            if len(wrong := np.flatnonzero((ids < 0) | (ids >= len(vocabulary.objects)))):
                raise ValueError(
                    f"{path}, row {wrong[0]}: object_id {ids[wrong[0]]} is none of 0 to {len(vocabulary.objects) - 1}"
                )
    except ValueError as error:
        raise DataError(str(error)) from None
    found = table.assign(**numbers, object=ids, label=labels)
    _demand_boxes(path, found)
    return found


def _coco(path: Path, vocabulary: Vocabulary) -> pd.DataFrame:
    categories = {thing.coco_id: i for i, thing in enumerate(vocabulary.objects) if thing.coco_id is not None}
    found = imported.coco_rows(path)
    ids = found["category_id"].map(categories).fillna(-1).astype(np.int64)
    found = found.assign(object=ids, label="category " + found["category_id"].astype(str))
    _demand_boxes(path, found)
    return found


def _demand_boxes(path: Path, table: pd.DataFrame) -> None:
    """DataError for the first row that is no box."""
    corners, score = table[CORNERS].to_numpy(np.float64), table["score"].to_numpy(np.float64)
    fit = np.isfinite(corners).all(axis=1) & (corners[:, :2] < corners[:, 2:]).all(axis=1) & (score >= 0) & (score <= 1)
    if not fit.all():
        row = int((~fit).argmax())
        raise DataError(
            f"{path}, row {row}: {corners[row].tolist()} with score {score[row]}: needs x1 < x2, y1 < y2, finite corners and a "
            "score in 0 to 1"
        )


def _demand_pixels(path: Path, table: pd.DataFrame, place: NDArray[np.int64], size: Size) -> None:
    """DataError if the boxes are fractions, or many of those of the measured pictures lie outside of them.

    Boxes that are far larger than their pictures are left out of any prediction, and so they are here.
    """
    there = np.unique(place[place >= 0])
    sizes = np.full((there.max(initial=-1) + 2, 2), np.nan)  # the last is that of no picture
    for number in there[np.linspace(0, len(there) - 1, min(len(there), MEASURED)).astype(np.int64)].tolist():
        sizes[number] = size(number) or np.nan
    corners, measured = table[CORNERS].to_numpy(np.float64), sizes[place]
    measured[far_larger(corners, measured)] = np.nan
    pixels.demand(corners, measured, table=f"{path},", least=LEAST)


def _places(path: Path, table: pd.DataFrame, pictures: Sequence[str]) -> NDArray[np.int64]:
    """The picture of each row, by its place; -1 for none of them."""
    if "file_name" in table.columns:
        codes, written = pd.factorize(table["file_name"])
        return np.append(file_names.places(written, pictures, table=str(path)), -1)[codes]
    numbered: dict[int, int] = {}
    for place, name in enumerate(pictures):
        if (found := _NUMBER.search(Path(name).stem)) is None:
            continue
        if (other := numbered.setdefault(int(found[1]), place)) != place:
            raise DataError(
                f"{path}: has no file names, and {shown(pictures[other])} and {shown(name)} both end in {found[1]}"
            )
    try:
        ids = columns.whole(table, "image_id", f"{path},")
    except ValueError as error:
        raise DataError(f"{error}; it is the number that ends a picture's name, or give file_name") from None
    codes, distinct = pd.factorize(ids)
    return np.array([numbered.get(int(number), -1) for number in distinct], np.int64)[codes]
