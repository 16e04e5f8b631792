"""The annotated persons of V-COCO's images, from the labels with COCO's boxes, a pair file, or a test file of V-COCO-SG.

There are three kinds of files, of which only the first has everything that the official program knows:

- `vcoco_val.json` with COCO's instances file: every person that COCO annotates, with or without labels, and every role,
  also with an object out of sight. A box is made as the program makes it: x2 = x + max(0, width - 1), y2 alike, clipped
  to the image. An annotation is dropped if its area is 0, it is marked `ignore`, or its box is empty then.
- `instances_vcoco_val.json` (pair file): pairs whose two boxes are visible, without `point`. About a quarter of the positives
  are absent, so the two scenarios give one number on it, and it is not the published one. Its boxes have
  x2 = x + width, so a pixel is taken off.
- `test_vcoco_sg1.json` (V-COCO-SG): held-out compositions alone, objects out of sight and all persons included. A person of
  whom it keeps no label is as one without labels. Its boxes are those of pair files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.vcoco import instances, labels, reader, sg
from pipeline.datasets.vcoco.actions import POINT
from pipeline.datasets.vcoco.instances import PERSON, Instances
from pipeline.datasets.vcoco.labels import Labels
from pipeline.errors import DataError
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX
from pipeline.outside import reading
from pipeline.tables.boxes import Floats


@dataclass(frozen=True, kw_only=True)
class People:
    """Annotated persons; boxes are of first and last pixels."""

    images: tuple[str, ...]
    """File names, in the order of the images' ids where the labels are official, else in the file's."""
    image_ids: NDArray[np.int64]
    """The number that COCO gives each image."""
    roles: tuple[str, ...]
    """Names of the action-roles, such as `hold obj`."""
    image: NDArray[np.int64]
    """`[p]` place of each person's image."""
    box: Floats
    """`[p, 4]`"""
    ignored: NDArray[np.bool_]
    """`[p]` persons without labels: a detection whose best person is one of them counts neither way."""
    does: NDArray[np.bool_]
    """`[p, r]` whether the person does the action of the role."""
    role_box: Floats
    """`[p, r, 4]` nan where the role has no annotated box."""
    actions: tuple[str, ...] = ()
    """Names of the actions, empty where they are not known without their roles (pair files)."""
    acts: NDArray[np.bool_]
    """`[p, a]` whether the person does the action."""
    notes: tuple[str, ...] = ()
    """Remarks on what the files lack and on what was dropped."""


def read(path: Path, coco: Path | None = None) -> People:
    """Read the people of V-COCO's labels with COCO's instances file, of a pair file, or of a test file of V-COCO-SG.

    Raises:
        DataError: a file is not what it should be, or the labels come without COCO's file.
    """
    value = reading.json_value(path, largest=reading.LARGEST_DATA)
    if reader.matches(value):
        return _of_pairs(reader.parse(value, path), path)
    if sg.matches(value):
        return _of_sg(sg.parse(value, path), path)
    if not labels.matches(value):
        raise DataError(
            f"{path}: neither V-COCO's labels (a list of actions) nor V-COCO's pair annotation, which needs annotations, "
            "classes and action_to_object"
        )
    if coco is None:
        raise DataError(
            f"{path}: these labels have no boxes. Give COCO's instances file too (--coco instances_val2014.json; V-COCO's "
            "train and val are of COCO's train2014, test of val2014)"
        )
    found = labels.parse(value, path)
    return of_labels(found, instances.read(coco, images=found.image_id.tolist()), name=str(coco))


def of_labels(found: Labels, coco: Instances, *, name: str) -> People:
    """People of labels and boxes.

    Arguments:
        name: COCO's file, for errors.

    Raises:
        DataError: an annotation of the labels is missing, lies in another image, or a labelled person is none.
    """
    images = coco.images.sort_values("id", ignore_index=True)
    boxes, sound = _official_boxes(coco, images)
    ids = pd.Index(coco.annotations["id"])
    _demand_annotations(found, coco.annotations, ids, name)
    is_person = sound & (coco.annotations["category_id"] == PERSON).to_numpy()
    persons = np.flatnonzero(is_person)
    row = pd.Index(found.person_id).get_indexer(ids[persons])
    things = ids.get_indexer(pd.Index(found.role_object.ravel())).reshape(found.role_object.shape)
    in_sight = (things >= 0) & sound[things]
    role_box = np.where(in_sight[..., None], boxes[things], np.nan)
    none = row < 0
    dropped = int((~sound[ids.get_indexer(pd.Index(found.person_id))]).sum())
    out_of_sight = int(((found.role_object > 0) & ~in_sight).sum())
    notes = [f"{dropped:,} labelled persons have no usable box and are left out"] if dropped else []
    notes += [f"{out_of_sight:,} role objects have no usable box and count as out of sight"] if out_of_sight else []
    return People(
        images=tuple(images["file_name"]),
        image_ids=images["id"].to_numpy(dtype=np.int64),
        roles=found.roles,
        image=pd.Index(images["id"]).get_indexer(coco.annotations["image_id"])[persons].astype(np.int64),
        box=boxes[persons],
        ignored=none,
        does=found.does[row][:, found.role_action] & ~none[:, None],
        role_box=np.where(none[:, None, None], np.nan, role_box[row]),
        actions=found.actions,
        acts=found.does[row] & ~none[:, None],
        notes=tuple(notes),
    )


