"""One Prefect server for all tests of a session; what they run there and read back."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from forked_prefect import Forks
from served_prefect import PASSWORD, Served, client

from flows.server import following, local, processes
from flows.server.api import Api

# What Prefect has left to send when the tests' server is gone must not start a server of its own at exit.
os.environ["PREFECT_SERVER_EPHEMERAL_ENABLED"] = "false"
LOG_SECONDS = 0.2
"""How often a run sends its log: Prefect's two seconds are waited for by every test that reads one."""


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """The server of which processes of Prefect are forks."""
    with tempfile.TemporaryDirectory() as folder:  # the name of a socket has to be short
        server = Forks(Path(folder))
        yield server
        server.stop()


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
        PREFECT_LOGGING_TO_API_BATCH_INTERVAL,
        temporary_settings,
    )

    known = {PREFECT_API_URL: served.api.url, PREFECT_API_AUTH_STRING: PASSWORD, PREFECT_HOME: served.home}
    known[PREFECT_LOGGING_TO_API_BATCH_INTERVAL] = LOG_SECONDS
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
def deployed(api: Api, forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Api:
    """`prefect deploy --all --no-prompt` on a fresh server, once its pools are there. Their runs are forks."""
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    template["variables"]["properties"]["command"]["default"] = shlex.join(forks.command("prefect.engine"))
    for pool in local.POOLS:
        api.post("/work_pools/", {"name": pool, "type": "process", "base_job_template": template})
    environment = client(tmp_path_factory.mktemp("deploy"), api)
    command = forks.command("prefect", "deploy", "--all", "--no-prompt")
    done = subprocess.run(command, cwd=local.ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return api


class Shell:
    """`prefect ...` and workers against the test's server, with stand-in stages; all of them are forks."""

    def __init__(self, api: Api, forks: Forks, fake: Any, folder: Path) -> None:
        self.api, self.forks, self.fake = api, forks, fake
        self.home = folder / "home"
        self.environment = client(self.home, api, fake.environment())
        self.environment["PREFECT_LOGGING_TO_API_BATCH_INTERVAL"] = str(LOG_SECONDS)

    def prefect(self, *words: str, code: int = 0) -> str:
        """Run a command to its end."""
        command = self.forks.command("prefect", *words)
        done = subprocess.run(
            command, env=self.environment, cwd=local.ROOT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def ask(self, deployment: str, *settings: str, flow: str = "ezhoi", **parameters: Any) -> str:
        """Ask for a run of a deployment, on the stand-ins' store, and return its id."""
        given = {"overrides": [*self.fake.settings, *settings]} | parameters
        return following.trigger(self.api, flow=flow, deployment=deployment, parameters=given)

    def execute(self, run: str, **more: str) -> subprocess.Popen[bytes]:
        """The process of a run, as a worker starts it."""
        return self._begin(self.forks.command("prefect.engine"), PREFECT__FLOW_RUN_ID=run, **more)

    def work(self, pool: str) -> None:
        """Execute in this process what the pool has for a worker, from the folder and with the parameters of its deployment."""
        from prefect.flow_engine import load_flow_and_flow_run, run_flow

        for found in self.api.post(f"/work_pools/{pool}/get_scheduled_flow_runs", {}):
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir("/")
                patch.setenv("EZHOI_HOME", str(self.home))
                patch.setenv("PREFECT__FLOW_RUN_ID", found["flow_run"]["id"])
                run, flow = load_flow_and_flow_run(UUID(found["flow_run"]["id"]))
                run_flow(flow, flow_run=run, return_type="state")

    def worker(self, pool: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a worker that runs until it is ended."""
        words = ["worker", "start", "--pool", pool, "--type", "process", "--name", f"{pool}-{time.monotonic_ns()}"]
        return self._begin(self.forks.command("prefect", *words), **more)

    def _begin(self, command: list[str], **more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=self.environment | more,
            cwd=local.ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def stop(self, *begun: subprocess.Popen[bytes]) -> None:
        """End processes, whatever they are doing."""
        for process in begun:
            if (leader := processes.identify(process.pid)) is not None:
                processes.stop(leader, patience=15)
            process.wait()

    def overrides(self, *more: str) -> str:
        """The value of the parameter `overrides`, with the stand-ins' store."""
        return json.dumps([*self.fake.settings, *more])

    def ended(self, run: str, seconds: float = 240) -> following.RunState:
        """The run, once it has ended and its tasks, which reach the server through events, have too."""
        deadline = time.monotonic() + seconds
        while not ((seen := following.look(self.api, run)).final and all(task.final for task in seen.tasks)):
            assert time.monotonic() < deadline, f"{seen.name} did not end"
            time.sleep(0.2)
        return seen


@pytest.fixture
def shell(deployed: Api, forks: Forks, fake: Any, tmp_path: Path) -> Shell:
    return Shell(deployed, forks, fake, tmp_path)


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
        for _ in range(150):
            lines = [line["message"] for line in self.api.post("/logs/filter", asked)]
            if any(line.startswith(until) for line in lines):
                break
            time.sleep(LOG_SECONDS)
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
    """Makes a recorder of stand-ins, or of the real stages under some settings; EZHOI_HOME is the caller's business."""
    return lambda made: Recorded(api, SimpleNamespace(settings=made) if isinstance(made, list) else made)
