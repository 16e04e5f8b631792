"""Weights of images: equal to evaluating a data set in which images are really repeated or left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics.average_precision import LINSPACE, TENTHS
from pipeline.metrics.evaluation import Judged, per_class
from pipeline.metrics.resampling import Resampled, needed

RULES = ("exact", "tenths", "linspace", "all_points")
CLASSES = np.arange(4)


def judged(seed):
    """Random ranked detections of four classes in five images; class 3 may have no annotation."""
    generator = np.random.default_rng(seed)
    n, m = int(generator.integers(0, 40)), int(generator.integers(1, 30))
    hoi, score = generator.integers(0, 4, n), generator.permutation(n) / max(n, 1)
    order = np.lexsort((-score, hoi))
    truth_hoi = generator.integers(0, 3, m)
    hit = generator.random(n) < 0.4
    # No class may have more true positives than annotations.
    for c in range(4):
        mine = np.flatnonzero(hit[order] & (hoi[order] == c))
        hit[order[mine[(truth_hoi == c).sum() :]]] = False
    return Judged(
        row=order,
        image=generator.integers(0, 5, n)[order],
        hoi=hoi[order],
        score=score[order],
        hit=hit[order],
        truth_image=generator.integers(0, 5, m),
        truth_hoi=truth_hoi,
    )


def repeated(source, weights):
    """The same with every row of an image as often as its weight says, copies side by side."""
    rows = np.repeat(np.arange(len(source.hoi)), weights[source.image])
    truth = np.repeat(np.arange(len(source.truth_hoi)), weights[source.truth_image])
    return Judged(
        row=rows,
        image=source.image[rows],
        hoi=source.hoi[rows],
        score=source.score[rows],
        hit=source.hit[rows],
        truth_image=source.truth_image[truth],
        truth_hoi=source.truth_hoi[truth],
    )


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 3), min_size=5, max_size=5), st.sampled_from(RULES))
def test_weights_equal_repetition(seed, weights, rule):
    source, weights = judged(seed), np.array(weights)
    fast = Resampled(source, classes=CLASSES, rule=rule).average_precision(weights)
    slow = per_class(repeated(source, weights), classes=CLASSES, rule=rule)["ap"].to_numpy()
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-12)


def test_the_number_needed_is_the_first_whose_float_recall_reaches_the_level():
    n_truth = np.arange(1, 400)
    for rule, levels in (("tenths", TENTHS), ("linspace", LINSPACE)):
        found = needed(n_truth, rule)
        for n, row in zip(n_truth.tolist(), found.tolist(), strict=True):
            for level, count in zip(levels.tolist(), row, strict=True):
                assert count / n >= level and (count == 0 or (count - 1) / n < level)
    assert needed(np.array([10]), "exact").tolist() == [list(range(11))]


def test_rules_without_a_weighted_meaning_are_refused():
    with pytest.raises(ValueError, match="rule 'auc' leaves out"):
        Resampled(judged(0), classes=CLASSES, rule="auc")
