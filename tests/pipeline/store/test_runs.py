"""Records of runs."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from old_records import ID, OLD, put

from pipeline.engine.run import Run
from pipeline.errors import StoreError
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


def test_a_store_that_cannot_be_written_costs_the_record_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "store").write_text("")
    record = runs.new("demo")
    record.save(Store(tmp_path / "store"))
    assert f"run {record.id} leaves no record" in caplog.text


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


def test_a_run_is_found_by_its_start_and_the_newest_by_that_word(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for minute in (1, 2):
        name = f"20260131T120{minute}00-00000{minute}"
        put(store, OLD | {"id": name, "started_at": f"2026-01-31T12:0{minute}:00"}, f"{name}.json")
    assert runs.find(store, "newest").id == "20260131T120200-000002" == runs.find(store, "20260131T1202").id
    for reference, message in (("2026", "has 2 runs"), ("", "has no run"), ("2027", "has no run")):
        with pytest.raises(StoreError, match=message):
            runs.find(store, reference)


def test_a_damaged_record_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_record(f"{ID}.json", "{")
    (line,) = runs.read(store)[1]
    assert f"{ID}.json: Invalid JSON" in line and ": :" not in line
    with pytest.raises(StoreError, match="the record of the run cannot be read"):
        runs.find(store, ID[:10])


@pytest.mark.parametrize(("was", "now"), [("12.25", "99.25"), ("0a0a0a", "0a0b0a"), ("completed", "failed")])
def test_a_record_that_was_edited_is_named_and_is_no_run(was: str, now: str, tmp_path: Path) -> None:
    """A digit of its result or of an artifact that it names is not seen otherwise, and `gc` would take that artifact."""
    store, record = Store(tmp_path), RunRecord(**OLD, metrics={"unseen": 12.25}, changed={"data.root": "Straße"})
    record.save(store)
    assert runs.read(store) == ([record], [])
    path = tmp_path / ".runs" / f"{ID}.json"
    path.write_text(path.read_text().replace(was, now, 1))
    found, (line,) = runs.read(store)
    assert not found and line.endswith(f"{ID}.json: it is not as it was written: it was damaged or edited")


@pytest.mark.parametrize(
    ("key", "number"),
    [
        *(("metrics.unseen", number) for number in ("NaN", "Infinity", "-5", "1e308", "null", '"x"')),
        *(("seconds", number) for number in ("NaN", "Infinity", "-5")),
    ],
)
def test_a_record_with_numbers_that_mean_nothing_is_named_and_is_no_run(key: str, number: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = json.dumps(OLD | {"id": ID, "metrics": {"unseen": 5.5}, "seconds": 7.5})
    store.write_record(f"{ID}.json", record)
    assert len(runs.records(store)) == 1
    store.write_record(f"{ID}.json", record.replace("7.5" if key == "seconds" else "5.5", number))
    found, (line,) = runs.read(store)
    assert not found and f"{ID}.json: {key}" in line
