"""V-COCO's role AP, scenarios 1 and 2, by the rules of the official ``vsrl_eval``.

Per action and role, a detection (person box, role box, score) is compared with the annotated person of the image it
overlaps best, whatever that person does, and is right if that person does the action, both overlaps reach 0.5 and no
better detection took the person for this role. Overlaps count inclusive pixels (every width has a pixel added). The official
truth is made for that: from COCO's x, y, width, height it takes x2 = x + max(0, width - 1) and y2 alike. The pair files have
x + width, so a pixel is taken off when they are read; detections are taken as they are.
AP is the area under the precision envelope; the mean goes over the roles.

Where the person's role has no annotated box (the object is out of sight), scenario 1 wants a detection without a role box,
and scenario 2 takes any. Persons without action labels in the official annotations are ignored, detections on them too.

The pair files at hand (``instances_vcoco_*.json``: boxes_h, boxes_o, actions) list pairs with both boxes only. So persons
who only stand, walk, run or smile, persons whose role is out of sight and persons to be ignored are absent, ``n_truth``
is smaller than the official one, and the two scenarios give one number on them. The rules are tested on hand-made
annotations that have such persons; the official totals and published numbers could not be checked.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.vcoco import reader
from pipeline.errors import DataError
from pipeline.metrics.average_precision import average_precision
from pipeline.metrics.matching import Pairs, best_truth
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX
from pipeline.outside import columns, file_names, pixels
from pipeline.outside.parsing import shown
from pipeline.tables.boxes import Floats, iou

Scenario = Literal[1, 2]
SCENARIOS: tuple[Scenario, ...] = (1, 2)
INCLUSIVE = np.array([0.0, 0.0, 1.0, 1.0])
"""What turns a box of inclusive pixels into one of the same overlaps in continuous coordinates."""
OVERLAP = 0.5
POINT = "point instr"
"""The role that published means leave out; the official files have it, the pair files do not."""


@dataclass(frozen=True, kw_only=True)
class People:
    """The annotated persons of V-COCO images."""

    images: tuple[str, ...]
    roles: tuple[str, ...]
    """Names of the action-roles, such as ``hold obj``."""
    image: NDArray[np.int64]
    """``[p]`` place of each person's image."""
    box: Floats
    """``[p, 4]`` first and last pixel."""
    ignored: NDArray[np.bool_]
    """``[p]`` persons without action labels."""
    does: NDArray[np.bool_]
    """``[p, r]`` whether the person does the action of the role."""
    role_box: Floats
    """``[p, r, 4]`` nan where the role has no annotated box."""


def read(path: Path) -> People:
    """People of a pair file, see :mod:`pipeline.datasets.vcoco.reader`, which names its faults."""
    found = reader.read(path)
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
        roles=found.actions,
        image=persons[:, 0].astype(np.int64),
        box=persons[:, 1:],
        ignored=np.zeros(len(persons), dtype=np.bool_),
        does=does,
        role_box=boxes,
    )


def _inclusive(boxes: Floats) -> Floats:
    """Continuous boxes as the official program has them: the last pixel in place of the edge behind it."""
    return np.concatenate([boxes[:, :2], np.maximum(boxes[:, :2], boxes[:, 2:] - 1)], axis=1)


def place(frame: pd.DataFrame, people: People, *, name: str = "detections") -> pd.DataFrame:
    """Detections with ``image`` as place: ``file_name`` (folders in it are ignored), ``role`` (a number, or a name with blanks
    or underscores), ``score``, eight box columns; the object box nan (or four zeros) where no object is seen. Rows of the role
    ``point instr``, which the pair files leave out as published means do, are left out.

    Raises:
        DataError: a column is missing, or an image, a role, a score or a person's box is no good (names the row).
    """
    frame = frame.rename(columns={"image": "file_name"}).reset_index(drop=True)
    missing = [c for c in ("file_name", "role", "score", *HUMAN_BOX, *OBJECT_BOX) if c not in frame]
    if missing:
        raise DataError(f"{name}: no column {', '.join(missing)}; columns are {', '.join(map(str, frame.columns))}")
    codes, distinct = pd.factorize(frame["file_name"])
    image = np.append(file_names.places(distinct, people.images, table=name), -1)[codes]  # -1 where none is named
    role, left_out = _roles(frame["role"], people), _is_point(frame["role"], people)
    try:
        numbers = {c: columns.numbers(frame, c, name, missing=True) for c in ("score", *HUMAN_BOX, *OBJECT_BOX)}
    except ValueError as error:
        raise DataError(str(error)) from None
    frame = frame.assign(**numbers)
    human, thing = (frame[list(box)].to_numpy(dtype=np.float64) for box in (HUMAN_BOX, OBJECT_BOX))
    sound = np.isfinite(human).all(axis=1) & (human[:, 2:] >= human[:, :2]).all(axis=1)
    whole = np.isnan(thing).all(axis=1) | (np.isfinite(thing).all(axis=1) & (thing[:, 2:] >= thing[:, :2]).all(axis=1))
    for bad, fault in (
        (image < 0, "the image is not in the annotations"),
        ((role < 0) & ~left_out, _unknown_role(frame["role"][(role < 0) & ~left_out], people)),
        (~np.isfinite(frame["score"].to_numpy(dtype=np.float64)), "the score is not finite"),
        (~sound, "the person's box needs finite x1 <= x2 and y1 <= y2"),
        (
            ~whole,
            "the object's box needs finite x1 <= x2 and y1 <= y2, or nan or 0 in all four where no object is seen",
        ),
    ):
        if bad.any():
            raise DataError(f"{name} row {int(np.flatnonzero(bad)[0])}: {fault} ({int(bad.sum()):,} such rows)")
    pixels.demand(human, None, table=name)
    return frame.assign(image=image, role=role)[~left_out].reset_index(drop=True)


