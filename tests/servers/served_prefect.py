"""The Prefect server of the tests: as `ezhoi up` starts it, on a database whose migrations were made once."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from flows.server import local
from flows.server.api import Api

PASSWORD = "ezhoi:of the tests"


def database(home: Path, environment: dict[str, str]) -> None:
    """Migrations take half a minute, so a migrated file is kept for the next session."""
    import prefect

    template = Path(tempfile.gettempdir()) / f"ezhoi-tests-{os.getuid()}" / f"prefect-{prefect.__version__}.db"
    home.mkdir(parents=True, exist_ok=True)
    template.parent.mkdir(parents=True, exist_ok=True)
    with template.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process of the tests makes it, and the others wait for it
        if not template.exists():
            upgrade = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
            subprocess.run(upgrade, env=environment, check=True, stdout=subprocess.DEVNULL)
            connection = sqlite3.connect(home / "prefect.db")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            part = template.with_suffix(f".{os.getpid()}")
            shutil.copy(home / "prefect.db", part)
            part.replace(template)
    shutil.copy(template, home / "prefect.db")


class Served:
    """The server as `ezhoi up` starts it, with a database of its own; can be killed and started again."""

    def __init__(self, folder: Path, password: str = PASSWORD) -> None:
        self.home, self.password = folder / "prefect", password
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environment = local.server_environment(folder, self.port, password=password)
        database(self.home, self.environment)
        self.api = Api(f"http://127.0.0.1:{self.port}/api", password=password)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            local.server_command(self.port),
            cwd=local.ROOT,
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
        """Kill the process that was started, and the one with which it serves."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def client(home: Path, api: Api, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process that talks to the tests' server."""
    return local.environment(home, 0, base, password=PASSWORD) | {"PREFECT_API_URL": api.url}
