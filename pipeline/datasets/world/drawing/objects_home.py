"""Furniture, bags and screens. Anchors: seat (hip), lie (a lying hip), top (feet), grip (hand), strap, middle."""

from pipeline.datasets.world.drawing.shapes import Shape, blob, box, ellipse, in_front, polygon, round_box, stroke
from pipeline.datasets.world.drawing.styles import Ink
from pipeline.datasets.world.drawing.thing import Thing


def chair(ink: Ink) -> Thing:
    """A chair with its back at -x."""
    wood, seat = (
        ink(ink.pick("brown", "tan", "darkbrown", "white")),
        ink(ink.pick("red", "blue", "green", "yellow", "tan")),
    )
    legs = [
        stroke([(x, 0.28), (x + dx, 0.02)], 0.034, wood)
        for x, dx in ((-0.13, -0.02), (0.15, 0.02), (-0.07, 0.0), (0.09, 0.0))
    ]
    back = [
        stroke([(-0.15, 0.28), (-0.19, 0.64)], 0.036, wood),
        blob([(-0.22, 0.66), (-0.16, 0.68), (-0.12, 0.44), (-0.18, 0.42)], seat, rounds=1),
    ]
    shapes = [*legs[2:], *back, *legs[:2], round_box(-0.18, 0.265, 0.19, 0.32, 0.02, seat)]
    anchors = {"seat": (-0.02, 0.37), "top": (0.0, 0.32), "grip": (0.0, 0.3), "front": (0.2, 0.0), "middle": (0.0, 0.3)}
    return Thing(shapes=tuple(shapes), anchors=anchors)


def couch(ink: Ink) -> Thing:
    """A couch seen from the front, with two arms and cushions."""
    name = ink.pick("red", "blue", "green", "purple", "orange", "teal")
    cloth, dark, light = ink(name), ink(name, 0.8), ink(name, 1.14)
    shapes: list[Shape] = [box(x, 0.0, x + 0.06, 0.1, ink("darkbrown")) for x in (-0.62, 0.56)]
    shapes += [
        round_box(-0.62, 0.24, 0.62, 0.6, 0.1, dark, hatch=True),
        round_box(-0.58, 0.07, 0.58, 0.28, 0.04, cloth),
        round_box(-0.56, 0.22, -0.01, 0.31, 0.04, light),
        round_box(0.01, 0.22, 0.56, 0.31, 0.04, light),
    ]
    shapes += in_front(
        [round_box(-0.72, 0.06, -0.56, 0.43, 0.07, cloth), round_box(0.56, 0.06, 0.72, 0.43, 0.07, cloth)]
    )
    return Thing(
        shapes=tuple(shapes),
        anchors={"seat": (-0.2, 0.36), "lie": (0.02, 0.37), "front": (0.72, 0.0), "top": (0.0, 0.31)},
    )


def bench(ink: Ink) -> Thing:
    """A park bench: slats, a slatted back and iron legs."""
    wood, iron = ink(ink.pick("brown", "tan", "green")), ink("darkgrey")
    shapes: list[Shape] = []
    for x in (-0.5, 0.5):
        shapes += [
            stroke([(x, 0.3), (x - 0.05, 0.02)], 0.034, iron),
            stroke([(x, 0.3), (x + 0.06, 0.02)], 0.034, iron),
            stroke([(x, 0.3), (x, 0.6)], 0.034, iron),
        ]
    shapes += [box(-0.62, low, 0.62, low + 0.065, wood, hatch=True) for low in (0.4, 0.51)]
    shapes += [box(-0.64, 0.265, 0.64, 0.325, wood)]
    return Thing(
        shapes=tuple(shapes),
        anchors={"seat": (-0.1, 0.375), "lie": (0.0, 0.38), "top": (0.0, 0.33), "front": (0.64, 0.0)},
    )


