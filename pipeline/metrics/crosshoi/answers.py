"""Answers to CrossHOI-Bench's questions, from a method's detections.

A row (person box, object box, score, name) answers a question if it is about the asked person and object (overlaps above 0.5,
and the object's name that of the first right choice), its score is good enough, and its name is one of the choices. Equal
answers are not merged.

Good enough is, as a `Selection` says: at least the score of the image's k-th best row, whatever that is about (`rank`, 5 in the
original); at least a fixed score (`threshold`); or among the so many best rows of all images with questions (`best`).

In images with several questions the original takes the choices of the first one for all of them (`original`); `own` takes each
question's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.metrics.crosshoi.questions import Choice, Question
from pipeline.metrics.formats.named import Image
from pipeline.tables.boxes import iou

Choices = Literal["original", "own"]
OVERLAP = 0.5


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The rule by which rows are good enough: one of the three above."""

    rank: int | None = 5
    threshold: float | None = None
    best: int | None = None

    def least(self, image: Image, images: Mapping[str, Image]) -> float:
        """The least score that a row of an image needs."""
        if self.threshold is not None:
            return self.threshold
        if self.best is not None:
            return _nth(np.concatenate([np.empty(0), *(one.scores for one in images.values())]), self.best)
        return _nth(image.scores, self.rank or 1)


def answers(
    asked: Mapping[str, Sequence[Question]], detected: Mapping[str, Image], *, selection: Selection, choices: Choices
) -> list[tuple[Question, list[Choice]]]:
    """Every question about the images with detections, with its answers in the order of the rows.

    Arguments:
        asked: questions by image.
        detected: rows by image, including images without a row; names are choices, as `questions.choice` makes them.
    """
    from pipeline.metrics.crosshoi.questions import choice

    here = {name: detected[name] for name in asked if name in detected}
    shared = selection.least(Image(np.empty((0, 8)), np.empty(0), []), here) if selection.best is not None else None
    found = []
    for name, image in here.items():
        least = selection.least(image, here) if shared is None else shared
        good = np.flatnonzero(image.scores >= least)
        names = [choice(image.names[row]) for row in good]
        allowed = asked[name][0].choices
        for question in asked[name]:
            kept = allowed if choices == "original" else question.choices
            about = _about(question, image.boxes[good], names)
            found.append((question, [c for c, fits in zip(names, about, strict=True) if fits and c in kept]))
    return found


def _about(question: Question, boxes: np.ndarray, names: Sequence[Choice]) -> list[bool]:
    """Whether rows are about the asked person and object."""
    fits = np.ones(len(boxes), dtype=np.bool_)
    if question.human is not None:
        fits &= iou(boxes[:, :4], np.array(question.human)) > OVERLAP
    if question.thing is not None:
        fits &= iou(boxes[:, 4:], np.array(question.thing)) > OVERLAP
        fits &= np.array([thing == question.thing_is for _, thing in names], dtype=np.bool_)
    return [bool(value) for value in fits]


def _nth(scores: np.ndarray, count: int) -> float:
    """The score of the count-th best row, or of the worst row if there are fewer."""
    if not len(scores):
        return -np.inf
    return float(np.sort(scores)[::-1][min(count, len(scores)) - 1])
