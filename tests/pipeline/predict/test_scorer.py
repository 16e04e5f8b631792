"""The variants of the scorer by hand: two pairs, two phrases of one verb, in both presets and all scopes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.sizes import Scope
from pipeline.predict.scorer import TRAINED, Scorer, Variant

HORSE, BOAT = 7, 3
PAIRS = {
    "object_id": np.array([HORSE, BOAT]),
    "prior": np.array([0.5, 1.0], dtype=np.float32),
    "feature": np.array([[4.0, 0.0], [0.0, 4.0]], dtype=np.float32),
}
SCORER = Scorer(  # ride horse is seen, ride boat unseen; no phrase stands for verb 0
    preset="paper",
    scope="own_object",
    tau=2.0,
    scale=2.0,
    verbs=2,
    phrase_verbs=torch.tensor([1, 1]),
    phrase_objects=torch.tensor([HORSE, BOAT]),
    seen=torch.tensor([True, False]),
    plain=torch.tensor([[1.0, 0.0], [0.0, -1.0]]),
    before=torch.tensor([[1.0, 0.0], [1.0, 0.0]]),
    after=torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
)


SCOPES: tuple[Scope, Scope] = ("own_class", "own_object")


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(
    ("variant", "horse", "boat"),
    [
        ("seen_phrases", 2, 0),
        ("plain_phrases", (2 + 0) / 2, (0 - 2) / 2),
        ("before_utpl", (2 + 2) / 2, (0 + 0) / 2),
        ("adapted", (2 + 2) / 2, (0 + 2) / 2),  # on the horse the boat's phrase is the guided one
    ],
)
def test_scores_are_the_prior_times_the_verbs_probability(variant: Variant, horse: float, boat: float) -> None:
    found = SCORER.scores(variant, PAIRS)
    np.testing.assert_allclose(found, [[0, 0.25 * sigmoid(horse)], [0, 1.0 * sigmoid(boat)]], rtol=1e-6)


def test_a_verb_without_a_seen_phrase_has_no_chance_by_seen_phrases_alone() -> None:
    found = replace(SCORER, seen=torch.tensor([False, False])).scores("seen_phrases", PAIRS)
    assert found.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("variant", ["plain_phrases", "before_utpl", "adapted"])
def test_with_scope_own_class_the_horse_hears_its_own_phrase_alone(variant: Variant) -> None:
    apart, everywhere = (replace(SCORER, scope=scope).scores(variant, PAIRS)[:, 1] for scope in SCOPES)
    assert apart.tolist() == [pytest.approx(0.25 * sigmoid(2)), everywhere[1]]


def test_with_scope_verb_the_adapted_phrase_speaks_for_the_horse_too() -> None:
    found = replace(SCORER, scope="verb").scores("adapted", PAIRS)
    np.testing.assert_allclose(found[:, 1], [0.25 * sigmoid((2 + 0) / 2), sigmoid((0 + 2) / 2)], rtol=1e-6)


def test_in_preset_released_lengths_count_and_the_scale_is_halved() -> None:
    found = replace(SCORER, preset="released").scores("before_utpl", PAIRS)
    np.testing.assert_allclose(found[:, 1], [0.25 * sigmoid(2 / 2 * 4), sigmoid(0)], rtol=1e-6)


def test_boxes_alone_score_all_verbs_alike() -> None:
    assert SCORER.scores("detector_only", PAIRS).tolist() == [[0.25, 0.25], [1.0, 1.0]]


@pytest.mark.parametrize("variant", TRAINED)
def test_tau_is_the_power_of_the_prior_in_every_variant(variant: Variant) -> None:
    one, three = (replace(SCORER, tau=tau).scores(variant, PAIRS) for tau in (1.0, 3.0))
    np.testing.assert_allclose(three, one * np.array([[0.25], [1.0]]), rtol=1e-12)
