"""Where things go in a picture: slots across it, compositions scaled into them, shapes made pixel patches, and tight boxes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.datasets.world.acts.act import EXTRA, HUMAN, OBJECT
from pipeline.datasets.world.classes import WorldClass, world_classes
from pipeline.datasets.world.drawing.backdrop import background, far_things, occluder
from pipeline.datasets.world.drawing.catalogue import build
from pipeline.datasets.world.drawing.compose import Composition, bystander, compose
from pipeline.datasets.world.drawing.paint import Patch
from pipeline.datasets.world.drawing.shapes import Points, Shape, bounds
from pipeline.datasets.world.drawing.styles import Ink, Style

_BYSTANDER_CHANCE, _CLUTTER_CHANCE, _OCCLUDER_CHANCE = 0.35, 0.35, 0.3
_SCENERY, _COVER = ("", 0), ("cover", 0)
_MOST_HIDDEN = 0.35
"""The largest share of an object's box that something in front may cover."""
_MARGIN = 3.0
_GAPS = (-5.0, 9.0)
"""Range of the gap between two strips, in pixels; where it is negative they overlap, and the nearer covers the farther."""
_SIZES = (88.0, 134.0)
"""Range of an adult's height in pixels, before depth and a narrow strip change it."""
_SMALLEST = 7.0
"""A clutter object with a shorter side (pixels) is left out: nobody could name it."""


class Canvas:
    """The picture while it is made: size, style, theme, background colours, and the bending that makes lines look drawn."""

    def __init__(self, *, width: int, height: int, style: Style, theme: str, rng: np.random.Generator) -> None:
        self.width, self.height, self.style, self.theme, self.rng = width, height, style, theme, rng
        self.horizon = float(rng.uniform(0.5, 0.68) * height)
        self.sky, self.ground = background(style=style, theme=theme, rng=rng)
        self._waves = rng.uniform(0.05, 0.22, 4)
        self._phases = rng.uniform(0.0, 6.28, 4)

    def bent(self, points: Points) -> Points:
        """The points after the style's wobble: a smooth field, so that neighbouring lines bend alike."""
        if self.style.wobble <= 0:
            return points
        x, y = points[:, 0], points[:, 1]
        (a, b, c, d), (e, f, g, h) = self._waves, self._phases
        dx = np.sin(a * y + e) + np.sin(b * (x + y) + f)
        dy = np.sin(c * x + g) + np.sin(d * (x - y) + h)
        return points + 0.5 * self.style.wobble * np.stack([dx, dy], axis=1)

    def patch(self, shape: Shape, owner: tuple[str, int]) -> Patch:
        """A pixel-space shape as a patch of this picture's style."""
        points = shape.points
        if self.style.wobble > 0:
            points = self.bent(_refined(points, closed=shape.width <= 0))
        outline = 0.0
        if shape.line and self.style.outline[1] > 0:
            outline = float(self.rng.uniform(*self.style.outline))
            if shape.width > 0:
                outline = min(outline, 0.5 * shape.width)
        return Patch(
            owner=owner,
            points=tuple(points.ravel().tolist()),
            fill=shape.fill,
            width=shape.width,
            outline=outline,
            hatch=shape.hatch and self.style.hatched,
        )


