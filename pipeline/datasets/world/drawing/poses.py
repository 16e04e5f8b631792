"""Whole-body postures that several interactions share: standing, walking, sitting, lying, riding."""

import math

from pipeline.datasets.world.drawing.person import Body, Pose, shoulder_of
from pipeline.datasets.world.drawing.shapes import Point


def hanging(body: Body, *, hip: Point, lean: float = 0.0, swing: float = 0.0) -> Point:
    """The palm of a hanging arm; `swing` turns the arm towards +x (radians)."""
    x, y = shoulder_of(body, hip=hip, lean=lean)
    return (x + math.sin(swing) * body.reach, y - math.cos(swing) * body.reach)


def ahead(body: Body, *, hip: Point, lean: float = 0.0, raised: float = 0.0, reach: float = 0.97) -> Point:
    """A palm before the body: `raised` radians above the horizontal, at `reach` of the arm's length."""
    x, y = shoulder_of(body, hip=hip, lean=lean)
    span = reach * (body.upper_arm + body.forearm)
    return (x + math.cos(raised) * span, y + math.sin(raised) * span)


def stand(
    body: Body,
    *,
    x: float = 0.0,
    ground: float = 0.0,
    near: Point | None = None,
    far: Point | None = None,
    lean: float = 0.0,
    nod: float = 0.0,
    crouch: float = 0.0,
    spread: float = 0.045,
) -> Pose:
    """The pose of a person who stands at `x`; arms hang unless hands are given; `crouch` lowers the hip by that share."""
    hip = (x - 0.5 * lean * body.torso, ground + body.stand * (1.0 - crouch))
    foot = ground + body.ankle
    return Pose(
        hip=hip,
        lean=lean,
        nod=nod,
        hand_near=near or hanging(body, hip=hip, lean=lean, swing=0.06),
        hand_far=far or hanging(body, hip=hip, lean=lean, swing=0.2),
        foot_near=(x - spread * body.height, foot),
        foot_far=(x + spread * body.height, foot),
    )


def walk(
    body: Body,
    *,
    x: float = 0.0,
    near: Point | None = None,
    far: Point | None = None,
    lean: float = 0.06,
    nod: float = 0.0,
    stride: float = 0.17,
) -> Pose:
    """The pose of a person in mid-stride at `x`; a free arm swings against its leg."""
    hip = (x, 0.955 * body.stand)
    return Pose(
        hip=hip,
        lean=lean,
        nod=nod,
        hand_near=near or hanging(body, hip=hip, lean=lean, swing=0.5),
        hand_far=far or hanging(body, hip=hip, lean=lean, swing=-0.45),
        foot_near=(x - stride * body.height, body.ankle + 0.012),
        foot_far=(x + stride * body.height, body.ankle),
    )


def sit(
    body: Body,
    *,
    seat: Point,
    floor: float = 0.0,
    near: Point | None = None,
    far: Point | None = None,
    lean: float = -0.06,
    nod: float = 0.0,
    forward: float = 0.24,
) -> Pose:
    """The pose of a person who sits with the hip at `seat`, thighs forward, feet on the floor; hands rest on the knees."""
    knee = (seat[0] + 0.2 * body.height, seat[1] + 0.07 * body.height)
    return Pose(
        hip=seat,
        lean=lean,
        nod=nod,
        hand_near=near or knee,
        hand_far=far or (knee[0] + 0.03, knee[1]),
        foot_near=(seat[0] + forward * body.height, floor + body.ankle),
        foot_far=(seat[0] + (forward + 0.07) * body.height, floor + body.ankle),
    )


def lie(body: Body, *, hip: Point, prone: bool = False) -> Pose:
    """Lying with the head at -x: on the back, or face down with the head raised where `prone` (then heading -x)."""
    if prone:
        return Pose(
            hip=hip,
            lean=1.5,
            nod=-0.85,
            hand_near=(hip[0] + 0.52 * body.height, hip[1] - 0.09),
            hand_far=(hip[0] + 0.58 * body.height, hip[1] - 0.07),
            foot_near=(hip[0] - 0.46 * body.height, hip[1] + 0.03),
            foot_far=(hip[0] - 0.47 * body.height, hip[1] + 0.05),
            toes=-1.5,
        )
    return Pose(
        hip=hip,
        lean=-1.42,
        nod=0.15,
        hand_near=(hip[0] - 0.04 * body.height, hip[1] + 0.085 * body.height),
        hand_far=(hip[0] + 0.0, hip[1] + 0.1 * body.height),
        foot_near=(hip[0] + 0.46 * body.height, hip[1] + 0.0),
        foot_far=(hip[0] + 0.42 * body.height, hip[1] + 0.02),
        toes=1.35,
    )


def board_stance(body: Body, *, deck: Point, crouch: float, lean: float, balance: float, angle: float = 0.0) -> Pose:
    """The pose of a person sideways on a board: feet apart on the deck, knees bent, arms out for balance."""
    hip = (deck[0] - 0.3 * lean * body.torso, deck[1] + body.stand * (1.0 - crouch))
    x, y = shoulder_of(body, hip=hip, lean=lean)
    wide = 0.15 * body.height
    cosine, sine = math.cos(angle), math.sin(angle)
    return Pose(
        hip=hip,
        lean=lean,
        hand_near=(x - math.cos(balance) * body.reach, y + math.sin(balance) * body.reach - 0.03),
        hand_far=(x + math.cos(balance) * body.reach, y + math.sin(balance) * body.reach),
        foot_near=(deck[0] - wide * cosine, deck[1] - wide * sine + body.ankle),
        foot_far=(deck[0] + wide * cosine, deck[1] + wide * sine + body.ankle),
        toes=angle,
    )
