"""Boxes in pixels of the picture as it is shown: turned into them, judged, and clipped."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.own.problems import Problems, nearest
from pipeline.datasets.own.raw import Boxes
from pipeline.datasets.own.shown import OVER, Shown
from pipeline.datasets.own.words import Words

LEAST = 1.0
"""Pixels of a side that a box has at least."""
EDGES = ("left", "upper", "right", "lower")


@dataclass
class Placed:
    """The boxes that can be used, and why others cannot.

    Attributes:
        corners: (n, 4) x1, y1, x2, y2 within the picture.
        objects: (n,) object id, -1 where the box cannot be used.
        faults: {box: why it cannot be used}; what falls with it is not told yet.
        of_label: the boxes whose label is no object, told once for the label.
    """

    corners: NDArray[np.float64]
    objects: NDArray[np.int64]
    faults: dict[int, str]
    of_label: dict[int, list[int]]


def place(boxes: Boxes, shown: Shown, words: Words, problems: Problems) -> Placed:
    """Judge every box."""
    known = np.array([words.object_id(label) if words.object_id(label) is not None else -1 for label in boxes.labels])
    objects = np.full(len(boxes.image), -1, dtype=np.int64)
    labelled = boxes.label >= 0
    objects[labelled] = known.astype(np.int64)[boxes.label[labelled]] if len(known) else -1
    left = (boxes.image >= 0) & ~np.append(shown.keep, False)[boxes.image]  # an image of -1 is the box's own fault
    faults = dict(boxes.faults)
    sizes = np.append(shown.sizes, [[0, 0]], axis=0)[boxes.image].astype(np.float64)
    judged = ~left | (sizes > 0).all(axis=1)
    judged[list(faults)] = False
    corners = _in_pixels(boxes, sizes)
    _judge(corners, sizes, judged, boxes, faults)
    judged[list(faults)] = False
    _clip(corners, sizes, judged, boxes, problems)
    of_label = _unknown(boxes, objects, judged, words, faults)
    objects[list(faults)] = -1
    objects[left] = -1
    return Placed(corners, objects, faults, of_label)


def _in_pixels(boxes: Boxes, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """x1, y1, x2, y2 in pixels; turned boxes as the upright box around them."""
    if not boxes.percent:
        return boxes.corners.copy()
    x, y, width, height = (boxes.corners[:, i] * sizes[:, i % 2] / 100 for i in range(4))
    found = np.stack([x, y, x + width, y + height], axis=1)
    for box, degrees in boxes.turned.items():
        found[box] = around(float(x[box]), float(y[box]), float(width[box]), float(height[box]), degrees)
    return found


def around(x: float, y: float, width: float, height: float, degrees: float) -> tuple[float, float, float, float]:
    """The upright box around one that is turned clockwise about its upper left corner, in pixels."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    ends = [(x + a * cos - b * sin, y + a * sin + b * cos) for a in (0.0, width) for b in (0.0, height)]
    xs, ys = [end[0] for end in ends], [end[1] for end in ends]
    return min(xs), min(ys), max(xs), max(ys)


def _judge(
    corners: NDArray[np.float64],
    sizes: NDArray[np.float64],
    judged: NDArray[np.bool_],
    boxes: Boxes,
    faults: dict[int, str],
) -> None:
    """Note the boxes that are empty, no numbers, or not in their picture."""
    whole = np.concatenate([sizes, sizes], axis=1)
    clipped = np.clip(corners, 0.0, whole)
    lengths, kept = corners[:, 2:] - corners[:, :2], clipped[:, 2:] - clipped[:, :2]
    finite = np.isfinite(corners.sum(axis=1))
    large = boxes.corners.max(axis=1, initial=0.0) > 100 + OVER
    percent = np.flatnonzero(judged & large & boxes.percent).tolist()
    for box in np.flatnonzero(judged & ~(finite & (kept >= LEAST).all(axis=1))).tolist():
        width, height = lengths[box]
        if not finite[box]:
            faults[box] = "its place is not four finite numbers"
        elif width <= 0 or height <= 0:
            faults[box] = (
                f"is empty: its width is {width:.6g}, its height {height:.6g} (right edge less left, lower less upper)"
            )
        elif (kept[box] <= 0).any():
            size = " x ".join(f"{side:g}" for side in sizes[box])
            faults[box] = f"lies outside its picture of {size}"
        else:
            faults[box] = f"is {kept[box][0]:.2g} x {kept[box][1]:.2g} pixels in its picture, less than one"
    faults |= dict.fromkeys(percent, "its numbers are far above 100: pixels instead of percent?")


def _clip(
    corners: NDArray[np.float64],
    sizes: NDArray[np.float64],
    judged: NDArray[np.bool_],
    boxes: Boxes,
    problems: Problems,
) -> None:
    """Clip the judged boxes to their pictures, and tell of those that reach far over an edge."""
    over = np.concatenate([-corners[:, :2], corners[:, 2:] - sizes], axis=1)
    for box in np.flatnonzero(judged & (over > OVER).any(axis=1)).tolist():
        sides = [f"{over[box, i]:.4g} px over the {EDGES[i]} edge" for i in range(4) if over[box, i] > OVER]
        problems.add("W", boxes.where(box), f"reaches {' and '.join(sides)}", "clipped")
    whole = np.concatenate([sizes, sizes], axis=1)
    corners[judged] = np.clip(corners[judged], 0.0, whole[judged])


def _unknown(
    boxes: Boxes, objects: NDArray[np.int64], judged: NDArray[np.bool_], words: Words, faults: dict[int, str]
) -> dict[int, list[int]]:
    """Note the boxes whose label is no object; {label: its boxes} where the file lists labels."""
    of_label: dict[int, list[int]] = {}
    for box in np.flatnonzero(judged & (objects < 0)).tolist():
        label = boxes.labels[boxes.label[box]]
        if boxes.label_where is not None:
            of_label.setdefault(int(boxes.label[box]), []).append(box)
        else:
            faults[box] = f"object {label} is not in the vocabulary{nearest(label, words.object_names)}"
    return of_label
