"""Detections of HICO-DET's classes as detections of V-COCO's roles: a model trained on the one is evaluated on the other.

`hico_verbs.csv` beside this file says, in our reading, which of HICO-DET's verbs are a role's deed. A class is translated if
its verb is one of a role and V-COCO has the composition of that role and the object: "ride skis" is *ski instr*, "ride horse"
is *ride instr*. HICO-DET has nothing for *eat instr*. A pair of which several classes mean one role ("hold", "wield") keeps the
best score: a second detection of the same would be wrong by V-COCO's rules. Other classes are left out.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.datasets.vcoco import classes
from pipeline.datasets.vcoco.actions import ROLES
from pipeline.errors import DataError
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX
from pipeline.metrics.vcoco.detections import CLASS, IMAGE
from pipeline.outside import columns
from pipeline.vocabulary.vocabulary import Vocabulary

TABLE = Path(__file__).with_name("hico_verbs.csv")


def roles_of_classes(vocabulary: Vocabulary) -> list[tuple[int, str]]:
    """(class id, role) of every class that is one of V-COCO's roles; HICO-DET's vocabulary, or a part of it."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        deeds = {(row["hico_verb"], row["role"]) for row in csv.DictReader(file)}
    known = {(row["role"], row["object"]) for row in classes.compositions()}
    return [
        (hoi.hoi_id, role)
        for hoi in vocabulary.classes
        for role in ROLES
        if (hoi.verb, role) in deeds and (role, hoi.object) in known
    ]


def translated(frame: pd.DataFrame, vocabulary: Vocabulary, *, name: str) -> tuple[pd.DataFrame, str]:
    """A table with `hoi_id` as one with `role`, and a remark on what of it was left out.

    Raises:
        DataError: there is no column `hoi_id`, or a value in it is no class.
    """
    if CLASS not in frame:
        raise DataError(f"{name}: no column {CLASS}; columns are {', '.join(map(str, frame.columns))}")
    try:
        hoi = columns.whole(frame, CLASS, name)
    except ValueError as error:
        raise DataError(str(error)) from None
    if (wrong := ~np.isin(hoi, vocabulary.ids)).any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{name} row {row}: hoi_id {hoi[row]} is no class of {vocabulary.name}")
    pairs = pd.DataFrame(roles_of_classes(vocabulary), columns=[CLASS, "role"])
    found = frame.drop(columns="role", errors="ignore").assign(**{CLASS: hoi}).merge(pairs, on=CLASS, how="inner")
    same = [column for column in (*IMAGE, "role", *HUMAN_BOX, *OBJECT_BOX) if column in found]
    best = found.sort_values("score", ascending=False, kind="stable").drop_duplicates(same).sort_index()
    without = int((~np.isin(hoi, pairs[CLASS])).sum())
    remark = (
        f"{len(best):,} detections of {best['role'].nunique()} of {len(ROLES)} roles were made of {len(frame):,} of "
        f"{vocabulary.name}'s classes; {without:,} are of classes that V-COCO lacks"
    )
    return best.drop(columns=CLASS).reset_index(drop=True), remark
