"""The rendered world's HOI classes: true HICO-DET (verb, object) pairs, made-up frequencies, zero-shot splits."""

import csv
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WORLD_VERSION = 2
"""Part of every scene's seed and of every digest of rendered data; raise it when any drawing changes."""

SETTINGS = ("default", "rf_uc", "nf_uc", "uo", "uv")
"""The zero-shot settings; "default" leaves nothing unseen."""

COMPOSITIONS_UNSEEN = 18
"""How many classes the unseen-composition settings hold out each."""

_TABLE = Path(__file__).with_name("classes.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldClass:
    """One (verb, object) class that the world can draw.

    Attributes:
        hoi_id: HICO-DET's class id, 0..599.
        verb: HICO's verb name.
        verb_id: HICO's verb id, 0..116.
        object: COCO's object name.
        object_id: COCO-80 index.
        weight: Relative sampling frequency (made up, long-tailed).
        rf_uc: Unseen in the rare-first unseen-composition setting.
        nf_uc: Unseen in the non-rare-first unseen-composition setting.
        uo: Unseen in the unseen-object setting.
        uv: Unseen in the unseen-verb setting.
        theme: Name of the theme in whose scenes it mostly occurs (`themes.py`, drawn in `drawing/scenery.py`).
    """

    hoi_id: int
    verb: str
    verb_id: int
    object: str
    object_id: int
    weight: float
    rf_uc: bool
    nf_uc: bool
    uo: bool
    uv: bool
    theme: str


@cache
def world_classes() -> tuple[WorldClass, ...]:
    """All classes of the world, sorted by hoi_id."""
    with _TABLE.open(newline="", encoding="utf-8") as lines:
        classes = [
            WorldClass(
                hoi_id=int(row["hoi_id"]),
                verb=row["verb"],
                verb_id=int(row["verb_id"]),
                object=row["object"],
                object_id=int(row["object_id"]),
                weight=float(row["weight"]),
                rf_uc=row["rf_uc"] == "1",
                nf_uc=row["nf_uc"] == "1",
                uo=row["uo"] == "1",
                uv=row["uv"] == "1",
                theme=row["theme"],
            )
            for row in csv.DictReader(lines)
        ]
    return tuple(sorted(classes, key=lambda one: one.hoi_id))


@cache
def class_by_id(hoi_id: int) -> WorldClass:
    """The class with HICO's id `hoi_id`.

    Raises:
        ValueError: If the world cannot draw it.
    """
    for one in world_classes():
        if one.hoi_id == hoi_id:
            return one
    raise ValueError(f"hoi_id {hoi_id} is no class of the rendered world; see pipeline/datasets/world/classes.csv")


def unseen(setting: str) -> frozenset[int]:
    """The hoi ids that `setting` holds out; none for "default".

    Raises:
        ValueError: If there is no such setting.
    """
    if setting not in SETTINGS:
        raise ValueError(f"unknown zero-shot setting {setting!r}; use one of {', '.join(SETTINGS)}")
    if setting == "default":
        return frozenset()
    return frozenset(one.hoi_id for one in world_classes() if getattr(one, setting))


def held_out() -> frozenset[int]:
    """Every class that some setting holds out; pre-training must show none of them."""
    return frozenset().union(*(unseen(setting) for setting in SETTINGS))


def unseen_compositions(
    classes: Sequence[WorldClass], *, rare_first: bool, held: Collection[int], count: int = COMPOSITIONS_UNSEEN
) -> frozenset[int]:
    """The rule behind the columns rf_uc and nf_uc: greedily hold out compositions whose parts stay seen.

    Classes are visited by weight (rarest or most frequent first, ties by hoi_id) and one is held out when

    1. its verb and its object each keep a class outside this setting's unseen set (the official protocol's rule), and
    2. outside everything held out so far its verb, unless wholly unseen in "uv", keeps two classes, and its object,
       unless wholly unseen in "uo", keeps one, so that pre-training without any held-out class knows both.

    Args:
        classes: All classes, with their uo and uv columns.
        rare_first: Visit the rarest class first instead of the most frequent.
        held: Ids that other settings hold out already.
        count: How many to hold out.

    Raises:
        ValueError: If the rule cannot hold out `count` classes.
    """
    taken: set[int] = set()
    blocked = set(held)
    sign = 1.0 if rare_first else -1.0
    for one in sorted(classes, key=lambda c: (sign * c.weight, c.hoi_id)):
        seen = [c for c in classes if c.hoi_id not in taken and c.hoi_id != one.hoi_id]
        if not any(c.verb == one.verb for c in seen) or not any(c.object == one.object for c in seen):
            continue
        known = [c for c in seen if c.hoi_id not in blocked]
        verbs, objects = Counter(c.verb for c in known), Counter(c.object for c in known)
        if (one.uv or verbs[one.verb] >= 2) and (one.uo or objects[one.object] >= 1):
            taken.add(one.hoi_id)
            blocked.add(one.hoi_id)
        if len(taken) == count:
            return frozenset(taken)
    raise ValueError(f"only {len(taken)} of {count} compositions can be held out; add classes to {_TABLE.name}")
