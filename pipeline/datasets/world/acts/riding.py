"""Interactions that carry the whole body: ride, sit_on, lie_on, stand_on, jump."""

from pipeline.datasets.world.acts.act import BEHIND, FRONT, MIDDLE, Act
from pipeline.datasets.world.drawing.objects_rides import ski_pole
from pipeline.datasets.world.drawing.person import Pose, shoulder_of
from pipeline.datasets.world.drawing.poses import board_stance, hanging, lie, sit, stand
from pipeline.datasets.world.drawing.shapes import Placement, Point, Shape, blob, polygon, stroke

_ANIMALS = ("horse", "cow", "sheep", "elephant", "zebra")
_WHEELS = ("bicycle", "motorcycle")
_SNOW = ("skis", "snowboard")


def _astride(act: Act, seat: Point, *, lean: float, hands: Point, drop: float) -> None:
    hip = (seat[0], seat[1] + 0.045)
    foot = (hip[0] + 0.12, hip[1] - drop * act.body.height)
    act.person(
        Pose(
            hip=hip,
            lean=lean,
            nod=-0.3 * lean,
            hand_near=hands,
            hand_far=(hands[0] + 0.03, hands[1] + 0.02),
            foot_near=foot,
            foot_far=(foot[0] + 0.05, foot[1] + 0.03),
        )
    )


def _on_wheels(act: Act, placement: Placement, *, rise: float = 0.0) -> None:
    thing = act.thing().placed(placement)
    seat, bars = thing.anchor("seat"), thing.anchor("bars")
    act.put(thing, MIDDLE)
    lean = (0.42 if act.name == "bicycle" else 0.3) + rise * 0.3
    act.person(
        Pose(
            hip=(seat[0] - 0.05 * rise, seat[1] + 0.03 + 0.1 * rise),
            lean=lean,
            nod=-0.3,
            hand_near=bars,
            hand_far=(bars[0] + 0.03, bars[1]),
            foot_near=thing.anchor("pedal"),
            foot_far=thing.anchor("pedal_far"),
        )
    )


def _slope(act: Act, angle: float, x: float) -> Shape:
    """A snowy hillside under a run that goes down by `angle`."""
    rise = -angle * x
    top = [(-x, rise + 0.01), (x, 0.01 - rise)]
    foot = [(1.35 * x, -rise - 0.1), (-1.2 * x, -rise - 0.12), (-1.15 * x, 0.5 * rise)]
    return polygon([*top, *foot], act.ink("snow"))


def _wave(act: Act) -> tuple[list[Shape], list[Shape]]:
    water, foam = act.ink("water"), act.ink("snow")
    crest = [
        (-0.95, -0.12),
        (-0.8, 0.14),
        (-0.55, 0.42),
        (-0.3, 0.5),
        (-0.38, 0.36),
        (-0.3, 0.2),
        (0.1, 0.04),
        (0.9, -0.02),
        (1.0, -0.12),
    ]
    lip = [(-0.62, 0.38), (-0.3, 0.54), (-0.18, 0.44), (-0.34, 0.42), (-0.5, 0.34)]
    near = [(-0.95, -0.14), (-0.8, 0.0), (-0.4, 0.03), (0.0, -0.02), (0.4, 0.02), (0.95, -0.02), (1.0, -0.14)]
    return [blob(crest, water), blob(lip, foam, line=False)], [blob(near, act.ink("water", 1.1), line=False)]


def _flat_water(act: Act, *, low: float = -0.16, top: float = 0.02) -> list[Shape]:
    edge = [(-1.0 + 0.2 * k, top + (0.02 if k % 2 else -0.02)) for k in range(11)]
    return [
        blob([(-1.05, low), *edge, (1.05, low)], act.ink("water", 1.06), line=False),
        stroke([(-0.7, top - 0.07), (-0.3, top - 0.06)], 0.014, act.ink("snow"), line=False),
        stroke([(0.2, top - 0.08), (0.66, top - 0.07)], 0.014, act.ink("snow"), line=False),
    ]


