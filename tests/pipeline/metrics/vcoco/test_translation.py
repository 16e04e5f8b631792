"""HICO-DET's classes as V-COCO's roles."""

import pandas as pd
import pytest

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.datasets.vcoco import classes
from pipeline.datasets.vcoco.actions import ROLES
from pipeline.errors import DataError
from pipeline.metrics.vcoco import translation

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]


def table(*rows):
    """Detections of one pair of boxes: (class, score)."""
    found = pd.DataFrame([[0, 0, 9, 9, 5, 5, 20, 20]] * len(rows), columns=BOXES)
    return found.assign(
        image_id=1, hoi_id=[HICO.find(name).hoi_id for name, _ in rows], score=[score for _, score in rows]
    )


def test_every_role_but_eating_with_something_has_classes():
    found = translation.roles_of_classes(HICO)
    assert {role for _, role in found} == set(ROLES) - {"eat instr"}
    names = {(HICO.hoi(hoi).name, role) for hoi, role in found}
    assert ("ride skis", "ski instr") in names and ("ride skis", "ride instr") not in names
    assert ("ride horse", "ride instr") in names and ("sit at dining table", "sit instr") in names
    verbs = set(pd.read_csv(translation.TABLE)["hico_verb"])
    assert verbs <= set(HICO.verb_names)


def test_a_pair_keeps_the_best_of_what_means_the_same():
    rows = [
        ("wield baseball_bat", 0.4),
        ("hold baseball_bat", 0.6),
        ("swing baseball_bat", 0.5),
        ("sign baseball_bat", 0.9),
    ]
    found, remark = translation.translated(table(*rows), HICO, name="d")
    assert found[["role", "score"]].to_numpy().tolist() == [["hold obj", 0.6], ["hit instr", 0.5]]
    assert (
        remark
        == "2 detections of 2 of 24 roles were made of 4 of HICO-DET's classes; 1 are of classes that V-COCO lacks"
    )


def test_faults_are_named():
    with pytest.raises(DataError, match="row 0: hoi_id 600 is no class of HICO-DET"):
        translation.translated(table(("ride horse", 1)).assign(hoi_id=600), HICO, name="d")
    with pytest.raises(DataError, match="no column hoi_id"):
        translation.translated(table(("ride horse", 1)).drop(columns="hoi_id"), HICO, name="d")


def compositions(*rows):
    """Detections of V-COCO's compositions on one pair of boxes: (role, object, score)."""
    place = {(row["role"], row["object"]): number for number, row in enumerate(classes.compositions())}
    found = pd.DataFrame([[0, 0, 9, 9, 5, 5, 20, 20]] * len(rows), columns=BOXES)
    return found.assign(
        image_id=1, hoi_id=[place[role, thing] for role, thing, _ in rows], score=[score for *_, score in rows]
    )


def test_a_composition_is_every_class_that_means_it():
    rows = [("hold obj", "baseball_bat", 0.6), ("ski instr", "skis", 0.5), ("eat instr", "fork", 0.9)]
    found, remark = translation.to_hico(compositions(*rows), HICO, name="d")
    assert [(HICO.hoi(h).name, s) for h, s in zip(found["hoi_id"], found["score"], strict=True)] == [
        ("hold baseball bat", 0.6),
        ("wield baseball bat", 0.6),
        ("ride skis", 0.5),
    ]
    assert remark == (
        "3 detections of 3 of HICO-DET's 600 classes were made of 3 of V-COCO's compositions; "
        "1 are of compositions that it lacks"
    )
    with pytest.raises(DataError, match="row 0: hoi_id 236 is no class of V-COCO"):
        translation.to_hico(compositions(*rows).assign(hoi_id=236), HICO, name="d")


def test_there_and_back_every_class_that_both_have_is_found_again():
    shared = sorted(translation.classes_of_roles(HICO))
    there, _ = translation.translated(
        table(*[(HICO.hoi(h).name, 1.0) for h in shared]).assign(ox1=shared), HICO, name="d"
    )
    place = {(row["role"], row["object"]): number for number, row in enumerate(classes.compositions())}
    thing = [HICO.hoi(h).object for h in there["ox1"]]
    numbered = there.assign(hoi_id=[place[pair] for pair in zip(there["role"], thing, strict=True)])
    back, _ = translation.to_hico(numbered, HICO, name="d")
    assert set(back["hoi_id"]) == set(shared) and len(shared) == 171
