"""Interactions of the hands: hold, carry, eat, drink_with, read, wear, kick, throw, fly, drag, push."""

import math

from pipeline.datasets.world.acts.act import BEHIND, EXTRA, FRONT, MIDDLE, UNDER_ARM, Act
from pipeline.datasets.world.drawing.person import Pose, mouth_of, shoulder_of
from pipeline.datasets.world.drawing.poses import ahead, hanging, stand, walk
from pipeline.datasets.world.drawing.shapes import Placement, Point, stroke

_TALL = ("surfboard", "snowboard", "skis")
_THROWN = ("frisbee", "sports_ball")


def hold(act: Act) -> None:
    """Compose "hold": the person stands still, the thing in a hand at mid height, or a ball as if about to throw it."""
    body = act.body
    hip = (0.0, body.stand)
    x, y = shoulder_of(body, hip=hip, lean=0.0)
    if act.name in _TALL:
        thing = act.thing().with_anchor_at("grip", (0.22 * body.height, 0.68), angle=math.pi / 2 - 0.06)
        act.put(thing, MIDDLE)
        act.person(stand(body, near=(0.22 * body.height, y - 0.08)))
        return
    if act.name in _THROWN and act.chance(0.4):
        _arm_stretched(act, gap=act.spread(0.02, 0.05))
        return
    hand = (x + act.spread(0.21, 0.26) * body.height, y - act.spread(0.12, 0.17) * body.height)
    anchor = "feet" if act.name == "bird" else "grip"
    angle = {"umbrella": act.spread(-0.1, 0.05), "teddy_bear": 0.1, "pizza": math.pi}.get(
        act.name, act.spread(-0.12, 0.12)
    )
    at = (hand[0] + 0.012, hand[1] + (0.025 if act.name == "bird" else 0.0))
    thing = act.thing().with_anchor_at(anchor, at, angle=angle, mirror=act.name == "bird")
    act.put(thing, UNDER_ARM)
    both = act.name in ("laptop", "cake", "teddy_bear", "sports_ball")
    act.person(
        stand(body, near=hand, far=(hand[0] + 0.04, hand[1] - 0.01) if both else None, nod=act.spread(0.0, 0.12))
    )


def carry(act: Act) -> None:
    """Compose "carry": the person walks, the thing under the arm, at the side, on a shoulder, overhead or on both forearms."""
    body = act.body
    hip = (0.0, 0.955 * body.stand)
    x, y = shoulder_of(body, hip=hip, lean=0.06)
    height = body.height
    if act.name in ("surfboard", "snowboard"):
        thing = act.thing().with_anchor_at("grip", (0.02, y - 0.22 * height), angle=act.spread(-0.06, 0.1))
        act.put(thing, UNDER_ARM)
        act.person(walk(body, near=(0.03, y - 0.27 * height)))
    elif act.name == "skis":
        thing = act.thing().with_anchor_at("grip", (x - 0.06, y + 0.04), angle=act.spread(0.2, 0.35))
        act.put(thing, UNDER_ARM)
        act.person(walk(body, near=(x + 0.14 * height, y + 0.08 * height)))
    elif act.name == "bicycle":
        thing = act.thing().with_anchor_at("grip", (x, y - 0.02), angle=act.spread(-0.1, 0.15))
        act.put(thing, UNDER_ARM)
        act.person(walk(body, near=(x + 0.16 * height, y - 0.12 * height)))
    elif act.name == "chair":
        thing = act.thing().placed(Placement(at=(x + 0.02, y + 0.68 * height), angle=math.pi))
        hand = (x + 0.06, y + 0.3 * height)
        act.put(thing, MIDDLE)
        act.person(walk(body, near=(hand[0] + 0.04, hand[1]), far=(hand[0] - 0.1, hand[1])))
    elif act.name in ("dog", "sheep", "cake", "pizza", "teddy_bear"):
        _on_forearms(act, hip)
    elif act.name in ("sports_ball", "book", "skateboard"):
        angle = {"book": math.pi / 2 + 0.1, "skateboard": 1.25}.get(act.name, 0.0)
        thing = act.thing().with_anchor_at("middle", (x - 0.01, y - 0.25 * height), angle=angle)
        act.put(thing, UNDER_ARM)
        act.person(walk(body, near=(x + 0.05, y - 0.3 * height)))
    else:
        hand = hanging(body, hip=hip, lean=0.06, swing=0.1)
        thing = act.thing().with_anchor_at("grip", hand, angle=act.spread(-0.08, 0.08))
        act.put(thing, UNDER_ARM)
        act.person(walk(body, near=hand))


