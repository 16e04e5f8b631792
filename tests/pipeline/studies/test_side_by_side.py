"""Runs side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.engine.run import run
from pipeline.errors import ConfigError
from pipeline.store import runs
from pipeline.store.artifact import Artifact
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store
from pipeline.studies import side_by_side as room
from pipeline.studies.side_by_side import Curve, SideBySide, side_by_side

Publish = Callable[..., Artifact]


def record(place: int, **known: Any) -> RunRecord:
    made = RunRecord.asking("demo", **({"setting": "uv", "seed": 0, "state": "completed"} | known))
    made.id = f"20260131T12{place:02d}00-{place:06x}"
    return made


def classes(*aps: float | None) -> pd.DataFrame:
    return pd.DataFrame(
        {"name": ["hug horse", "ride horse", "pet cat"], "unseen": [True, False, False], "ap_adapted": aps}
    )


@pytest.fixture
def three(tmp_path: Path, publish: Publish) -> SideBySide:
    """Two evaluations of which B is better at one class, and a run without one; A and B share their training."""
    store = Store(tmp_path)
    publish(store, "evaluation", "e0", {"classes.parquet": classes(0.25, 0.5, None)})
    publish(store, "evaluation", "e1", {"classes.parquet": classes(0.75, 0.5, 0.125)})
    for name, losses in {"s0": [4.0, 2.0, 1.0], "s1": [8.0]}.items():
        publish(store, "seen", name, {"history.parquet": pd.DataFrame({"loss": losses})})
    metrics = [{"full": 40.0, "unseen": 25.0}, {"full": 42.0, "unseen": 75.0}]
    return side_by_side(
        store,
        [
            record(0, stages={"seen": "s0", "evaluation": "e0"}, metrics=metrics[0]),
            record(1, stages={"seen": "s0", "evaluation": "e1"}, metrics=metrics[1], changed={"utpl.steps": "9"}),
            record(2, stages={"seen": "s1", "utpl": "gone"}, seed=1, changed={"utpl.steps": "9"}),
        ],
    )


def test_settings_that_differ_and_those_that_do_not(three: SideBySide) -> None:
    assert three.asked == {"seed": ("0", "0", "1"), "utpl.steps": (None, "9", "9")}
    assert three.alike == {"profile": "demo", "setting": "uv"}


def test_classes_that_moved_come_first(three: SideBySide) -> None:
    assert [(row.name, row.ap, row.moved) for row in three.classes] == [
        ("hug horse", (25.0, 75.0, None), 50.0),
        ("pet cat", (None, 12.5, None), 0.0),
        ("ride horse", (50.0, 50.0, None), 0.0),
    ]
    assert three.classes[0].gains == ((50.0, None), None) and three.classes[0].unseen


def test_a_shared_training_is_one_curve(three: SideBySide) -> None:
    shared = Curve("AB", (1.0, 2.0, 3.0), (4.0, 2.0, 1.0), 1)
    assert three.curves == {"seen": (shared, Curve("C", (1.0,), (8.0,), 1))}


def test_long_histories_are_means_of_equal_parts(
    tmp_path: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "POINTS", 2)
    store = Store(tmp_path)
    publish(store, "utpl", "u0", {"history.parquet": pd.DataFrame({"loss": [4.0, 2.0, 3.0, 9.0, 7.0]})})
    found = side_by_side(store, [record(0, stages={"utpl": "u0"}), record(1, stages={"utpl": "u0"})])
    assert found.curves == {"utpl": (Curve("AB", (2.0, 4.5), (3.0, 8.0), 3),)}


def test_what_is_gone_or_was_never_made_is_said(three: SideBySide) -> None:
    without = three.against[1]
    assert without.compared.why_no_interval == "C has no evaluation in the store" and not without.compared.gains
    assert three.columns[2].removed == ("utpl",) and three.columns[0].removed == ()


def test_numbers_stay_when_the_evaluation_was_removed(fake: Any) -> None:
    for settings in ((), ("utpl.steps=7",)):
        run(fake.config(*settings))
    store = Store(fake.root)
    first, second = runs.records(store)
    store.remove(store.find(f"evaluation/{second.stages['evaluation']}"))
    found = side_by_side(store, [first, second])
    (against,) = found.against
    assert (
        against.compared.gains["unseen"].difference == 0.0 and "B has no evaluation" in against.compared.why_no_interval
    )
    assert "utpl.steps: 60 -> 7" in against.causes.lines and found.columns[1].removed == ("evaluation",)


def test_other_settings_are_no_comparison_image_by_image(tmp_path: Path, publish: Publish) -> None:
    store = Store(tmp_path)
    for name in ("e0", "e1"):
        publish(store, "evaluation", name, {"classes.parquet": classes(0.25, 0.5, None)})
    metrics = {"unseen": 20.0}
    one, other = (
        record(k, stages={"evaluation": f"e{k}"}, metrics=metrics, setting=s) for k, s in enumerate(("uv", "uo"))
    )
    (against,) = side_by_side(store, [one, other]).against
    assert against.compared.why_no_interval == "A and B are of different settings, uv and uo"
    assert against.compared.gains["unseen"].interval is None


def test_an_early_record_without_metrics_has_those_of_its_evaluation(fake: Any) -> None:
    run(fake.config())
    run(fake.config("utpl.steps=7"))
    store = Store(fake.root)
    old, new = runs.records(store)
    old.metrics, old.setting, old.protocol = {}, "", ""
    found = side_by_side(store, [old, new])
    assert found.columns[0].metrics["unseen"] == 14.25 and found.asked["setting"] == (None, "rf_uc")
    assert found.against[0].compared.gains["unseen"].before == 14.25


def test_how_many_runs_can_be_compared(tmp_path: Path) -> None:
    some = [record(k) for k in range(7)]
    for chosen in (some[:1], some):
        with pytest.raises(ConfigError, match="expected 2 to 6"):
            side_by_side(Store(tmp_path), chosen)
    with pytest.raises(ConfigError, match="is named twice"):
        side_by_side(Store(tmp_path), [some[0], some[1], some[0]])
