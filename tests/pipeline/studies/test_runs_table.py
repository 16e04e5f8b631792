"""Runs as a table."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from pipeline.errors import ConfigError
from pipeline.store import runs
from pipeline.store.runs import RunRecord
from pipeline.studies import runs_table
from pipeline.studies.runs_table import Number


def record(minute: int, unseen: float | None, *, state: str = "completed", **known: object) -> RunRecord:
    profile = str(known.pop("profile", "demo"))
    made = runs.new(profile, **({"setting": "uv", "seed": 0, "deployment": "full"} | known))
    made.started_at = dt.datetime(2026, 1, 31, 12, minute, tzinfo=dt.UTC).isoformat()
    made.id = f"20260131T12{minute:02d}00-{minute:06x}"
    made.state = state
    if unseen is not None:
        made.stages = {"evaluation": f"e{minute}"}
        made.metrics = {"full": 50.0, "seen": 51.0, "unseen": unseen, "untrained_unseen": 1.0}
        made.protocol = "official"
    made.seconds = 60.0
    return made


STEPS = {"utpl.steps": "9", "seen.epochs": "3"}
RUNS = [
    record(0, 20.0, changed={"seen.epochs": "3"}),
    record(1, 26.0, changed={"seen.epochs": "3"}, seed=1),
    record(2, 30.0, changed=STEPS),
    record(3, None, state="failed", changed=STEPS, setting="rf_uc"),
]


def test_only_what_differs_among_the_rows_has_a_column() -> None:
    rows = runs_table.table(RUNS)
    assert [row.newest.id[-1] for row in rows] == ["3", "2", "1", "0"], "the newest first"
    assert [row.asked for row in rows] == [{"utpl.steps": v} for v in ("9", "9", "–", "–")]
    assert runs_table.unchanged(rows) == {"seen.epochs": "3"}
    cells = rows[0].cells()
    assert (cells["unseen"], cells["state"], cells["took"], cells["setting"]) == ("–", "failed", "60 s", "rf_uc")


def test_runs_of_two_profiles_say_which() -> None:
    both = [record(0, 20.0, profile="hico-vitb"), record(1, 26.0)]
    for seeds in (False, True):
        assert [row.cells()["profile"] for row in runs_table.table(both, seeds=seeds)] == ["demo", "hico-vitb"]
    assert "profile" not in runs_table.table(both[:1])[0].cells(), "of one profile no column is needed"


def test_seeds_are_folded_into_mean_and_deviation() -> None:
    rows = runs_table.table(RUNS, seeds=True, sort="unseen")
    assert [len(row.runs) for row in rows] == [1, 2], "30 before 23, and nothing of the run that failed"
    assert rows[0].metrics["unseen"] == Number(30.0)
    assert rows[1].metrics["unseen"].mean == 23.0 and rows[1].metrics["unseen"].deviation == pytest.approx(18**0.5)
    assert (rows[1].cells()["seed"], rows[1].cells()["unseen"]) == ("0,1", "23.00 ± 4.24")


def test_of_a_seed_that_ran_twice_the_newest_counts() -> None:
    (row,) = runs_table.table([*RUNS[:2], record(9, 28.0, changed={"seen.epochs": "3"}, seed=1)], seeds=True)
    assert row.metrics["unseen"].mean == 24.0


@pytest.mark.parametrize(
    ("filters", "minutes"),
    [
        (["setting=uv"], [2, 1, 0]),
        (["seed=1"], [1]),
        (["utpl.steps=9", "state=completed"], [2]),
        (["setting=uv", "seed=7"], []),
    ],
)
def test_filters_are_met_all(filters: list[str], minutes: list[int]) -> None:
    assert [int(r.newest.started_at[14:16]) for r in runs_table.table(RUNS, filters=filters)] == minutes


def test_the_last_are_the_newest_and_what_lacks_a_value_comes_last() -> None:
    assert [r.newest.id[-1] for r in runs_table.table(RUNS, last=2, sort="unseen")] == ["2", "3"]
    assert [r.newest.id[-1] for r in runs_table.table(RUNS, sort="unseen")] == ["2", "1", "0", "3"]


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of when, full"):
        runs_table.table(RUNS, sort="map")
    for text in ("unheard=1", "setting"):
        with pytest.raises(ConfigError, match="expected key=value, the key one of by, profile"):
            runs_table.table(RUNS, filters=[text])


def test_a_run_whose_process_is_gone_is_killed() -> None:
    gone = record(5, None, state="running")
    assert gone.process is not None
    gone.process = dataclasses.replace(gone.process, start="never")
    assert runs_table.table([gone])[0].cells()["state"] == "killed"
    assert runs_table.table([gone], filters=["state=killed"])


def test_what_folding_leaves_out_is_told() -> None:
    again = record(9, 28.0, changed={"seen.epochs": "3"}, seed=1)
    unevaluated = record(8, None)
    every = [*RUNS, unevaluated, again]
    rows = runs_table.table(every, seeds=True)
    assert (
        runs_table.left_out(every, rows)
        == "1 failed, 1 without an evaluation, 1 that a later run of the same seed repeats"
    )
    assert runs_table.left_out(RUNS[:3], runs_table.table(RUNS[:3], seeds=True)) == ""


def test_runs_of_other_texts_in_a_file_of_one_name_are_no_repetition() -> None:
    edited = [record(minute, 20.0 + minute, changed={"descriptions.edits": "edits.yaml"}) for minute in (0, 1)]
    for each, texts in zip(edited, ("a" * 32, "b" * 32), strict=True):
        each.stages["descriptions"] = texts
    for seeds in (False, True):
        rows = runs_table.table(edited, seeds=seeds)
        assert sorted(row.asked["descriptions"] for row in rows) == ["a" * 12, "b" * 12]
    edited[1].stages["descriptions"] = "a" * 32
    (row,) = runs_table.table(edited, seeds=True)
    assert row.repeats == 1 and row.asked == {}


@pytest.mark.parametrize("before", ["a" * 32, ""], ids=["another version", "a record of an early version"])
def test_runs_that_were_made_of_something_else_are_no_repetition(before: str) -> None:
    some = [record(minute, 20.0 + minute, seed=minute, made_of="b" * 32) for minute in (0, 1)]
    assert runs_table.table(some, seeds=True)[0].metrics["unseen"].mean == 20.5
    some[0].made_of = before
    rows = runs_table.table(some, seeds=True)
    assert [row.cells()["made of"] for row in rows] == ["b" * 12, before[:12] or "not recorded"]
    assert [row.metrics["unseen"].mean for row in rows] == [21.0, 20.0]
    killed = record(2, None, state="failed")
    assert "made of" not in runs_table.table([some[1], killed])[0].cells(), (
        "it was never evaluated, so it tells nothing"
    )


def test_a_record_that_does_not_tell_its_settings_makes_no_columns() -> None:
    early = record(7, None, setting="", changed={})
    rows = runs_table.table([*RUNS[:2], early])
    assert rows[0].asked == {} and runs_table.unchanged(rows) == {"seen.epochs": "3"}


def test_a_filter_says_which_runs_it_cannot_judge() -> None:
    """Records hold what differs from the profile, so a run may have the value without saying it."""
    some = [
        r.model_copy(update={"changed": changed}) for r, changed in zip(RUNS, ({"seen.epochs": "3"}, {}), strict=False)
    ]
    (line,) = runs_table.unrecorded(some, ["seen.epochs=12", "seed=0"])
    assert line.startswith("1 of 2 runs are left out whatever their profile says of seen.epochs") and "'12'" in line
    assert runs_table.unrecorded(some[:1], ["seen.epochs=3"]) == []
