"""The checks of `ezhoi doctor`: each looks at one thing and says what is wrong and what to do about it."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flows.pages.markdown import size
from flows.server import deployment, local, reaper
from flows.server.api import Api
from flows.server.local import Local
from pipeline.config.tree import Config
from pipeline.engine import graph
from pipeline.errors import EzhoiError, ServiceError
from pipeline.outside.addresses import shown_address
from pipeline.store.opening import store_of
from pipeline.work import devices

Level = Literal["ok", "note", "bad"]
LEAST_SPACE = 5 << 30
WAITING = dt.timedelta(minutes=5)
LLM_SECONDS = 5.0
"""How many seconds the language model's server may take to list its models."""


@dataclass(frozen=True)
class Finding:
    """The result of one check. `do` says how to correct it; it is empty if nothing is wrong."""

    about: str
    level: Level
    says: str
    do: str = ""


def examine(config: Config, *, home: Path) -> Iterator[Finding]:
    """Make all checks, in the order in which one thing needs the other."""
    yield from environment()
    yield from server(home)
    yield from store(config)
    yield from files(config)
    yield from gpus()
    yield from language_model(config)


def environment() -> Iterator[Finding]:
    """Check Python and the packages whose fit is known."""
    found = {name: importlib.metadata.version(name) for name in ("prefect", "fastapi", "torch", "pydantic")}
    versions = ", ".join(f"{name} {version}" for name, version in found.items())
    yield Finding("environment", "ok", f"Python {sys.version.split()[0]}, {versions}")
    for name, below in (("fastapi", (0, 151)), ("prefect", (3, 10))):
        if tuple(map(int, found[name].split(".")[:2])) >= below:
            limit = ".".join(map(str, below))
            yield Finding(
                "environment",
                "bad",
                f"{name} {found[name]} was not tried with this project; the Prefect server may die at its start",
                f"pip install '{name}<{limit}'",
            )


def server(home: Path) -> Iterator[Finding]:
    """Check the local server, its pools, workers, deployments and runs."""
    try:
        state = local.read(home)
    except ServiceError as error:
        yield Finding("server", "bad", str(error))
        return
    if state.server is None:
        yield Finding(
            "server", "note", f"none has been started here ({home})", "ezhoi up, if you want to see runs in Prefect"
        )
        return
    if not state.server.alive():
        yield Finding("server", "bad", "its process is gone; runs that it showed may say Running", "ezhoi up")
        return
    if not state.api.healthy():
        log = home / "logs" / "server.log"
        yield Finding(
            "server", "bad", f"it runs but does not answer at {state.api_url}", f"ezhoi up restarts it; see {log}"
        )
        return
    try:
        yield Finding("server", "ok", f"{state.ui_url}, version {state.api.get('/admin/version')}")
    except ServiceError as error:
        yield Finding("server", "bad", str(error), "ezhoi down, then ezhoi up")
        return
    if state.open is not False:
        level: Level = "note" if state.open else "bad"
        says = "asks for no password, so every user of this machine can run commands as you"
        yield Finding("server", level, says, "ezhoi down, then ezhoi up")
    yield from _database(home)
    yield from _workers(state, home)
    current = state.deployed == deployment.signature()
    yield (
        Finding("deployments", "ok", "as in prefect.yaml")
        if current
        else Finding("deployments", "note", "not deployed, or prefect.yaml changed since", "ezhoi deploy")
    )
    yield from stuck_runs(home, state.api)


def _database(home: Path) -> Iterator[Finding]:
    """Check how large the server's database is, and how often it was too busy."""
    total = sum(path.stat().st_size for path in (home / "prefect").glob("prefect.db*"))
    log = home / "logs" / "server.log"
    with contextlib.suppress(OSError), log.open("rb") as lines:
        if locked := sum(b"database is locked" in line for line in lines):
            says = f'{size(total)}; {locked} times "database is locked" in {log}: SQLite has one writer at a time'
            do = "start fewer runs at once, or use a server with PostgreSQL (docs/prefect.md); no run failed unless it says so"
            yield Finding("database", "note", says, do)
            return
    yield Finding("database", "ok", f"{size(total)} of runs and their pages, in {home / 'prefect'}")


def _workers(state: Local, home: Path) -> Iterator[Finding]:
    for pool in local.POOLS:
        if state.api.get(f"/work_pools/{pool}") is None:
            yield Finding("workers", "bad", f"there is no work pool {pool}", "ezhoi up")
            continue
        seen = state.api.post(f"/work_pools/{pool}/workers/filter", {}) or []
        mine = state.workers.get(pool)
        online = [w["name"] for w in seen if w.get("status") == "ONLINE"]
        if mine is None or not mine.alive():  # the server takes a worker for alive a minute after its last word
            online = [name for name in online if name != local.worker_name(pool)]
        if online:
            yield Finding("workers", "ok", f"{pool}: {', '.join(online)}")
        elif mine is not None and mine.alive():
            yield Finding("workers", "note", f"{pool}: the worker of this machine is starting", "ask again in a minute")
        else:
            log = home / "logs" / f"{pool}.log"
            yield Finding("workers", "bad", f"{pool}: no worker; its runs wait", f"ezhoi up; why it ended is in {log}")


