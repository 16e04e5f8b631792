from __future__ import annotations

import datetime as dt
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from flows.server import following, reaper
from flows.server.api import Api
from pipeline.errors import ServiceError


class Server:
    """What the reaper asks of a server, answered from a dictionary."""

    url = "http://127.0.0.1:1/api"

    def __init__(self, runs: dict[str, str]) -> None:
        self.runs = runs
        self.set: list[str] = []

    def get(self, path: str) -> Any:
        identity = path.rsplit("/", 1)[1]
        return {"id": identity, "name": identity, "state_type": self.runs[identity]} if identity in self.runs else None

    def post(self, path: str, body: Any) -> Any:
        if path == "/task_runs/filter":
            return [{"id": "task", "name": "seen", "state_type": "RUNNING"}]
        assert body["state"]["type"] == "CRASHED" and body["force"]
        self.set.append(path)
        return {}


def note(home: Path, run: str, **changes: Any) -> Path:
    path = home / "runs" / f"{run}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"api": Server.url, "host": socket.gethostname(), "pid": 1, "start": "never", "boot": "another"}
    path.write_text(json.dumps(content | changes))
    return path


def test_a_living_process_is_left_alone(tmp_path: Path) -> None:
    server = Server({"run": "RUNNING"})
    reaper.register(tmp_path, "run", api=server.url)
    assert reaper.reap(tmp_path, server) == [] and server.set == []  # type: ignore[arg-type]
    reaper.release(tmp_path, "run")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_dead_one_crashes_with_its_tasks_once(tmp_path: Path) -> None:
    server = Server({"run": "RUNNING"})
    note(tmp_path, "run")
    assert reaper.reap(tmp_path, server) == ["run"]  # type: ignore[arg-type]
    assert server.set == ["/task_runs/task/set_state", "/flow_runs/run/set_state"]
    assert reaper.reap(tmp_path, server) == []  # type: ignore[arg-type]


def test_an_ended_run_keeps_its_state_but_its_tasks_do_not_run_on(tmp_path: Path) -> None:
    server = Server({"run": "CRASHED"})
    note(tmp_path, "run")
    assert reaper.reap(tmp_path, server) == []  # type: ignore[arg-type]
    assert server.set == ["/task_runs/task/set_state"]


def test_runs_elsewhere_are_not_judged(tmp_path: Path) -> None:
    server = Server({"there": "RUNNING"})
    kept = [note(tmp_path, "there", host="another"), note(tmp_path, "unknown", api="http://other/api")]
    deleted = note(tmp_path, "gone")
    assert reaper.reap(tmp_path, server) == [] and server.set == []  # type: ignore[arg-type]
    assert all(p.exists() for p in kept) and not deleted.exists()


def test_a_torn_note_goes(tmp_path: Path) -> None:
    path = note(tmp_path, "run")
    path.write_text("{")
    assert reaper.reap(tmp_path, Server({})) == [] and not path.exists()  # type: ignore[arg-type]


def test_no_server_is_an_error_and_quietly_none(tmp_path: Path) -> None:
    note(tmp_path, "run")
    api = Api("http://127.0.0.1:1/api")
    with pytest.raises(ServiceError, match="ezhoi up"):
        reaper.reap(tmp_path, api)
    reaper.reap_quietly(tmp_path, api)


COMPLETED = dict.fromkeys(("vocabulary", "annotations", "detections"), "Completed")


def states(api: Api, run: str) -> dict[str, str]:
    """The states that the server knows of a run's stages, {stage: state}."""
    return {t["name"]: t["state_name"] for t in api.post("/task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})}


@pytest.mark.slow
def test_a_killed_run_does_not_say_running_for_ever(shell: Any) -> None:
    run = shell.ask("full")
    process = shell.execute(run, EZHOI_FAKE_SLEEP="descriptions:100")
    deadline = time.monotonic() + 100
    while states(shell.api, run) != COMPLETED | {"descriptions": "Running"}:  # they reach the server through events
        assert time.monotonic() < deadline and process.poll() is None, states(shell.api, run)
        time.sleep(0.1)
    assert reaper.reap(shell.home, shell.api) == []
    assert shell.api.get(f"/flow_runs/{run}")["state_name"] == "Running"
    os.kill(json.loads((shell.home / "runs" / f"{run}.json").read_text())["pid"], signal.SIGKILL)
    process.wait()
    assert len(reaper.reap(shell.home, shell.api)) == 1
    assert shell.api.get(f"/flow_runs/{run}")["state_name"] == "Crashed"
    assert states(shell.api, run) == COMPLETED | {"descriptions": "Crashed"}


@pytest.mark.slow
def test_a_run_that_its_worker_never_started_gets_another_worker(shell: Any) -> None:
    run = shell.ask("describe")
    shell.api.post(f"/flow_runs/{run}/set_state", {"state": {"type": "PENDING"}, "force": True})  # and there it dies
    assert reaper.requeue(shell.home, shell.api) == [], "it may just be starting"
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=6)
    (name,) = reaper.requeue(shell.home, shell.api, now=later)
    assert name == following.look(shell.api, run).name
    shell.api.post(f"/flow_runs/{run}/set_state", {"state": {"type": "SCHEDULED"}, "force": True})  # six minutes pass
    shell.work("ezhoi-cpu")
    assert following.look(shell.api, run).state == "Completed"
    assert shell.fake.executed() == ["vocabulary", "descriptions"]


def test_a_run_whose_process_starts_here_stays_pending(tmp_path: Path) -> None:
    class Queue(Server):
        def post(self, path: str, body: Any) -> Any:
            if path == "/flow_runs/filter":
                long_ago = {"timestamp": "2026-01-01T00:00:00+00:00"}
                here = f"{socket.gethostname()}:{os.getpid()}"
                pids = {"alive": here, "elsewhere": "another:1", "never": None, "just begun": None}
                return [{"id": i, "name": i, "state": long_ago, "infrastructure_pid": pid} for i, pid in pids.items()]
            assert body["state"]["type"] == "SCHEDULED"
            return {}

    runs = dict.fromkeys(["alive", "elsewhere", "never"], "PENDING") | {"just begun": "RUNNING"}
    assert reaper.requeue(tmp_path, Queue(runs)) == ["elsewhere", "never"]  # type: ignore[arg-type]
