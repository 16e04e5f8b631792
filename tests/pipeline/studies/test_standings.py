"""Which setting won, by how much, and whether the seeds can tell."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.store.runs import RunRecord
from pipeline.studies import runs_table
from pipeline.studies.standings import HEADS, standings


def record(place: int, unseen: float, **known: Any) -> RunRecord:
    made = RunRecord.asking(
        "demo", **({"setting": "uv", "seed": 0, "protocol": "official", "state": "completed"} | known)
    )
    made.id = f"20260131T120000-{place:06x}"
    made.stages, made.metrics = {"evaluation": f"e{place}"}, {"unseen": unseen, "seen": 100 - unseen}
    return made


def of(values: dict[str, tuple[float, ...]], first: int = 0, **known: Any) -> list[RunRecord]:
    """{utpl.steps: unseen mAP of seeds 0, 1, ...}"""
    return [
        record(first + 10 * place + seed, value, seed=seed, changed={"utpl.steps": steps}, **known)
        for place, (steps, own) in enumerate(values.items())
        for seed, value in enumerate(own)
    ]


def told(records: list[RunRecord], metric: str = "unseen") -> dict[str, tuple[str, str]]:
    """{utpl.steps: (difference, worth)} in order."""
    rows = runs_table.table(records, sort=metric, seeds=True)
    cells = [standing.cells() for standing in standings(rows, metric)]
    return {row.newest.changed["utpl.steps"]: (c[HEADS[0]], c[HEADS[1]]) for row, c in zip(rows, cells, strict=True)}


def test_a_difference_that_every_seed_shows_is_told_and_one_that_differs_by_seed_is_not() -> None:
    # Of -2, -2.1 and -1.9 the deviation is 0.1, so the interval is 4.303 * 0.1 / sqrt(3) = 0.248 wide either way.
    found = told(of({"9": (20.0, 30.0, 25.0), "5": (18.0, 27.9, 23.1), "7": (21.0, 27.0, 26.0)}))
    assert found == {
        "9": ("best", ""),
        "7": ("-0.33 [-6.07, +5.40]", "no, 3 seeds cannot"),
        "5": ("-2.00 [-2.25, -1.75]", "yes, by 3 seeds"),
    }


def test_one_common_seed_tells_nothing_and_none_less() -> None:
    records = [*of({"9": (20.0, 30.0), "5": (19.0,)}), record(99, 18.0, seed=7, changed={"utpl.steps": "3"})]
    assert told(records) == {
        "9": ("best", ""),
        "5": ("-1.00", "one seed tells nothing"),
        "3": ("–", "no seed in common"),
    }


def test_equal_runs_are_the_same() -> None:
    found = told(of({"5": (20.0, 21.0), "9": (20.0, 21.0)}))
    assert sorted(found.values()) == [("+0.00", "the same"), ("best", "")]


def test_only_runs_of_one_setting_and_protocol_compare_and_stand_together() -> None:
    records = of({"9": (20.0,), "5": (10.0,)}) + of({"8": (15.0,), "4": (5.0,)}, 50, setting="uo")
    assert list(told(records)) == ["8", "4", "9", "5"]
    assert [value[0] for value in told(records).values()] == ["best", "-10.00", "best", "-10.00"]
    other = of({"9": (20.0,)}) + of({"5": (10.0,)}, 50, protocol="upt")
    assert [value[0] for value in told(other).values()] == ["best", "best"]


def test_the_best_is_that_of_the_metric() -> None:
    found = told(of({"9": (20.0,), "5": (10.0,)}), "seen")
    assert found == {"5": ("best", ""), "9": ("-10.00", "one seed tells nothing")}


def test_as_json() -> None:
    rows = runs_table.table(of({"9": (20.0, 30.0), "5": (19.0, 28.0)}), sort="unseen", seeds=True)
    best, other = (standing.as_json() for standing in standings(rows, "unseen"))
    assert best["best"] and other["difference"] == -1.5 and other["seeds"] == [0, 1]
    assert other["over_seeds"] == pytest.approx((-1.5 - 12.706 * 0.5, -1.5 + 12.706 * 0.5), abs=1e-3)