def _on_forearms(act: Act, hip: Point) -> None:
    body = act.body
    x, y = shoulder_of(body, hip=hip, lean=0.0)
    arm = (x + 0.2 * body.height, y - 0.2 * body.height)
    thing = act.thing()
    low = min(float(shape.points[:, 1].min()) for shape in thing.shapes)
    drop = {"dog": 0.2, "sheep": 0.2}.get(act.name, 0.0)
    at = (x + (0.24 if act.name in ("dog", "sheep") else 0.2), arm[1] - low - drop + 0.02)
    act.put(thing.placed(Placement(at=at)), UNDER_ARM)
    near = (arm[0] + 0.05, arm[1] + (0.02 if drop else 0.0))
    act.person(walk(body, near=near, far=(near[0] + 0.05, near[1]), lean=-0.08, stride=0.14))


def eat(act: Act) -> None:
    """Compose "eat": the food is at the mouth, the elbow raised."""
    body = act.body
    nod = act.spread(-0.02, 0.12)
    mouth = mouth_of(body, hip=(0.0, body.stand), lean=0.0, nod=nod)
    thing = act.thing().with_anchor_at("bite", (mouth[0] - 0.005, mouth[1]), angle=act.spread(-0.1, 0.12))
    act.put(thing, UNDER_ARM)
    grip = thing.anchor("grip")
    act.person(stand(body, nod=nod, near=grip, far=(grip[0] + 0.03, grip[1] - 0.02) if act.chance(0.4) else None))


def drink_with(act: Act) -> None:
    """Compose "drink_with": the vessel is tilted at the mouth, the head back."""
    body = act.body
    nod = -act.spread(0.3, 0.45)
    mouth = mouth_of(body, hip=(0.0, body.stand), lean=-0.06, nod=nod)
    angle = 2.2 if act.name == "bottle" else 1.0
    thing = act.thing().with_anchor_at("spout", mouth, angle=angle - act.spread(0.0, 0.25), mirror=act.name == "cup")
    act.put(thing, UNDER_ARM)
    act.person(stand(body, lean=-0.06, nod=nod, near=thing.anchor("grip")))


def read(act: Act) -> None:
    """Compose "read": the thing is held open before the face, the head bent to it."""
    body = act.body
    hip = (0.0, body.stand)
    x, y = shoulder_of(body, hip=hip, lean=0.04)
    lift = {"laptop": -0.13, "cell_phone": -0.02}.get(act.name, -0.09)
    hand = (x + 0.22 * body.height, y + lift * body.height)
    thing = act.thing().with_anchor_at(
        "grip", (hand[0] + 0.01, hand[1]), angle={"cell_phone": 0.25, "book": 0.5}.get(act.name, 0.0)
    )
    act.put(thing, UNDER_ARM)
    act.person(stand(body, lean=0.04, nod=0.5, near=hand, far=(hand[0] + 0.03, hand[1] - 0.01)))


def wear(act: Act) -> None:
    """Compose "wear": a pack is on the back, or skis are under the feet of a person who stands still."""
    body = act.body
    if act.name == "skis":
        thing = act.thing()
        act.put(thing, BEHIND)
        x, y = thing.anchor("deck")
        act.person(stand(body, x=x, ground=y, spread=0.03))
        return
    pose = walk(body) if act.chance(0.5) else stand(body)
    x, y = shoulder_of(body, hip=pose.hip, lean=pose.lean)
    thing = act.thing().with_anchor_at("strap", (x - 0.045 * body.height, y - 0.13 * body.height), scale=body.height)
    act.put(thing, MIDDLE + 5)
    act.person(pose)
    strap = stroke(
        [(x - 0.04, y + 0.015), (x + 0.03, y - 0.02), (x + 0.03, y - 0.14), (x - 0.05, y - 0.2)],
        0.026,
        act.ink("black"),
        line=False,
    )
    act.parts.append((UNDER_ARM, EXTRA, strap))


