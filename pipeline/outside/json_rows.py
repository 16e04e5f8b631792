"""Columns of JSON rows, typed: a boolean, a text or nothing at all never becomes a number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.outside.parsing import shown

NONE = -1
"""Stands for an id that is none: ids are 0 or more."""
_MOST = (1 << 63) - 1


def rows(value: Mapping[str, Any], key: str, file: str) -> list[Mapping[str, Any]]:
    """The objects of a list; DataError naming the file, the key and the entry if it is no list of objects."""
    found = value.get(key, [])
    if not isinstance(found, list):
        raise DataError(f"{file}: {key} is {shown(found)}; expected a list")
    if not set(map(type, found)) <= {dict}:
        place = next(i for i, row in enumerate(found) if not isinstance(row, dict))
        raise DataError(f"{file}: {key}, entry {place + 1} is {shown(found[place])}; expected an object in braces")
    return found


def ids(values: Sequence[Any]) -> NDArray[np.int64]:
    """Whole numbers from 0; `NONE` for whatever is none."""
    if set(map(type, values)) <= {int}:
        try:
            return np.array(values, dtype=np.int64).clip(NONE)
        except OverflowError:
            pass
    return np.array([whole(value) for value in values], dtype=np.int64)


def whole(value: Any) -> int:
    """A whole number from 0; `NONE` if it is none."""
    is_float = isinstance(value, float) and value.is_integer()
    if (isinstance(value, int) and not isinstance(value, bool)) or is_float:
        return int(value) if 0 <= value <= _MOST else NONE
    return NONE


def number(value: Any) -> float:
    """A finite number; NaN if it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
        return float(value)
    return math.nan


def fours(values: Sequence[Any]) -> NDArray[np.float64]:
    """(n, 4) of lists of four numbers; a row that is none is NaN throughout."""
    if set(map(type, values)) <= {list} and set(map(len, values)) <= {4}:
        flat = list(chain.from_iterable(values))
        if set(map(type, flat)) <= {int, float}:
            try:
                return np.array(flat, dtype=np.float64).reshape(-1, 4)
            except OverflowError:
                pass
    found = np.full((len(values), 4), np.nan)
    for place, value in enumerate(values):
        if isinstance(value, list) and len(value) == 4:
            four = [number(part) for part in value]
            if not any(map(math.isnan, four)):
                found[place] = four
    return found


def texts(value: Any) -> list[str]:
    """The texts of a list; none if it is no list."""
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text; "" if it is none."""
    return value if isinstance(value, str) else ""


def twice(values: NDArray[np.int64] | NDArray[np.int32]) -> dict[int, list[int]]:
    """{value: its places} of the values from 0 that come more than once."""
    if bool((values[1:] > values[:-1]).all()):  # as they are in most files; sorting takes eight bytes a value
        return {}
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    same = np.flatnonzero(ranked[1:] == ranked[:-1])
    found: dict[int, list[int]] = {}
    for value in np.unique(ranked[same]).tolist():
        if value >= 0:
            low, high = np.searchsorted(ranked, value, "left"), np.searchsorted(ranked, value, "right")
            found[value] = sorted(order[low:high].tolist())
    return found
