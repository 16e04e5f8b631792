"""Rows of predictions by hand."""

import numpy as np

from pipeline.predict import scoring


def test_predictions_hold_valid_classes_and_every_score() -> None:
    pairs = {"image_id": np.array([3, 4])} | {name: np.arange(2.0) for name in scoring.BOXES}
    scores = {"score": np.array([[0.1, 0.9], [0.3, 0.2]]), "before_utpl": np.array([[0.5, 0.6], [0.7, 0.8]])}
    found = scoring.predictions(pairs, scores, np.array([[10, -1], [-1, 11]]))
    assert found.columns.tolist() == ["image_id", "hoi_id", "score", "before_utpl", *scoring.BOXES]
    assert found["image_id"].tolist() == [3, 4] and found["hoi_id"].tolist() == [10, 11]
    assert found["score"].tolist() == [0.1, 0.2] and found["before_utpl"].tolist() == [0.5, 0.8]
    assert found["hx1"].tolist() == [0.0, 1.0]
