"""Detections of HICO-DET's classes as V-COCO's roles, and back: a model trained on the one is evaluated on the other.

`hico_verbs.csv` beside this file says, in our reading, which of HICO-DET's verbs are a role's deed. A class is translated if
its verb is one of a role and V-COCO has the composition of that role and the object: "ride skis" is *ski instr*, "ride horse"
is *ride instr*. HICO-DET has nothing for *eat instr*. A pair of which several classes mean one role ("hold", "wield") keeps the
best score: a second detection of the same would be wrong by V-COCO's rules. Other classes are left out.

The other way round (`to_hico`) a composition of V-COCO is every class of HICO-DET that means it, with one score: "hold obj" of
a bat is "hold baseball bat" and "wield baseball bat". V-COCO has a part of HICO-DET's classes only (`classes_of_roles`), so a
mean over all 600 says little of such a model.
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


def classes_of_roles(vocabulary: Vocabulary) -> frozenset[int]:
    """Ids of those classes of HICO-DET, or of a part of it, that some composition of V-COCO means."""
    return frozenset(hoi_id for hoi_id, _ in roles_of_classes(vocabulary))


def translated(frame: pd.DataFrame, vocabulary: Vocabulary, *, name: str) -> tuple[pd.DataFrame, str]:
    """Translate a table with `hoi_id` into one with `role`, with a remark on what was left out.

    Raises:
        DataError: there is no column `hoi_id`, or a value in it is no class.
    """
    hoi = _classes(frame, vocabulary, name)
    pairs = pd.DataFrame(roles_of_classes(vocabulary), columns=[CLASS, "role"])
    found = frame.drop(columns="role", errors="ignore").assign(**{CLASS: hoi}).merge(pairs, on=CLASS, how="inner")
    best = _best(found, "role")
    without = int((~np.isin(hoi, pairs[CLASS])).sum())
    remark = (
        f"{len(best):,} detections of {best['role'].nunique()} of {len(ROLES)} roles were made of {len(frame):,} of "
        f"{vocabulary.name}'s classes; {without:,} are of classes that V-COCO lacks"
    )
    return best.drop(columns=CLASS).reset_index(drop=True), remark


def to_hico(frame: pd.DataFrame, vocabulary: Vocabulary, *, name: str) -> tuple[pd.DataFrame, str]:
    """Translate a table whose `hoi_id` is V-COCO's composition into classes of HICO-DET, with a remark on what was left out.

    Arguments:
        vocabulary: HICO-DET's, or a part of it.

    Raises:
        DataError: there is no column `hoi_id`, or a value in it is no composition.
    """
    known = classes.vocabulary()
    composition = _classes(frame, known, name)
    place = {(row["role"], row["object"]): number for number, row in enumerate(classes.compositions())}
    pairs = pd.DataFrame(
        [(place[role, vocabulary.hoi(hoi_id).object], hoi_id) for hoi_id, role in roles_of_classes(vocabulary)],
        columns=["composition", CLASS],
    )
    rows = frame.drop(columns=CLASS).assign(composition=composition)
    best = _best(rows.merge(pairs, on="composition", how="inner"), CLASS)
    without = int((~np.isin(composition, pairs["composition"])).sum())
    remark = (
        f"{len(best):,} detections of {best[CLASS].nunique()} of {vocabulary.name}'s {len(vocabulary.classes)} classes were "
        f"made of {len(frame):,} of V-COCO's compositions; {without:,} are of compositions that it lacks"
    )
    return best.drop(columns="composition").reset_index(drop=True), remark


def _classes(frame: pd.DataFrame, vocabulary: Vocabulary, name: str) -> np.ndarray:
    """The column `hoi_id`, all of whose values are classes of the vocabulary."""
    if CLASS not in frame:
        raise DataError(f"{name}: no column {CLASS}; columns are {', '.join(map(str, frame.columns))}")
    try:
        hoi = columns.whole(frame, CLASS, name)
    except ValueError as error:
        raise DataError(str(error)) from None
    if (wrong := ~np.isin(hoi, vocabulary.ids)).any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{name} row {row}: hoi_id {hoi[row]} is no class of {vocabulary.name}")
    return hoi


def _best(found: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The best of the rows that mean the same for one pair of boxes, in the table's order."""
    same = [column for column in (*IMAGE, kind, *HUMAN_BOX, *OBJECT_BOX) if column in found]
    return found.sort_values("score", ascending=False, kind="stable").drop_duplicates(same).sort_index()
