"""The Prefect server and the workers of this checkout: started, found again, stopped. Prefect is not imported.

Everything they keep is in one folder, `.ezhoi/` of the checkout (of an installed package `~/.ezhoi`), or the folder that
$EZHOI_HOME names:

    local.json     port and processes, and what was deployed
    password       the server's password; only its owner can read it
    prefect/       PREFECT_HOME, for its owner alone: the server's database, and a profile with address and password
    logs/          server.log, deploy.log, and a log of each worker
    runs/          notes of runs in progress (flows/server/reaper.py)

Whoever may talk to the server may have it start commands as the user who started it. So it asks for a password, unless it was
started without one on purpose, and refuses foreign pages (flows/server/prefect_server.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

from flows.server import prefect_server, processes, profile, reaper
from flows.server.api import Api
from flows.server.prefect_server import HOST
from flows.server.processes import Process
from pipeline.errors import ServiceError, StoreError
from pipeline.machine import locks
from pipeline.machine.files import atomic
from pipeline.machine.home import ROOT as ROOT
from pipeline.machine.home import home as home
from pipeline.machine.home import private_folder, read_secret, secret, workplace
from pipeline.work import devices

PORTS = range(4210, 4300)
"""Ports to choose from; Prefect's own, 4200, is left to other servers."""
POOLS = ("ezhoi-gpu", "ezhoi-cpu")
"""The pool of trainings and embeddings, and that of everything else. A machine without a GPU serves both on its cores."""
CPU_RUNS = 4
"""How many runs of the CPU pool go on at once; the GPU pool has one for each GPU."""
START_SECONDS = 240.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Local:
    """What runs on this machine, as `local.json` keeps it."""

    port: int | None = None
    server: Process | None = None
    workers: Mapping[str, Process] = field(default_factory=dict)
    """{pool: its worker}"""
    deployed: str | None = None
    """Digest of what was deployed last."""
    open: bool | None = None
    """Whether the server asks for no password; None for a server of an older version, which had none."""
    password: str = field(default="", repr=False)
    """The server's password, which is not kept in `local.json`."""

    def works(self) -> bool:
        """Whether every pool has a living worker."""
        return all(pool in self.workers and self.workers[pool].alive() for pool in POOLS)

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self.port}/api"

    @property
    def ui_url(self) -> str:
        return f"http://{HOST}:{self.port}/v2"

    @cached_property
    def api(self) -> Api:
        return Api(self.api_url, password=self.password)


