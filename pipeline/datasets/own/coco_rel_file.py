"""What a `coco-rel` file has, read entry by entry: short lists as they are, long ones as columns of numbers.

A file of two gigabytes has ten million boxes and more: as Python's objects they would take twenty times the memory.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets.own.columns import GrowingArray, GrowingIds
from pipeline.errors import DataError
from pipeline.outside import json_rows, streaming
from pipeline.outside.parsing import shown

RELATIONS = ("rel_annotations", "interactions", "pairs")
"""The keys of which one has the interactions."""
KEPT = ("categories", "rel_categories", "hoi_categories", "hois")
"""The keys of lists that are kept as they are."""
MOST_KEPT = 100_000
"""The most entries of a list that is kept as it is."""
FARTHEST = 1e30
"""Corners are clipped to this distance from 0, so that they fit 32 bits; no picture is so large."""
PASSED_OVER = {"imageData"}
"""The key of LabelMe's files that has the whole picture as a text, of any length."""
OURS = {"images", "annotations"}
Entry = Mapping[str, Any]


class ImageColumns:
    """The columns of `images`."""

    def __init__(self) -> None:
        self.ids, self.widths, self.heights = GrowingIds(), GrowingArray(np.int32), GrowingArray(np.int32)
        self.names: list[str] = []
        self.splits: list[str] = []
        self.exhaustive = bytearray()
        """For each image 1 if all its pairs are annotated, else 0."""

    def add(self, entries: list[Entry]) -> None:
        """Add entries."""
        self.ids.add([row.get("id") for row in entries])
        for column, key in ((self.widths, "width"), (self.heights, "height")):
            column.add(json_rows.ids([row.get(key, 0) for row in entries]).clip(0))
        self.names += [json_rows.text(row.get("file_name")) for row in entries]
        self.splits += [sys.intern(json_rows.text(row.get("split"))) for row in entries]
        self.exhaustive += bytes(row.get("exhaustive", True) is not False for row in entries)


class BoxColumns:
    """The columns of `annotations`."""

    def __init__(self) -> None:
        self.ids, self.images, self.categories = GrowingIds(), GrowingIds(), GrowingIds()
        self.corners = GrowingArray(np.float32, width=4)
        """x1, y1, x2, y2, in 32 bits: as many millions of boxes as there may be take the most memory of all."""
        self.faults: dict[int, str] = {}
        """{place of the annotation: why its `bbox` is no box}."""
        self.verbs_in_attributes = False
        self.like_corners = 0
        """How many are wider than their x and higher than their y, as every box is that was written x1, y1, x2, y2."""
        self.crowds = 0
        """How many stand for several things at once (`iscrowd`)."""

    def add(self, entries: list[Entry]) -> None:
        """Add entries."""
        for column, key in ((self.ids, "id"), (self.images, "image_id"), (self.categories, "category_id")):
            column.add([row.get(key) for row in entries])
        boxes = [row.get("bbox") for row in entries]
        corners = json_rows.fours(boxes)
        for place in np.flatnonzero(np.isnan(corners).any(axis=1)).tolist():
            what = f"bbox is {shown(boxes[place])}; expected [x, y, width, height], four numbers"
            self.faults[self.corners.count + place] = what
        self.like_corners += int((corners[:, 2:] > corners[:, :2]).all(axis=1).sum())
        self.crowds += sum(row.get("iscrowd") == 1 for row in entries)
        corners[:, 2:] += corners[:, :2]
        self.corners.add(corners.clip(-FARTHEST, FARTHEST).astype(np.float32))
        given = [row["attributes"] for row in entries if isinstance(row.get("attributes"), dict)]
        names = set(chain.from_iterable(given))
        self.verbs_in_attributes |= any(name.lower().startswith(("verb", "action", "interaction")) for name in names)


