"""Animals. Anchors: seat (top of the back), back (where a hand strokes), mouth, head (top), neck (collar), hug (neck's side)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.world.shapes import Colour, Point, Shape, blob, ellipse, polygon, stroke, tube
from pipeline.world.styles import Ink
from pipeline.world.thing import Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Proportions of a four-legged animal, in adult heights.

    Attributes:
        length: Chest to rump.
        back: Height of the back.
        belly: Height of the belly.
        leg: Leg width at the top.
        poll: Where the neck ends (the middle of the skull).
        neck: Neck radius at the shoulder and at the head.
        skull: Skull radius.
        muzzle: Where the muzzle ends, from the poll.
        muzzle_radius: Its radius.
    """

    length: float
    back: float
    belly: float
    leg: float
    poll: Point
    neck: tuple[float, float]
    skull: float
    muzzle: Point
    muzzle_radius: float


def _legs(build: Build, coat: Colour, far: Colour, hoof: Colour, swing: float) -> tuple[list[Shape], list[Shape]]:
    """The far and the near legs; `swing` moves diagonal pairs apart."""
    hip, chest = -0.39 * build.length, 0.36 * build.length
    top = build.belly + 0.25 * (build.back - build.belly)

    def leg(x: float, step: float, colour: Colour) -> list[Shape]:
        knee = (x + 0.35 * step, 0.5 * build.belly)
        foot = (x + step, 0.12 * build.leg)
        return [
            tube((x, top), 0.62 * build.leg, knee, 0.36 * build.leg, colour),
            tube(knee, 0.36 * build.leg, foot, 0.32 * build.leg, colour),
            ellipse((x + step + 0.1 * build.leg, 0.22 * build.leg), 0.42 * build.leg, 0.22 * build.leg, hoof),
        ]

    back = leg(hip + 0.07 * build.length, -swing, far) + leg(chest - 0.06 * build.length, swing, far)
    near = leg(hip, swing, coat) + leg(chest, -swing, coat)
    return back, near


def _trunk(build: Build, coat: Colour) -> Shape:
    half, back, belly = build.length / 2, build.back, build.belly
    depth = back - belly
    outline = [
        (-half, belly + 0.35 * depth),
        (-0.96 * half, back - 0.08 * depth),
        (-0.6 * half, back + 0.04 * depth),
        (0.0, back - 0.05 * depth),
        (0.6 * half, back + 0.02 * depth),
        (half, back - 0.12 * depth),
        (1.02 * half, belly + 0.3 * depth),
        (0.6 * half, belly - 0.02 * depth),
        (-0.1 * half, belly - 0.03 * depth),
        (-0.7 * half, belly + 0.1 * depth),
    ]
    return blob(outline, coat, hatch=True)


def _neck(build: Build, coat: Colour) -> Shape:
    base = (0.38 * build.length, build.belly + 0.66 * (build.back - build.belly))
    return tube(base, build.neck[0], build.poll, build.neck[1], coat)


def _skull(build: Build, coat: Colour, muzzle: Colour) -> list[Shape]:
    x, y = build.poll
    end = (x + build.muzzle[0], y + build.muzzle[1])
    return [
        tube((x, y), build.skull, end, build.muzzle_radius, coat),
        ellipse(end, build.muzzle_radius * 0.98, build.muzzle_radius * 0.9, muzzle, line=False),
    ]


def _eye(ink: Ink, at: Point, radius: float) -> Shape:
    return ellipse(at, radius, radius, ink("black"), line=False)


def _anchors(build: Build, *, seat: float = -0.02) -> Mapping[str, Point]:
    x, y = build.poll
    reach = build.muzzle_radius
    base = (0.4 * build.length, build.back)
    return {
        "seat": (seat * build.length, build.back - 0.01),
        "back": (-0.15 * build.length, build.back),
        "mouth": (x + build.muzzle[0] + reach * 0.8, y + build.muzzle[1] - 0.3 * reach),
        "head": (x, y + build.skull),
        "neck": ((base[0] + x) / 2 + 0.04, (0.8 * base[1] + y) / 2),
        "hug": ((base[0] + x) / 2, (base[1] + y) / 2),
        "front": (0.5 * build.length, 0.0),
    }


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


