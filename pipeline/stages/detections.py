"""Stage `detections`: boxes, labels and scores of every image, one table a split.

    <split>.parquet    image_id, object_id, score, x1 .. y2 (pixels); people have object 0

`noisy_truth` is the annotated boxes with a detector's errors: shifted edges, missed boxes, false boxes, and scores that
tell true from false as imperfectly as a detector's. It is no detector, and the metrics say so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import ConfigError, DataError
from pipeline.sections.data import Detections
from pipeline.work import Work

CORNERS = ["x1", "y1", "x2", "y2"]
COLUMNS = ["image_id", "object_id", "score", *CORNERS]


def run(work: Work) -> dict[str, Any]:
    """Write the tables; metrics are counts and the source."""
    with work.clock("read"):
        images = work.inputs["annotations"].table("images.parquet")
        boxes = work.inputs["annotations"].table("objects.parquet")
    settings = work.config.detections
    metrics: dict[str, Any] = {"source": settings.source}
    with work.clock("compute"):
        if settings.source == "parquet":
            found = _imported(settings, images)
        elif settings.source == "ground_truth":
            found = boxes.assign(score=1.0)
        else:
            found = _noisy(boxes, images, settings, work.config.seed)
            metrics["note"] = "annotated boxes with simulated errors; no detector was run"
    for split in ("train", "test"):
        ids = images.loc[images["split"] == split, "image_id"]
        table = found[found["image_id"].isin(ids)][COLUMNS].sort_values(["image_id", "score"], ascending=[True, False])
        table = table.astype({"score": "float32"} | dict.fromkeys(CORNERS, "float32"))
        with work.clock("write"):
            table.to_parquet(work.out / f"{split}.parquet", index=False)
        metrics[f"{split}_boxes"] = len(table)
    return metrics


def _noisy(boxes: pd.DataFrame, images: pd.DataFrame, settings: Detections, seed: int) -> pd.DataFrame:
    """Every image has its own random stream, so that its boxes do not depend on the other images."""
    sizes = {i: (w, h) for i, w, h in images[["image_id", "width", "height"]].itertuples(index=False)}
    by_image = dict(list(boxes.groupby("image_id")))
    labels = np.sort(boxes["object_id"].unique())
    rows = []
    for image_id, (width, height) in sizes.items():
        rng = np.random.default_rng([seed, int(image_id)])
        if image_id in by_image:
            group = by_image[image_id]
            for label, *corners in group[["object_id", *CORNERS]].itertuples(index=False):
                if rng.random() < settings.miss:
                    continue
                box = _jitter(np.array(corners), rng, settings.jitter, width, height)
                rows.append((image_id, label, rng.beta(9, 1.6), *box))
        for _ in range(rng.poisson(settings.false_boxes)):
            size = rng.uniform(0.12, 0.45, 2) * (width, height)
            corner = rng.uniform(0, 1, 2) * ((width, height) - size)
            rows.append((image_id, int(rng.choice(labels)), rng.beta(2.2, 4), *corner, *(corner + size)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _jitter(box: np.ndarray, rng: np.random.Generator, std: float, width: float, height: float) -> np.ndarray:
    size = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    moved = box + rng.normal(0, std, 4) * size
    moved = np.clip(moved, 0, [width, height, width, height])
    whole = moved[2] - moved[0] > 2 and moved[3] - moved[1] > 2
    return moved if whole else box


def _imported(settings: Detections, images: pd.DataFrame) -> pd.DataFrame:
    if settings.path is None:
        raise ConfigError("detections.source = parquet needs detections.path, a table of " + ", ".join(COLUMNS))
    try:
        table = pd.read_parquet(settings.path)
    except (OSError, ValueError) as error:
        raise DataError(f"detections.path = {settings.path}: cannot be read as Parquet ({error})") from error
    if missing := [c for c in COLUMNS if c not in table.columns]:
        raise DataError(f"{settings.path}: columns {missing} are missing; expected {COLUMNS}")
    wrong = ~((table["x2"] > table["x1"]) & (table["y2"] > table["y1"]) & table["score"].between(0, 1))
    wrong |= ~table["object_id"].between(0, 79) | ~table["image_id"].isin(images["image_id"])
    if wrong.any():
        row = table.index[wrong][0]
        raise DataError(
            f"{settings.path}, row {row}: {table.loc[row, COLUMNS].to_dict()}: needs x2 > x1, y2 > y1, a score in 0..1, "
            "object_id in 0..79 and a known image_id"
        )
    return table
