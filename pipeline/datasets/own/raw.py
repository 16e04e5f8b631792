"""What a file of annotations says, before anything of it is judged: the same for every format, as columns.

A format's reader fills this in, with the faults that only it can see; `pipeline/datasets/own/resolve.py` judges the rest.
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.own.columns import Whole

ALONE = -1
"""Stands for the object of a person that acts alone."""


@dataclass(kw_only=True)
class Images:
    """The images of a file; each list has one entry for each image."""

    names: list[str] = field(default_factory=list)
    """File names as they are written."""
    widths: MutableSequence[int] = field(default_factory=list)
    """Widths in pixels as the file says them, 0 where it does not; `heights` likewise."""
    heights: MutableSequence[int] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    """"The split that the file names, "" where it names none."""
    exhaustive: bytearray = field(default_factory=bytearray)
    """1 or 0: whether all pairs of the image are annotated, so that the others are negatives."""
    where: Sequence[str] = field(default_factory=list)
    """What the tool calls the image: its id, or its name."""
    word: str = ""
    """What stands before `where` in messages: "image", "task"."""
    uploaded: list[bool] = field(default_factory=list)
    """Whether the name is Label Studio's of an upload; empty for none."""
    faults: dict[int, str] = field(default_factory=dict)
    """{image: why it cannot be used}."""

    def add(
        self,
        name: str,
        width: int,
        height: int,
        *,
        where: str,
        split: str = "",
        exhaustive: bool = True,
        uploaded: bool = False,
    ) -> int:
        """Add an image and return its index."""
        assert isinstance(self.where, list)  # whoever adds has begun without any
        self.names.append(name)
        self.widths.append(width)
        self.heights.append(height)
        self.where.append(where)
        self.splits.append(split)
        self.exhaustive.append(exhaustive)
        self.uploaded.append(uploaded)
        return len(self.names) - 1

    def called(self, image: int) -> str:
        """What messages call an image: "image 3"."""
        return f"{self.word} {self.where[image]}".strip()


@dataclass(kw_only=True)
class Boxes:
    """The boxes of a file; each array has one entry for each box."""

    image: Whole
    label: Whole
    """Position in `labels`; -1 where the box has none that can be read (then it has a fault)."""
    labels: list[str]
    """The distinct labels, as they are written."""
    corners: NDArray[np.float64] | NDArray[np.float32]
    """(n, 4): x1, y1, x2, y2; x, y, width, height in percent where `percent`. NaN where it has a fault. Those in pixels and 32
    bits are clipped where they lie (`pipeline/datasets/own/placed.py`)."""
    where: Callable[[int], str]
    """A function from a box's index to what messages call it, such as "annotation 3"."""
    label_where: list[str] | None = None
    """What messages call each label, where the file lists labels: one message then stands for all boxes of a label."""
    faults: dict[int, str] = field(default_factory=dict)
    """{box: why it cannot be used}; "" for a box that the message of another one covers."""
    percent: bool = False
    """Whether corners are in percent of the picture as it is shown, and not in pixels."""
    turned: dict[int, float] = field(default_factory=dict)
    """{box: degrees clockwise}, about the upper left corner in percent, about the centre in pixels."""


@dataclass(kw_only=True)
class Relations:
    """The relations of a file, each of a person, a verb and an object; each array has one entry for each relation."""

    image: Whole
    subject: Whole
    """Position of the person's box in `Boxes`."""
    object: Whole
    """Position of the object's box in `Boxes`; `ALONE` where the person acts alone."""
    verb: Whole
    """Position in `verbs`."""
    verbs: list[str]
    """The distinct verbs, as they are written."""
    where: Callable[[int], str]
    """A function from a relation's index to what messages call it, such as "relation 3"."""
    verb_where: list[str] | None = None
    """What messages call each verb, where the file lists verbs: one message then stands for all relations of a verb."""
    both_ways: frozenset[int] = frozenset()
    """Positions of the relations that were drawn without a direction."""


@dataclass(kw_only=True)
class Raw:
    """All that a file of annotations says, in columns."""

    file: str
    layout: str
    images: Images
    boxes: Boxes
    relations: Relations


def codes(values: list[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Each value's position among the distinct ones, which come in the order in which they are met."""
    known: dict[str, int] = {}
    found = np.fromiter((known.setdefault(value, len(known)) for value in values), dtype=np.int64, count=len(values))
    return found, list(known)


@dataclass
class Collected:
    """Rows that a reader finds one after the other, as columns at the end."""

    images: Images
    box_image: list[int] = field(default_factory=list)
    box_label: list[str] = field(default_factory=list)
    box_corners: list[tuple[float, float, float, float]] = field(default_factory=list)
    box_where: list[str] = field(default_factory=list)
    box_faults: dict[int, str] = field(default_factory=dict)
    turned: dict[int, float] = field(default_factory=dict)
    relations: list[tuple[int, int, int, str, str]] = field(default_factory=list)
    """image, subject, object, verb, where."""
    both_ways: set[int] = field(default_factory=set)

    def box(self, image: int, label: str, corners: tuple[float, float, float, float], where: str) -> int:
        """Add a box and return its index."""
        self.box_image.append(image)
        self.box_label.append(label)
        self.box_corners.append(corners)
        self.box_where.append(where)
        return len(self.box_image) - 1

    def relation(self, image: int, subject: int, thing: int, verb: str, where: str, *, both_ways: bool = False) -> None:
        """Add a relation; `thing` is the object's box, or `ALONE`."""
        if both_ways:
            self.both_ways.add(len(self.relations))
        self.relations.append((image, subject, thing, verb, where))

    def raw(self, file: str, layout: str, *, percent: bool = False) -> Raw:
        """The collected rows as columns."""
        labels, distinct = codes(self.box_label)
        verbs, distinct_verbs = codes([row[3] for row in self.relations])
        numbers = np.array([row[:3] for row in self.relations], dtype=np.int64).reshape(-1, 3)
        return Raw(
            file=file,
            layout=layout,
            images=self.images,
            boxes=Boxes(
                image=np.array(self.box_image, dtype=np.int64),
                label=labels,
                labels=distinct,
                corners=np.array(self.box_corners, dtype=np.float64).reshape(-1, 4),
                where=self.box_where.__getitem__,
                faults=self.box_faults,
                percent=percent,
                turned=self.turned,
            ),
            relations=Relations(
                image=numbers[:, 0],
                subject=numbers[:, 1],
                object=numbers[:, 2],
                verb=verbs,
                verbs=distinct_verbs,
                where=[row[4] for row in self.relations].__getitem__,
                both_ways=frozenset(self.both_ways),
            ),
        )
