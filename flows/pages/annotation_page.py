"""A page to look at annotations: drawn pictures on one HTML page, odd ones first."""

from __future__ import annotations

import base64
import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from flows.pages.rendering import render
from pipeline.datasets.dataset import CORNERS
from pipeline.datasets.images import read_upright
from pipeline.datasets.own import summary, suspects
from pipeline.datasets.own.annotated import Annotated
from pipeline.errors import DataError
from pipeline.predict import drawing
from pipeline.predict.records import Box, Pair, Picture, VerbScore
from pipeline.vocabulary.vocabulary import PERSON, spaced

WIDTH = 720
"""The width of a drawn picture on the page, in pixels."""
IDLE_BOX = "#9aa0a6"
"""The colour of boxes without interaction."""
SEED = 0
MOST_PROBLEMS = 200


@dataclass(frozen=True)
class Shown:
    """A picture of the page."""

    name: str
    split: str
    drawn: str
    """The picture as a data address; "" where it cannot be read."""
    reasons: Sequence[str]
    says: str
    """How many boxes and interactions it has, or why it cannot be read."""


def page(found: Annotated, root: Path, *, count: int) -> str:
    """The whole page: at most `count` pictures, suspects first, then others drawn at random, the same each time."""
    odd = suspects.suspects(found)
    others = [image for image in range(len(found.rows.images)) if image not in odd]
    random.Random(SEED).shuffle(others)
    chosen = [*odd, *others][:count]
    counts = summary.summary(found)
    return render(
        "looked",
        title=f"Annotations of {found.file.name}",
        counts=list(summary.lines({**counts, "problems": []}))[1:],
        shown=[_shown(found, root, image, odd.get(image, [])) for image in chosen],
        odd=len(odd),
        total=len(found.rows.images),
        problems=[problem for problem in found.problems.found if problem.level != "N"][:MOST_PROBLEMS],
    )


def _shown(found: Annotated, root: Path, image: int, reasons: Sequence[str]) -> Shown:
    row = found.rows.images.iloc[image]
    record = picture(found, image)
    actions = sum(len(pair.verbs) for pair in record.pairs)
    says = f"{record.persons + record.things} boxes, {actions} interaction{'s' * (actions != 1)}"
    try:
        drawn = _address(_drawn(read_upright(root / row["file_name"]), found, image, record))
    except DataError as error:
        drawn, says = "", str(error)
    return Shown(str(row["file_name"]), str(row["split"]), drawn, reasons, says)


def picture(found: Annotated, image: int) -> Picture:
    """What is annotated in a picture, as `pipeline/predict/drawing.py` draws it; there are no scores."""
    boxes, row = found.rows.boxes, found.rows.images.iloc[image]
    mine = found.pairs[found.pairs["image"] == image]
    verbs: dict[tuple[int, int], list[VerbScore]] = {}
    for subject, thing, verb in zip(mine["subject"], mine["object"], mine["verb_id"], strict=True):
        verbs.setdefault((int(subject), int(thing)), []).append(_said(found, int(verb)))
    for subject, verb in suspects.acts_alone(found, image):
        verbs.setdefault((subject, subject), []).append(_said(found, verb))
    objects = boxes["object_id"]
    in_picture = objects[boxes["image"] == image]
    pairs = tuple(
        Pair(
            person=_corners(found, subject),
            person_score=math.nan,
            object=_corners(found, thing),
            object_score=math.nan,
            label="" if subject == thing else spaced(found.vocabulary.object_names[int(objects[thing])]),
            verbs=tuple(said),
        )
        for (subject, thing), said in verbs.items()
    )
    persons = int((in_picture == PERSON).sum())
    return Picture(
        name=str(row["file_name"]),
        width=int(row["width"]),
        height=int(row["height"]),
        persons=persons,
        things=len(in_picture) - persons,
        pairs=pairs,
    )


def _said(found: Annotated, verb: int) -> VerbScore:
    return VerbScore(spaced(found.vocabulary.verbs[verb].name), -1, math.nan)


def _corners(found: Annotated, box: int) -> Box:
    x1, y1, x2, y2 = (float(found.rows.boxes[corner][box]) for corner in CORNERS)
    return x1, y1, x2, y2


def _drawn(image: Image.Image, found: Annotated, number: int, record: Picture) -> Image.Image:
    """The picture with its interactions; boxes that are in none are grey, with their names."""
    relations, boxes = found.rows.relations, found.rows.boxes
    relations = relations[relations["image"] == number]
    used = {*relations["subject"].tolist(), *relations["object"].tolist()}
    canvas = drawing.draw(image, record)
    scale = canvas.width / image.width
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=max(13, max(canvas.size) // 50))
    for box in boxes.index[boxes["image"] == number].tolist():
        if box not in used:
            corners = [scale * corner for corner in _corners(found, box)]
            pen.rectangle(corners, outline=IDLE_BOX, width=2)
            name = spaced(found.vocabulary.object_names[int(boxes["object_id"][box])])
            pen.text(
                (corners[0] + 4, corners[1] + 2), name, fill="#ffffff", font=font, stroke_width=2, stroke_fill="#111111"
            )
    return canvas


def _address(image: Image.Image) -> str:
    image.thumbnail((WIDTH, 2 * WIDTH))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
