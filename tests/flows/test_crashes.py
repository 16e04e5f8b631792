"""Kills on a real server: nothing says Running for ever, nothing that lives is marked, the next run picks up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.server import following, reaper
from flows.server.processes import Process

pytestmark = pytest.mark.slow
RUN = """
import os, sys
from flows.cli.recorded import record
from pipeline.errors import ServiceError
try:
    end = record(overrides=sys.argv[1:])
except ServiceError:
    os._exit(3)
raise SystemExit(not end.completed)
"""


def until(condition: Callable[[], Any], seconds: float = 180) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)
    return found


def executes(fake: Any, stage: str) -> bool:
    log = fake.root / ".ran"
    return log.exists() and stage in log.read_text().split()


def note(home: Path) -> tuple[str, Process]:
    """Flow run and process of the one run that is noted."""
    (path,) = (home / "runs").glob("*.json")
    content = json.loads(path.read_text())
    return path.stem, Process(content["pid"], content["start"], content["boot"])


@pytest.fixture
def killed(shell: Any) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts workers that are gone after the test, whatever happens."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**more: str) -> subprocess.Popen[bytes]:
        started.append(shell.worker("ezhoi-gpu", **more))
        return started[-1]

    yield start
    shell.stop(*started)


def test_worker_and_run_killed_at_once(shell: Any, killed: Any, recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut: nobody is left to tell the server. The next run marks the dead one and goes on from the store."""
    worker = killed(EZHOI_FAKE_SLEEP="descriptions:100")
    shell.ask("full")
    until(lambda: executes(shell.fake, "descriptions"))
    run, process = note(shell.home)
    os.kill(worker.pid, signal.SIGKILL)
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: not process.alive())
    assert following.look(shell.api, run).state == "Running", "the server cannot know"
    monkeypatch.setenv("EZHOI_HOME", str(shell.home))
    shell.fake.executed()
    states = recorded.run()
    assert {states[s] for s in ("annotations", "detections")} == {"Cached"} and states["evaluation"] == "Completed"
    assert shell.fake.executed()[0] == "descriptions"
    dead = following.look(shell.api, run)
    assert dead.state == "Crashed" and {t.stage: t.state for t in dead.tasks}["descriptions"] == "Crashed"


def test_a_killed_worker_leaves_its_run_alive_and_nobody_marks_it(shell: Any, killed: Any, tmp_path: Path) -> None:
    gate = tmp_path / "open"
    worker = killed(EZHOI_FAKE_GATE=f"descriptions:{gate}")
    shell.ask("full")
    until(lambda: executes(shell.fake, "descriptions"))
    run, process = note(shell.home)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert process.alive() and reaper.reap(shell.home, shell.api) == []
    gate.write_text("")
    until(lambda: following.look(shell.api, run).final)
    ended = following.look(shell.api, run)
    assert ended.state == "Completed", (ended.message, following.errors(shell.api, run))


def test_a_killed_server_costs_at_most_the_run(fake: Any, served: Any, tmp_path: Path) -> None:
    """The run ends by itself, what it made stays, and with the server back the next run picks it up."""
    home, gate = tmp_path / "home", tmp_path / "open"
    environment = fake.environment(
        EZHOI_FAKE_GATE=f"descriptions:{gate}",
        PREFECT_API_URL=served.api.url,
        PREFECT_API_AUTH_STRING=served.password,
        EZHOI_HOME=str(home),
        PREFECT_HOME=str(tmp_path / "client"),
        PREFECT_CLIENT_MAX_RETRIES="1",
    )
    command = [sys.executable, "-c", RUN, *fake.settings]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: executes(fake, "descriptions"))
    run, _ = note(home)
    served.kill()
    gate.write_text("")
    assert child.wait(240) == 3
    served.start()
    made = fake.executed()
    assert subprocess.run(command, env=environment, timeout=240).returncode == 0
    again = fake.executed()
    assert set(made).isdisjoint(again) and set(made) | set(again) == set(all_stages())
    assert following.look(served.api, run).final and not list((home / "runs").glob("*.json"))


def all_stages() -> tuple[str, ...]:
    from pipeline.engine.graph import NAMES

    return NAMES
