"""The run that another run is compared with."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from pipeline.errors import StoreError
from pipeline.store import runs
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store


def saved(store: Store, minute: int, *, evaluation: str = "", state: str = "completed", **known: object) -> RunRecord:
    record = runs.new("demo", **({"setting": "uv", "seed": 0} | known))
    record.started_at = dt.datetime(2026, 1, 31, 12, minute, tzinfo=dt.UTC).isoformat()
    record.id = f"20260131T12{minute:02d}00-{minute:06x}"
    record.stages = {"evaluation": evaluation or f"e{minute}"}
    record.state = state
    record.save(store)
    return record


def test_the_run_that_differs_in_the_fewest_settings_is_the_relative(tmp_path: Path) -> None:
    store = Store(tmp_path)
    base = saved(store, 0, deployment="full")
    far = saved(store, 1, seed=5, changed={"utpl.steps": "9", "seen.epochs": "3"})
    mine = saved(store, 2, changed={"disparities.template": "contrast-v2"}, deployment="utpl")
    assert runs.distance(base, mine) == 1 and runs.distance(far, mine) == 4
    assert runs.relative(store, mine) == base, "whatever deployment made it, and though another one is later"
    again = saved(store, 3, changed={"disparities.template": "contrast-v2"})
    assert runs.relative(store, again) == mine, "the texts behind a key may differ"
    assert runs.relative(store, again, other_than=mine.stages["evaluation"]) == base


def test_of_equals_the_latest_and_none_of_what_cannot_be_compared(tmp_path: Path) -> None:
    store = Store(tmp_path)
    saved(store, 0)
    later = saved(store, 1)
    saved(store, 2, setting="rf_uc")
    saved(store, 3, state="failed")
    part = saved(store, 4)
    part.stages = {"seen": "f00"}
    part.save(store)
    mine = saved(store, 5, seed=1)
    assert runs.relative(store, mine) == later
    saved(store, 6, seed=1)
    assert runs.relative(store, mine) == later, "what came afterwards is no relative"
    assert runs.relative(store, saved(store, 7, setting="uo")) is None


def test_a_run_is_found_by_the_start_of_its_id(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second = saved(store, 0, flow_run="abc"), saved(store, 1)
    assert (
        runs.find(store, "20260131T1200") == first == runs.find(store, "abc") and runs.find(store, second.id) == second
    )
    with pytest.raises(StoreError, match="2 runs that begin with 2026"):
        runs.find(store, "2026")
    for nothing in ("", "f00"):
        with pytest.raises(StoreError, match="has no run"):
            runs.find(store, nothing)


def test_what_a_run_is_called() -> None:
    record = runs.new("demo", deployment="utpl", setting="uv", seed=5, changed={"disparities.template": "contrast-v2"})
    assert record.name == "utpl · uv · seed 5 · disparities.template=contrast-v2"
    assert runs.new("hico-vitb", setting="uv", seed=0).name == "run · hico-vitb · uv · seed 0"
    assert RunRecord(id=record.id, profile="demo", started_at=record.started_at).name == "run · ?", (
        "of an earlier version"
    )
