"""Detected boxes of a picture for a predictor: from a detector, from a file, or from the caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import DataError
from pipeline.outside.columns import whole_number
from pipeline.outside.parsing import shown
from pipeline.vocabulary.vocabulary import PERSON, Vocabulary, comparable

if TYPE_CHECKING:
    from PIL.Image import Image


LARGEST = 10
"""A box that is so many times as wide or as high as its picture is dropped: it shows nothing and would take minutes."""


@dataclass(frozen=True)
class Boxes:
    """The n boxes of one picture, to which no threshold was applied.

    `Boxes.of` checks what comes from outside.
    """

    corners: NDArray[np.float32]
    """The corners (n, 4): x1, y1, x2, y2 in pixels of the picture as a person sees it."""
    scores: NDArray[np.float32]
    """The scores (n,), from 0 to 1."""
    objects: NDArray[np.int64]
    """The object ids (n,) in the model's vocabulary; persons are 0."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many boxes were left out, by their label, which the vocabulary lacks."""

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def of(
        cls,
        vocabulary: Vocabulary,
        corners: ArrayLike,
        scores: ArrayLike,
        labels: Sequence[str | int],
        *,
        what: str = "boxes",
    ) -> Boxes:
        """Boxes with labels: names of objects ("dining table", "person") or object ids.

        A box whose name the vocabulary does not have is left out and counted: another detector knows other objects.

        Raises:
            DataError: shapes that do not fit together, corners that are not finite or in order, scores outside of 0 to 1,
                ids that are no object's. `what` is their name in the message.
        """
        found, sure = np.asarray(corners, np.float32), np.asarray(scores, np.float32)
        found = found.reshape(0, 4) if not found.size else found
        if found.ndim != 2 or found.shape[1] != 4 or sure.shape != (len(found),) or len(labels) != len(found):
            raise DataError(
                f"{what}: corners {found.shape}, scores {sure.shape} and {len(labels)} labels do not fit together; "
                "expected (n, 4), (n,) and n"
            )
        fit = np.isfinite(found).all(axis=1) & (found[:, :2] < found[:, 2:]).all(axis=1) & (sure >= 0) & (sure <= 1)
        if not fit.all():
            row = int((~fit).argmax())
            raise DataError(
                f"{what}, row {row}: {found[row].tolist()} with score {sure[row]}: needs x1 < x2, y1 < y2, finite corners "
                "and a score in 0 to 1"
            )
        known = names(vocabulary)
        ids = np.array([_object(label, known, vocabulary, what) for label in labels], np.int64)
        unknown = Counter(str(label) for label, number in zip(labels, ids.tolist(), strict=True) if number < 0)
        kept = ids >= 0
        return cls(found[kept], sure[kept], ids[kept], dict(unknown))

    def inside(self, size: tuple[int, int]) -> Boxes:
        """The boxes that touch a picture of that size and are not `LARGEST` times as large; others count as left out."""
        x1, y1, x2, y2 = self.corners.T
        touch = (x2 > 0) & (y2 > 0) & (x1 < size[0]) & (y1 < size[1])
        large = touch & far_larger(self.corners, size)
        kept = touch & ~large
        if kept.all():
            return self
        counts = {"outside of the picture": int((~touch).sum()), "far larger than the picture": int(large.sum())}
        more = {why: count for why, count in counts.items() if count}
        return Boxes(self.corners[kept], self.scores[kept], self.objects[kept], {**self.left_out, **more})


def far_larger(corners: NDArray[np.floating], size: ArrayLike) -> NDArray[np.bool_]:
    """Which boxes ``[n, 4]`` are more than `LARGEST` times as wide or as high as their picture, (n,).

    Args:
        size: width and height of the picture (2,), or of that of each box (n, 2); nan where it is not known.
    """
    return np.any(corners[:, 2:] - corners[:, :2] > LARGEST * np.asarray(size), axis=1)


class Detector(Protocol):
    """A detector of a predictor: it finds objects in pictures."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Whose boxes they are, as `detector.json` has it (`pipeline/boxes/detector_identity.py`)."""

    def detect(self, pictures: Sequence[Image]) -> Sequence[Boxes]:
        """The boxes of each RGB picture, in its pixels."""


def names(vocabulary: Vocabulary) -> dict[str, int]:
    """{comparable name: object id}; every word for a person is 0."""
    return {comparable(thing.name): i for i, thing in enumerate(vocabulary.objects)} | {
        comparable(name): PERSON for name in vocabulary.persons
    }


def _object(label: str | int, known: Mapping[str, int], vocabulary: Vocabulary, what: str) -> int:
    """The id that a label names; -1 for a name that is none of the vocabulary's."""
    if isinstance(label, str):
        return known.get(comparable(label), -1)
    try:
        number = whole_number(label)
    except ValueError:
        number = -1
    if not 0 <= number < len(vocabulary.objects):
        raise DataError(f"{what}: object id {shown(label)} is none of 0 to {len(vocabulary.objects) - 1}")
    return number
