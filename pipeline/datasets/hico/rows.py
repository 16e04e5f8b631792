"""The rows that a layout's reader found, made into the canonical tables; every value of every layout is checked here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.datasets.faults import Faults
from pipeline.datasets.hico.tables import BOXES, PAIRS, Tables, image_id, split_of
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.outside.columns import number, whole_number
from pipeline.outside.parsing import shown

UNSTATED = -1
"""Stands for a verb or an object that the layout does not give beside the class."""
_LARGEST = np.iinfo(np.int16).max


@dataclass
class Rows:
    """Images and pairs of one file as its layout tells them, in its order; boxes already 1-based inclusive pixels."""

    file: Path
    layout: str
    faults: Faults = field(init=False)
    notes: list[str] = field(default_factory=list)
    """What the reader concluded from the content, such as the order of the objects."""
    _images: dict[str, tuple[int, int]] = field(default_factory=dict)
    _pairs: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults = Faults(self.file)

    def image(self, file_name: Any, width: Any = 0, height: Any = 0) -> bool:
        """Add an image; width and height are 0 if the layout has none. If it is none: False, and a fault is noted."""
        if not isinstance(file_name, str) or split_of(file_name) is None:
            self.faults.add(
                f"image {shown(file_name)}", "not the name of a HICO-DET image (HICO_train2015_00000001.jpg)"
            )
        elif file_name in self._images:
            self.faults.add(f"image {file_name}", "listed twice; its first entry counts")
        elif not (_is_size(width) and _is_size(height)):
            self.faults.add(f"image {file_name}", f"size {shown(width)} x {shown(height)} is not two whole numbers")
        else:
            self._images[file_name] = (whole_number(width), whole_number(height))
            return True
        return False

    def pair(
        self,
        file_name: str,
        position: int,
        hoi_id: Any,
        human: Any,
        thing: Any,
        *,
        verb_id: Any = UNSTATED,
        object_id: Any = UNSTATED,
    ) -> None:
        """Add a pair of an image that was added; `position` is its place in the file's list for that image."""
        try:
            numbers = [number(x) for x in (*human, *thing)]
            row = (file_name, position, _whole(hoi_id), _whole(verb_id), _whole(object_id), *numbers)
        except (TypeError, ValueError):
            row = ()
        if len(row) != 5 + len(BOXES):
            self.faults.add(
                f"{file_name}, pair {position}",
                f"class {shown(hoi_id)} with boxes {shown(human)} and {shown(thing)} is not two boxes",
            )
        else:
            self._pairs.append(row)

    def tables(self) -> Tables:
        """The canonical tables without the faulty rows, which are noted in `faults`."""
        if not self._images:
            raise DataError(f"{self.file}: names no HICO-DET image")
        pairs = pd.DataFrame(self._pairs, columns=["file_name", "position", "hoi_id", "verb_id", "object_id", *BOXES])
        pairs = pairs.astype(dict.fromkeys(BOXES, "float64") | {"hoi_id": "int64"})
        names = pd.Series(list(self._images), dtype=object)
        images = pd.DataFrame({"split": names.map(split_of), "image_id": names.map(image_id), "file_name": names})
        images[["width", "height"]] = list(self._images.values())
        pairs = pairs.merge(images[["image_id", "file_name", "width", "height"]], on="file_name", how="left")
        wrong = _wrong(pairs)
        for index, what in wrong.items():
            self.faults.add(f"{pairs['file_name'].iloc[index]}, pair {pairs['position'].iloc[index]}", what)
        good = pairs.drop(index=list(wrong)).astype(dict.fromkeys(BOXES, "int16"))
        good = good.sort_values(["image_id", "hoi_id"], kind="stable", ignore_index=True)
        good = good.assign(
            pair_id=np.arange(len(good)),
            verb_id=HICO.verb_of[good["hoi_id"]],
            object_id=HICO.object_of[good["hoi_id"]],
        )
        counts = good["image_id"].value_counts()
        images = images.sort_values("image_id", ignore_index=True)
        images = images.assign(n_pairs=images["image_id"].map(counts).fillna(0).astype("int64"))
        return Tables(images, good[PAIRS.names])


def _whole(value: Any) -> int:
    found = whole_number(value)
    if abs(found) > _LARGEST:
        raise ValueError(f"{found} is no index")
    return found


def _is_size(value: Any) -> bool:
    try:
        return 0 <= whole_number(value) <= _LARGEST
    except ValueError:
        return False


def _wrong(pairs: pd.DataFrame) -> dict[int, str]:
    """{row: what is wrong with it}, the first thing found."""
    verb_of, object_of = HICO.verb_of, HICO.object_of
    known = pairs["hoi_id"].between(0, len(verb_of) - 1)
    safe = pairs["hoi_id"].where(known, 0).to_numpy()
    boxes = pairs[BOXES].to_numpy()
    finite = np.isfinite(boxes).all(axis=1)
    boxes = np.where(np.isfinite(boxes), boxes, 0)
    whole = (boxes == np.round(boxes)).all(axis=1) & (np.abs(boxes) <= _LARGEST).all(axis=1)
    sides = boxes.reshape(-1, 2, 4)
    empty = (sides[:, :, 2:] < sides[:, :, :2]).any(axis=(1, 2))
    size = pairs[["width", "height"]].to_numpy()
    limit = np.where(size > 0, size, _LARGEST)[:, None, :]
    outside = ((sides[:, :, :2] < 1) | (sides[:, :, 2:] > limit)).any(axis=(1, 2))
    stated_verb, stated_object = pairs["verb_id"].to_numpy(), pairs["object_id"].to_numpy()
    verb_in_range = (stated_verb >= UNSTATED) & (stated_verb < len(HICO.verbs))
    object_in_range = (stated_object >= UNSTATED) & (stated_object < len(HICO.objects))
    tests = (
        (~known.to_numpy(), "hoi_id {hoi_id} is out of range 0..599"),
        (~object_in_range, "object index {object_id} is out of range 0..79"),
        (~verb_in_range, "verb index {verb_id} is out of range 0..116"),
        (~finite, "a box has a coordinate that is not a finite number: {boxes}"),
        (~whole, "a box is not whole pixels: {boxes}"),
        (empty, "a box is empty (x2 < x1 or y2 < y1): {boxes}"),
        (outside, "a box leaves its image of {width} x {height} pixels (1-based, inclusive): {boxes}"),
        (
            (stated_object != UNSTATED) & (stated_object != object_of[safe]),
            "object index {object_id} is not that of {name}",
        ),
        ((stated_verb != UNSTATED) & (stated_verb != verb_of[safe]), "verb index {verb_id} is not that of {name}"),
    )
    found: dict[int, str] = {}
    for mask, what in tests:
        for index in np.flatnonzero(mask):
            row = pairs.iloc[index]
            text = what.format(
                **row[["hoi_id", "verb_id", "object_id", "width", "height"]],
                boxes=[float(x) for x in row[BOXES]],
                name=f"class {row['hoi_id']} ({HICO.hoi(safe[index]).name})",
            )
            found.setdefault(int(index), text)
    return dict(sorted(found.items()))
