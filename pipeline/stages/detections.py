"""Stage `detections`: a detector's raw boxes, labels and scores, with a table for each split.

    <split>.parquet    image_id, object_id, score, x1 .. y2 (pixels); people have object 0
    detector.json      whose boxes they are (`pipeline/boxes/detector_identity.py`)
    report.json        how good they are against the annotated boxes of the test split, and the ceiling of HOI recall

Nothing is filtered: thresholds and non-maximum suppression (`pairing`) are applied where the boxes are used, so that they
can change without a new detection. `hub` resumes at the shard, and helpers may compute some of them.
`noisy_truth` is the annotated boxes with a detector's errors: shifted edges, missed boxes, false boxes, and scores that
tell true from false as imperfectly as a detector's. It is no detector, and the metrics say so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.boxes import configured_detector, detector_identity, imported, quality
from pipeline.boxes.imported import COLUMNS
from pipeline.config.detections import Detections
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
                found = _noisy(every_box, every_image, section, work.config.seed, labels=_labels(work))
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


# --- a detector ----------------------------------------------------------------------------------------------------


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


# --- simulated -----------------------------------------------------------------------------------------------------


def _labels(work: Work) -> np.ndarray:
    """The objects of the dataset's classes, people first, which a detector has to know."""
    return np.union1d([PERSON], classes.objects_of_classes(work.inputs["vocabulary"]))


def _noisy(
    boxes: pd.DataFrame, images: pd.DataFrame, section: Detections, seed: int, *, labels: np.ndarray
) -> pd.DataFrame:
    """Annotated boxes with a detector's errors; a false box has one of the `labels`.

    Every image has its own random stream and the labels are those of the dataset, so its boxes do not depend on other images.
    """
    order = np.argsort(boxes["image_id"].to_numpy(), kind="stable")
    own = boxes["image_id"].to_numpy()[order]
    drawn = _Drawn()
    for image_id in images["image_id"].tolist():
        start, end = np.searchsorted(own, image_id, side="left"), np.searchsorted(own, image_id, side="right")
        drawn.image(np.random.default_rng([seed, image_id]), image_id, order[start:end], section, labels)
    sizes = images.set_index("image_id")[["width", "height"]]
    true, false = _moved(boxes, sizes, drawn), _placed(sizes, drawn)
    # As they were drawn: an image's true boxes, then its false ones.
    both = pd.concat([true, false], ignore_index=True)
    both = both.assign(place=both["image_id"].map(pd.Series(np.arange(len(images)), images["image_id"])))
    return both.sort_values("place", kind="stable", ignore_index=True)[COLUMNS]


@dataclass
class _Drawn:
    """The random numbers of all images; only these are drawn image by image."""

    rows: list[int] = field(default_factory=list)
    """Annotated boxes that are found, and of each the shift of its edges in box sizes, and its score."""
    shifts: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    """Images of false boxes, and of each the share of the image in width and height, its place, object and score."""
    shares: list[np.ndarray] = field(default_factory=list)
    places: list[np.ndarray] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    false_scores: list[float] = field(default_factory=list)

    def image(
        self, rng: np.random.Generator, image_id: int, rows: np.ndarray, section: Detections, labels: np.ndarray
    ) -> None:
        """Draw the errors in one image with those annotated boxes."""
        for row in rows.tolist():
            if rng.random() < section.miss:
                continue
            self.rows.append(row)
            self.shifts.append(rng.normal(0, section.jitter, 4))
            self.scores.append(rng.beta(9, 1.6))
        for _ in range(rng.poisson(section.false_boxes)):
            self.images.append(image_id)
            self.shares.append(rng.uniform(0.12, 0.45, 2))
            self.places.append(rng.uniform(0, 1, 2))
            self.labels.append(int(rng.choice(labels)))
            self.false_scores.append(rng.beta(2.2, 4))


def _moved(boxes: pd.DataFrame, sizes: pd.DataFrame, drawn: _Drawn) -> pd.DataFrame:
    """The annotated boxes that are found, moved; a box that would have no size left stays where it was."""
    found = boxes.iloc[drawn.rows]
    exact = found[CORNERS].to_numpy(np.float64)
    moved = exact + np.reshape(drawn.shifts, (-1, 4)) * np.tile(exact[:, 2:] - exact[:, :2], 2)
    moved = np.clip(moved, 0, np.tile(sizes.loc[found["image_id"]].to_numpy(), 2))
    whole = (moved[:, 2:] - moved[:, :2] > 2).all(axis=1)
    corners = np.where(whole[:, None], moved, exact)
    return found[["image_id", "object_id"]].assign(score=drawn.scores, **dict(zip(CORNERS, corners.T, strict=True)))


def _placed(sizes: pd.DataFrame, drawn: _Drawn) -> pd.DataFrame:
    """The false boxes, at their places."""
    extent = sizes.loc[drawn.images].to_numpy()
    size = np.reshape(drawn.shares, (-1, 2)) * extent
    start = np.reshape(drawn.places, (-1, 2)) * (extent - size)
    corners = dict(zip(CORNERS, np.concatenate([start, start + size], axis=1).T, strict=True))
    return pd.DataFrame(
        {"image_id": drawn.images, "object_id": drawn.labels, "score": drawn.false_scores} | corners
    ).astype({"image_id": "int64", "object_id": "int64"})
