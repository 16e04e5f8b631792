"""The rendered world's HOI classes: true HICO-DET (verb, object) pairs, made-up frequencies, zero-shot settings."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WORLD_VERSION = 2
"""Part of every scene's seed and of every digest of rendered data; raise it when any drawing changes."""

SETTINGS = ("default", "rf_uc", "nf_uc", "uo", "uv")
"""The zero-shot settings; "default" leaves nothing unseen."""

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
        rf_uc: Unseen in the rare-first unseen-composition setting (tests/pipeline/datasets/world/test_classes.py has the rule).
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
