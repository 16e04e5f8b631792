"""Animals of the house and the wild: dog, cat, elephant, giraffe, bird. Anchors as in `quadruped`."""

from pipeline.datasets.world.drawing.quadruped import Build, animal_anchors, eye, legs, neck, skull, trunk
from pipeline.datasets.world.drawing.shapes import blob, ellipse, polygon, shaded, stroke, tube
from pipeline.datasets.world.drawing.styles import Ink
from pipeline.datasets.world.drawing.thing import Thing

_DOG = Build(
    length=0.44,
    back=0.4,
    belly=0.25,
    leg=0.065,
    poll=(0.29, 0.53),
    neck=(0.075, 0.06),
    skull=0.068,
    muzzle=(0.11, -0.03),
    muzzle_radius=0.036,
)
_CAT = Build(
    length=0.34,
    back=0.27,
    belly=0.15,
    leg=0.05,
    poll=(0.22, 0.34),
    neck=(0.055, 0.05),
    skull=0.07,
    muzzle=(0.035, -0.02),
    muzzle_radius=0.04,
)
_ELEPHANT = Build(
    length=1.05,
    back=1.22,
    belly=0.5,
    leg=0.2,
    poll=(0.66, 1.1),
    neck=(0.26, 0.2),
    skull=0.21,
    muzzle=(0.1, -0.1),
    muzzle_radius=0.14,
)
_GIRAFFE = Build(
    length=0.62,
    back=1.02,
    belly=0.72,
    leg=0.1,
    poll=(0.64, 1.84),
    neck=(0.13, 0.055),
    skull=0.065,
    muzzle=(0.14, -0.06),
    muzzle_radius=0.042,
)


def dog(ink: Ink) -> Thing:
    """A dog with a hanging ear, a raised tail and a collar."""
    coat = ink(ink.pick("brown", "tan", "black", "orange", "white"))
    ear_colour = shaded(coat, 0.65)
    far, near = legs(_DOG, coat, shaded(coat), coat, ink.spread(-0.06, 0.06))
    x, y = _DOG.poll
    tail = stroke([(-0.2, 0.36), (-0.29, 0.44), (-0.3, 0.54)], 0.04, coat)
    ear = blob([(x - 0.07, y + 0.07), (x + 0.01, y + 0.05), (x - 0.01, y - 0.09), (x - 0.08, y - 0.06)], ear_colour)
    collar = stroke(
        [(x - 0.1, y - 0.08), (x - 0.01, y - 0.1)], 0.026, ink(ink.pick("red", "blue", "green")), line=False
    )
    nose = ellipse((x + 0.145, y - 0.015), 0.02, 0.018, ink("black"), line=False)
    shapes = [
        tail,
        *far,
        *near,
        trunk(_DOG, coat),
        neck(_DOG, coat),
        collar,
        *skull(_DOG, coat, coat),
        ear,
        nose,
        eye(ink, (x + 0.035, y + 0.022), 0.012),
    ]
    return Thing(shapes=tuple(shapes), anchors=animal_anchors(_DOG))


def cat(ink: Ink) -> Thing:
    """A cat: pointed ears, round head, long curved tail, stripes."""
    coat = ink(ink.pick("orange", "grey", "black", "cream"))
    far, near = legs(_CAT, coat, shaded(coat), coat, ink.spread(-0.03, 0.03))
    x, y = _CAT.poll
    tail = stroke([(-0.15, 0.24), (-0.24, 0.28), (-0.27, 0.4), (-0.22, 0.48), (-0.17, 0.46)], 0.034, coat)
    ears = [
        polygon([(x - 0.068, y + 0.02), (x - 0.05, y + 0.12), (x + 0.0, y + 0.06)], coat),
        polygon([(x + 0.005, y + 0.06), (x + 0.055, y + 0.12), (x + 0.068, y + 0.02)], coat),
    ]
    stripes = [
        stroke([(k, 0.26), (k + 0.01, 0.2)], 0.018, shaded(coat, 0.66), line=False) for k in (-0.11, -0.05, 0.01, 0.07)
    ]
    face = [
        ellipse((x, y), 0.072, 0.064, coat),
        eye(ink, (x - 0.005, y + 0.012), 0.012),
        eye(ink, (x + 0.045, y + 0.012), 0.012),
        ellipse((x + 0.025, y - 0.018), 0.012, 0.01, ink("pink"), line=False),
        stroke([(x + 0.03, y - 0.02), (x + 0.11, y - 0.01)], 0.007, shaded(coat, 0.5), line=False),
        stroke([(x + 0.03, y - 0.026), (x + 0.11, y - 0.04)], 0.007, shaded(coat, 0.5), line=False),
    ]
    shapes = [tail, *far, *near, trunk(_CAT, coat), *stripes, neck(_CAT, coat), *ears, *face]
    return Thing(shapes=tuple(shapes), anchors=animal_anchors(_CAT))


