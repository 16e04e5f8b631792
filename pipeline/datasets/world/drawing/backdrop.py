"""Backgrounds and the things of no class in them: sky, ground, hills, houses, trees, and what hides a foot."""

import numpy as np

from pipeline.datasets.world.drawing.shapes import Colour, Point, Shape, blob, box, ellipse, polygon, stroke
from pipeline.datasets.world.drawing.styles import Ink, Style

_SKIES = {
    "flat": ((214, 234, 248), (252, 236, 220), (226, 240, 226), (240, 228, 246), (248, 244, 224), (222, 226, 244)),
    "outlined": ((158, 176, 190), (206, 184, 150), (146, 166, 150), (196, 168, 164), (120, 140, 168), (184, 186, 176)),
}
_GROUNDS = {
    "flat": ((206, 226, 190), (232, 216, 190), (216, 216, 224), (238, 226, 206), (200, 216, 222)),
    "outlined": ((116, 124, 76), (136, 112, 80), (116, 116, 114), (150, 136, 104), (92, 108, 96)),
}


def palette_pair(*, style: Style, rng: np.random.Generator) -> tuple[Colour, Colour]:
    """A sky (or wall) colour and a ground (or floor) colour."""
    skies, grounds = _SKIES[style.name], _GROUNDS[style.name]
    picked = []
    for colours in (skies, grounds):
        base = np.asarray(colours[int(rng.integers(len(colours)))]) + rng.normal(0.0, 1.2 * style.jitter, 3)
        red, green, blue = np.clip(base, 0, 255).astype(int).tolist()
        picked.append((red, green, blue))
    return picked[0], picked[1]


def far_things(*, style: Style, rng: np.random.Generator, width: float, horizon: float) -> list[Shape]:
    """Shapes in pixels (y down) between the sky and the actors; a plain style gets at most a hill and a cloud."""
    ink = Ink(style=style, rng=rng)
    shapes: list[Shape] = []
    if not style.clutter:
        if rng.random() < 0.5:
            shapes.append(_hill(ink(ink.pick("green", "lightgrey", "cream"), 1.04), rng, width, horizon))
        if rng.random() < 0.4:
            shapes += _cloud(ink("white"), (float(rng.uniform(20, width - 20)), float(rng.uniform(14, horizon - 50))))
        return shapes
    if rng.random() < 0.6:
        shapes.append(_hill(ink(ink.pick("darkgreen", "grey", "brown"), 1.1), rng, width, horizon))
    for _ in range(int(rng.integers(2, 6))):
        x = float(rng.uniform(0, width))
        kind = int(rng.integers(4))
        if kind == 0:
            shapes += _house(Ink(style=style, rng=rng), rng, x, horizon)
        elif kind == 1:
            shapes += _tree(Ink(style=style, rng=rng), rng, (x, horizon + float(rng.uniform(0, 8))))
        elif kind == 2:
            shapes += _lamp(ink, (x, horizon + float(rng.uniform(0, 6))))
        else:
            shapes += _fence(ink, rng, x, horizon)
    if rng.random() < 0.5:
        shapes += _cloud(ink("lightgrey", 1.1), (float(rng.uniform(20, width - 20)), float(rng.uniform(10, 40))))
    for _ in range(int(rng.integers(3, 9))):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(horizon + 6, 188))
        shapes.append(
            stroke(
                [(x, y), (x + float(rng.uniform(4, 18)), y + float(rng.uniform(-1, 1)))],
                1.0,
                ink("darkgrey"),
                line=False,
            )
        )
    return shapes


