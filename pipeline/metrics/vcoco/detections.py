"""Anybody's detections of V-COCO's roles or actions, read from a table and checked.

A table of roles has `file_name` (or `image`; folders in it are ignored) or `image_id` (COCO's number), `role`, `score`, and
the eight box columns; the object's box is nan (null) or zero in all four where no object is seen. One of actions has `action`
and the person's box alone. A role is written `hold obj` or `hold_obj`, or is its number 0..23 in the order of the pair files,
which leave out `point instr`. In place of the role, `hoi_id` may give the composition (0..235), as the pipeline's predictions
do.

============================================= =======================================================================
input                                         what happens
============================================= =======================================================================
an image of V-COCO's kind that is not listed  left out, with a note; error if every image is one
any other image, an unknown role or action    error naming the row, and near names
nan or infinite score, reversed corners       error naming the row
an object's box that is nan in part           error naming the row
a row of `point instr`                        left out where the annotation lacks it (pair files), with a note
categories, texts of numbers, decimals        read as what they name
the same row twice, equal scores, no row      taken, with a note
images of positives without a detection       their positives count as missed; a note, if it is so of many
============================================= =======================================================================
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.vcoco import classes
from pipeline.datasets.vcoco.actions import POINT, ROLES
from pipeline.datasets.vcoco.reader import is_name
from pipeline.errors import DataError
from pipeline.metrics import remarks
from pipeline.metrics.matching import Pairs
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX, repeated
from pipeline.metrics.vcoco.people import People
from pipeline.outside import columns, file_names, pixels
from pipeline.outside.parsing import shown
from pipeline.tables.boxes import Floats

What = Literal["role", "action"]
CLASS = "hoi_id"
"""The column of V-COCO's composition, which may replace that of the role."""
IMAGE = ("file_name", "image", "image_id")
OUTSIDE, UNKNOWN = -1, -2
"""Values in place of an image or a role: for one that is left out, and for an unknown one."""


@dataclass(frozen=True, kw_only=True)
class Reported:
    """Checked detections, in the order of their table."""

    image: NDArray[np.int64]
    """`[n]` places in :attr:`People.images`."""
    what: NDArray[np.int64]
    """`[n]` places in :attr:`People.roles`, or in :attr:`People.actions`."""
    score: Floats
    human: Floats
    """`[n, 4]` person boxes, as they were given."""
    thing: Floats
    """`[n, 4]` role boxes; nan or zero where no object is seen, and for actions."""
    row: NDArray[np.int64]
    """`[n]` rows of the table."""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.score)


def wanted(what: What) -> list[str]:
    """The columns that a table of roles or actions may have; others are not read."""
    return [*IMAGE, CLASS, what, "score", *HUMAN_BOX, *(OBJECT_BOX if what == "role" else ())]


def place(frame: pd.DataFrame, people: People, *, what: What = "role", name: str = "detections") -> Reported:
    """The detections of a table, checked as the table above says.

    Raises:
        DataError: a column is missing, or a value is not valid (the message names the row).
    """
    frame = frame.reset_index(drop=True)
    if what == "role" and what not in frame and CLASS in frame:
        frame = frame.assign(role=_roles_of(frame, name))
    image_column = next((column for column in IMAGE if column in frame), None)
    needed = [column for column in wanted(what) if column not in (*IMAGE, CLASS)]
    missing = ([] if image_column else ["file_name (or image_id)"]) + [c for c in needed if c not in frame]
    if missing or image_column is None:
        raise DataError(f"{name}: no column {', '.join(missing)}; columns are {', '.join(map(str, frame.columns))}")
    image = _images(frame[image_column], people, name)
    known = people.roles if what == "role" else people.actions
    number = _numbers(frame[what], known)
    numbers = _plain(frame, what, name)
    human = numbers[list(HUMAN_BOX)].to_numpy()
    thing = numbers[list(OBJECT_BOX)].to_numpy() if what == "role" else np.full((len(frame), 4), np.nan)
    _refuse(frame, image, number, numbers["score"].to_numpy(), human, thing, known, what, name)
    pixels.demand(human, None, table=name)
    outside, dropped = image == OUTSIDE, (number == OUTSIDE) & (image != OUTSIDE)
    if len(frame) and outside.all():
        raise DataError(f"{name}: no image is in these annotations of {len(people.images):,}; is it another split?")
    notes = [f"{outside.sum():,} detections lie in images that are not listed: left out"] if outside.any() else []
    if dropped.any():
        notes.append(f"{dropped.sum():,} detections of {POINT}, which the annotation lacks: left out")
    rows = np.flatnonzero(~outside & ~dropped)
    found = Reported(
        image=image[rows],
        what=number[rows],
        score=numbers["score"].to_numpy()[rows],
        human=human[rows],
        thing=thing[rows],
        row=rows,
    )
    return replace(found, notes=(*notes, *_remarks(found, people, people.does if what == "role" else people.acts)))


