"""What detections are evaluated against: annotated pairs, the list of images, and who is unseen.

Read from any of

- a Parquet table with one row an annotated pair: ``file_name`` (or ``image``) or ``image_id``, ``hoi_id``, the eight box
  columns, and optionally ``split``. Boxes are continuous pixels unless the schema's metadata (or the caller) says
  ``box_convention = pixel1_inclusive``;
- a folder with such a ``pairs.parquet`` beside ``images.parquet`` (``image_id``, ``file_name``, ``split``) and
  ``classes.parquet``: an ``annotations`` artifact of the store;
- ``instances_test2015.json`` (or ``.json.gz``), the layout of UPT and EZ-HOI.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.hico.splits import SETTINGS, rare, unseen
from pipeline.hico.vocabulary import hoi_classes
from pipeline.metrics.matching import Pairs
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX, read_pairs

Convention = Literal["continuous", "pixel1_inclusive"]
FIRST_CORNERS = ("hx1", "hy1", "ox1", "oy1")


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The groups of classes that means are taken over."""

    classes: tuple[int, ...]
    """Every ``hoi_id`` that is evaluated."""
    unseen: Mapping[str, frozenset[int]]
    """Classes without training labels, by zero-shot setting."""
    rare: frozenset[int]
    train_count: Mapping[int, int]
    hico: bool
    """Whether these are HICO-DET's own classes, splits and counts, so that published numbers may stand beside."""


def hico_groups() -> Groups:
    """HICO-DET's 600 classes."""
    counts = {c.hoi_id: c.train_count for c in hoi_classes()}
    return Groups(
        classes=tuple(range(len(hoi_classes()))),
        unseen={setting: unseen(setting) for setting in SETTINGS},
        rare=rare(),
        train_count=counts,
        hico=True,
    )


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """The ground truth of one split. Images are numbered by their place in ``images``."""

    pairs: Pairs
    images: pd.DataFrame
    """``file_name`` (str or None) and ``image_id`` (int or None), one row an image, in the dataset's order."""
    complete: bool
    """Whether ``images`` lists every image of the split; else only those with an annotated pair are known."""
    elsewhere: frozenset[Any] = frozenset()
    """File names and ids of images that belong to another split."""
    groups: Groups = field(default_factory=hico_groups)
    notes: tuple[str, ...] = ()

    @property
    def presence(self) -> pd.DataFrame:
        """``image_id`` (place) and ``object_id`` of every annotated pair."""
        things = np.array([c.object_id for c in hoi_classes()])
        return pd.DataFrame({"image_id": self.pairs.image, "object_id": things[self.pairs.hoi]})


def read(
    path: Path, *, images: Path | None = None, split: str = "test", convention: Convention | None = None
) -> Annotations:
    """Annotations of one split from any known layout.

    Arguments:
        path: a Parquet file, a folder of them, or UPT's JSON.
        images: Parquet list of all images (``file_name`` and/or ``image_id``, optionally ``split``).
        split: which rows of tables with a ``split`` column count: those whose split starts with this word.
        convention: overrides what the file says of its boxes.

    Raises:
        DataError: the file cannot be read, a column is missing, or a row is malformed (the message names it).
    """
    if not path.exists():
        raise DataError(
            f"{path}: no such file or folder; annotations are Parquet, a folder with pairs.parquet, or JSON"
        )
    if path.is_dir():
        return _read_folder(path, images or path / "images.parquet", split, convention)
    if path.suffixes[-1:] == [".json"] or path.suffixes[-2:] == [".json", ".gz"]:
        return _read_upt(path, convention)
    pairs, notes = _table(path, split, convention)
    listed = _images(images, split) if images else None
    return _annotations(path, pairs, listed, hico_groups(), notes)


def _read_folder(folder: Path, images: Path, split: str, convention: Convention | None) -> Annotations:
    pairs, notes = _table(folder / "pairs.parquet", split, convention)
    classes = folder / "classes.parquet"
    groups = _groups(_parquet(classes)) if classes.exists() else hico_groups()
    listed = _images(images, split) if images.exists() else None
    return _annotations(folder / "pairs.parquet", pairs, listed, groups, notes)


