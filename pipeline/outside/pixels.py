"""Whether boxes from outside are in pixels of their images, and not in fractions or in pixels of resized images."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError

log = logging.getLogger("ezhoi.outside")
FRACTION = 1.5
"""The largest corner in a whole file of boxes in fractions, some of which may lie a little over the edge."""
PERCENT = 105.0
"""The largest corner in a whole file of boxes in percent, some of which may lie a little over the edge."""
SLACK = 0.05
"""The share of an image's longer side by which a detector's box may lie outside."""
MOST_OUTSIDE = 0.2
"""The share of the boxes that may lie further outside; with more of them the images cannot be the annotated ones."""

FURTHEST = 100_000.0
"""Every corner is less than this, in pixels: a JPEG has at most 65,535 a side."""
REACH, ENOUGH = 0.8, 200
"""Of so many boxes at least one reaches beyond this share of its image's width or height, unless they were scaled down."""


def demand(boxes: NDArray[np.float64], size: NDArray[np.float64] | None, *, table: str, least: int = 1) -> None:
    """DataError, naming a row, if all boxes are fractions, a box is in no picture, or many boxes lie outside their images.

    If no box comes near the right and lower edges, as with pictures that a detector shrank, or with percent, a warning says so.
    It is no error, since all that a fixed camera shows may be in a corner.

    Arguments:
        boxes: ``[n, 4]`` finite x1, y1, x2, y2.
        size: ``[n, 2]`` width and height of each box's image, 0 or nan where they are not known; None if none is.
        table: the table of the boxes, for messages.
        least: of fewer boxes whose images' sizes are known, many outside are a warning and no error.
    """
    if not len(boxes):
        return
    furthest = max(boxes.max(), -boxes.min())
    if furthest <= FRACTION:
        raise DataError(
            f"{table} row 0: box {boxes[0].round(4).tolist()}, and no box of {len(boxes):,} reaches beyond {FRACTION}: they "
            "are fractions of their images. Boxes in pixels are needed: multiply x by the width, y by the height"
        )
    if furthest > FURTHEST:
        row = int((np.abs(boxes).max(axis=1) > FURTHEST).argmax())
        raise DataError(f"{table} row {row}: box {boxes[row].tolist()} is in no picture; corners in pixels are needed")
    if size is None:
        return
    width, height = size.T
    # Column by column: of four million boxes, each array of all corners has 128 MB.
    out = np.maximum(-boxes[:, 0], boxes[:, 2] - width)
    for further in (-boxes[:, 1], boxes[:, 3] - height):
        np.maximum(out, further, out=out)
    beyond = out > SLACK * np.maximum(width, height)
    known = (width > 0) & (height > 0)  # nan is not
    outside = beyond & known
    if outside.sum() > MOST_OUTSIDE * known.sum():
        row = int(outside.argmax())
        said = (
            f"{table} row {row}: box {boxes[row].round(2).tolist()} leaves its image of {size[row, 0]:.0f} x "
            f"{size[row, 1]:.0f} pixels, as do {outside.sum():,} of {known.sum():,}"
        )
        if known.sum() >= least:
            raise DataError(
                f"{said}: they are of resized or of other images. Scale them back to the size of the images"
            )
        log.warning("%s: are they of resized or of other images?", said)
    if known.sum() < ENOUGH:
        return
    reach = max((boxes[known, 2] / width[known]).max(), (boxes[known, 3] / height[known]).max())
    if reach < REACH:
        log.warning(
            "%s of %s boxes none reaches beyond %.2f of its image's width or height: are they %s",
            table,
            f"{known.sum():,}",
            reach,
            "in percent of their images, or those of images that were shrunk? Then multiply x by the width / 100 and y by the "
            "height / 100, or scale them back to the size of the images"
            if furthest <= PERCENT
            else "those of images that were shrunk before? Then scale them back to the size of the images",
        )