def _remarks(found: Reported, people: People, does: NDArray[np.bool_]) -> list[str]:
    """What an evaluation of any dataset says about its detections."""
    pairs = Pairs(image=found.image, hoi=found.what, human=found.human, object=found.thing)
    annotated = np.unique(people.image[does.any(axis=1)])
    return remarks.of_rows(found.image, found.score, annotated=annotated, repeated=repeated(pairs, found.score))


def _roles_of(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    """The role of each row's composition."""
    try:
        hoi = columns.whole(frame, CLASS, name)
    except ValueError as error:
        raise DataError(str(error)) from None
    role_of = np.array(classes.role_of_class())
    if (wrong := (hoi < 0) | (hoi >= len(role_of))).any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{name} row {row}: hoi_id {hoi[row]} is none of V-COCO's {len(role_of)} compositions, 0 to {len(role_of) - 1}"
        )
    return pd.Series(pd.Categorical.from_codes(role_of[hoi], categories=pd.Index(ROLES)), index=frame.index)


def _plain(frame: pd.DataFrame, what: What, name: str) -> pd.DataFrame:
    """Scores and corners as float64; nan where they are missing."""
    try:
        return pd.DataFrame(
            {
                column: columns.numbers(frame, column, name, missing=True)
                for column in ("score", *HUMAN_BOX, *(OBJECT_BOX if what == "role" else ()))
            }
        )
    except ValueError as error:
        raise DataError(str(error)) from None


def _images(values: pd.Series[Any], people: People, name: str) -> NDArray[np.int64]:
    """The place of each row's image, or `OUTSIDE` or `UNKNOWN`."""
    codes, distinct = pd.factorize(values)
    if values.name == "image_id" and not any(isinstance(value, str) for value in distinct):
        try:
            ids = columns.whole(pd.DataFrame({"image_id": distinct}), "image_id", name)
        except ValueError as error:
            raise DataError(str(error)) from None
        places = pd.Index(people.image_ids).get_indexer(pd.Index(ids)).astype(np.int64)
        places[places < 0] = OUTSIDE
    else:
        places = file_names.places(distinct, people.images, table=name)
        named = [isinstance(value, str) and is_name(file_names.base_name(value)) for value in distinct]
        places = np.where(places >= 0, places, np.where(np.array(named, dtype=np.bool_), OUTSIDE, UNKNOWN))
    return np.append(places, UNKNOWN).astype(np.int64)[codes]  # code -1 where no image is named


def _numbers(values: pd.Series[Any], known: Sequence[str]) -> NDArray[np.int64]:
    """Places of roles or actions that are given by number or by name, `OUTSIDE` for `point` where there is none."""
    by_name = {spelt: place for place, name in enumerate(known) for spelt in (name, name.replace(" ", "_"))}
    by_number = [place for place, name in enumerate(known) if name != POINT]

    def read(value: Any) -> int:
        if isinstance(value, str) and value in by_name:
            return by_name[value]
        if isinstance(value, str) and value.replace("_", " ") == POINT:
            return OUTSIDE
        try:
            found = columns.whole_number(value)
        except ValueError:
            return UNKNOWN
        return by_number[found] if 0 <= found < len(by_number) else UNKNOWN

    codes, distinct = pd.factorize(values)
    return np.array([*(read(value) for value in distinct), UNKNOWN], dtype=np.int64)[codes]


def _refuse(
    frame: pd.DataFrame,
    image: NDArray[np.int64],
    number: NDArray[np.int64],
    score: Floats,
    human: Floats,
    thing: Floats,
    known: Sequence[str],
    what: What,
    name: str,
) -> None:
    """DataError for the first row that is not valid."""
    sound = np.isfinite(human).all(axis=1) & (human[:, 2:] >= human[:, :2]).all(axis=1)
    whole = np.isnan(thing).all(axis=1) | (np.isfinite(thing).all(axis=1) & (thing[:, 2:] >= thing[:, :2]).all(axis=1))
    for bad, fault in (
        (image == UNKNOWN, "the image is not in the annotations"),
        (number == UNKNOWN, _unknown(frame[what][number == UNKNOWN], known, what)),
        (~np.isfinite(score), "the score is not finite"),
        (~sound, "the person's box needs finite x1 <= x2 and y1 <= y2"),
        (
            ~whole,
            "the object's box needs finite x1 <= x2 and y1 <= y2, or nan or 0 in all four where no object is seen",
        ),
    ):
        if bad.any():
            raise DataError(f"{name} row {int(np.flatnonzero(bad)[0])}: {fault} ({int(bad.sum()):,} such rows)")


def _unknown(values: pd.Series[Any], known: Sequence[str], what: What) -> str:
    if values.empty:
        return ""
    near = difflib.get_close_matches(str(values.iloc[0])[:80], known, n=3, cutoff=0.4)
    hint = f"; near: {', '.join(near)}" if near else ""
    return f"the {what} is none of {len(known)}: {shown(values.iloc[0])}{hint}"
