"""Annotated pictures that somebody should look at, and why: what is often a slip of the hand, and seldom meant."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.dataset import CORNERS
from pipeline.datasets.own.annotated import Annotated
from pipeline.datasets.own.raw import ALONE
from pipeline.tables.boxes import iou
from pipeline.vocabulary.vocabulary import spaced

TINY, TINY_PART = 6.0, 0.01
"""A box may be a slip of the hand if its shorter side is below so many pixels, or this share of its picture's longer side."""
FAR = 3.0
"""A pair is odd if person and object are further apart than so many times the person's longer side."""
RARE = 2
"""A class with at most so many pairs is rare enough to be looked at."""
MANY = 5
"""A person with at least so many interactions is odd."""
DOUBLE = 0.9
"""Two boxes of one object that overlap by at least this IoU may be one thing, drawn twice."""
Reason = tuple[int, float, str]
"""One reason to look at a picture: the image, how odd it is, and what to look at, in words."""


def suspects(found: Annotated) -> dict[int, list[str]]:
    """{position of an image: what to look at in it}, the worst image first."""
    rows = found.rows
    per_image: dict[int, list[tuple[float, str]]] = {}
    for image, weight, what in _reasons(found):
        per_image.setdefault(image, []).append((weight, what))
    weights = {image: sum(weight for weight, _ in reasons) for image, reasons in per_image.items()}
    order = sorted(per_image, key=lambda image: (-weights[image], rows.images["file_name"][image]))
    return {
        image: list(dict.fromkeys(what for _, what in sorted(per_image[image], key=lambda r: -r[0]))) for image in order
    }


def _reasons(found: Annotated) -> Iterator[Reason]:
    boxes, relations, words = found.rows.boxes, found.rows.relations, found.vocabulary
    names = words.object_names
    corners = boxes[CORNERS].to_numpy()
    sides = (corners[:, 2:] - corners[:, :2]).min(axis=1) if len(boxes) else np.zeros(0)
    longer = found.rows.images[["width", "height"]].max(axis=1).to_numpy()[boxes["image"].to_numpy()]
    for box in np.flatnonzero(sides < np.maximum(TINY, TINY_PART * longer)).tolist():
        thing = spaced(names[boxes["object_id"][box]])
        yield int(boxes["image"][box]), 2.0, f"a box of {thing} is {sides[box]:.1f} px narrow"
    turned = relations[relations["turned"]]
    for image, verb in zip(turned["image"].tolist(), turned["verb_id"].tolist(), strict=True):
        yield image, 3.0, f"{spaced(words.verb_names[verb])}: drawn from the object to the person, and turned"
    yield from _of_pairs(found, corners)
    busy = relations.groupby("subject").agg(image=("image", "first"), count=("image", "size"))
    busy = busy[busy["count"] >= MANY]
    for image, count in zip(busy["image"].tolist(), busy["count"].tolist(), strict=True):
        yield image, 1.0, f"one person does {count} things"
    yield from _drawn_twice(boxes, corners, names)


def _of_pairs(found: Annotated, corners: NDArray[np.float64]) -> Iterator[Reason]:
    pairs, words = found.pairs, found.vocabulary
    if not len(pairs):
        return
    counts = pairs["hoi_id"].map(pairs["hoi_id"].value_counts()).to_numpy()
    person, thing = (corners[pairs[end].to_numpy()] for end in ("subject", "object"))
    gap = np.maximum(np.maximum(person[:, :2] - thing[:, 2:], thing[:, :2] - person[:, 2:]), 0.0)
    far = np.hypot(gap[:, 0], gap[:, 1]) > FAR * (person[:, 2:] - person[:, :2]).max(axis=1)
    images, hois = pairs["image"].tolist(), pairs["hoi_id"].tolist()
    for row in np.flatnonzero(far).tolist():
        yield images[row], 2.0, f"{words.hoi(hois[row]).name}: person and object are far apart"
    for row in np.flatnonzero(counts <= RARE).tolist():
        few = "the only pair" if counts[row] == 1 else f"one of {counts[row]} pairs"
        yield images[row], 0.5, f"{words.hoi(hois[row]).name}: {few} of its class"


def _drawn_twice(boxes: pd.DataFrame, corners: NDArray[np.float64], names: tuple[str, ...]) -> Iterator[Reason]:
    placed = boxes[["image", "object_id"]].assign(box=np.arange(len(boxes)))
    couples = placed.merge(placed, on=["image", "object_id"], suffixes=("", "_other"))
    couples = couples[couples["box"] < couples["box_other"]]
    overlap = iou(corners[couples["box"].to_numpy()], corners[couples["box_other"].to_numpy()])
    couples = couples[overlap > DOUBLE]
    for image, thing in zip(couples["image"].tolist(), couples["object_id"].tolist(), strict=True):
        yield image, 2.0, f"two boxes of {spaced(names[thing])} are nearly the same: drawn twice?"


def acts_alone(found: Annotated, image: int) -> list[tuple[int, int]]:
    """(box, verb id) of the persons of an image that act alone."""
    relations = found.rows.relations
    mine = relations[(relations["image"] == image) & (relations["object"] == ALONE)]
    return list(zip(mine["subject"].tolist(), mine["verb_id"].tolist(), strict=True))