def ride(act: Act) -> None:
    """Compose "ride": the person is on the moving thing's back, seat or deck and leans into the motion."""
    if act.name in _ANIMALS:
        thing = act.thing()
        act.put(thing, MIDDLE)
        seat, neck = thing.anchor("seat"), thing.anchor("neck")
        reach = (min(neck[0], seat[0] + 0.36), seat[1] + 0.24 * act.body.height)
        _astride(act, seat, lean=act.spread(0.05, 0.16), hands=reach, drop=min(0.4, 0.8 * seat[1]))
        act.extra([stroke([reach, neck], 0.014, act.ink("darkbrown"), line=False)], FRONT)
    elif act.name in _WHEELS:
        _on_wheels(act, Placement())
    elif act.name == "surfboard":
        back, front = _wave(act)
        thing = act.thing().placed(Placement(at=(0.12, 0.14), angle=-0.1))
        act.extra(back, BEHIND - 2)
        act.put(thing, BEHIND)
        act.person(board_stance(act.body, deck=thing.anchor("deck"), crouch=0.26, lean=0.3, balance=0.25, angle=-0.1))
        act.extra(front, FRONT)
    elif act.name in _SNOW:
        angle = -act.spread(0.16, 0.26)
        act.extra([_slope(act, angle, 0.9)], BEHIND - 2)
        thing = act.thing().placed(Placement(angle=angle))
        act.put(thing, BEHIND)
        if act.name == "snowboard":
            act.person(
                board_stance(act.body, deck=thing.anchor("deck"), crouch=0.24, lean=0.35, balance=0.2, angle=angle)
            )
        else:
            _skier(act, thing.anchor("deck"), angle, crouch=0.22, lean=0.65)
    elif act.name == "skateboard":
        thing = act.thing()
        act.put(thing, BEHIND)
        act.person(
            board_stance(act.body, deck=thing.anchor("deck"), crouch=0.2, lean=0.3, balance=act.spread(0.0, 0.25))
        )
    else:
        _in_vehicle(act)


def _in_vehicle(act: Act) -> None:
    thing = act.thing()
    seat = thing.anchor("seat")
    act.put(thing, BEHIND, split=True)
    if act.name == "boat":
        act.extra(_flat_water(act), FRONT + 1)
        oar = (seat[0] + 0.34, seat[1] + 0.24)
        act.person(sit(act.body, seat=(seat[0], seat[1] + 0.04), floor=seat[1] - 0.2, lean=0.22, near=oar, far=oar))
        act.extra([stroke([(oar[0] - 0.06, oar[1] + 0.05), (seat[0] + 0.86, -0.06)], 0.03, act.ink("tan"))], FRONT)
        return
    hip, wheel = (seat[0] - 0.02, seat[1] - 0.02), thing.anchor("wheel")
    act.person(sit(act.body, seat=hip, floor=0.19, lean=-0.16, near=wheel, far=wheel, forward=0.3))


def _skier(act: Act, deck: Point, angle: float, *, crouch: float, lean: float) -> None:
    body = act.body
    hip = (deck[0] - 0.45 * lean * body.torso, deck[1] + body.stand * (1 - crouch))
    x, y = shoulder_of(body, hip=hip, lean=lean)
    hand = (x + 0.16 * body.height, y - 0.2 * body.height)
    act.extra(ski_pole((hand[0] + 0.02, hand[1] + 0.03), (hip[0] - 0.3, deck[1] + 0.12), act.ink), MIDDLE)
    foot = (deck[0], deck[1] + body.ankle)
    act.person(
        Pose(
            hip=hip,
            lean=lean,
            nod=-0.35,
            hand_near=hand,
            hand_far=(hand[0] + 0.04, hand[1] + 0.03),
            foot_near=foot,
            foot_far=(foot[0] + 0.06, foot[1] + 0.06 * angle),
            toes=angle,
        )
    )


