"""Columns of numbers that grow, and what is found in them, against lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import own_samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_samples import DATA, WORDS

from pipeline.datasets.own import annotated, columns, placed
from pipeline.datasets.own.columns import GrowingArray, GrowingIds, IdColumn, IdIndex, packed
from pipeline.outside import json_rows, streaming

numbers = st.integers(0, 4) | st.integers(2**31 - 2, 2**31 + 2) | st.integers(2**62, 2**63 - 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(numbers | st.sampled_from([None, True, -3, 2.5, "7"]), max_size=5), max_size=5))
def test_ids_are_kept_as_they_are_written(batches: list[list[Any]]) -> None:
    ids = GrowingIds()
    for batch in batches:
        ids.add(batch)
    found, every = ids.take(), [value for batch in batches for value in batch]
    assert found.numbers.tolist() == [json_rows.whole(value) for value in every]
    assert [found.shown(place) for place in range(len(every))] == [repr(value) for value in every]
    assert len(found) == len(every)
    if any(value >= 2**31 for value in found.numbers.tolist()):
        assert found.numbers.dtype == np.int64


counted = st.integers(0, 3).map(lambda first: list(range(first, first + 4)))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(numbers | st.just(-1), max_size=8) | counted, st.lists(numbers | st.just(-1), max_size=8), st.booleans()
)
def test_places_are_those_of_the_first_bearer(known: list[int], wanted: list[int], in_order: bool) -> None:
    known = sorted(known) if in_order else known

    def narrow(values: list[int]) -> Any:
        if values and values[0] >= 0 and values == list(range(values[0], values[0] + len(values))):
            return range(values[0], values[0] + len(values))
        return np.array(values, dtype=np.int32 if max(values, default=0) < 2**31 else np.int64)

    found = IdIndex(IdColumn(narrow(known), {})).of(IdColumn(narrow(wanted), {}).numbers)
    assert found.tolist() == [known.index(value) if value in known and value >= 0 else -1 for value in wanted]


@pytest.mark.parametrize("first", [0, 7, 2**31 - 3, 2**40])
def test_ids_that_count_up_take_no_memory_until_one_does_not(first: int) -> None:
    ids = GrowingIds()
    for start in (first, first + 3):
        ids.add([start, start + 1, start + 2])
    assert (ids._counted, ids._numbers.count) == (range(first, first + 6), 0)
    ids.add([])
    ids.add([first + 6, first + 8])
    found = ids.take()
    assert found.first is None and found.numbers.tolist() == [*range(first, first + 7), first + 8]


def test_rows_grow_where_they_lie_and_are_packed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    grown = GrowingArray(np.float64, width=2)
    for start in range(0, 40, 8):
        grown.add(np.arange(start, start + 8, dtype=float).reshape(4, 2))
    found = grown.take()
    assert found.tolist() == np.arange(40.0).reshape(20, 2).tolist() and grown.count == 0
    monkeypatch.setattr(columns, "BLOCK", 3)
    used = np.array([0, 3, 4, 9, 10, 11, 19])
    wanted = found[used].tolist()
    less = packed(found, used)
    assert less.tolist() == wanted and np.shares_memory(less, found)


@pytest.mark.parametrize("part", ["good", "faulty"])
def test_pieces_of_any_size_tell_the_same(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DATA / "coco-rel" / part / "interactions.json"
    whole = annotated.read(path, vocabulary=WORDS, pictures=own_samples.pictures())
    monkeypatch.setattr(streaming, "BATCH", 2)
    for module in (columns, placed):
        monkeypatch.setattr(module, "BLOCK", 2)
    pieces = annotated.read(path, vocabulary=WORDS, pictures=own_samples.pictures())
    assert pieces.problems == whole.problems and pieces.counts == whole.counts
    for name in ("images", "boxes", "relations"):
        assert getattr(pieces.rows, name).equals(getattr(whole.rows, name))
