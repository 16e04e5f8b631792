"""Vehicles and boards. Anchors: seat (hip), bars (hands), pedal and deck (feet), grip (a carrying hand), tail."""

import math

from pipeline.datasets.world.drawing.shapes import (
    Point,
    Shape,
    blob,
    box,
    ellipse,
    in_front,
    polygon,
    ring,
    round_box,
    stroke,
    tube,
)
from pipeline.datasets.world.drawing.styles import Ink
from pipeline.datasets.world.drawing.thing import Thing


def _spokes(centre: Point, radius: float, ink: Ink) -> list[Shape]:
    lines = []
    for k in range(3):
        dx, dy = radius * math.cos(0.4 + k * math.pi / 3), radius * math.sin(0.4 + k * math.pi / 3)
        lines.append(
            stroke([(centre[0] - dx, centre[1] - dy), (centre[0] + dx, centre[1] + dy)], 0.007, ink("grey"), line=False)
        )
    return lines


def bicycle(ink: Ink) -> Thing:
    """A bicycle facing +x."""
    frame, tyre = ink(ink.pick("red", "blue", "green", "orange", "purple", "teal")), ink("black")
    rear, front, crank = (-0.31, 0.19), (0.31, 0.19), (-0.02, 0.19)
    seat = (-0.14, 0.5)
    shapes = [
        *_spokes(rear, 0.17, ink),
        *_spokes(front, 0.17, ink),
        ring(rear, 0.175, 0.03, tyre),
        ring(front, 0.175, 0.03, tyre),
    ]
    for line in ([rear, crank, seat, rear], [seat, (0.23, 0.48)], [crank, (0.24, 0.44)], [(0.21, 0.56), front]):
        shapes.append(stroke(line, 0.028, frame))
    shapes += [
        stroke([(0.21, 0.56), (0.2, 0.61), (0.27, 0.62)], 0.026, tyre),
        blob([(-0.24, 0.55), (-0.07, 0.54), (-0.06, 0.51), (-0.2, 0.5)], tyre, rounds=1),
        stroke([(-0.02, 0.19), (0.04, 0.11)], 0.02, ink("darkgrey")),
        stroke([(0.01, 0.11), (0.08, 0.11)], 0.02, tyre),
    ]
    anchors = {
        "seat": (-0.15, 0.59),
        "bars": (0.24, 0.63),
        "pedal": (0.05, 0.15),
        "pedal_far": (-0.08, 0.27),
        "grip": (0.03, 0.5),
        "tail": (-0.22, 0.56),
        "middle": (0.0, 0.3),
        "front": (0.5, 0.0),
    }
    return Thing(shapes=tuple(shapes), anchors=anchors)


def motorcycle(ink: Ink) -> Thing:
    """A motorcycle facing +x."""
    paint, tyre, metal = ink(ink.pick("red", "blue", "orange", "green", "yellow")), ink("black"), ink("grey")
    rear, front = (-0.36, 0.19), (0.38, 0.19)
    shapes = [
        ring(rear, 0.15, 0.08, tyre),
        ring(front, 0.15, 0.08, tyre),
        ellipse(rear, 0.07, 0.07, metal),
        ellipse(front, 0.07, 0.07, metal),
        stroke([(-0.36, 0.19), (-0.04, 0.24)], 0.05, metal),
        stroke([(-0.46, 0.15), (-0.1, 0.15)], 0.05, metal),
        round_box(-0.14, 0.14, 0.14, 0.36, 0.06, ink("darkgrey"), hatch=True),
        stroke([(0.22, 0.56), front], 0.045, metal),
        blob([(-0.5, 0.47), (-0.3, 0.4), (-0.1, 0.38), (-0.16, 0.46), (-0.44, 0.52)], paint, rounds=1),
        blob([(-0.1, 0.36), (0.2, 0.38), (0.27, 0.5), (0.1, 0.58), (-0.08, 0.48)], paint, rounds=2, hatch=True),
        blob([(-0.42, 0.5), (-0.1, 0.46), (-0.06, 0.51), (-0.2, 0.53), (-0.42, 0.57)], tyre, rounds=1),
        blob([(0.24, 0.36), (0.42, 0.4), (0.54, 0.28), (0.46, 0.42), (0.28, 0.44)], paint, rounds=1),
        stroke([(0.22, 0.56), (0.2, 0.64), (0.13, 0.66)], 0.032, tyre),
        ellipse((0.28, 0.55), 0.045, 0.05, ink("yellow")),
    ]
    anchors = {
        "seat": (-0.2, 0.58),
        "bars": (0.15, 0.67),
        "pedal": (0.02, 0.18),
        "pedal_far": (0.02, 0.18),
        "tail": (-0.44, 0.55),
        "grip": (0.0, 0.5),
        "front": (0.55, 0.0),
    }
    return Thing(shapes=tuple(shapes), anchors=anchors)


