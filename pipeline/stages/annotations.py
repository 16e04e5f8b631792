"""Stage `annotations`: the dataset as Parquet tables, the same for every dataset (`pipeline/datasets/dataset.py`).

    images.parquet     image_id, split, file_name (relative to data.root), width, height, n_pairs, file_bytes
    pairs.parquet      pair_id, image_id, split, hoi_id, verb_id, object_id, hx1 .. hy2, ox1 .. oy2 (continuous pixels)
    objects.parquet    image_id, split, object_id, x1 .. y2: every distinct annotated box, people (object 0) included
    classes.parquet    the classes, their counts, whether rare, and in which settings of the dataset they are unseen
    presence.parquet   image_id, split, hoi_id, object_id: which classes an image shows, with or without boxes
    leakage.json       what touches unseen classes, by setting of the dataset (`pipeline/datasets/leakage.py`)
    faults.parquet     file, row, what: what was left out (HICO-DET with data.faults = skip)
    pixels-<split>-*   image_id, png: images that no file has, such as rendered ones

`artifacts/README.md` has the schemas. Resumes at the shard of rendered images.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets import classes, leakage, sources
from pipeline.datasets.dataset import BOXES, CORNERS, SPLITS, Dataset, SplitTables
from pipeline.tables import arrays
from pipeline.vocabulary import settings
from pipeline.vocabulary.settings import DEFAULT
from pipeline.vocabulary.vocabulary import Vocabulary
from pipeline.work.work import Work

SHARD = 200
"""Drawn images a shard."""
_IMAGES = ["image_id", "split", "file_name", "width", "height", "n_pairs", "file_bytes"]
_PAIRS = ["pair_id", "image_id", "split", "hoi_id", "verb_id", "object_id", *BOXES]


def run(work: Work) -> dict[str, Any]:
    """Write the tables; metrics are counts and the source."""
    vocabulary = classes.vocabulary(work.inputs["vocabulary"])
    dataset = sources.dataset(work.config.data)
    parts: dict[str, SplitTables] = {}
    for split in SPLITS:
        with work.clock("read"):
            parts[split] = dataset.tables(split)
        if dataset.drawn:
            _draw(work, dataset, split, parts[split].images["image_id"].tolist())
    with work.clock("write"):
        faults = dataset.faults()
        if faults is not None:
            faults.to_parquet(work.out / "faults.parquet", index=False)
        counts = _write_tables(work, parts, vocabulary, dataset.rare)
    return counts | dataset.about()


def _draw(work: Work, dataset: Dataset, split: str, ids: list[int]) -> None:
    """Keep the pictures of a split, shard by shard."""
    for shard, start in enumerate(range(0, len(ids), SHARD)):
        name, mine = f"pixels-{split}-{shard:03d}.parquet", ids[start : start + SHARD]
        if work.pieces.digest_of(name) is None:
            with work.clock("compute"):
                pngs = [_png(dataset, image_id) for image_id in mine]
            with work.clock("write"), work.pieces.writing(name) as temporary:
                arrays.put(temporary, {"image_id": mine, "png": pngs})
        work.hand_over(name)
        work.progress(start + len(mine), len(ids), f"{split} images")


def _png(dataset: Dataset, image_id: int) -> bytes:
    buffer = io.BytesIO()
    dataset.open(image_id).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _write_tables(
    work: Work, parts: dict[str, SplitTables], vocabulary: Vocabulary, rare: frozenset[int] | None
) -> dict[str, Any]:
    images, pairs, boxes, presence = (
        pd.concat([getattr(part, name).assign(split=split) for split, part in parts.items()], ignore_index=True)
        for name in ("images", "pairs", "boxes", "presence")
    )
    own = settings.read(work.inputs["vocabulary"].path("settings.json"))
    counts = {split: pairs[pairs["split"] == split]["hoi_id"].value_counts() for split in SPLITS}
    unseen = {name: hidden for name, hidden in own.items() if name != DEFAULT}
    class_table = classes.frame(vocabulary, train=counts["train"], test=counts["test"], unseen=unseen, rare=rare)
    _write(work, "images", images[_IMAGES])
    _write(work, "pairs", pairs.assign(pair_id=range(len(pairs)))[_PAIRS].astype(dict.fromkeys(BOXES, "float32")))
    _write(
        work, "objects", boxes[["image_id", "split", "object_id", *CORNERS]].astype(dict.fromkeys(CORNERS, "float32"))
    )
    _write(work, "presence", presence[["image_id", "split", "hoi_id", "object_id"]])
    _write(work, "classes", class_table)
    training = pairs[pairs["split"] == "train"]
    leaks = leakage.reports(training, vocabulary=vocabulary, unseen={**unseen, DEFAULT: frozenset()})
    (work.out / "leakage.json").write_text(json.dumps(leaks, indent=1), encoding="utf-8")
    return {
        "images": len(images),
        "pairs": len(pairs),
        "classes": len(class_table),
        "classes_with_test_pairs": int((class_table["test_count"] > 0).sum()),
    }


def _write(work: Work, name: str, table: pd.DataFrame) -> None:
    """Parquet with the box convention in the schema's metadata."""
    found = pa.Table.from_pandas(table, preserve_index=False)
    found = found.replace_schema_metadata({**(found.schema.metadata or {}), "box_convention": "continuous"})
    pq.write_table(found, work.out / f"{name}.parquet", compression="zstd")
