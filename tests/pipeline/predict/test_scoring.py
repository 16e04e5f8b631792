"""Scores by hand."""

import numpy as np
import pytest

from pipeline.datasets.hico.vocabulary import verbs
from pipeline.predict import scoring


def test_verb_probability_is_the_sigmoid_of_the_mean_phrase_logit() -> None:
    features = np.array([[3.0, 0.0]], dtype=np.float32)
    text = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    logits = scoring.phrase_logits(features, text, scale=10.0)
    assert logits.tolist() == [[10.0, 0.0, 10.0]]
    found = scoring.verb_probabilities(logits, np.array([4, 4, 9]))
    assert found.shape == (1, len(verbs()))
    assert found[0, 4] == pytest.approx(1 / (1 + np.exp(-5)), rel=1e-5)
    assert found[0, 9] == pytest.approx(1 / (1 + np.exp(-10)), rel=1e-5)
    assert found[0, 5] == 0  # a verb without phrase


def test_a_phrase_has_its_own_object() -> None:
    found = scoring.own_object(np.array([7, 8]), np.array([8, 7, 7]))
    assert found.tolist() == [[False, True, True], [True, False, False]]


def test_untrained_classes_compete_within_their_object_only() -> None:
    text = np.eye(3, dtype=np.float32)
    found = scoring.class_probabilities(text[:1], text, np.array([7]), np.array([7, 7, 8]))
    assert found[0, 2] == 0
    assert found[0].sum() == pytest.approx(1)
    assert found[0, 0] > 0.99


def test_an_object_without_classes_gets_no_probability() -> None:
    found = scoring.class_probabilities(
        np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), np.array([5, 7]), np.array([7, 7])
    )
    assert found[0].tolist() == [0, 0]


def test_predictions_hold_valid_classes_with_their_prior() -> None:
    pairs = {"image_id": np.array([3, 4]), "prior": np.array([0.5, 1.0], dtype=np.float32)}
    pairs |= {name: np.arange(2.0) for name in scoring.BOXES}
    found = scoring.predictions(pairs, np.array([[0.4, 0.9], [0.3, 0.2]]), np.array([[10, -1], [-1, 11]]), tau=2.0)
    assert found["hoi_id"].tolist() == [10, 11]
    assert found["score"].tolist() == pytest.approx([0.1, 0.2])
    assert found["hx1"].tolist() == [0.0, 1.0]
