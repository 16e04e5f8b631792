"""Which label of a detector stands for which object of a vocabulary, by their names.

Names are compared in lower case without articles, blanks, hyphens and underscores; other spellings of COCO's categories are
known ("motorbike"). A vocabulary's object that names a COCO category takes that category's boxes, if the detector has no label
of the object's own name. The order of the labels does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.outside.parsing import shown
from pipeline.vocabulary.coco import COCO, SPELLINGS
from pipeline.vocabulary.vocabulary import Object, comparable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CATEGORIES: dict[int | None, str] = {number: name for name, number in COCO.items()}
"""COCO's categories by id."""
TOLD = 8
"""How many names of each kind a message lists."""


def key(name: str) -> str:
    """What two names have to share to mean the same object: "a Dining_Table" and "diningtable" do."""
    words = re.sub(r"^(a|an|the) ", "", comparable(name))
    squeezed = words.replace(" ", "")
    return _SPELLINGS.get(squeezed, squeezed)


_SPELLINGS = {other.replace(" ", ""): name.replace(" ", "") for other, name in SPELLINGS.items()}


def serving(
    labels: Mapping[int, str], objects: Sequence[Object], wanted: Collection[int] | None = None
) -> NDArray[np.bool_]:
    """Which label stands for which object, (L, O) bool; L is the largest number of a label plus one.

    Args:
        labels: the names of a detector's outputs by their numbers.
        objects: the vocabulary's objects; position = object id.
        wanted: ids of the objects that the detector has to know; None: all.

    Raises:
        ValueError: no label stands for an object that is wanted; the message names such objects and what to do.
    """
    import numpy as np

    rows: dict[str, list[int]] = {}
    for number, label in labels.items():
        rows.setdefault(key(label), []).append(number)
    found = np.zeros((max(labels, default=-1) + 1, len(objects)), dtype=bool)
    for object_id, thing in enumerate(objects):
        names = [thing.name] if thing.coco_id is None else [thing.name, CATEGORIES[thing.coco_id]]
        known = next((rows[key(name)] for name in names if key(name) in rows), [])
        found[known, object_id] = True
    needed = sorted(range(len(objects)) if wanted is None else wanted)
    lacking = [objects[i].name for i in needed if not found[:, i].any()]
    if lacking:
        raise ValueError(_lack(lacking, len(needed), labels))
    return found


def _lack(lacking: Sequence[str], count: int, labels: Mapping[int, str]) -> str:
    """What is missing, and what to do about it."""
    if all(re.fullmatch(r"LABEL_\d+", label) for label in labels.values()):
        return (
            "its labels have no names (LABEL_0, LABEL_1, ...), so nothing says what its boxes show; write them into "
            "id2label of its config.json, in English"
        )
    lack = f"its labels lack {len(lacking)} of the {count} objects: {_listed(lacking)}; they are {_listed(labels.values())}."
    if len(lacking) == count:
        return (
            f"{lack} Labels are compared with the vocabulary's names: write id2label of its config.json in these words"
        )
    return (
        f"{lack} A detector that is asked for objects by name finds others than it was trained for (detections.weights = "
        "IDEA-Research/grounding-dino-tiny or google/owlv2-base-patch16-ensemble); or import boxes (detections.source=parquet)"
    )


def _listed(names: Collection[str]) -> str:
    first = ", ".join(shown(name) for name in list(names)[:TOLD])
    return first if len(names) <= TOLD else f"{first} and {len(names) - TOLD} more"
