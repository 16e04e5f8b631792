"""All that a store holds: a thousand runs, each thing read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from many_runs import fill

from pipeline.store import runs
from pipeline.store.artifact import Artifact
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store
from pipeline.studies import runs_table
from pipeline.studies.described import Text, described
from pipeline.studies.overview import nearest, overview

RUNS, KEPT, DAMAGED = 1000, 60, 3


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A thousand runs, after a clean-up that left the artifacts of the first sixty."""
    return fill(tmp_path_factory.mktemp("many"), RUNS, kept=KEPT, damaged=DAMAGED)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Counts how often the store is asked for each thing."""
    count: Counter[str] = Counter()

    def counting(name: str, real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            count[name] += 1
            return real(*args, **options)

        return call

    for owner, name in ((Store, "read"), (Store, "read_records"), (Store, "artifacts"), (Artifact, "table")):
        monkeypatch.setattr(owner, name, counting(name, getattr(owner, name)))
    yield count


def test_every_record_artifact_and_text_is_read_once(store: Store, counted: Counter[str]) -> None:
    found = overview(store)
    assert len(found.records) == RUNS and len(found.unreadable) == DAMAGED
    assert counted == {
        "read_records": 1,
        "artifacts": 1,
        "read": len(found.artifacts),
        "table": len(found.texts.versions),
    }
    assert len(found.texts.versions) == 3, "of the lexicon, and edits of runs 1 and 51"


def test_a_table_of_runs_asks_for_the_records_alone(store: Store, counted: Counter[str]) -> None:
    records, unreadable = runs.read(store)
    rows = runs_table.table(records, sort="unseen", seeds=True)
    assert counted == {"read_records": 1} and len(unreadable) == DAMAGED
    failed = sum(record.status == "failed" for record in records)
    repeats = RUNS - failed - sum(len(row.runs) for row in rows)
    assert (
        repeats
        and runs_table.left_out(records, rows)
        == f"{failed} failed, {repeats} that a later run of the same seed repeats"
    )


def test_the_nearest_run_is_that_which_a_run_is_compared_with(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    records = runs.records(store)
    near = nearest(records)
    monkeypatch.setattr(runs, "records", lambda store: records)
    for record in (r for r in records[::97] if r.complete):
        assert near.get(record.id) == runs.relative(store, record, other_than=record.stages["evaluation"])
    assert records[9].id not in near, "it failed"


def test_what_no_run_refers_to_is_told(tmp_path: Path, publish: Callable[..., Artifact]) -> None:
    store = Store(tmp_path)
    for name in ("e0", "e1"):
        publish(store, "evaluation", name, {"report.html": "x"})
    record = runs.new("demo")
    record.stages = {"evaluation": "e1"}
    record.save(store)
    assert [a.fingerprint for a in overview(store).without_run("evaluation")] == ["e0"]


def texts(*rows: tuple[str, str]) -> dict[str, pd.DataFrame | str]:
    table = pd.DataFrame({"name": [n for n, _ in rows], "text": [t for _, t in rows]}).assign(source="lexicon")
    return {"descriptions.parquet": table}


def test_the_texts_that_a_class_had_and_which_run_used_which(tmp_path: Path, publish: Callable[..., Artifact]) -> None:
    store = Store(tmp_path)
    a, b, c = ("hug cat", "Arms."), ("pet cat", "A hand."), ("hug cat", "Both arms.")
    made = [
        publish(store, "descriptions", name, texts(*rows))
        for name, rows in {"d0": (a, b), "d1": (c, b), "d2": (a, b)}.items()
    ]
    records = []
    for name in ("d0", "d2", "d1", "gone"):
        record = RunRecord.asking("demo", stages={"descriptions": name})
        record.id = f"20260131T120000-{len(records):06x}"
        records.append(record)
    found = described(made, records)
    assert [(v.number, v.fingerprints, [r.id[-1] for r in v.runs]) for v in found.versions] == [
        (1, ("d0", "d2"), ["0", "1"]),
        (2, ("d1",), ["2"]),
    ]
    assert found.classes is not None and list(found.classes) == ["hug cat", "pet cat"], "what changed comes first"
    assert found.classes["hug cat"] == (Text("Both arms.", "lexicon", (2,)), Text("Arms.", "lexicon", (1,)))
    assert found.classes["pet cat"] == (Text("A hand.", "lexicon", (1, 2)),)


def test_texts_that_cannot_be_read_are_named(tmp_path: Path, publish: Callable[..., Artifact]) -> None:
    made = [publish(Store(tmp_path), "descriptions", "d0", {"descriptions.parquet": pd.DataFrame({"a": [1]})})]
    found = described(made, [])
    assert found.versions == () and len(found.unreadable) == 1 and "descriptions.parquet" in found.unreadable[0]
