"""What a scene's theme looks like: its colours and its props, none of which is an object of any class.

A prop is a function of an ink, a generator, a column and the row of the horizon, in pixels with y down. Colours and props
are few a scene and overlap between themes, so that the scenery tells a theme from most others and seldom from all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pipeline.datasets.world.drawing import props_indoors as indoors
from pipeline.datasets.world.drawing import props_outdoors as outdoors
from pipeline.datasets.world.drawing.shapes import Colour, Shape
from pipeline.datasets.world.drawing.styles import Ink

Prop: TypeAlias = Callable[[Ink, np.random.Generator, float, float], list[Shape]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenery:
    """How a theme is drawn.

    Attributes:
        walls: Colours above the horizon, one of which a scene has.
        floors: Colours below it.
        wide: Props that span the picture; each stands in three of four scenes.
        small: Props of which a scene has two to five, at random columns.
    """

    walls: tuple[Colour, ...]
    floors: tuple[Colour, ...]
    wide: tuple[Prop, ...]
    small: tuple[Prop, ...]


_SKY, _HAZE, _DUSK = (158, 176, 190), (184, 186, 176), (196, 168, 164)
_GRASS, _MEADOW, _EARTH, _ASPHALT, _SAND = (
    (116, 124, 76),
    (92, 122, 70),
    (136, 112, 80),
    (116, 116, 114),
    (196, 170, 118),
)

THEMES: Mapping[str, Scenery] = {
    "street": Scenery(
        walls=(_SKY, _HAZE, _DUSK),
        floors=(_ASPHALT, (98, 100, 106)),
        wide=(outdoors.kerb,),
        small=(outdoors.house, outdoors.house, outdoors.street_lamp, outdoors.tree),
    ),
    "park": Scenery(
        walls=(_SKY, (146, 166, 150)),
        floors=(_GRASS, _MEADOW),
        wide=(outdoors.hedge,),
        small=(outdoors.tree, outdoors.tree, outdoors.street_lamp, outdoors.pond),
    ),
    "farm": Scenery(
        walls=(_SKY, (206, 184, 150)),
        floors=(_EARTH, _GRASS),
        wide=(outdoors.hill,),
        small=(outdoors.barn, outdoors.fence, outdoors.fence, outdoors.haystack),
    ),
    "zoo": Scenery(
        walls=(_HAZE, (146, 166, 150)),
        floors=(_EARTH, (150, 136, 104)),
        wide=(outdoors.railing,),
        small=(outdoors.rock, outdoors.palm, outdoors.tree),
    ),
    "station": Scenery(
        walls=(_HAZE, (120, 140, 168)),
        floors=(_ASPHALT, (150, 136, 104)),
        wide=(indoors.roof,),
        small=(indoors.pillar, indoors.pillar, indoors.board),
    ),
    "beach": Scenery(
        walls=(_SKY, (172, 196, 206)),
        floors=(_SAND, (150, 136, 104)),
        wide=(outdoors.sea,),
        small=(outdoors.palm, outdoors.hut, outdoors.rock),
    ),
    "snow": Scenery(
        walls=(_SKY, (120, 140, 168)),
        floors=((214, 218, 222), (196, 204, 214)),
        wide=(outdoors.peaks,),
        small=(outdoors.fir, outdoors.fir, outdoors.flag),
    ),
    "sports": Scenery(
        walls=(_SKY, _HAZE),
        floors=(_MEADOW, (150, 98, 72)),
        wide=(outdoors.stand, outdoors.pitch),
        small=(outdoors.goal, outdoors.floodlight, outdoors.flag),
    ),
    "kitchen": Scenery(
        walls=((206, 196, 170), (170, 190, 186)),
        floors=((136, 112, 80), (150, 136, 124)),
        wide=(indoors.tiles, indoors.cupboards),
        small=(indoors.window, indoors.hanging_lamp, indoors.shelf),
    ),
    "home": Scenery(
        walls=(_DUSK, (206, 184, 150)),
        floors=((136, 112, 80), (112, 84, 78)),
        wide=(indoors.stripes, indoors.rug),
        small=(indoors.window, indoors.painting, indoors.standing_lamp),
    ),
}
"""The scenery of every theme in `classes.csv`."""


def surroundings(
    theme: str, *, ink: Callable[[], Ink], rng: np.random.Generator, width: float, horizon: float
) -> list[Shape]:
    """The props of a scene of the theme, the wide ones behind the small ones; each has an ink of its own."""
    scenery = THEMES[theme]
    shapes: list[Shape] = []
    for prop in scenery.wide:
        if rng.random() < 0.75:
            shapes += prop(ink(), rng, width, horizon)
    for _ in range(int(rng.integers(2, 6))):
        prop = scenery.small[int(rng.integers(len(scenery.small)))]
        shapes += prop(ink(), rng, float(rng.uniform(0, width)), horizon)
    return shapes
