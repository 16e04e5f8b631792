"""Start a deployment's run and follow it through the server's API. Prefect is not imported."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.server.api import Api
from flows.server.deployment import FLOW, FLOWS
from flows.server.local import POOLS, Local, tail
from flows.server.reaper import FINAL
from pipeline.errors import EzhoiError, ServiceError
from pipeline.outside.parsing import shown

SETTLE_SECONDS = 3.0
POLL_SECONDS = 0.5
SLOWEST_POLL_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
"""Seconds that the server may be silent, or a run may wait for a worker that is gone, before following gives up."""


@dataclass(frozen=True)
class TaskState:
    """The task of a stage in a run."""

    stage: str
    state: str
    """Prefect's name of the state: Cached, Completed, Running, Failed, ..."""
    final: bool
    seconds: float
    percent: float | None = None


@dataclass(frozen=True)
class RunState:
    """A flow run as the server sees it now."""

    id: str
    name: str
    state: str
    final: bool
    message: str
    tasks: tuple[TaskState, ...]


def trigger(api: Api, *, deployment: str, parameters: dict[str, Any], flow: str = "ezhoi") -> str:
    """Ask for a run of `<flow>/<deployment>` and return its id. EzhoiError if there is no such deployment."""
    found = api.get(f"/deployments/name/{flow}/{deployment}")
    if found is None:
        names = sorted(d["name"] for d in api.post("/deployments/filter", {"flows": {"name": {"any_": [FLOW]}}}) or [])
        raise EzhoiError(
            f"no deployment {shown(deployment)}; deployments: {', '.join(names) or 'none, run `ezhoi deploy`'}"
        )
    # With the key, a request that is sent again because the server was busy cannot start a second run.
    body = {"parameters": parameters, "state": {"type": "SCHEDULED"}, "idempotency_key": uuid.uuid4().hex}
    run = api.post(f"/deployments/{found['id']}/create_flow_run", body)
    return str(run["id"])


def newest_run(api: Api) -> str:
    """Id of the run that started last, without runs that only help another one; EzhoiError if there is none."""
    chosen = {"flows": {"name": {"any_": list(FLOWS)}}}
    found = api.post("/flow_runs/filter", chosen | {"sort": "EXPECTED_START_TIME_DESC", "limit": 1}) or []
    if not found:
        raise EzhoiError("the local server has no run yet; start one with `ezhoi launch`")
    return str(found[0]["id"])


def look(api: Api, run: str) -> RunState:
    """The run as it is now; EzhoiError if the server does not know it."""
    found = api.get(f"/flow_runs/{run}")
    if found is None:
        raise EzhoiError(f"the local server has no run {run}")
    tasks = (
        api.post("/task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}, "sort": "EXPECTED_START_TIME_ASC"}) or []
    )
    percents = _progress(api, run) if any(t["state_type"] == "RUNNING" for t in tasks) else {}
    return RunState(
        id=run,
        name=found["name"],
        state=found["state_name"] or "Pending",
        final=found["state_type"] in FINAL,
        message=(found.get("state") or {}).get("message") or "",
        tasks=tuple(
            TaskState(
                stage=t["name"],
                state=t["state_name"] or "Pending",
                final=t["state_type"] in FINAL,
                seconds=float(t.get("total_run_time") or t.get("estimated_run_time") or 0.0),
                percent=percents.get(t["id"]),
            )
            for t in sorted(tasks, key=lambda t: t.get("start_time") or "~")
        ),
    )


def follow(folder: Path, state: Local, run: str) -> Iterator[RunState]:
    """Yield the states of the run as they come, until it has ended.

    Raises ServiceError if the server stays silent, or the worker is gone while the run waits for one.
    """
    began = silent_since = waiting_since = time.monotonic()
    ended_since: float | None = None
    while True:
        now = time.monotonic()
        try:
            seen = look(state.api, run)
            silent_since = now
        except ServiceError:
            if now - silent_since > PATIENCE_SECONDS:
                raise
            time.sleep(pause(now - began))
            continue
        yield seen
        if seen.final:
            # Tasks reach the server through events, the last ones perhaps a moment after the run's own end.
            ended_since = now if ended_since is None else ended_since
            if now - ended_since > SETTLE_SECONDS or (seen.tasks and all(task.final for task in seen.tasks)):
                return
        elif seen.tasks or state.works():
            waiting_since = now
        elif now - waiting_since > PATIENCE_SECONDS:
            gone = [pool for pool in POOLS if pool not in state.workers or not state.workers[pool].alive()]
            logs = "\n".join(tail(folder / "logs" / f"{pool}.log") for pool in gone)
            raise ServiceError(f"run {seen.name} waits, and a worker is gone: `ezhoi up` starts it.\n{logs}")
        time.sleep(pause(now - began))


def pause(seconds: float) -> float:
    """Seconds until the next look at a run that has been followed for so long; each look is three requests to the server."""
    return min(max(seconds / 40, POLL_SECONDS), SLOWEST_POLL_SECONDS)


def errors(api: Api, run: str, *, lines: int = 12) -> list[str]:
    """The last error lines of the run's log."""
    body = {"logs": {"flow_run_id": {"any_": [run]}, "level": {"ge_": 40}}, "sort": "TIMESTAMP_DESC", "limit": 3}
    try:
        found = api.post("/logs/filter", body) or []
    except ServiceError:
        return []
    return [line for entry in reversed(found) for line in entry["message"].splitlines()][-lines:]


def lines(api: Api, run: str, *, after: int) -> list[str]:
    """The lines of the run's log after the first `after` ones, as far as the server has them; none if it is silent."""
    asked = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "offset": after, "limit": 200}
    try:
        return [str(entry["message"]) for entry in api.post("/logs/filter", asked) or []]
    except ServiceError:
        return []


def _progress(api: Api, run: str) -> dict[str, float]:
    """{task run id: percent}"""
    body = {"artifacts": {"flow_run_id": {"any_": [run]}, "type": {"any_": ["progress"]}}}
    found = api.post("/artifacts/filter", body) or []
    return {a["task_run_id"]: float(a["data"]) for a in found if a.get("task_run_id") and a.get("data") is not None}
