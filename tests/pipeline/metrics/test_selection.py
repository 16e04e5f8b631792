"""Top-k of each image and pair NMS: by hand, and against the sequential rule."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics.matching import Pairs
from pipeline.metrics.protocols import PairNms
from pipeline.metrics.selection import best_of_each_image, without_duplicates
from pipeline.tables.boxes import iou


def pairs(image, hoi, corners):
    boxes = np.asarray(corners, dtype=float).reshape(-1, 2, 4)
    return Pairs(
        image=np.asarray(image, dtype=np.int64),
        hoi=np.asarray(hoi, dtype=np.int64),
        human=boxes[:, 0],
        object=boxes[:, 1],
    )


SAME = [0, 0, 10, 10, 20, 0, 30, 10]


def test_the_best_of_each_image():
    found = pairs([7, 7, 7, 2], [0, 1, 0, 0], [SAME] * 4)
    scores = np.array([0.2, 0.9, 0.2, 0.1])
    assert best_of_each_image(found, scores, 1).tolist() == [False, True, False, True]
    # Of equal scores the first row stays.
    assert best_of_each_image(found, scores, 2).tolist() == [True, True, False, True]
    assert best_of_each_image(found, scores, 3).all()


def test_nms_by_hand():
    half = [0, 0, 10, 5, 20, 0, 30, 10]  # human IoU 0.5, object IoU 1
    found = pairs([1, 1, 1, 2], [0, 0, 1, 0], [SAME, half, half, SAME])
    scores = np.array([0.5, 0.9, 0.1, 0.1])
    # Only rows 0 and 1 share image and class; the better one stays if 0.5 ** power exceeds the threshold.
    assert without_duplicates(found, scores, PairNms(threshold=0.49)).tolist() == [False, True, True, True]
    assert without_duplicates(found, scores, PairNms(threshold=0.5)).all()
    assert without_duplicates(found, scores, PairNms(threshold=0.5, human_power=0.9)).tolist()[0] is False


def loop(found, scores, nms):
    """Greedy, one pair after the other."""
    kept = []
    for i in np.lexsort((np.arange(len(scores)), -scores)):
        overlaps = (
            iou(found.human[i], found.human[j]) ** nms.human_power
            * iou(found.object[i], found.object[j]) ** nms.object_power
            for j in kept
            if found.image[i] == found.image[j] and found.hoi[i] == found.hoi[j]
        )
        if all(overlap <= nms.threshold for overlap in overlaps):
            kept.append(i)
    return np.isin(np.arange(len(scores)), kept)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_nms_equals_the_sequential_rule(seed, n):
    generator = np.random.default_rng(seed)
    corners = generator.integers(0, 6, (n, 2, 2))
    boxes = np.concatenate([corners, corners + generator.integers(4, 10, (n, 2, 2))], axis=2)
    found = pairs(generator.integers(0, 2, n), generator.integers(0, 2, n), boxes)
    scores = generator.integers(0, 6, n) / 5
    nms = PairNms(threshold=0.4)
    assert without_duplicates(found, scores, nms).tolist() == loop(found, scores, nms).tolist()
