"""`instances_train2015.json` / `instances_test2015.json` as UPT, PViC, ADA-CM and EZ-HOI read them.

    filenames    one a image          annotation   {boxes_h, boxes_o, hoi, object, verb} one a image
    size         [width, height]      empty        indices of images without pairs
    objects      80 names             verbs        117 names       correspondence   [hoi, object, verb] x 600

Two files of this name are in circulation. They differ only in the order of the objects: COCO's, or alphabetical. Which one
a file has follows from its names, its correspondence and every annotated pair, whose class says what the object must be.
All of these have to agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.datasets.hico.rows import Rows
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.outside.columns import whole_number
from pipeline.outside.parsing import shown

COCO, ALPHABETICAL = "COCO-80", "alphabetical"
_LISTS = ("boxes_h", "boxes_o", "hoi", "object", "verb")


def matches(value: Any) -> bool:
    """Whether parsed JSON has this layout."""
    return isinstance(value, dict) and {"annotation", "filenames"} <= value.keys()


def read(value: dict[str, Any], path: Path) -> Rows:
    """The rows; DataError if the lists do not belong together or the object order contradicts itself."""
    entries, names = value["annotation"], value["filenames"]
    if not isinstance(entries, list) or not isinstance(names, list):
        raise DataError(f"{path}: filenames and annotation have to be lists")
    sizes: Any = value.get("size", [[0, 0]] * len(names))
    if not isinstance(sizes, list):
        raise DataError(f"{path}: size has to be a list")
    if not len(entries) == len(names) == len(sizes):
        raise DataError(
            f"{path}: {len(names)} filenames, {len(entries)} annotations and {len(sizes)} sizes: one a image is needed"
        )
    order = object_order(value, path)
    to_coco = {index: HICO.object_names.index(name) for index, name in enumerate(_names(order))}
    rows = Rows(path, "upt")
    rows.notes.append(f"objects in {order} order")
    for name, entry, size in zip(names, entries, sizes, strict=True):
        if not isinstance(size, list) or len(size) != 2:
            rows.faults.add(f"image {name}", f"size {shown(size)} is not [width, height]")
        elif rows.image(name, *size):
            _pairs(rows, name, entry, to_coco)
    return rows


def _pairs(rows: Rows, name: str, entry: Any, to_coco: dict[int, int]) -> None:
    lists = [entry[key] for key in _LISTS if isinstance(entry.get(key), list)] if isinstance(entry, dict) else []
    if len(lists) < len(_LISTS) or len({len(x) for x in lists}) != 1:
        rows.faults.add(f"image {name}", f"needs lists of equal length under {', '.join(_LISTS)}")
        return
    for position, (human, thing, hoi, index, verb) in enumerate(zip(*lists, strict=True)):
        try:
            object_id = to_coco[whole_number(index)]
        except (ValueError, KeyError):
            rows.faults.add(f"{name}, pair {position}", f"object index {shown(index)} is out of range 0..79")
        else:
            rows.pair(name, position, hoi, human, thing, verb_id=verb, object_id=object_id)


def object_order(value: dict[str, Any], path: Path) -> str:
    """`COCO` or `ALPHABETICAL`, by everything in the file that shows it; DataError where it contradicts itself."""
    witnesses = {
        "objects": _by_names(value.get("objects")),
        "correspondence": _by_pairs(
            [(row[0], row[1]) for row in _list(value, "correspondence") if isinstance(row, list) and len(row) == 3]
        ),
        "annotation": _by_pairs(
            [
                pair
                for entry in value["annotation"]
                for pair in zip(_list(entry, "hoi"), _list(entry, "object"), strict=False)
            ]
        ),
    }
    known = {name: order for name, order in witnesses.items() if order is not None}
    if len(set(known.values())) > 1:
        says = ", ".join(f"{name} says {order}" for name, order in known.items())
        raise DataError(
            f"{path}: the order of the objects contradicts itself: {says}. The file was put together wrongly; "
            "take another copy."
        )
    return next(iter(known.values()), COCO)


def _list(entry: Any, key: str) -> list[Any]:
    found = entry.get(key) if isinstance(entry, dict) else None
    return found if isinstance(found, list) else []


def _names(order: str) -> Sequence[str]:
    return HICO.object_names if order == COCO else sorted(HICO.object_names)


def _by_names(listed: Any) -> str | None:
    if not isinstance(listed, list):
        return None
    plain = [str(name).replace(" ", "_") for name in listed]
    return next((order for order in (COCO, ALPHABETICAL) if plain == list(_names(order))), None)


def _by_pairs(pairs: Sequence[tuple[Any, Any]]) -> str | None:
    """The order under which more (class, object index) pairs are right; None if neither is ahead."""
    right = {}
    for order in (COCO, ALPHABETICAL):
        index_of = {name: index for index, name in enumerate(_names(order))}
        expected = [index_of[c.object] for c in HICO.classes]
        right[order] = sum(
            1 for hoi, index in pairs if isinstance(hoi, int) and 0 <= hoi < len(expected) and expected[hoi] == index
        )
    ahead = max(right, key=lambda order: right[order])
    return ahead if len(set(right.values())) > 1 else None
