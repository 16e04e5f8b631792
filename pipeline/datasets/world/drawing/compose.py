"""From (verb, object) to a composed picture: the dispatch over the acts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.world.acts import animals, hands, riding
from pipeline.datasets.world.acts.act import HUMAN, Act, Part, Play
from pipeline.datasets.world.drawing.person import person_parts, sample_body
from pipeline.datasets.world.drawing.poses import stand, walk
from pipeline.datasets.world.drawing.shapes import bounds
from pipeline.datasets.world.drawing.styles import Ink, Style

PLAYS: Mapping[str, Play] = {
    "ride": riding.ride, "sit_on": riding.sit_on, "lie_on": riding.lie_on,
    "stand_on": riding.stand_on, "jump": riding.jump,
    "hold": hands.hold, "carry": hands.carry, "eat": hands.eat, "drink_with": hands.drink_with,
    "read": hands.read, "wear": hands.wear, "kick": hands.kick, "throw": hands.throw,
    "fly": hands.fly, "drag": hands.drag, "push": hands.push,
    "feed": animals.feed, "pet": animals.pet, "hug": animals.hug, "walk": animals.walk_animal,
    "watch": animals.watch, "no_interaction": animals.no_interaction,
}  # fmt: skip
"""The composer of every verb of the world."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Composition:
    """A composed picture in composition coordinates.

    Attributes:
        parts: (level, owner, shape) in painting order.
        extent: Tight (left, bottom, right, top) of everything in it.
    """

    parts: tuple[Part, ...]
    extent: tuple[float, float, float, float]


def _finish(parts: list[Part]) -> Composition:
    return Composition(parts=tuple(parts), extent=bounds([shape for _, _, shape in parts]))


def compose(verb: str, name: str, *, style: Style, rng: np.random.Generator) -> Composition:
    """A person doing `verb` with the object `name`, facing +x on ground y = 0.

    Raises:
        ValueError: If the world has no composer for the verb or no builder for the object.
    """
    if verb not in PLAYS:
        raise ValueError(f"the rendered world cannot act {verb!r}; it knows {', '.join(sorted(PLAYS))}")
    ink = Ink(style=style, rng=rng)
    act = Act(
        verb=verb, name=name, body=sample_body(ink=ink, rng=rng), ink=ink, object_ink=Ink(style=style, rng=rng), rng=rng
    )
    PLAYS[verb](act)
    return _finish(act.ordered())


def bystander(*, style: Style, rng: np.random.Generator) -> Composition:
    """A person alone, standing or walking with hanging arms."""
    ink = Ink(style=style, rng=rng)
    body = sample_body(ink=ink, rng=rng)
    pose = stand(body) if rng.random() < 0.5 else walk(body)
    parts = sorted(((level, HUMAN, shape) for level, shape in person_parts(body, pose)), key=lambda part: part[0])
    return _finish(parts)