def _annotations(
    path: Path,
    pairs: pd.DataFrame,
    listed: tuple[pd.DataFrame, frozenset[Any]] | None,
    groups: Groups,
    notes: Collection[str],
) -> Annotations:
    keys = [key for key in ("file_name", "image_id") if key in pairs]
    if not keys:
        raise DataError(f"{path}: no column file_name or image_id; columns are {', '.join(pairs.columns)}")
    images, elsewhere = listed if listed else (pairs[keys].drop_duplicates(keys[0], ignore_index=True), frozenset())
    key = next((k for k in keys if k in images), None)
    if key is None:
        raise DataError(f"{path}: its images are given by {', '.join(keys)}, those of the list of images are not")
    place = pd.Index(images[key]).get_indexer(pairs[key])
    if (place < 0).any():
        row = int(np.flatnonzero(place < 0)[0])
        raise DataError(f"{path} row {row}: image {pairs[key].iloc[row]!r} is not in the list of images")
    try:
        read = read_pairs(pairs.assign(image_id=place), np.array(groups.classes), table=str(path))
    except ValueError as error:
        raise DataError(str(error)) from None
    return Annotations(
        pairs=read,
        images=images,
        complete=listed is not None,
        elsewhere=elsewhere,
        groups=groups,
        notes=tuple(notes),
    )


def _table(path: Path, split: str, convention: Convention | None) -> tuple[pd.DataFrame, list[str]]:
    """Annotated pairs of a split in continuous pixels, and remarks."""
    frame = _of_split(_parquet(path), split, path).rename(columns={"image": "file_name"})
    corners = [c for c in (*HUMAN_BOX, *OBJECT_BOX) if c in frame]
    metadata = pq.read_schema(path).metadata or {}
    stated = convention or (metadata.get(b"box_convention") or b"").decode() or None
    notes = []
    if stated is None and corners and all(frame[c].dtype.kind in "iu" for c in corners):
        notes.append(
            f"{path.name}: boxes are whole numbers and are taken for continuous pixels; if they are HICO-DET's own "
            "1-based inclusive ones, say so with --annotation-boxes pixel1_inclusive"
        )
    if stated not in (None, "continuous", "pixel1_inclusive"):
        raise DataError(f"{path}: box_convention {stated!r} is not known; use continuous or pixel1_inclusive")
    if stated == "pixel1_inclusive":
        frame = frame.assign(**{c: frame[c].astype(np.float64) - 1 for c in FIRST_CORNERS if c in frame})
    return frame, notes


def _images(path: Path, split: str) -> tuple[pd.DataFrame, frozenset[Any]]:
    """The images of the split, and the keys of all others."""
    frame = _parquet(path).rename(columns={"image": "file_name"})
    keys = [key for key in ("file_name", "image_id") if key in frame]
    if not keys:
        raise DataError(f"{path}: no column file_name or image_id; columns are {', '.join(frame.columns)}")
    mine = _of_split(frame, split, path)
    others = frame.loc[frame.index.difference(mine.index)]
    mine = mine[keys].drop_duplicates(keys[0], ignore_index=True)
    elsewhere = {value for key in keys for value in others[key].tolist()}
    return mine, frozenset(elsewhere.difference(*(mine[key].tolist() for key in keys)))


def _of_split(frame: pd.DataFrame, split: str, path: Path) -> pd.DataFrame:
    if "split" not in frame:
        return frame
    chosen = frame[frame["split"].astype(str).str.startswith(split)]
    if chosen.empty and len(frame):
        found = ", ".join(sorted(map(str, frame["split"].unique())))
        raise DataError(f"{path}: no row of split {split!r}; splits are {found}")
    return chosen


def _groups(table: pd.DataFrame) -> Groups:
    """The groups that a `classes.parquet` tells."""
    counts = dict(zip(table["hoi_id"].tolist(), table["train_count"].tolist(), strict=True))
    if len(counts) == len(hoi_classes()):
        return hico_groups()
    hidden = {s: frozenset(table.loc[table[s], "hoi_id"].tolist()) for s in SETTINGS if s in table}
    return Groups(
        classes=tuple(sorted(counts)),
        unseen={"default": frozenset()} | hidden,
        rare=frozenset(h for h, n in counts.items() if n < 10),
        train_count=counts,
        hico=False,
    )


def _read_upt(path: Path, convention: Convention | None) -> Annotations:
    content = read_json(path)
    try:
        rows = [
            (name, hoi, *human, *thing)
            for name, entry in zip(content["filenames"], content["annotation"], strict=True)
            for hoi, human, thing in zip(entry["hoi"], entry["boxes_h"], entry["boxes_o"], strict=True)
        ]
        names = list(content["filenames"])
        frame = pd.DataFrame(rows, columns=["file_name", "hoi_id", *HUMAN_BOX, *OBJECT_BOX])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not the layout of instances_test2015.json ({error!r})") from error
    if (convention or "pixel1_inclusive") == "pixel1_inclusive":
        frame = frame.assign(**{c: frame[c].astype(np.float64) - 1 for c in FIRST_CORNERS})
    return _annotations(path, frame, (pd.DataFrame({"file_name": names}), frozenset()), hico_groups(), ())


def read_json(path: Path) -> Any:
    """A JSON file's value, gzip or not; DataError naming the file."""
    try:
        raw = path.read_bytes()
        return json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from error
