"""Annotated boxes with a detector's errors, drawn from a seed: what a detector would find, for want of one.

Edges are shifted, boxes are missed, false boxes come in, and scores tell true from false as imperfectly as a detector's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipeline.boxes.imported import COLUMNS
from pipeline.config.detections import Detections
from pipeline.datasets.dataset import CORNERS


def boxes(
    annotated: pd.DataFrame, images: pd.DataFrame, section: Detections, seed: int, *, labels: np.ndarray
) -> pd.DataFrame:
    """Annotated boxes with a detector's errors; a false box has one of the `labels`.

    Every image has its own random stream and the labels are those of the dataset, so its boxes do not depend on other images.
    """
    order = np.argsort(annotated["image_id"].to_numpy(), kind="stable")
    own = annotated["image_id"].to_numpy()[order]
    drawn = _Drawn()
    for image_id in images["image_id"].tolist():
        start, end = np.searchsorted(own, image_id, side="left"), np.searchsorted(own, image_id, side="right")
        drawn.image(np.random.default_rng([seed, image_id]), image_id, order[start:end], section, labels)
    sizes = images.set_index("image_id")[["width", "height"]]
    true, false = _moved(annotated, sizes, drawn), _placed(sizes, drawn)
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


def _moved(annotated: pd.DataFrame, sizes: pd.DataFrame, drawn: _Drawn) -> pd.DataFrame:
    """The annotated boxes that are found, moved; a box that would have no size left stays where it was."""
    found = annotated.iloc[drawn.rows]
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
