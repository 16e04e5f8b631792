"""Stage `annotations`: the dataset as Parquet tables, the same for HICO-DET and for the rendered world.

    images.parquet     image_id, split, file_name (relative to data.root), width, height, n_pairs, file_bytes
    pairs.parquet      pair_id, image_id, split, hoi_id, verb_id, object_id, hx1 .. hy2, ox1 .. oy2 (continuous pixels)
    objects.parquet    image_id, split, object_id, x1 .. y2: every distinct annotated box, people (object 0) included
    classes.parquet    the classes, their counts, whether rare, and in which settings they are unseen
    presence.parquet   image_id, split, hoi_id, object_id: which classes an image shows, with or without boxes
    leakage.json       what touches unseen classes, by setting (`pipeline/datasets/leakage.py`)
    faults.parquet     file, row, what: what was left out (HICO-DET with data.faults = skip)
    pixels-<split>-*   image_id, png: rendered images only

`artifacts/README.md` has the schemas. Resumes at the shard of rendered images.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets import classes, leakage
from pipeline.datasets.hico import dataset, splits
from pipeline.datasets.hico.tables import BOXES, CONTINUOUS, CORNERS, continuous
from pipeline.datasets.hico.vocabulary import hoi_classes
from pipeline.datasets.world.classes import unseen as world_unseen
from pipeline.datasets.world.classes import world_classes
from pipeline.datasets.world.scenes import Scene, draw, sample
from pipeline.tables import arrays
from pipeline.work.work import Work

SHARD = 200
"""Scenes a shard."""
SETTINGS = ("rf_uc", "nf_uc", "uo", "uv")
_IMAGES = ["image_id", "split", "file_name", "width", "height", "n_pairs", "file_bytes"]
_PAIRS = ["pair_id", "image_id", "split", "hoi_id", "verb_id", "object_id", *BOXES]


def run(work: Work) -> dict[str, Any]:
    """Write the tables; metrics are counts and the source."""
    return _hico(work) if work.config.data.source == "hico" else _world(work)


def _hico(work: Work) -> dict[str, Any]:
    settings = work.config.data
    with work.clock("read"):
        found = dataset.load(settings.root, annotations=settings.annotations, skip=settings.faults == "skip")
    images = found.tables.images.drop(columns="file_name").rename(columns={"path": "file_name"})
    pairs = found.tables.pairs.merge(images[["image_id", "split"]], on="image_id")
    pairs = pairs.assign(**continuous(pairs[BOXES]))
    if found.labels is None:
        presence = _presence(pairs)
    else:
        presence = found.labels.presence[found.labels.presence["image_id"].isin(images["image_id"])]
    faults = pd.DataFrame([vars(fault) for fault in found.faults], columns=["file", "row", "what"], dtype="str")
    with work.clock("write"):
        faults.to_parquet(work.out / "faults.parquet", index=False)
        counts = _write_tables(
            work,
            images=images,
            pairs=pairs,
            objects=_distinct_boxes(pairs),
            presence=presence,
            hois=range(len(hoi_classes())),
            unseen={setting: splits.unseen(setting) for setting in SETTINGS},
            rare=splits.rare(),
        )
    return counts | {
        "source": "HICO-DET: " + "; ".join(f"{s.split} from {s.file.name} ({s.layout})" for s in found.sources),
        "notes": "; ".join(f"{s.file.name}: {note}" for s in found.sources for note in s.notes),
        "presence": "labels of whole images (anno.mat)" if found.labels else "annotated pairs (no anno.mat)",
        "faults": len(faults),
        "image_files": int((images["file_bytes"] > 0).sum()),
        "images_without_size": int((images["width"] == 0).sum()),
    }


def _distinct_boxes(pairs: pd.DataFrame) -> pd.DataFrame:
    """Each box once: HICO-DET repeats a person's or an object's box for every pair it is in."""
    sides = (("h", pairs.assign(object_id=0)), ("o", pairs))
    boxes = [
        rows[["image_id", "split", "object_id"]].assign(**{c: rows[f"{side}{c}"] for c in CORNERS})
        for side, rows in sides
    ]
    return pd.concat(boxes).drop_duplicates().sort_values(["image_id", "object_id"], kind="stable", ignore_index=True)


def _presence(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs[["image_id", "split", "hoi_id", "object_id"]].drop_duplicates(ignore_index=True)


def _world(work: Work) -> dict[str, Any]:
    plan = [("train", work.config.data.world.train_images), ("test", work.config.data.world.test_images)]
    images: list[tuple[Any, ...]] = []
    pairs: list[tuple[Any, ...]] = []
    objects: list[tuple[Any, ...]] = []
    total, done, first_id = sum(n for _, n in plan), 0, 0
    for split, count in plan:
        for shard, start in enumerate(range(0, count, SHARD)):
            scenes = [_scene(work, split, i) for i in range(start, min(start + SHARD, count))]
            ids = list(range(first_id + start, first_id + start + len(scenes)))
            _render(work, f"pixels-{split}-{shard:03d}.parquet", ids, scenes)
            for image_id, scene in zip(ids, scenes, strict=True):
                name = f"{split}/{image_id:06d}.png"
                images.append((image_id, split, name, scene.width, scene.height, len(scene.pairs), 0))
                pairs += _pair_rows(len(pairs), image_id, split, scene)
                objects += _box_rows(image_id, split, scene)
            done += len(scenes)
            work.progress(done, total, f"{split} scenes")
        first_id += count
    pair_table = pd.DataFrame(pairs, columns=_PAIRS)
    with work.clock("write"):
        counts = _write_tables(
            work,
            images=pd.DataFrame(images, columns=_IMAGES),
            pairs=pair_table,
            objects=pd.DataFrame(objects, columns=["image_id", "split", "object_id", *CORNERS]),
            presence=_presence(pair_table),
            hois=[c.hoi_id for c in world_classes()],
            unseen={setting: world_unseen(setting) for setting in SETTINGS},
            rare=None,
        )
    return counts | {"source": "rendered world: synthetic scenes, not photographs"}


def _scene(work: Work, split: str, index: int) -> Scene:
    with work.clock("compute"):
        return sample(split=split, index=index, style=work.config.data.world.style)


def _render(work: Work, name: str, ids: list[int], scenes: list[Scene]) -> None:
    if work.pieces.digest_of(name) is None:
        pngs = []
        with work.clock("compute"):
            for scene in scenes:
                buffer = io.BytesIO()
                draw(scene).save(buffer, format="PNG", compress_level=1)
                pngs.append(buffer.getvalue())
        with work.clock("write"), work.pieces.writing(name) as temporary:
            arrays.put(temporary, {"image_id": ids, "png": pngs})
    work.hand_over(name)


def _pair_rows(first: int, image_id: int, split: str, scene: Scene) -> list[tuple[Any, ...]]:
    rows = []
    for pair_id, pair in enumerate(scene.pairs, first):
        hoi = hoi_classes()[pair.hoi_id]
        boxes = (*scene.humans[pair.human], *scene.objects[pair.object][1])
        rows.append((pair_id, image_id, split, hoi.hoi_id, hoi.verb_id, hoi.object_id, *boxes))
    return rows


def _box_rows(image_id: int, split: str, scene: Scene) -> list[tuple[Any, ...]]:
    people = [(image_id, split, 0, *box) for box in scene.humans]
    return people + [(image_id, split, object_id, *box) for object_id, box in scene.objects]


def _write_tables(
    work: Work,
    *,
    images: pd.DataFrame,
    pairs: pd.DataFrame,
    objects: pd.DataFrame,
    presence: pd.DataFrame,
    hois: Any,
    unseen: dict[str, frozenset[int]],
    rare: frozenset[int] | None,
) -> dict[str, Any]:
    counts = {s: pairs[pairs["split"] == s]["hoi_id"].value_counts() for s in ("train", "test")}
    class_table = classes.frame(hois, train=counts["train"], test=counts["test"], unseen=unseen, rare=rare)
    _write(work, "images", images[_IMAGES])
    _write(work, "pairs", pairs[_PAIRS].astype(dict.fromkeys(BOXES, "float32")))
    _write(work, "objects", objects.astype(dict.fromkeys(CORNERS, "float32")))
    _write(work, "presence", presence)
    _write(work, "classes", class_table)
    leaks = leakage.reports(pairs[pairs["split"] == "train"], hois=hois, unseen={**unseen, "default": frozenset()})
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
    found = found.replace_schema_metadata({**(found.schema.metadata or {}), "box_convention": CONTINUOUS})
    pq.write_table(found, work.out / f"{name}.parquet", compression="zstd")
