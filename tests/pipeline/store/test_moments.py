"""The order of moments, where some lie ahead or are none."""

from __future__ import annotations

import datetime as dt

import pytest

from pipeline.store import moments


def test_the_newest_is_the_last_that_has_been() -> None:
    texts = [
        "2099-01-01T00:00:00+00:00",
        "2026-01-01T12:00:00+02:00",
        "2026-01-01T11:00:00+00:00",
        "2026-01-01T09:59:59.5",
    ]
    assert sorted(texts, key=moments.order) == [texts[0], texts[3], texts[1], texts[2]]


@pytest.mark.parametrize("hours", [0, 14])
def test_clocks_may_be_apart_by_a_time_zone(hours: int) -> None:
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)
    assert moments.known(moment.isoformat()) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026", "9999-12-31T23:59:59-14:00", "2099-01-01"])
def test_of_others_nothing_is_known(text: str) -> None:
    assert moments.known(text) is None and moments.order(text) == (False, text)
