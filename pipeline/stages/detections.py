"""Stage `detections`: a detector's raw boxes, labels and scores, with a table for each split.

    <split>.parquet    image_id, object_id, score, x1 .. y2 (pixels); people have object 0
    detector.json      whose boxes they are (`pipeline/boxes/detector_identity.py`)
    report.json        how good they are against the annotated boxes of the test split, and the ceiling of HOI recall

Nothing is filtered: thresholds and non-maximum suppression (`pairing`) are applied where the boxes are used, so that they
can change without a new detection. `hub` resumes at the shard, and helpers may compute some of them.
`noisy_truth` (`pipeline/boxes/noisy.py`) is no detector, and the metrics say so.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.boxes import configured_detector, detector_identity, imported, noisy, quality
from pipeline.boxes.imported import COLUMNS
from pipeline.datasets import classes
from pipeline.datasets.dataset import CORNERS, SPLITS
from pipeline.datasets.images import of_splits
from pipeline.tables import arrays
from pipeline.vocabulary.vocabulary import PERSON
from pipeline.work import helpers, shards
from pipeline.work.shards import Shard
from pipeline.work.stream import stream
from pipeline.work.work import Work

if TYPE_CHECKING:
    from models.detector import Prepared

BATCH = 8
"""How many images a forward pass has."""


def run(work: Work) -> dict[str, Any]:
    """Write the tables; metrics are counts, the detector and its report's main figures."""
    annotations, section = work.inputs["annotations"], work.config.detections
    with work.clock("read"):
        objects = classes.objects(work.inputs["vocabulary"])
        images = {split: annotations.table(f"{split}-images.parquet") for split in SPLITS}
        boxes = {split: annotations.table(f"{split}-objects.parquet") for split in SPLITS}
        every_image, every_box = (pd.concat(tables.values(), ignore_index=True) for tables in (images, boxes))
    left_out: list[str] = []
    if section.source == "hub":
        found, left_out = _detected(work)
        whose = json.loads((work.scratch / detector_identity.FILE).read_text(encoding="utf-8"))
    else:
        whose = detector_identity.identity(work.config)
        with work.clock("compute"):
            if section.source in ("parquet", "coco"):
                found = imported.read(section, every_image, objects)
            elif section.source == "ground_truth":
                found = every_box.assign(score=1.0)
            else:
                found = noisy.boxes(every_box, every_image, section, work.config.seed, labels=_labels(work))
    metrics: dict[str, Any] = {"source": section.source, "detector": detector_identity.line(whose)}
    for split in SPLITS:
        table = _of_images(found, images[split])
        with work.clock("write"):
            table.to_parquet(work.out / f"{split}.parquet", index=False)
        metrics[f"{split}_boxes"] = len(table)
    with work.clock("compute"):
        report = quality.report(
            found=found,
            images=images["test"],
            boxes=boxes["test"],
            pairs=annotations.table("test-pairs.parquet"),
            objects=objects,
            split="test",
        )
    for name, value in ((detector_identity.FILE, whose), ("report.json", report)):
        (work.out / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return metrics | {"left_out": left_out} | quality.summary(report)


def _of_images(found: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    table = found[found["image_id"].isin(images["image_id"])][COLUMNS].sort_values(
        ["image_id", "score"], ascending=[True, False]
    )
    return table.astype({"score": "float32"} | dict.fromkeys(CORNERS, "float32"))


def compute(work: Work) -> int:
    """Compute this process's part of the shards, with what a detector finds in every image; return how many these were."""
    net = configured_detector.load(work.config, classes.objects(work.inputs["vocabulary"]), _labels(work).tolist())
    if work.pieces.digest_of(detector_identity.FILE) is None:
        with work.pieces.writing(detector_identity.FILE) as temporary:
            temporary.write_text(json.dumps(detector_identity.identity(work.config, net)), encoding="utf-8")
    images = of_splits(work.inputs["annotations"], root=work.config.data.root)

    def read(shard: Shard, image_id: int) -> Prepared:
        return net.prepare(images[shard.split].open(image_id))

    def detect(shard: Shard, ids: list[int], prepared: list[Prepared]) -> dict[str, np.ndarray]:
        found = net.detect(prepared)
        columns = {"image_id": np.repeat(np.array(ids), [len(scores) for _, scores, _ in found])}
        boxes, scores, labels = (np.concatenate([part.numpy() for part in parts]) for parts in zip(*found, strict=True))
        return columns | {"object_id": labels, "score": scores} | {c: boxes[:, i] for i, c in enumerate(CORNERS)}

    return stream(work, shards.plan_of(images), read=read, compute=detect, batch=BATCH)


def _detected(work: Work) -> tuple[pd.DataFrame, list[str]]:
    helpers.compute_all(work, compute)
    plan = shards.plan_of(of_splits(work.inputs["annotations"], root=work.config.data.root))
    left_out = shards.gather(work, plan)
    tables = []
    for shard in plan:
        tables.append(pd.DataFrame(arrays.read(work.out / shard.name)))
        (work.out / shard.name).unlink()
    return pd.concat(tables, ignore_index=True), list(left_out.values())


def _labels(work: Work) -> np.ndarray:
    """The objects of the dataset's classes, people first, which a detector has to know."""
    return np.union1d([PERSON], classes.objects_of_classes(work.inputs["vocabulary"]))
