"""JSON documents with one value changed into something that it is not: what a file of somebody else may hold at any place."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    10**30,
    10**400,
    1e308,
    float("nan"),
    "",
    "x",
    "1",
    "\ud800",
    "9" * 5_000,
    [],
    [1],
    [None],
    ["a"],
    [10**400] * 4,
    ["1", "2", "3", "4"],
    {},
    {"a": 1},
)
"""Values of every kind, of which none fits everywhere."""
Place = tuple[str | int, ...]


def changed(document: Any) -> Iterator[tuple[Place, Any]]:
    """The document with each of its values replaced by each of `VALUES`, left out, or there twice; and where that was done."""
    for place in _places(document):
        for value in VALUES:
            yield place, _with(document, place, lambda parent, key, value=value: parent.__setitem__(key, value))
        if place:
            yield place, _with(document, place, lambda parent, key: parent.__delitem__(key))
        if place and isinstance(place[-1], int):
            yield place, _with(document, place, lambda parent, key: parent.insert(key, copy.deepcopy(parent[key])))


def _places(value: Any, place: Place = ()) -> Iterator[Place]:
    """The places of all values, of a list's only that of the first."""
    yield place
    for key in value if isinstance(value, dict) else range(min(1, len(value))) if isinstance(value, list) else ():
        yield from _places(value[key], (*place, key))


def _with(document: Any, place: Place, change: Any) -> Any:
    around = [copy.deepcopy(document)]
    parent: Any = around
    for key in (0, *place[:-1]) if place else ():
        parent = parent[key]
    change(parent, place[-1] if place else 0)
    return around[0]
