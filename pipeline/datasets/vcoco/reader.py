"""V-COCO's pair annotation (`instances_vcoco_{train,val,test}.json`) as tables.

    found = load(Path("vcoco"))                  # every split whose file is there
    found["test"].pairs                          # one row for each pair and action

The file has one entry for each image, {boxes_h, boxes_o, actions, objects, file_name}; `classes` names the 24 actions with
the role of their object ("cut instr", "cut obj"), `objects` has 81 names, the first of which is the background. Boxes are
COCO's, continuous pixels x1, y1, x2, y2, and kept as float64 so that they are the file's numbers exactly.

    images    image_id (COCO's), file_name, n_pairs
    pairs     pair_id, image_id, action_id, object_id (COCO-80), hx1 .. hy2, ox1 .. oy2; the object's columns are null
              where a person acts without an object
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.datasets.dataset import BOXES
from pipeline.datasets.faults import Fault, Faults
from pipeline.datasets.folder import annotation_files
from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.outside.columns import number, whole_number
from pipeline.outside.parsing import shown
from pipeline.vocabulary.coco import COCO

SPLITS = ("train", "val", "test")
IMAGES = {"train": 2_533, "val": 2_867, "test": 4_946}
PAIRS = {"train": 6_400, "val": 7_417, "test": 12_402}
USUAL = "instances_vcoco_*.json"
_LISTS = ("boxes_h", "boxes_o", "actions", "objects")
_NAME = re.compile(r"COCO_(?:train|val)2014_(\d{12})\.jpg")


@dataclass(frozen=True)
class VCoco:
    """One file: its actions by action_id, and the tables."""

    actions: tuple[str, ...]
    images: pd.DataFrame
    pairs: pd.DataFrame
    faults: tuple[Fault, ...] = ()


def matches(value: Any) -> bool:
    """Whether parsed JSON is V-COCO's pair annotation."""
    return isinstance(value, dict) and {"annotations", "classes", "action_to_object"} <= value.keys()


def is_name(name: str) -> bool:
    """Whether a file's name is one that COCO gives to the pictures of V-COCO, of whichever split."""
    return _NAME.fullmatch(name) is not None


def files(root: Path, split: str = "*") -> list[Path]:
    """The annotation files of a folder, gzipped or not; copies that a browser made come last, backups are left out."""
    return annotation_files(sorted(root.glob("*")), [f"instances_vcoco_{split}.json"])


def load(root: Path, *, skip: bool = False) -> dict[str, VCoco]:
    """The splits whose files are in a folder; DataError if there is none, or, unless `skip`, a row is faulty."""
    by_split = {split: files(root, split) for split in SPLITS}
    found = {split: read(paths[0], skip=skip) for split, paths in by_split.items() if paths}
    if not found:
        raise DataError(f"{root}: no {USUAL}")
    return found


def read(path: Path, *, skip: bool = False) -> VCoco:
    """One file, gzipped or not."""
    value = reading.json_value(path, largest=reading.LARGEST_DATA)
    if not matches(value):
        raise DataError(f"{path}: not V-COCO's pair annotation: needs annotations, classes and action_to_object")
    found = parse(value, path)
    if not skip:
        demand_sound(found, path)
    return found


def demand_sound(found: VCoco, path: Path) -> None:
    """DataError naming the first faulty rows of a file, if it has any."""
    Faults(path, list(found.faults)).stop_if_any()


def parse(value: dict[str, Any], path: Path) -> VCoco:
    """Parsed JSON as tables, faulty rows left out."""
    faults = Faults(path)
    if wrong := next(
        (key for key in ("annotations", "classes", "objects") if not isinstance(value.get(key, []), list)), ""
    ):
        raise DataError(f"{path}: {wrong} is {shown(value[wrong])}; expected a list")
    actions, names = tuple(map(str, value["classes"])), [str(x).replace("_", " ") for x in value.get("objects", ())]
    if names and names[1:] != list(COCO):
        raise DataError(f"{path}: objects are not the background and COCO's 80 in their order")
    images: list[tuple[Any, ...]] = []
    listed: set[str] = set()
    pairs: list[tuple[Any, ...]] = []
    for place, entry in enumerate(value["annotations"]):
        name = str(entry.get("file_name")) if isinstance(entry, dict) else ""
        found = _NAME.fullmatch(name)
        if found is None:
            faults.add(f"entry {place}", f"file_name {shown(name)} is not COCO_val2014_000000000001.jpg or alike")
            continue
        if name in listed:
            faults.add(f"entry {place}", f"image {name} comes twice")
            continue
        listed.add(name)
        lists = [entry[key] for key in _LISTS if isinstance(entry.get(key), list)]
        if len(lists) < len(_LISTS) or len({len(x) for x in lists}) != 1:
            faults.add(f"image {name}", f"needs lists of equal length under {', '.join(_LISTS)}")
            lists = [[]] * len(_LISTS)
        rows = []
        for position, row in enumerate(zip(*lists, strict=True)):
            try:
                rows.append(_pair(int(found[1]), *row, actions=len(actions)))
            except (TypeError, ValueError, OverflowError) as error:
                faults.add(f"{name}, pair {position}", str(error))
        images.append((int(found[1]), name, len(rows)))
        pairs += [(len(pairs) + i, *row) for i, row in enumerate(rows)]
    table = pd.DataFrame(pairs, columns=["pair_id", "image_id", "action_id", "object_id", *BOXES])
    table = table.astype({"object_id": "Int64"} | dict.fromkeys(BOXES, "float64"))
    return VCoco(
        actions, pd.DataFrame(images, columns=["image_id", "file_name", "n_pairs"]), table, tuple(faults.found)
    )


def _pair(image_id: int, human: Any, thing: Any, action: Any, index: Any, *, actions: int) -> tuple[Any, ...]:
    """One row; ValueError says what is wrong with it."""
    action_id, object_index = whole_number(action), whole_number(index)
    if not 0 <= action_id < actions:
        raise ValueError(f"action {action_id} is out of range 0..{actions - 1}")
    if not 0 <= object_index <= len(COCO):
        raise ValueError(f"object index {object_index} is out of range 0..80")
    object_id = object_index - 1 if object_index else None
    nothing = (None,) * 4
    return (image_id, action_id, object_id, *_box(human), *(_box(thing) if object_index else nothing))


def _box(value: Any) -> tuple[float, ...]:
    box = tuple(number(x) for x in value)
    if len(box) != 4 or not all(map(math.isfinite, box)):
        raise ValueError(f"box {value} is not four finite numbers")
    if box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError(f"box {value} is empty")
    return box
