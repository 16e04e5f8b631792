"""Columns that grow while a file is read, and take no more bytes than their values need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.outside import json_rows
from pipeline.outside.parsing import shown

Whole = NDArray[np.int64] | NDArray[np.int32]
"""Whole numbers, in 32 bits where the values fit them."""
BLOCK = 1 << 16
"""How many rows are worked on at once, so that intermediate arrays stay small."""
_GROWTH = 1.125
_MOST = np.iinfo(np.int32).max


class GrowingArray:
    """An array of rows that are added in batches. Its memory is one piece, which is enlarged in place.

    Args:
        dtype: of the rows; 32 bits become 64 with the first value that needs them.
        width: how many numbers a row has; 0 for rows that are one number.
    """

    def __init__(self, dtype: type[np.generic], width: int = 0) -> None:
        self._rows: NDArray[Any] = np.empty((0, width) if width else 0, dtype=dtype)
        self.count = 0

    def add(self, values: NDArray[Any]) -> None:
        """Add the rows of a batch."""
        if self._rows.dtype == np.int32 and values.dtype == np.int64 and len(values) and values.max() > _MOST:
            self._rows = self._rows.astype(np.int64)
        end = self.count + len(values)
        if end > len(self._rows):
            self._resize(max(end, int(end * _GROWTH)))
        self._rows[self.count : end] = values
        self.count = end

    def take(self) -> NDArray[Any]:
        """Return all rows and forget them."""
        self._resize(self.count)
        found, self._rows, self.count = self._rows, self._rows[:0].copy(), 0
        return found

    def _resize(self, count: int) -> None:
        self._rows.resize((count, *self._rows.shape[1:]), refcheck=False)  # nobody else has it


def packed(rows: NDArray[Any], used: NDArray[np.int64]) -> NDArray[Any]:
    """Move the rows at the given rising positions to the front of the array, in place, and return that part of it.

    It makes no second array of that size. What stands behind the part has no meaning any longer.
    """
    if len(used) == len(rows):
        return rows
    for start in range(0, len(used), BLOCK):
        some = used[start : start + BLOCK]
        rows[start : start + len(some)] = rows[some]
    return rows[: len(used)]


class GrowingIds:
    """A column of ids that is read in batches: whole numbers from 0, and for messages what is written where there is no id.

    Ids of which each is one more than the last, as in most files, take no memory.
    """

    def __init__(self) -> None:
        self._counted = range(0)
        self._numbers = GrowingArray(np.int32)
        self._odd: dict[int, str] = {}

    def add(self, values: Sequence[Any]) -> None:
        """Add the ids of a batch of entries, as the file has them."""
        numbers = json_rows.ids(values)
        before = len(self._counted) + self._numbers.count
        for place in np.flatnonzero(numbers == json_rows.NONE).tolist():
            self._odd[before + place] = shown(values[place])
        if not self._numbers.count and (counted := _counted(self._counted, numbers)) is not None:
            self._counted = counted
            return
        if self._counted:
            self._numbers.add(_array(self._counted))
            self._counted = range(0)
        self._numbers.add(numbers)

    def take(self) -> IdColumn:
        """Return the whole column and forget it."""
        return IdColumn(self._counted or self._numbers.take(), self._odd)


def _counted(before: range, numbers: NDArray[np.int64]) -> range | None:
    """The range `before` continued by these numbers; None if these do not count up by one from its end."""
    if not len(numbers):
        return before
    first = before.stop if before else int(numbers[0])
    if numbers[0] != first or first < 0 or not (numbers[1:] - numbers[:-1] == 1).all():
        return None
    return range(before.start if before else first, first + len(numbers))


def _array(counted: range) -> Whole:
    found = np.arange(counted.start, counted.stop, dtype=np.int64)
    return found.astype(np.int32) if counted.stop <= _MOST else found


class IdColumn:
    """The ids of a whole column, `json_rows.NONE` where an entry has none, and how messages show them.

    Attributes:
        first: the first id, where each id is one more than the last (the column then takes no memory); None elsewhere.
    """

    def __init__(self, numbers: Whole | range, odd: dict[int, str]) -> None:
        self.first = numbers.start if isinstance(numbers, range) else None
        self._numbers, self._odd = numbers, odd

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def numbers(self) -> Whole:
        """The ids, (n,)."""
        return _array(self._numbers) if isinstance(self._numbers, range) else self._numbers

    def number(self, place: int) -> int:
        """The id of the entry at a place."""
        return int(self._numbers[place])

    def shown(self, place: int) -> str:
        """What is written as the id of the entry at a place, as messages show it."""
        return self._odd.get(place, str(self.number(place)))


class IdIndex:
    """Finds the place of an id in a column; of an id that comes twice, its first place."""

    def __init__(self, written: IdColumn) -> None:
        self._first, self._count = written.first, len(written)
        ids = written.numbers if self._first is None else np.empty(0, dtype=np.int32)
        sorted_already = bool((ids[1:] >= ids[:-1]).all())
        self._order = None if sorted_already else np.argsort(ids, kind="stable").astype(np.int32)
        self._ids = ids if self._order is None else ids[self._order]

    def of(self, ids: Whole) -> NDArray[np.int32]:
        """The place of each of these ids, (n,); -1 for an id that the column does not have."""
        found = np.full(len(ids), -1, dtype=np.int32)
        if self._first is not None:
            for start in range(0, len(ids), BLOCK):
                places = ids[start : start + BLOCK].astype(np.int64) - self._first
                found[start : start + BLOCK] = np.where((places >= 0) & (places < self._count), places, -1)
        if not len(self._ids):
            return found
        for start in range(0, len(ids), BLOCK):
            wanted = ids[start : start + BLOCK]
            if self._ids.dtype == np.int32 and wanted.dtype == np.int64:  # the longer column is not to be copied for it
                wanted = np.where(wanted > _MOST, json_rows.NONE, wanted).astype(np.int32)
            at = np.searchsorted(self._ids, wanted).clip(max=len(self._ids) - 1)
            places = at if self._order is None else self._order[at]
            found[start : start + BLOCK] = np.where((self._ids[at] == wanted) & (wanted >= 0), places, -1)
        return found
