"""Rows of predictions by hand."""

import numpy as np
import pytest

from pipeline.predict import scoring


def test_predictions_hold_valid_classes() -> None:
    pairs = {"image_id": np.array([3, 4])} | {name: np.arange(2.0) for name in scoring.BOXES}
    found = scoring.predictions(pairs, np.array([[0.1, 0.9], [0.3, 0.2]]), np.array([[10, -1], [-1, 11]]))
    assert found.columns.tolist() == ["image_id", "hoi_id", "score", *scoring.BOXES]
    assert found["image_id"].tolist() == [3, 4] and found["hoi_id"].tolist() == [10, 11]
    assert found["score"].tolist() == pytest.approx([0.1, 0.2])
    assert found["hx1"].tolist() == [0.0, 1.0]