def kick(act: Act) -> None:
    """Compose "kick": a leg is swung forward, the ball just off the foot."""
    body = act.body
    hip = (0.0, 0.97 * body.stand)
    foot = (0.33 * body.height, act.spread(0.14, 0.24))
    act.put(
        act.thing().placed(Placement(at=(foot[0] + act.spread(0.2, 0.3), foot[1] + act.spread(-0.02, 0.06)))), FRONT
    )
    act.person(
        Pose(
            hip=hip,
            lean=-0.22,
            nod=0.25,
            hand_near=hanging(body, hip=hip, lean=-0.22, swing=0.9),
            hand_far=hanging(body, hip=hip, lean=-0.22, swing=-1.0),
            foot_near=foot,
            foot_far=(-0.06 * body.height, body.ankle),
        )
    )


def throw(act: Act) -> None:
    """Compose "throw": the thing is just off a raised, stretched hand, in a step forward."""
    _arm_stretched(act, gap=act.spread(0.16, 0.24))


def _arm_stretched(act: Act, *, gap: float) -> None:
    """A step forward with a raised, stretched arm, the thing `gap` beyond the hand: whether it was let go shows there alone."""
    body = act.body
    raised = act.spread(0.45, 0.8) if act.name != "frisbee" else act.spread(0.0, 0.25)
    pose = walk(body, lean=0.22, stride=0.2)
    hand = ahead(body, hip=pose.hip, lean=0.22, raised=raised)
    at = (hand[0] + math.cos(raised) * gap + 0.03, hand[1] + math.sin(raised) * gap)
    act.put(act.thing().placed(Placement(at=at, angle=act.spread(-0.1, 0.2))), FRONT)
    back = hanging(body, hip=pose.hip, lean=0.22, swing=-0.9)
    act.person(
        Pose(
            hip=pose.hip,
            lean=0.22,
            nod=-0.2,
            hand_near=hand,
            hand_far=back,
            foot_near=pose.foot_near,
            foot_far=pose.foot_far,
        )
    )


def fly(act: Act) -> None:
    """Compose "fly": a kite is high ahead on a string; the person looks at it, both hands up."""
    body = act.body
    hip = (0.0, body.stand)
    hand = ahead(body, hip=hip, lean=-0.1, raised=act.spread(0.3, 0.6))
    at = (hand[0] + act.spread(0.45, 0.75), hand[1] + act.spread(0.42, 0.6))
    thing = act.thing().with_anchor_at("string", at, angle=-0.5, scale=act.spread(1.05, 1.3))
    act.put(thing, BEHIND)
    act.extra(
        [
            stroke(
                [hand, ((hand[0] + at[0]) / 2 + 0.04, (hand[1] + at[1]) / 2 - 0.04), at],
                0.01,
                act.ink("darkgrey"),
                line=False,
            )
        ],
        FRONT,
    )
    act.person(stand(body, lean=-0.1, nod=-0.35, near=hand, far=(hand[0] - 0.05, hand[1] - 0.04), spread=0.09))


def drag(act: Act) -> None:
    """Compose "drag": the person walks, leaning forward, and pulls the thing along the ground behind."""
    body = act.body
    hip = (0.0, 0.93 * body.stand)
    hand = hanging(body, hip=hip, lean=0.22, swing=-0.75)
    if act.name == "surfboard":
        thing = act.thing().with_anchor_at("nose", hand, angle=math.asin(min(0.9, (hand[1] - 0.06) / 1.25)))
    else:
        thing = act.thing().with_anchor_at("pull", hand, angle=-0.42)
        low = min(float(shape.points[:, 1].min()) - shape.width / 2 for shape in thing.shapes)
        thing = thing.placed(Placement(at=(0.0, -low)))
        hand = thing.anchor("pull")
    act.put(thing, MIDDLE)
    act.person(walk(body, lean=0.22, near=hand, far=hanging(body, hip=hip, lean=0.22, swing=0.6), stride=0.2))


def push(act: Act) -> None:
    """Compose "push": the person is behind the thing, both arms stretched to it, the whole body leaning in."""
    body = act.body
    thing = act.thing()
    tail = thing.anchor("tail")
    lean = act.spread(0.6, 0.75)
    hip = (tail[0] - 0.42 * body.height, 0.87 * body.stand)
    act.put(thing, BEHIND)
    act.person(
        Pose(
            hip=hip,
            lean=lean,
            nod=-0.3,
            hand_near=(tail[0], tail[1] + 0.03),
            hand_far=(tail[0] + 0.03, tail[1] + 0.05),
            foot_near=(hip[0] - 0.26 * body.height, body.ankle),
            foot_far=(hip[0] + 0.02, body.ankle),
            toes=0.0,
        )
    )
