"""Reading `coco-rel/1.0`: COCO instances with relations between annotations (docs/own-data.md specifies it for users).

    rel_categories    id, name, ing             verbs
    rel_annotations   image_id, subject_id, object_id (null: acts alone), predicate_id
    hoi_categories    id, predicate_id, category_id (or null): a closed list of classes, optional

Read as well: `interactions` (image_id, subject, object or null, verb by name), as people write by hand; and `pairs` with
`hois`, as this project exported them once. Ids may have gaps; those that come twice are an error for all their bearers.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, MutableSequence, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.own.coco_rel_file import RELATIONS, CocoRelFile
from pipeline.datasets.own.columns import GrowingIds, IdColumn, IdIndex, Whole
from pipeline.datasets.own.problems import Problems, listed
from pipeline.datasets.own.raw import ALONE, Boxes, Images, Raw, Relations
from pipeline.errors import DataError
from pipeline.outside import json_rows
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
ENOUGH, NEARLY_ALL = 20, 0.99
"""Boxes may be corners where there are at least so many, and at least this share of them is wider than x and higher than y."""
_SCHEMA = re.compile(r"coco-rel/(\d{1,4})\.(\d{1,4})")


def read(found: CocoRelFile, file: str, problems: Problems) -> Raw:
    """Read what a file says, and use up its columns; wrong ids and references are noted on the way.

    Raises:
        DataError: it is of another version, has no interactions, or a list is none.
    """
    _demand_version(found, file, problems)
    demand_relations(found, file)
    images, image_of = _images(found)
    boxes, box_of = _boxes(found, file, image_of)
    _doubt(found, len(boxes.corners), problems)
    relations = _relations(found, file, image_of, box_of, problems)
    return Raw(file=file, layout=LAYOUT, images=images, boxes=boxes, relations=relations)


def _demand_version(found: CocoRelFile, file: str, problems: Problems) -> None:
    info = found.values.get("info")
    stated = info.get("schema", SCHEMA) if isinstance(info, dict) else SCHEMA
    version = _SCHEMA.fullmatch(stated) if isinstance(stated, str) else None
    if version is None or int(version[1]) != 1:
        raise DataError(f"{file}: info.schema is {shown(stated)}; {SCHEMA} and later 1.x are read")
    if unknown := sorted(key for key in found.keys if key not in KNOWN):
        problems.add("N", "the whole file", f"keys that are not read: {listed(unknown)}", "not used")


def demand_relations(found: CocoRelFile, file: str) -> None:
    """DataError, saying what to export instead, if a file of COCO's has no interactions."""
    if any(key in found.keys for key in RELATIONS):
        return
    info = found.values.get("info")
    if isinstance(info, dict) and "label studio" in str(info.get("contributor", "")).lower():
        raise DataError(f"{file}: is Label Studio's COCO export, which has no relations; export JSON instead")
    if found.boxes.verbs_in_attributes:
        raise DataError(
            f"{file}: is a COCO export with verbs as attributes, in which CVAT joins the boxes of a group into one; export "
            '"CVAT for images 1.1" instead'
        )
    raise DataError(
        f"{file}: has boxes only: no interactions in this file (rel_annotations, or interactions by name; see docs/own-data.md)"
    )


def _images(found: CocoRelFile) -> tuple[Images, IdIndex]:
    read = found.images
    written = read.ids.take()
    ids = written.numbers
    images = Images(
        word="image",
        names=read.names,
        widths=_numbers(read.widths.take()),
        heights=_numbers(read.heights.take()),
        splits=read.splits,
        exhaustive=read.exhaustive,
        where=_Called(written),
    )
    images.faults = {int(place): "its id is no whole number" for place in np.flatnonzero(ids == json_rows.NONE)}
    for same in json_rows.twice(ids).values():
        images.faults |= {place: f"id given {len(same)} times" for place in same}
    return images, IdIndex(written)


def _numbers(values: Whole) -> MutableSequence[int]:
    """Whole numbers as a sequence that takes no more bytes than the column."""
    return array("i" if values.dtype == np.int32 else "q", values.tobytes())


class _Called(Sequence[str]):
    """What messages call each image, made when it is asked for: its id, or its place."""

    def __init__(self, ids: IdColumn) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, place: Any) -> Any:
        number = self._ids.number(place)
        return str(number) if number >= 0 else f"at place {place + 1}"


def _boxes(found: CocoRelFile, file: str, image_of: IdIndex) -> tuple[Boxes, IdIndex]:
    read, categories = found.boxes, json_rows.rows(found.values, "categories", file)
    ids = read.ids.take()
    image, no_image = _found(read.images, image_of)
    label, no_label = _found(read.categories, _unique(categories, "categories", file))
    faults = read.faults | {place: f"category {said} does not exist" for place, said in no_label.items()}
    faults |= {place: f"image {said} does not exist" for place, said in no_image.items()}
    if ids.first is None:
        faults |= dict.fromkeys(np.flatnonzero(ids.numbers == json_rows.NONE).tolist(), "its id is no whole number")
        for same in json_rows.twice(ids.numbers).values():
            faults |= dict.fromkeys(same[1:], "") | {same[0]: f"id given {len(same)} times, so all are left out"}
    called = _Called(ids)
    boxes = Boxes(
        image=image,
        label=label,
        labels=[json_rows.text(row.get("name")) for row in categories],
        corners=read.corners.take(),
        where=lambda place: f"annotation {called[place]}",
        label_where=[f"category {row.get('id')}" for row in categories],
        faults=faults,
    )
    return boxes, IdIndex(ids)


