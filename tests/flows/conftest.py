"""One Prefect server for all tests of a session; what they run there and read back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from served_prefect import PASSWORD, Served, client

from flows.server import following, local, processes
from flows.server.api import Api

# What Prefect has left to send when the tests' server is gone must not start a server of its own at exit.
os.environ["PREFECT_SERVER_EPHEMERAL_ENABLED"] = "false"


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A Prefect server for the test; flows of this process are recorded there."""
    served = Served(tmp_path_factory.mktemp("served"))
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        temporary_settings,
    )

    known = {PREFECT_API_URL: served.api.url, PREFECT_API_AUTH_STRING: PASSWORD, PREFECT_HOME: served.home}
    with temporary_settings(known | {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield served.api
        # What is still queued has to be sent while there is a server: at exit it would be complaints.
        APILogWorker.drain_all()
        EventsWorker.drain_all()
    served.stop()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server that the test may kill."""
    server = Served(tmp_path / "served")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def deployed(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Api:
    """`prefect deploy --all --no-prompt` on a fresh server, once its pools are there."""
    for pool in local.POOLS:
        api.post("/work_pools/", {"name": pool, "type": "process"})
    environment = client(tmp_path_factory.mktemp("deploy"), api)
    command = [sys.executable, "-m", "prefect", "deploy", "--all", "--no-prompt"]
    done = subprocess.run(command, cwd=local.ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return api


class Shell:
    """`prefect ...` and workers against the test's server, with stand-in stages."""

    def __init__(self, api: Api, fake: Any, folder: Path) -> None:
        self.api, self.fake = api, fake
        self.home = folder / "home"
        self.environment = client(self.home, api, fake.environment())

    def prefect(self, *words: str, code: int = 0) -> str:
        """Run a command to its end."""
        command = [sys.executable, "-m", "prefect", *words]
        done = subprocess.run(
            command, env=self.environment, cwd=local.ROOT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def work(self, pool: str) -> None:
        """A worker that executes what is scheduled and ends."""
        self.prefect("worker", "start", "--pool", pool, "--type", "process", "--run-once")

    def worker(self, pool: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a worker that runs until it is ended."""
        words = ["worker", "start", "--pool", pool, "--type", "process", "--name", f"{pool}-{time.monotonic_ns()}"]
        command = [sys.executable, "-m", "prefect", *words]
        return subprocess.Popen(
            command,
            env=self.environment | more,
            cwd=local.ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def stop(self, *workers: subprocess.Popen[bytes]) -> None:
        """End the workers, whatever they are doing."""
        for worker in workers:
            if (leader := processes.identify(worker.pid)) is not None:
                processes.stop(leader, patience=15)
            worker.wait()

    def overrides(self, *more: str) -> str:
        """The value of the parameter `overrides`, with the stand-ins' store."""
        return json.dumps([*self.fake.settings, *more])

    def newest(self) -> following.RunState:
        """The run that was asked for last, once its tasks, which reach the server through events, stand still."""
        last = following.look(self.api, following.newest_run(self.api))
        for _ in range(30):
            time.sleep(1)
            seen = following.look(self.api, last.id)
            if seen == last and all(task.final for task in seen.tasks):
                break
            last = seen
        return last


@pytest.fixture
def shell(deployed: Api, fake: Any, tmp_path: Path) -> Shell:
    return Shell(deployed, fake, tmp_path)


class Recorded:
    """Runs the flow in this process and reads back what the server knows of the run."""

    def __init__(self, api: Api, fake: Any) -> None:
        self.api, self.fake = api, fake
        self.state: Any = None
        self.id = ""

    def run(self, *settings: str, **options: Any) -> dict[str, str]:
        """{stage: name of its task's state}"""
        from flows.ezhoi import ezhoi

        self.state = ezhoi(overrides=[*self.fake.settings, *settings], return_state=True, **options)
        self.id = str(self.state.state_details.flow_run_id)
        return {t["name"]: t["state_name"] for t in self.tasks()}

    def tasks(self) -> list[dict[str, Any]]:
        """The run's task runs; they reach the server through events, a moment after the run."""
        return settled(lambda: self.api.post("/task_runs/filter", {"flow_runs": {"id": {"any_": [self.id]}}}))

    def log(self, until: str) -> list[str]:
        """The run's log, once it has a line that begins so: lines reach the server in bunches."""
        asked = {"logs": {"flow_run_id": {"any_": [self.id]}}, "sort": "TIMESTAMP_ASC"}
        lines: list[str] = []
        for _ in range(60):
            lines = [line["message"] for line in self.api.post("/logs/filter", asked)]
            if any(line.startswith(until) for line in lines):
                break
            time.sleep(0.5)
        return lines

    def artifacts(self, kind: str = "markdown") -> list[dict[str, Any]]:
        """The artifacts of a type that a run published."""
        chosen = {"flow_run_id": {"any_": [self.id]}, "type": {"any_": [kind]}}
        found: list[dict[str, Any]] = self.api.post("/artifacts/filter", {"artifacts": chosen})
        return found


def settled(look: Any) -> list[dict[str, Any]]:
    """Task runs once all of them are final and their number stands still."""
    last: list[dict[str, Any]] = []
    for _ in range(60):
        time.sleep(0.25)
        found = look()
        if found and len(found) == len(last) and all(t["state_type"] not in ("PENDING", "RUNNING") for t in found):
            return list(found)
        last = found
    return last


@pytest.fixture
def recorded(api: Api, fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """A recorder with stand-in stages and a home of its own."""
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "home"))
    return Recorded(api, fake)


@pytest.fixture(scope="session")
def make_recorder(api: Api) -> Any:
    """Makes a recorder of the real stages under some settings; EZHOI_HOME is the caller's business."""
    return lambda settings: Recorded(api, SimpleNamespace(settings=settings))
