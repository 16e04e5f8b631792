"""Annotations and detections in formats that other tools read.

COCO: `instances_<split>.json` is an ordinary COCO file (pycocotools reads it): images, the objects as categories (COCO's
80 under its own ids 1..90), and every distinct annotated box as [x, y, width, height] in continuous pixels. Beyond COCO's
keys it has those of `coco-rel/1.0` (docs/own-data.md): verbs, relations between annotations, and classes under their ids.
`detections_<split>.json` is a list of COCO results for `COCO.loadRes`.

Parquet: the canonical tables of `pipeline.datasets.hico.tables`, boxes as 1-based inclusive pixels; HICO-DET alone.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from pipeline.datasets.dataset import BOXES, CORNERS, SPLITS
from pipeline.datasets.hico import tables
from pipeline.datasets.hico.tables import Tables, split_of
from pipeline.datasets.own import write
from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.store.artifact import Artifact
from pipeline.vocabulary.vocabulary import PERSON, Vocabulary


def coco(
    annotations: Artifact, out: Path, *, vocabulary: Vocabulary, detections: Artifact | None = None
) -> dict[Path, str]:
    """Write the COCO files of both splits; returns {file: what is in it}."""
    written = {}
    out.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        mine = [annotations.table(f"{split}-{name}.parquet") for name in ("images", "objects", "pairs")]
        about = str(annotations.manifest.metrics.get("source", ""))
        value = _instances(*mine, vocabulary=vocabulary, about=about, split=split)
        path = out / f"instances_{split}.json"
        write.write(path, value)
        images, boxes, pairs = (len(value[key]) for key in ("images", "annotations", "rel_annotations"))
        written[path] = f"{images:,} images, {boxes:,} annotations, {pairs:,} pairs"
        if detections is not None:
            path = out / f"detections_{split}.json"
            found = _results(detections.table(f"{split}.parquet"), _categories(vocabulary))
            _dump(path, found)
            written[path] = f"{len(found):,} boxes of detections/{detections.fingerprint[:12]}"
    return written


def parquet(annotations: Artifact, out: Path) -> dict[Path, str]:
    """Write `images.parquet` and `pairs.parquet`; DataError if these are not HICO-DET's images."""
    images, pairs = (
        pd.concat([annotations.table(f"{s}-{name}.parquet").assign(split=s) for s in SPLITS], ignore_index=True)
        for name in ("images", "pairs")
    )
    names = images["file_name"].map(lambda path: PurePosixPath(path).name)
    if names.map(split_of).isna().any():
        raise DataError("--format parquet is HICO-DET's canonical form; these are other images. Use --format coco.")
    images = images.assign(file_name=names)
    pairs = pairs.assign(**tables.pixels(pairs[BOXES])).merge(
        images[["image_id", "file_name", "width", "height"]], on="image_id"
    )
    out.mkdir(parents=True, exist_ok=True)
    paths = tables.write(out, Tables(images, pairs))
    return {path: f"{len(table):,} rows" for path, table in zip(paths, (images, pairs), strict=True)}


def _instances(
    images: pd.DataFrame, boxes: pd.DataFrame, pairs: pd.DataFrame, *, vocabulary: Vocabulary, about: str, split: str
) -> dict[str, Any]:
    placed = boxes.assign(id=range(1, len(boxes) + 1))
    linked = _linked(pairs, placed)
    relations = linked.assign(subject=linked["subject"] - 1, object=linked["object"] - 1)
    in_split = images.assign(split=split)
    numbers = _categories(vocabulary)
    return write.value(in_split, boxes, relations, vocabulary=vocabulary, about=about, categories=numbers)


def _linked(pairs: pd.DataFrame, placed: pd.DataFrame) -> pd.DataFrame:
    """Pairs with the annotation ids of their two boxes, found by their exact corners."""
    where = ["image_id", "object_id", *CORNERS]
    for side, name in (("h", "subject"), ("o", "object")):
        ids = placed[[*where, "id"]].rename(columns={"id": name} | {c: f"{side}{c}" for c in CORNERS})
        on = ["image_id", *(f"{side}{c}" for c in CORNERS)]
        if side == "h":
            ids = ids[ids["object_id"] == PERSON].drop(columns="object_id")
        else:
            on.append("object_id")
        pairs = pairs.merge(ids.drop_duplicates(on), on=on, how="left", validate="many_to_one")
    if pairs[["subject", "object"]].isna().any(axis=None):
        raise DataError("a pair's box is not among the annotated boxes: the annotations artifact contradicts itself")
    return pairs.astype({"subject": "int64", "object": "int64"})


def _results(found: pd.DataFrame, categories: list[int]) -> list[dict[str, Any]]:
    rows = zip(_rows(found, ["image_id", "object_id", "score"]), _sizes(found), strict=True)
    return [
        {"image_id": image, "category_id": categories[thing], "bbox": box, "score": score}
        for (image, thing, score), box in rows
    ]


def _categories(vocabulary: Vocabulary) -> list[int]:
    """The category id of every object: COCO's own where each object has one for itself, else 1, 2, 3, ..."""
    numbers = [thing.coco_id for thing in vocabulary.objects if thing.coco_id is not None]
    own = len(set(numbers)) == len(vocabulary.objects)
    return numbers if own else list(range(1, len(vocabulary.objects) + 1))


def _sizes(boxes: pd.DataFrame) -> list[list[float]]:
    """[x, y, width, height] of every row, as plain numbers."""
    x1, y1, x2, y2 = (boxes[c].astype("float64") for c in CORNERS)
    return pd.DataFrame({"x": x1, "y": y1, "w": x2 - x1, "h": y2 - y1}).to_numpy().tolist()


def _rows(table: pd.DataFrame, columns: list[str]) -> list[tuple[Any, ...]]:
    """Rows as tuples of Python's own types, which JSON needs."""
    return list(zip(*(table[c].tolist() for c in columns), strict=True))


def _dump(path: Path, value: Any) -> None:
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, allow_nan=False), encoding="utf-8")
