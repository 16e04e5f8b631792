"""The order in which machines take shards."""

from __future__ import annotations

import random

import pytest

from pipeline.work import shards
from pipeline.work.claims import order
from pipeline.work.work import Place

PLAN = shards.plan({"train": range(12), "test": range(12, 20)}, size=1)
NUMBERS = {shard.name: number for number, shard in enumerate(PLAN)}


def numbers(place: Place | None) -> list[int]:
    return [NUMBERS[shard.name] for shard in order(PLAN, place)]


def test_one_machine_goes_through_them_in_order() -> None:
    assert numbers(Place()) == list(range(20))


@pytest.mark.parametrize(
    ("place", "own"),
    [
        (Place(0, 3), [0, 3, 6, 9, 12, 15, 18]),
        (Place(1, 3), [1, 4, 7, 10, 13, 16, 19]),
        (Place(25, 30), []),
        (None, []),
    ],
)
def test_each_begins_with_its_own_and_has_them_all(place: Place | None, own: list[int]) -> None:
    assert numbers(place)[: len(own)] == own
    assert sorted(numbers(place)) == list(range(20))


def test_what_is_not_ones_own_comes_in_another_order_each_time() -> None:
    random.seed(0)
    first = numbers(Place(1, 3))[7:]
    random.seed(0)
    assert numbers(Place(1, 3))[7:] != first, "whatever seed the stage has set"
