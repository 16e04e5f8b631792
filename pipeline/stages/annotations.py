"""Stage `annotations`: the dataset as Parquet tables, the same for every dataset (`pipeline/datasets/dataset.py`).

    <split>-images.parquet     image_id, file_name (relative to data.root), width, height, n_pairs, file_bytes, and
                               `exhaustive` where some image's annotation is not
    <split>-pairs.parquet      pair_id, image_id, hoi_id, verb_id, object_id, hx1 .. hy2, ox1 .. oy2 (continuous pixels)
    <split>-objects.parquet    image_id, object_id, x1 .. y2: every distinct annotated box, people (object 0) included
    <split>-presence.parquet   image_id, hoi_id, object_id: which classes an image shows, with or without boxes
    classes.parquet            the classes, their training pairs, whether rare, and in which of the dataset's settings unseen
    test-counts.parquet        hoi_id, test_count: the test pairs of every class
    leakage.json               what touches unseen classes, by setting of the dataset (`pipeline/datasets/leakage.py`)
    faults.parquet             file, row, what: what was left out (HICO-DET with data.faults = skip)
    pixels-<split>-*           image_id, png: images that no file has, such as rendered ones

Each split has its tables, and files without a split in their name come from the training split, so that other test images
change no file that a training reads. `artifacts/README.md` has the schemas. Resumes at the shard of rendered images.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets import classes, coco_split, configured, leakage
from pipeline.datasets.dataset import BOXES, CORNERS, SPLITS, Dataset, SplitTables
from pipeline.datasets.images import EXHAUSTIVE, UPRIGHT
from pipeline.tables import arrays
from pipeline.vocabulary import settings
from pipeline.vocabulary.settings import DEFAULT
from pipeline.vocabulary.vocabulary import Vocabulary
from pipeline.work.work import Work

SHARD = 200
"""How many rendered images a shard has."""
_IDS = (
    "pair_id",
    "image_id",
    "hoi_id",
    "verb_id",
    "object_id",
    "width",
    "height",
    "n_pairs",
    "file_bytes",
    "test_count",
)
_TYPES = dict.fromkeys(_IDS, pa.int64()) | dict.fromkeys([*BOXES, *CORNERS], pa.float32()) | {"file_name": pa.string()}
_TYPES |= {EXHAUSTIVE: pa.bool_()}
COLUMNS = {
    "images": ("image_id", "file_name", "width", "height", "n_pairs", "file_bytes"),
    "pairs": ("pair_id", "image_id", "hoi_id", "verb_id", "object_id", *BOXES),
    "objects": ("image_id", "object_id", *CORNERS),
    "presence": ("image_id", "hoi_id", "object_id"),
}
"""The columns of a split's tables."""


def run(work: Work) -> dict[str, Any]:
    """Write the tables; metrics are counts and the source."""
    vocabulary = classes.of_dataset(work.inputs["vocabulary"])
    dataset = configured.dataset(work.config.data)
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
        first = 0
        for split, tables in parts.items():
            _write_split(work, split, tables, first_pair=first, upright=dataset.upright)
            first += len(tables.pairs)
        _write_classes(work, parts, vocabulary, dataset.rare)
        tested = _write_test_counts(work, parts["test"].pairs, vocabulary)
    return {
        "images": sum(len(tables.images) for tables in parts.values()),
        "pairs": first,
        "classes": len(vocabulary.classes),
        "classes_with_test_pairs": tested,
    } | dataset.about()


def _draw(work: Work, dataset: Dataset, split: str, ids: list[int]) -> None:
    """Write the rendered pictures of a split, shard by shard."""
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


def _write_split(work: Work, split: str, tables: SplitTables, *, first_pair: int, upright: bool) -> None:
    """Write the tables of a split; pairs are numbered through both splits."""
    numbered = tables.pairs.assign(pair_id=range(first_pair, first_pair + len(tables.pairs)))
    found = {"images": tables.images, "pairs": numbered, "objects": tables.boxes, "presence": tables.presence}
    for name, always in COLUMNS.items():
        columns = [*always, *(column for column in (EXHAUSTIVE,) if column in found[name])]
        schema = pa.schema([(c, _TYPES[c]) for c in columns])
        metadata = {UPRIGHT: b"true"} if upright and name == "images" else {}
        _write(work, f"{split}-{name}", found[name][columns], schema, metadata)


def _write_classes(
    work: Work, parts: Mapping[str, SplitTables], vocabulary: Vocabulary, rare: frozenset[int] | None
) -> None:
    """Write what the training pairs tell about the classes, and the leakage report by the names of test images."""
    training = parts["train"].pairs
    own = settings.read(work.inputs["vocabulary"].path("settings.json"))
    unseen = {name: hidden for name, hidden in own.items() if name != DEFAULT}
    counts = training["hoi_id"].value_counts()
    _write(work, "classes", classes.frame(vocabulary, train=counts, unseen=unseen, rare=rare))
    data = work.config.data
    val2017 = None if data.source == "world" else data.val2017
    tested = coco_split.tested(parts["test"].images["file_name"], val2017)
    leaks = leakage.reports(training, vocabulary=vocabulary, unseen={**unseen, DEFAULT: frozenset()}, tested=tested)
    (work.out / "leakage.json").write_text(json.dumps(leaks, indent=1), encoding="utf-8")


def _write_test_counts(work: Work, pairs: pd.DataFrame, vocabulary: Vocabulary) -> int:
    """Write how many test pairs each class has; return how many classes have any."""
    counts = pairs["hoi_id"].value_counts().reindex(vocabulary.ids, fill_value=0)
    table = pd.DataFrame({"hoi_id": vocabulary.ids, "test_count": counts.to_numpy()})
    _write(work, "test-counts", table, pa.schema([(c, _TYPES[c]) for c in table]))
    return int((counts > 0).sum())


def _write(
    work: Work,
    name: str,
    table: pd.DataFrame,
    schema: pa.Schema | None = None,
    metadata: Mapping[bytes, bytes] = MappingProxyType({}),
) -> None:
    """Write Parquet with the box convention in the schema's metadata; without a schema, columns have the types of pandas."""
    found = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
    found = found.replace_schema_metadata({**(found.schema.metadata or {}), "box_convention": "continuous", **metadata})
    pq.write_table(found, work.out / f"{name}.parquet", compression="zstd")
