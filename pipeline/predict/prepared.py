"""The data of a predictor: prepared pictures, and the pairs that are found in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL.Image import Image
from torch import Tensor

from pipeline.predict.boxes import Boxes


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A picture, decoded and resized for the towers; the costly part begins with it."""

    name: str
    size: tuple[int, int]
    """The width and height in pixels, as a person sees it."""
    square: Tensor
    """The square (3, S, S), uint8, for the prompted tower."""
    whole: Tensor | None
    """The square (3, S, S) for the frozen tower; None where the model does not use that."""
    boxes: Boxes | None
    picture: Image | None
    """The picture itself, where a detector is run on it or crops are wanted."""


@dataclass(frozen=True)
class Pairs:
    """The P pairs of some pictures, before they are scored.

    Attributes:
        table: image_id (the picture's place), object_id, prior, person_score, object_score, the columns `BOXES`, (P,)
            each, and feature (P, d_a); the columns `remembered.CROPS`, (P, d_a) each, where they were asked for.
        persons, things: how many boxes of each picture there were.
        left_out: how many boxes of each picture did not count, and why.
    """

    table: dict[str, Any]
    persons: Sequence[int]
    things: Sequence[int]
    left_out: Sequence[Mapping[str, int]]
