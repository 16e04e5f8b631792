"""Boxes that come from outside: what is left out is counted, what is no box is an error."""

from typing import Any

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.predict.boxes import Boxes
from tests.pipeline.predict.bundles import VOCABULARY

BOX = [10.0, 20.0, 30.0, 60.0]


def test_labels_are_names_or_ids_and_unknown_names_are_counted() -> None:
    found = Boxes.of(VOCABULARY, [BOX] * 5, [0.1, 0.2, 0.3, 0.4, 0.5], ["Person", 2, "fork-lift", "horse", "fork-lift"])
    assert found.objects.tolist() == [0, 2, 1] and found.left_out == {"fork-lift": 2}
    assert np.allclose(found.scores, [0.1, 0.2, 0.4]) and found.corners.tolist() == [BOX] * 3
    assert len(Boxes.of(VOCABULARY, [], [], [])) == 0


@pytest.mark.parametrize(
    ("corners", "scores", "labels", "says"),
    [
        ([BOX, [30, 20, 10, 60]], [0.5, 0.5], ["dog", "dog"], "mine, row 1: .*needs x1 < x2"),
        ([[10, 20, np.nan, 60]], [0.5], ["dog"], "mine, row 0: .*finite corners"),
        ([BOX], [1.5], ["dog"], "a score in 0 to 1"),
        ([BOX], [0.5], [4], "object id 4 is none of 0 to 3"),
        ([BOX], [0.5], [1.7], "object id 1.7 is none of 0 to 3"),
        ([BOX], [0.5], [True], "object id True is none of 0 to 3"),
        ([BOX], [0.5], [np.nan], "object id nan is none of 0 to 3"),
        ([BOX], [0.5], ["dog", "dog"], "do not fit together"),
        ([BOX[:3]], [0.5], ["dog"], "do not fit together"),
    ],
)
def test_what_is_no_box_is_an_error(corners: Any, scores: Any, labels: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Boxes.of(VOCABULARY, corners, scores, labels, what="mine")


def test_boxes_outside_of_the_picture_are_left_out_and_counted() -> None:
    corners = [BOX, [-5, -5, 1, 1], [-5, -5, 0, 1], [100, 0, 120, 10], [99, 49, 300, 300]]
    found = Boxes.of(VOCABULARY, corners, [0.5] * 5, ["dog"] * 4 + ["horse"])
    inside = found.inside((100, 50))
    assert inside.corners.tolist() == [corners[0], corners[1], corners[4]] and inside.objects.tolist() == [2, 2, 1]
    assert inside.left_out == {"outside of the picture": 2}
    assert found.inside((1000, 1000)).left_out == {"outside of the picture": 1}


def test_a_box_far_larger_than_its_picture_is_left_out() -> None:
    """Its features would be read from a grid as large as the box: a single one took minutes."""
    corners = [[0, 0, 10, 10], [-1e9, 0, 10, 10], [0, 0, 10, 1e30], [-300, 0, 600, 40]]
    found = Boxes.of(VOCABULARY, corners, [1.0] * 4, ["person"] * 4).inside((100, 50))
    assert found.corners.tolist() == [corners[0], corners[3]]
    assert found.left_out == {"far larger than the picture": 2}
