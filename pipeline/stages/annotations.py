"""Stage `annotations`: the dataset as Parquet tables, the same for HICO-DET and for the rendered world.

    images.parquet     image_id, split, file_name, width, height
    pairs.parquet      image_id, split, hoi_id, verb_id, object_id, hx1 .. hy2, ox1 .. oy2 (pixels)
    objects.parquet    image_id, split, object_id, x1 .. y2: every annotated box, people (object 0) included
    classes.parquet    the classes, their counts and in which settings they are unseen
    pixels-<split>-*   image_id, png: rendered images only

Resumes at the shard of rendered images.
"""

from __future__ import annotations

import io
from typing import Any

import pandas as pd

from pipeline import arrays, classes
from pipeline.errors import DataError
from pipeline.hico.vocabulary import hoi_classes
from pipeline.work import Work
from pipeline.world.classes import unseen as world_unseen
from pipeline.world.classes import world_classes
from pipeline.world.scenes import Scene, draw, sample

SHARD = 200
"""Scenes a shard."""
SETTINGS = ("rf_uc", "nf_uc", "uo", "uv")


def run(work: Work) -> dict[str, Any]:
    """Write the tables; metrics are counts."""
    if work.config.data.source == "hico":
        raise DataError(
            "data.source = hico: reading HICO-DET from disk is not part of this version. Use --profile demo."
        )
    plan = [("train", work.config.data.world.train_images), ("test", work.config.data.world.test_images)]
    images, pairs, objects = [], [], []
    total, done, first_id = sum(n for _, n in plan), 0, 0
    for split, count in plan:
        for shard, start in enumerate(range(0, count, SHARD)):
            scenes = [_scene(work, split, i) for i in range(start, min(start + SHARD, count))]
            ids = list(range(first_id + start, first_id + start + len(scenes)))
            _render(work, f"pixels-{split}-{shard:03d}.parquet", ids, scenes)
            for image_id, scene in zip(ids, scenes, strict=True):
                images.append((image_id, split, f"{split}/{image_id:06d}.png", scene.width, scene.height))
                pairs += _pair_rows(image_id, split, scene)
                objects += _box_rows(image_id, split, scene)
            done += len(scenes)
            work.progress(done, total, f"{split} scenes")
        first_id += count
    with work.clock("write"):
        return _write_tables(work, images, pairs, objects)


def _scene(work: Work, split: str, index: int) -> Scene:
    with work.clock("compute"):
        return sample(split=split, index=index, style=work.config.data.world.style)


def _render(work: Work, name: str, ids: list[int], scenes: list[Scene]) -> None:
    kept = work.scratch / name
    if not kept.exists():
        pngs = []
        with work.clock("compute"):
            for scene in scenes:
                buffer = io.BytesIO()
                draw(scene).save(buffer, format="PNG", compress_level=1)
                pngs.append(buffer.getvalue())
        with work.clock("write"):
            arrays.write(kept, {"image_id": ids, "png": pngs})
    (work.out / name).hardlink_to(kept)


def _pair_rows(image_id: int, split: str, scene: Scene) -> list[tuple[Any, ...]]:
    rows = []
    for pair in scene.pairs:
        hoi = hoi_classes()[pair.hoi_id]
        object_box = scene.objects[pair.object][1]
        rows.append((image_id, split, hoi.hoi_id, hoi.verb_id, hoi.object_id, *scene.humans[pair.human], *object_box))
    return rows


def _box_rows(image_id: int, split: str, scene: Scene) -> list[tuple[Any, ...]]:
    people = [(image_id, split, 0, *box) for box in scene.humans]
    return people + [(image_id, split, object_id, *box) for object_id, box in scene.objects]


def _write_tables(work: Work, images: list[Any], pairs: list[Any], objects: list[Any]) -> dict[str, Any]:
    corners = ["x1", "y1", "x2", "y2"]
    image_table = pd.DataFrame(images, columns=["image_id", "split", "file_name", "width", "height"])
    columns = ["image_id", "split", "hoi_id", "verb_id", "object_id"]
    pair_table = pd.DataFrame(pairs, columns=columns + [f"h{c}" for c in corners] + [f"o{c}" for c in corners])
    pair_table = pair_table.astype({f"{side}{c}": "float32" for side in "ho" for c in corners})
    object_table = pd.DataFrame(objects, columns=["image_id", "split", "object_id", *corners])
    object_table = object_table.astype(dict.fromkeys(corners, "float32"))
    counts = {s: pair_table[pair_table["split"] == s]["hoi_id"].value_counts() for s in ("train", "test")}
    class_table = classes.frame(
        [c.hoi_id for c in world_classes()],
        train=counts["train"],
        test=counts["test"],
        unseen={setting: world_unseen(setting) for setting in SETTINGS},
    )
    for name, table in (
        ("images", image_table),
        ("pairs", pair_table),
        ("objects", object_table),
        ("classes", class_table),
    ):
        table.to_parquet(work.out / f"{name}.parquet", index=False)
    return {
        "source": "rendered world: synthetic scenes, not photographs",
        "images": len(image_table),
        "pairs": len(pair_table),
        "classes": len(class_table),
        "classes_with_test_pairs": int((class_table["test_count"] > 0).sum()),
    }
