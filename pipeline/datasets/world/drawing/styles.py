"""Drawing styles: palettes, outlines, textures, and the inks that object and person builders ask for colours.

The same geometry is drawn in every style; only the colours, lines, fills, wobble and noise differ, so that the gap
between two styles is a gap of appearance and not of content.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pipeline.datasets.world.drawing.shapes import Colour

_FLAT: Mapping[str, Colour] = {
    "red": (235, 110, 105),
    "orange": (246, 167, 98),
    "yellow": (250, 218, 112),
    "green": (128, 196, 122),
    "darkgreen": (84, 155, 105),
    "blue": (108, 160, 226),
    "navy": (78, 100, 158),
    "teal": (94, 190, 186),
    "purple": (168, 132, 208),
    "pink": (245, 160, 190),
    "brown": (158, 112, 82),
    "darkbrown": (110, 78, 64),
    "tan": (224, 188, 142),
    "cream": (250, 236, 208),
    "white": (250, 250, 248),
    "lightgrey": (208, 212, 218),
    "grey": (158, 164, 174),
    "darkgrey": (98, 104, 116),
    "black": (58, 60, 70),
    "glass": (190, 226, 240),
    "water": (128, 190, 230),
    "snow": (238, 246, 252),
    "skin0": (252, 218, 190),
    "skin1": (238, 190, 152),
    "skin2": (208, 154, 116),
    "skin3": (164, 112, 82),
    "skin4": (118, 80, 62),
}
_OUTLINED: Mapping[str, Colour] = {
    "red": (186, 38, 34),
    "orange": (214, 104, 14),
    "yellow": (226, 178, 18),
    "green": (66, 134, 48),
    "darkgreen": (28, 88, 44),
    "blue": (36, 90, 182),
    "navy": (26, 38, 98),
    "teal": (16, 122, 124),
    "purple": (106, 46, 146),
    "pink": (212, 92, 134),
    "brown": (124, 72, 32),
    "darkbrown": (74, 44, 24),
    "tan": (190, 148, 92),
    "cream": (236, 216, 168),
    "white": (240, 236, 224),
    "lightgrey": (186, 184, 176),
    "grey": (128, 128, 122),
    "darkgrey": (78, 78, 76),
    "black": (32, 30, 30),
    "glass": (146, 186, 196),
    "water": (52, 112, 148),
    "snow": (226, 228, 226),
    "skin0": (244, 204, 166),
    "skin1": (226, 170, 122),
    "skin2": (186, 126, 82),
    "skin3": (136, 86, 52),
    "skin4": (88, 54, 34),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """A drawing style: how shapes become pixels.

    Attributes:
        name: The style's name.
        palette: RGB by colour name.
        jitter: Standard deviation of the per-object colour change, in grey levels.
        outline: Range of outline widths in pixels; (0, 0) for none.
        wobble: Amplitude in pixels of the hand-drawn bending of every line.
        hatched: Whether large fills are textured.
        clutter: Whether backgrounds carry buildings, trees and other things that are no HICO object.
        noise: Standard deviation of the sensor noise, in grey levels.
    """

    name: str
    palette: Mapping[str, Colour] = field(repr=False)
    jitter: float
    outline: tuple[float, float]
    wobble: float
    hatched: bool
    clutter: bool
    noise: float


STYLES: Mapping[str, Style] = {
    "flat": Style(
        name="flat", palette=_FLAT, jitter=5.0, outline=(0.0, 0.0), wobble=0.0, hatched=False, clutter=False, noise=0.0
    ),
    "outlined": Style(
        name="outlined",
        palette=_OUTLINED,
        jitter=11.0,
        outline=(0.9, 1.7),
        wobble=0.9,
        hatched=True,
        clutter=True,
        noise=5.0,
    ),
}


def style_named(name: str) -> Style:
    """The style called `name`.

    Raises:
        ValueError: If there is none.
    """
    if name not in STYLES:
        raise ValueError(f"unknown drawing style {name!r}; use one of {', '.join(sorted(STYLES))}")
    return STYLES[name]


class Ink:
    """Colours of one drawn thing: the style's palette, slightly changed for this thing alone."""

    def __init__(self, *, style: Style, rng: np.random.Generator) -> None:
        self._palette = style.palette
        self._rng = rng
        red, green, blue = rng.normal(0.0, style.jitter, 3)
        self._shift = (float(red), float(green), float(blue))

    def __call__(self, name: str, gain: float = 1.0) -> Colour:
        """The palette's colour `name` times `gain`, with this thing's shift."""
        (red, green, blue), (dr, dg, db) = self._palette[name], self._shift
        return (_level(red * gain + dr), _level(green * gain + dg), _level(blue * gain + db))

    def pick(self, *names: str) -> str:
        """Draw one of the colour names at random."""
        return names[int(self._rng.integers(len(names)))]

    def spread(self, low: float, high: float) -> float:
        """Draw a uniform number between `low` and `high`, for this thing's proportions."""
        return float(self._rng.uniform(low, high))


def _level(value: float) -> int:
    return max(0, min(255, round(value)))
