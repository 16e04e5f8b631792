"""The numbers of two boxes, by hand, and what must hold of them for any boxes."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.geometry import NUMBERS, encoding, numbers

HUMAN = (0.1, 0.2, 0.5, 1.0)
THING = (0.3, 0.1, 0.7, 0.3)
BY_HAND = [
    *(0.3, 0.6, 0.5, 0.2),
    *(0.4, 0.8, 0.4, 0.2),
    *(0.32, 0.08),
    0.25,
    *(0.5, 2.0),
    0.02 / 0.38,  # 0.2 x 0.1 in common, 0.32 + 0.08 - 0.02 together
    *(0.5, 0.0, 0.0, 0.5),  # half a width to the right, half a height above
]


def boxes(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows)


def test_two_boxes_by_hand() -> None:
    torch.testing.assert_close(numbers(boxes(HUMAN), boxes(THING))[0], torch.tensor(BY_HAND), atol=1e-6, rtol=1e-5)


def test_the_encoding_is_the_numbers_and_their_logarithms() -> None:
    found = encoding(boxes(HUMAN), boxes(THING))[0]
    assert found.shape == (2 * NUMBERS,)
    by_hand = torch.tensor(BY_HAND + [math.log(x + 1e-10) for x in BY_HAND])
    torch.testing.assert_close(found, by_hand, atol=2e-5, rtol=1e-4)


def test_the_sides_are_told_apart() -> None:
    """Left of, and below, are columns of their own: exchanging the boxes moves the distance to the other sign."""
    found = numbers(boxes(THING), boxes(HUMAN))[0]
    torch.testing.assert_close(found[14:], torch.tensor([0.0, 0.5, 2.0, 0.0]), atol=1e-6, rtol=1e-5)


def test_equal_and_distant_boxes() -> None:
    far = (0.8, 0.8, 0.9, 0.9)
    overlap = numbers(boxes(HUMAN, HUMAN), boxes(HUMAN, far))[:, 13]
    torch.testing.assert_close(overlap, torch.tensor([1.0, 0.0]))


@given(st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 8), min_size=1, max_size=5))
def test_any_boxes_are_finite_numbers(rows: list[tuple[float, ...]]) -> None:
    """Empty boxes too; no number is negative."""
    both = torch.tensor(rows).reshape(-1, 2, 2, 2).sort(dim=2).values.flatten(2)
    plain = numbers(both[:, 0], both[:, 1])
    assert plain.shape == (len(rows), NUMBERS) and plain.isfinite().all() and (plain >= 0).all()
    assert encoding(both[:, 0], both[:, 1]).isfinite().all()


def test_no_pair_is_no_row() -> None:
    assert encoding(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0, 36)