def skateboard(ink: Ink) -> Thing:
    """A skateboard with raised ends."""
    deck, wheel = ink(ink.pick("red", "orange", "teal", "purple", "green")), ink(ink.pick("yellow", "white", "black"))
    board = [(-0.27, 0.135), (-0.18, 0.085), (0.18, 0.085), (0.27, 0.135)]
    shapes = [
        ellipse((-0.14, 0.035), 0.035, 0.035, wheel),
        ellipse((0.14, 0.035), 0.035, 0.035, wheel),
        box(-0.17, 0.05, -0.11, 0.08, ink("grey")),
        box(0.11, 0.05, 0.17, 0.08, ink("grey")),
        stroke(board, 0.034, deck),
    ]
    anchors = {
        "deck": (0.0, 0.13),
        "grip": (0.0, 0.085),
        "seat": (0.0, 0.15),
        "nose": (0.27, 0.135),
        "front": (0.3, 0.0),
        "middle": (0.0, 0.08),
    }
    return Thing(shapes=tuple(shapes), anchors=anchors)


def surfboard(ink: Ink) -> Thing:
    """A surfboard, seen flat from the side: a long leaf with a stripe and a fin."""
    skin, band = ink(ink.pick("yellow", "white", "cream", "orange", "teal")), ink(ink.pick("red", "blue", "purple"))
    leaf = [(-0.66, 0.0), (-0.45, -0.045), (0.3, -0.045), (0.68, 0.06), (0.4, 0.05), (-0.3, 0.05)]
    shapes = [
        polygon([(-0.56, -0.03), (-0.62, -0.13), (-0.48, -0.04)], band),
        blob(leaf, skin, rounds=2),
        stroke([(-0.5, 0.005), (0.46, 0.012)], 0.03, band, line=False),
    ]
    anchors = {"deck": (0.0, 0.05), "grip": (0.0, 0.0), "tail": (-0.6, 0.0), "nose": (0.6, 0.03), "middle": (0.0, 0.0)}
    return Thing(shapes=tuple(shapes), anchors=anchors)


def snowboard(ink: Ink) -> Thing:
    """A snowboard: a slim board with both ends bent up and two bindings."""
    deck, edge = ink(ink.pick("purple", "blue", "red", "black")), ink(ink.pick("yellow", "white", "pink"))
    board = [(-0.42, 0.08), (-0.34, 0.02), (0.34, 0.02), (0.42, 0.08)]
    shapes = [
        stroke(board, 0.045, deck),
        stroke([(-0.3, 0.028), (0.3, 0.028)], 0.016, edge, line=False),
        box(-0.18, 0.03, -0.09, 0.075, ink("darkgrey")),
        box(0.09, 0.03, 0.18, 0.075, ink("darkgrey")),
    ]
    anchors = {
        "deck": (0.0, 0.06),
        "grip": (0.0, 0.02),
        "nose": (0.42, 0.08),
        "front": (0.45, 0.0),
        "middle": (0.0, 0.03),
    }
    return Thing(shapes=tuple(shapes), anchors=anchors)


def skis(ink: Ink) -> Thing:
    """A pair of skis, one a little before the other."""
    front, back = ink(ink.pick("red", "orange", "green", "blue")), ink("darkgrey")
    far = [(-0.46, 0.045), (0.42, 0.045), (0.52, 0.08), (0.57, 0.13)]
    near = [(-0.55, 0.012), (0.34, 0.012), (0.45, 0.045), (0.5, 0.1)]
    shapes = [stroke(far, 0.03, back), stroke(near, 0.034, front), box(-0.08, 0.02, 0.06, 0.05, ink("black"))]
    anchors = {"deck": (0.0, 0.04), "grip": (0.0, 0.03), "nose": (0.5, 0.1), "front": (0.6, 0.0), "middle": (0.0, 0.03)}
    return Thing(shapes=tuple(shapes), anchors=anchors)


