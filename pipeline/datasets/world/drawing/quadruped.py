"""The four-legged animal that all of the world's quadrupeds are: proportions, limbs, head, contact points.

Anchors: seat (top of the back), back (where a hand strokes), mouth, head (its top), neck (collar), hug (neck's side).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.datasets.world.drawing.shapes import Colour, Point, Shape, blob, ellipse, tube
from pipeline.datasets.world.drawing.styles import Ink


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


def legs(build: Build, coat: Colour, far: Colour, hoof: Colour, swing: float) -> tuple[list[Shape], list[Shape]]:
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


def trunk(build: Build, coat: Colour) -> Shape:
    """The body between the legs."""
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


def neck(build: Build, coat: Colour) -> Shape:
    """The neck, from the shoulders to the skull."""
    base = (0.38 * build.length, build.belly + 0.66 * (build.back - build.belly))
    return tube(base, build.neck[0], build.poll, build.neck[1], coat)


def skull(build: Build, coat: Colour, muzzle: Colour) -> list[Shape]:
    """The head with its muzzle."""
    x, y = build.poll
    end = (x + build.muzzle[0], y + build.muzzle[1])
    return [
        tube((x, y), build.skull, end, build.muzzle_radius, coat),
        ellipse(end, build.muzzle_radius * 0.98, build.muzzle_radius * 0.9, muzzle, line=False),
    ]


def eye(ink: Ink, at: Point, radius: float) -> Shape:
    """A dark eye."""
    return ellipse(at, radius, radius, ink("black"), line=False)


def animal_anchors(build: Build, *, seat: float = -0.02) -> Mapping[str, Point]:
    """The contact points that the proportions give."""
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
        "middle": (0.0, (build.back + build.belly) / 2),
    }