def _equine(ink: Ink, swing: float, coat: Colour, mane: Colour, stripes: Colour | None) -> Thing:
    far, near = _legs(_HORSE, coat, _shade(coat), ink("black"), swing)
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
    muzzle = ink("black") if stripes is not None else _shade(coat)
    shapes = [tail, *far, *near, _trunk(_HORSE, coat), _neck(_HORSE, coat), *ears, *_skull(_HORSE, coat, muzzle), crest]
    return Thing(shapes=(*shapes, *marks, _eye(ink, (x + 0.04, y + 0.02), 0.016)), anchors=_anchors(_HORSE))


def _shade(colour: Colour, gain: float = 0.8) -> Colour:
    return (round(colour[0] * gain), round(colour[1] * gain), round(colour[2] * gain))


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
    far, near = _legs(_COW, body, _shade(body), ink("darkgrey"), ink.spread(-0.06, 0.06))
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
        _trunk(_COW, body),
        *spots,
        _neck(_COW, body),
        *horns,
        *_skull(_COW, body, ink("pink")),
        ear,
        _eye(ink, (x + 0.04, y + 0.03), 0.017),
    ]
    return Thing(shapes=tuple(shapes), anchors=_anchors(_COW))


def sheep(ink: Ink) -> Thing:
    """A sheep: a woolly cloud with a dark face."""
    wool, face = ink(ink.pick("white", "cream")), ink(ink.pick("black", "darkgrey", "tan"))
    far, near = _legs(_SHEEP, face, _shade(face), _shade(face, 0.7), ink.spread(-0.04, 0.04))
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
        _neck(_SHEEP, wool),
        *_skull(_SHEEP, face, face),
        ellipse((x - 0.01, y + 0.06), 0.055, 0.035, wool),
        ear,
        ellipse((x + 0.04, y + 0.02), 0.014, 0.014, wool, line=False),
    ]
    return Thing(shapes=tuple(shapes), anchors=_anchors(_SHEEP))


def dog(ink: Ink) -> Thing:
    """A dog with a hanging ear, a raised tail and a collar."""
    coat = ink(ink.pick("brown", "tan", "black", "orange", "white"))
    ear_colour = _shade(coat, 0.65)
    far, near = _legs(_DOG, coat, _shade(coat), coat, ink.spread(-0.06, 0.06))
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
        _trunk(_DOG, coat),
        _neck(_DOG, coat),
        collar,
        *_skull(_DOG, coat, coat),
        ear,
        nose,
        _eye(ink, (x + 0.035, y + 0.022), 0.012),
    ]
    return Thing(shapes=tuple(shapes), anchors=_anchors(_DOG))


def cat(ink: Ink) -> Thing:
    """A cat: pointed ears, round head, long curved tail, stripes."""
    coat = ink(ink.pick("orange", "grey", "black", "cream"))
    far, near = _legs(_CAT, coat, _shade(coat), coat, ink.spread(-0.03, 0.03))
    x, y = _CAT.poll
    tail = stroke([(-0.15, 0.24), (-0.24, 0.28), (-0.27, 0.4), (-0.22, 0.48), (-0.17, 0.46)], 0.034, coat)
    ears = [
        polygon([(x - 0.068, y + 0.02), (x - 0.05, y + 0.12), (x + 0.0, y + 0.06)], coat),
        polygon([(x + 0.005, y + 0.06), (x + 0.055, y + 0.12), (x + 0.068, y + 0.02)], coat),
    ]
    stripes = [
        stroke([(k, 0.26), (k + 0.01, 0.2)], 0.018, _shade(coat, 0.66), line=False) for k in (-0.11, -0.05, 0.01, 0.07)
    ]
    face = [
        ellipse((x, y), 0.072, 0.064, coat),
        _eye(ink, (x - 0.005, y + 0.012), 0.012),
        _eye(ink, (x + 0.045, y + 0.012), 0.012),
        ellipse((x + 0.025, y - 0.018), 0.012, 0.01, ink("pink"), line=False),
        stroke([(x + 0.03, y - 0.02), (x + 0.11, y - 0.01)], 0.007, _shade(coat, 0.5), line=False),
        stroke([(x + 0.03, y - 0.026), (x + 0.11, y - 0.04)], 0.007, _shade(coat, 0.5), line=False),
    ]
    shapes = [tail, *far, *near, _trunk(_CAT, coat), *stripes, _neck(_CAT, coat), *ears, *face]
    return Thing(shapes=tuple(shapes), anchors=_anchors(_CAT))


