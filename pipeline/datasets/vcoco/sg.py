"""V-COCO-SG's test files (`test_vcoco_sg{1,2,3}.json`), in QPIC's layout: one JSON object for each image.

    {"file_name": ..., "annotations": [{"bbox": [x1, y1, x2, y2], "category_id": 1}, ...],
     "hoi_annotation": [{"subject_id": 0, "object_id": 3, "category_id": 5}, ...]}

All boxes that COCO annotates are there, with COCO's category ids. `category_id` of a label is one of 29: the actions in
V-COCO's order, one for each of their roles, or one where they have none. An `object_id` of -1 is an object that is out of
sight. The file has only the labels of held-out compositions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.vcoco import reader
from pipeline.datasets.vcoco.actions import ACTIONS
from pipeline.datasets.vcoco.instances import PERSON
from pipeline.errors import DataError
from pipeline.outside.columns import number, whole_number
from pipeline.outside.file_names import base_name
from pipeline.outside.parsing import shown

NAMES = tuple(name for action, roles in ACTIONS.items() for name in ([f"{action} {r}" for r in roles] or [action]))
"""What the 29 numbers mean."""
ROLES = tuple(name for name in NAMES if " " in name)
"""The 25 action-roles among them."""


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """The persons of the images, and the roles that are labelled; boxes are COCO's, continuous pixels x1, y1, x2, y2."""

    images: tuple[str, ...]
    image_ids: NDArray[np.int64]
    image: NDArray[np.int64]
    """`[p]`: position of each person's image."""
    box: NDArray[np.float64]
    """`[p, 4]`: each person's box."""
    labelled: NDArray[np.bool_]
    """`[p]`: whether the file has any label of the person, with a role or without."""
    does: NDArray[np.bool_]
    """`[p, 25]`: whether the person does what the action-role says."""
    role_box: NDArray[np.float64]
    """`[p, 25, 4]`: the role's box, nan where the object is out of sight or the person does something else."""


def matches(value: Any) -> bool:
    """Whether parsed JSON is in QPIC's layout of annotations."""
    keys = {"file_name", "annotations", "hoi_annotation"}
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and keys <= value[0].keys()


def parse(value: list[Any], path: Path) -> Scenes:
    """Parsed JSON as arrays; DataError naming the file, the image and what is wrong with it."""
    names: list[str] = []
    persons: list[tuple[int, list[float], dict[int, list[float]], bool]] = []
    for place, entry in enumerate(value):
        name = base_name(entry.get("file_name")) if isinstance(entry, dict) else None
        try:
            if not isinstance(name, str) or not reader.is_name(name):
                raise ValueError("file_name is not COCO_val2014_000000000001.jpg or alike")
            persons += [(place, *person) for person in _persons(entry)]
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise DataError(f"{path}, image {shown(name)}: {error if str(error) else 'malformed'}") from None
        names.append(name)
    if len(set(names)) < len(names):
        raise DataError(f"{path}: image {next(n for n in names if names.count(n) > 1)} comes twice")
    does = np.zeros((len(persons), len(ROLES)), dtype=np.bool_)
    role_box = np.full((*does.shape, 4), np.nan)
    for row, (_, _, deeds, _) in enumerate(persons):
        for role, box in deeds.items():
            does[row, role] = True
            role_box[row, role] = box
    return Scenes(
        images=tuple(names),
        image_ids=np.array([int(name[-16:-4]) for name in names], dtype=np.int64),
        image=np.array([person[0] for person in persons], dtype=np.int64),
        box=np.array([person[1] for person in persons], dtype=np.float64).reshape(-1, 4),
        labelled=np.array([person[3] for person in persons], dtype=np.bool_),
        does=does,
        role_box=role_box,
    )


def _persons(entry: dict[str, Any]) -> list[tuple[list[float], dict[int, list[float]], bool]]:
    """For each person of an image: the box, {role: object's box}, and whether the person has any label."""
    boxes = [_box(one["bbox"]) for one in entry["annotations"]]
    found = {
        i: (boxes[i], dict[int, list[float]](), [False])
        for i, one in enumerate(entry["annotations"])
        if whole_number(one["category_id"]) == PERSON
    }
    for label in entry["hoi_annotation"]:
        subject, thing, what = (whole_number(label[key]) for key in ("subject_id", "object_id", "category_id"))
        if subject not in found or not -1 <= thing < len(boxes) or not 0 <= what < len(NAMES):
            raise ValueError(
                f"a label needs a person, one of {len(boxes)} boxes or -1, and a verb 0..{len(NAMES) - 1}, not {shown(label)}"
            )
        _, deeds, marked = found[subject]
        marked[0] = True
        if NAMES[what] in ROLES:
            deeds[ROLES.index(NAMES[what])] = boxes[thing] if thing >= 0 else [math.nan] * 4
    return [(box, deeds, marked[0]) for box, deeds, marked in found.values()]


def _box(value: Any) -> list[float]:
    box = [number(corner) for corner in value]
    if len(box) != 4 or not all(map(math.isfinite, box)) or box[2] < box[0] or box[3] < box[1]:
        raise ValueError(f"box {shown(value)} needs finite x1 <= x2 and y1 <= y2")
    return box
