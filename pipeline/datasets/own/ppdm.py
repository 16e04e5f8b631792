"""Reading the layout of PPDM, QPIC, CDN and GEN-VLKT for data that is not HICO-DET.

A list of images, each with boxes [x1, y1, x2, y2] and pairs of their positions, which begin at 0; -1 for no object. The file
has numbers alone, so `ids.yaml` beside it says what they mean:

    objects: {1: person, 2: tomato plant}
    verbs: {0: water, 1: hold}
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.datasets.own.folder import IDS
from pipeline.datasets.own.problems import Problems
from pipeline.datasets.own.raw import ALONE, Collected, Images, Raw
from pipeline.errors import DataError
from pipeline.outside import json_rows, reading
from pipeline.outside.parsing import shown

LAYOUT = "ppdm"


@dataclass(frozen=True)
class Numbers:
    """The names of objects and verbs that the numbers of a file stand for."""

    objects: Mapping[int, str]
    verbs: Mapping[int, str]


def matches(value: Any) -> bool:
    """Whether a JSON value has this layout: a list with an image that has pairs, which the first need not have."""
    return isinstance(value, list) and any(
        isinstance(entry, dict) and "file_name" in entry and "hoi_annotation" in entry for entry in value
    )


def numbers(path: Path) -> Numbers:
    """The file `ids.yaml`; DataError naming it and what is wrong."""
    value = reading.yaml_value(path)
    found = {}
    for key in ("objects", "verbs"):
        table = value.get(key) if isinstance(value, dict) else None
        good = isinstance(table, dict) and all(
            isinstance(number, int) and isinstance(name, str) for number, name in table.items()
        )
        if not good or not table:
            raise DataError(f"{path}: {key} is {shown(table)}; expected numbers with names, such as {{1: person}}")
        found[key] = table
    return Numbers(found["objects"], found["verbs"])


_LISTS = ("annotations", "hoi_annotation")


def read(value: Sequence[Any], file: str, known: Numbers, problems: Problems) -> Raw:
    """Read what a file of this layout says; `known` has the meaning of its numbers."""
    found = Collected(Images())
    for place, entry in enumerate(value):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key) or [], list) for key in _LISTS):
            raise DataError(
                f"{file}: image {place + 1} is {shown(entry)}; expected file_name, annotations, hoi_annotation"
            )
        name = json_rows.text(entry.get("file_name"))
        size = (max(0, json_rows.whole(entry.get("width", 0))), max(0, json_rows.whole(entry.get("height", 0))))
        image = found.images.add(name, *size, where=name or f"image {place + 1}")
        where = found.images.called(image)
        boxes = [
            _box(box, image, f"{where}, box {i}", found, known) for i, box in enumerate(entry.get("annotations") or [])
        ]
        for i, pair in enumerate(entry.get("hoi_annotation") or []):
            _pair(pair if isinstance(pair, dict) else {}, image, boxes, f"{where}, pair {i}", found, known, problems)
    return found.raw(file, LAYOUT)


def _box(given: Any, image: int, where: str, found: Collected, known: Numbers) -> int:
    given = given if isinstance(given, dict) else {}
    number = json_rows.whole(given.get("category_id"))
    corners = json_rows.fours([given.get("bbox")])[0]
    box = found.box(image, known.objects.get(number, ""), tuple(corners.tolist()), where)
    if number not in known.objects:
        found.box_faults[box] = f"object number {shown(given.get('category_id'))} is not in {IDS}"
    elif math.isnan(corners[0]):
        bbox = given.get("bbox")
        found.box_faults[box] = "no bbox" if bbox is None else f"bbox is {shown(bbox)}; expected four numbers"
    return box


def _pair(
    given: Mapping[str, Any],
    image: int,
    boxes: Sequence[int],
    where: str,
    found: Collected,
    known: Numbers,
    problems: Problems,
) -> None:
    verb, subject, thing = (given.get(key) for key in ("category_id", "subject_id", "object_id"))
    fault = None
    if json_rows.whole(verb) not in known.verbs:
        fault = f"verb number {shown(verb)} is not in {IDS}"
    elif subject == -1:
        fault = "subject_id -1: an interaction without a person"
    elif not 0 <= json_rows.whole(subject) < len(boxes):
        fault = _beyond("subject_id", subject, len(boxes))
    elif thing != -1 and not 0 <= json_rows.whole(thing) < len(boxes):
        fault = _beyond("object_id", thing, len(boxes))
    if fault:
        problems.add("E", where, fault, "left out")
        return
    end = ALONE if thing == -1 else boxes[json_rows.whole(thing)]
    found.relation(image, boxes[json_rows.whole(subject)], end, known.verbs[json_rows.whole(verb)], where)


def _beyond(key: str, value: Any, count: int) -> str:
    return f"{key} {shown(value)}, but the image has {count} boxes (positions begin at 0: counted from 1?)"
