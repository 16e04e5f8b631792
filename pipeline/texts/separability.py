"""How well texts tell classes apart: each class's most similar other class, by the cosine of CLIP's embeddings.

A prompt is good if its descriptions are further apart than the plain phrases. The mean tells this for a verb or an object as
a whole, the worst for its most confusable class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.vocabulary.vocabulary import Hoi, Vocabulary

KINDS = ("description", "phrase")


def classes(hois: Sequence[Hoi], *, descriptions: np.ndarray, phrases: np.ndarray) -> pd.DataFrame:
    """One row a class: hoi_id, name, and for descriptions and for phrases the nearest other class and its cosine.

    Args:
        hois: The classes, at least two.
        descriptions: (C, d_a), unit length.
        phrases: (C, d_a), unit length.
    """
    rows: dict[str, Any] = {"hoi_id": [hoi.hoi_id for hoi in hois], "name": [hoi.name for hoi in hois]}
    for kind, embedded in zip(KINDS, (descriptions, phrases), strict=True):
        similarity = embedded.astype(np.float64) @ embedded.astype(np.float64).T
        np.fill_diagonal(similarity, -np.inf)
        nearest = similarity.argmax(axis=1)
        rows[f"{kind}_nearest"] = [hois[i].name for i in nearest]
        rows[f"{kind}_cosine"] = similarity[np.arange(len(hois)), nearest]
    return pd.DataFrame(rows)


def groups(found: pd.DataFrame, vocabulary: Vocabulary) -> pd.DataFrame:
    """A row for all classes, for each verb and for each object: how many classes, mean and worst cosine of both kinds.

    Args:
        found: What `classes` returns for classes of the vocabulary.
    """
    ways: dict[str, Callable[[Hoi], str]] = {
        "all": lambda hoi: "all", "verb": lambda hoi: hoi.verb, "object": lambda hoi: hoi.object
    }  # fmt: skip
    rows = []
    for way, key in ways.items():
        names = [key(vocabulary.hoi(h)) for h in found["hoi_id"]]
        for name, group in found.groupby(names, sort=True):
            row: dict[str, Any] = {"by": way, "name": str(name), "classes": len(group)}
            for kind in KINDS:
                row[f"{kind}_mean"] = float(group[f"{kind}_cosine"].mean())
                row[f"{kind}_worst"] = float(group[f"{kind}_cosine"].max())
            rows.append(row)
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> dict[str, float]:
    """The row for all classes, as metrics."""
    row = table.loc[table["by"] == "all"].iloc[0]
    return {f"{kind}_{what}": float(row[f"{kind}_{what}"]) for kind in KINDS for what in ("mean", "worst")}
