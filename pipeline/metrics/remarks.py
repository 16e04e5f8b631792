"""Remarks on detections that can be evaluated, but hardly mean what they say, for HICO-DET's measures and V-COCO's alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.tables.boxes import Floats

LACKING = 0.1
"""The share of the annotated images that may have no detection before a remark says so: detectors miss the people of some."""
FEW = 0.05
"""The share of what is annotated that even a poor method finds, if every class is scored for every pair of boxes."""


def of_rows(image: NDArray[np.int64], scores: Floats, *, annotated: NDArray[np.int64], repeated: int) -> list[str]:
    """Remarks on the rows of a table: their scores, the images that have none, and rows that are there twice.

    Args:
        image: ``[n]`` the image of each row.
        annotated: the images in which something is annotated, each once.
        repeated: how many rows repeat another one exactly.
    """
    if not len(image):
        return ["there is no detection: every AP is 0"]
    notes = []
    if scores.min() < 0 or scores.max() > 1:
        notes.append(f"scores range from {scores.min():.4g} to {scores.max():.4g}: only their order counts")
    if len(scores) > 1 and scores.min() == scores.max():
        notes.append(f"every score is {scores[0]:.4g}: nothing ranks the detections but the order of images and rows")
    lacking = len(np.setdiff1d(annotated, image))
    if lacking > LACKING * len(annotated):
        notes.append(
            f"{lacking:,} of {len(annotated):,} images with annotated pairs have no detection: all their pairs count as missed"
        )
    if repeated:
        notes.append(f"{repeated:,} detections repeat another one exactly: each is a false positive")
    return notes


def few_found(hits: int, truth: int) -> list[str]:
    """A remark where so few annotated pairs are found at any score that boxes or images are probably meant otherwise."""
    if hits >= FEW * truth:
        return []
    return [
        f"only {hits:,} of {truth:,} annotated pairs are found at any score: are the boxes x1, y1, x2, y2 in pixels, those "
        "with h the person's, and are images and classes numbered as in the annotations?"
    ]