def read(folder: Path) -> Local:
    """The state file; an empty state if there is none or it is damaged. ServiceError as of `read_secret`."""
    try:
        tree = json.loads((folder / "local.json").read_text(encoding="utf-8"))
        server = Process(**tree["server"]) if tree.get("server") else None
        workers = {str(pool): Process(**process) for pool, process in tree.get("workers", {}).items()}
        state = Local(tree["port"], server, workers, tree.get("deployed"), tree.get("open"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Local()
    return replace(state, password=read_secret(folder / "password")) if state.open is False else state


def write(folder: Path, state: Local) -> None:
    """Replace the state file in one step."""
    kept = {name: value for name, value in asdict(state).items() if name != "password"}
    with atomic(folder / "local.json") as temporary:
        temporary.write_text(json.dumps(kept, indent=1), encoding="utf-8")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock that lets only one `up`, `down` or `deploy` work at a time; it ends with its holder's process."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("logs", "prefect"):
            private_folder(folder / name)
        lock = (folder / "local.lock").open("a", encoding="utf-8")
    except OSError as error:
        message = f"{folder} cannot be written ({error.strerror}); set EZHOI_HOME to a folder that can"
        raise ServiceError(message) from None
    with lock:
        try:
            locks.take(lock, wait=True, elsewhere="set EZHOI_HOME to a folder on another one")
        except StoreError as error:
            raise ServiceError(str(error)) from None
        yield


def environment(
    folder: Path, port: int, base: Mapping[str, str] | None = None, *, password: str = ""
) -> dict[str, str]:
    """The environment of workers, of runs, and of the `prefect` commands that we start.

    The user's own PREFECT_* settings point elsewhere and are dropped. EZHOI__* overrides are dropped too: a run gets
    its own as a parameter, and must not inherit those of the shell that happened to start the worker.
    """
    source = os.environ if base is None else base
    kept = {k: v for k, v in source.items() if not k.startswith(("PREFECT_", "EZHOI__"))}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join([*filter(None, [kept.get(name)]), HOST, "localhost"])
    known = {"PREFECT_API_AUTH_STRING": password} if password else {}
    return (
        kept
        | known
        | {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_PROFILES_PATH": str(profile.path(folder)),
            "PREFECT_API_URL": f"http://{HOST}:{port}/api",
            "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "true",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_LOGGING_EXTRA_LOGGERS": "ezhoi",
            "EZHOI_HOME": str(folder),
        }
    )


def server_environment(
    folder: Path, port: int, base: Mapping[str, str] | None = None, *, password: str = ""
) -> dict[str, str]:
    """The environment of the server. Without a password it asks for none."""
    asked = {"PREFECT_SERVER_API_AUTH_STRING": password} if password else {}
    return (
        environment(folder, port, base, password=password)
        | asked
        | {
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(prefect_server.origins(port)),
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        }
    )


def server_command(port: int) -> list[str]:
    """The server's command line."""
    return [sys.executable, "-m", "flows.server.prefect_server", str(port)]


def up(folder: Path, say: Say = lambda line: None, *, open_to_all: bool | None = None) -> Local:
    """Start the server and the workers; those that already run well are left alone.

    Args:
        folder: The folder of their files.
        say: Called with a message before each step that takes a while.
        open_to_all: Whether the server asks for no password; None keeps what a running server does, else it asks for one.

    Raises:
        ServiceError: one of them does not start (the message names its log), no port is free, or the server would have to be
            started anew for its password while runs are at work in it.
    """
    with locked(folder):
        state = _server_up(folder, read(folder), say, open_to_all)
        if not state.works():
            say("starting the workers")
        for pool in POOLS:
            if pool not in state.workers or not state.workers[pool].alive():
                worker = _start(
                    folder, pool, worker_command(pool), environment(folder, state.port or 0, password=state.password)
                )
                state = replace(state, workers={**state.workers, pool: worker})
                write(folder, state)
    reaper.reap_quietly(folder, state.api)
    return state


def down(folder: Path, say: Say = lambda line: None) -> list[str]:
    """Stop what `up` started, and return the names of what was running. Runs that end with their worker become Crashed.

    `say` is called with a message that names these runs and says how they go on.
    """
    stopped = []
    with locked(folder):
        state = read(folder)
        if state.server is not None and state.server.alive() and state.api.healthy():
            _say_what_ends(state, say)
        stopped += [pool for pool, worker in state.workers.items() if processes.stop(worker)]
        if state.server is not None and state.server.alive():
            reaper.reap_quietly(folder, state.api)
            processes.stop(state.server)
            stopped.append("server")
        profile.remove(folder)
        if (folder / "local.json").exists():
            write(folder, replace(state, server=None, workers={}))
    return stopped


def worker_command(pool: str) -> list[str]:
    """The command line of a pool's worker on this machine."""
    runs = max(1, len(devices.gpus())) if pool == "ezhoi-gpu" else CPU_RUNS
    start = [sys.executable, "-m", "flows.server.worker", "worker", "start"]
    return [*start, "--pool", pool, "--type", "process", "--name", worker_name(pool), "--limit", str(runs)]


def worker_name(pool: str) -> str:
    """The name of a pool's worker on this machine: always the same, or the pool's page would fill with dead workers."""
    return f"{pool}-{socket.gethostname()}"


def wait_for_pools(folder: Path, state: Local) -> None:
    """Wait until the workers have made their pools; ServiceError if one ends before."""
    deadline = time.monotonic() + START_SECONDS
    for pool in POOLS:
        while state.api.get(f"/work_pools/{pool}") is None:
            if not state.works() or time.monotonic() > deadline:
                raise ServiceError(f"the worker of {pool} did not start.\n{tail(folder / 'logs' / f'{pool}.log')}")
            time.sleep(0.3)


def tail(path: Path, lines: int = 8) -> str:
    """The end of a log, with its name."""
    try:
        text = path.read_text(errors="replace", encoding="utf-8").splitlines()[-lines:]
    except OSError:
        text = []
    return "\n".join([f"{path}:", *(f"  {line}" for line in text)])


def _server_up(folder: Path, state: Local, say: Say, open_to_all: bool | None) -> Local:
    ended_by_itself = state.server is not None and not state.server.alive()
    if state.server is not None and not ended_by_itself:
        if not _becomes_healthy(state, 30.0):
            say("the server does not answer; starting it anew")
        elif state.open is False and not state.password:
            raise ServiceError(f"{folder / 'password'} of the server that runs is gone: `ezhoi down`, then `ezhoi up`")
        elif state.open is (state.open if open_to_all is None else open_to_all) and state.open is not None:
            return state
        else:
            _refuse_while_runs_are_at_work(state)
            say(
                f"the server runs {'with a password' if state.open is False else 'without a password'}; starting it anew"
            )
        processes.stop(state.server)
    for worker in state.workers.values():  # they would go on asking the old server's port
        processes.stop(worker)
    port = choose_port(state.port)
    if ended_by_itself or port != (state.port or port):
        # Who looked for it has told the password to whoever took its port.
        (folder / "password").unlink(missing_ok=True)
    password = "" if open_to_all else secret(folder / "password", "ezhoi:")
    profile.write(folder, f"http://{HOST}:{port}/api", password)
    say(f"starting the Prefect server on {HOST}:{port} (half a minute the first time)")
    server = _start(folder, "server", server_command(port), server_environment(folder, port, password=password))
    state = replace(state, port=port, server=server, workers={}, open=bool(open_to_all), password=password)
    write(folder, state)
    if not _becomes_healthy(state, START_SECONDS):
        processes.stop(server)
        raise ServiceError(f"the Prefect server did not start.\n{tail(folder / 'logs' / 'server.log')}")
    return state


def _becomes_healthy(state: Local, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while state.server is not None and state.server.alive() and time.monotonic() < deadline:
        if state.api.healthy():
            return True
        time.sleep(0.2)
    return False


def _at_work(state: Local) -> list[str]:
    """The names of the runs at work. ServiceError if the server does not answer."""
    chosen = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}}
    return sorted(run["name"] for run in state.api.post("/flow_runs/filter", chosen) or [])


def _say_what_ends(state: Local, say: Say) -> None:
    with contextlib.suppress(ServiceError):  # a server that does not answer is stopped all the same
        if names := _at_work(state):
            runs = "1 run is" if len(names) == 1 else f"{len(names)} runs are"
            say(
                f"{runs} at work and will be marked Crashed: {', '.join(names)}. What is finished is kept; the same command "
                "again (`ezhoi launch ...`) goes on from the last shard, answer or checkpoint"
            )


def _refuse_while_runs_are_at_work(state: Local) -> None:
    if at_work := _at_work(state):
        raise ServiceError(
            f"the server that runs asks {'for a' if state.open is False else 'for no'} password, and a change would end "
            f"the runs at work in it ({', '.join(at_work)}). Wait for them, or end "
            "them with `ezhoi down`; then give this command again"
            + ("" if state.open is False else ". Until then any user of this machine can run commands as you")
        )


def choose_port(remembered: int | None) -> int:
    """The remembered port if it is free, else the first free one of PORTS; ServiceError if there is none."""
    for port in ([remembered] if remembered else []) + list(PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ServiceError(f"no free port on {HOST} from {PORTS[0]} to {PORTS[-1]}: stop a server that uses one of them")


def _start(folder: Path, name: str, command: list[str], variables: dict[str, str]) -> Process:
    with (folder / "logs" / f"{name}.log").open("a", encoding="utf-8") as log:
        child = subprocess.Popen(
            command,
            cwd=workplace(),
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = processes.identify(child.pid)
    if process is None:
        raise ServiceError(f"the {name} ended at once.\n{tail(folder / 'logs' / f'{name}.log')}")
    return process
