"""Interactions from boxes alone, for tools without relations (CVAT, LabelMe): groups, names and verbs on shapes.

1. `verb@NAME` on a shape: the person called NAME does it to this shape. An unknown name, or one of two persons, is an error.
2. A verb on an object: every person of its group does it; several are noted. No person in the group, or no group: an error.
3. A verb on a person: with the one object of the person's group; alone where there is none; with several, an error.
4. A group without a verb is no interaction.

Groups and names hold within one picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.datasets.own.problems import Problems
from pipeline.datasets.own.raw import ALONE, Collected
from pipeline.datasets.own.words import Words

_SPLIT = re.compile(r"[;,\n]")
NOTHING = frozenset({"", "none", "-", "undefined", "__undefined__"})
"""Words that are no verb: what tools write where nothing was chosen."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A box with what was written on it."""

    box: int
    person: bool
    group: int | None
    name: str
    words: tuple[str, ...]
    """The words on the shape: verbs, or `verb@NAME`."""
    where: str


def words(text: str) -> tuple[str, ...]:
    """The words of a text that parts them by `;` or `,`."""
    return tuple(word for part in _SPLIT.split(text) if (word := part.strip()).lower() not in NOTHING)


def verbs(text: str, known: Words) -> list[str]:
    """The words of a text that are verbs, or `verb@NAME`."""
    return [word for word in words(text) if known.verb_id(word.partition("@")[0]) is not None]


def relations(shapes: Sequence[Shape], image: int, found: Collected, problems: Problems) -> None:
    """Add the interactions of one picture's shapes."""
    for shape in shapes:
        for word in shape.words:
            verb, at, name = (part.strip() for part in word.partition("@"))
            if at:
                _named(shape, verb, name, shapes, image, found, problems)
            elif shape.person:
                _of_person(shape, verb, shapes, image, found, problems)
            else:
                _of_object(shape, verb, shapes, image, found, problems)


def _named(
    shape: Shape, verb: str, name: str, shapes: Sequence[Shape], image: int, found: Collected, problems: Problems
) -> None:
    persons = [other for other in shapes if other.person and other.name == name]
    if len(persons) != 1:
        fault = f"{len(persons)} persons are named {name}" if persons else f"no person is named {name}"
        problems.add("E", shape.where, f"{verb}@{name}: {fault}", f"{verb} left out")
        return
    found.relation(image, persons[0].box, shape.box, verb, shape.where)


def _of_object(
    shape: Shape, verb: str, shapes: Sequence[Shape], image: int, found: Collected, problems: Problems
) -> None:
    persons = [other for other in shapes if other.person and shape.group is not None and other.group == shape.group]
    if not persons:
        group = "it has no group" if shape.group is None else "there is no person in its group"
        problems.add(
            "E", shape.where, f"{verb}, but {group}; group it with the person, or write {verb}@NAME", "left out"
        )
    if len(persons) > 1:
        problems.add("N", shape.where, f"{verb}: {len(persons)} persons are in its group", "each of them does it")
    for person in persons:
        found.relation(image, person.box, shape.box, verb, shape.where)


def _of_person(
    shape: Shape, verb: str, shapes: Sequence[Shape], image: int, found: Collected, problems: Problems
) -> None:
    things = [other for other in shapes if not other.person and shape.group is not None and other.group == shape.group]
    if len(things) > 1:
        what = f"{verb} on the person, but {len(things)} objects are in the group: put the verb on the object"
        problems.add("E", shape.where, what, f"{verb} left out")
        return
    found.relation(image, shape.box, things[0].box if things else ALONE, verb, shape.where)
