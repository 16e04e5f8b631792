"""Reading `coco-rel/1.0`: COCO instances with relations between annotations (docs/own-data.md specifies it for users).

    rel_categories    id, name, ing             verbs
    rel_annotations   image_id, subject_id, object_id (null: acts alone), predicate_id
    hoi_categories    id, predicate_id, category_id (or null): a closed list of classes, optional

Read as well: `interactions` (image_id, subject, object or null, verb by name), as people write by hand; and `pairs` with
`hois`, as this project exported them once. Ids may have gaps; those that come twice are an error for all their bearers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.own import rows
from pipeline.datasets.own.problems import Problems, listed
from pipeline.datasets.own.raw import ALONE, Boxes, Images, Raw, Relations, codes
from pipeline.errors import DataError
from pipeline.outside.parsing import shown

SCHEMA = "coco-rel/1.0"
LAYOUT = "coco-rel"
KNOWN = {
    "info",
    "licenses",
    "images",
    "categories",
    "annotations",
    "rel_categories",
    "rel_annotations",
    "hoi_categories",
    "interactions",
    "pairs",
    "hois",
}
RELATIONS = ("rel_annotations", "interactions", "pairs")
"""The keys of which one has the interactions."""
_SCHEMA = re.compile(r"coco-rel/(\d{1,4})\.(\d{1,4})")


def read(value: Mapping[str, Any], file: str, problems: Problems) -> Raw:
    """What a file says; what is wrong with ids and references is told already.

    Raises:
        DataError: it is of another version, has no interactions, or a list is none.
    """
    _demand_version(value, file, problems)
    _demand_relations(value, file)
    images, image_of = _images(value, file, problems)
    boxes, box_of = _boxes(value, file, image_of)
    relations = _relations(value, file, image_of, box_of, problems)
    return Raw(file=file, layout=LAYOUT, images=images, boxes=boxes, relations=relations)


class _Places:
    """Where each id is in a list; the first of those that come twice."""

    def __init__(self, values: NDArray[np.int64]) -> None:
        self._first = ~pd.Series(values).duplicated().to_numpy()
        self._index = pd.Index(values[self._first])
        self._places = np.flatnonzero(self._first)

    def of(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Place by id, -1 where there is none."""
        found = self._index.get_indexer(pd.Index(values))
        known = (found >= 0) & (values >= 0)
        return np.where(known, np.append(self._places, -1)[found], -1)


def _demand_version(value: Mapping[str, Any], file: str, problems: Problems) -> None:
    info = value.get("info")
    stated = info.get("schema", SCHEMA) if isinstance(info, dict) else SCHEMA
    found = _SCHEMA.fullmatch(stated) if isinstance(stated, str) else None
    if found is None or int(found[1]) != 1:
        raise DataError(f"{file}: info.schema is {shown(stated)}; {SCHEMA} and later 1.x are read")
    if unknown := sorted(key for key in value if key not in KNOWN):
        problems.add("N", "the whole file", f"keys that are not read: {listed(unknown)}", "not used")


def _demand_relations(value: Mapping[str, Any], file: str) -> None:
    if any(key in value for key in RELATIONS):
        return
    info = value.get("info")
    if isinstance(info, dict) and "label studio" in str(info.get("contributor", "")).lower():
        raise DataError(f"{file}: is Label Studio's COCO export, which has no relations; export JSON instead")
    attributes = {key for row in rows.rows(value, "annotations", file) for key in (row.get("attributes") or {})}
    if any(key.lower().startswith(("verb", "action", "interaction")) for key in attributes):
        raise DataError(
            f"{file}: is a COCO export with verbs as attributes, in which CVAT joins the boxes of a group into one; export "
            '"CVAT for images 1.1" instead'
        )
    raise DataError(
        f"{file}: has boxes only: no interactions in this file (rel_annotations, or interactions by name; see docs/own-data.md)"
    )


def _images(value: Mapping[str, Any], file: str, problems: Problems) -> tuple[Images, _Places]:
    listed_images = rows.rows(value, "images", file)
    ids = rows.ids([row.get("id") for row in listed_images])
    images = Images(word="image")
    images.names = [rows.text(row.get("file_name")) for row in listed_images]
    images.widths = rows.ids([row.get("width", 0) for row in listed_images]).clip(0).tolist()
    images.heights = rows.ids([row.get("height", 0) for row in listed_images]).clip(0).tolist()
    images.splits = [rows.text(row.get("split")) for row in listed_images]
    images.exhaustive = [row.get("exhaustive", True) is not False for row in listed_images]
    images.where = [str(i) if i >= 0 else f"at place {place + 1}" for place, i in enumerate(ids.tolist())]
    images.uploaded = [False] * len(ids)
    images.faults = {int(place): "its id is no whole number" for place in np.flatnonzero(ids == rows.NONE)}
    for same in rows.twice(ids).values():
        images.faults |= {place: f"id given {len(same)} times" for place in same}
    return images, _Places(ids)