def elephant(ink: Ink) -> Thing:
    """An elephant: a big grey body, a fan ear, a tusk and a trunk (the mouth anchor is the trunk's tip)."""
    skin = ink(ink.pick("grey", "lightgrey", "darkgrey"))
    far, near = legs(_ELEPHANT, skin, shaded(skin), shaded(skin, 0.7), ink.spread(-0.06, 0.06))
    x, y = _ELEPHANT.poll
    tip = (x + 0.4, 0.62)
    proboscis = [
        tube((x + 0.15, y - 0.08), 0.11, (x + 0.24, y - 0.32), 0.075, skin),
        tube((x + 0.24, y - 0.32), 0.075, (x + 0.3, 0.64), 0.055, skin),
        tube((x + 0.3, 0.64), 0.055, tip, 0.045, skin),
    ]
    tusk = stroke([(x + 0.12, y - 0.2), (x + 0.22, y - 0.3), (x + 0.32, y - 0.28)], 0.04, ink("cream"))
    ear = blob(
        [(x - 0.1, y + 0.16), (x - 0.32, y + 0.16), (x - 0.36, y - 0.12), (x - 0.2, y - 0.34), (x - 0.04, y - 0.1)],
        shaded(skin, 0.86),
        hatch=True,
    )
    tail = stroke([(-0.52, 1.05), (-0.6, 0.9), (-0.6, 0.66)], 0.03, shaded(skin))
    shapes = [
        tail,
        *far,
        *near,
        trunk(_ELEPHANT, skin),
        neck(_ELEPHANT, skin),
        *skull(_ELEPHANT, skin, skin),
        *proboscis,
        tusk,
        ear,
        eye(ink, (x + 0.08, y + 0.05), 0.02),
    ]
    anchors = {
        **animal_anchors(_ELEPHANT, seat=0.2),
        "mouth": (tip[0] + 0.03, tip[1] - 0.02),
        "hug": (x + 0.1, y - 0.3),
        "neck": (x - 0.1, y - 0.32),
    }
    return Thing(shapes=tuple(shapes), anchors=anchors)


def giraffe(ink: Ink) -> Thing:
    """A giraffe: a long neck with patches and two horns."""
    coat, patch = ink("yellow"), ink("brown")
    far, near = legs(_GIRAFFE, coat, shaded(coat), ink("darkbrown"), ink.spread(-0.06, 0.06))
    x, y = _GIRAFFE.poll
    spots = [
        ellipse(p, r, r * 0.8, patch, line=False, angle=0.5)
        for p, r in (
            ((-0.2, 0.92), 0.06),
            ((-0.06, 0.96), 0.05),
            ((-0.1, 0.83), 0.06),
            ((0.06, 0.86), 0.06),
            ((0.2, 0.95), 0.06),
            ((0.2, 0.81), 0.05),
            ((0.3, 1.12), 0.05),
            ((0.38, 1.26), 0.045),
            ((0.43, 1.4), 0.042),
            ((0.5, 1.53), 0.036),
            ((0.55, 1.66), 0.03),
        )
    ]
    horns = [
        stroke([(x - 0.01, y + 0.05), (x - 0.03, y + 0.14)], 0.022, patch),
        stroke([(x + 0.02, y + 0.05), (x + 0.02, y + 0.14)], 0.022, patch),
    ]
    ear = ellipse((x - 0.08, y + 0.04), 0.05, 0.022, coat, angle=0.3)
    tail = stroke([(-0.3, 0.96), (-0.37, 0.86), (-0.37, 0.66)], 0.026, patch)
    shapes = [
        tail,
        *far,
        *near,
        trunk(_GIRAFFE, coat),
        neck(_GIRAFFE, coat),
        *spots,
        *horns,
        ear,
        *skull(_GIRAFFE, coat, ink("tan")),
        eye(ink, (x + 0.04, y + 0.02), 0.014),
    ]
    return Thing(shapes=tuple(shapes), anchors={**animal_anchors(_GIRAFFE), "back": (0.26, 0.98), "hug": (0.32, 1.1)})


def bird(ink: Ink) -> Thing:
    """A bird with a beak, a folded wing and thin legs; anchor feet."""
    plume = ink(ink.pick("blue", "red", "yellow", "teal", "grey"))
    wing, leg = shaded(plume, 0.72), ink("orange")
    body = blob(
        [(-0.16, 0.1), (-0.1, 0.06), (0.02, 0.05), (0.1, 0.1), (0.12, 0.2), (0.04, 0.22), (-0.04, 0.17)],
        plume,
        hatch=True,
    )
    shapes = [
        stroke([(-0.01, 0.07), (-0.01, 0.0), (0.04, 0.0)], 0.014, leg),
        stroke([(0.03, 0.07), (0.03, 0.0), (0.08, 0.0)], 0.014, leg),
        polygon([(-0.1, 0.12), (-0.27, 0.1), (-0.25, 0.05), (-0.08, 0.07)], wing),
        body,
        polygon([(0.14, 0.25), (0.225, 0.225), (0.14, 0.2)], leg),
        ellipse((0.09, 0.23), 0.062, 0.06, plume),
        blob([(0.04, 0.16), (-0.06, 0.17), (-0.17, 0.09), (-0.04, 0.08)], wing),
        eye(ink, (0.11, 0.245), 0.013),
    ]
    anchors = {
        "mouth": (0.225, 0.225),
        "feet": (0.03, 0.0),
        "head": (0.09, 0.29),
        "back": (-0.02, 0.18),
        "front": (0.1, 0.0),
    }
    return Thing(shapes=tuple(shapes), anchors=anchors)
