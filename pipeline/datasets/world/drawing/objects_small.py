"""Things to hold, eat, throw, read or fly. Anchors: grip (the hand), bite (food at the mouth), spout (to drink)."""

import math

from pipeline.datasets.world.drawing.shapes import Point, Shape, blob, ellipse, polygon, round_box, stroke
from pipeline.datasets.world.drawing.styles import Ink
from pipeline.datasets.world.drawing.thing import Thing


def _grips(**points: Point) -> dict[str, Point]:
    return {"middle": (0.0, 0.0), "front": (0.1, 0.0), **points}


def sports_ball(ink: Ink) -> Thing:
    """A ball: a football with patches, a basketball with seams, or a beach ball."""
    kind = ink.pick("football", "basketball", "beach")
    radius, dark = 0.105, ink("black")
    marks: list[Shape] = []
    if kind == "football":
        skin = ink("white")
        marks = [
            polygon([(0.04 * math.cos(t), 0.04 * math.sin(t)) for t in (0.3, 1.56, 2.8, 4.07, 5.3)], dark, line=False)
        ]
        marks += [
            ellipse((0.085 * math.cos(t), 0.085 * math.sin(t)), 0.02, 0.02, dark, line=False)
            for t in (0.3, 1.56, 2.8, 4.07, 5.3)
        ]
    elif kind == "basketball":
        skin = ink("orange")
        marks = [
            stroke([(-0.1, 0.0), (0.1, 0.0)], 0.011, dark, line=False),
            stroke([(0.0, -0.1), (0.0, 0.1)], 0.011, dark, line=False),
            stroke([(-0.07, 0.07), (-0.035, 0.0), (-0.07, -0.07)], 0.011, dark, line=False),
            stroke([(0.07, 0.07), (0.035, 0.0), (0.07, -0.07)], 0.011, dark, line=False),
        ]
    else:
        skin = ink("white")
        for k, name in enumerate(("red", "yellow", "blue")):
            arc = [
                (0.1 * math.cos(t), 0.1 * math.sin(t))
                for t in (2.09 * k, 2.09 * k + 0.35, 2.09 * k + 0.7, 2.09 * k + 1.05)
            ]
            marks.append(polygon([(0.0, 0.0), *arc], ink(name), line=False))
    return Thing(
        shapes=(ellipse((0.0, 0.0), radius, radius, skin), *marks),
        anchors=_grips(grip=(0.0, -0.06), low=(0.0, -radius)),
    )


def frisbee(ink: Ink) -> Thing:
    """A frisbee seen nearly edge-on."""
    name = ink.pick("red", "yellow", "teal", "orange", "purple")
    shapes = [
        ellipse((0.0, 0.0), 0.14, 0.055, ink(name)),
        ellipse((0.0, 0.014), 0.1, 0.032, ink(name, 0.75), line=False),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(-0.12, -0.01)))


def bottle(ink: Ink) -> Thing:
    """A bottle with a label, upright. Anchors: grip, spout."""
    name = ink.pick("green", "blue", "brown", "teal")
    body = [
        (-0.05, -0.13),
        (0.05, -0.13),
        (0.05, 0.04),
        (0.022, 0.09),
        (0.022, 0.15),
        (-0.022, 0.15),
        (-0.022, 0.09),
        (-0.05, 0.04),
    ]
    shapes = [
        polygon(body, ink(name)),
        round_box(-0.05, -0.07, 0.05, 0.01, 0.004, ink("cream")),
        round_box(-0.026, 0.14, 0.026, 0.175, 0.006, ink("red")),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(0.0, -0.04), spout=(0.0, 0.17)))


def cup(ink: Ink) -> Thing:
    """A mug with a handle and a band. Anchors: grip, spout (the rim's edge)."""
    name = ink.pick("white", "red", "yellow", "teal", "pink")
    band = ink.pick("blue", "darkbrown", "purple")
    shapes = [
        stroke([(-0.06, 0.045), (-0.105, 0.035), (-0.105, -0.035), (-0.055, -0.05)], 0.024, ink(name, 0.85)),
        polygon([(-0.058, -0.085), (0.058, -0.085), (0.075, 0.085), (-0.075, 0.085)], ink(name)),
        stroke([(-0.06, 0.01), (0.06, 0.01)], 0.03, ink(band), line=False),
        ellipse((0.0, 0.085), 0.075, 0.018, ink("darkbrown")),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(-0.07, -0.01), spout=(0.07, 0.085)))