def _is_point(values: pd.Series[Any], people: People) -> NDArray[np.bool_]:
    """Which rows name the role ``point``, where the annotations do not have it."""
    named = [isinstance(value, str) and value.replace("_", " ") == POINT for value in values]
    return np.array(named, dtype=np.bool_) & (POINT not in people.roles)


def _unknown_role(values: pd.Series[Any], people: People) -> str:
    if values.empty:
        return ""
    near = difflib.get_close_matches(str(values.iloc[0]), people.roles, n=3, cutoff=0.4)
    hint = f"; near: {', '.join(near)}" if near else ""
    return f"the role is none of {len(people.roles)}: {shown(values.iloc[0])}{hint}"


def _roles(values: pd.Series[Any], people: People) -> NDArray[np.int64]:
    """Numbers of roles that are given by number or by name; -1 where it is neither."""
    by_name = {spelt: place for place, name in enumerate(people.roles) for spelt in (name, name.replace(" ", "_"))}

    def read(value: Any) -> int:
        if isinstance(value, str) and value in by_name:
            return by_name[value]
        try:
            found = columns.whole_number(value)
        except ValueError:
            return -1
        return found if 0 <= found < len(people.roles) else -1

    return np.array([read(value) for value in values], dtype=np.int64)


def role_ap(frame: pd.DataFrame, people: People, *, scenario: Scenario) -> pd.DataFrame:
    """AP of every role: ``role``, ``ap`` in [0, 1] (nan without annotations), ``n_truth``, ``n_pred``.

    Arguments:
        frame: from :func:`place`.
        people: the annotations.
        scenario: see above.
    """
    image, role = frame["image"].to_numpy(dtype=np.int64), frame["role"].to_numpy(dtype=np.int64)
    human = frame[list(HUMAN_BOX)].to_numpy(dtype=np.float64) + INCLUSIVE
    thing = frame[list(OBJECT_BOX)].to_numpy(dtype=np.float64)
    score = frame["score"].to_numpy(dtype=np.float64)
    person, overlap = _best_person(image, human, people)
    counted = (person < 0) | ~people.ignored[person] if len(people.image) else np.ones(len(frame), dtype=np.bool_)
    passed = np.zeros(len(frame), dtype=np.bool_)
    rows = np.flatnonzero((person >= 0) & (overlap >= OVERLAP) & counted)
    rows = rows[people.does[person[rows], role[rows]]]
    passed[rows] = _role_fits(thing[rows], people.role_box[person[rows], role[rows]], scenario)
    order = np.lexsort((image, -score, role))
    order = order[counted[order]]
    hits = _first_of_each(order, passed, person * len(people.roles) + role)
    starts = np.searchsorted(role[order], np.arange(len(people.roles) + 1))
    n_truth = people.does.sum(axis=0)
    return pd.DataFrame(
        {
            "role": people.roles,
            "ap": [
                average_precision(hits[starts[r] : starts[r + 1]], int(n_truth[r]), rule="all_points")
                for r in range(len(people.roles))
            ],
            "n_truth": n_truth,
            "n_pred": np.diff(starts),
        }
    )


def mean_role_ap(table: pd.DataFrame, *, without: Sequence[str] = (POINT,)) -> float:
    """Mean in percent over the annotated roles; V-COCO's custom leaves out ``point``."""
    return 100 * float(table.loc[~table["role"].isin(without), "ap"].mean())


def _best_person(image: NDArray[np.int64], human: Floats, people: People) -> tuple[NDArray[np.int64], Floats]:
    """The person of the image that each detection overlaps best: pair matching with the person's box on both sides."""
    detected, annotated = (
        Pairs(image=where, hoi=np.zeros(len(where), dtype=np.int64), human=boxes, object=boxes)
        for where, boxes in ((image, human), (people.image, people.box + INCLUSIVE))
    )
    return best_truth(detected, annotated)


def _role_fits(found: Floats, annotated: Floats, scenario: Scenario) -> NDArray[np.bool_]:
    """``[n]`` whether the role boxes agree."""
    out_of_sight = np.isnan(annotated).all(axis=1)
    nothing = np.isnan(found).all(axis=1) | (found == 0).all(axis=1)
    overlap = np.nan_to_num(iou(found + INCLUSIVE, annotated + INCLUSIVE))
    return np.where(out_of_sight, nothing | (scenario == 2), overlap >= OVERLAP)


def _first_of_each(order: NDArray[np.int64], passed: NDArray[np.bool_], key: NDArray[np.int64]) -> NDArray[np.bool_]:
    """``[k]`` along ``order``: the first that passed of every person and role."""
    ranked = np.flatnonzero(passed[order])
    _, first = np.unique(key[order[ranked]], return_index=True)
    hits = np.zeros(len(order), dtype=np.bool_)
    hits[ranked[first]] = True
    return hits
