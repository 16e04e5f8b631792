"""Writes canonical tables in every layout, each by its documented format: the readers' counterpart, for tests."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.io

from pipeline.datasets.hico import tables
from pipeline.datasets.hico.tables import BOXES, PAIRS, Tables, image_id, split_of
from pipeline.datasets.hico.vocabulary import COCO_IDS, HICO

Image = tuple[str, int, int]
"""File name, width, height."""
Pair = tuple[str, int, tuple[int, ...], tuple[int, ...]]
"""File name, hoi_id, human box, object box; 1-based inclusive."""


def canonical(images: list[Image], pairs: list[Pair]) -> Tables:
    """The tables that a reader must give back, built independently of `pipeline.datasets.hico.rows`."""
    known = {name: (image_id(name), width, height) for name, width, height in images}
    counts = Counter(p[0] for p in pairs)
    image_rows = sorted((split_of(n), i, n, w, h, counts[n]) for n, (i, w, h) in known.items())
    image_rows.sort(key=lambda row: row[1])
    ordered = sorted(pairs, key=lambda p: (known[p[0]][0], p[1]))  # stable, so source order within a class
    rows = []
    for number, (name, hoi, human, thing) in enumerate(ordered):
        of = HICO.classes[hoi]
        rows.append((number, known[name][0], name, *known[name][1:], hoi, of.verb_id, of.object_id, *human, *thing))
    columns = ["split", "image_id", "file_name", "width", "height", "n_pairs"]
    return Tables(pd.DataFrame(image_rows, columns=columns), pd.DataFrame(rows, columns=PAIRS.names))


def same(found: Tables, expected: Tables) -> None:
    """Assert equality of every value; integer widths may differ."""
    columns = expected.images.columns.tolist()
    pd.testing.assert_frame_equal(found.images[columns], expected.images, check_dtype=False)
    pd.testing.assert_frame_equal(found.pairs[PAIRS.names], expected.pairs, check_dtype=False)


def without_sizes(expected: Tables, *, empty_only: bool) -> Tables:
    """As a layout tells it that has no sizes, or none of images without pairs."""
    images = expected.images.copy()
    images.loc[(images["n_pairs"] == 0) | (not empty_only), ["width", "height"]] = 0
    pairs = expected.pairs if empty_only else expected.pairs.assign(width=0, height=0)
    return Tables(images, pairs)


_COLUMNS = ["hoi_id", "verb_id", "object_id", *BOXES]


def _by_image(table: Tables) -> list[tuple[Any, list[tuple[int, ...]]]]:
    """Every image with its pairs as (hoi_id, verb_id, object_id, human box, object box) in plain integers."""
    groups: dict[str, list[tuple[int, ...]]] = {name: [] for name in table.images["file_name"]}
    for name, *row in zip(table.pairs["file_name"], *(table.pairs[c].tolist() for c in _COLUMNS), strict=True):
        groups[name].append(tuple(row))
    return [(row, groups[row.file_name]) for row in table.images.itertuples(index=False)]


def upt(table: Tables, *, alphabetical: bool = False) -> dict[str, Any]:
    """`instances_<split>2015.json`."""
    names = sorted(HICO.object_names) if alphabetical else list(HICO.object_names)
    index = [names.index(name) for name in HICO.object_names]
    found = _by_image(table)
    return {
        "annotation": [
            {
                "boxes_h": [list(map(float, row[3:7])) for row in rows],
                "boxes_o": [list(map(float, row[7:])) for row in rows],
                "hoi": [row[0] for row in rows],
                "object": [index[row[2]] for row in rows],
                "verb": [row[1] for row in rows],
            }
            for _, rows in found
        ],
        "filenames": [image.file_name for image, _ in found],
        "empty": [i for i, (_, rows) in enumerate(found) if not rows],
        "objects": [name.replace("_", " ") for name in names] if alphabetical else names,
        "verbs": list(HICO.verb_names),
        "correspondence": [[c.hoi_id, index[c.object_id], c.verb_id] for c in HICO.classes],
        "size": [[int(image.width), int(image.height)] for image, _ in found],
    }


def hake(table: Tables) -> dict[str, Any]:
    """`hico-det-training-set-instance-level.json`."""
    return {
        image.file_name: {
            "dataset": "hico-det",
            "path_prefix": "hico_20160224_det/images/train2015",
            "labels": [
                {
                    "human_bbox": list(row[3:7]),
                    "object_bbox": list(row[7:]),
                    "hoi_id": row[0] + 1,
                    "width": int(image.width),
                    "height": int(image.height),
                    "action_labels": [{"human_part": 0, "partstate": 0}],
                }
                for row in rows
            ],
        }
        for image, rows in _by_image(table)
    }


def ppdm(table: Tables, *, shift: int, text_categories: bool = False) -> list[dict[str, Any]]:
    """`trainval_hico.json` (shift 1) or `test_hico.json` (shift 0): equal boxes of an image are one box."""
    found = []
    for image, rows in _by_image(table):
        boxes: dict[tuple[int, ...], int] = {}
        pairs = []
        for row in rows:
            corners = [x - shift for x in row[3:]]
            ends = [(1, *corners[:4]), (COCO_IDS[row[2]], *corners[4:])]
            subject, thing = (boxes.setdefault(end, len(boxes)) for end in ends)
            pairs.append(
                {
                    "subject_id": subject,
                    "object_id": thing,
                    "category_id": row[1] + 1,
                    "hoi_category_id": row[0] + 1,
                }
            )
        annotations = [
            {"bbox": list(box[1:]), "category_id": f"{box[0]}\n" if text_categories else box[0]} for box in boxes
        ]
        found.append(
            {
                "file_name": image.file_name,
                "img_id": int(image.file_name[-12:-4]),
                "annotations": annotations,
                "hoi_annotation": pairs,
            }
        )
    return found


def matlab(path: Path, table: Tables) -> None:
    """`anno_bbox.mat`: an interaction a class of an image; boxes listed once and linked by position."""
    scipy.io.savemat(path, {f"bbox_{s}": _mat_split(table.of(s)) for s in ("train", "test")}, do_compression=True)


def _struct(rows: list[dict[str, Any]], fields: tuple[str, ...]) -> np.ndarray:
    found = np.zeros((1, len(rows)), dtype=[(name, object) for name in fields])
    for i, row in enumerate(rows):
        for name in fields:
            found[0, i][name] = row[name]
    return found


def _mat_split(table: Tables) -> np.ndarray:
    images = []
    for image, rows in _by_image(table):
        size = {"width": np.uint16([[image.width]]), "height": np.uint16([[image.height]]), "depth": np.uint8([[3]])}
        interactions = [_interaction(hoi, list(group)) for hoi, group in groupby(rows, key=lambda row: row[0])]
        # What could not be boxed is listed too, without boxes.
        interactions.append({"id": np.uint16([[1]]), "bboxhuman": np.zeros((0, 0)), "bboxobject": np.zeros((0, 0)),
                             "connection": np.zeros((0, 0)), "invis": np.uint8([[1]])})  # fmt: skip
        hoi = _struct(interactions, ("id", "bboxhuman", "bboxobject", "connection", "invis"))
        images.append({"filename": image.file_name, "size": _struct([size], tuple(size)), "hoi": hoi})
    return _struct(images, ("filename", "size", "hoi"))


def _interaction(hoi: int, group: list[tuple[int, ...]]) -> dict[str, Any]:
    sides = [[row[3:7] for row in group], [row[7:] for row in group]]
    listed = [list(dict.fromkeys(boxes)) for boxes in sides]
    links = [[have.index(box) + 1 for have, box in zip(listed, pair, strict=True)] for pair in zip(*sides, strict=True)]
    boxes = [
        _struct(
            [{k: np.uint16([[v]]) for k, v in zip(("x1", "y1", "x2", "y2"), box, strict=True)} for box in have],
            ("x1", "x2", "y1", "y2"),
        )
        for have in listed
    ]
    return {
        "id": np.uint16([[hoi + 1]]),
        "bboxhuman": boxes[0],
        "bboxobject": boxes[1],
        "connection": np.uint8(links),
        "invis": np.uint8([[0]]),
    }


def as_json(path: Path, value: Any) -> Path:
    """Write JSON and return where."""
    path.write_text(json.dumps(value))
    return path


def as_parquet(folder: Path, table: Tables) -> Path:
    """Write the canonical Parquet files and return the pairs'."""
    folder.mkdir(exist_ok=True)
    return next(path for path in tables.write(folder, table) if path.name == "pairs.parquet")