def open_book(ink: Ink) -> Thing:
    """An open book seen from its side: two raised covers and pages; it opens towards -x. Anchor: grip (its spine)."""
    name = ink.pick("red", "blue", "green", "purple", "orange")
    cover, page = ink(name), ink("white")
    shapes = [
        polygon([(-0.12, 0.13), (0.03, -0.03), (0.05, 0.0), (-0.07, 0.17)], cover),
        polygon([(0.03, -0.03), (0.13, 0.16), (0.1, 0.19), (0.02, 0.0)], cover),
        polygon([(0.02, 0.0), (0.1, 0.175), (0.0, 0.21), (-0.085, 0.165)], page),
        stroke([(0.02, 0.01), (-0.005, 0.19)], 0.012, ink("grey"), line=False),
        stroke([(-0.02, 0.13), (-0.05, 0.16)], 0.008, ink("grey"), line=False),
        stroke([(0.05, 0.12), (0.03, 0.17)], 0.008, ink("grey"), line=False),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(0.03, 0.0)))


def book(ink: Ink) -> Thing:
    """A closed book, cover to the viewer. Anchor: grip (its lower edge)."""
    name = ink.pick("red", "blue", "green", "purple", "orange")
    shapes = [
        round_box(-0.085, -0.115, 0.095, 0.115, 0.008, ink("white")),
        round_box(-0.1, -0.12, 0.082, 0.12, 0.012, ink(name), hatch=True),
        stroke([(-0.075, -0.11), (-0.075, 0.11)], 0.014, ink(name, 0.7), line=False),
        round_box(-0.035, 0.02, 0.055, 0.07, 0.004, ink("cream")),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(0.0, -0.09)))


def laptop(ink: Ink) -> Thing:
    """An open laptop in side view: keyboard to -x, screen up. Anchor: grip (under the base)."""
    metal, screen = ink(ink.pick("lightgrey", "darkgrey", "grey")), ink("blue")
    shapes = [
        polygon([(-0.15, -0.02), (0.1, -0.02), (0.13, 0.01), (-0.12, 0.01)], metal),
        polygon([(0.09, 0.0), (0.13, 0.0), (0.22, 0.2), (0.16, 0.21)], metal),
        polygon([(0.085, 0.015), (0.115, 0.02), (0.178, 0.19), (0.15, 0.2)], screen, line=False),
        stroke([(-0.1, 0.012), (0.06, 0.012)], 0.012, ink("black"), line=False),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(0.0, -0.02)))


def closed_laptop(ink: Ink) -> Thing:
    """A closed laptop, lid to the viewer. Anchor: grip (its lower edge)."""
    metal = ink(ink.pick("lightgrey", "darkgrey", "grey"))
    shapes = [
        round_box(-0.17, -0.11, 0.17, 0.11, 0.02, metal, hatch=True),
        ellipse((0.0, 0.01), 0.03, 0.03, ink("white"), line=False),
        stroke([(-0.15, -0.09), (0.15, -0.09)], 0.014, ink("black"), line=False),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(-0.1, -0.09)))


def cell_phone(ink: Ink) -> Thing:
    """A phone, upright, its screen to -x and the viewer. Anchor: grip."""
    shapes = [
        round_box(-0.042, -0.08, 0.042, 0.08, 0.014, ink(ink.pick("black", "darkgrey", "red"))),
        round_box(-0.032, -0.058, 0.032, 0.066, 0.004, ink("glass")),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(0.0, -0.05)))


def banana(ink: Ink) -> Thing:
    """A banana curving upwards. Anchors: grip, bite (its end)."""
    shapes = [
        blob(
            [
                (-0.13, 0.06),
                (-0.1, -0.03),
                (0.0, -0.075),
                (0.1, -0.03),
                (0.14, 0.075),
                (0.11, 0.08),
                (0.06, 0.02),
                (0.0, -0.005),
                (-0.06, 0.02),
                (-0.1, 0.075),
            ],
            ink("yellow"),
            rounds=1,
        ),
        ellipse((0.125, 0.078), 0.02, 0.016, ink("darkbrown")),
        ellipse((-0.115, 0.07), 0.014, 0.012, ink("darkbrown")),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(0.04, -0.04), bite=(-0.12, 0.05)))


def apple(ink: Ink) -> Thing:
    """An apple with a stalk and a leaf. Anchors: grip, bite."""
    shapes = [
        stroke([(0.0, 0.06), (0.012, 0.11)], 0.018, ink("darkbrown")),
        blob([(0.012, 0.09), (0.05, 0.125), (0.085, 0.1), (0.05, 0.08)], ink("green"), rounds=1),
        blob(
            [
                (0.0, 0.06),
                (0.05, 0.08),
                (0.09, 0.04),
                (0.08, -0.05),
                (0.03, -0.085),
                (-0.03, -0.085),
                (-0.08, -0.05),
                (-0.09, 0.04),
                (-0.05, 0.08),
            ],
            ink(ink.pick("red", "red", "green")),
        ),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(0.03, -0.04), bite=(-0.07, 0.01)))


def pizza(ink: Ink) -> Thing:
    """A slice of pizza, its point at -x. Anchors: grip (the crust), bite (the point)."""
    shapes = [
        polygon([(-0.16, -0.02), (0.11, 0.09), (0.13, -0.085)], ink("yellow")),
        stroke([(0.115, 0.09), (0.135, -0.085)], 0.05, ink("tan")),
    ]
    shapes += [
        ellipse(p, 0.024, 0.022, ink("red"), line=False) for p in ((0.05, 0.04), (0.05, -0.035), (-0.03, -0.005))
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(0.11, -0.03), bite=(-0.14, -0.02)))