def elephant(ink: Ink) -> Thing:
    """An elephant: a big grey body, a fan ear, a tusk and a trunk (the mouth anchor is the trunk's tip)."""
    skin = ink(ink.pick("grey", "lightgrey", "darkgrey"))
    far, near = _legs(_ELEPHANT, skin, _shade(skin), _shade(skin, 0.7), ink.spread(-0.06, 0.06))
    x, y = _ELEPHANT.poll
    tip = (x + 0.4, 0.62)
    trunk = [
        tube((x + 0.15, y - 0.08), 0.11, (x + 0.24, y - 0.32), 0.075, skin),
        tube((x + 0.24, y - 0.32), 0.075, (x + 0.3, 0.64), 0.055, skin),
        tube((x + 0.3, 0.64), 0.055, tip, 0.045, skin),
    ]
    tusk = stroke([(x + 0.12, y - 0.2), (x + 0.22, y - 0.3), (x + 0.32, y - 0.28)], 0.04, ink("cream"))
    ear = blob(
        [(x - 0.1, y + 0.16), (x - 0.32, y + 0.16), (x - 0.36, y - 0.12), (x - 0.2, y - 0.34), (x - 0.04, y - 0.1)],
        _shade(skin, 0.86),
        hatch=True,
    )
    tail = stroke([(-0.52, 1.05), (-0.6, 0.9), (-0.6, 0.66)], 0.03, _shade(skin))
    shapes = [
        tail,
        *far,
        *near,
        _trunk(_ELEPHANT, skin),
        _neck(_ELEPHANT, skin),
        *_skull(_ELEPHANT, skin, skin),
        *trunk,
        tusk,
        ear,
        _eye(ink, (x + 0.08, y + 0.05), 0.02),
    ]
    anchors = {
        **_anchors(_ELEPHANT, seat=0.2),
        "mouth": (tip[0] + 0.03, tip[1] - 0.02),
        "hug": (x + 0.1, y - 0.3),
        "neck": (x - 0.1, y - 0.32),
    }
    return Thing(shapes=tuple(shapes), anchors=anchors)


def giraffe(ink: Ink) -> Thing:
    """A giraffe: a long neck with patches and two horns."""
    coat, patch = ink("yellow"), ink("brown")
    far, near = _legs(_GIRAFFE, coat, _shade(coat), ink("darkbrown"), ink.spread(-0.06, 0.06))
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
        _trunk(_GIRAFFE, coat),
        _neck(_GIRAFFE, coat),
        *spots,
        *horns,
        ear,
        *_skull(_GIRAFFE, coat, ink("tan")),
        _eye(ink, (x + 0.04, y + 0.02), 0.014),
    ]
    return Thing(shapes=tuple(shapes), anchors={**_anchors(_GIRAFFE), "back": (0.26, 0.98), "hug": (0.32, 1.1)})


def bird(ink: Ink) -> Thing:
    """A bird with a beak, a folded wing and thin legs; anchor feet."""
    plume = ink(ink.pick("blue", "red", "yellow", "teal", "grey"))
    wing, leg = _shade(plume, 0.72), ink("orange")
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
        _eye(ink, (0.11, 0.245), 0.013),
    ]
    anchors = {
        "mouth": (0.225, 0.225),
        "feet": (0.03, 0.0),
        "head": (0.09, 0.29),
        "back": (-0.02, 0.18),
        "front": (0.1, 0.0),
    }
    return Thing(shapes=tuple(shapes), anchors=anchors)
