"""Animals of the farm: horse, zebra (a striped horse), cow, sheep. Anchors as in `quadruped`."""

import math

from pipeline.datasets.world.drawing.quadruped import Build, animal_anchors, eye, legs, neck, skull, trunk
from pipeline.datasets.world.drawing.shapes import Colour, Point, Shape, blob, ellipse, polygon, shaded, stroke
from pipeline.datasets.world.drawing.styles import Ink
from pipeline.datasets.world.drawing.thing import Thing

_HORSE = Build(
    length=0.9,
    back=0.82,
    belly=0.5,
    leg=0.1,
    poll=(0.6, 1.1),
    neck=(0.14, 0.085),
    skull=0.085,
    muzzle=(0.19, -0.13),
    muzzle_radius=0.052,
)
_COW = Build(
    length=0.88,
    back=0.74,
    belly=0.36,
    leg=0.11,
    poll=(0.58, 0.78),
    neck=(0.15, 0.1),
    skull=0.1,
    muzzle=(0.15, -0.1),
    muzzle_radius=0.07,
)
_SHEEP = Build(
    length=0.52,
    back=0.5,
    belly=0.22,
    leg=0.06,
    poll=(0.36, 0.53),
    neck=(0.1, 0.07),
    skull=0.065,
    muzzle=(0.1, -0.05),
    muzzle_radius=0.045,
)


def _equine(ink: Ink, swing: float, coat: Colour, mane: Colour, stripes: Colour | None) -> Thing:
    far, near = legs(_HORSE, coat, shaded(coat), ink("black"), swing)
    (x, y), half = _HORSE.poll, _HORSE.length / 2
    tail = blob(
        [(-half + 0.04, 0.76), (-half - 0.09, 0.66), (-half - 0.13, 0.36), (-half - 0.06, 0.3), (-half, 0.6)], mane
    )
    crest = blob(
        [(x + 0.05, y + 0.12), (x - 0.06, y + 0.09), (0.3, 0.92), (0.22, 0.8), (0.38, 0.88), (x - 0.02, y + 0.02)], mane
    )
    ears = [polygon([(x - 0.05, y + 0.06), (x - 0.02, y + 0.17), (x + 0.03, y + 0.07)], coat)]
    marks: list[Shape] = []
    if stripes is not None:
        for k in range(7):
            sx = -half + 0.1 + 0.11 * k
            marks.append(stroke([(sx, 0.8), (sx + 0.025, 0.68), (sx, 0.56)], 0.034, stripes, line=False))
        for k in range(4):
            nx, ny = 0.4 + 0.05 * k, 0.86 + 0.065 * k
            marks.append(stroke([(nx - 0.06, ny + 0.05), (nx + 0.08, ny - 0.03)], 0.026, stripes, line=False))
        for sx in (-0.35, 0.33):
            marks += [stroke([(sx - 0.03, h), (sx + 0.03, h)], 0.022, stripes, line=False) for h in (0.3, 0.4, 0.5)]
        marks.append(stroke([(x + 0.06, y + 0.03), (x + 0.1, y - 0.1)], 0.02, stripes, line=False))
    muzzle = ink("black") if stripes is not None else shaded(coat)
    shapes = [tail, *far, *near, trunk(_HORSE, coat), neck(_HORSE, coat), *ears, *skull(_HORSE, coat, muzzle), crest]
    return Thing(shapes=(*shapes, *marks, eye(ink, (x + 0.04, y + 0.02), 0.016)), anchors=animal_anchors(_HORSE))


def horse(ink: Ink) -> Thing:
    """A horse."""
    coat, mane = (("brown", "darkbrown"), ("tan", "brown"), ("darkbrown", "black"), ("lightgrey", "white"))[
        int(ink.spread(0, 3.999))
    ]
    return _equine(ink, ink.spread(-0.1, 0.1), ink(coat), ink(mane), None)


def zebra(ink: Ink) -> Thing:
    """A zebra: a striped horse with a black muzzle."""
    return _equine(ink, ink.spread(-0.08, 0.08), ink("white"), ink("black"), ink("black"))


def cow(ink: Ink) -> Thing:
    """A cow with patches, horns and an udder."""
    coat, patch = (("white", "black"), ("white", "brown"), ("brown", "cream"))[int(ink.spread(0, 2.999))]
    body, spot = ink(coat), ink(patch)
    far, near = legs(_COW, body, shaded(body), ink("darkgrey"), ink.spread(-0.06, 0.06))
    x, y = _COW.poll
    half = _COW.length / 2
    spots = [
        blob([(-0.32, 0.7), (-0.16, 0.72), (-0.1, 0.58), (-0.22, 0.48), (-0.36, 0.54)], spot, line=False),
        blob([(0.06, 0.71), (0.26, 0.7), (0.24, 0.54), (0.1, 0.5)], spot, line=False),
        ellipse((0.34, 0.46), 0.06, 0.05, spot, line=False),
    ]
    horns = [stroke([(x - 0.02, y + 0.08), (x + 0.0, y + 0.16), (x + 0.06, y + 0.19)], 0.03, ink("cream"))]
    ear = ellipse((x - 0.11, y + 0.04), 0.07, 0.03, spot, angle=0.4)
    tail = [
        stroke([(-half + 0.02, 0.68), (-half - 0.06, 0.6), (-half - 0.05, 0.36)], 0.025, body),
        ellipse((-half - 0.05, 0.34), 0.03, 0.05, spot),
    ]
    udder = ellipse((-0.2, 0.35), 0.08, 0.05, ink("pink"))
    shapes = [
        *tail,
        *far,
        udder,
        *near,
        trunk(_COW, body),
        *spots,
        neck(_COW, body),
        *horns,
        *skull(_COW, body, ink("pink")),
        ear,
        eye(ink, (x + 0.04, y + 0.03), 0.017),
    ]
    return Thing(shapes=tuple(shapes), anchors=animal_anchors(_COW))


def sheep(ink: Ink) -> Thing:
    """A sheep: a woolly cloud with a dark face."""
    wool, face = ink(ink.pick("white", "cream")), ink(ink.pick("black", "darkgrey", "tan"))
    far, near = legs(_SHEEP, face, shaded(face), shaded(face, 0.7), ink.spread(-0.04, 0.04))
    x, y = _SHEEP.poll
    outline: list[Point] = []
    for k in range(13):
        turn = 2 * math.pi * k / 13
        for bump, radius in ((0.0, 1.0), (0.5, 1.16)):
            angle = turn + bump * 2 * math.pi / 13
            outline.append((0.3 * radius * math.cos(angle), 0.37 + 0.175 * radius * math.sin(angle)))
    ear = ellipse((x - 0.05, y + 0.02), 0.05, 0.022, face, angle=0.5)
    shapes = [
        *far,
        *near,
        blob(outline, wool, rounds=1, hatch=True),
        neck(_SHEEP, wool),
        *skull(_SHEEP, face, face),
        ellipse((x - 0.01, y + 0.06), 0.055, 0.035, wool),
        ear,
        ellipse((x + 0.04, y + 0.02), 0.014, 0.014, wool, line=False),
    ]
    return Thing(shapes=tuple(shapes), anchors=animal_anchors(_SHEEP))