def cake(ink: Ink) -> Thing:
    """A piece of layered cake with a cherry. Anchors: grip (below), bite."""
    cream, sponge = ink(ink.pick("pink", "white", "cream")), ink(ink.pick("tan", "darkbrown"))
    shapes = [
        round_box(-0.12, -0.08, 0.12, 0.07, 0.008, sponge),
        round_box(-0.12, -0.025, 0.12, 0.005, 0.004, cream),
        blob(
            [
                (-0.125, 0.03),
                (-0.125, 0.085),
                (0.125, 0.085),
                (0.125, 0.03),
                (0.08, 0.055),
                (0.04, 0.02),
                (0.0, 0.055),
                (-0.04, 0.02),
                (-0.08, 0.055),
            ],
            cream,
            rounds=1,
        ),
        ellipse((0.0, 0.105), 0.028, 0.028, ink("red")),
        stroke([(-0.14, -0.085), (0.14, -0.085)], 0.016, ink("lightgrey")),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(0.0, -0.09), bite=(-0.11, 0.0)))


def sandwich(ink: Ink) -> Thing:
    """A sandwich: two slices of bread with lettuce, cheese and tomato. Anchors: grip, bite."""
    bread = ink("tan")
    shapes = [
        round_box(-0.12, -0.07, 0.12, -0.02, 0.02, bread),
        stroke([(-0.12, -0.015), (-0.06, -0.025), (0.0, -0.012), (0.06, -0.025), (0.12, -0.015)], 0.024, ink("green")),
        stroke([(-0.11, 0.006), (0.11, 0.006)], 0.02, ink("red"), line=False),
        stroke([(-0.12, 0.022), (0.12, 0.022)], 0.016, ink("yellow"), line=False),
        blob(
            [(-0.125, 0.025), (-0.12, 0.08), (-0.04, 0.1), (0.04, 0.1), (0.12, 0.08), (0.125, 0.025)], bread, rounds=1
        ),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(0.06, -0.05), bite=(-0.11, 0.0)))


def teddy_bear(ink: Ink) -> Thing:
    """A teddy bear facing the viewer. Anchors: grip (its head), belly."""
    fur, light, dark = ink(ink.pick("brown", "tan", "orange")), ink("cream"), ink("black")
    shapes = [
        ellipse((-0.075, 0.03), 0.035, 0.06, fur, angle=-0.7),
        ellipse((0.075, 0.03), 0.035, 0.06, fur, angle=0.7),
        ellipse((-0.055, -0.12), 0.045, 0.04, fur),
        ellipse((0.055, -0.12), 0.045, 0.04, fur),
        ellipse((0.0, -0.02), 0.078, 0.1, fur),
        ellipse((0.0, -0.025), 0.045, 0.062, light, line=False),
        ellipse((-0.058, 0.185), 0.03, 0.03, fur),
        ellipse((0.058, 0.185), 0.03, 0.03, fur),
        ellipse((0.0, 0.125), 0.078, 0.07, fur),
        ellipse((0.0, 0.105), 0.034, 0.026, light, line=False),
        ellipse((-0.03, 0.145), 0.011, 0.012, dark, line=False),
        ellipse((0.03, 0.145), 0.011, 0.012, dark, line=False),
        ellipse((0.0, 0.115), 0.012, 0.009, dark, line=False),
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(grip=(-0.06, 0.05), belly=(0.0, -0.02)))


def kite(ink: Ink) -> Thing:
    """A diamond kite with a tail. Anchors: string, grip."""
    one, two = ink.pick("red", "yellow", "green"), ink.pick("blue", "purple", "orange")
    tail = [(0.0, -0.2), (-0.05, -0.28), (0.0, -0.34), (-0.05, -0.42)]
    shapes = [
        stroke(tail, 0.014, ink("darkgrey"), line=False),
        polygon([(0.0, 0.18), (0.13, 0.02), (0.0, 0.02)], ink(one)),
        polygon([(0.0, 0.18), (-0.13, 0.02), (0.0, 0.02)], ink(two)),
        polygon([(0.0, -0.2), (0.13, 0.02), (0.0, 0.02)], ink(two)),
        polygon([(0.0, -0.2), (-0.13, 0.02), (0.0, 0.02)], ink(one)),
    ]
    shapes += [
        polygon([(x - 0.03, y + 0.02), (x + 0.03, y - 0.02), (x + 0.03, y + 0.02), (x - 0.03, y - 0.02)], ink(one))
        for x, y in tail[1::2]
    ]
    return Thing(shapes=tuple(shapes), anchors=_grips(string=(0.0, 0.02), grip=(0.0, -0.08)))
