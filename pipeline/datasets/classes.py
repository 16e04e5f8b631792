"""The dataset's classes as `annotations/classes.parquet` tells them: which there are, which are unseen, what is valid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.datasets.hico.vocabulary import RARE_BELOW, hoi_classes, objects, verbs
from pipeline.store.artifact import Artifact


@dataclass(frozen=True)
class ClassTable:
    """`hois` rising; `unseen` a subset of them in the chosen zero-shot setting."""

    hois: tuple[int, ...]
    unseen: frozenset[int]
    train_counts: dict[int, int]
    rare: frozenset[int]
    """Classes with fewer than ten training pairs: HICO-DET's official 138, or as counted in the rendered world."""

    @property
    def seen(self) -> tuple[int, ...]:
        return tuple(h for h in self.hois if h not in self.unseen)


def read(annotations: Artifact, setting: str) -> ClassTable:
    """The classes and the unseen ones of a setting."""
    table = annotations.table("classes.parquet").sort_values("hoi_id")
    unseen = frozenset() if setting == "default" else frozenset(table.loc[table[setting], "hoi_id"].tolist())
    counts = dict(zip(table["hoi_id"].tolist(), table["train_count"].tolist(), strict=True))
    rare = frozenset(table.loc[table["rare"], "hoi_id"].tolist())
    return ClassTable(tuple(table["hoi_id"].tolist()), unseen, counts, rare)


def frame(
    hois: Iterable[int],
    *,
    train: pd.Series,
    test: pd.Series,
    unseen: Mapping[str, frozenset[int]],
    rare: frozenset[int] | None = None,
) -> pd.DataFrame:
    """The `classes.parquet` of a dataset.

    Args:
        hois: its classes.
        train, test: how many pairs each class has, by hoi_id.
        unseen: the unseen classes of each setting.
        rare: its rare classes; None if `train` tells them.
    """
    rows = [hoi_classes()[h] for h in sorted(hois)]
    return pd.DataFrame(
        {
            "hoi_id": [r.hoi_id for r in rows],
            "verb_id": [r.verb_id for r in rows],
            "object_id": [r.object_id for r in rows],
            "verb": [r.verb for r in rows],
            "verb_ing": [r.verb_ing for r in rows],
            "object": [r.object for r in rows],
            "phrase": [r.phrase for r in rows],
            "name": [r.name for r in rows],
            "train_count": [int(train.get(r.hoi_id, 0)) for r in rows],
            "test_count": [int(test.get(r.hoi_id, 0)) for r in rows],
            "rare": [int(train.get(r.hoi_id, 0)) < RARE_BELOW if rare is None else r.hoi_id in rare for r in rows],
        }
        | {setting: [r.hoi_id in hidden for r in rows] for setting, hidden in unseen.items()}
    )


def valid_verbs(hois: Iterable[int]) -> np.ndarray:
    """(80, 117) bool: which verb with which object is one of these classes."""
    table = np.zeros((len(objects()), len(verbs())), dtype=bool)
    for h in hois:
        table[hoi_classes()[h].object_id, hoi_classes()[h].verb_id] = True
    return table


def hoi_lookup(hois: Iterable[int]) -> np.ndarray:
    """(80, 117) int: the class of an object and a verb among these, -1 where there is none."""
    table = np.full((len(objects()), len(verbs())), -1, dtype=np.int64)
    for h in hois:
        table[hoi_classes()[h].object_id, hoi_classes()[h].verb_id] = h
    return table
