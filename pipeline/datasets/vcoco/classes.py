"""V-COCO's classes, from `classes.csv` beside this file: 236 compositions of a role's verb and an object, as `Vocabulary`.

The compositions are those that the pair files list (`action_to_object`), numbered as EZ-HOI numbers them: by object in COCO's
order, then by role in the files' order. A verb is a role, under HICO-DET's name where HICO-DET has the same action ("lay
instr" is `lie_on`); the verbs' ids 0..23 are the pair files' action numbers. The four actions without an object
(stand, walk, run, smile) are the verbs after them; their classes have no object. An object's article is "a" or "an", and skis
and scissors are plurals.

`train_count` and `test_count` are annotated pairs of trainval and test. Only the standard library is imported, so that command
lines stay fast.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline.datasets.vcoco.actions import ROLES
from pipeline.vocabulary.coco import COCO
from pipeline.vocabulary.vocabulary import Object, Verb, Vocabulary, hoi

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "V-COCO"
TABLE = Path(__file__).with_name("classes.csv")
PLURALS = ("skis", "scissors")


@lru_cache(maxsize=1)
def rows() -> tuple[Mapping[str, str], ...]:
    """The table as text: the classes in the order of their ids, then the actions without an object, which have no id."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(MappingProxyType(row) for row in csv.DictReader(file))


def compositions() -> tuple[Mapping[str, str], ...]:
    """The rows of the 236 classes; position = id."""
    return tuple(row for row in rows() if row["object"])


def role_of_class() -> tuple[int, ...]:
    """The role of every class, its place in `ROLES`; position = id."""
    return tuple(ROLES.index(row["role"]) for row in compositions())


def vocabulary() -> Vocabulary:
    """The classes, their verbs and COCO's 80 objects."""
    verb_of = {row["role"]: Verb(row["verb"], row["verb_ing"]) for row in compositions()}
    alone = tuple(Verb(row["verb"], row["verb_ing"]) for row in rows() if not row["object"])
    verbs = (*(verb_of[role] for role in ROLES), *alone)
    objects = tuple(Object(name.replace(" ", "_"), coco_id, plural=name in PLURALS) for name, coco_id in COCO.items())
    place = {thing.name: object_id for object_id, thing in enumerate(objects)}
    classes = []
    for hoi_id, row in enumerate(compositions()):
        verb_id, object_id = ROLES.index(row["role"]), place[row["object"]]
        classes.append(hoi(hoi_id, verb_id, object_id, verbs[verb_id], objects[object_id]))
    without = tuple(range(len(ROLES), len(verbs)))
    return Vocabulary(NAME, verbs=verbs, objects=objects, classes=tuple(classes), without_object=without)
