"""The articulated person: proportions, looks, two-bone inverse kinematics, and the shapes of a posed body.

A person always faces +x while composing; scenes mirror whole compositions.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.world.drawing.shapes import Colour, Point, Shape, blob, ellipse, polygon, shaded, stroke, tube
from pipeline.datasets.world.drawing.styles import Ink

FAR_ARM, FAR_LEG, TORSO, NEAR_LEG, HEAD, NEAR_ARM = 10, 20, 40, 50, 60, 70
"""Painting levels of the body's parts; objects are put between them."""

SHIRTS = ("red", "orange", "yellow", "green", "blue", "teal", "purple", "pink", "white", "lightgrey")
TROUSERS = ("navy", "darkgrey", "brown", "black", "darkgreen", "grey", "blue")
HAIRS = ("black", "darkbrown", "brown", "tan", "orange", "lightgrey")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Sizes (in adult heights) and colours of one person."""

    height: float
    girth: float
    skin: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    hair: Colour
    hat: Colour
    eye: Colour
    hair_style: str
    short_sleeves: bool
    shorts: bool

    @property
    def thigh(self) -> float:
        """Length from hip to knee."""
        return 0.245 * self.height

    @property
    def shin(self) -> float:
        """Length from knee to ankle."""
        return 0.235 * self.height

    @property
    def ankle(self) -> float:
        """Height of the ankle above the sole."""
        return 0.03 * self.height

    @property
    def torso(self) -> float:
        """Length from hip to shoulder."""
        return 0.295 * self.height

    @property
    def upper_arm(self) -> float:
        """Length from shoulder to elbow."""
        return 0.16 * self.height

    @property
    def forearm(self) -> float:
        """Length from elbow to palm."""
        return 0.165 * self.height

    @property
    def reach(self) -> float:
        """How far the arm reaches from the shoulder, a little bent."""
        return 0.97 * (self.upper_arm + self.forearm)

    @property
    def stand(self) -> float:
        """Height of the hip above the ground when the person stands."""
        return 0.985 * (self.thigh + self.shin) + self.ankle


def sample_body(*, ink: Ink, rng: np.random.Generator) -> Body:
    """A random person in the ink's palette."""
    top = ink.pick(*SHIRTS)
    bottom = ink.pick(*(name for name in TROUSERS if name != top))
    return Body(
        height=float(rng.uniform(0.84, 1.04)),
        girth=float(rng.uniform(0.88, 1.22)),
        skin=ink(f"skin{int(rng.integers(5))}"),
        shirt=ink(top),
        trousers=ink(bottom),
        shoes=ink(ink.pick("black", "darkbrown", "white", "red")),
        hair=ink(ink.pick(*HAIRS)),
        hat=ink(ink.pick("red", "blue", "green", "yellow", "black")),
        eye=ink("black"),
        hair_style=("short", "short", "long", "bun", "cap", "tail")[int(rng.integers(6))],
        short_sleeves=bool(rng.random() < 0.55),
        shorts=bool(rng.random() < 0.22),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Where a person's hip, hands and feet are; the inverse kinematics finds elbows and knees.

    Attributes:
        hip: The hip joint.
        lean: The torso's turn towards +x from upright, radians.
        nod: The head's turn towards +x from the torso's half lean, radians; negative looks up.
        hand_near, hand_far, foot_near, foot_far: Palm and ankle targets (clamped to what the limbs reach).
        toes: Angle of the feet above the ground, radians.
        knee: +1 bends knees towards +x, -1 the other way.
        elbow: -1 bends elbows down and back, +1 up.
    """

    hip: Point
    hand_near: Point
    hand_far: Point
    foot_near: Point
    foot_far: Point
    lean: float = 0.0
    nod: float = 0.0
    toes: float = 0.0
    knee: float = 1.0
    elbow: float = -1.0


def two_bone(start: Point, target: Point, first: float, second: float, bend: float) -> tuple[Point, Point]:
    """The middle joint and the reached end of a two-bone limb from `start` towards `target`.

    Args:
        start: The fixed joint.
        target: Where the end should be; a target out of reach is approached along the straight line.
        first: Length of the first bone.
        second: Length of the second bone.
        bend: +1 puts the middle joint to the left of start->target, -1 to the right.
    """
    dx, dy = target[0] - start[0], target[1] - start[1]
    span = math.hypot(dx, dy)
    if span < 1e-6:
        dx, dy, span = 0.0, -1e-6, 1e-6
    ux, uy = dx / span, dy / span
    span = min(max(span, abs(first - second) + 1e-3), (first + second) * 0.999)
    along = (first**2 - second**2 + span**2) / (2 * span)
    aside = math.sqrt(max(first**2 - along**2, 0.0)) * bend
    middle = (start[0] + ux * along - uy * aside, start[1] + uy * along + ux * aside)
    return middle, (start[0] + ux * span, start[1] + uy * span)


def shoulder_of(body: Body, *, hip: Point, lean: float) -> Point:
    """The shoulder joint of a body whose hip and lean are known."""
    return (hip[0] + math.sin(lean) * body.torso, hip[1] + math.cos(lean) * body.torso)


def head_of(body: Body, *, hip: Point, lean: float, nod: float = 0.0) -> tuple[Point, float]:
    """The head's centre and its turn towards +x."""
    shoulder = shoulder_of(body, hip=hip, lean=lean)
    tilt = 0.75 * lean + nod * 0.55
    rise = 0.118 * body.height
    turn = 0.55 * lean + nod
    return (shoulder[0] + math.sin(tilt) * rise + 0.012 * body.height, shoulder[1] + math.cos(tilt) * rise), turn


def mouth_of(body: Body, *, hip: Point, lean: float, nod: float = 0.0) -> Point:
    """The mouth: the front of the face, a little below its middle."""
    (x, y), turn = head_of(body, hip=hip, lean=lean, nod=nod)
    forward, up = 0.078 * body.height, -0.036 * body.height
    return (x + math.cos(turn) * forward + math.sin(turn) * up, y - math.sin(turn) * forward + math.cos(turn) * up)


def person_parts(body: Body, pose: Pose) -> list[tuple[int, Shape]]:
    """The (painting level, shape) list of a posed body."""
    parts: list[tuple[int, Shape]] = []
    parts += [(FAR_ARM, shape) for shape in _arm(body, pose, pose.hand_far, shade=0.82, offset=0.012)]
    parts += [(FAR_LEG, shape) for shape in _leg(body, pose, pose.foot_far, shade=0.8)]
    parts += [(TORSO, shape) for shape in _torso(body, pose)]
    parts += [(NEAR_LEG, shape) for shape in _leg(body, pose, pose.foot_near, shade=1.0)]
    parts += [(HEAD, shape) for shape in _head(body, pose)]
    parts += [(NEAR_ARM, shape) for shape in _arm(body, pose, pose.hand_near, shade=1.0, offset=-0.012)]
    return parts


def _arm(body: Body, pose: Pose, hand: Point, *, shade: float, offset: float) -> list[Shape]:
    x, y = shoulder_of(body, hip=pose.hip, lean=pose.lean)
    start = (x + offset * body.height, y - 0.012 * body.height)
    elbow, palm = two_bone(start, hand, body.upper_arm, body.forearm, pose.elbow)
    width = 0.056 * body.height * (0.7 + 0.3 * body.girth)
    skin, shirt = shaded(body.skin, shade), shaded(body.shirt, shade * 0.92)
    shapes = [ellipse(palm, 0.03 * body.height, 0.03 * body.height, skin)]
    if body.short_sleeves:
        half = ((start[0] + 2 * elbow[0]) / 3, (start[1] + 2 * elbow[1]) / 3)
        return [stroke([start, elbow, palm], width * 0.86, skin), *shapes, stroke([start, half], width * 1.12, shirt)]
    return [*shapes, stroke([start, elbow, ((elbow[0] + 4 * palm[0]) / 5, (elbow[1] + 4 * palm[1]) / 5)], width, shirt)]


def _leg(body: Body, pose: Pose, foot: Point, *, shade: float) -> list[Shape]:
    knee, ankle = two_bone(pose.hip, foot, body.thigh, body.shin, pose.knee)
    width = 0.078 * body.height * (0.6 + 0.4 * body.girth)
    cosine, sine = math.cos(pose.toes), math.sin(pose.toes)
    size = body.height

    def turned(x: float, y: float) -> Point:
        return (ankle[0] + size * (cosine * x - sine * y), ankle[1] + size * (sine * x + cosine * y))

    outline = [turned(*p) for p in ((-0.035, -0.03), (0.085, -0.03), (0.085, -0.006), (0.03, 0.022), (-0.03, 0.022))]
    shoe = blob(outline, shaded(body.shoes, shade), rounds=1)
    trousers, skin = shaded(body.trousers, shade), shaded(body.skin, shade)
    if body.shorts:
        return [stroke([knee, ankle], width * 0.72, skin), shoe, stroke([pose.hip, knee], width * 1.08, trousers)]
    return [shoe, stroke([pose.hip, knee, ankle], width, trousers)]


def _torso(body: Body, pose: Pose) -> list[Shape]:
    shoulder = shoulder_of(body, hip=pose.hip, lean=pose.lean)
    head, _ = head_of(body, hip=pose.hip, lean=pose.lean, nod=pose.nod)
    size = body.height
    low, high = 0.062 * size * body.girth, 0.066 * size * (0.5 + 0.5 * body.girth)
    along = (math.sin(pose.lean), math.cos(pose.lean))
    top = (shoulder[0] - along[0] * 0.035 * size, shoulder[1] - along[1] * 0.035 * size)
    waist = (pose.hip[0] + along[0] * 0.035 * size, pose.hip[1] + along[1] * 0.035 * size)
    return [
        stroke([shoulder, head], 0.05 * size, shaded(body.skin, 0.92)),
        tube(pose.hip, 0.058 * size * body.girth, waist, low, body.trousers),
        tube(waist, low, top, high, body.shirt, hatch=True),
    ]


def _head(body: Body, pose: Pose) -> list[Shape]:
    (cx, cy), turn = head_of(body, hip=pose.hip, lean=pose.lean, nod=pose.nod)
    size = body.height
    cosine, sine = math.cos(turn), math.sin(turn)

    def at(x: float, y: float) -> Point:
        """The place in the composition of a point of the face (x forward, y to the crown, in head radii)."""
        x, y = 0.074 * size * x, 0.082 * size * y
        return (cx + cosine * x + sine * y, cy - sine * x + cosine * y)

    face = ellipse((cx, cy), 0.072 * size, 0.082 * size, body.skin, angle=-turn)
    nose = polygon([at(0.88, 0.2), at(1.26, -0.1), at(0.9, -0.22)], body.skin, line=False)
    eye = ellipse(at(0.56, 0.18), 0.012 * size, 0.016 * size, body.eye, line=False)
    lips = stroke([at(0.86, -0.46), at(0.52, -0.5)], 0.011 * size, shaded(body.skin, 0.6), line=False)
    ear = ellipse(at(-0.16, -0.02), 0.015 * size, 0.021 * size, shaded(body.skin, 0.86), line=False)
    crown = [
        at(0.72, 0.62),
        at(0.5, 1.06),
        at(-0.2, 1.2),
        at(-0.98, 0.86),
        at(-1.16, 0.0),
        at(-0.8, -0.52),
        at(-0.42, -0.3),
        at(-0.36, 0.34),
        at(0.1, 0.62),
    ]
    hair = [blob(crown, body.hair, rounds=1)]
    behind: list[Shape] = []
    if body.hair_style == "long":
        fall = [at(-0.1, 0.9), at(-1.1, 0.5), at(-1.3, -1.0), at(-1.1, -1.9), at(-0.3, -1.6), at(-0.2, 0.0)]
        behind.append(blob(fall, shaded(body.hair, 0.9)))
    elif body.hair_style == "bun":
        behind.append(ellipse(at(-1.2, 0.72), 0.034 * size, 0.034 * size, body.hair))
    elif body.hair_style == "tail":
        behind.append(blob([at(-0.8, 0.6), at(-1.6, 0.5), at(-1.9, -0.9), at(-1.5, -1.1), at(-1.1, 0.0)], body.hair))
    elif body.hair_style == "cap":
        dome = [at(0.86, 0.4), at(0.6, 1.04), at(-0.1, 1.24), at(-0.9, 0.9), at(-1.08, 0.34)]
        hair += [polygon(dome, body.hat), stroke([at(0.5, 0.42), at(1.46, 0.36)], 0.02 * size, body.hat)]
    return [*behind, nose, face, eye, lips, ear, *hair]