def sit_on(act: Act) -> None:
    """Compose "sit_on": the person sits upright at rest, hands on the knees."""
    thing = act.thing()
    seat = thing.anchor("seat")
    wide = act.name in ("couch", "bench", "bed")
    x = seat[0] + (act.spread(-0.18, 0.12) if wide else 0.0)
    act.put(thing, BEHIND)
    if act.name == "skateboard":
        act.person(sit(act.body, seat=(x, seat[1] + 0.045), floor=0.0, forward=0.33, lean=-0.1))
        return
    act.person(sit(act.body, seat=(x, seat[1] + 0.01), floor=0.0, lean=act.spread(-0.12, 0.02)))


def lie_on(act: Act) -> None:
    """Compose "lie_on": the person is stretched out along the thing, face down on a surfboard, on the back elsewhere."""
    if act.name == "surfboard":
        thing = act.thing().placed(Placement(at=(0.0, 0.1)))
        act.put(thing, BEHIND)
        act.person(lie(act.body, hip=(-0.08, 0.22), prone=True))
        act.extra(_flat_water(act, top=0.06), FRONT)
        return
    thing = act.thing()
    x, y = thing.anchor("lie")
    act.put(thing, BEHIND, split=act.name == "bed" and act.chance(0.5))
    act.person(lie(act.body, hip=(x + act.spread(-0.03, 0.05), y)))


def stand_on(act: Act) -> None:
    """Compose "stand_on": the person is upright on top of the thing, at rest, arms down or one arm up."""
    thing = act.thing()
    body = act.body
    if act.name == "boat":
        act.put(thing, BEHIND, split=True)
        act.extra(_flat_water(act), FRONT + 1)
        x, y = thing.anchor("deck")
    else:
        act.put(thing, BEHIND)
        x, y = thing.anchor("top" if "top" in thing.anchors else "deck")
    pose = stand(body, x=x, ground=y, spread=0.04)
    if act.chance(0.5):
        hip = pose.hip
        up = hanging(body, hip=hip, swing=2.6)
        pose = stand(body, x=x, ground=y, spread=0.04, near=up)
    act.person(pose)


def jump(act: Act) -> None:
    """Compose "jump": the person is clear of the ground together with the thing, tilted, limbs gathered."""
    high = act.spread(0.34, 0.5)
    if act.name in _WHEELS:
        _on_wheels(act, Placement(at=(0.0, high), angle=act.spread(0.22, 0.42)), rise=1.0)
        act.extra([polygon([(-0.95, 0.0), (-0.3, 0.0), (-0.3, 0.24)], act.ink("tan"))], BEHIND)
        return
    if act.name == "horse":
        thing = act.thing().placed(Placement(at=(0.0, high), angle=act.spread(0.2, 0.36)))
        act.put(thing, MIDDLE)
        seat, neck = thing.anchor("seat"), thing.anchor("neck")
        _astride(act, (seat[0] - 0.02, seat[1] + 0.04), lean=0.55, hands=(neck[0], neck[1]), drop=0.36)
        bar = act.ink("red")
        act.extra([stroke([(x, 0.0), (x, 0.42)], 0.04, act.ink("white")) for x in (-0.2, 0.3)], BEHIND)
        act.extra([stroke([(-0.2, h), (0.3, h)], 0.035, bar) for h in (0.2, 0.36)], BEHIND)
        return
    angle = act.spread(0.15, 0.4)
    thing = act.thing().placed(Placement(at=(0.0, high), angle=angle))
    deck = thing.anchor("deck")
    act.put(thing, BEHIND)
    if act.name in _SNOW:
        act.extra([polygon([(-0.9, 0.0), (-0.25, 0.22), (-0.2, 0.0)], act.ink("snow"))], BEHIND - 1)
    pose = board_stance(act.body, deck=deck, crouch=0.34, lean=0.35, balance=act.spread(0.5, 0.9), angle=angle)
    act.person(pose)
