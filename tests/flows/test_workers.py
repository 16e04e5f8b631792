"""Two runs of one deployment at once, on one disk and over an object store: no artifact is computed twice."""

from __future__ import annotations

import collections
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.server import following
from pipeline.engine.graph import NAMES
from pipeline.store.opening import store_of

pytestmark = pytest.mark.slow
WAITS = "descriptions waits for run "


@pytest.mark.parametrize("kind", ["folder", "objects"])
def test_two_runs_at_once_compute_each_artifact_once(kind: str, request: Any, fake: Any, tmp_path: Path) -> None:
    """With an object store the two share nothing but its address and the server's: each has a cache of its own."""
    if kind == "objects":
        request.getfixturevalue("gate")
    shell = request.getfixturevalue("shell")
    root = f"s3://bucket/{tmp_path.name}" if kind == "objects" else str(fake.root)
    runs = [shell.ask("full", f"store.root={root}", f"store.cache={tmp_path / name}") for name in ("one", "other")]
    processes = [shell.execute(run, EZHOI_FAKE_GATE=f"descriptions:{tmp_path / 'open'}") for run in runs]
    try:
        deadline = time.monotonic() + 240
        _until(deadline, lambda: any(line.startswith(WAITS) for line in _log(shell.api, runs)))
        (tmp_path / "open").write_text("")
        assert [process.wait(240) for process in processes] == [0, 0]
    finally:
        shell.stop(*processes)
    ended = [following.look(shell.api, run) for run in runs]
    assert [run.state for run in ended] == ["Completed", "Completed"], [run.message for run in ended]
    logs = [fake.root / ".ran"] if kind == "folder" else list(tmp_path.glob("*/*/.ran"))
    executed = collections.Counter(name for log in logs for name in log.read_text().split())
    assert executed == collections.Counter(NAMES)
    (line,) = [line for line in _log(shell.api, runs) if line.startswith(WAITS)]
    assert re.search(r" of full \(process \d+ on .*, at it since \d{4}-.* UTC\)$", line)
    waits = {"flow_run_id": {"any_": runs}, "key": {"any_": ["ezhoi-waiting"]}}
    pages = [page["description"] for page in shell.api.post("/artifacts/filter", {"artifacts": waits})]
    assert [page for page in pages if re.fullmatch(r"over after .{1,9}: " + re.escape(line), page)]


def _log(api: Any, runs: list[str]) -> list[str]:
    asked = {"logs": {"flow_run_id": {"any_": runs}}, "sort": "TIMESTAMP_ASC"}
    return [line["message"] for line in api.post("/logs/filter", asked)]


def _ended(api: Any, runs: list[str], deadline: float) -> list[following.RunState]:
    """The runs when all of them have ended, as they were then: Prefect lets a run that crashed or was cancelled go on."""
    seen: list[following.RunState] = []

    def look() -> bool:
        seen[:] = [following.look(api, run) for run in runs]
        return all(run.final for run in seen)

    _until(deadline, look)
    return seen


def _until(deadline: float, condition: Callable[[], bool]) -> None:
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.5)


@pytest.mark.parametrize("kind", ["folder", "objects"])
def test_the_workers_of_a_pool_share_an_image_stage(kind: str, request: Any, fake: Any, tmp_path: Path) -> None:
    """One run is asked for. It has the other worker help; what both made is published once, whole.

    The server counts workers of earlier tests as there for a while, so more help may be asked for than there is.
    """
    if kind == "objects":
        request.getfixturevalue("gate")
    shell = request.getfixturevalue("shell")
    root = f"s3://bucket/{tmp_path.name}" if kind == "objects" else str(fake.root)
    overrides = [f"clip.weights={fake.weights}", f"store.root={root}", f"store.cache={tmp_path / 'cache'}"]
    pool = "/work_pools/ezhoi-gpu/workers/filter"
    before = {w["id"] for w in shell.api.post(pool, {}) or []}
    (meeting := tmp_path / "meeting").mkdir()
    shards = {"EZHOI_FAKE_SHARDS": "image_embeddings:12", "EZHOI_FAKE_MEET": str(meeting)}
    workers = [shell.worker("ezhoi-gpu", **shards) for _ in range(2)]
    try:
        deadline = time.monotonic() + 240
        _until(deadline, lambda: len({w["id"] for w in shell.api.post(pool, {})} - before) == 2)
        run = following.trigger(shell.api, deployment="embed", parameters={"overrides": overrides})
        (ended,) = _ended(shell.api, [run], deadline)
        assert ended.state == "Completed", ended.message
        helping = {"flows": {"name": {"any_": ["ezhoi-share"]}}, "sort": "EXPECTED_START_TIME_DESC"}
        found = shell.api.post("/flow_runs/filter", helping)  # runs on other stores may have the same name
        asked = [h["id"] for h in found if f"store.root={root}" in h["parameters"].get("overrides", [])]
        helped = _ended(shell.api, asked, deadline)
    finally:
        shell.stop(*workers)
    turned_away = (
        "Failed to submit flow run"  # by a server that was too busy for Prefect's worker; the run needs no helper
    )
    assert {h.state for h in helped if turned_away not in h.message} <= {"Completed", "Cancelled"}
    made = re.findall(r"(\d+) shards of image_embeddings made here", " ".join(h.message for h in helped))
    assert 0 < sum(map(int, made)) < 12
    store = store_of(fake.config(*overrides[1:]))
    (embeddings,) = store.artifacts("image_embeddings")
    assert len([f for f in embeddings.manifest.files if f.name.startswith("train-0")]) == 12
    assert store.faults(embeddings, rehash=True) == []
