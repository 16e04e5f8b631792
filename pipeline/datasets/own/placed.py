"""Boxes in pixels of the picture as it is shown: turned into them, judged, and clipped."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.own.columns import BLOCK
from pipeline.datasets.own.problems import Problems, nearest
from pipeline.datasets.own.raw import Boxes
from pipeline.datasets.own.shown import OVER, Shown
from pipeline.datasets.own.words import Words

LEAST = 1.0
"""The least side of a box that can be used, in pixels."""
ROUNDED = 0.01
"""How many pixels a side may lack because its ends were rounded."""
FRACTION = 1.0
"""The largest number in a whole file of boxes in fractions of their pictures, where percent are expected."""
PERCENT, ENOUGH = 100.0, 20
"""Boxes in pixels may be in percent where there are so many in pictures at least twice as wide and high as this, and none, in
whatever picture, reaches further."""
EDGES = ("left", "upper", "right", "lower")


@dataclass
class Placed:
    """The boxes that can be used, and why others cannot.

    Attributes:
        corners: (n, 4) x1, y1, x2, y2 within the picture, in 32 bits as all stored boxes: to half a thousandth of a pixel in
            pictures of up to 8,192 pixels a side.
        objects: (n,) object id, -1 where the box cannot be used.
        faults: {box: why it cannot be used}; the relations that fall with it are added later.
        of_label: the boxes whose label is no object; one message stands for all of a label.
    """

    corners: NDArray[np.float32]
    objects: NDArray[np.int32]
    faults: dict[int, str]
    of_label: dict[int, list[int]]


@np.errstate(over="ignore")  # what 32 bits cannot hold becomes infinite, and its box is faulty
def place(boxes: Boxes, shown: Shown, words: Words, problems: Problems) -> Placed:
    """Judge every box, a block of them after the other: what is made on the way is small, however many there are."""
    known = np.array([-1 if (found := words.object_id(label)) is None else found for label in boxes.labels] + [-1])
    objects = known.astype(np.int32)[boxes.label]  # a label of -1 is the last of the known, none
    corners = boxes.corners.astype(np.float32, copy=boxes.percent)  # those in pixels and 32 bits stay where they lie
    sizes, keep = np.append(shown.sizes, [[0, 0]], axis=0), np.append(shown.keep, False)
    faults = dict(boxes.faults)
    if boxes.percent and np.fmax.reduce(boxes.corners, axis=None, initial=0.0) <= FRACTION and len(boxes.corners):
        what = f"no number of any box is above {FRACTION:g}: fractions instead of percent? Multiply them by 100"
        faults = dict.fromkeys(range(len(boxes.corners)), what) | faults
    refused = np.array(sorted(faults), dtype=np.int64)
    of_label: dict[int, list[int]] = {}
    furthest, in_large = 0.0, 0
    for start in range(0, len(objects), BLOCK):
        rows = slice(start, start + BLOCK)
        image = boxes.image[rows]
        block = _Block(boxes, start, boxes.corners[rows].astype(np.float64), sizes[image].astype(np.float64))
        left = (image >= 0) & ~keep[image]  # an image of -1 is the box's own fault
        judged = ~left | (block.sizes > 0).all(axis=1)
        judged[refused[(refused >= start) & (refused < start + BLOCK)] - start] = False
        placed = block.in_pixels()
        faulty = block.judge(placed, judged)
        judged[[box - start for box in faulty]] = False
        furthest = max(furthest, placed[judged].max(initial=0.0))
        in_large += int((block.sizes[judged] >= 2 * PERCENT).all(axis=1).sum())
        block.clip(placed, judged, problems)
        corners[rows] = placed
        faulty |= block.unknown(objects[rows], judged, words, of_label)
        faults |= faulty
        objects[rows][left] = -1
    objects[list(faults)] = -1
    if not boxes.percent and in_large >= ENOUGH and furthest <= PERCENT:
        what = (
            f"none of the boxes reaches beyond {PERCENT:g}, and {in_large:,} of them are in pictures at least twice as large: "
            "percent instead of pixels? Then multiply x by the width / 100 and y by the height / 100"
        )
        problems.add("W", "the whole file", what, "used as they are")
    return Placed(corners, objects, faults, of_label)


@dataclass(frozen=True)
class _Block:
    """Some boxes: the first one's number, a copy of the rows of `boxes.corners`, and (n, 2) the sizes of their pictures."""

    boxes: Boxes
    first: int
    corners: NDArray[np.float64]
    sizes: NDArray[np.float64]

    def in_pixels(self) -> NDArray[np.float64]:
        """The corners x1, y1, x2, y2 in pixels; those of a turned box are of the upright box around it."""
        if not self.boxes.percent:
            return self.corners
        x, y, width, height = (self.corners[:, i] * self.sizes[:, i % 2] / 100 for i in range(4))
        found = np.stack([x, y, x + width, y + height], axis=1)
        for number, degrees in self.boxes.turned.items():
            if 0 <= (box := number - self.first) < len(found):
                found[box] = around(float(x[box]), float(y[box]), float(width[box]), float(height[box]), degrees)
        return found

    def judge(self, corners: NDArray[np.float64], judged: NDArray[np.bool_]) -> dict[int, str]:
        """Find the boxes that are empty, no numbers or outside of their picture; {box: why it cannot be used}."""
        whole = np.concatenate([self.sizes, self.sizes], axis=1)
        clipped = np.clip(corners, 0.0, whole)
        lengths, kept = corners[:, 2:] - corners[:, :2], clipped[:, 2:] - clipped[:, :2]
        finite = np.isfinite(corners.sum(axis=1))
        faults = {}
        for box in np.flatnonzero(judged & ~(finite & (kept >= LEAST - ROUNDED).all(axis=1))).tolist():
            width, height = lengths[box]
            if not finite[box]:
                why = "its place is not four finite numbers"
            elif width <= 0 or height <= 0:
                why = f"is empty: its width is {width:.6g}, its height {height:.6g} (right edge less left, lower less upper)"
            elif (kept[box] <= 0).any():
                why = f"lies outside its picture of {' x '.join(f'{side:g}' for side in self.sizes[box])}"
            else:
                why = f"is {kept[box][0]:.2g} x {kept[box][1]:.2g} pixels in its picture, less than one"
            faults[self.first + box] = why
        if self.boxes.percent:
            large = np.flatnonzero(judged & (self.corners.max(axis=1, initial=0.0) > 100 + OVER)) + self.first
            faults |= dict.fromkeys(large.tolist(), "its numbers are far above 100: pixels instead of percent?")
        return faults

    def clip(self, corners: NDArray[np.float64], judged: NDArray[np.bool_], problems: Problems) -> None:
        """Clip the judged boxes to their pictures, and note those that reach far over an edge."""
        over = np.concatenate([-corners[:, :2], corners[:, 2:] - self.sizes], axis=1)
        for box in np.flatnonzero(judged & (over > OVER).any(axis=1)).tolist():
            sides = [f"{over[box, i]:.4g} px over the {EDGES[i]} edge" for i in range(4) if over[box, i] > OVER]
            problems.add("W", self.boxes.where(self.first + box), f"reaches {' and '.join(sides)}", "clipped")
        whole = np.concatenate([self.sizes, self.sizes], axis=1)
        corners[judged] = np.clip(corners[judged], 0.0, whole[judged])

    def unknown(
        self, objects: NDArray[np.int32], judged: NDArray[np.bool_], words: Words, of_label: dict[int, list[int]]
    ) -> dict[int, str]:
        """The boxes whose label is no object; where the file lists labels, they are noted in {label: its boxes} instead."""
        faults = {}
        for box in (np.flatnonzero(judged & (objects < 0)) + self.first).tolist():
            number = int(self.boxes.label[box])
            label = self.boxes.labels[number]
            if self.boxes.label_where is not None:
                of_label.setdefault(number, []).append(box)
            else:
                faults[box] = f"object {label} is not in the vocabulary{nearest(label, words.object_names)}"
        return faults


def around(x: float, y: float, width: float, height: float, degrees: float) -> tuple[float, float, float, float]:
    """The upright box around one that is turned clockwise about its upper left corner, in pixels."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    ends = [(x + a * cos - b * sin, y + a * sin + b * cos) for a in (0.0, width) for b in (0.0, height)]
    xs, ys = [end[0] for end in ends], [end[1] for end in ends]
    return min(xs), min(ys), max(xs), max(ys)
