"""From pixel-space patches to pixels: supersampled polygons and strokes, outlines, hatching and sensor noise."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipeline.datasets.world.drawing.shapes import Colour

SUPERSAMPLING = 2
"""How many times larger than its picture a scene is painted, before it is averaged down."""

INK_LINE: Colour = (30, 26, 28)
"""The colour of outlines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One painted shape in pixels (x right, y down).

    Attributes:
        owner: ("human", i), ("object", i) for what a box belongs to; ("cover", 0) for what stands before
            the actors; ("", 0) for the other scenery.
        points: x0, y0, x1, y1, ... of a polygon, or of a round-capped polyline where `width` is positive.
        fill: RGB.
        width: Stroke width in pixels, 0 for polygons.
        outline: Outline width in pixels, half of it outside the shape; 0 for none.
        hatch: Whether the fill is hatched.
    """

    owner: tuple[str, int]
    points: tuple[float, ...]
    fill: Colour
    width: float = 0.0
    outline: float = 0.0
    hatch: bool = False


def paint(patches: Iterable[Patch], *, canvas: Image.Image) -> Image.Image:
    """Paints the patches on a canvas that is `SUPERSAMPLING` times larger than the scene, and returns the canvas."""
    draw = ImageDraw.Draw(canvas)
    for patch in patches:
        points = [SUPERSAMPLING * value for value in patch.points]
        line = SUPERSAMPLING * patch.outline
        if patch.width > 0:
            if line > 0:
                _stroke(draw, points, SUPERSAMPLING * patch.width + line, INK_LINE)
            _stroke(draw, points, SUPERSAMPLING * patch.width - line, patch.fill)
            continue
        draw.polygon(points, fill=patch.fill)
        if patch.hatch:
            _hatch(canvas, points, patch.fill)
        if line > 0:
            _stroke(draw, [*points, *points[:2]], line, INK_LINE)
    return canvas


def shrink(canvas: Image.Image) -> Image.Image:
    """The canvas averaged down to the scene's size."""
    return canvas.reduce(SUPERSAMPLING)


def _stroke(draw: ImageDraw.ImageDraw, points: list[float], width: float, fill: Colour) -> None:
    whole = max(1, round(width))
    draw.line(points, fill=fill, width=whole)
    if whole < 4:
        return
    half = (width - 1) / 2
    for x, y in zip(points[0::2], points[1::2], strict=True):
        draw.ellipse((x - half, y - half, x + half, y + half), fill=fill)


@cache
def _hatching(width: int, height: int) -> Image.Image:
    """Diagonal lines, as a mask."""
    rows, columns = np.mgrid[0:height, 0:width]
    lines = ((columns + 2 * rows) % 11 < 2) | ((3 * columns - rows) % 41 < 2)
    return Image.fromarray((lines * 110).astype(np.uint8), mode="L")


def _hatch(canvas: Image.Image, points: list[float], fill: Colour) -> None:
    left, top = max(0, int(min(points[0::2]))), max(0, int(min(points[1::2])))
    right, bottom = min(canvas.width, int(max(points[0::2])) + 1), min(canvas.height, int(max(points[1::2])) + 1)
    if right - left < 8 or bottom - top < 8:
        return
    mask = Image.new("L", (right - left, bottom - top), 0)
    shifted = [value - (left, top)[k % 2] for k, value in enumerate(points)]
    ImageDraw.Draw(mask).polygon(shifted, fill=255)
    mask = ImageChops.multiply(mask, _hatching(canvas.width, canvas.height).crop((left, top, right, bottom)))
    dark = (fill[0] // 2, fill[1] // 2, fill[2] // 2)
    canvas.paste(dark, (left, top, right, bottom), mask)


def sensor(image: Image.Image, *, noise: float, seed: int) -> Image.Image:
    """The picture with a camera's traces: uneven light, slight blur, grain of `noise` grey levels; none with 0."""
    if noise <= 0:
        return image
    rng = np.random.default_rng(seed)
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.BoxBlur(float(rng.uniform(0.3, 0.7))))
    pixels: NDArray[np.float32] = np.asarray(image, dtype=np.float32)
    height, width = pixels.shape[:2]
    across, down = rng.uniform(-0.12, 0.12, 2)
    gain = rng.uniform(0.88, 1.08) * rng.uniform(0.96, 1.04, 3)
    light = (
        1.0
        + across * np.linspace(-1, 1, width, dtype=np.float32)[None, :]
        + down * np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    )
    grain = rng.standard_normal((height, width), dtype=np.float32) * np.float32(noise * rng.uniform(0.5, 1.3))
    lit = pixels * (light[:, :, None] * gain.astype(np.float32)) + grain[:, :, None]
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8), mode="RGB")
