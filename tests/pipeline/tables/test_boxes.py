"""IoU: hand-computed values and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tables.boxes import iou

corner = st.integers(-50, 50)
side = st.integers(1, 60)
box = st.builds(lambda x, y, w, h: [x, y, x + w, y + h], corner, corner, side, side)
boxes = st.lists(box, min_size=1, max_size=6)


def pairwise(first, second):
    """IoU of every box of the first (n, 4) with every one of the second (m, 4): (n, m)."""
    return iou(np.asarray(first)[:, None, :], np.asarray(second)[None, :, :])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
        ([0, 0, 10, 10], [5, 0, 15, 10], 50 / 150),
        ([0, 0, 10, 10], [0, 0, 10, 5], 0.5),
        ([0, 0, 10, 10], [2, 2, 4, 4], 4 / 100),
        ([0, 0, 10, 10], [10, 0, 20, 10], 0.0),
        ([0, 0, 10, 10], [30, 30, 40, 40], 0.0),
        ([0, 0, 10, 10], [30, 0, 40, 10], 0.0),
        ([0.25, 0, 1.25, 1], [0.75, 0, 1.75, 1], 0.5 / 1.5),
    ],
)
def test_iou_by_hand(first, second, expected):
    assert iou(np.array(first), np.array(second)) == pytest.approx(expected, abs=1e-15)


def test_pairwise_shape_and_values():
    first = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], dtype=np.float32)
    second = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [90, 90, 91, 91]], dtype=np.float32)
    found = pairwise(first, second)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [[1, 1 / 3, 0], [0.5, 0.2, 0]])


def test_pairwise_of_nothing():
    assert pairwise(np.zeros((0, 4)), np.ones((3, 4))).shape == (0, 3)


@given(boxes, boxes)
def test_range_symmetry_and_rows(first, second):
    a, b = np.array(first), np.array(second)
    found = pairwise(a, b)
    assert found.shape == (len(a), len(b))
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_array_equal(found, pairwise(b, a).T)
    np.testing.assert_array_equal(found[0], iou(a[0], b))


@given(boxes)
def test_only_the_same_box_overlaps_fully(first):
    a = np.array(first)
    same = (a[:, None] == a[None]).all(axis=2)
    np.testing.assert_array_equal(pairwise(a, a) == 1, same)


@given(boxes, boxes, st.integers(-3, 3), corner)
def test_scaling_and_moving_change_nothing(first, second, exponent, shift):
    a, b = np.array(first, dtype=float), np.array(second, dtype=float)
    scale = 2.0**exponent
    np.testing.assert_array_equal(pairwise(a, b), pairwise(a * scale, b * scale))
    np.testing.assert_array_equal(pairwise(a, b), pairwise(a + shift, b + shift))


@given(box, box)
def test_counted_pixel_by_pixel(first, second):
    def cells(corners):
        x1, y1, x2, y2 = corners
        return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}

    common = len(cells(first) & cells(second))
    union = len(cells(first) | cells(second))
    assert iou(np.array(first), np.array(second)) == pytest.approx(common / union, abs=1e-15)
