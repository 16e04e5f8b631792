"""Questions of CrossHOI-Bench, from the JSON files of a user's clone (nothing of it comes with the project).

    {"HICO_test2015_00000001.jpg": {"gt_choices": ["ride a horse"], "wrong_choices": [three more],
                                    "boxes": {"human": [x1, y1, x2, y2], "object": [...], "object_class": "horse"}}, ...}

An image with several questions has them as {"QA_0": question, "QA_1": ...}. Where boxes are given, the question is about that
person, or about that person with that object; else about the whole scene. A choice is a verb and "a" or "an" and an object, or
a verb alone where the object is always a person; blanks and underscores are the same.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.outside.columns import number
from pipeline.outside.parsing import shown
from pipeline.vocabulary.vocabulary import comparable

Choice = tuple[str, str]
"""A verb and an object as they are compared."""
Box = tuple[float, float, float, float]
PERSON = "person"
"""The object of a choice that is a verb alone."""
_ARTICLE = re.compile(r"(.+?) an? (.+)")
_QUESTION = {"gt_choices", "wrong_choices"}


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question about an image."""

    image: str
    right: tuple[Choice, ...]
    wrong: tuple[Choice, ...]
    human: Box | None = None
    thing: Box | None = None
    thing_is: str | None = None
    """The name of the object, in a question about a person and an object."""

    @property
    def choices(self) -> frozenset[Choice]:
        """All choices, right and wrong."""
        return frozenset(self.right + self.wrong)

    @property
    def setting(self) -> str:
        """What the question gives: `scene`, `person`, or `pair`."""
        return "scene" if self.human is None else "person" if self.thing is None else "pair"


def choice(name: str) -> Choice:
    """A name, parsed as verb and object."""
    found = _ARTICLE.fullmatch(comparable(name))
    return (found[1], found[2]) if found else (comparable(name), PERSON)


def read(path: Path) -> dict[str, tuple[Question, ...]]:
    """Read {image: its questions in order}; DataError naming the file, the image and what is wrong with its question."""
    value = reading.json_value(path, largest=reading.LARGEST_DATA)
    if not isinstance(value, dict) or not value:
        raise DataError(f"{path}: CrossHOI-Bench's questions are a JSON object of images, this is {shown(value)}")
    found = {}
    for image, entry in value.items():
        listed = [entry] if isinstance(entry, dict) and entry.keys() >= _QUESTION else entry
        listed = list(listed.values()) if isinstance(listed, dict) else listed
        if not isinstance(listed, list) or not listed:
            raise DataError(
                f"{path}, image {shown(image)}: needs gt_choices and wrong_choices, or questions that have them"
            )
        try:
            found[image] = tuple(_question(image, one) for one in listed)
        except ValueError as error:
            raise DataError(f"{path}, image {shown(image)}: {error}") from None
    return found


def _question(image: str, entry: Any) -> Question:
    """Parse a question; ValueError says what is wrong with it."""
    if not isinstance(entry, dict) or not entry.keys() >= _QUESTION:
        raise ValueError(f"a question has gt_choices and wrong_choices, this is {shown(entry)}")
    right, wrong = (_choices(entry[key], key) for key in ("gt_choices", "wrong_choices"))
    if both := set(right) & set(wrong):
        raise ValueError(f"{shown(' '.join(both.pop()))} is both right and wrong")
    boxes = entry.get("boxes") or {}
    if not isinstance(boxes, dict):
        raise ValueError(f"boxes are an object with human and object, not {shown(boxes)}")
    human, thing = (_box(boxes.get(key), key) for key in ("human", "object"))
    if thing is not None and human is None:
        raise ValueError("an object's box comes with a person's")
    if thing is None:
        return Question(image=image, right=right, wrong=wrong, human=human)
    given = boxes.get("object_class")
    name = right[0][1] if right else comparable(given) if isinstance(given, str) else None
    if name is None:
        raise ValueError("a question about an object without a right choice needs its object_class")
    return Question(image=image, right=right, wrong=wrong, human=human, thing=thing, thing_is=name)


def _choices(value: Any, key: str) -> tuple[Choice, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and comparable(name) for name in value):
        raise ValueError(f"{key} is a list of names, not {shown(value)}")
    return tuple(choice(name) for name in value)


def _box(value: Any, key: str) -> Box | None:
    if value is None or value == []:
        return None
    if isinstance(value, list) and len(value) == 4:
        corners = tuple(number(corner) for corner in value)
        if all(map(math.isfinite, corners)) and corners[2] > corners[0] and corners[3] > corners[1]:
            return corners[0], corners[1], corners[2], corners[3]
    raise ValueError(f"the {key}'s box is four numbers x1 < x2, y1 < y2, not {shown(value)}")
