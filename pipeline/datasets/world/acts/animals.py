"""Interactions with an animal or a thing at arm's length or farther: feed, pet, hug, walk, watch, no_interaction."""

from pipeline.datasets.world.acts.act import BEHIND, FRONT, MIDDLE, UNDER_ARM, Act
from pipeline.datasets.world.drawing.objects_rides import lead_rope
from pipeline.datasets.world.drawing.person import Pose, head_of, shoulder_of
from pipeline.datasets.world.drawing.poses import hanging, sit, stand, walk
from pipeline.datasets.world.drawing.shapes import Placement, Point, Shape, bounds, ellipse, stroke
from pipeline.datasets.world.drawing.thing import Thing

_LOW = ("dog", "cat", "bird", "sheep")


def _facing(act: Act) -> Thing:
    return act.thing().placed(Placement(mirror=True))


def _bend(act: Act, target: Point, *, x: float) -> Pose:
    """The pose of a person who stands at `x` and bends or crouches until the hand reaches `target`."""
    height = act.body.height
    low = max(0.0, 0.62 * height - target[1])
    crouch, lean = min(0.46, 0.85 * low), min(0.75, 0.08 + 1.1 * low)
    pose = stand(act.body, x=x, crouch=crouch, lean=lean, near=target, nod=0.15, spread=0.07)
    behind = hanging(act.body, hip=pose.hip, lean=lean, swing=-0.1)
    return Pose(
        hip=pose.hip,
        lean=lean,
        nod=pose.nod,
        hand_near=target,
        hand_far=behind,
        foot_near=pose.foot_near,
        foot_far=pose.foot_far,
    )


def _food(act: Act, at: Point) -> list[Shape]:
    if act.name in ("dog", "cat"):
        return [
            stroke([(at[0] - 0.03, at[1]), (at[0] + 0.03, at[1])], 0.026, act.ink("cream")),
            *(ellipse((at[0] + dx, at[1]), 0.018, 0.022, act.ink("cream")) for dx in (-0.035, 0.035)),
        ]
    if act.name == "bird":
        return [
            ellipse((at[0] + dx, at[1] + dy), 0.012, 0.012, act.ink("tan"))
            for dx, dy in ((0, 0), (0.03, -0.02), (-0.02, -0.03))
        ]
    leaf = act.ink("green")
    return [
        stroke([(at[0] - 0.03, at[1] - 0.02), (at[0] + 0.05, at[1] + dy)], 0.022, leaf) for dy in (0.05, 0.01, -0.04)
    ]


def feed(act: Act) -> None:
    """Compose "feed": the person faces the animal, a hand with food at its mouth."""
    thing = _facing(act)
    mouth = thing.anchor("mouth")
    shift = -mouth[0]
    thing = thing.placed(Placement(at=(shift, 0.0)))
    mouth = thing.anchor("mouth")
    hand = (mouth[0] - 0.06, mouth[1] - 0.01)
    reach = 0.27 + 0.12 * max(0.0, 0.5 - hand[1])
    act.put(thing, BEHIND)
    high = hand[1] > 1.15
    act.person(_bend(act, (hand[0], min(hand[1], 1.22)), x=hand[0] - (0.18 if high else reach + act.spread(0.0, 0.04))))
    act.extra(_food(act, (hand[0] + 0.03, hand[1] + 0.01)), FRONT)
    if high:
        # The stalk bridges the gap between the raised hand and a very high mouth.
        act.extra(
            [stroke([(hand[0], min(hand[1], 1.16)), (hand[0] + 0.03, hand[1])], 0.022, act.ink("green"))], UNDER_ARM
        )


def pet(act: Act) -> None:
    """Compose "pet": the person stands beside the animal, a flat hand on its back or head, without food."""
    thing = _facing(act) if act.chance(0.5) else act.thing()
    act.put(thing, BEHIND)
    small = act.name in ("dog", "cat")
    facing = thing.anchor("mouth")[0] < thing.anchor("back")[0]
    spot = thing.anchor("head" if small and facing else "back")
    x = spot[0] - (0.26 if small and not facing else 0.24)
    act.person(_bend(act, (spot[0], min(spot[1], 0.98) + 0.02), x=x))