def bed(ink: Ink) -> Thing:
    """A bed with a headboard at -x, a pillow and a blanket."""
    wood, sheet, blanket = (
        ink(ink.pick("brown", "darkbrown", "tan")),
        ink("white"),
        ink(ink.pick("blue", "red", "teal", "purple", "yellow")),
    )
    shapes = [
        box(-0.82, 0.0, -0.74, 0.58, wood),
        box(0.76, 0.0, 0.84, 0.36, wood),
        box(-0.76, 0.1, 0.78, 0.2, wood),
        round_box(-0.75, 0.18, 0.77, 0.31, 0.03, sheet),
        blob([(-0.72, 0.3), (-0.7, 0.4), (-0.44, 0.39), (-0.42, 0.3)], sheet),
    ]
    front = in_front([round_box(-0.1, 0.12, 0.775, 0.34, 0.04, blanket, hatch=True)])
    anchors = {"seat": (0.1, 0.38), "lie": (0.04, 0.38), "top": (0.0, 0.33), "front": (0.84, 0.0)}
    return Thing(shapes=(*shapes, *front), anchors=anchors)


def suitcase(ink: Ink) -> Thing:
    """A wheeled suitcase with ribs. Anchors: grip (its top handle), pull (the end of a drawn-out handle)."""
    name = ink.pick("red", "blue", "teal", "purple", "orange", "green")
    shell, rib, dark = ink(name), ink(name, 0.76), ink("black")
    shapes: list[Shape] = [
        ellipse((-0.11, 0.025), 0.028, 0.028, dark),
        ellipse((0.11, 0.025), 0.028, 0.028, dark),
        stroke([(-0.05, 0.43), (-0.05, 0.47), (0.05, 0.47), (0.05, 0.43)], 0.022, dark),
        round_box(-0.16, 0.04, 0.16, 0.43, 0.035, shell, hatch=True),
    ]
    shapes += [stroke([(x, 0.08), (x, 0.39)], 0.02, rib, line=False) for x in (-0.08, 0.0, 0.08)]
    return Thing(shapes=tuple(shapes), anchors={"grip": (0.0, 0.47), "middle": (0.0, 0.26), "front": (0.16, 0.0)})


def rolling_suitcase(ink: Ink) -> Thing:
    """The same suitcase with its handle drawn out."""
    case = suitcase(ink)
    rod = stroke([(-0.06, 0.43), (-0.06, 0.7), (0.06, 0.7), (0.06, 0.43)], 0.018, ink("darkgrey"))
    return Thing(shapes=(rod, *case.shapes), anchors={**case.anchors, "pull": (0.0, 0.7)})


def backpack(ink: Ink) -> Thing:
    """A backpack whose straps are at +x. Anchors: strap (against the wearer's back), grip (its loop)."""
    name = ink.pick("red", "green", "orange", "blue", "purple", "yellow")
    cloth, pocket, strap = ink(name), ink(name, 0.76), ink("black")
    shapes = [
        stroke([(0.08, 0.3), (0.13, 0.22), (0.12, 0.1), (0.07, 0.04)], 0.026, strap),
        stroke([(-0.02, 0.34), (0.01, 0.38), (0.05, 0.34)], 0.022, strap),
        blob(
            [(-0.12, 0.0), (-0.13, 0.22), (-0.07, 0.36), (0.06, 0.36), (0.1, 0.26), (0.1, 0.0)],
            cloth,
            rounds=1,
            hatch=True,
        ),
        round_box(-0.155, 0.03, -0.02, 0.16, 0.03, pocket),
        stroke([(-0.1, 0.24), (0.06, 0.24)], 0.014, strap, line=False),
    ]
    return Thing(
        shapes=tuple(shapes),
        anchors={"strap": (0.09, 0.22), "grip": (0.01, 0.385), "middle": (0.0, 0.18), "front": (0.1, 0.0)},
    )


