"""HICO-DET's own vocabulary in its official order, read from `classes.csv` beside this file.

It is a constant of HICO-DET's formats: its annotation files, detections in MATLAB's and QPIC's form, the released code's
texts and checkpoints. They have these 600 classes and no others, and `demand` refuses any other vocabulary.
Only their code imports it (tests/test_imports.py): a stage reads the vocabulary that it is given.

There are three numberings: `hoi_id` 0..599 (official HICO order), `verb_id` 0..116 (alphabetical, `no_interaction` is 57)
and `object_id` 0..79 (COCO-80 contiguous order, person = 0). `coco_id` is the object's COCO-91 category id.
Counts are annotated pairs of the official train2015 and test2015 sets (117,871 and 33,405 in all).

Only the standard library is imported, so that command lines and configuration checks stay fast.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pipeline.errors import DataError
from pipeline.vocabulary.vocabulary import Object, Verb, Vocabulary, hoi

NAME = "HICO-DET"
TABLE = Path(__file__).with_name("classes.csv")


def _rows() -> tuple[Mapping[str, str], ...]:
    """The rows of `classes.csv` as read-only text mappings, in HOI order (split flags included)."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(MappingProxyType(row) for row in csv.DictReader(file))


def _vocabulary() -> Vocabulary:
    verbs = {int(r["verb_id"]): Verb(r["verb"], r["verb_ing"], r["verb"] == "no_interaction") for r in ROWS}
    objects = {int(r["object_id"]): Object(r["object"], int(r["coco_id"])) for r in ROWS}
    classes = []
    for row in ROWS:
        hoi_id, verb_id, object_id = (int(row[key]) for key in ("hoi_id", "verb_id", "object_id"))
        classes.append(hoi(hoi_id, verb_id, object_id, verbs[verb_id], objects[object_id]))
    return Vocabulary(
        NAME,
        verbs=tuple(verbs[i] for i in range(len(verbs))),
        objects=tuple(objects[i] for i in range(len(objects))),
        classes=tuple(classes),
    )


ROWS = _rows()
"""The table as text, in HOI order."""
HICO = _vocabulary()
"""HICO-DET's 117 verbs, 80 objects and 600 classes."""
COCO_IDS: tuple[int, ...] = tuple(thing.coco_id for thing in HICO.objects if thing.coco_id is not None)
"""The COCO-91 category id of every object; position = `object_id`."""
TRAIN_COUNTS = tuple(int(row["train_count"]) for row in ROWS)
"""Published training pairs; position = `hoi_id`."""
TEST_COUNTS = tuple(int(row["test_count"]) for row in ROWS)
"""Published test pairs; position = `hoi_id`."""


def is_hico(vocabulary: Vocabulary) -> bool:
    """Whether every class of a vocabulary has the id and the names that HICO-DET gives it."""
    known = {c.hoi_id: (c.verb_id, c.object_id, c.name) for c in HICO.classes}
    return all(known.get(c.hoi_id) == (c.verb_id, c.object_id, c.name) for c in vocabulary.classes)


def demand(vocabulary: Vocabulary | None, what: str) -> None:
    """DataError naming the vocabulary, unless its classes are HICO-DET's or unknown; `what` is the format that needs them."""
    if vocabulary is not None and not is_hico(vocabulary):
        raise DataError(f"{what}: this format knows HICO-DET's classes alone, and these are those of {vocabulary.name}")
