"""The rendered world as somebody's own pictures: PNG files and a `coco-rel` file beside them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.config.data import World as WorldSection
from pipeline.datasets.dataset import SPLITS
from pipeline.datasets.own import write
from pipeline.datasets.world.dataset import World

CORNERS = ["x1", "y1", "x2", "y2"]


def make(root: Path, *, train: int, test: int, splits: bool = True) -> World:
    """Draw pictures into `root` and write `own.json`; returns the world that they are of."""
    world = World(WorldSection(train_images=train, test_images=test))
    tables = {split: world.tables(split) for split in SPLITS}
    images = pd.concat([tables[split].images.assign(split=split) for split in SPLITS], ignore_index=True)
    boxes = pd.concat([tables[split].boxes for split in SPLITS], ignore_index=True)
    pairs = pd.concat([tables[split].pairs for split in SPLITS], ignore_index=True)
    place = {(*map(float, row),): i for i, row in enumerate(boxes[["image_id", "object_id", *CORNERS]].to_numpy())}
    ends = {
        "subject": pairs[["image_id"]].assign(object_id=0).join(pairs[[f"h{c}" for c in CORNERS]]),
        "object": pairs[["image_id", "object_id"]].join(pairs[[f"o{c}" for c in CORNERS]]),
    }
    linked = {name: [place[(*map(float, row),)] for row in table.to_numpy()] for name, table in ends.items()}
    relations = pairs[["image_id", "verb_id"]].assign(**linked)
    for image_id, name in zip(images["image_id"], images["file_name"], strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        world.open(image_id).save(root / name)
    tables_out = [table.assign(image_id=table["image_id"] + 1) for table in (images, boxes, relations)]
    if not splits:
        tables_out[0] = tables_out[0].drop(columns="split")
    write.write(root / "own.json", write.value(*tables_out, vocabulary=world.vocabulary, about="the rendered world"))
    return world
