"""Vector shapes: filled polygons and round-capped strokes, and the ways to make, move and measure them.

Coordinates while composing: x to the right, y **up**, one unit = the height of an adult. Scenes turn them into pixels.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]
Colour: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]


def shaded(colour: Colour, gain: float = 0.8) -> Colour:
    """The colour, darker: each channel times `gain`."""
    return (round(colour[0] * gain), round(colour[1] * gain), round(colour[2] * gain))


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One painted shape.

    Attributes:
        points: (N, 2) vertices of a polygon, or of a polyline where `width` is positive.
        fill: RGB colour.
        width: 0 for a filled polygon, otherwise the width of a round-capped stroke in the units of `points`.
        line: whether a style with outlines gives this shape one.
        hatch: whether a style with textures may texture this shape.
        front: whether the shape lies before a person who is on or in the object (a boat's near side).
    """

    points: Points
    fill: Colour
    width: float = 0.0
    line: bool = True
    hatch: bool = False
    front: bool = False


def polygon(points: Iterable[Point], fill: Colour, *, line: bool = True, hatch: bool = False) -> Shape:
    """A filled polygon with straight edges."""
    return Shape(np.asarray(list(points), dtype=np.float64), fill, line=line, hatch=hatch)


def stroke(points: Iterable[Point], width: float, fill: Colour, *, line: bool = True) -> Shape:
    """A round-capped polyline of the given width."""
    return Shape(np.asarray(list(points), dtype=np.float64), fill, width=width, line=line)


def blob(points: Iterable[Point], fill: Colour, *, rounds: int = 2, line: bool = True, hatch: bool = False) -> Shape:
    """A closed polygon with its corners cut `rounds` times (Chaikin), for organic outlines."""
    ring = np.asarray(list(points), dtype=np.float64)
    for _ in range(rounds):
        after = np.roll(ring, -1, axis=0)
        cut = np.empty((2 * len(ring), 2))
        cut[0::2] = 0.75 * ring + 0.25 * after
        cut[1::2] = 0.25 * ring + 0.75 * after
        ring = cut
    return Shape(ring, fill, line=line, hatch=hatch)


def ellipse(
    centre: Point,
    rx: float,
    ry: float,
    fill: Colour,
    *,
    angle: float = 0.0,
    line: bool = True,
    hatch: bool = False,
) -> Shape:
    """A filled ellipse, turned counter-clockwise by `angle` radians."""
    count = 12 if max(rx, ry) < 0.03 else 24
    turn = np.arange(count) * (2 * math.pi / count)
    flat = np.stack([rx * np.cos(turn), ry * np.sin(turn)], axis=1)
    return Shape(flat @ _rotation(angle).T + np.asarray(centre), fill, line=line, hatch=hatch)


def ring(centre: Point, radius: float, width: float, fill: Colour) -> Shape:
    """A circle drawn as a closed stroke of the given width (a tyre)."""
    turn = np.arange(25) * (2 * math.pi / 24)
    circle = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    return Shape(circle + np.asarray(centre), fill, width=width)


def tube(
    start: Point, start_radius: float, end: Point, end_radius: float, fill: Colour, *, hatch: bool = False
) -> Shape:
    """The hull of two circles: a tapered, round-ended bar."""
    heading = math.atan2(end[1] - start[1], end[0] - start[0])
    half = np.linspace(-math.pi / 2, math.pi / 2, 7)
    points = [(end[0] + end_radius * math.cos(heading + t), end[1] + end_radius * math.sin(heading + t)) for t in half]
    points += [
        (start[0] - start_radius * math.cos(heading + t), start[1] - start_radius * math.sin(heading + t)) for t in half
    ]
    return polygon(points, fill, hatch=hatch)


def box(
    left: float, bottom: float, right: float, top: float, fill: Colour, *, hatch: bool = False, line: bool = True
) -> Shape:
    """An axis-aligned rectangle."""
    return polygon([(left, bottom), (right, bottom), (right, top), (left, top)], fill, hatch=hatch, line=line)


def round_box(
    left: float, bottom: float, right: float, top: float, corner: float, fill: Colour, *, hatch: bool = False
) -> Shape:
    """An axis-aligned rectangle with bevelled corners of size `corner`."""
    cut = 0.3 * corner
    points = [
        (left + corner, bottom),
        (right - corner, bottom),
        (right - cut, bottom + cut),
        (right, bottom + corner),
        (right, top - corner),
        (right - cut, top - cut),
        (right - corner, top),
        (left + corner, top),
        (left + cut, top - cut),
        (left, top - corner),
        (left, bottom + corner),
        (left + cut, bottom + cut),
    ]
    return polygon(points, fill, hatch=hatch)


def in_front(shapes: Iterable[Shape]) -> list[Shape]:
    """The same shapes, marked as lying before a person who is on the object."""
    return [replace(shape, front=True) for shape in shapes]


def _rotation(angle: float) -> Points:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A placement: mirror (x -> -x), then scale, then turn counter-clockwise by `angle` radians, then move by `at`."""

    at: Point = (0.0, 0.0)
    scale: float = 1.0
    angle: float = 0.0
    mirror: bool = False

    def point(self, point: Point) -> Point:
        """The point that `point` becomes."""
        x, y = (-point[0] if self.mirror else point[0]) * self.scale, point[1] * self.scale
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        return (cosine * x - sine * y + self.at[0], sine * x + cosine * y + self.at[1])

    def shape(self, shape: Shape) -> Shape:
        """The shape that `shape` becomes; stroke widths are scaled too."""
        sign = np.array([-self.scale if self.mirror else self.scale, self.scale])
        moved = (shape.points * sign) @ _rotation(self.angle).T + np.asarray(self.at)
        return replace(shape, points=moved, width=shape.width * self.scale)


def bounds(shapes: Sequence[Shape]) -> tuple[float, float, float, float]:
    """The tight (left, bottom, right, top) of the shapes without outlines.

    Raises:
        ValueError: If there is no shape.
    """
    if not shapes:
        raise ValueError("bounds() needs at least one shape; an object builder returned none")
    low = np.min([s.points.min(axis=0) - s.width / 2 for s in shapes], axis=0)
    high = np.max([s.points.max(axis=0) + s.width / 2 for s in shapes], axis=0)
    return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
