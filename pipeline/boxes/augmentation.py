"""Augmentation with cached boxes: what a training step changes about an image, for its pixels and its boxes alike.

As in the paper these are mirroring, colour jitter, and another scale of the whole image or of a window of it.
Boxes are (n, 4) as x1, y1, x2, y2, in fractions of the image before and of what is shown after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from pipeline.config.training import Augment
from pipeline.datasets.images import square

SCALES = tuple(range(480, 801, 32))
"""The shorter sides, in pixels, to one of which an image is resized."""
LONGEST = 1333
"""Limit of the longer side, pixels."""
WINDOW_SCALES = (400, 500, 600)
"""The shorter sides, in pixels, at one of which a window is drawn."""
WINDOW = (384, 600)
"""The least and greatest side of a window, in pixels of the image so scaled."""

LEAST = 0.5
"""How many pixels of each side of a box have to remain for the box to count."""


@dataclass(frozen=True)
class Transform:
    """How a step changes an image, in the order of the fields. The default leaves the image as it is.

    Attributes:
        window: left, top, right, bottom in whole pixels; boxes are cut at its edges, and those outside of it are dropped.
        shorter: pixels of the shorter side, for an online detector; boxes in fractions do not change.
        mirrored: whether left and right are exchanged.
        colour: factors of brightness, contrast and saturation.
    """

    window: tuple[int, int, int, int] | None = None
    shorter: int | None = None
    mirrored: bool = False
    colour: tuple[float, float, float] | None = None

    @property
    def only_mirrors(self) -> bool:
        """Whether the pixels are the image's own, or their mirror image."""
        return self.window is None and self.shorter is None and self.colour is None

    def picture(self, image: Image.Image) -> Image.Image:
        """The changed RGB image at its scale, as an online detector gets it."""
        image = self._cut(image)
        if self.shorter is not None:
            image = image.resize(_scaled(image.size, self.shorter), Image.Resampling.BICUBIC)
        return self._changed(image)

    def pixels(self, image: Image.Image, size: int) -> Tensor:
        """The same squashed to a square: uint8 (3, size, size).

        The image is resized once, and only then mirrored and coloured: a scale in between would be lost in the square, and
        most of the work would be spent on pixels that the square drops. So `shorter` changes nothing here, and colours
        differ from those of `picture` by rounding.
        """
        resized = self._cut(image).resize((size, size), Image.Resampling.BICUBIC)
        return square(self._changed(resized), size)

    def _cut(self, image: Image.Image) -> Image.Image:
        return image if self.window is None else image.crop(self.window)

    def _changed(self, image: Image.Image) -> Image.Image:
        """The image, mirrored and coloured."""
        if self.mirrored:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.colour is not None:
            brightness, contrast, saturation = self.colour
            image = ImageEnhance.Brightness(image).enhance(brightness)
            image = ImageEnhance.Contrast(image).enhance(contrast)
            image = ImageEnhance.Color(image).enhance(saturation)
        return image

    def boxes(self, boxes: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Where the boxes of an image of that width and height lie now, (n, 4), and which of them still count, (n,)."""
        seen = torch.ones(len(boxes), dtype=torch.bool)
        if self.window is not None:
            left, top, right, bottom = self.window
            start, extent = torch.tensor([left, top] * 2), torch.tensor([right - left, bottom - top] * 2)
            boxes = ((boxes * torch.tensor(size * 2) - start) / extent).clamp(0, 1)
            left_over = (boxes[:, 2:] - boxes[:, :2]) * extent[2:]
            seen = (left_over > LEAST).all(dim=1)
        if self.mirrored:
            boxes = torch.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], dim=1)
        return boxes, seen


AS_IT_IS = Transform()


def draw(options: Augment, size: tuple[int, int], uniform: Callable[[], float]) -> Transform:
    """A random transform of an image of that width and height.

    Args:
        uniform: gives random numbers in [0, 1); the first decides about mirroring.
    """
    mirrored = uniform() < 0.5 and options.flip
    colour = None
    if options.colour:
        low, high = 1 - options.colour, 1 + options.colour
        colour = (low + (high - low) * uniform(), low + (high - low) * uniform(), low + (high - low) * uniform())
    window = _window(size, uniform) if options.crop and uniform() < options.crop else None
    shorter = _one_of(SCALES, uniform) if options.scale else None
    return Transform(window, shorter, mirrored, colour)


def _window(size: tuple[int, int], uniform: Callable[[], float]) -> tuple[int, int, int, int]:
    """A window drawn on the scaled image, in whole pixels of the image itself."""
    shorter = _one_of(WINDOW_SCALES, uniform)
    edges = []
    for full, own in zip(_scaled(size, shorter, longest=None), size, strict=True):
        extent = _one_of(range(WINDOW[0], min(full, WINDOW[1]) + 1), uniform)
        start = _one_of(range(full - extent + 1), uniform)
        first = round(start * own / full)
        edges.append((first, max(round((start + extent) * own / full), first + 1)))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom


def _one_of(values: Sequence[int], uniform: Callable[[], float]) -> int:
    return values[int(uniform() * len(values))]


def _scaled(size: tuple[int, int], shorter: int, longest: int | None = LONGEST) -> tuple[int, int]:
    """The width and height with that shorter side, both smaller where the longer side would exceed its limit."""
    factor = shorter / min(size)
    if longest is not None:
        factor = min(factor, longest / max(size))
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)