def _refined(points: Points, *, closed: bool) -> Points:
    """Long edges of shapes with few vertices get a middle vertex, so that they can bend."""
    if len(points) > 8:
        return points
    after = np.roll(points, -1, axis=0)
    both = np.empty((2 * len(points), 2))
    both[0::2], both[1::2] = points, (points + after) / 2
    return both if closed else both[:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What one strip of the picture shows: an interaction, a bystander (a picture without `hoi`), or an object alone.

    Attributes:
        picture: The composed interaction or bystander.
        hoi: The interaction's class.
        clutter: (object name, COCO-80 index) of an object alone.
        share: The strip's share of the width.
    """

    picture: Composition | None = None
    hoi: WorldClass | None = None
    clutter: tuple[str, int] | None = None
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A vertical strip of the picture and its content.

    Attributes:
        left, right: Its columns in pixels.
        depth: 0 (at the horizon) to 1 (at the lower edge): how near the viewer it stands.
        content: What it shows.
        alone: Whether a clutter object is the picture's only content, and drawn large.
    """

    left: float
    right: float
    depth: float
    content: Content
    alone: bool = False


@dataclass(kw_only=True)
class Placed:
    """Everything put into a picture."""

    patches: list[Patch] = field(default_factory=list)
    humans: list[tuple[float, float, float, float]] = field(default_factory=list)
    objects: list[tuple[int, tuple[float, float, float, float]]] = field(default_factory=list)
    pairs: list[tuple[int, int, int]] = field(default_factory=list)


def acted(hoi: WorldClass, *, canvas: Canvas) -> Content:
    """A composed interaction; a wide composition gets a larger share of the picture."""
    picture = compose(hoi.verb, hoi.object, style=canvas.style, rng=canvas.rng)
    wide = picture.extent[2] - picture.extent[0]
    return Content(picture=picture, hoi=hoi, share=max(0.4, wide) ** 0.85 * float(canvas.rng.uniform(0.9, 1.15)))


def contents(chosen: Sequence[WorldClass], *, allowed: Sequence[WorldClass], canvas: Canvas) -> list[Content]:
    """The chosen interactions and, by chance, a bystander or a clutter object of an allowed class.

    Clutter is only of objects that the world neither watches nor ignores, and never stands in a picture with a
    bystander: an object near a person would otherwise depict "watch" or "no_interaction" without being annotated so.
    """
    rng = canvas.rng
    shown = [acted(one, canvas=canvas) for one in chosen]
    extra = float(rng.random())
    if extra < _BYSTANDER_CHANCE and len(chosen) < 3:
        share = float(rng.uniform(0.32, 0.42))
        shown.append(Content(picture=bystander(style=canvas.style, rng=rng), share=share))
    elif extra < _BYSTANDER_CHANCE + _CLUTTER_CHANCE:
        regarded = {one.object for one in world_classes() if one.verb in ("watch", "no_interaction")}
        quiet = sorted({(one.object, one.object_id) for one in allowed if one.object not in regarded})
        if quiet:
            shown.append(Content(clutter=quiet[int(rng.integers(len(quiet)))], share=float(rng.uniform(0.25, 0.4))))
    return shown


def divide(shown: Sequence[Content], *, canvas: Canvas) -> list[Slot]:
    """Strips for the contents, in random order and at random depths."""
    rng = canvas.rng
    total = sum(content.share for content in shown)
    gaps = [*rng.uniform(*_GAPS, len(shown) - 1).tolist(), 0.0]
    room = canvas.width - 2 * _MARGIN - sum(gaps)
    slots, left = [], _MARGIN
    for k, gap in zip(rng.permutation(len(shown)).tolist(), gaps, strict=True):
        right = left + room * shown[k].share / total
        slots.append(Slot(left=left, right=right, depth=float(rng.uniform(0.3, 1.0)), content=shown[k]))
        left = right + gap
    return slots


def place(slots: Sequence[Slot], *, canvas: Canvas) -> Placed:
    """Scales and positions every slot's content, far ones first, and measures the boxes."""
    placed = Placed()
    for shape in far_things(
        canvas.theme, style=canvas.style, rng=canvas.rng, width=canvas.width, horizon=canvas.horizon
    ):
        placed.patches.append(canvas.patch(shape, _SCENERY))
    for slot in sorted(slots, key=lambda one: one.depth):
        if slot.content.clutter is not None:
            _put_clutter(placed, slot, slot.content.clutter, canvas)
        elif slot.content.picture is not None:
            _put_composition(placed, slot.content.picture, slot, canvas)
    return placed


def _fit(extent: tuple[float, float, float, float], slot: Slot, canvas: Canvas, *, size: float) -> tuple[float, float]:
    """Pixels per unit (at most `size`) and the ground row, so that the extent fits the slot and the picture."""
    left, bottom, right, top = extent
    ground = canvas.horizon + (0.35 + 0.6 * slot.depth) * (canvas.height - _MARGIN - canvas.horizon)
    ground = min(ground, canvas.height - _MARGIN)
    below = max(0.0, -bottom)
    scale = min(size, (slot.right - slot.left) / (right - left), (canvas.height - 2 * _MARGIN) / (top + below))
    ground = min(max(ground, _MARGIN + scale * top), canvas.height - _MARGIN - scale * below)
    return scale, ground


def _to_pixels(shape: Shape, *, scale: float, mirror: bool, x: float, ground: float) -> Shape:
    sign = np.array([-scale if mirror else scale, -scale])
    return replace(shape, points=shape.points * sign + np.array([x, ground]), width=shape.width * scale)


def _put_composition(placed: Placed, picture: Composition, slot: Slot, canvas: Canvas) -> None:
    rng = canvas.rng
    left, _, right, _ = picture.extent
    size = float(rng.uniform(*_SIZES)) * (0.8 + 0.25 * slot.depth)
    scale, ground = _fit(picture.extent, slot, canvas, size=size)
    mirror = bool(rng.random() < 0.5)
    if mirror:
        left, right = -right, -left
    slack = max(0.0, (slot.right - slot.left) - scale * (right - left))
    x = slot.left + slack * float(rng.uniform(0.1, 0.9)) - scale * left
    owners = {HUMAN: ("human", len(placed.humans)), OBJECT: ("object", len(placed.objects)), EXTRA: _SCENERY}
    patches = [
        canvas.patch(_to_pixels(shape, scale=scale, mirror=mirror, x=x, ground=ground), owners[owner])
        for _, owner, shape in picture.parts
    ]
    placed.patches += patches
    placed.humans.append(tight_box(patches, owners[HUMAN], canvas))
    if slot.content.hoi is not None:
        placed.objects.append((slot.content.hoi.object_id, tight_box(patches, owners[OBJECT], canvas)))
        placed.pairs.append((len(placed.humans) - 1, len(placed.objects) - 1, slot.content.hoi.hoi_id))
    if rng.random() < _OCCLUDER_CHANCE:
        kept = placed.objects[-1][1] if slot.content.hoi is not None else None
        _occlude(placed, slot, canvas, ground=ground, scale=scale, kept=kept)


def _occlude(
    placed: Placed,
    slot: Slot,
    canvas: Canvas,
    *,
    ground: float,
    scale: float,
    kept: tuple[float, float, float, float] | None,
) -> None:
    """Puts something low in front of the slot's content, unless it would cover much of the object's box `kept`."""
    rng = canvas.rng
    column = float(rng.uniform(slot.left, slot.right))
    tall = float(rng.uniform(0.12, 0.3)) * scale
    front = min(ground + 4.0, canvas.height - 1.0)
    shapes = occluder(style=canvas.style, rng=rng, x=column, ground=front, tall=tall)
    patches = [canvas.patch(shape, _COVER) for shape in shapes]
    x1, y1, x2, y2 = tight_box(patches, _COVER, canvas)
    if kept is not None:
        wide = max(0.0, min(x2, kept[2]) - max(x1, kept[0]))
        high = max(0.0, min(y2, kept[3]) - max(y1, kept[1]))
        if wide * high > _MOST_HIDDEN * (kept[2] - kept[0]) * (kept[3] - kept[1]):
            return
    placed.patches += patches


def _put_clutter(placed: Placed, slot: Slot, clutter: tuple[str, int], canvas: Canvas) -> None:
    name, object_id = clutter
    rng = canvas.rng
    thing = build(name, ink=Ink(style=canvas.style, rng=rng))
    extent = bounds(thing.shapes)
    shift = -extent[1]
    extent = (extent[0], 0.0, extent[2], extent[3] + shift)
    size = float(rng.uniform(70, 110))
    if slot.alone or extent[2] - extent[0] < 0.3:
        size = max(size, (float(rng.uniform(70, 120)) if slot.alone else 18.0) / max(extent[2] - extent[0], extent[3]))
    scale, ground = _fit(extent, slot, canvas, size=size)
    if scale * min(extent[2] - extent[0], extent[3]) < _SMALLEST:
        return
    mirror = bool(rng.random() < 0.5)
    x = (slot.left + slot.right) / 2 + (scale if mirror else -scale) * (extent[0] + extent[2]) / 2
    owner = ("object", len(placed.objects))
    lift = ground - scale * shift
    patches = [
        canvas.patch(_to_pixels(shape, scale=scale, mirror=mirror, x=x, ground=lift), owner) for shape in thing.shapes
    ]
    placed.patches += patches
    placed.objects.append((object_id, tight_box(patches, owner, canvas)))


def tight_box(patches: Sequence[Patch], owner: tuple[str, int], canvas: Canvas) -> tuple[float, float, float, float]:
    """The bounds of the owner's painted pixels, clipped to the picture; (0, 0, 0, 0) where it owns nothing."""
    boxes = []
    for patch in patches:
        if patch.owner == owner:
            grow = (patch.width + patch.outline) / 2
            xs, ys = patch.points[0::2], patch.points[1::2]
            boxes.append((min(xs) - grow, min(ys) - grow, max(xs) + grow, max(ys) + grow))
    if not boxes:
        return (0.0, 0.0, 0.0, 0.0)
    left, top, right, bottom = zip(*boxes, strict=True)
    return (
        max(0.0, min(left)),
        max(0.0, min(top)),
        min(float(canvas.width), max(right)),
        min(float(canvas.height), max(bottom)),
    )