def boat(ink: Ink) -> Thing:
    """A rowing boat; its near side lies before whoever is in it. Anchors: seat, deck."""
    hull, rim = ink(ink.pick("red", "blue", "brown", "green", "white")), ink(ink.pick("tan", "cream", "darkbrown"))
    inner = polygon([(-0.66, 0.27), (0.66, 0.27), (0.5, 0.17), (-0.52, 0.17)], ink("darkbrown"))
    side = [
        (-0.74, 0.3),
        (-0.62, 0.02),
        (-0.4, -0.06),
        (0.4, -0.06),
        (0.62, 0.06),
        (0.8, 0.34),
        (0.62, 0.24),
        (0.0, 0.2),
        (-0.62, 0.23),
    ]
    near = [
        blob(side, hull, rounds=1, hatch=True),
        stroke([(-0.73, 0.3), (-0.58, 0.235), (0.0, 0.21), (0.58, 0.25), (0.78, 0.34)], 0.035, rim),
        stroke([(-0.6, 0.1), (0.0, 0.07), (0.62, 0.12)], 0.016, rim, line=False),
    ]
    anchors = {"seat": (-0.05, 0.26), "deck": (-0.05, 0.12), "front": (0.8, 0.0), "bars": (0.22, 0.36)}
    return Thing(shapes=(inner, *in_front(near)), anchors=anchors)


def car(ink: Ink) -> Thing:
    """A car; its near side lies before whoever sits in it, who shows through the window. Anchor: seat, roof."""
    paint, tyre, hub = (
        ink(ink.pick("red", "blue", "yellow", "green", "white", "orange")),
        ink("black"),
        ink("lightgrey"),
    )
    glass = ink("glass")
    cabin_back = polygon([(-0.5, 0.42), (-0.34, 0.74), (0.24, 0.74), (0.46, 0.42)], glass)
    body = [(-0.86, 0.16), (-0.88, 0.38), (-0.8, 0.44), (0.46, 0.45), (0.8, 0.38), (0.9, 0.28), (0.88, 0.16)]
    near = [
        polygon(body, paint, hatch=True),
        stroke([(-0.56, 0.43), (-0.37, 0.74), (0.25, 0.74), (0.5, 0.43)], 0.05, paint),
        stroke([(-0.08, 0.43), (-0.08, 0.73)], 0.035, paint),
        stroke([(-0.06, 0.2), (-0.06, 0.42)], 0.012, ink("darkgrey"), line=False),
        stroke([(0.04, 0.34), (0.14, 0.34)], 0.02, ink("darkgrey"), line=False),
        ellipse((-0.52, 0.15), 0.145, 0.145, tyre),
        ellipse((0.54, 0.15), 0.145, 0.145, tyre),
        ellipse((-0.52, 0.15), 0.07, 0.07, hub),
        ellipse((0.54, 0.15), 0.07, 0.07, hub),
        ellipse((0.85, 0.32), 0.03, 0.035, ink("yellow")),
        box(-0.88, 0.3, -0.83, 0.37, ink("red")),
    ]
    anchors = {
        "seat": (0.0, 0.25),
        "wheel": (0.3, 0.46),
        "roof": (-0.05, 0.76),
        "hood": (0.62, 0.43),
        "front": (0.9, 0.0),
    }
    return Thing(shapes=(cabin_back, *in_front(near)), anchors=anchors)


def lead_rope(start: Point, end: Point, ink: Ink) -> Shape:
    """A slack rope between two points (a leash); part of the scenery, of no box."""
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 0.06)
    return stroke([start, middle, end], 0.02, ink("darkbrown"), line=False)


def ski_pole(hand: Point, tip: Point, ink: Ink) -> list[Shape]:
    """A ski pole from the hand to its tip; part of the scenery, of no box."""
    return [tube(hand, 0.009, tip, 0.007, ink("darkgrey"))]
