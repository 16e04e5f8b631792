"""V-COCO's own labels (`vcoco_{train,val,trainval,test}.json`), which the official program reads.

    labels = read(Path("vcoco_val.json"))

The file is a list of 26 objects, one per action: `action_name`, `role_name` (the first is `agent`), and lists over all
labelled persons: `image_id`, `ann_id` (the person's annotation in COCO), `label` (0 or 1). `role_object_id` is stored column
after column: the annotation ids of the agents, then those of the first role's objects, then those of the second role's; 0 is an
object that is out of sight. There are no boxes in it: they are in COCO's instances file (`instances.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.outside.parsing import shown

AGENT = "agent"
_KEYS = ("action_name", "role_name", "image_id", "ann_id", "label", "role_object_id")


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What each labelled person does, and with which annotated objects."""

    actions: tuple[str, ...]
    """The 26 names, such as `hold`."""
    roles: tuple[str, ...]
    """The 25 action-roles, such as `hold obj`, in the order of their actions."""
    role_action: NDArray[np.int64]
    """`[r]`: the action of each role."""
    image_id: NDArray[np.int64]
    """`[n]`: COCO's image of each labelled person."""
    person_id: NDArray[np.int64]
    """`[n]`: COCO's annotation of each labelled person."""
    does: NDArray[np.bool_]
    """`[n, a]`: whether the person does the action."""
    role_object: NDArray[np.int64]
    """`[n, r]`: COCO's annotation of the role's object; 0 where there is none in sight, or the person does something else."""


def matches(value: Any) -> bool:
    """Whether parsed JSON is V-COCO's own labels."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and set(_KEYS) <= value[0].keys()


def read(path: Path) -> Labels:
    """Read a file, gzipped or not; DataError naming the file and the malformed action."""
    return parse(reading.json_value(path, largest=reading.LARGEST_DATA), path)


def parse(value: Any, path: Path) -> Labels:
    """Parsed JSON as arrays; raises what `read` raises."""
    if not matches(value):
        raise DataError(f"{path}: not V-COCO's labels: a list of actions with {', '.join(_KEYS)} is needed")
    actions, roles, role_action, does, role_object = [], [], [], [], []
    first: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    for number, entry in enumerate(value):
        where = f"{path} action {number}"
        if not isinstance(entry, dict) or not set(_KEYS) <= entry.keys():
            raise DataError(f"{where}: needs {', '.join(_KEYS)}")
        name, names = _names(entry, where)
        where = f"{where} ({name})"
        persons = (_whole(entry, "image_id", where), _whole(entry, "ann_id", where))
        first = first or persons
        if not all(np.array_equal(mine, theirs) for mine, theirs in zip(persons, first, strict=True)):
            raise DataError(f"{where}: its persons (image_id, ann_id) are not those of {value[0]['action_name']}")
        label, objects = _whole(entry, "label", where), _whole(entry, "role_object_id", where)
        count = len(persons[1])
        if len(persons[0]) != count:
            raise DataError(f"{where}: {len(persons[0]):,} image_id and {count:,} ann_id; every person has one of each")
        if len(label) != count or len(objects) != count * len(names) or not np.isin(label, (0, 1)).all():
            raise DataError(
                f"{where}: {count:,} persons need as many labels of 0 or 1 and {count:,} x {len(names)} role_object_id"
            )
        actions.append(name)
        does.append(label == 1)
        for role, column in zip(names[1:], objects.reshape(len(names), count)[1:], strict=True):
            roles.append(f"{name} {role}")
            role_action.append(number)
            role_object.append(np.where(label == 1, column, 0))
    image_id, person_id = first if first is not None else (np.empty(0, np.int64), np.empty(0, np.int64))
    if len(np.unique(person_id)) < len(person_id):
        raise DataError(f"{path}: a person (ann_id) is labelled twice")
    return Labels(
        actions=tuple(actions),
        roles=tuple(roles),
        role_action=np.array(role_action, dtype=np.int64),
        image_id=image_id,
        person_id=person_id,
        does=np.stack(does, axis=1),
        role_object=np.stack(role_object, axis=1) if roles else np.zeros((len(person_id), 0), dtype=np.int64),
    )


def _names(entry: dict[str, Any], where: str) -> tuple[str, list[str]]:
    """The action's name and its roles, the agent first."""
    name, roles = entry["action_name"], entry["role_name"]
    if not isinstance(name, str) or not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise DataError(f"{where}: action_name is a text, role_name a list of texts, not {shown(name)}, {shown(roles)}")
    if roles[:1] != [AGENT]:
        raise DataError(f"{where} ({name}): the first of role_name is {AGENT}, not {shown(roles[:1])}")
    return name, roles


def _whole(entry: dict[str, Any], key: str, where: str) -> NDArray[np.int64]:
    """A list of whole numbers."""
    values = entry[key]
    if not isinstance(values, list) or not all(type(value) is int and abs(value) < 2**53 for value in values):
        raise DataError(f"{where}: {key} is a list of whole numbers")
    return np.array(values, dtype=np.int64)
