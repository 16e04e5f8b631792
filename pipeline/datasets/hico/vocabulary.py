"""The 600 HOI classes of HICO-DET in their official order, read from ``classes.csv`` beside this file.

Three numberings meet here: ``hoi_id`` 0..599 (official HICO order), ``verb_id`` 0..116 (alphabetical,
``no_interaction`` is 57) and ``object_id`` 0..79 (COCO-80 contiguous order, person = 0). ``coco_id`` is the object's
COCO-91 category id.
Counts are annotated pairs of the official train2015 and test2015 sets (117,871 and 33,405 in all).

Only the standard library is imported, so that command lines and configuration checks stay fast.
"""

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

NO_INTERACTION = "no_interaction"
"""Name of the verb that means 'both are in the picture, nothing happens'; one class for each object."""

LONGEST = 80
"""Letters of a name that an error repeats."""

RARE_BELOW = 10
"""A class is rare when it has fewer annotated training pairs than this (HICO-DET's own definition)."""

_TABLE = Path(__file__).with_name("classes.csv")


@dataclass(frozen=True, kw_only=True, slots=True)
class HoiClass:
    """One human-object interaction class: a verb done to an object."""

    hoi_id: int
    verb_id: int
    verb: str
    verb_ing: str
    object_id: int
    coco_id: int
    object: str
    train_count: int
    test_count: int

    @property
    def phrase(self) -> str:
        """The class as English, such as ``a person riding a horse``; no_interaction reads ``a person and a horse``."""
        noun = _spaced(self.object)
        link = "and" if self.verb == NO_INTERACTION else _spaced(self.verb_ing)
        # No object name starts with a vowel letter that is spoken as a consonant, so the letter decides.
        article = "an" if noun[0] in "aeiou" else "a"
        return f"a person {link} {article} {noun}"

    @property
    def name(self) -> str:
        """Verb and object with spaces, such as ``sit on chair``: unique, and what :func:`find` accepts."""
        return _spaced(f"{self.verb} {self.object}")

    @property
    def is_rare(self) -> bool:
        """Whether the class has fewer than :data:`RARE_BELOW` training pairs."""
        return self.train_count < RARE_BELOW


@lru_cache(maxsize=1)
def class_rows() -> tuple[Mapping[str, str], ...]:
    """The rows of ``classes.csv`` as read-only text mappings, in HOI order (split flags included)."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(MappingProxyType(row) for row in csv.DictReader(file))


@lru_cache(maxsize=1)
def hoi_classes() -> tuple[HoiClass, ...]:
    """All 600 classes; position = ``hoi_id``."""
    return tuple(
        HoiClass(
            hoi_id=int(row["hoi_id"]),
            verb_id=int(row["verb_id"]),
            verb=row["verb"],
            verb_ing=row["verb_ing"],
            object_id=int(row["object_id"]),
            coco_id=int(row["coco_id"]),
            object=row["object"],
            train_count=int(row["train_count"]),
            test_count=int(row["test_count"]),
        )
        for row in class_rows()
    )


@lru_cache(maxsize=1)
def verbs() -> tuple[str, ...]:
    """The 117 verb names; position = ``verb_id``."""
    names = {hoi.verb_id: hoi.verb for hoi in hoi_classes()}
    return tuple(names[verb_id] for verb_id in range(len(names)))


@lru_cache(maxsize=1)
def objects() -> tuple[str, ...]:
    """The 80 object names; position = ``object_id`` (COCO-80 order)."""
    names = {hoi.object_id: hoi.object for hoi in hoi_classes()}
    return tuple(names[object_id] for object_id in range(len(names)))


@lru_cache(maxsize=1)
def coco_ids() -> tuple[int, ...]:
    """The COCO-91 category id of every object; position = ``object_id``."""
    ids = {hoi.object_id: hoi.coco_id for hoi in hoi_classes()}
    return tuple(ids[object_id] for object_id in range(len(ids)))


@lru_cache(maxsize=1)
def object_to_verbs() -> tuple[tuple[int, ...], ...]:
    """The verbs that form a class with each object, ascending; position = ``object_id``."""
    valid: list[list[int]] = [[] for _ in objects()]
    for hoi in hoi_classes():
        valid[hoi.object_id].append(hoi.verb_id)
    return tuple(tuple(sorted(verb_ids)) for verb_ids in valid)


def hoi_of(verb_id: int, object_id: int) -> int | None:
    """The class of a verb and an object, or None where HICO-DET has no such class (117 x 80 pairs, 600 classes)."""
    return _by_pair().get((verb_id, object_id))


def find(name: str) -> HoiClass:
    """The class called ``name``: verb and object parted by spaces, underscores or hyphens, in any case.

    Raises:
        ValueError: no class has that name; the message lists the nearest names.
    """
    wanted = " ".join(_spaced(name.lower().replace("-", " ")).split())
    found = _by_name().get(wanted)
    if found is None:
        named = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
        raise ValueError(f"no HICO-DET class is called {named!r}; nearest: {_nearest(wanted[:LONGEST])}")
    return found


def _nearest(wanted: str) -> str:
    """Names close to ``wanted`` by spelling, else classes that share a word with it, else how names look."""
    near = difflib.get_close_matches(wanted, _by_name(), n=5, cutoff=0.6)
    if not near:
        words = set(wanted.split())
        near = [known for known in _by_name() if words & set(known.split())][:5]
    return ", ".join(near) if near else "none (a name is a verb and an object, such as 'ride horse')"


@lru_cache(maxsize=1)
def _by_pair() -> dict[tuple[int, int], int]:
    return {(hoi.verb_id, hoi.object_id): hoi.hoi_id for hoi in hoi_classes()}


@lru_cache(maxsize=1)
def _by_name() -> dict[str, HoiClass]:
    return {hoi.name: hoi for hoi in hoi_classes()}


def _spaced(text: str) -> str:
    return text.replace("_", " ")