class RelationColumns:
    """The columns of one of the lists of `RELATIONS`."""

    def __init__(self, key: str) -> None:
        self.by_hand = key == "interactions"
        self._ends = ("subject", "object") if self.by_hand else ("subject_id", "object_id")
        self._verb = {"rel_annotations": "predicate_id", "interactions": "verb", "pairs": "hoi_id"}[key]
        self.ids, self.images, self.verbs = GrowingIds(), GrowingIds(), GrowingIds()
        self.subjects, self.objects = GrowingIds(), GrowingIds()
        self.alone = GrowingArray(np.bool_)
        """For each relation, whether its object is null."""
        self.without_object: dict[int, str] = {}
        """{place of the relation: the key that should name its object and is missing, which null would not be}."""
        self.words: dict[str, int] = {}
        """{verb: its number in `verbs`} of interactions that are written by hand, with names instead of ids."""
        self.no_words: dict[int, str] = {}
        """{place of the interaction: what stands there instead of a verb}, of those written by hand."""

    def add(self, entries: list[Entry]) -> None:
        """Add entries."""
        first = self.alone.count
        self.ids.add(
            [first + i if self.by_hand else row.get("id", first + i) for i, row in enumerate(entries, start=1)]
        )
        self.images.add([row.get("image_id") for row in entries])
        subjects, objects = ([row.get(end) for row in entries] for end in self._ends)
        self.subjects.add(subjects)
        self.objects.add([0 if thing is None else thing for thing in objects])
        key = self._ends[1]
        self.without_object |= {
            first + i: key for i, thing in enumerate(objects) if thing is None and key not in entries[i]
        }
        verbs = [row.get(self._verb) for row in entries]
        if self.by_hand:
            self.no_words |= {
                first + i: shown(verb) for i, verb in enumerate(verbs) if not json_rows.text(verb).strip()
            }
            verbs = [self.words.setdefault(json_rows.text(verb), len(self.words)) for verb in verbs]
        self.verbs.add(verbs)
        self.alone.add(np.array([thing is None for thing in objects], dtype=np.bool_))


class CocoRelFile:
    """All that a `coco-rel` file has.

    Attributes:
        values: by key: `info`, the lists of `KEPT`, and what is no list where one belongs.
        keys: all keys of the file, in its order.
        lists: those of them that have a list.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.keys: list[str] = []
        self.lists: set[str] = set()
        self.images, self.boxes = ImageColumns(), BoxColumns()
        self.relations: dict[str, RelationColumns] = {}

    @property
    def is_coco(self) -> bool:
        """Whether it has images and annotations, each as a list: no file of another tool has both."""
        return self.lists >= OURS


def read(path: Path, *, on_progress: streaming.OnProgress | None = None) -> CocoRelFile | None:
    """What an object in a file has, of which no part but the columns stays in memory; None if the file's value is no object.

    The keys of all of it say which tool wrote it, whatever their order.

    Raises:
        DataError: it is no JSON, or an entry of a list is no object.
    """
    found = CocoRelFile()
    try:
        for key, first, part in streaming.parts(path, on_progress=on_progress, passed_over=PASSED_OVER):
            if not first:
                found.keys.append(key)
            if first is None:
                if key == "info" or key in KEPT or _columns(found, key) is not None:
                    found.values[key] = part
                continue
            found.lists.add(key)
            add = _columns(found, key)
            if add is not None or key in KEPT:
                _demand_objects(part, f"{path}: {key}", first)
            if add is not None:
                add(part)
            elif key in KEPT:
                found.values.setdefault(key, []).extend(part)
                if len(found.values[key]) > MOST_KEPT:
                    raise DataError(f"{path}: {key} has more than {MOST_KEPT:,} entries, the most that are read")
    except streaming.NoObjectError:
        return None
    return found


def _columns(found: CocoRelFile, key: str) -> Callable[[list[Entry]], None] | None:
    """What takes the entries of a list; None for one that is kept as it is."""
    if key == "images":
        return found.images.add
    if key == "annotations":
        return found.boxes.add
    if key in RELATIONS:
        return found.relations.setdefault(key, RelationColumns(key)).add
    return None


def _demand_objects(entries: list[Any], where: str, first: int) -> None:
    """DataError naming the first entry that is no object."""
    if not set(map(type, entries)) <= {dict}:
        place = next(i for i, row in enumerate(entries) if not isinstance(row, dict))
        raise DataError(f"{where}, entry {first + place + 1} is {shown(entries[place])}; expected an object in braces")