def _boxes(value: Mapping[str, Any], file: str, image_of: _Places) -> tuple[Boxes, _Places]:
    annotations, categories = rows.rows(value, "annotations", file), rows.rows(value, "categories", file)
    ids = rows.ids([row.get("id") for row in annotations])
    image_ids = rows.ids([row.get("image_id") for row in annotations])
    category_ids = rows.ids([row.get("category_id") for row in annotations])
    image, label = image_of.of(image_ids), _Places(_unique(categories, "categories", file)).of(category_ids)
    corners = rows.fours([row.get("bbox") for row in annotations])
    faults: dict[int, str] = {}
    for place in np.flatnonzero(np.isnan(corners).any(axis=1)).tolist():
        faults[place] = f"bbox is {shown(annotations[place].get('bbox'))}; expected [x, y, width, height], four numbers"
    for place in np.flatnonzero(label < 0).tolist():
        faults[place] = f"category {shown(annotations[place].get('category_id'))} does not exist"
    for place in np.flatnonzero(image < 0).tolist():
        faults[place] = f"image {shown(annotations[place].get('image_id'))} does not exist"
    for place in np.flatnonzero(ids == rows.NONE).tolist():
        faults[place] = "its id is no whole number"
    for same in rows.twice(ids).values():
        faults |= dict.fromkeys(same[1:], "") | {same[0]: f"id given {len(same)} times, so all are left out"}
    corners[:, 2:] += corners[:, :2]
    names = ids.tolist()
    boxes = Boxes(
        image=image,
        label=label,
        labels=[rows.text(row.get("name")) for row in categories],
        corners=corners,
        where=lambda place: f"annotation {names[place]}" if names[place] >= 0 else f"annotation at place {place + 1}",
        label_where=[f"category {row.get('id')}" for row in categories],
        faults=faults,
    )
    return boxes, _Places(ids)


def _unique(entries: list[Mapping[str, Any]], key: str, file: str) -> NDArray[np.int64]:
    """The ids of a short list that everything refers to; DataError if one is none or comes twice."""
    found = rows.ids([row.get("id") for row in entries])
    for place in np.flatnonzero(found == rows.NONE).tolist():
        raise DataError(f"{file}: {key}, entry {place + 1}: id is {shown(entries[place].get('id'))}, no whole number")
    for number, same in rows.twice(found).items():
        raise DataError(f"{file}: {key}: id {number} is given {len(same)} times; keep one")
    for place, row in enumerate(entries):
        if "name" in row and not rows.text(row["name"]).strip():
            raise DataError(f"{file}: {key}, entry {place + 1}: name is {shown(row['name'])}, no text")
    return found


def _relations(
    value: Mapping[str, Any], file: str, image_of: _Places, box_of: _Places, problems: Problems
) -> Relations:
    key = next(key for key in RELATIONS if key in value)
    entries = rows.rows(value, key, file)
    by_hand = key == "interactions"
    ends = ("subject", "object") if by_hand else ("subject_id", "object_id")
    given = [rows.ids([row.get(end) for row in entries]) for end in ends]
    alone = np.array([row.get(ends[1]) is None for row in entries], dtype=bool)
    image = image_of.of(rows.ids([row.get("image_id") for row in entries]))
    subject, thing = (box_of.of(ids) for ids in given)
    verb, verbs, verb_where = _verbs(value, key, entries, file)
    names = list(range(1, len(entries) + 1)) if by_hand else [row.get("id", i + 1) for i, row in enumerate(entries)]

    def where(place: int) -> str:
        return f"{'interaction' if by_hand else 'relation'} {names[place]}"

    bad = (image < 0) | (subject < 0) | (~alone & (thing < 0)) | (verb < 0)
    for place in np.flatnonzero(bad).tolist():
        row = entries[place]
        if image[place] < 0:
            what = f"image {shown(row.get('image_id'))} does not exist"
        elif subject[place] < 0:
            what = f"annotation {shown(row.get(ends[0]))} does not exist"
        elif verb[place] < 0:
            what = _no_verb(key, row)
        else:
            what = f"annotation {shown(row.get(ends[1]))} does not exist"
        problems.add("E", where(place), what, "left out")
    good = np.flatnonzero(~bad)
    thing[alone] = ALONE
    places = good.tolist()
    return Relations(
        image=image[good],
        subject=subject[good],
        object=thing[good],
        verb=verb[good],
        verbs=verbs,
        where=lambda row: where(places[row]),
        verb_where=verb_where,
    )


def _no_verb(key: str, row: Mapping[str, Any]) -> str:
    if key == "interactions":
        return f"its verb is {shown(row.get('verb'))}, no text"
    name = "predicate" if key == "rel_annotations" else "class"
    return f"{name} {shown(row.get('predicate_id' if name == 'predicate' else 'hoi_id'))} does not exist"


def _verbs(
    value: Mapping[str, Any], key: str, entries: list[Mapping[str, Any]], file: str
) -> tuple[NDArray[np.int64], list[str], list[str] | None]:
    """The verb of each entry (-1 for none), the distinct verbs, and what messages call them where the file lists them."""
    if key == "interactions":
        words = [rows.text(row.get("verb")) for row in entries]
        numbers, verbs = codes(words)
        return np.where([bool(word.strip()) for word in words], numbers, -1).astype(np.int64), verbs, None
    lists, name = ("rel_categories", "predicate_id") if key == "rel_annotations" else ("hois", "hoi_id")
    listed_verbs = rows.rows(value, lists, file)
    numbers = _Places(_unique(listed_verbs, lists, file)).of(rows.ids([row.get(name) for row in entries]))
    if key == "pairs":
        return numbers, [rows.text(row.get("verb")) for row in listed_verbs], None
    where = [f"predicate {row.get('id')}" for row in listed_verbs]
    return numbers, [rows.text(row.get("name")) for row in listed_verbs], where
