"""The ground truth of an evaluation: annotated pairs, the list of images, and which classes are unseen.

It is read from any of

- a Parquet table with a row for each annotated pair: ``file_name`` (or ``image``) or ``image_id``, ``hoi_id``, the eight box
  columns, and optionally ``split``. The schema's metadata (or the caller) may say ``box_convention``; without it, whole
  numbers are HICO-DET's own 1-based inclusive pixels and floats are continuous;
- a folder with such tables, one a split: ``test-pairs.parquet`` beside ``test-images.parquet`` (``image_id``, ``file_name``),
  ``test-presence.parquet`` and ``classes.parquet``, as an ``annotations`` artifact of the store has them; or one for all
  splits: ``pairs.parquet``, ``images.parquet``, ``presence.parquet``, with a column ``split``;
- any annotation file that :mod:`pipeline.datasets.hico.layouts` reads: UPT's and EZ-HOI's ``instances_test2015.json``, HAKE's
  and PPDM's JSON, ``anno_bbox.mat``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.datasets.hico.layouts import detect
from pipeline.datasets.hico.layouts.detect import Labels
from pipeline.datasets.hico.tables import BOXES, LOW, image_id
from pipeline.errors import DataError
from pipeline.metrics import annotation_files, split_rows
from pipeline.metrics.annotation_files import Tables
from pipeline.metrics.groups import Groups, groups_of_table, hico_groups
from pipeline.metrics.matching import Pairs
from pipeline.metrics.tables import read_pairs, repeated
from pipeline.outside import columns, file_names, pixels
from pipeline.outside.parsing import shown
from pipeline.store.artifact import Artifact
from pipeline.vocabulary.settings import Settings
from pipeline.vocabulary.vocabulary import Vocabulary

SIZE = ("width", "height")
COLUMNS = ("file_name", "image", "image_id", "split", *SIZE, "hoi_id", *BOXES)
"""The columns that are read of Parquet tables."""
Convention = Literal["continuous", "pixel1_inclusive"]


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """The ground truth of one split. Images are numbered by their place in ``images``."""

    pairs: Pairs
    images: pd.DataFrame
    """``file_name`` (str or None) and ``image_id`` (int or None), a row for each image, in the dataset's order; ``width`` and
    ``height`` where they are known, 0 for an image of which they are not."""
    complete: bool
    """Whether ``images`` lists every image of the split; else only those with an annotated pair are known."""
    elsewhere: frozenset[Any] = frozenset()
    """File names and ids of images that belong to another split."""
    groups: Groups = field(default_factory=hico_groups)
    labels: pd.DataFrame | None = None
    """``image`` (place) and ``hoi_id``: image-level labels, boxes visible or not; None where there are none."""
    notes: tuple[str, ...] = ()

    @property
    def presence(self) -> pd.DataFrame:
        """``image_id`` (place) and ``object_id`` of every object that is known to be in an image."""
        image, hoi = (self.pairs.image, self.pairs.hoi)
        if self.labels is not None:
            image, hoi = (self.labels[c].to_numpy(dtype=np.int64) for c in ("image", "hoi_id"))
        things = self.groups.object_of
        return pd.DataFrame({"image_id": image, "object_id": things[hoi]}).drop_duplicates(ignore_index=True)

    @property
    def presence_says(self) -> str:
        """The source of :attr:`presence`; labels that were made from the pairs do not count as labels."""
        columns = ["image_id", "object_id"]
        shown, paired = (a.presence.sort_values(columns).to_numpy() for a in (self, replace(self, labels=None)))
        return "annotated pairs" if np.array_equal(shown, paired) else "labels of whole images"


def read(
    path: Path,
    *,
    images: Path | None = None,
    image_labels: Path | None = None,
    split: str = "test",
    convention: Convention | None = None,
    vocabulary: Vocabulary | None = None,
    settings: Settings = MappingProxyType({}),
) -> Annotations:
    """Read the annotations of one split from any known layout.

    Arguments:
        path: see above.
        images: Parquet list of all images (``file_name`` and/or ``image_id``, optionally ``split``).
        image_labels: HICO's ``anno.mat``, whose labels say which objects an image shows (known-object mode).
        split: which rows of tables with a ``split`` column count: those of this split, or, if there are none, those of the
            split that starts with this word (``test2015``).
        convention: overrides what the file says about its boxes.
        vocabulary: the vocabulary of a folder's classes, if more is known than its ``classes.parquet`` tells.
        settings: zero-shot settings beside those of the folder.

    Raises:
        DataError: the file cannot be read, a column is missing, or a row is malformed (the message names it).
    """
    if not path.exists():
        raise DataError(
            f"{path}: no such file or folder; annotations are Parquet, a folder with {split}-pairs.parquet, or JSON"
        )
    if path.is_dir() or path.suffix.lower() == ".parquet":
        tables = annotation_files.in_folder(path, split) if path.is_dir() else Tables(pairs=path)
        presence = None if image_labels else tables.presence
        tables = replace(tables, images=images or tables.images, presence=presence)
        found = _of_tables(tables, split, vocabulary=vocabulary, settings=settings, convention=convention)
    else:
        found = _annotations(path, *_layout(path, split), hico_groups())
    if image_labels is None:
        return found
    if not found.groups.of_hico:
        raise DataError(f"{image_labels}: its labels are of HICO-DET's classes, and {path} has others")
    return _labelled(found, _image_labels(image_labels, split))


def of_artifact(
    artifact: Artifact,
    *,
    split: str = "test",
    others: bool = True,
    vocabulary: Vocabulary | None = None,
    settings: Settings = MappingProxyType({}),
) -> Annotations:
    """Read the annotations of one split from an artifact of stage `annotations`, wherever its store is (see `read`).

    With `others`, images of other splits are recognised as such; without it, nothing of another split is read.
    """
    tables = annotation_files.in_artifact(artifact, split, others=others)
    return _of_tables(tables, split, vocabulary=vocabulary, settings=settings)


def _of_tables(
    tables: Tables,
    split: str,
    *,
    vocabulary: Vocabulary | None,
    settings: Settings,
    convention: Convention | None = None,
) -> Annotations:
    classes, presence = tables.classes, tables.presence
    groups = (
        groups_of_table(_parquet(classes, columns.names(classes)), vocabulary, settings) if classes else hico_groups()
    )
    pairs, notes = _table(tables.pairs, split, convention)
    listed = _images(tables.images, split) if tables.images else None
    if listed and "split" not in pairs:
        pairs = _without(pairs, *listed)
    found = _annotations(tables.pairs, pairs, listed, notes, groups)
    others = [_parquet(path) for path in tables.others]
    elsewhere = {
        value
        for table in others
        for key in ("file_name", "image_id")
        if key in found.images and key in table
        for value in table[key].tolist()
    }
    found = replace(found, elsewhere=found.elsewhere | elsewhere)
    return _labelled(found, split_rows.of(_parquet(presence), split, presence)) if presence else found


def _layout(path: Path, split: str) -> tuple[pd.DataFrame, tuple[pd.DataFrame, frozenset[Any]] | None, list[str]]:
    """Pairs and images of one of the field's annotation files, and remarks."""
    rows = detect.read(path)
    if isinstance(rows, Labels):
        raise DataError(f"{path}: labels of whole images without boxes; annotated pairs are needed")
    everything = rows.tables()
    rows.faults.stop_if_any()
    tables = everything.of(split)
    if tables.images.empty:
        raise DataError(f"{path}: no image of split {shown(split)}")
    pairs = tables.pairs.assign(**{c: tables.pairs[c].astype(np.float64) - (c in LOW) for c in BOXES})
    others = everything.images[everything.images["split"] != split]
    elsewhere = frozenset([*others["file_name"], *others["image_id"]])
    # PPDM's files leave out the images without pairs, so theirs is no list of all.
    listed = None if rows.layout == "ppdm" else (tables.images[["file_name", "image_id", *SIZE]], elsewhere)
    return pairs.astype({"file_name": str}), listed, list(rows.notes)