def _official_boxes(coco: Instances, images: pd.DataFrame) -> tuple[Floats, NDArray[np.bool_]]:
    """`[k, 4]` boxes of the official program, and `[k]` whether it keeps the annotation."""
    table = coco.annotations
    at = pd.Index(images["id"]).get_indexer(table["image_id"])
    last = images[["width", "height"]].to_numpy(dtype=np.float64)[at] - 1
    corner, size = (table[[*c]].to_numpy(dtype=np.float64) for c in (("x", "y"), ("width", "height")))
    low = np.clip(corner, 0, last)
    high = np.clip(corner + np.maximum(size - 1, 0), 0, last)
    used = (table["area"].to_numpy() > 0) & (table["ignore"].to_numpy() != 1)
    return np.concatenate([low, high], axis=1), used & (high > low).all(axis=1)


def _demand_annotations(found: Labels, table: pd.DataFrame, ids: pd.Index, name: str) -> None:
    """DataError unless COCO's file has every annotation that the labels name, in the image that they name."""
    used = found.role_object > 0
    named = np.concatenate([found.person_id, found.role_object[used]])
    image = np.concatenate([found.image_id, np.broadcast_to(found.image_id[:, None], used.shape)[used]])
    at = ids.get_indexer(pd.Index(named))
    if (missing := at < 0).any():
        raise DataError(
            f"{name}: lacks {len(np.unique(named[missing])):,} annotations that the labels name, such as "
            f"{named[missing][0]} of image {image[missing][0]}; is it whole, and of the labels' split?"
        )
    theirs = table["image_id"].to_numpy()[at]
    if (other := theirs != image).any():
        raise DataError(
            f"{name}: annotation {named[other][0]} is of image {theirs[other][0]}, in the labels of {image[other][0]}"
        )
    category = table["category_id"].to_numpy()[at[: len(found.person_id)]]
    if (other := category != PERSON).any():
        raise DataError(f"{name}: annotation {found.person_id[other][0]} is a labelled person, but no person in COCO")


def _of_pairs(found: reader.VCoco, path: Path) -> People:
    """People of a pair file; its faulty rows are an error."""
    reader.demand_sound(found, path)
    places = pd.Index(found.images["image_id"]).get_indexer(pd.Index(found.pairs["image_id"]))
    human = _inclusive(found.pairs[list(HUMAN_BOX)].to_numpy(dtype=np.float64))
    # Pairs of one person repeat the person's box.
    persons, person = np.unique(np.column_stack([places, human]), axis=0, return_inverse=True)
    role = found.pairs["action_id"].to_numpy(dtype=np.int64)
    does = np.zeros((len(persons), len(found.actions)), dtype=np.bool_)
    boxes = np.full((*does.shape, 4), np.nan)
    does[person, role] = True
    boxes[person, role] = _inclusive(found.pairs[list(OBJECT_BOX)].to_numpy(dtype=np.float64))
    return People(
        images=tuple(found.images["file_name"]),
        image_ids=found.images["image_id"].to_numpy(dtype=np.int64),
        roles=found.actions,
        image=persons[:, 0].astype(np.int64),
        box=persons[:, 1:],
        ignored=np.zeros(len(persons), dtype=np.bool_),
        does=does,
        role_box=boxes,
        acts=np.zeros((len(persons), 0), dtype=np.bool_),
        notes=(
            f"{path} is a pair file: positives whose object is out of sight (a quarter), persons without labels, {POINT} and "
            "agents are absent, so this is not the published number. Give the labels (vcoco_*.json) and --coco for that",
        ),
    )


def _of_sg(found: sg.Scenes, path: Path) -> People:
    """People of a test file of V-COCO-SG."""
    return People(
        images=found.images,
        image_ids=found.image_ids,
        roles=sg.ROLES,
        image=found.image,
        box=_inclusive(found.box),
        ignored=~found.labelled,
        does=found.does,
        role_box=_inclusive(found.role_box.reshape(-1, 4)).reshape(found.role_box.shape),
        acts=np.zeros((len(found.box), 0), dtype=np.bool_),
        notes=(
            f"{path} is V-COCO-SG's: other labels of its images are cut away, and images and labels of held-out compositions "
            "are missing, so numbers are comparable on this very file alone",
        ),
    )


def _inclusive(boxes: Floats) -> Floats:
    """Continuous boxes in the official program's form: with the last pixel instead of the edge behind it."""
    return np.concatenate([boxes[:, :2], np.maximum(boxes[:, :2], boxes[:, 2:] - 1)], axis=1)
