"""Anybody's detections, read, checked and placed in the annotations' list of images.

====================================== ==========================================================================
input                                  what happens
====================================== ==========================================================================
nan or infinite score                  error naming the row
score outside [0, 1]                   taken as it is, with a note: only the order counts
x2 < x1, y2 < y1, nan, infinite corner error naming the row
box without area                       taken, with a note: it overlaps nothing
``hoi_id`` outside the classes         error naming the row
image of another split                 left out, with a note; error if every image is one
unknown image                          error naming the row, where the list of images is complete; else it counts as
                                       an image without annotations, with a note; error if no image is known
the same row twice                     taken, with a note: the second is a false positive, as everywhere
no row at all                          every AP is 0, with a note
missing column, unreadable file        error naming the file
``image_id`` of test2015 from 1 on     the numbers in its files' names: taken, with a note, where no image known here has
                                       such an id; else an error that says how images are numbered here
boxes in 0..1, or of resized images     error naming a row (the size is checked where the annotations tell it)
one file name in several folders       told apart by the folders; error naming both where a name does not tell
class without detections               AP 0, stays in every mean; a note says how many
image without detections               its pairs count as missed; a note, if it is so of many annotated images
all scores are equal                   taken, with a note: the order of the images ranks
====================================== ==========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.hico.tables import TEST_IDS_FROM
from pipeline.datasets.hico.vocabulary import demand
from pipeline.errors import DataError
from pipeline.metrics import remarks
from pipeline.metrics.annotations import Annotations, demand_pixels
from pipeline.metrics.formats import coco, matlab, named, qpic, table
from pipeline.metrics.matching import Pairs
from pipeline.metrics.table_metadata import TableMetadata
from pipeline.metrics.tables import read_pairs, read_scores, repeated
from pipeline.outside import columns, file_names, reading
from pipeline.outside.parsing import shown
from pipeline.tables.boxes import Floats
from pipeline.vocabulary.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Checked detections; ``pairs.image`` are places in the annotations' list of images."""

    pairs: Pairs
    scores: Floats
    notes: tuple[str, ...]
    prior: Floats | None = None
    """``[n]`` the detector's own score of each pair, where the file has it (column ``prior``)."""
    metadata: TableMetadata = field(default_factory=TableMetadata)
    """What the file says about itself."""


