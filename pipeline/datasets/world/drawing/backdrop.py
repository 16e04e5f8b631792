"""Backgrounds: colours of sky and ground, the scenery of the theme, and what hides a foot."""

import numpy as np

from pipeline.datasets.world.drawing import props_outdoors as outdoors
from pipeline.datasets.world.drawing.scenery import THEMES, surroundings
from pipeline.datasets.world.drawing.shapes import Colour, Shape, blob, box, stroke
from pipeline.datasets.world.drawing.styles import Ink, Style

_PLAIN_SKIES: tuple[Colour, ...] = (
    (214, 234, 248), (252, 236, 220), (226, 240, 226), (240, 228, 246), (248, 244, 224), (222, 226, 244),
)  # fmt: skip
_PLAIN_GROUNDS: tuple[Colour, ...] = (
    (206, 226, 190), (232, 216, 190), (216, 216, 224), (238, 226, 206), (200, 216, 222),
)  # fmt: skip
"""Backgrounds of a style without scenery; they tell nothing about the theme."""


def background(*, style: Style, theme: str, rng: np.random.Generator) -> tuple[Colour, Colour]:
    """A colour of sky or wall and one of ground or floor; the theme's, where the style shows scenery."""
    walls, floors = _PLAIN_SKIES, _PLAIN_GROUNDS
    if style.clutter:
        walls, floors = THEMES[theme].walls, THEMES[theme].floors
    picked = []
    for colours in (walls, floors):
        base = np.asarray(colours[int(rng.integers(len(colours)))]) + rng.normal(0.0, 1.2 * style.jitter, 3)
        red, green, blue = np.clip(base, 0, 255).astype(int).tolist()
        picked.append((red, green, blue))
    return picked[0], picked[1]


def far_things(theme: str, *, style: Style, rng: np.random.Generator, width: float, horizon: float) -> list[Shape]:
    """Shapes in pixels (y down) behind the actors: the theme's scenery, in a plain style at most a hill and a cloud."""
    if not style.clutter:
        ink = Ink(style=style, rng=rng)
        shapes = outdoors.hill(ink, rng, width, horizon) if rng.random() < 0.5 else []
        if rng.random() < 0.4:
            shapes += outdoors.cloud(ink, rng, float(rng.uniform(20, width - 20)), horizon)
        return shapes
    shapes = surroundings(theme, ink=lambda: Ink(style=style, rng=rng), rng=rng, width=width, horizon=horizon)
    ink = Ink(style=style, rng=rng)
    for _ in range(int(rng.integers(3, 9))):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(horizon + 6, 188))
        tip = (x + float(rng.uniform(4, 18)), y + float(rng.uniform(-1, 1)))
        shapes.append(stroke([(x, y), tip], 1.0, ink("darkgrey"), line=False))
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
