"""Records of runs."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Any

from old_records import ID, OLD, put

from pipeline.engine.run import Run
from pipeline.machine import processes
from pipeline.store import runs
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store


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