def read(path: Path, vocabulary: Vocabulary | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Read the table of a file in any known format, with remarks.

    The name and the content tell the format: ``.parquet``; ``.json`` or ``.json.gz`` (QPIC's, named or COCO's);
    ``.mat`` or a folder of them, or of the parts of one Parquet table, also in folders as ``split=test``. MATLAB's and QPIC's
    are about HICO-DET's classes.

    Raises:
        DataError: the file is missing, empty, or in no known format, or its format does not know the vocabulary's classes.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty (0 bytes)")
    kind = path.suffix.lower()
    if kind == ".parquet" or any(path.glob("*.parquet")):
        return table.read(path), []
    if path.is_dir() and not any(path.glob("*.mat")):
        if not columns.parts(path):
            raise DataError(f"{path}: has neither the parts of a Parquet table nor detections_NN.mat")
        return table.read(path), []
    if path.is_dir() or kind == ".mat":
        demand(vocabulary, f"{path} (MATLAB)")
        return matlab.read(path), []
    if kind not in (".json", ".gz"):
        raise DataError(
            f"{path}: detections are .parquet, .json, .json.gz, .mat or a folder of detections_NN.mat or of "
            "the parts of a Parquet table"
        )
    content = reading.json_value(path, largest=reading.LARGEST_DATA, each=named.packed)
    if named.matches(content):
        return named.read(path, content, vocabulary)
    content = qpic.unpacked(path, content)
    if not isinstance(content, list):
        raise DataError(f"{path}: a list of images (QPIC) or of results (COCO) is needed, not {type(content).__name__}")
    if content and isinstance(content[0], dict) and "category_id" in content[0]:
        return coco.read(path, content), []
    demand(vocabulary, f"{path} (QPIC's JSON)")
    return qpic.read(path, content)


def check(frame: pd.DataFrame, annotations: Annotations, *, name: str = "detections") -> Detections:
    """Place the rows and check them as the table above says.

    Raises:
        DataError: see the table; the message names ``name`` and the row.
    """
    notes: list[str] = []
    frame = frame.reset_index(drop=True)
    image, inside = _places(frame, annotations, name, notes)
    try:
        pairs = read_pairs(frame.assign(image_id=image), np.array(annotations.groups.classes), table=name)
        scores = read_scores(frame, pairs, table=name)
        prior = columns.numbers(frame, "prior", name) if "prior" in frame else None
    except ValueError as error:
        raise DataError(str(error)) from None
    if prior is not None and not np.isfinite(prior).all():
        raise DataError(f"{name} row {int(np.flatnonzero(~np.isfinite(prior))[0])}: prior is not finite")
    demand_pixels(pairs, annotations.images, name)
    if not inside.all():
        pairs, scores = pairs.take(inside), scores[inside]
        prior = None if prior is None else prior[inside]
    remarks = [*_remarks(pairs, scores, annotations), *unmeasured(annotations)]
    return Detections(pairs=pairs, scores=scores, notes=(*notes, *remarks), prior=prior)


def rescored(found: Detections, scores: Floats, *, name: str) -> Detections:
    """The checked detections with other scores; DataError naming the row if one is not finite. There are no remarks on them."""
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise DataError(f"{name} row {row}, hoi_id {found.pairs.hoi[row]}: score is {scores[row]}")
    return Detections(pairs=found.pairs, scores=scores, notes=())


def _places(
    frame: pd.DataFrame, annotations: Annotations, name: str, notes: list[str]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """``[n]`` places of the images, and which rows are in the split."""
    images = annotations.images
    if "image_index" in frame:
        places = frame["image_index"].to_numpy(dtype=np.int64)
        if not annotations.complete:
            raise DataError(f"{name}: images are numbered, so the complete list of images is needed (--images)")
        wrong = places[(places < 0) | (places >= len(images))]
        if len(wrong):
            raise DataError(f"{name}: image {wrong.max() + 1} of a list of {len(images)}; is it another list?")
        return places, np.ones(len(frame), dtype=np.bool_)
    key = "file_name" if "file_name" in frame else "image_id"
    if key not in images:
        raise DataError(f"{name}: images are given by {key}, the annotations' by {', '.join(images.columns)}")
    values = frame[key].astype("category")
    distinct = values.cat.categories.tolist()
    codes = values.cat.codes.to_numpy()
    if (codes < 0).any():
        raise DataError(f"{name} row {int(np.flatnonzero(codes < 0)[0])}: no image is named")
    if key == "file_name" or _are_names(distinct, images):
        others = sorted(value for value in annotations.elsewhere if isinstance(value, str))
        place_of = file_names.places(distinct, [*images["file_name"], *others], table=name)
        outside = place_of >= len(images)
    else:
        place_of, outside = _by_number(distinct, annotations, name, notes)
    place_of[outside] = -1
    if len(distinct) and outside.all():
        raise DataError(
            f"{name}: no image lies in this split of {len(images):,} images; all {len(distinct):,} are of another one, "
            f"such as {shown(distinct[0])}. Give the detections of this split, or choose the other with --split"
        )
    unknown = (place_of < 0) & ~outside
    if unknown.any():
        _unknown_images(unknown, place_of, codes, distinct, annotations, name, notes)
        place_of[unknown] = len(images) + np.arange(unknown.sum())
    inside = ~outside[codes] if len(codes) else np.ones(0, dtype=np.bool_)
    if not inside.all():
        notes.append(f"{(~inside).sum():,} detections lie in {outside.sum():,} images of another split: left out")
    return place_of[codes].astype(np.int64), inside


def _are_names(distinct: list[Any], images: pd.DataFrame) -> bool:
    """Whether image_id holds names of files, where the annotations have both."""
    if "file_name" not in images or pd.api.types.is_string_dtype(images["image_id"]):
        return False
    return any(isinstance(value, str) and _number(value) is None for value in distinct)


def _number(value: Any) -> int | None:
    try:
        return columns.whole_number(value)
    except ValueError:
        return None


def _by_number(
    distinct: list[Any], annotations: Annotations, name: str, notes: list[str]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The places of images by their ids, and which of them belong to another split."""
    known = {value: place for place, value in enumerate(annotations.images["image_id"].tolist())}
    elsewhere = {value for value in annotations.elsewhere if not isinstance(value, str)}
    if not any(isinstance(value, str) for value in known):
        distinct = [value if (number := _number(value)) is None else number for value in distinct]
    place_of = np.array([known.get(value, -1) for value in distinct], dtype=np.int64)
    outside = np.array([value in elsewhere for value in distinct], dtype=np.bool_) & (place_of < 0)
    if (place_of >= 0).any():
        return place_of, outside
    by_file = [known.get(value + TEST_IDS_FROM, -1) if isinstance(value, int) else -1 for value in distinct]
    if all(place >= 0 for place in by_file) and not outside.any():
        if distinct:
            notes.append(
                f"image_id is the number in the name of a test2015 file, which has the id {TEST_IDS_FROM:,} + number here"
            )
        return np.array(by_file, dtype=np.int64), outside
    if max(by_file) >= 0:
        raise DataError(
            f"{name}: no image_id is of this split, such as {shown(distinct[0])}. The images of test2015 have the ids "
            f"{TEST_IDS_FROM + 1:,}, {TEST_IDS_FROM + 2:,}, ... here, {TEST_IDS_FROM:,} + the number in the name of the "
            "file; smaller ones are those of train2015. Add it, or give file_name in place of image_id"
        )
    return place_of, outside


def _unknown_images(
    unknown: NDArray[np.bool_],
    place_of: NDArray[np.int64],
    codes: NDArray[np.integer],
    distinct: list[Any],
    annotations: Annotations,
    name: str,
    notes: list[str],
) -> None:
    row = int(np.flatnonzero(unknown[codes])[0])
    example = f"{name} row {row}: image {shown(distinct[codes[row]])}"
    rows = int(unknown[codes].sum())
    if annotations.complete:
        raise DataError(f"{example} is not in the annotations' list of images ({rows:,} such rows)")
    if not (place_of >= 0).any():
        raise DataError(f"{example} has no annotation, nor has any other; are these detections of another dataset?")
    notes.append(
        f"{rows:,} detections lie in {unknown.sum():,} images without annotation; without a list of all images "
        "(--images) a misspelt name would look the same"
    )


def unmeasured(annotations: Annotations) -> list[str]:
    """Remarks on the classes added to the dataset's (`data.classes`) that no annotated pair measures."""
    groups = annotations.groups
    without = sorted(groups.added - set(annotations.pairs.hoi.tolist()))
    if not without:
        return []
    names = [groups.vocabulary.hoi(hoi_id).name for hoi_id in without]
    shown_names = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return [f"added classes that no annotated pair measures, so they have no AP: {shown_names}"]


def _remarks(pairs: Pairs, scores: Floats, annotations: Annotations) -> list[str]:
    if not len(annotations.pairs):
        return ["there is no annotated pair: no class has an AP"]
    notes = remarks.of_rows(
        pairs.image, scores, annotated=np.unique(annotations.pairs.image), repeated=repeated(pairs, scores)
    )
    if not len(pairs):
        return notes
    flat = sum((boxes[:, 2:] == boxes[:, :2]).any(axis=1) for boxes in (pairs.human, pairs.object))
    if flat.any():
        notes.append(f"{(flat > 0).sum():,} detections have a box without area: they match nothing")
    annotated = np.unique(annotations.pairs.hoi)
    without = np.setdiff1d(annotated, pairs.hoi)
    if len(without):
        notes.append(f"{len(without)} of {len(annotated)} annotated classes have no detection: their AP is 0")
    return notes
