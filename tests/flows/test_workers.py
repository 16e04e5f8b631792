"""Two workers, two runs of one deployment at once: each artifact is computed once, on one disk and over an object store."""

from __future__ import annotations

import collections
import json
import time
from pathlib import Path
from typing import Any

import pytest

from flows import following, processes
from pipeline.graph import NAMES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["folder", "objects"])
def test_two_runs_at_once_compute_each_artifact_once(kind: str, request: Any, fake: Any, tmp_path: Path) -> None:
    """With an object store the two share nothing but its address and the server's: each has a cache of its own."""
    if kind == "objects":
        request.getfixturevalue("gate")
    shell = request.getfixturevalue("shell")
    root = f"s3://bucket/{tmp_path.name}" if kind == "objects" else str(fake.root)
    asked = [
        json.dumps([f"clip.weights={fake.weights}", f"store.root={root}", f"store.cache={tmp_path / name}"])
        for name in ("one", "other")
    ]
    workers = [shell.worker("ezhoi-gpu", EZHOI_FAKE_GATE=f"descriptions:{tmp_path / 'open'}") for _ in asked]
    try:
        runs = []
        for overrides in asked:
            parameters = {"overrides": json.loads(overrides)}
            runs.append(following.trigger(shell.api, deployment="full", parameters=parameters))
        deadline = time.monotonic() + 240
        # Both have come as far as the stage that one of them is at, so the other one waits for it.
        while not all(_reached(shell.api, run, "detections") for run in runs):
            assert time.monotonic() < deadline, [following.look(shell.api, run) for run in runs]
            time.sleep(0.5)
        time.sleep(2)
        (tmp_path / "open").write_text("")
        while not all(following.look(shell.api, run).final for run in runs):
            assert time.monotonic() < deadline, [following.look(shell.api, run) for run in runs]
            time.sleep(0.5)
    finally:
        for worker in workers:
            if (leader := processes.identify(worker.pid)) is not None:
                processes.stop(leader, patience=15)
            worker.wait()
    ended = [following.look(shell.api, run) for run in runs]
    assert [run.state for run in ended] == ["Completed", "Completed"], [run.message for run in ended]
    logs = [fake.root / ".ran"] if kind == "folder" else list(tmp_path.glob("*/*/.ran"))
    executed = collections.Counter(name for log in logs for name in log.read_text().split())
    assert executed == collections.Counter(NAMES)


def _reached(api: Any, run: str, stage: str) -> bool:
    return any(task.stage == stage and task.final for task in following.look(api, run).tasks)
