"""One Prefect server for all tests of a session, on a database whose migrations were made once."""

from __future__ import annotations

import os
import shutil
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

from flows.api import Api


def _environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    return kept | {
        "PREFECT_HOME": str(home),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
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


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server of its own; flows of this process are recorded there."""
    home = tmp_path_factory.mktemp("prefect")
    environment = _environment(home)
    _database(home, environment)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = Api(f"http://127.0.0.1:{port}/api")
    deadline = time.monotonic() + 180
    while not found.healthy():
        assert server.poll() is None and time.monotonic() < deadline, "the test server did not start"
        time.sleep(0.1)
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_HOME, temporary_settings

    with temporary_settings({PREFECT_API_URL: found.url, PREFECT_HOME: home, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield found
    server.terminate()
    server.wait(30)


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


@pytest.fixture
def recorder(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a recorder of the real stages under some settings."""
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "home"))
    return lambda settings: Recorded(api, SimpleNamespace(settings=settings))