def occluder(*, style: Style, rng: np.random.Generator, x: float, ground: float, tall: float) -> list[Shape]:
    """A bush, a crate, a stone or a post of height `tall` px in front of the actors, its foot at (x, ground)."""
    ink = Ink(style=style, rng=rng)
    kind = int(rng.integers(4))
    if kind == 0:
        leaf = ink(ink.pick("green", "darkgreen"))
        ring = [
            (-0.8, 0.0),
            (-0.95, 0.45),
            (-0.6, 0.75),
            (-0.3, 1.05),
            (0.1, 0.9),
            (0.45, 1.05),
            (0.8, 0.7),
            (0.95, 0.3),
            (0.8, 0.0),
        ]
        return [blob([(x + px * tall * 0.8, ground - py * tall) for px, py in ring], leaf, rounds=1, hatch=True)]
    if kind == 1:
        half, wood = 0.45 * tall, ink("tan")
        return [
            box(x - half, ground - 0.9 * tall, x + half, ground, wood, hatch=True),
            stroke([(x - half, ground - 0.9 * tall), (x + half, ground)], 2.0, ink("brown"), line=False),
        ]
    if kind == 2:
        ring = [(-0.7, 0.0), (-0.6, 0.5), (-0.1, 0.72), (0.5, 0.5), (0.75, 0.0)]
        return [blob([(x + px * tall, ground - py * tall) for px, py in ring], ink("grey"), rounds=1, hatch=True)]
    return [box(x - 0.1 * tall, ground - 1.2 * tall, x + 0.1 * tall, ground, ink(ink.pick("brown", "darkgrey")))]


def _hill(colour: Colour, rng: np.random.Generator, width: float, horizon: float) -> Shape:
    crest: list[Point] = [(-10.0, horizon + 2)]
    crest += [(x, horizon - float(rng.uniform(4, 34))) for x in np.linspace(0, width, 6).tolist()]
    return blob([*crest, (width + 10, horizon + 2)], colour, line=False)


def _cloud(colour: Colour, at: Point) -> list[Shape]:
    x, y = at
    return [
        ellipse((x + dx, y + dy), rx, ry, colour, line=False)
        for dx, dy, rx, ry in ((-10, 2, 11, 5), (0, -2, 12, 7), (11, 2, 12, 5))
    ]


def _house(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    half, tall = float(rng.uniform(12, 26)), float(rng.uniform(24, 62))
    top = horizon - tall
    shapes = [
        box(
            x - half,
            top,
            x + half,
            horizon + 3,
            ink(ink.pick("brown", "grey", "tan", "lightgrey", "cream"), 0.9),
            hatch=True,
        )
    ]
    if rng.random() < 0.5:
        shapes.append(
            polygon(
                [(x - half - 3, top), (x, top - 0.5 * half), (x + half + 3, top)],
                ink(ink.pick("red", "darkgrey", "darkbrown"), 0.9),
            )
        )
    pane = ink(ink.pick("glass", "darkgrey", "yellow"))
    shapes += [
        box(x + dx - 3, y, x + dx + 3, y + 7, pane, line=False)
        for dx in (-0.45 * half, 0.45 * half)
        for y in np.arange(top + 7, horizon - 8, 14).tolist()
    ]
    return shapes


def _tree(ink: Ink, rng: np.random.Generator, foot: Point) -> list[Shape]:
    x, y = foot
    tall = float(rng.uniform(26, 58))
    crown = ink(ink.pick("green", "darkgreen", "darkgreen", "orange"), 0.95)
    if rng.random() < 0.4:
        top = polygon(
            [(x - 0.24 * tall, y - 0.25 * tall), (x, y - tall), (x + 0.24 * tall, y - 0.25 * tall)], crown, hatch=True
        )
    else:
        top = ellipse((x, y - 0.7 * tall), 0.27 * tall, 0.32 * tall, crown, hatch=True)
    return [stroke([(x, y), (x, y - 0.5 * tall)], 0.09 * tall, ink("brown", 0.9)), top]


def _lamp(ink: Ink, foot: Point) -> list[Shape]:
    x, y = foot
    return [
        stroke([(x, y), (x, y - 62), (x + 9, y - 66)], 2.2, ink("darkgrey"), line=False),
        ellipse((x + 11, y - 64), 4.0, 2.6, ink("yellow"), line=False),
    ]


def _fence(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    wood, length = ink(ink.pick("tan", "brown", "white"), 0.92), float(rng.uniform(40, 90))
    posts = [
        box(px, horizon - 13, px + 3, horizon + 4, wood, line=False) for px in np.arange(x, x + length, 9).tolist()
    ]
    return [
        stroke([(x, horizon - 9), (x + length, horizon - 9)], 2.0, wood, line=False),
        stroke([(x, horizon - 2), (x + length, horizon - 2)], 2.0, wood, line=False),
        *posts,
    ]
