"""Boxes in pixels, in fractions, and of images of another size."""

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.outside import pixels

BOXES = np.array([[10.0, 20, 60, 150], [0, 0, 640, 480], [-4, -4, 655, 490]])
SIZE = np.array([[640.0, 480]] * 3)


def test_boxes_in_pixels_may_be_a_little_outside():
    pixels.demand(BOXES, SIZE, table="d")
    pixels.demand(BOXES, None, table="d")
    pixels.demand(BOXES[:0], SIZE[:0], table="d")


def test_fractions_are_named():
    for size in (SIZE, None):
        with pytest.raises(DataError, match=r"d row 0: box \[0\.0156, 0\.0417, .*are fractions of their images"):
            pixels.demand(BOXES / np.array([640, 480, 640, 480]), size, table="d")


def test_boxes_of_resized_images_are_named_with_both_sizes():
    with pytest.raises(
        DataError, match=r"d row 1: box \[0\.0, 0\.0, 800\.0, 600\.0\] leaves .* 640 x 480 pixels, as do 2 of 3"
    ):
        pixels.demand(BOXES * 1.25, SIZE, table="d")


def test_few_boxes_outside_and_sizes_that_are_not_known_are_no_reason():
    many, sizes = np.repeat(BOXES[:1], 9, axis=0), np.repeat(SIZE[:1], 10, axis=0)
    pixels.demand(np.vstack([many, [[0, 0, 9000, 9000]]]), sizes, table="d")
    for unknown in (0.0, np.nan):
        pixels.demand(BOXES * 9, np.full((3, 2), unknown), table="d")


def test_a_box_that_is_in_no_picture_is_named():
    for far in (-1e5 - 1, 1e300):
        with pytest.raises(DataError, match=r"d row 1: box .* is in no picture"):
            pixels.demand(np.vstack([BOXES[:1], [[min(far, 0), 0, max(far, 1), 10]]]), None, table="d")


def test_boxes_of_shrunk_images_are_a_warning(caplog):
    edges = np.random.default_rng(0).uniform(0, 1, (200, 2, 2))
    edges.sort(axis=1)
    boxes, size = (edges * [640, 480]).reshape(200, 4), np.repeat(SIZE[:1], 200, axis=0)
    for sound in ((boxes, size), (boxes[:199] * 0.5, size[:199]), (boxes * 0.5, None), (boxes * 0.5, size * 0)):
        pixels.demand(*sound, table="d,")
    assert caplog.messages == []
    pixels.demand(boxes * 0.5, size, table="d,")
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("d, of 200 boxes none reaches beyond 0.50 of its image's width or height")
    pixels.demand(boxes * [1, 0.5, 1, 0.5], size, table="d,")  # they fill the width
    assert len(caplog.messages) == 1


def test_boxes_in_percent_are_a_warning(caplog):
    edges = np.random.default_rng(0).uniform(0, 100, (200, 2, 2))
    edges.sort(axis=1)
    pixels.demand(edges.reshape(200, 4), np.repeat(SIZE[:1], 200, axis=0), table="d,")
    (said,) = caplog.messages
    assert "are they in percent of their images, or those of images that were shrunk? Then multiply x" in said
