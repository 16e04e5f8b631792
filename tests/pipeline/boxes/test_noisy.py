"""Annotated boxes with drawn errors, on three images."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.boxes import noisy
from pipeline.config.detections import Detections

IMAGES = pd.DataFrame({"image_id": [1, 2, 3], "width": 256, "height": 192})
BOXES = pd.DataFrame(
    [(1, 0, 10, 10, 60, 150), (1, 17, 50, 60, 200, 180), (2, 0, 0, 0, 40, 100)],
    columns=["image_id", "object_id", "x1", "y1", "x2", "y2"],
)


def drawn(boxes: pd.DataFrame, seed: int = 0, **changes: float) -> pd.DataFrame:
    return noisy.boxes(boxes, IMAGES, Detections.model_validate(changes), seed, labels=np.array([0, 17, 56]))


def test_an_images_detections_do_not_depend_on_the_others() -> None:
    both, alone = (drawn(boxes, false_boxes=20.0) for boxes in (BOXES, BOXES[BOXES["image_id"] == 2]))
    mine = [found[found["image_id"] == 2] for found in (both, alone)]
    np.testing.assert_array_equal(*(found.to_numpy() for found in mine))
    assert set(mine[0]["object_id"]) == {0, 17, 56}


def test_seeds_differ_and_repeat() -> None:
    assert drawn(BOXES, 5).equals(drawn(BOXES, 5))
    assert not drawn(BOXES, 5).equals(drawn(BOXES, 6))


def test_without_errors_only_the_scores_are_simulated() -> None:
    found = drawn(BOXES, jitter=0.0, miss=0.0, false_boxes=0.0)
    assert found.drop(columns="score").to_numpy().tolist() == BOXES.to_numpy().tolist()
    assert found["score"].between(0, 1).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.5), st.floats(0, 5))
def test_boxes_stay_in_the_image_and_keep_a_size(seed: int, jitter: float, false_boxes: float) -> None:
    found = drawn(BOXES, seed, jitter=jitter, false_boxes=false_boxes)
    assert (found["x2"] > found["x1"]).all() and (found["y2"] > found["y1"]).all()
    assert found[["x1", "y1"]].min().min() >= 0 if len(found) else True
    assert (found["x2"] <= 256 + 1e-6).all() and (found["y2"] <= 192 + 1e-6).all()


def test_true_boxes_score_higher_than_false_ones() -> None:
    true = pd.concat([drawn(BOXES, seed, false_boxes=0.0) for seed in range(30)])
    false = pd.concat([drawn(BOXES, seed, miss=0.999, false_boxes=3.0) for seed in range(30)])
    assert true["score"].mean() > false["score"].mean() + 0.2
