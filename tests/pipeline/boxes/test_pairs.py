"""Columns of pairs by hand: two images of different sizes, with the pairs of the second behind those of the first."""

import numpy as np
import torch

from models.instances import collate
from pipeline.boxes import pairs

HUMAN, HORSE, CUP = 0, 17, 41
FIRST = (
    torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.25, 0.5, 1.0, 1.0], [0.5, 0.0, 0.75, 0.5]]),
    torch.tensor([0.8, 0.5, 0.25]),
    torch.tensor([HUMAN, HORSE, CUP]),
)
SECOND = (torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.9, 0.9]]), torch.ones(2), torch.tensor([HUMAN, HORSE]))


def test_every_pair_has_its_image_its_object_the_product_of_scores_and_boxes_in_pixels() -> None:
    found = pairs.columns(collate([FIRST, SECOND]), [30, 20], {20: (10, 100), 30: (100, 200)})
    assert found["image_id"].tolist() == [30, 30, 20]
    assert found["object_id"].tolist() == [HORSE, CUP, HORSE]
    np.testing.assert_allclose(found["prior"], [0.4, 0.2, 1.0], rtol=1e-6)
    boxes = np.stack([found[f"{side}{corner}"] for side in "ho" for corner in ("x1", "y1", "x2", "y2")], axis=1)
    wanted = [
        [0, 0, 50, 200, 25, 100, 100, 200],
        [0, 0, 50, 200, 50, 0, 75, 100],
        [1, 20, 3, 40, 5, 50, 9, 90],
    ]
    np.testing.assert_allclose(boxes, wanted, rtol=1e-6)


def test_a_union_holds_both_boxes_in_whole_pixels() -> None:
    assert pairs.unions(collate([SECOND]), (10, 99)) == [(1, 19, 10, 90)]
    assert pairs.unions(collate([FIRST]), (100, 200)) == [(0, 0, 101, 201), (0, 0, 76, 201)]


def test_a_union_is_two_pixels_wide_at_least() -> None:
    point = (torch.tensor([[0.5, 0.5, 0.5, 0.5]] * 2), torch.ones(2), torch.tensor([HUMAN, HORSE]))
    assert pairs.unions(collate([point]), (10, 10)) == [(5, 5, 7, 7)]


def test_an_image_without_an_object_has_no_pair() -> None:
    alone = (torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), torch.tensor([HUMAN]))
    assert pairs.unions(collate([alone]), (10, 10)) == []
    assert all(len(values) == 0 for values in pairs.columns(collate([alone]), [4], {4: (10, 10)}).values())
