"""A memory of examples by hand: two pairs that are alike, two that are not, along the axes of three dimensions."""

import pytest
import torch
from torch import Tensor

from pipeline.predict.remembered import CROPS, LEAST_SPREAD, Remembered, learn
from pipeline.vocabulary.vocabulary import Object, Verb, hoi

VERBS = (Verb("ride", "riding"), Verb("groom", "grooming"))
CLASSES = (hoi(0, 1, 1, VERBS[1], Object("horse")),)


def looks(rows: Tensor) -> dict[str, Tensor]:
    """The same feature of a pair and of all its crops."""
    return dict.fromkeys(("fused", *CROPS), rows)


def memory(shown: list[list[bool]], *, weight: float = 1.0) -> Remembered:
    """Of pairs along x, along x, along y, along z, of which the first is remembered."""
    rows = torch.eye(3)[[0, 0, 1, 2]]
    chosen = torch.tensor([[True], [False], [False], [False]])
    text = torch.tensor([[1.0], [-1.0], [-2.0], [-4.0]])
    return learn(CLASSES, looks(rows), chosen=chosen, shown=torch.tensor(shown), text=text, scale=10.0, weight=weight)


def test_likeness_is_brought_to_the_texts_mean_and_spread_over_pairs_that_are_no_examples() -> None:
    found = memory([[True], [False], [False], [False]])
    # The others are 1, 0 and 0 alike, and their texts say -1, -2 and -4.
    assert found.middle.item() == pytest.approx(1 / 3) and found.level.item() == pytest.approx(-7 / 3)
    assert found.slope.item() == pytest.approx(torch.tensor([-1.0, -2, -4]).std(correction=0).item() / (2**0.5 / 3))


@pytest.mark.parametrize("weight", [0.0, 1.0, 4.0])
def test_it_counts_for_pairs_with_the_object_of_the_class_and_for_its_verb(weight: float) -> None:
    found = memory([[True], [False], [False], [False]], weight=weight)
    logits = torch.tensor([[0.5, 0.25], [0.5, 0.25]])
    mixed = found.mixed(logits, torch.tensor([1, 2]), looks(torch.eye(3)[[0, 0]]))
    told = found.slope * (1 - found.middle) + found.level
    assert mixed[0, 1].item() == pytest.approx((0.25 + weight * told.item()) / (1 + weight))
    mixed[0, 1] = 0.25
    assert torch.equal(mixed, logits), "another verb, and another object, score as before"
    assert torch.equal(found.mixed(logits, torch.tensor([2, 2]), looks(torch.eye(3)[[0, 0]])), logits)


def test_others_that_are_all_alike_have_the_least_spread() -> None:
    found = memory([[True], [True], [False], [False]])
    assert found.middle.item() == 0.0 and found.slope.item() == pytest.approx(1.0 / LEAST_SPREAD)


def test_where_every_pair_is_an_example_the_learned_scale_says_how_much_less_others_get() -> None:
    found = memory([[True]] * 4)
    assert (found.middle.item(), found.slope.item(), found.level.item()) == (1.0, 10.0, 1.0)
