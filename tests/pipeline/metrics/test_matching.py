"""Matching: hand-made cases and equality with the sequential loop of the official evaluator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics import matching
from pipeline.metrics.matching import Pairs, best_truth, match, rank
from pipeline.tables.boxes import iou

HUMAN = (0, 0, 10, 10)
OBJECT = (20, 0, 30, 10)


def pairs(*rows):
    """Pairs from (image, hoi, human box, object box)."""
    return Pairs(
        image=np.array([row[0] for row in rows], dtype=np.int64),
        hoi=np.array([row[1] for row in rows], dtype=np.int64),
        human=np.array([row[2] for row in rows], dtype=float).reshape(-1, 4),
        object=np.array([row[3] for row in rows], dtype=float).reshape(-1, 4),
    )


def loop(detections, truth, threshold, strict):
    """The official sequential rule, one detection after the other in rank order."""
    taken = [False] * len(truth)
    hits = []
    for d in range(len(detections)):
        best, highest = -1, -1.0
        for g in range(len(truth)):
            if truth.image[g] != detections.image[d] or truth.hoi[g] != detections.hoi[d]:
                continue
            human = float(iou(detections.human[d], truth.human[g]))
            overlap = min(human, float(iou(detections.object[d], truth.object[g])))
            if overlap > highest:
                best, highest = g, overlap
        passed = best >= 0 and (highest > threshold if strict else highest >= threshold)
        hits.append(passed and not taken[best])
        if passed:
            taken[best] = True
    return np.array(hits, dtype=bool)


def test_rank_is_class_then_score_then_image_then_row():
    detections = pairs(
        (7, 1, HUMAN, OBJECT),
        (5, 0, HUMAN, OBJECT),
        (9, 0, HUMAN, OBJECT),
        (5, 0, HUMAN, OBJECT),
        (1, 0, HUMAN, OBJECT),
    )
    assert rank(detections, np.array([0.9, 0.5, 0.8, 0.5, 0.5])).tolist() == [2, 4, 1, 3, 0]


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 3), st.sampled_from([-1.0, 0.0, 0.5, 0.7])), max_size=30))
def test_rank_is_a_total_order_by_its_definition(detected):
    detections = pairs(*((image, hoi, HUMAN, OBJECT) for image, hoi, _ in detected))
    scores = np.array([score for *_, score in detected])
    among_equals = {"image": lambda i: (detected[i][0], i), "row": lambda i: i, "row_reversed": lambda i: -i}
    for ties, key in among_equals.items():
        expected = sorted(range(len(detected)), key=lambda i, key=key: (detected[i][1], -scores[i], key(i)))
        assert rank(detections, scores, ties).tolist() == expected


def test_the_smaller_overlap_counts():
    detections = pairs((0, 0, HUMAN, (20, 0, 30, 4)))
    best, overlap = best_truth(detections, pairs((0, 0, HUMAN, OBJECT)))
    assert best.tolist() == [0]
    assert overlap.tolist() == [0.4]


def test_strict_and_lenient_at_the_threshold():
    detections, truth = pairs((0, 0, HUMAN, (20, 0, 30, 5))), pairs((0, 0, HUMAN, OBJECT))
    assert match(detections, truth, threshold=0.5, strict=False).tolist() == [True]
    assert match(detections, truth, threshold=0.5, strict=True).tolist() == [False]


def test_no_second_choice():
    moved = (0, 3, 10, 13)
    truth = pairs((0, 0, HUMAN, OBJECT), (0, 0, moved, OBJECT))
    detections = pairs((0, 0, HUMAN, OBJECT), (0, 0, (0, 1, 10, 11), OBJECT))
    assert iou(np.array(moved), detections.human[1]) > 0.5
    assert match(detections, truth, threshold=0.5, strict=False).tolist() == [True, False]


def test_first_of_equal_annotations():
    truth = pairs((0, 0, HUMAN, OBJECT), (0, 0, HUMAN, OBJECT))
    detections = pairs((0, 0, HUMAN, OBJECT), (0, 0, HUMAN, OBJECT))
    assert best_truth(detections, truth)[0].tolist() == [0, 0]
    assert match(detections, truth, threshold=0.5, strict=False).tolist() == [True, False]


def test_other_image_and_other_class_never_match():
    truth = pairs((3, 1, HUMAN, OBJECT))
    # Image 2 lies before, 4 behind every annotated image; class 0 and 2 beside the annotated class.
    detections = pairs(*[(image, hoi, HUMAN, OBJECT) for hoi in (0, 1, 2) for image in (2, 3, 4)])
    assert np.flatnonzero(match(detections, truth, threshold=0.5, strict=False)).tolist() == [4]


@pytest.mark.parametrize(("n", "m"), [(0, 2), (2, 0), (0, 0)])
def test_nothing_to_match(n, m):
    row = (0, 0, HUMAN, OBJECT)
    assert match(pairs(*[row] * n), pairs(*[row] * m), threshold=0.5, strict=False).tolist() == [False] * n


# Few places and sizes, so that equal boxes, equal overlaps and overlaps of exactly one half are common.
side = st.sampled_from([(0, 4), (0, 8), (2, 8), (4, 8), (1, 9)])
box = st.builds(lambda x, y: (x[0], y[0], x[1], y[1]), side, side)
row = st.tuples(st.sampled_from([-4, 0, 10**12]), st.integers(0, 1), box, box)
rows = st.lists(row, max_size=14)


@settings(max_examples=150)
@given(rows, rows, st.sampled_from([0.25, 0.5, 0.75]), st.booleans(), st.sampled_from([1, 3, 2_000_000]))
def test_equals_the_sequential_loop(detected, annotated, threshold, strict, at_once):
    detections, truth = pairs(*detected), pairs(*annotated)
    detections = detections.take(rank(detections, np.arange(len(detected), dtype=float) // 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "_CANDIDATES_AT_ONCE", at_once)
        found = match(detections, truth, threshold=threshold, strict=strict)
    np.testing.assert_array_equal(found, loop(detections, truth, threshold, strict))