def hug(act: Act) -> None:
    """Compose "hug": both arms are round the object, chest and head against it."""
    if act.name in ("teddy_bear", "cat"):
        _hug_lifted(act)
        return
    thing = _facing(act) if act.name != "suitcase" else act.thing()
    spot = thing.anchor("hug") if "hug" in thing.anchors else (thing.anchor("middle")[0], 0.36)
    act.put(thing, BEHIND)
    low = max(0.0, 0.78 - spot[1])
    crouch, lean = min(0.5, 0.95 * low), min(0.6, 0.2 + 0.6 * low)
    near = (spot[0] + 0.07, spot[1] - 0.02)
    far = (near[0] + 0.02, near[1] + 0.1)
    act.person(stand(act.body, x=spot[0] - 0.2, crouch=crouch, lean=lean, nod=0.15, spread=0.08, near=near, far=far))


def _hug_lifted(act: Act) -> None:
    """Compose "hug" with an object that is held up against the chest; a cat hangs upright, its head over the shoulder."""
    body = act.body
    x, y = shoulder_of(body, hip=(0.0, body.stand), lean=0.06)
    if act.name == "cat":
        at = (x + 0.1 * body.height, y - 0.17 * body.height)
        thing = act.thing().with_anchor_at("middle", at, angle=-1.15, mirror=True)
    else:
        at = (x + 0.13, y - 0.13)
        thing = act.thing().with_anchor_at("belly", at, scale=1.25, angle=0.25)
    act.put(thing, UNDER_ARM)
    act.person(stand(body, lean=0.06, nod=0.4, near=(at[0] + 0.05, at[1] - 0.06), far=(at[0] + 0.06, at[1] + 0.08)))


def walk_animal(act: Act) -> None:
    """Compose "walk": the person walks ahead or beside, the animal follows on a lead."""
    body = act.body
    behind = act.name != "dog" or act.chance(0.4)
    thing = act.thing()
    shift = (-0.34 - thing.anchor("mouth")[0]) if behind else 0.52
    thing = thing.placed(Placement(at=(shift, 0.0)))
    act.put(thing, BEHIND)
    hip = (0.0, 0.955 * body.stand)
    if behind:
        hand = hanging(body, hip=hip, lean=0.06, swing=-0.75)
        act.person(walk(body, near=hand, far=hanging(body, hip=hip, lean=0.06, swing=0.5)))
    else:
        hand = hanging(body, hip=hip, lean=0.06, swing=0.8)
        act.person(walk(body, near=hand))
    act.extra([lead_rope(hand, thing.anchor("neck"), act.ink)], MIDDLE)


def watch(act: Act) -> None:
    """Facing it from a distance, a hand at the brow; before a television sitting, or standing as one who ignores it does,
    so that only where the screen is tells."""
    thing = _facing(act)
    shift = act.spread(0.42, 0.62) - bounds(thing.shapes)[0]
    act.put(thing.placed(Placement(at=(shift, 0.0))), BEHIND)
    body = act.body
    if act.name == "tv" and act.chance(0.6):
        act.person(
            sit(body, seat=(0.0, 0.09), floor=0.0, lean=-0.25, forward=0.32, near=(-0.16, 0.03), far=(-0.12, 0.04))
        )
        return
    if act.name == "tv":
        act.person(stand(body, nod=act.spread(-0.05, 0.12)))
        return
    nod = -0.3 if act.name in ("giraffe", "elephant") else 0.18 if act.name in _LOW else 0.0
    (x, y), _ = head_of(body, hip=(0.0, body.stand), lean=0.0, nod=nod)
    brow = (x + 0.075 * body.height, y + 0.05 * body.height)
    act.person(stand(body, nod=nod, near=brow, far=(-0.09 * body.height, body.stand + 0.04)))


def no_interaction(act: Act) -> None:
    """Compose "no_interaction": the person is near the object but turned away, arms down."""
    thing = _facing(act) if act.chance(0.5) else act.thing()
    right = bounds(thing.shapes)[2]
    act.put(thing.placed(Placement(at=(-0.24 - act.spread(0.0, 0.2) - right, 0.0))), BEHIND)
    act.person(stand(act.body, nod=act.spread(-0.05, 0.12)) if act.chance(0.6) else walk(act.body))
