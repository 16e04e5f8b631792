"""Runs whose process is gone must not say Running for ever: each leaves a note of its process, which the reaper reads.
A run that a worker took but never started, because the worker was killed at that moment, goes back to the queue.

A note is `<home>/runs/<flow run id>.json`. It is removed when the server knows that the run has ended.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.server import processes
from flows.server.api import Api
from pipeline.errors import ServiceError
from pipeline.machine.files import atomic

log = logging.getLogger("ezhoi.reaper")
STALLED = dt.timedelta(minutes=5)
"""A run that is Pending for so long was taken by a worker that is gone; to start a process takes seconds."""
FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


def register(home: Path, flow_run: str, *, api: str) -> None:
    """Note that this process executes the flow run."""
    note = {"api": api, "host": socket.gethostname(), **asdict(processes.current())}
    path = _note(home, flow_run)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(note), encoding="utf-8")


def release(home: Path, flow_run: str) -> None:
    """The flow run has ended by itself."""
    _note(home, flow_run).unlink(missing_ok=True)


def reap(home: Path, api: Api) -> list[str]:
    """Mark runs whose process on this machine is gone, and their unfinished tasks, as Crashed; return the names of the runs.

    A note of a run that this server does not know stays: the run may belong to another server. ServiceError if the
    server cannot be reached.
    """
    crashed = []
    for path in sorted((home / "runs").glob("*.json")):
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
            process = processes.Process(int(note["pid"]), str(note["start"]), str(note["boot"]))
        except (OSError, ValueError, KeyError):
            path.unlink(missing_ok=True)
            continue
        if note.get("host") != socket.gethostname() or process.alive():
            continue
        run = api.get(f"/flow_runs/{path.stem}")
        if run is None:
            if note.get("api") == api.url:  # deleted from the server
                path.unlink(missing_ok=True)
            continue
        if run["state_type"] == "COMPLETED":
            path.unlink(missing_ok=True)
            continue
        message = f"Process {process.pid} on {note['host']} is gone."
        for task in api.post("/task_runs/filter", {"flow_runs": {"id": {"any_": [path.stem]}}}) or []:
            _crash(api, "task_runs", task, message)
        if _crash(api, "flow_runs", run, message):
            crashed.append(str(run["name"]))
        path.unlink(missing_ok=True)
    return crashed


def requeue(home: Path, api: Api, *, now: dt.datetime | None = None) -> list[str]:
    """Give runs that stay Pending to another worker; return their names. ServiceError if there is no server.

    If the process starts after all, two processes execute the run; the store lets only one compute each artifact.
    """
    chosen = {"state": {"type": {"any_": ["PENDING"]}}, "deployment_id": {"is_null_": False}}
    queued = []
    for run in api.post("/flow_runs/filter", {"flow_runs": chosen, "flows": {"name": {"like_": "ezhoi"}}}) or []:
        at = now or dt.datetime.now(dt.UTC)
        since = dt.datetime.fromisoformat(run["state"]["timestamp"])
        if at - since < STALLED or _note(home, run["id"]).exists() or _starts_here(run):
            continue
        if (api.get(f"/flow_runs/{run['id']}") or {}).get("state_type") != "PENDING":  # it starts just now
            continue
        state = {
            "type": "SCHEDULED",
            "name": "AwaitingRetry",
            "message": "The worker that took it never started it.",
            "state_details": {"scheduled_time": at.isoformat()},
        }
        api.post(f"/flow_runs/{run['id']}/set_state", {"state": state, "force": True})
        queued.append(str(run["name"]))
    return queued


def _starts_here(run: dict[str, Any]) -> bool:
    """Whether the process that a worker of this machine started for the run is alive."""
    host, _, pid = (run.get("infrastructure_pid") or "").rpartition(":")
    return host == socket.gethostname() and pid.isdigit() and processes.identify(int(pid)) is not None


def reap_quietly(home: Path, api: Api) -> None:
    """Reap and requeue; an error of the server is only a warning, because the caller must not fail for it."""
    try:
        for name in reap(home, api):
            log.warning("run %s: its process is gone; marked Crashed", name)
        for name in requeue(home, api):
            log.warning("run %s: its worker never started it; scheduled again", name)
    except ServiceError as error:
        log.warning("dead runs were not looked for: %s", error)


def _crash(api: Api, kind: str, run: dict[str, str], message: str) -> bool:
    if run["state_type"] in FINAL:
        return False
    state = {"type": "CRASHED", "name": "Crashed", "message": message}
    api.post(f"/{kind}/{run['id']}/set_state", {"state": state, "force": True})
    return True


def _note(home: Path, flow_run: str) -> Path:
    return home / "runs" / f"{flow_run}.json"
