"""One Prefect server for all tests of a session, on a database whose migrations were made once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.server import following, local, processes
from flows.server.api import Api

# What Prefect has left to send when the tests' server is gone must not start a server of its own at exit.
os.environ["PREFECT_SERVER_EPHEMERAL_ENABLED"] = "false"


def _environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    return kept | {
        "PREFECT_HOME": str(home),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def _database(home: Path, environment: dict[str, str]) -> None:
    """Migrations take half a minute, so a migrated file is kept for the next session."""
    import prefect

    template = Path(tempfile.gettempdir()) / f"ezhoi-tests-{os.getuid()}" / f"prefect-{prefect.__version__}.db"
    home.mkdir(parents=True, exist_ok=True)
    if not template.exists():
        upgrade = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        subprocess.run(upgrade, env=environment, check=True, stdout=subprocess.DEVNULL)
        connection = sqlite3.connect(home / "prefect.db")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        template.parent.mkdir(parents=True, exist_ok=True)
        part = template.with_suffix(f".{os.getpid()}")
        shutil.copy(home / "prefect.db", part)
        part.replace(template)
    shutil.copy(template, home / "prefect.db")


class Served:
    """A Prefect server on a free port of this machine, with a database of its own; can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = _environment(home)
        _database(home, self.environment)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.api = Api(f"http://127.0.0.1:{self.port}/api")
        self.environment["PREFECT_SERVER_UI_API_URL"] = self.api.url
        self.start()

    def start(self) -> None:
        words = ["server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        command = [sys.executable, "-m", "prefect", *words]
        self.process = subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 180
        while not self.api.healthy():
            assert self.process.poll() is None and time.monotonic() < deadline, "the test server did not start"
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL: the process that was started, and the one that it serves with."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server of its own; flows of this process are recorded there."""
    served = Served(tmp_path_factory.mktemp("prefect"))
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_HOME, temporary_settings

    with temporary_settings(
        {PREFECT_API_URL: served.api.url, PREFECT_HOME: served.home, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    ):
        yield served.api
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
    environment = local.environment(tmp_path_factory.mktemp("deploy"), 0) | {"PREFECT_API_URL": api.url}
    command = [sys.executable, "-m", "prefect", "deploy", "--all", "--no-prompt"]
    done = subprocess.run(command, cwd=local.ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return api


class Shell:
    """`prefect ...` and workers against the test's server, with stand-in stages."""

    def __init__(self, api: Api, fake: Any, folder: Path) -> None:
        self.api, self.fake = api, fake
        self.home = folder / "home"
        base = local.environment(self.home, 0, fake.environment())
        self.environment = base | {"PREFECT_API_URL": api.url}

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
        """A worker that goes on."""
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
        """End workers, whatever they are at."""
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

    def artifacts(self, kind: str = "markdown") -> list[dict[str, Any]]:
        """The run's artifacts of a type."""
        chosen = {"flow_run_id": {"any_": [self.id]}, "type": {"any_": [kind]}}
        found: list[dict[str, Any]] = self.api.post("/artifacts/filter", {"artifacts": chosen})
        return found


def settled(look: Any) -> list[dict[str, Any]]:
    """Task runs once all of them are final and their number stands still."""
    last: list[dict[str, Any]] = []
    for _ in range(60):
        found = look()
        if found and len(found) == len(last) and all(t["state_type"] not in ("PENDING", "RUNNING") for t in found):
            return list(found)
        last = found
        time.sleep(0.25)
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