def handbag(ink: Ink) -> Thing:
    """A handbag with a loop handle. Anchor: grip."""
    name = ink.pick("brown", "red", "pink", "black", "purple", "tan")
    leather = ink(name)
    shapes = [
        stroke([(-0.08, 0.15), (-0.07, 0.25), (0.0, 0.3), (0.07, 0.25), (0.08, 0.15)], 0.022, ink(name, 0.7)),
        polygon([(-0.13, 0.0), (0.13, 0.0), (0.1, 0.17), (-0.1, 0.17)], leather, hatch=True),
        polygon([(-0.1, 0.17), (0.1, 0.17), (0.05, 0.09), (-0.05, 0.09)], ink(name, 0.78)),
        ellipse((0.0, 0.09), 0.016, 0.016, ink("yellow"), line=False),
    ]
    return Thing(shapes=tuple(shapes), anchors={"grip": (0.0, 0.3), "middle": (0.0, 0.09), "front": (0.13, 0.0)})


def umbrella(ink: Ink) -> Thing:
    """An open umbrella. Anchor: grip (the handle), top."""
    name = ink.pick("red", "blue", "yellow", "purple", "teal")
    canopy, panel = ink(name), ink(name, 0.78)
    shapes = [
        stroke([(0.0, 0.62), (0.0, 0.02), (0.035, -0.02), (0.06, 0.02)], 0.02, ink("darkbrown")),
        blob(
            [
                (-0.36, 0.4),
                (-0.3, 0.56),
                (-0.12, 0.65),
                (0.12, 0.65),
                (0.3, 0.56),
                (0.36, 0.4),
                (0.24, 0.44),
                (0.12, 0.4),
                (0.0, 0.44),
                (-0.12, 0.4),
                (-0.24, 0.44),
            ],
            canopy,
            rounds=1,
            hatch=True,
        ),
        blob(
            [(-0.12, 0.42), (-0.07, 0.62), (0.0, 0.655), (0.07, 0.62), (0.12, 0.42), (0.0, 0.44)],
            panel,
            rounds=1,
        ),
        stroke([(0.0, 0.64), (0.0, 0.69)], 0.016, ink("darkbrown")),
    ]
    return Thing(shapes=tuple(shapes), anchors={"grip": (0.0, 0.08), "middle": (0.0, 0.5), "front": (0.36, 0.0)})


def closed_umbrella(ink: Ink) -> Thing:
    """A closed umbrella, hanging by its crook. Anchor: grip."""
    name = ink.pick("red", "blue", "yellow", "purple", "teal")
    shapes = [
        stroke([(-0.05, 0.5), (-0.04, 0.54), (0.0, 0.54), (0.0, 0.02)], 0.02, ink("darkbrown")),
        blob(
            [(-0.05, 0.42), (0.05, 0.42), (0.045, 0.3), (0.012, 0.05), (-0.012, 0.05), (-0.045, 0.3)],
            ink(name),
            rounds=1,
        ),
        stroke([(-0.045, 0.34), (0.045, 0.32)], 0.014, ink(name, 0.7), line=False),
    ]
    return Thing(shapes=tuple(shapes), anchors={"grip": (0.0, 0.54), "middle": (0.0, 0.3), "front": (0.1, 0.0)})


def tv(ink: Ink) -> Thing:
    """A television on a stand; its screen faces the viewer."""
    frame, screen = ink("black"), ink(ink.pick("blue", "teal", "navy"))
    shapes = [
        box(-0.34, 0.0, 0.34, 0.3, ink(ink.pick("brown", "tan", "darkbrown")), hatch=True),
        stroke([(0.0, 0.02), (0.0, 0.28)], 0.014, ink("black"), line=False),
        box(-0.06, 0.3, 0.06, 0.36, frame),
        round_box(-0.4, 0.34, 0.4, 0.84, 0.03, frame),
        box(-0.36, 0.38, 0.36, 0.8, screen, line=False),
        polygon(
            [(-0.36, 0.38), (-0.36, 0.5), (-0.1, 0.62), (0.1, 0.5), (0.36, 0.66), (0.36, 0.38)],
            ink("green"),
            line=False,
        ),
        ellipse((0.2, 0.72), 0.05, 0.05, ink("yellow"), line=False),
    ]
    return Thing(shapes=tuple(shapes), anchors={"front": (-0.4, 0.0), "middle": (0.0, 0.6)})
