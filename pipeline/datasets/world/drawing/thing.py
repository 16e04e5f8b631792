"""An object as its builder hands it out: shapes with named contact points."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.datasets.world.drawing.shapes import Placement, Point, Shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thing:
    """An object in its own coordinates: facing +x, standing on y = 0, centred near x = 0, unit one adult height.

    Attributes:
        shapes: What to paint, back to front.
        anchors: Contact points by name (seat, grip, mouth, back, ...); each builder documents its own.
    """

    shapes: tuple[Shape, ...]
    anchors: Mapping[str, Point]

    def anchor(self, name: str) -> Point:
        """The contact point called `name`.

        Raises:
            ValueError: If the builder gave none of that name.
        """
        if name not in self.anchors:
            raise ValueError(f"the object has no anchor {name!r}; it has {', '.join(sorted(self.anchors))}")
        return self.anchors[name]

    def placed(self, placement: Placement) -> "Thing":
        """The thing after moving shapes and anchors by `placement`."""
        return Thing(
            shapes=tuple(placement.shape(shape) for shape in self.shapes),
            anchors={name: placement.point(point) for name, point in self.anchors.items()},
        )

    def with_anchor_at(
        self, name: str, at: Point, *, angle: float = 0.0, scale: float = 1.0, mirror: bool = False
    ) -> "Thing":
        """The thing turned by `angle` and scaled so that its contact point `name` lies at `at`."""
        x, y = Placement(scale=scale, angle=angle, mirror=mirror).point(self.anchor(name))
        return self.placed(Placement(at=(at[0] - x, at[1] - y), scale=scale, angle=angle, mirror=mirror))