def _image_labels(path: Path, split: str) -> pd.DataFrame:
    """``file_name`` and ``hoi_id`` of the positive labels of `anno.mat`."""
    found = detect.read(path)
    if not isinstance(found, Labels):
        raise DataError(f"{path}: HICO's anno.mat with labels of whole images is needed")
    names = {image_id(name): name for name in found.lists.get(split, ())}
    rows = found.presence[found.presence["split"] == split]
    return pd.DataFrame({"file_name": rows["image_id"].map(names), "hoi_id": rows["hoi_id"]})


def _labelled(found: Annotations, labels: pd.DataFrame) -> Annotations:
    """The annotations with labels of whole images, placed in the list of images; those of other images are left out."""
    what = "labels of whole images"
    key = next((k for k in ("file_name", "image_id") if k in labels and k in found.images), None)
    if key is None:
        raise DataError(f"{what} and the annotations do not name images alike (file_name or image_id)")
    if "hoi_id" not in labels:
        raise DataError(f"{what}: no column hoi_id; columns are {', '.join(labels.columns)}")
    hoi, place = labels["hoi_id"].to_numpy(), _find(found.images, labels, key, what)
    known = np.flatnonzero(found.groups.object_of >= 0)
    if len(wrong := np.flatnonzero((place >= 0) & ~np.isin(hoi, known))):
        raise DataError(f"{what} row {wrong[0]}: hoi_id {hoi[wrong[0]]} is none of the {len(known)} classes")
    labelled = replace(found, labels=pd.DataFrame({"image": place, "hoi_id": hoi})[place >= 0])
    return replace(labelled, notes=(*found.notes, *_unlabelled(found, labelled)))


