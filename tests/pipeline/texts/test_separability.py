"""Separability, by hand: three classes in the plane."""

import numpy as np
import pytest

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.texts import separability

HOIS = [HICO.find(name) for name in ("ride horse", "feed horse", "ride cow")]
RIDE, FEED, COW = HOIS
PHRASES = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8]], np.float32)
DESCRIPTIONS = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)


def test_nearest_classes_and_groups() -> None:
    found = separability.classes(HOIS, descriptions=DESCRIPTIONS, phrases=PHRASES)
    assert found["phrase_nearest"].tolist() == ["feed horse", "ride cow", "feed horse"]
    assert found["phrase_cosine"].tolist() == pytest.approx([0.8, 0.96, 0.96])
    assert found["description_nearest"].tolist() == ["ride cow", "ride cow", "feed horse"]
    assert found["description_cosine"].tolist() == pytest.approx([0.6, 0.8, 0.8])
    table = separability.groups(found, HICO).set_index(["by", "name"])
    assert table.loc[("verb", "ride"), "classes"] == 2
    ride = table.loc[("verb", "ride")]
    assert (ride["description_mean"], ride["description_worst"]) == pytest.approx((0.7, 0.8))
    assert (ride["phrase_mean"], ride["phrase_worst"]) == pytest.approx((0.88, 0.96))
    horse = table.loc[("object", "horse")]
    assert (horse["description_mean"], horse["description_worst"]) == pytest.approx((0.7, 0.8))
    assert separability.summary(table.reset_index()) == pytest.approx(
        {
            "description_mean": 2.2 / 3, "description_worst": 0.8, "phrase_mean": 2.72 / 3, "phrase_worst": 0.96,
        }
    )  # fmt: skip


def test_a_class_is_not_its_own_nearest() -> None:
    same = np.array([[1, 0], [1, 0]], np.float32)
    found = separability.classes([RIDE, FEED], descriptions=same, phrases=same)
    assert found["description_nearest"].tolist() == ["feed horse", "ride horse"]
