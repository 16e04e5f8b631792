"""Things of no class behind the actors, under the sky. A small prop stands at column `x`; a wide one spans 0 to `x`.

Pixels, y down; `horizon` is the row where the ground begins.
"""

import numpy as np

from pipeline.datasets.world.drawing.shapes import Point, Shape, blob, box, ellipse, polygon, stroke
from pipeline.datasets.world.drawing.styles import Ink

_LOWEST = 192.0
"""The row of the picture's lower edge."""


def hill(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A row of hills over the whole width."""
    crest: list[Point] = [(-10.0, horizon + 2)]
    crest += [(at, horizon - float(rng.uniform(4, 34))) for at in np.linspace(0, x, 6).tolist()]
    return [blob([*crest, (x + 10, horizon + 2)], ink(ink.pick("darkgreen", "grey", "brown"), 1.1), line=False)]


def peaks(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """Two or three pointed mountains with white caps."""
    shapes: list[Shape] = []
    rocky = ink(ink.pick("grey", "navy", "lightgrey"), 1.1)
    for at in np.linspace(0.1, 0.9, int(rng.integers(2, 4))).tolist():
        top, half = horizon - float(rng.uniform(46, 82)), float(rng.uniform(50, 90))
        middle = at * x
        shapes.append(
            polygon([(middle - half, horizon + 2), (middle, top), (middle + half, horizon + 2)], rocky, line=False)
        )
        third = 0.3 * half
        fall = 0.3 * (horizon + 2 - top)
        cap = [(middle - third, top + fall), (middle, top), (middle + third, top + fall), (middle, top + 0.7 * fall)]
        shapes.append(polygon(cap, ink("white"), line=False))
    return shapes


def cloud(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A cloud somewhere in the sky."""
    y = float(rng.uniform(10, 0.5 * horizon))
    white = ink(ink.pick("lightgrey", "white"), 1.1)
    return [
        ellipse((x + dx, y + dy), rx, ry, white, line=False)
        for dx, dy, rx, ry in ((-10, 2, 11, 5), (0, -2, 12, 7), (11, 2, 12, 5))
    ]


def house(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A house with windows, half of them with a pointed roof."""
    half, tall = float(rng.uniform(12, 26)), float(rng.uniform(24, 62))
    top = horizon - tall
    wall = ink(ink.pick("brown", "grey", "tan", "lightgrey", "cream"), 0.9)
    shapes = [box(x - half, top, x + half, horizon + 3, wall, hatch=True)]
    if rng.random() < 0.5:
        roof = [(x - half - 3, top), (x, top - 0.5 * half), (x + half + 3, top)]
        shapes.append(polygon(roof, ink(ink.pick("red", "darkgrey", "darkbrown"), 0.9)))
    pane = ink(ink.pick("glass", "darkgrey", "yellow"))
    shapes += [
        box(x + dx - 3, y, x + dx + 3, y + 7, pane, line=False)
        for dx in (-0.45 * half, 0.45 * half)
        for y in np.arange(top + 7, horizon - 8, 14).tolist()
    ]
    return shapes


def barn(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A red or brown barn with a broken roof and a crossed gate."""
    half, tall = float(rng.uniform(22, 34)), float(rng.uniform(24, 34))
    top, wood = horizon - tall, ink(ink.pick("red", "red", "brown"), 0.9)
    roof = [(x - half - 2, top), (x - 0.6 * half, top - 14), (x, top - 20), (x + 0.6 * half, top - 14)]
    gate = (x - 0.4 * half, horizon - 0.7 * tall, x + 0.4 * half, horizon + 3)
    return [
        box(x - half, top, x + half, horizon + 3, wood, hatch=True),
        polygon([*roof, (x + half + 2, top)], ink("darkgrey")),
        box(*gate, ink("cream"), line=False),
        stroke([gate[:2], gate[2:]], 2.0, wood, line=False),
        stroke([(gate[0], gate[3]), (gate[2], gate[1])], 2.0, wood, line=False),
    ]


def hut(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A beach hut with a striped front."""
    half, top = float(rng.uniform(11, 16)), horizon - float(rng.uniform(24, 34))
    bright = ink(ink.pick("red", "blue", "teal", "yellow"))
    bars = np.arange(x - half + 3, x + half - 1, 7).tolist()
    return [
        box(x - half, top, x + half, horizon + 5, ink("white")),
        *(box(at, top, at + 3, horizon + 5, bright, line=False) for at in bars),
        polygon([(x - half - 3, top), (x, top - 12), (x + half + 3, top)], bright),
    ]


def tree(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A tree with a round crown."""
    y, tall = horizon + float(rng.uniform(0, 8)), float(rng.uniform(26, 58))
    crown = ink(ink.pick("green", "darkgreen", "darkgreen", "orange"), 0.95)
    return [
        stroke([(x, y), (x, y - 0.5 * tall)], 0.09 * tall, ink("brown", 0.9)),
        ellipse((x, y - 0.7 * tall), 0.27 * tall, 0.32 * tall, crown, hatch=True),
    ]


def fir(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A fir of two tiers."""
    y, tall = horizon + float(rng.uniform(0, 8)), float(rng.uniform(30, 60))
    needles = ink("darkgreen", 0.9)
    tiers = [(0.2, 0.7, 0.26), (0.5, 1.0, 0.19)]
    return [
        stroke([(x, y), (x, y - 0.3 * tall)], 0.09 * tall, ink("darkbrown")),
        *(
            polygon([(x - w * tall, y - low * tall), (x, y - top * tall), (x + w * tall, y - low * tall)], needles)
            for low, top, w in tiers
        ),
    ]


def palm(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A palm: a bent trunk and five hanging leaves."""
    y, tall, bend = horizon + float(rng.uniform(0, 8)), float(rng.uniform(44, 70)), float(rng.uniform(-12, 12))
    head, leaf = (x + bend, y - tall), ink(ink.pick("green", "darkgreen"))
    return [
        stroke([(x, y), (x + 0.3 * bend, y - 0.5 * tall), head], 4.0, ink("brown")),
        *(
            stroke([head, (head[0] + 0.6 * dx, head[1] - 5), (head[0] + dx, head[1] + dy)], 3.5, leaf, line=False)
            for dx, dy in ((-20, 8), (-13, -9), (2, -14), (14, -8), (20, 9))
        ),
    ]


def street_lamp(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A lamp post."""
    y = horizon + float(rng.uniform(0, 6))
    return [
        stroke([(x, y), (x, y - 62), (x + 9, y - 66)], 2.2, ink("darkgrey"), line=False),
        ellipse((x + 11, y - 64), 4.0, 2.6, ink("yellow"), line=False),
    ]


def floodlight(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A mast with a panel of lights."""
    top = horizon - float(rng.uniform(70, 90))
    lights = [(x + dx, top + dy) for dx in (-6, 0, 6) for dy in (-3, 3)]
    return [
        stroke([(x, horizon + 3), (x, top)], 2.6, ink("grey"), line=False),
        box(x - 10, top - 7, x + 10, top + 7, ink("darkgrey")),
        *(ellipse(at, 2.2, 2.2, ink("white"), line=False) for at in lights),
    ]


def fence(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A wooden fence of two rails."""
    wood, length = ink(ink.pick("tan", "brown", "white"), 0.92), float(rng.uniform(40, 90))
    posts = [
        box(at, horizon - 13, at + 3, horizon + 4, wood, line=False) for at in np.arange(x, x + length, 9).tolist()
    ]
    return [
        stroke([(x, horizon - 9), (x + length, horizon - 9)], 2.0, wood, line=False),
        stroke([(x, horizon - 2), (x + length, horizon - 2)], 2.0, wood, line=False),
        *posts,
    ]


def railing(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A railing: tall iron bars over the whole width."""
    iron, top = ink(ink.pick("darkgrey", "black", "darkgreen")), horizon - float(rng.uniform(40, 58))
    start = float(rng.uniform(0, 10))
    bars = [stroke([(at, top), (at, horizon + 3)], 1.8, iron, line=False) for at in np.arange(start, x, 11).tolist()]
    return [*bars, stroke([(0.0, top + 5), (x, top + 5)], 2.2, iron, line=False)]


def hedge(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A cut hedge over the whole width."""
    return [box(-4, horizon - float(rng.uniform(10, 20)), x + 4, horizon + 3, ink("darkgreen"), hatch=True)]


def haystack(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A round heap of hay."""
    wide, tall, foot = float(rng.uniform(14, 22)), float(rng.uniform(16, 26)), horizon + float(rng.uniform(2, 10))
    ring = [(x - wide, foot), (x - 0.8 * wide, foot - 0.8 * tall), (x, foot - 1.2 * tall)]
    return [blob([*ring, (x + 0.8 * wide, foot - 0.8 * tall), (x + wide, foot)], ink("yellow", 0.95), hatch=True)]


def rock(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A rock as tall as a person's leg or taller."""
    tall, foot = float(rng.uniform(18, 40)), horizon + float(rng.uniform(2, 8))
    ring = [(-0.9, 0.0), (-0.7, 0.7), (-0.1, 1.05), (0.5, 0.7), (0.9, 0.0)]
    return [blob([(x + px * tall, foot - py * tall) for px, py in ring], ink("grey"), rounds=1, hatch=True)]


def pond(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A pond: flat water on the ground."""
    y = horizon + float(rng.uniform(8, 22))
    return [ellipse((x, y), float(rng.uniform(24, 44)), float(rng.uniform(4, 8)), ink("water"))]


def sea(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """The sea: a band of water at the horizon, with crests."""
    deep = float(rng.uniform(14, 26))
    water, foam = ink("water"), ink("white")
    crests = [(float(rng.uniform(0, x)), horizon + float(rng.uniform(-deep + 3, 4))) for _ in range(7)]
    return [
        box(-4, horizon - deep, x + 4, horizon + 6, water, line=False),
        *(stroke([(cx - 8, y), (cx, y - 2), (cx + 8, y)], 1.4, foam, line=False) for cx, y in crests),
    ]


def kerb(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A pavement at the horizon and a dashed line on the road."""
    row = horizon + float(rng.uniform(22, 40))
    dashes = [(at, at + 16) for at in np.arange(float(rng.uniform(-20, 0)), x, 34).tolist()]
    return [
        box(-4, horizon, x + 4, horizon + 7, ink("lightgrey"), line=False),
        *(stroke([(a, row), (b, row)], 2.4, ink("white"), line=False) for a, b in dashes),
    ]


def pitch(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """The white lines of a playing field."""
    row, at = horizon + float(rng.uniform(10, 24)), float(rng.uniform(0.2, 0.8)) * x
    return [
        stroke([(-4, row), (x + 4, row)], 2.0, ink("white"), line=False),
        stroke([(at, row), (at + 0.3 * x, _LOWEST)], 2.0, ink("white"), line=False),
    ]


def stand(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A stand: rising rows of seats with spots of spectators."""
    step, rows = 9.0, int(rng.integers(2, 5))
    shapes: list[Shape] = []
    for row in range(rows, 0, -1):
        shapes.append(box(-4, horizon - step * row, x + 4, horizon + 2, ink("grey", 1.25 - 0.12 * row), line=False))
    spots = [(float(rng.uniform(0, x)), horizon - float(rng.uniform(3, step * rows - 2))) for _ in range(24)]
    return shapes + [
        ellipse(at, 2.2, 2.6, ink(ink.pick("red", "blue", "yellow", "white", "skin1")), line=False) for at in spots
    ]


def goal(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A goal with a net."""
    wide, tall, foot, white = float(rng.uniform(40, 58)), float(rng.uniform(28, 38)), horizon + 8, ink("white")
    net = ink("lightgrey")
    inner = np.arange(x + 6, x + wide, 7).tolist()
    return [
        *(stroke([(at, foot - tall), (at, foot)], 1.0, net, line=False) for at in inner),
        *(
            stroke([(x, row), (x + wide, row)], 1.0, net, line=False)
            for row in np.arange(foot - tall, foot, 7).tolist()
        ),
        stroke([(x, foot), (x, foot - tall), (x + wide, foot - tall), (x + wide, foot)], 3.0, white, line=False),
    ]


def flag(ink: Ink, rng: np.random.Generator, x: float, horizon: float) -> list[Shape]:
    """A flag: a pole with a small cloth."""
    foot = horizon + float(rng.uniform(2, 14))
    cloth = [(x, foot - 40), (x + 15, foot - 35), (x, foot - 29)]
    return [
        stroke([(x, foot), (x, foot - 41)], 1.8, ink("darkgrey"), line=False),
        polygon(cloth, ink(ink.pick("red", "orange", "blue")), line=False),
    ]
