"""Things of no class behind the actors, under a roof. A small prop stands at column `x`; a wide one spans 0 to `x`.

Pixels, y down; `horizon` is the row where the floor begins.
"""

import numpy as np

from pipeline.datasets.world.drawing.shapes import Shape, box, ellipse, polygon, stroke
from pipeline.datasets.world.drawing.styles import Ink


def pillar(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """An iron pillar from the floor to the upper edge."""
    iron = ink(ink.pick("teal", "darkgrey", "navy"))
    return [box(x - 3, -4, x + 3, horizon + 5, iron), box(x - 6, horizon, x + 6, horizon + 5, iron)]


def roof(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """The ribbed roof of a platform, and its yellow line on the floor."""
    low, ribs = float(rng.uniform(14, 24)), np.arange(0, x, 22).tolist()
    row = horizon + float(rng.uniform(8, 16))
    return [
        box(-4, -4, x + 4, low, ink("darkgrey"), line=False),
        *(stroke([(at, 0.0), (at + 12, low)], 1.6, ink("lightgrey"), line=False) for at in ribs),
        stroke([(-4.0, row), (x + 4, row)], 3.0, ink("yellow"), line=False),
    ]


def board(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A hanging board of departures."""
    top = float(rng.uniform(22, 34))
    rows = np.arange(top + 5, top + 22, 6).tolist()
    return [
        box(x - 24, top, x + 24, top + 24, ink("navy")),
        *(stroke([(x - 19, row), (x + 16, row)], 1.8, ink("yellow"), line=False) for row in rows),
    ]


def tiles(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """Wall tiles."""
    joint, size = ink("white"), float(rng.uniform(14, 20))
    return [
        *(stroke([(at, 0.0), (at, horizon)], 1.0, joint, line=False) for at in np.arange(0, x, size).tolist()),
        *(stroke([(0.0, row), (x, row)], 1.0, joint, line=False) for row in np.arange(horizon, 0, -size).tolist()),
    ]


def cupboards(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A kitchen counter with doors and knobs over the whole width."""
    top, wood = horizon - float(rng.uniform(28, 38)), ink(ink.pick("white", "tan", "teal", "brown"))
    doors = np.arange(float(rng.uniform(-20, 0)), x, 32).tolist()
    return [
        box(-4, top, x + 4, horizon + 4, wood),
        box(-4, top - 4, x + 4, top, ink("darkgrey"), line=False),
        *(stroke([(at, top), (at, horizon + 4)], 1.4, ink("darkgrey"), line=False) for at in doors),
        *(ellipse((at + 5, top + 9), 1.8, 1.8, ink("black"), line=False) for at in doors),
    ]


def shelf(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A wall shelf with jars."""
    row = float(rng.uniform(0.3, 0.5)) * horizon
    jars = [(x + dx, ink(ink.pick("red", "green", "orange", "white"))) for dx in (-16, -5, 6, 17)]
    return [
        stroke([(x - 24, row), (x + 24, row)], 3.0, ink("brown"), line=False),
        *(box(at - 4, row - 12, at + 4, row - 2, colour) for at, colour in jars),
    ]


def window(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A window with a crossed frame, half of them with curtains."""
    top, wide, tall = float(rng.uniform(8, 18)), 22.0, float(rng.uniform(36, 46))
    frame = ink("white")
    shapes = [
        box(x - wide, top, x + wide, top + tall, ink("glass", 1.1)),
        stroke([(x, top), (x, top + tall)], 2.4, frame, line=False),
        stroke([(x - wide, top + 0.5 * tall), (x + wide, top + 0.5 * tall)], 2.4, frame, line=False),
    ]
    if rng.random() < 0.5:
        cloth = ink(ink.pick("red", "blue", "green", "cream"))
        shapes += [
            box(x - wide - 4, top - 3, x - wide + 7, top + tall + 5, cloth),
            box(x + wide - 7, top - 3, x + wide + 4, top + tall + 5, cloth),
        ]
    return shapes


def hanging_lamp(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A lamp on a cable."""
    low = float(rng.uniform(22, 38))
    shade = [(x - 5, low), (x + 5, low), (x + 13, low + 11), (x - 13, low + 11)]
    return [
        stroke([(x, 0.0), (x, low)], 1.4, ink("black"), line=False),
        polygon(shade, ink(ink.pick("orange", "red", "white"))),
    ]


def standing_lamp(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A floor lamp with a shade."""
    foot = horizon + float(rng.uniform(2, 8))
    shade = [(x - 6, foot - 76), (x + 6, foot - 76), (x + 13, foot - 58), (x - 13, foot - 58)]
    return [
        stroke([(x, foot), (x, foot - 60)], 2.0, ink("black"), line=False),
        polygon(shade, ink(ink.pick("yellow", "cream"))),
    ]


def stripes(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """Striped wallpaper."""
    paper, step = ink(ink.pick("pink", "cream", "teal", "tan"), 1.05), float(rng.uniform(16, 26))
    return [box(at, 0.0, at + 0.4 * step, horizon, paper, line=False) for at in np.arange(0, x, step).tolist()]


def rug(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A rug on the floor."""
    top, left = horizon + float(rng.uniform(12, 20)), float(rng.uniform(0.05, 0.35)) * x
    right, low = left + float(rng.uniform(0.4, 0.6)) * x, top + float(rng.uniform(18, 30))
    edge = [(left + 12, top), (right - 12, top), (right, low), (left, low)]
    return [polygon(edge, ink(ink.pick("red", "navy", "purple", "orange")), hatch=True)]


def painting(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A framed picture on the wall."""
    top, half, tall = float(rng.uniform(14, 30)), float(rng.uniform(12, 20)), float(rng.uniform(20, 28))
    return [
        box(x - half, top, x + half, top + tall, ink("darkbrown")),
        box(x - half + 3, top + 3, x + half - 3, top + tall - 3, ink(ink.pick("blue", "green", "orange")), line=False),
    ]