def _unlabelled(found: Annotations, labelled: Annotations) -> list[str]:
    """A remark on annotated pairs whose object their image is not labelled with: known-object mode cannot find them."""
    keys = ["image_id", "object_id"]
    known = pd.MultiIndex.from_frame(labelled.presence[keys])
    things = found.groups.vocabulary.object_of[found.pairs.hoi]
    lacking = int((~pd.MultiIndex.from_arrays([found.pairs.image, things]).isin(known)).sum())
    if not lacking:
        return []
    return [
        f"{lacking:,} of {len(found.pairs):,} annotated pairs lie in images that are not labelled with their object: in "
        "known-object mode no detection can find them"
    ]


def _annotations(
    path: Path,
    pairs: pd.DataFrame,
    listed: tuple[pd.DataFrame, frozenset[Any]] | None,
    notes: Collection[str],
    groups: Groups,
) -> Annotations:
    keys = [key for key in ("file_name", "image_id") if key in pairs]
    if not keys:
        raise DataError(f"{path}: no column file_name or image_id; columns are {', '.join(pairs.columns)}")
    images, elsewhere = listed if listed else (pairs[keys].drop_duplicates(keys[0], ignore_index=True), frozenset())
    key = next((k for k in keys if k in images), None)
    if key is None:
        raise DataError(f"{path}: its images are given by {', '.join(keys)}, those of the list of images are not")
    place = _find(images, pairs, key, str(path))
    if (place < 0).any():
        row = int(np.flatnonzero(place < 0)[0])
        raise DataError(f"{path} row {row}: image {shown(pairs[key].iloc[row])} is not in the list of images")
    try:
        read = read_pairs(pairs.assign(image_id=place), np.array(groups.classes), table=str(path))
    except ValueError as error:
        raise DataError(str(error)) from None
    demand_pixels(read, images, str(path))
    if twice := repeated(read):
        notes = [
            *notes,
            f"{twice:,} annotated pairs repeat another one exactly: a detection can match only one of the copies; the others "
            "count as missed",
        ]
    return Annotations(
        pairs=read,
        images=images,
        complete=listed is not None,
        elsewhere=elsewhere,
        groups=groups,
        notes=tuple(notes),
    )


def demand_pixels(pairs: Pairs, images: pd.DataFrame, table: str) -> None:
    """DataError if the pairs' boxes are fractions or of resized images, as far as the list of images has sizes."""
    size = None
    if set(SIZE) <= set(images.columns):
        known = np.vstack([images[list(SIZE)].to_numpy(dtype=np.float64), np.zeros((1, 2))])
        size = known[np.where(pairs.image < len(images), pairs.image, -1)]
    around = np.empty_like(pairs.human)
    np.minimum(pairs.human[:, :2], pairs.object[:, :2], out=around[:, :2])
    np.maximum(pairs.human[:, 2:], pairs.object[:, 2:], out=around[:, 2:])
    pixels.demand(around, size, table=table)


