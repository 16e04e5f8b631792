"""Drawing the pairs of a picture: the person blue, the object orange, a line between them, and the interactions in words.

Blue and orange are those of Okabe and Ito, which colour-blind people can tell apart; a dot marks the person's end of the line.
Lines, dots and type scale with the picture; small pictures are enlarged and large ones shrunk, so that all are legible.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from pipeline.predict.records import Box, Pair, Picture
from pipeline.vocabulary.vocabulary import spaced

PERSON, THING, LINK = "#0072b2", "#e69f00", "#ffffff"
INK, PAPER = "#ffffff", "#111111"
"""The colours of the type and of the ground of a label."""
SMALLEST, LARGEST = 640, 1600
"""The fewest and the most pixels of the longer side of a drawn picture."""
MOST_VERBS = 3
"""How many verbs a label spells out; it counts the others."""

Point: TypeAlias = tuple[float, float]
"""A point x, y in pixels of the drawn picture."""


def sized(image: Image.Image) -> Image.Image:
    """The image at the size at which it is drawn: its longer side has `SMALLEST` to `LARGEST` pixels."""
    longer = max(image.size)
    scale = min(max(longer, SMALLEST), LARGEST) / longer
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def draw(image: Image.Image, picture: Picture, *, idle: bool = False) -> Image.Image:
    """An RGB copy of the image, as large as `sized` makes it, with the pairs of its record drawn.

    Args:
        image: the picture, turned as the record's boxes are; of the record's size, or `sized` already.
        idle: whether pairs that only the idle verb joins ("no_interaction") are drawn, and that verb is spelled out.
    """
    canvas = sized(image)
    width, height = canvas.size
    scale = (width / picture.width, height / picture.height)
    pen = ImageDraw.Draw(canvas)
    stroke = max(2, round(max(width, height) / 320))
    font = ImageFont.load_default(size=max(13, round(max(width, height) / 50)))
    labelled = [(pair, text) for pair in picture.pairs if (text := label(pair, idle=idle))]
    persons = [_inside(pair.person, scale, canvas.size) for pair, _ in labelled]
    things = [_inside(pair.object, scale, canvas.size) for pair, _ in labelled]
    for colour, boxes in ((PERSON, persons), (THING, things)):
        for box in dict.fromkeys(boxes):
            _rectangle(pen, box, colour, stroke)
    middles = [_link(pen, person, thing, stroke) for person, thing in zip(persons, things, strict=True)]
    wanted = [_around(pen, middle, text, font, stroke) for middle, (_, text) in zip(middles, labelled, strict=True)]
    places = apart(wanted, canvas.size)
    for middle, place in zip(middles, places, strict=True):
        pen.line([middle, _middle(place)], fill=PAPER, width=max(1, stroke // 2))
    for place, (_, text) in zip(places, labelled, strict=True):
        pen.rounded_rectangle(place, radius=2 * stroke, fill=PAPER)
        pen.multiline_text(_middle(place), text, fill=INK, font=font, anchor="mm")
    return canvas


def label(pair: Pair, *, idle: bool = False) -> str:
    """The label of a pair, a line for each verb ("sit on dining table 0.83"); "" where only the idle verb joins the pair."""
    verbs = [said for said in pair.verbs if idle or not said.idle]
    lines = [
        " ".join(filter(None, (spaced(said.verb), spaced(pair.label), _number(said.score))))
        for said in verbs[:MOST_VERBS]
    ]
    if len(verbs) > MOST_VERBS:
        lines.append(f"and {len(verbs) - MOST_VERBS} more")
    return "\n".join(lines)


def apart(wanted: Sequence[Box], size: tuple[int, int]) -> list[Box]:
    """The places of labels that must not cover each other: the first as wanted, every other at the nearest free place.

    Every label is moved into the picture of `size` (width, height) first. One that finds no free place stays there.
    """
    placed: list[Box] = []
    for box in wanted:
        home = _moved(box, (box[0], box[1]), size)
        free = [place for place in _tries(home, placed, size) if not any(_cover(place, other) for other in placed)]
        placed.append(min(free, key=lambda place: _far(place, home), default=home))
    return placed


def _tries(home: Box, placed: Sequence[Box], size: tuple[int, int]) -> Iterator[Box]:
    """The wanted place, and the places above, below, left and right of every label that is placed already."""
    x, y, right, bottom = home
    yield home
    for left_of, above, right_of, below in placed:
        for corner in ((x, above - (bottom - y)), (x, below), (left_of - (right - x), y), (right_of, y)):
            yield _moved(home, corner, size)


def _moved(box: Box, corner: Point, size: tuple[int, int]) -> Box:
    """The box, moved so that its upper left corner is there, or as near as the picture's edges allow."""
    width, height = box[2] - box[0], box[3] - box[1]
    x, y = (max(0.0, min(at, whole - part)) for at, whole, part in zip(corner, size, (width, height), strict=True))
    return x, y, x + width, y + height


def _cover(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _far(one: Box, other: Box) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _inside(box: Box, scale: tuple[float, float], size: tuple[int, int]) -> Box:
    """The part of a box that lies in the drawn picture, in its pixels; a box beyond an edge lies on the edge."""
    x1, x2 = (min(max(x * scale[0], 0.0), size[0] - 1.0) for x in (box[0], box[2]))
    y1, y2 = (min(max(y * scale[1], 0.0), size[1] - 1.0) for y in (box[1], box[3]))
    return x1, y1, x2, y2


def _rectangle(pen: ImageDraw.ImageDraw, box: Box, colour: str, stroke: int) -> None:
    """Draw the box with a light edge inside, so that it is visible on a ground of its own colour."""
    pen.rectangle(box, outline=LINK, width=stroke + max(1, stroke // 3))
    pen.rectangle(box, outline=colour, width=stroke)


def _link(pen: ImageDraw.ImageDraw, person: Box, thing: Box, stroke: int) -> Point:
    """Draw the line between the middles of two boxes, with a dot at the person's, and return the middle of the line."""
    start, end = _middle(person), _middle(thing)
    pen.line([start, end], fill=PAPER, width=stroke + 2)
    pen.line([start, end], fill=LINK, width=stroke)
    pen.circle(start, 2 * stroke, fill=PERSON, outline=LINK, width=max(1, stroke // 3))
    return (start[0] + end[0]) / 2, (start[1] + end[1]) / 2


def _around(
    pen: ImageDraw.ImageDraw, middle: Point, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, stroke: int
) -> Box:
    """The ground that the text needs around a point."""
    x1, y1, x2, y2 = pen.multiline_textbbox((0, 0), text, font=font)
    width, height = x2 - x1 + 4 * stroke, y2 - y1 + 4 * stroke
    return middle[0] - width / 2, middle[1] - height / 2, middle[0] + width / 2, middle[1] + height / 2


def _middle(box: Box) -> Point:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _number(score: float) -> str:
    """The score for a label; "" for the NaN of an annotation, which has none."""
    if math.isnan(score):
        return ""
    return f"{score:.2f}" if score >= 0.01 else "<0.01"
