"""Records of runs."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.engine.graph import stage
from pipeline.engine.run import Run
from pipeline.machine import processes
from pipeline.store import runs
from pipeline.store.artifact import Artifact
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store

ID = "20260131T120000-0a1b2c"
OLD = {
    "id": ID,
    "profile": "demo",
    "started_at": "2026-01-31T12:00:00+00:00",
    "stages": {"seen": "0a" * 16},
    "hits": [],
    "state": "completed",
    "deployment": "",
    "flow_run": "",
}
"""A record as earlier versions wrote it."""


def annotated(run: Run) -> Artifact:
    """The annotations, made in a run that has got that far."""
    run.step(stage("vocabulary"))
    return run.step(stage("annotations")).artifact


def put(store: Store, content: Any, name: str = f"{ID}.json") -> None:
    store.write_record(name, content if isinstance(content, str) else json.dumps(content))


def test_a_record_comes_back(tmp_path: Path) -> None:
    store, new = Store(tmp_path), runs.new("demo")
    new.stages["seen"] = "f00"
    new.save(store)
    assert runs.records(store) == [new]


def test_records_of_earlier_and_later_versions_are_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, OLD | {"later": {"a": 1}, "process": {"pid": 1, "start": "2", "boot": "3", "later": 4}})
    (record,) = runs.records(store)
    assert (record.id, record.stages, record.machine) == (ID, {"seen": "0a" * 16}, "") and not record.running()


WRONG: list[Any] = [
    "{",
    "\0\0",
    "[]",
    "[" * 100_000,
    OLD | {"started_at": 5},
    OLD | {"started_at": "yesterday"},
    OLD | {"stages": 6},
    OLD | {"stages": {"seen": {"fingerprint": "0a"}}},
    OLD | {"stages": {"seen": "../other"}},
    OLD | {"stages": {"..": "f00"}},
    OLD | {"id": "/home/me"},
    OLD | {"id": "../../me"},
    OLD | {"id": "20260131T120000-ffffff"},
    OLD | {"state": None},
    {"other": 1},
]


def test_a_table_beside_the_records_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, {"design": 1}, "ablation-0123456789ab.json")
    assert runs.read(store) == ([], [])


def test_a_store_that_cannot_be_written_costs_the_record_only(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    runs.new("demo").save(Store(tmp_path / "store"))


def record_of(state: str, *, here: bool = True, pid: int | None = None, days: float = 0.0) -> RunRecord:
    record = runs.new("demo")
    record.state = state
    now = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    record.started_at = record.saved_at = now.isoformat()
    if not here:
        record.machine = "elsewhere"
    if pid is not None:
        record.process = processes.Process(pid, "1", "2")
    return record


def test_what_counts_as_running() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    living = record_of("running")
    living.process = processes.identify(child.pid)
    assert living.running()
    child.communicate(b"\n", timeout=60)
    assert not living.running(), "its process ended"
    mine = record_of("running", days=30)
    assert mine.running(), "however long it takes"
    assert not record_of("completed").running() and not record_of("failed").running()
    assert not record_of("running", pid=1).running(), "the id was given to another process since"
    assert record_of("running", here=False, days=6.9).running()
    assert not record_of("running", here=False, days=7.1).running()
    early = RunRecord(**OLD | {"state": "running", "started_at": dt.datetime.now().isoformat()})
    assert early.running(), "of an earlier version, which did not say where it is"
    assert not RunRecord(**OLD | {"state": "running"}).running()


def test_a_run_sweeps_what_a_killed_one_left(fake: Any) -> None:
    gone = fake.root / ".work" / "f00.gone-0a1b2c3d"
    gone.mkdir(parents=True)
    Run(fake.config(), Store(fake.root))
    assert not gone.exists()
