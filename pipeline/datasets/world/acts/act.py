"""One interaction while it is being composed: the person, the object, and what else belongs to the picture."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from pipeline.datasets.world.drawing.catalogue import build
from pipeline.datasets.world.drawing.person import Body, Pose, person_parts
from pipeline.datasets.world.drawing.shapes import Shape
from pipeline.datasets.world.drawing.styles import Ink
from pipeline.datasets.world.drawing.thing import Thing

BEHIND, MIDDLE, UNDER_ARM, FRONT = 5, 30, 65, 80
"""The painting levels of an object: behind everybody, between far limbs and body, under the near arm, before all."""

HUMAN, OBJECT, EXTRA = "human", "object", "extra"
"""What a shape may belong to; extras (a leash, a wave) are in no box."""

Part: TypeAlias = tuple[int, str, Shape]


@dataclass(kw_only=True)
class Act:
    """The composition in progress: x to the right (the person faces +x), y up, ground at 0, unit one adult height."""

    verb: str
    name: str
    body: Body
    ink: Ink
    object_ink: Ink
    rng: np.random.Generator
    parts: list[Part] = field(default_factory=list)

    def thing(self) -> Thing:
        """The object in the form that the verb asks for."""
        return build(self.name, ink=self.object_ink, verb=self.verb)

    def person(self, pose: Pose) -> None:
        """Add the posed person."""
        self.parts += [(level, HUMAN, shape) for level, shape in person_parts(self.body, pose)]

    def put(self, thing: Thing, level: int, *, split: bool = False) -> None:
        """Add the object; where `split`, its front shapes are painted over the person."""
        for shape in thing.shapes:
            self.parts.append((FRONT if split and shape.front else level, OBJECT, shape))

    def extra(self, shapes: Iterable[Shape], level: int) -> None:
        """Add scenery that belongs to the interaction but to no box."""
        self.parts += [(level, EXTRA, shape) for shape in shapes]

    def spread(self, low: float, high: float) -> float:
        """Draw a uniform number between `low` and `high`."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """Draw whether something is so, with probability `share`."""
        return bool(self.rng.random() < share)

    def ordered(self) -> list[Part]:
        """The parts in painting order."""
        return sorted(self.parts, key=lambda part: part[0])


Play: TypeAlias = Callable[[Act], None]
"""A function that composes one verb: it puts the person and the object into the `Act`."""
