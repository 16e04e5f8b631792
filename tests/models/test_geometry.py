"""The 18 numbers of two boxes, computed by hand."""

import math

import pytest
import torch

from models.geometry import NUMBERS, geometry, with_logarithms

SIZE = torch.tensor([[100.0, 200.0]])
HUMAN, OBJECT = [10.0, 20.0, 30.0, 100.0], [20.0, 80.0, 60.0, 100.0]
WANTED = {
    "centres": [20 / 100, 60 / 200, 40 / 100, 90 / 200],
    "extents": [20 / 100, 80 / 200, 40 / 100, 20 / 200],
    "areas": [1600 / 20000, 800 / 20000],
    "ratio": [800 / 1600],
    "aspects": [20 / 80, 40 / 20],
    "overlap": [(10 * 20) / (1600 + 800 - 200)],
    "right, left, below, above": [20 / 20, 0, 30 / 80, 0],
}


def of(human: list[float], thing: list[float]) -> torch.Tensor:
    return geometry(torch.tensor([human]), torch.tensor([thing]), SIZE)


def test_the_numbers_by_hand() -> None:
    wanted = [number for numbers in WANTED.values() for number in numbers]
    assert len(wanted) == NUMBERS
    torch.testing.assert_close(of(HUMAN, OBJECT), torch.tensor([wanted]))


def test_an_object_to_the_left_and_above() -> None:
    found = of(OBJECT, HUMAN)[0, -4:].tolist()
    assert found == pytest.approx([0, 20 / 40, 0, 30 / 20])


def test_boxes_apart_do_not_overlap_and_boxes_without_extent_are_finite() -> None:
    assert of([0, 0, 10, 10], [50, 50, 60, 60])[0, 13] == 0
    assert of([5, 5, 5, 5], [5, 5, 5, 5]).isfinite().all()
    assert with_logarithms(of([5, 5, 5, 5], [0, 0, 9, 9])).isfinite().all()


def test_logarithms_follow_the_numbers() -> None:
    found = with_logarithms(of(HUMAN, OBJECT))[0]
    assert found.shape == (36,)
    assert found[18].item() == pytest.approx(math.log(0.2)) and found[-1].item() == pytest.approx(math.log(1e-10))


def test_a_picture_of_twice_the_size_has_the_same_numbers() -> None:
    twice = geometry(2 * torch.tensor([HUMAN]), 2 * torch.tensor([OBJECT]), 2 * SIZE)
    torch.testing.assert_close(twice, of(HUMAN, OBJECT))
