"""The list of detections that the official program unpickles, as JSON.

An entry is an object: `image_id`, `person_box` (x1, y1, x2, y2), for each of the 26 actions `{action}_agent`, a score, and for
each of the 25 action-roles `{action}_{role}`, five numbers, the role box and the score. What is not reported is nan, including
the score. JSON has no word for nan: Python's `json` writes and reads NaN, and null is read as nan. A pickle can run any program
when it is opened, so none is read; its author turns it into JSON, and back, with two modules of Python:

    json.dump(pickle.load(open("D.pkl", "rb")), open("D.json", "w"), default=lambda x: x.tolist())
    pickle.dump(json.load(open("D.json")), open("D.pkl", "wb"))
"""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.vcoco.actions import ACTIONS
from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX
from pipeline.metrics.vcoco.detections import Reported
from pipeline.metrics.vcoco.people import People
from pipeline.outside import columns, reading
from pipeline.outside.parsing import shown
from pipeline.tables.boxes import Floats

AGENT = "_agent"
_OWN = ("image_id", "person_box")


def read(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of roles and of actions that :func:`pipeline.metrics.vcoco.detections.place` takes, entry by entry.

    Raises:
        DataError: the file is no such list, or a value lacks numbers (the message names the entry).
    """
    entries = reading.json_value(path, largest=reading.LARGEST_DATA)
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and set(_OWN) <= entry.keys() for entry in entries
    ):
        raise DataError(f"{path}: a list of objects with image_id, person_box and the actions is needed")
    try:
        images = columns.whole(pd.DataFrame({"image_id": [e["image_id"] for e in entries]}), "image_id", str(path))
    except ValueError as error:
        raise DataError(str(error)) from None
    human = _numbers(entries, "person_box", 4, path)
    keys = list(dict.fromkeys(key for entry in entries for key in entry if key not in _OWN))
    roles, agents = [], []
    for key in keys:
        if key.endswith(AGENT):
            scores = _numbers(entries, key, 1, path)
            agents.append(_rows(images, human, scores, "action", key.removesuffix(AGENT)))
        else:
            roles.append(_rows(images, human, _numbers(entries, key, 5, path), "role", key))
    return _joined(roles, "role", OBJECT_BOX), _joined(agents, "action", ())


def _numbers(entries: list[dict[str, Any]], key: str, count: int, path: Path) -> Floats:
    """`[n, count]` numbers of one key; nan where an entry has null or nothing."""
    nothing = [None] * count
    values = [entry.get(key) for entry in entries]
    rows = [nothing if value is None else value if isinstance(value, list) else [value] for value in values]
    if not set(map(len, rows)) <= {count} or not set(map(type, chain.from_iterable(rows))) <= {int, float, NoneType}:
        _refuse(next(i for i, row in enumerate(rows) if not _is_row(row, count)), values, key, count, path)
    try:
        return np.array(rows, dtype=np.float64).reshape(len(rows), count)
    except OverflowError:  # a whole number of hundreds of digits
        _refuse(next(i for i, row in enumerate(rows) if not _is_row(row, count)), values, key, count, path)


def _refuse(place: int, values: list[Any], key: str, count: int, path: Path) -> NoReturn:
    raise DataError(f"{path} entry {place}: {shown(key)} is {shown(values[place])}, {count} numbers are needed")


def _is_row(row: list[Any], count: int) -> bool:
    return len(row) == count and all(
        value is None or type(value) is float or (type(value) is int and abs(value) < 1e300) for value in row
    )


def _rows(images: NDArray[np.int64], human: Floats, numbers: Floats, what: str, name: str) -> pd.DataFrame:
    """The entries that report a role or an action: those whose score is no nan."""
    at = np.flatnonzero(~np.isnan(numbers[:, -1]))
    boxes = dict(zip(OBJECT_BOX, numbers[at, :-1].T, strict=False))
    own = dict(zip(HUMAN_BOX, human[at].T, strict=True))
    return pd.DataFrame({"image_id": images[at], "entry": at, what: name, "score": numbers[at, -1], **own, **boxes})


def _joined(tables: list[pd.DataFrame], what: str, boxes: tuple[str, ...]) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame(columns=["image_id", "entry", what, "score", *HUMAN_BOX, *boxes], dtype=np.float64)
    frame = pd.concat(tables, ignore_index=True).astype({what: "category"})
    return frame.sort_values("entry", kind="stable", ignore_index=True)


def write(path: Path, people: People, roles: Reported, agents: Reported | None = None) -> list[str]:
    """Write detections as the program's list, an entry for each person box; a person's second object makes another entry.

    Without `agents`, the score of an action is the best of its roles in the entry. Remarks are returned: the program stops at
    an action or a role that nobody reports.
    """
    entries: dict[tuple[Any, ...], dict[str, Any]] = {}

    def entry(image: int, box: list[float], key: str) -> dict[str, Any]:
        """The first entry of this person box that has no such key yet."""
        place = 0
        while key in (found := entries.setdefault((image, *box, place), {})):
            place += 1
        return found

    for found, names in ((roles, [role.replace(" ", "_") for role in people.roles]), (agents, people.actions)):
        if found is None:
            continue
        values = found.score if found is agents else np.column_stack([found.thing, found.score])
        rows = (found.image, found.what, found.human.tolist(), values.tolist())
        for image, what, box, value in zip(*rows, strict=True):
            key = names[what] + (AGENT if found is agents else "")
            entry(int(people.image_ids[image]), box, key)[key] = value
    listed = [_whole(image, list(box), values, agents is None) for (image, *box, _), values in entries.items()]
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(listed), encoding="utf-8")
    told = {key for values in entries.values() for key in values} | {
        key for values in listed for key, value in values.items() if key.endswith(AGENT) and not np.isnan(value)
    }
    missing = [key for key in _keys() if key not in told]
    return [f"nobody reports {', '.join(missing)}: the official program stops there"] if missing else []


def _keys() -> list[str]:
    return [key for a, roles in ACTIONS.items() for key in (a + AGENT, *(f"{a}_{role}" for role in roles))]


def _whole(image: int, box: list[float], values: dict[str, Any], from_roles: bool) -> dict[str, Any]:
    """An entry with all keys."""
    nothing = float("nan")
    whole: dict[str, Any] = {"image_id": image, "person_box": box}
    for action, roles in ACTIONS.items():
        scores = [values[f"{action}_{role}"][-1] for role in roles if f"{action}_{role}" in values]
        own = max(scores) if from_roles and scores else nothing
        whole[action + AGENT] = values.get(action + AGENT, own)
        whole |= {f"{action}_{role}": values.get(f"{action}_{role}", [nothing] * 5) for role in roles}
    return whole