def _find(images: pd.DataFrame, rows: pd.DataFrame, key: str, table: str) -> NDArray[np.int64]:
    """The places of the rows' images in a list of images; -1 where they are not in it."""
    codes, distinct = pd.factorize(rows[key])
    if key == "file_name":
        places = file_names.places(distinct, images[key].tolist(), table=table)
    else:
        if twice := images[key][images[key].duplicated()].tolist():
            raise DataError(f"the list of images has the image_id {shown(twice[0])} twice; keep one")
        places = pd.Index(images[key]).get_indexer(pd.Index(distinct)).astype(np.int64)
    return np.append(places, -1)[codes]  # -1, where nothing is named, is the last


def _table(path: Path, split: str, convention: Convention | None) -> tuple[pd.DataFrame, list[str]]:
    """Annotated pairs of a split in continuous pixels, and remarks."""
    frame = split_rows.of(_parquet(path), split, path)
    corners = [c for c in BOXES if c in frame]
    schema = pq.read_schema(path)
    stated = convention or ((schema.metadata or {}).get(b"box_convention") or b"").decode(errors="replace") or None
    notes = (
        [f"{path.name} has a column score: are these annotations, or detections?"] if "score" in schema.names else []
    )
    if stated is None and corners and all(frame[c].dtype.kind in "iu" for c in corners):
        stated = "pixel1_inclusive"
        notes.append(
            f"{path.name}: boxes are whole numbers, so they are taken for HICO-DET's 1-based inclusive pixels "
            "(--annotation-boxes continuous says otherwise)"
        )
    if stated not in (None, "continuous", "pixel1_inclusive"):
        raise DataError(f"{path}: box_convention {shown(stated)} is not known; use continuous or pixel1_inclusive")
    if stated == "pixel1_inclusive":
        frame = frame.assign(**{c: frame[c].astype(np.float64) - 1 for c in LOW if c in frame})
    return frame, notes


def _without(pairs: pd.DataFrame, images: pd.DataFrame, elsewhere: Collection[Any]) -> pd.DataFrame:
    """The pairs of a table without a split, less those whose images the list has in another split."""
    key = next((key for key in ("file_name", "image_id") if key in pairs and key in images), None)
    if key is None:
        return pairs
    others = sorted(value for value in elsewhere if isinstance(value, str) == (key == "file_name"))
    every = pd.DataFrame({key: [*images[key].tolist(), *others]})
    return pairs[_find(every, pairs, key, "pairs") < len(images)]


def _images(path: Path, split: str) -> tuple[pd.DataFrame, frozenset[Any]]:
    """The images of the split, and the keys of all others."""
    frame = _parquet(path)
    keys = [key for key in ("file_name", "image_id") if key in frame]
    if not keys:
        raise DataError(f"{path}: no column file_name or image_id; columns are {', '.join(frame.columns)}")
    mine = split_rows.of(frame, split, path)
    others = frame.loc[frame.index.difference(mine.index)]
    mine = mine[[*keys, *(c for c in SIZE if c in mine)]].drop_duplicates(keys[0], ignore_index=True)
    try:
        mine = mine.assign(**{c: columns.numbers(mine, c, str(path), missing=True) for c in SIZE if c in mine})
    except ValueError as error:
        raise DataError(str(error)) from None
    elsewhere = {value for key in keys for value in others[key].tolist()}
    return mine, frozenset(elsewhere.difference(*(mine[key].tolist() for key in keys)))


def _parquet(path: Path, wanted: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Read the known columns, with `image` under its other name `file_name`; DataError if there is none."""
    frame = columns.read(path, wanted)
    if "file_name" not in frame and "image" in frame:
        frame = frame.rename(columns={"image": "file_name"})
    if frame.columns.empty:
        raise DataError(f"{path}: none of its columns is known; columns are {', '.join(columns.names(path)) or 'none'}")
    if "file_name" in frame:
        frame = frame.assign(
            file_name=frame["file_name"].map(lambda n: n.decode(errors="replace") if isinstance(n, bytes) else n)
        )
    whole = ["hoi_id"] if "hoi_id" in frame else []
    if "image_id" in frame and "file_name" not in frame and not pd.api.types.is_string_dtype(frame["image_id"]):
        whole.append("image_id")
    try:
        return frame.assign(**{column: columns.whole(frame, column, str(path)) for column in whole})
    except ValueError as error:
        raise DataError(str(error)) from None
