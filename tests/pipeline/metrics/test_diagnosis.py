"""Curves, confusions, calibration and the ranking of images, by hand."""

import numpy as np
import pandas as pd
import pytest

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.metrics import diagnosis
from pipeline.metrics.annotations import Annotations
from pipeline.metrics.detections import Detections
from pipeline.metrics.evaluation import Judged
from pipeline.metrics.floor import detector_only
from pipeline.metrics.matching import Pairs

RIDE, HOLD, FEED, PET = (HICO.find(name).hoi_id for name in ("ride horse", "hold horse", "feed horse", "pet cat"))
HERE, AWAY = [0.0, 0, 10, 10], [50.0, 50, 60, 60]


def pairs(*rows):
    """(image, class, person box); the object lies beside."""
    human = np.array([row[2] for row in rows]).reshape(-1, 4)
    columns = {"image": np.array([row[0] for row in rows]), "hoi": np.array([row[1] for row in rows])}
    return Pairs(**columns, human=human, object=human + 5)


def judged(*rows, truth=()):
    """Ranked (image, class, score, hit) and annotated (image, class)."""
    image, hoi, score, hit = (np.array(column) for column in zip(*rows, strict=True))
    places = np.array(truth).reshape(-1, 2)
    return Judged(
        row=np.arange(len(rows)),
        image=image,
        hoi=hoi,
        score=score.astype(float),
        hit=hit.astype(bool),
        truth_image=places[:, 0],
        truth_hoi=places[:, 1],
    )


def test_confusions():
    truth = pairs((1, RIDE, HERE), (1, HOLD, HERE), (1, FEED, AWAY), (2, PET, HERE), (3, RIDE, HERE))
    found = pairs(
        (1, RIDE, HERE),  # right for both verbs of this spot
        (1, FEED, HERE),  # lower score
        (1, RIDE, AWAY),  # a confusion of feed
        (2, RIDE, HERE),  # another object: says nothing of the cat
        (9, RIDE, HERE),  # an image without annotation
    )
    table = diagnosis.confusions(found, np.array([0.9, 0.8, 0.7, 0.6, 0.5]), truth, object_of=HICO.object_of)
    counts = dict(zip(zip(table["hoi_id"], table["taken_for"], strict=True), table["count"], strict=True))
    assert counts == {(RIDE, RIDE): 1, (HOLD, HOLD): 1, (FEED, RIDE): 1, (PET, -1): 1, (RIDE, -1): 1}


def test_precision_and_recall():
    found = judged((1, 0, 0.9, 1), (2, 0, 0.8, 0), (3, 0, 0.7, 1), truth=[(1, 0), (3, 0), (4, 0), (5, 0), (5, 1)])
    recall, precision = diagnosis.precision_recall(found, 0)
    assert recall == pytest.approx([1 / 4, 1 / 4, 1 / 2]) and precision == pytest.approx([1, 1 / 2, 2 / 3])
    assert len(diagnosis.precision_recall(found, 1)[0]) == len(diagnosis.precision_recall(found, 7)[0]) == 0


def test_telling_classes_are_the_largest_of_either_group():
    table = pd.DataFrame({"hoi_id": range(6), "unseen": [0, 0, 0, 1, 1, 1], "test_pairs": [5, 9, 7, 0, 2, 3]})
    assert diagnosis.telling_classes(table.astype({"unseen": bool}), count=2) == [1, 2, 5, 4]


def test_calibration():
    found = judged((1, 0, 1.0, 1), (1, 0, 0.96, 0), (1, 0, 0.02, 0), (1, 0, 0.04, 0))
    table = diagnosis.calibration(found)
    assert table["score"].tolist() == pytest.approx([0.03, 0.98]) and table["precision"].tolist() == [0, 0.5]
    assert table["count"].tolist() == [2, 2]
    assert diagnosis.calibration_error(table) == pytest.approx((0.03 + 0.48) / 2)
    # Scores outside [0, 1] stretch the bins.
    assert diagnosis.calibration(judged((1, 0, 9.0, 1), (1, 0, -1.0, 0)))["count"].tolist() == [1, 1]
    assert np.isnan(diagnosis.calibration_error(table.iloc[:0]))


def test_images_by_how_they_went():
    found = judged(
        (1, 0, 0.9, 1), (1, 0, 0.8, 1), (2, 0, 0.9, 0), (2, 0, 0.8, 0), (3, 0, 0.9, 1), (4, 0, 0.9, 1), (4, 0, 0.7, 0),
        truth=[(1, 0), (1, 0), (2, 0), (2, 0), (3, 0), (4, 0), (4, 0), (5, 0)],
    )  # fmt: skip
    scores = diagnosis.image_scores(found)
    assert [(s.image, s.right, s.pairs) for s in scores] == [(1, 2, 2), (3, 1, 1), (4, 1, 2), (5, 0, 1), (2, 0, 2)]
    assert scores[0].rows == (0, 1) and scores[3].rows == () and scores[2].hits == (True, False)


def test_the_floor_scores_every_verb_alike():
    found = Detections(
        pairs=pairs((0, RIDE, HERE), (0, HOLD, HERE), (0, PET, AWAY)), scores=np.array([0.1, 0.9, 0.5]), notes=()
    )
    truth = Annotations(pairs=pairs((0, RIDE, HERE)), images=pd.DataFrame({"file_name": ["a"]}), complete=True)
    floor = detector_only(found, np.array([0.4, 0.4, 0.2]), truth)
    for name, score in (("horse", 0.4), ("cat", 0.2)):
        hois = [c.hoi_id for c in HICO.classes if c.object == name]
        mine = np.isin(floor.pairs.hoi, hois)
        assert sorted(floor.pairs.hoi[mine].tolist()) == hois and set(floor.scores[mine].tolist()) == {score}