def _doubt(found: CocoRelFile, count: int, problems: Problems) -> None:
    """Note what is odd about the boxes of a file, of which there are so many, and cannot be seen in any one of them."""
    read = found.boxes
    if count >= ENOUGH and read.like_corners >= NEARLY_ALL * count:
        what = (
            f"{read.like_corners:,} of {count:,} boxes are wider than their x and higher than their y, as if bbox were "
            "[x1, y1, x2, y2]; it is [x, y, width, height]: look at some (ezhoi data look)"
        )
        problems.add("W", "the whole file", what, "used as they are")
    if read.crowds:
        problems.add(
            "W", "the whole file", f"boxes of crowds (iscrowd): {read.crowds:,}", "used as if of one thing each"
        )


def _found(
    ids: GrowingIds, places: IdIndex, *, alone: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int32], dict[int, str]]:
    """The place of what each entry refers to, -1 for none, and {entry: what is written there}; the ids are not kept.

    Args:
        alone: which entries refer to nothing, and are `ALONE`.
    """
    written = ids.take()
    found = places.of(written.numbers)
    if alone is not None:
        found[alone] = ALONE
    none = np.flatnonzero(found < 0 if alone is None else (found < 0) & ~alone)
    return found, {place: written.shown(place) for place in none.tolist()}


def _unique(entries: list[Mapping[str, Any]], key: str, file: str) -> IdIndex:
    """Where the ids of a short list are that everything refers to; DataError if one is none or comes twice."""
    found = json_rows.ids([row.get("id") for row in entries])
    for place in np.flatnonzero(found == json_rows.NONE).tolist():
        raise DataError(f"{file}: {key}, entry {place + 1}: id is {shown(entries[place].get('id'))}, no whole number")
    for number, same in json_rows.twice(found).items():
        raise DataError(f"{file}: {key}: id {number} is given {len(same)} times; keep one")
    for place, row in enumerate(entries):
        if "name" in row and not json_rows.text(row["name"]).strip():
            raise DataError(f"{file}: {key}, entry {place + 1}: name is {shown(row['name'])}, no text")
    return IdIndex(IdColumn(found, {}))


def _relations(found: CocoRelFile, file: str, image_of: IdIndex, box_of: IdIndex, problems: Problems) -> Relations:
    key = next(key for key in RELATIONS if key in found.keys)
    if key in found.values:
        json_rows.rows(found.values, key, file)  # raises: it is no list
    read = found.relations[key]
    word, names = "interaction" if read.by_hand else "relation", read.ids.take()
    alone = read.alone.take()
    image, no_image = _found(read.images, image_of)
    subject, no_subject = _found(read.subjects, box_of)
    thing, no_object = _found(read.objects, box_of, alone=alone)
    verb, no_verb, verbs, verb_where = _verbs(found, key, file)

    def where(place: int) -> str:
        return f"{word} {names.shown(place)}"

    bad = (image < 0) | (subject < 0) | (~alone & (thing < 0)) | (verb < 0)
    bad[list(read.without_object)] = True
    for place in np.flatnonzero(bad).tolist():
        if image[place] < 0:
            what = f"image {no_image[place]} does not exist"
        elif subject[place] < 0:
            what = f"annotation {no_subject[place]} does not exist"
        elif verb[place] < 0:
            what = no_verb[place]
        elif place in read.without_object:
            what = f"has no {read.without_object[place]}; for a person acting alone it is null"
        else:
            what = f"annotation {no_object[place]} does not exist"
        problems.add("E", where(place), what, "left out")
    good = ~bad
    places = None if good.all() else np.flatnonzero(good)
    return Relations(
        image=image if places is None else image[places],
        subject=subject if places is None else subject[places],
        object=thing if places is None else thing[places],
        verb=verb if places is None else verb[places],
        verbs=verbs,
        where=lambda row: where(row if places is None else int(places[row])),
        verb_where=verb_where,
    )


def _verbs(found: CocoRelFile, key: str, file: str) -> tuple[Whole, dict[int, str], list[str], list[str] | None]:
    """The verb of each entry (-1 for none), {entry: why it has none}, the distinct verbs, and what messages call them where
    the file lists them."""
    read = found.relations[key]
    if key == "interactions":
        verbs = list(read.words)
        texts = np.array([bool(verb.strip()) for verb in verbs], dtype=bool)
        numbers = read.verbs.take().numbers
        none = {place: f"its verb is {said}, no text" for place, said in read.no_words.items()}
        return np.where(texts[numbers], numbers, -1).astype(np.int32), none, verbs, None
    lists, word = ("rel_categories", "predicate") if key == "rel_annotations" else ("hois", "class")
    listed_verbs = json_rows.rows(found.values, lists, file)
    places, missing = _found(read.verbs, _unique(listed_verbs, lists, file))
    none = {place: f"{word} {said} does not exist" for place, said in missing.items()}
    if key == "pairs":
        return places, none, [json_rows.text(row.get("verb")) for row in listed_verbs], None
    where = [f"predicate {row.get('id')}" for row in listed_verbs]
    return places, none, [json_rows.text(row.get("name")) for row in listed_verbs], where