def stuck_runs(home: Path, api: Api, *, now: dt.datetime | None = None) -> Iterator[Finding]:
    """Mark runs whose process is gone, and name those that no process seems to execute."""
    try:
        crashed, queued = reaper.reap(home, api), reaper.requeue(home, api, now=now)
    except ServiceError as error:
        yield Finding("runs", "bad", str(error))
        return
    for name in crashed:
        yield Finding(
            "runs", "note", f"{name}: its process was gone; marked Crashed", "run again: it picks up where it was"
        )
    for name in queued:
        yield Finding(
            "runs", "note", f"{name}: its worker never started it; scheduled again", "nothing, if there is a worker"
        )
    active = {
        "flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING", "SCHEDULED", "CANCELLING"]}}},
        "flows": {"name": {"any_": list(deployment.FLOWS)}},
    }
    found = api.post("/flow_runs/filter", active) or []
    noted = {path.stem for path in (home / "runs").glob("*.json")}
    waiting = [r for r in found if _age(r, now) > WAITING and r["id"] not in noted]
    for run in waiting:
        since = f"{run['name']} is {run['state_name']} for {_age(run, now).total_seconds() / 60:.0f} min"
        if run["state_type"] == "SCHEDULED":
            yield Finding("runs", "bad", f"{since}: no worker takes it", "see workers above")
        else:
            yield Finding(
                "runs",
                "bad",
                f"{since}, and no process of this machine executes it",
                f"if no other machine executes it: prefect flow-run cancel {run['id']}",
            )
    if not crashed and not waiting:
        later = sum(_age(run, now) < dt.timedelta() for run in found if run["state_type"] == "SCHEDULED")
        planned = f"; {later} planned for later" if later else ""
        yield Finding("runs", "ok", f"{len(found) - later} at work or waiting, none stuck{planned}")


def _age(run: dict[str, Any], now: dt.datetime | None) -> dt.timedelta:
    since = dt.datetime.fromisoformat((run.get("state") or {}).get("timestamp") or run["updated"])
    due = run.get("next_scheduled_start_time")
    start = max(since, dt.datetime.fromisoformat(due)) if due else since
    return (now or dt.datetime.now(dt.UTC)) - start


def store(config: Config) -> Iterator[Finding]:
    """Check whether the store can be written, whether its artifacts are intact, and whether there is space."""
    place = store_of(config)
    try:
        found = place.artifacts()
        faults = [fault for artifact in found for fault in place.faults(artifact)]
    except EzhoiError as error:
        yield Finding("store", "bad", str(error))
        return
    total = size(sum(a.manifest.bytes for a in found))
    yield Finding("store", "ok", f"{place.place}: {len(found)} artifacts, {total}")
    for fault in faults:
        yield Finding("store", "note", fault, "nothing: the stage runs again by itself when it is needed")
    if interrupted := place.interrupted():
        says = f"{len(interrupted)} interrupted stages keep {size(sum(interrupted.values()))} to continue from"
        yield Finding("store", "note", says, "run again to finish them, or `ezhoi artifacts gc --work`")
    root = place.root
    while not root.exists():
        root = root.parent
    if not os.access(root, os.W_OK):
        yield Finding("store", "bad", f"{root} cannot be written", "make it writable, or --set store.root=FOLDER")
    free = shutil.disk_usage(root).free
    enough = free >= LEAST_SPACE
    do = "" if enough else "`ezhoi artifacts gc`, or another disk: --set store.root=FOLDER"
    yield Finding("disk", "ok" if enough else "bad", f"{size(free)} free at {root}", do)


def files(config: Config) -> Iterator[Finding]:
    """Check the files and folders that the stages read under this configuration, if it names any."""
    found = {key: source for stage in graph.STAGES for key, source in stage.sources(config).items()}
    places = {key: source for key, source in found.items() if source.is_place}
    for key, source in places.items():
        if (fault := source.fault()) is not None:
            yield Finding("files", "bad", f"{key} = {fault}", f"--set {key}=PATH")
    if places and not any(source.fault() for source in places.values()):
        yield Finding("files", "ok", f"{', '.join(places)}: there")


def gpus() -> Iterator[Finding]:
    """List the GPUs, and which of them is held by a stage, whoever runs it."""
    held = devices.taken()
    if not held:
        yield Finding("GPU", "note", "nvidia-smi shows none; everything is computed on the CPU")
    for device, taken in held.items():
        yield Finding("GPU", "ok", f"{device}: {'a stage holds it' if taken else 'free'}")


def language_model(config: Config) -> Iterator[Finding]:
    """Check the server that descriptions or disparities ask, if they ask one."""
    if not (config.descriptions.asks_model or config.disparities.asks_model):
        yield Finding("LLM", "ok", "not needed: no text comes from a language model")
        return
    from pipeline.texts.llm.client import served_names

    url = shown_address(config.llm.runtime.base_url)
    runtime = config.llm.runtime.model_copy(update={"timeout_s": LLM_SECONDS, "retries": 1})
    try:
        names = served_names(config.llm.model_copy(update={"runtime": runtime}))
    except ServiceError as error:
        yield Finding("LLM", "bad", str(error), "start the server, or --set llm.runtime.base_url=URL")
        return
    if config.llm.model in names:
        yield Finding("LLM", "ok", f"{url} serves {config.llm.model}")
    else:
        says = f"{url} serves {', '.join(names) or 'nothing'}, not {config.llm.model}"
        yield Finding("LLM", "bad", says, "--set llm.model=NAME, or serve that model")
