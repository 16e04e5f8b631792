"""One `coco-rel` file a split, `own-train.json` and `own-test.json`, as one annotation; each file counts its ids for itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.datasets.own import coco_rel
from pipeline.datasets.own.coco_rel_file import CocoRelFile
from pipeline.datasets.own.columns import Whole
from pipeline.datasets.own.problems import Problems
from pipeline.datasets.own.raw import ALONE, Boxes, Images, Raw, Relations
from pipeline.errors import DataError

SPLIT = re.compile(r"(?:.*[-_. ])?(train|training|test|testing|val|validation)(?:20\d\d)?", re.IGNORECASE)
WORDS = ("categories", "rel_categories", "hoi_categories")
"""The lists that must be equal in all files of one annotation."""


def split_of(path: Path) -> str | None:
    """The split that a file's name ends in, None if in none."""
    found = SPLIT.fullmatch(path.stem)
    return found[1].lower() if found else None


def are_splits(paths: Sequence[Path]) -> bool:
    """Whether several files are one annotation: each ends in a split, and no two in the same."""
    names = [split_of(path) for path in paths]
    return len(names) > 1 and None not in names and len(set(names)) == len(names)


def demand_same_words(files: Sequence[tuple[Path, CocoRelFile]]) -> None:
    """DataError if the files, each with what it has, call their objects and verbs otherwise."""
    (first, words), *others = files
    for path, found in others:
        for key in WORDS:
            if found.values.get(key) != words.values.get(key):
                raise DataError(
                    f"{path}: its {key} are not those of {first.name}; let both have the same, or write a vocabulary.yaml "
                    "beside them"
                )


def read(files: Sequence[tuple[Path, CocoRelFile]], folder: str, problems: Problems) -> Raw:
    """Read what the files say together; a problem's place begins with the name of its file."""
    raws = []
    for path, found in files:
        own = Problems(str(path))
        raws.append((path, coco_rel.read(found, str(path), own)))
        for one in own.found:
            problems.add(one.level, f"{path.name}, {one.where}", one.what, one.effect, file=one.file)
    boxes_before = np.cumsum([0, *(len(raw.boxes.image) for _, raw in raws)]).tolist()
    images_before = np.cumsum([0, *(len(raw.images.names) for _, raw in raws)]).tolist()
    return Raw(
        file=folder,
        layout=coco_rel.LAYOUT,
        images=_images(raws),
        boxes=_boxes(raws, images_before, boxes_before),
        relations=_relations(raws, images_before, boxes_before),
    )


Named = Sequence[tuple[Path, Raw]]


def _images(raws: Named) -> Images:
    found, where = Images(), []
    for path, raw in raws:
        before, own = len(found.names), raw.images
        found.names += own.names
        found.widths += own.widths
        found.heights += own.heights
        found.splits += [split or split_of(path) or "" for split in own.splits]
        found.exhaustive += own.exhaustive
        where += [f"{path.name}, {own.called(place)}" for place in range(len(own.names))]
        found.faults |= {before + place: fault for place, fault in own.faults.items()}
    found.where = where
    return found


def _boxes(raws: Named, images: list[int], boxes: list[int]) -> Boxes:
    parts = [raw.boxes for _, raw in raws]
    labels = np.cumsum([0, *(len(part.labels) for part in parts)]).tolist()
    return Boxes(
        image=np.concatenate([_after(part.image, by) for part, by in zip(parts, images, strict=False)]),
        label=np.concatenate([_after(part.label, by) for part, by in zip(parts, labels, strict=False)]),
        labels=[label for part in parts for label in part.labels],
        corners=np.concatenate([part.corners for part in parts]),
        where=_where(raws, [part.where for part in parts], boxes),
        label_where=[f"{path.name}, {where}" for path, raw in raws for where in raw.boxes.label_where or ()],
        faults={by + box: why for part, by in zip(parts, boxes, strict=False) for box, why in part.faults.items()},
    )


def _relations(raws: Named, images: list[int], boxes: list[int]) -> Relations:
    parts = [raw.relations for _, raw in raws]
    rows = np.cumsum([0, *(len(part.image) for part in parts)]).tolist()
    verbs = np.cumsum([0, *(len(part.verbs) for part in parts)]).tolist()
    listed = all(part.verb_where is not None for part in parts)
    return Relations(
        image=np.concatenate([_after(part.image, by) for part, by in zip(parts, images, strict=False)]),
        subject=np.concatenate([_after(part.subject, by) for part, by in zip(parts, boxes, strict=False)]),
        object=np.concatenate([_after(part.object, by) for part, by in zip(parts, boxes, strict=False)]),
        verb=np.concatenate([_after(part.verb, by) for part, by in zip(parts, verbs, strict=False)]),
        verbs=[verb for part in parts for verb in part.verbs],
        where=_where(raws, [part.where for part in parts], rows),
        verb_where=[f"{path.name}, {where}" for path, raw in raws for where in raw.relations.verb_where or ()]
        if listed
        else None,
    )


def _after(places: Whole, count: int) -> Whole:
    """The places, moved behind `count` rows of earlier files; -1, which is no place, stays."""
    return np.where(places == ALONE, ALONE, places + count)


def _where(raws: Named, says: Sequence[Callable[[int], str]], before: list[int]) -> Callable[[int], str]:
    """What messages call a row of the joined table."""

    def where(row: int) -> str:
        part = int(np.searchsorted(before, row, side="right")) - 1
        return f"{raws[part][0].name}, {says[part](row - before[part])}"

    return where
