"""Average precision: hand-computed curves, the eleven levels, properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.average_precision import RULES, average_precision

flags = st.lists(st.booleans(), max_size=40)


def ap(hits, n_truth, rule):
    return average_precision(np.array(hits, dtype=bool), n_truth, rule=rule)


@pytest.mark.parametrize("rule", RULES)
def test_perfect_empty_wrong_and_unannotated(rule):
    # pocket's trapezoids leave out the last true positive.
    assert ap([1, 1, 1], 3, rule) == pytest.approx(2 / 3 if rule in ("auc", "int") else 1.0)
    assert ap([], 3, rule) == 0.0
    assert ap([0, 0], 3, rule) == 0.0
    assert math.isnan(ap([0, 0], 0, rule))
    assert math.isnan(ap([], 0, rule))


def test_envelope_by_hand():
    # Precision 1, 1/2, 2/3, 3/4: the envelope is 1 up to recall 1/4, then 3/4 up to recall 3/4.
    hits = [1, 0, 1, 1]
    assert ap(hits, 4, "all_points") == pytest.approx((1 + 3 / 4 + 3 / 4) / 4)
    # Levels 0, 0.1, 0.2 at 1; 0.3 to 0.7 at 3/4; none above.
    for rule in ("tenths", "linspace", "exact"):
        assert ap(hits, 4, rule) == pytest.approx((3 * 1 + 5 * 0.75) / 11)


def test_trapezoids_by_hand():
    # Ranks 1, 3 and 4 are right; the last is left out. Precision 1, 1/2, 2/3, 3/4, envelope 1, 3/4, 3/4, 3/4.
    hits = [1, 0, 1, 1]
    assert ap(hits, 4, "auc") == pytest.approx((1 + (1 / 2 + 2 / 3) / 2) / 4)
    assert ap(hits, 4, "int") == pytest.approx((1 + (3 / 4 + 3 / 4) / 2) / 4)


@pytest.mark.parametrize("found", range(1, 11))
def test_recall_that_equals_a_level(found):
    """All detections right, so that AP x 11 counts the levels reached: level 0 and ``found`` others, or one less."""
    lost = {"tenths": {3, 6, 7}, "linspace": {3}, "exact": set()}
    for rule, levels in lost.items():
        expected = found + 1 - (found in levels)
        assert ap([1] * found, 10, rule) * 11 == pytest.approx(expected), rule


def test_unknown_rule():
    with pytest.raises(ValueError, match="unknown average-precision rule 'voc': use one of tenths, linspace"):
        ap([1], 1, "voc")


@given(flags, st.integers(0, 20), st.sampled_from(RULES))
def test_range(hits, missed, rule):
    value = ap(hits, sum(hits) + missed, rule)
    assert math.isnan(value) if sum(hits) + missed == 0 else 0 <= value <= 1 + 1e-12


@given(flags, st.integers(1, 20), st.sampled_from(RULES))
def test_wrong_detections_at_the_end_change_nothing(hits, missed, rule):
    n_truth = sum(hits) + missed
    assert ap([*hits, 0, 0, 0], n_truth, rule) == ap(hits, n_truth, rule)


@given(flags, st.integers(1, 20), st.sampled_from(RULES))
def test_one_more_wrong_detection_in_front_never_helps(hits, missed, rule):
    n_truth = sum(hits) + missed
    assert ap([0, *hits], n_truth, rule) <= ap(hits, n_truth, rule) + 1e-12


@given(flags, st.integers(1, 20))
def test_rules_differ_only_by_lost_levels(hits, missed):
    n_truth = sum(hits) + missed
    tenths, linspace, exact = (ap(hits, n_truth, rule) for rule in ("tenths", "linspace", "exact"))
    assert tenths <= linspace + 1e-12 <= exact + 2e-12


@given(flags, st.integers(1, 20))
def test_against_the_definition(hits, missed):
    """Maximum precision over all ranks whose recall reaches the level, level by level in integers."""
    n_truth = sum(hits) + missed
    found = np.cumsum(hits) if hits else np.zeros(0, dtype=int)
    total = 0.0
    for level in range(11):
        reached = [found[i] / (i + 1) for i in range(len(hits)) if 10 * found[i] >= level * n_truth]
        total += max(reached, default=0.0)
    assert ap(hits, n_truth, "exact") == pytest.approx(total / 11, abs=1e-12)
