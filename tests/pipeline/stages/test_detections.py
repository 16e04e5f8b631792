"""Simulated detections and imported ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError, DataError
from pipeline.sections.data import Detections
from pipeline.stages import detections

IMAGES = pd.DataFrame({"image_id": [1, 2, 3], "width": 256, "height": 192, "split": "train"})
BOXES = pd.DataFrame(
    [(1, 0, 10, 10, 60, 150), (1, 17, 50, 60, 200, 180), (2, 0, 0, 0, 40, 100)],
    columns=["image_id", "object_id", "x1", "y1", "x2", "y2"],
)


def noisy(boxes: pd.DataFrame, seed: int = 0, **changes: float) -> pd.DataFrame:
    return detections._noisy(boxes, IMAGES, Detections.model_validate(changes), seed)


def test_an_images_detections_do_not_depend_on_the_others() -> None:
    both, alone = noisy(BOXES), noisy(BOXES[BOXES["image_id"] == 2])
    mine = [found[found["image_id"] == 2].drop(columns="object_id").to_numpy() for found in (both, alone)]
    np.testing.assert_array_equal(*mine)


def test_seeds_differ_and_repeat() -> None:
    assert noisy(BOXES, 5).equals(noisy(BOXES, 5))
    assert not noisy(BOXES, 5).equals(noisy(BOXES, 6))


def test_without_errors_only_the_scores_are_simulated() -> None:
    found = noisy(BOXES, jitter=0.0, miss=0.0, false_boxes=0.0)
    assert found.drop(columns="score").to_numpy().tolist() == BOXES.to_numpy().tolist()
    assert found["score"].between(0, 1).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.5), st.floats(0, 5))
def test_boxes_stay_in_the_image_and_keep_a_size(seed: int, jitter: float, false_boxes: float) -> None:
    found = noisy(BOXES, seed, jitter=jitter, false_boxes=false_boxes)
    assert (found["x2"] > found["x1"]).all() and (found["y2"] > found["y1"]).all()
    assert found[["x1", "y1"]].min().min() >= 0 if len(found) else True
    assert (found["x2"] <= 256 + 1e-6).all() and (found["y2"] <= 192 + 1e-6).all()


def test_true_boxes_score_higher_than_false_ones() -> None:
    true = pd.concat([noisy(BOXES, seed, false_boxes=0.0) for seed in range(30)])
    false = pd.concat([noisy(BOXES, seed, miss=0.999, false_boxes=3.0) for seed in range(30)])
    assert true["score"].mean() > false["score"].mean() + 0.2


def imported(tmp_path: Path, table: pd.DataFrame) -> pd.DataFrame:
    path = tmp_path / "boxes.parquet"
    table.to_parquet(path)
    return detections._imported(Detections(source="parquet", path=path), IMAGES)


def test_an_imported_table_is_taken_as_it_is(tmp_path: Path) -> None:
    assert len(imported(tmp_path, BOXES.assign(score=0.5))) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": 1.5}, "row 0"),
        ({"x2": 0}, "x2 > x1"),
        ({"object_id": 80}, r"object_id in 0\.\.79"),
        ({"image_id": 9}, "known image_id"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, change: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        imported(tmp_path, BOXES.assign(score=0.5).assign(**change))


def test_missing_columns_and_missing_paths_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"columns \['score'\] are missing"):
        imported(tmp_path, BOXES)
    with pytest.raises(ConfigError, match=r"needs detections\.path"):
        detections._imported(Detections(source="parquet"), IMAGES)
