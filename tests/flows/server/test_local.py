from __future__ import annotations

import base64
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from served_prefect import database
from typer.testing import CliRunner

from flows.cli.app import app
from flows.server import deployment, local, processes
from flows.server.local import Local
from flows.server.processes import Process
from pipeline.engine.graph import NAMES
from pipeline.errors import ServiceError
from pipeline.machine import home

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def started(command: list[str] = SLEEP) -> tuple[subprocess.Popen[bytes], Process]:
    child = subprocess.Popen(command, start_new_session=True)
    process = processes.identify(child.pid)
    assert process is not None
    return child, process


def test_a_process_is_its_id_and_its_start() -> None:
    assert processes.current().alive()
    assert not Process(os.getpid(), "another start", processes.current().boot).alive()
    child, process = started()
    assert process.alive()
    child.kill()
    while process.alive():  # killed and not yet collected by us: not alive
        time.sleep(0.01)
    assert child.wait() == -signal.SIGKILL and processes.identify(child.pid) is None


def test_stop_ends_the_whole_group() -> None:
    inner = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    outer = f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {inner!r}], stdout=-1)\n"
    outer += "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", outer], start_new_session=True, stdout=subprocess.PIPE)
    assert child.stdout is not None
    grandchild = processes.identify(int(child.stdout.readline()))
    leader = processes.identify(child.pid)
    assert leader is not None and grandchild is not None
    assert processes.stop(leader, patience=5)
    deadline = time.monotonic() + 60
    while grandchild.alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not grandchild.alive() and not processes.stop(leader)
    child.wait()


def test_stop_spares_a_process_that_got_the_id_later() -> None:
    child, process = started()
    assert not processes.stop(Process(process.pid, "earlier", process.boot))
    assert process.alive()
    child.kill()
    child.wait()


def test_the_state_file(tmp_path: Path) -> None:
    assert local.read(tmp_path) == Local()
    state = Local(4211, Process(1, "2", "b"), {"ezhoi-cpu": Process(3, "4", "b")}, "digest")
    local.write(tmp_path, state)
    assert local.read(tmp_path) == state
    protected = replace(state, open=False, password=home.secret(tmp_path / "password"))
    local.write(tmp_path, protected)
    assert local.read(tmp_path) == protected
    assert protected.password not in (tmp_path / "local.json").read_text() + repr(protected)
    for damaged in ("", "[]", '{"port": 1, "server": {"pid": 3}}'):
        (tmp_path / "local.json").write_text(damaged)
        assert local.read(tmp_path) == Local()


def test_the_environment_is_ours_alone(tmp_path: Path) -> None:
    base = {"PATH": "p", "PREFECT_API_KEY": "secret", "PREFECT_PROFILE": "cloud", "EZHOI__SEED": "3", "NO_PROXY": "x"}
    found = local.environment(tmp_path, 4211, base)
    assert found["PATH"] == "p" and found["PREFECT_API_URL"] == "http://127.0.0.1:4211/api"
    assert not {"PREFECT_API_KEY", "PREFECT_PROFILE", "EZHOI__SEED"} & set(found)
    assert found["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false" and found["DO_NOT_TRACK"] == "1"
    assert "PREFECT_API_AUTH_STRING" not in found and "PREFECT_SERVER_API_AUTH_STRING" not in found
    known = local.environment(tmp_path, 4211, base, password="ezhoi:word")
    assert known == found | {"PREFECT_API_AUTH_STRING": "ezhoi:word"}
    server = local.server_environment(tmp_path, 4211, base, password="ezhoi:word")
    assert server["PREFECT_SERVER_API_AUTH_STRING"] == "ezhoi:word"
    assert server["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4211,http://localhost:4211"
    assert "word" not in " ".join(local.server_command(4211) + local.worker_command("ezhoi-gpu"))
    assert Path(found["PREFECT_HOME"]).is_absolute() and found["NO_PROXY"] == "x,127.0.0.1,localhost"


def test_a_taken_port_is_left_to_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert local.choose_port(port) in local.PORTS
        monkeypatch.setattr(local, "PORTS", range(port, port + 1))
        with pytest.raises(ServiceError, match=f"no free port on 127.0.0.1 from {port}"):
            local.choose_port(None)
    assert local.choose_port(port) == port


def test_a_server_that_dies_is_an_error_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such module\nsleep 0.2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(local.sys, "executable", str(broken))
    with pytest.raises(ServiceError, match=r"(?s)did not start.*server\.log.*no such module"):
        local.up(tmp_path / "home")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(ServiceError, match="EZHOI_HOME"):
        local.up(tmp_path / "home")


def test_a_home_without_file_locks_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: object, kind: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(ServiceError, match=r"local\.lock has no file locks.*set EZHOI_HOME"), local.locked(tmp_path):
        pass


def test_a_stale_state_file_stops_nothing(tmp_path: Path) -> None:
    child, process = started()
    stale = Process(process.pid, "earlier", process.boot)
    local.write(tmp_path, Local(4211, stale, {"ezhoi-gpu": stale}, "digest"))
    assert local.down(tmp_path) == [] and process.alive()
    assert local.read(tmp_path) == Local(4211, None, {}, "digest"), "the port is remembered"
    child.kill()
    child.wait()


class Asked:
    """The server's API, with these runs at work."""

    def __init__(self, *runs: str) -> None:
        self.runs = runs

    def post(self, path: str, body: Any) -> Any:
        assert path == "/flow_runs/filter"
        return [{"name": name} for name in self.runs]


@pytest.mark.parametrize(
    ("runs_open", "wanted", "new"),
    [
        (None, None, False),  # of an older version, which knew no password
        (None, True, True),
        (True, False, False),
        (False, True, True),
        (True, None, None),
        (False, None, None),
        (False, False, None),
    ],
)
def test_a_server_that_asks_otherwise_than_wanted_is_started_anew_once_no_run_is_at_work(
    runs_open: bool | None, wanted: bool | None, new: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, process = started()
    password = home.secret(tmp_path / "password", "ezhoi:") if runs_open is False else ""
    running = Local(4211, process, {}, "digest", runs_open, password)
    local.write(tmp_path, running)
    tree = json.loads((tmp_path / "local.json").read_text())
    if runs_open is None:
        del tree["open"]
        (tmp_path / "local.json").write_text(json.dumps(tree))
    begun: dict[str, dict[str, str]] = {}

    def start(folder: Path, name: str, command: list[str], variables: dict[str, str]) -> Process:
        begun[name] = variables
        return processes.current()

    monkeypatch.setattr(local, "_start", start)
    monkeypatch.setattr(local, "_becomes_healthy", lambda state, seconds: True)
    monkeypatch.setattr(local.reaper, "reap_quietly", lambda folder, api: None)
    monkeypatch.setattr(Local, "api", property(lambda self: Asked("brave-otter")))
    if new is not None:
        with pytest.raises(ServiceError, match=r"brave-otter.*ezhoi down"):
            local.up(tmp_path, open_to_all=wanted)
        assert process.alive() and begun == {}
    monkeypatch.setattr(Local, "api", property(lambda self: Asked()))
    state = local.up(tmp_path, open_to_all=wanted)
    assert process.alive() is (new is None) and ("server" in begun) is (new is not None)
    assert state.open is (runs_open if new is None else new) and local.read(tmp_path) == state
    assert bool(state.password) is not state.open
    assert {v.get("PREFECT_API_AUTH_STRING", "") for v in begun.values()} == {state.password}
    if new is not None:
        assert begun["server"].get("PREFECT_SERVER_API_AUTH_STRING", "") == state.password
    child.kill()
    child.wait()


@pytest.mark.parametrize(
    ("ended", "taken", "kept"), [("down", False, True), ("killed", False, False), ("down", True, False)]
)
def test_a_password_that_another_may_have_been_told_is_not_used_again(
    ended: str, taken: bool, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients that look for a server send the password to whoever has its port by then."""
    before = home.secret(tmp_path / "password", "ezhoi:")
    server = Process(1, "never", "another") if ended == "killed" else None
    monkeypatch.setattr(local, "_start", lambda *given: processes.current())
    monkeypatch.setattr(local, "_becomes_healthy", lambda state, seconds: True)
    monkeypatch.setattr(local.reaper, "reap_quietly", lambda folder, api: None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        if not taken:
            other.close()
        local.write(tmp_path, Local(port, server, {}, None, False))
        state = local.up(tmp_path)
    assert (state.password == before) is kept and state.password == home.read_secret(tmp_path / "password")


def test_a_server_whose_password_is_gone_is_not_taken_for_a_healthy_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.write(tmp_path, Local(4211, processes.current(), {}, None, False))
    monkeypatch.setattr(local, "_becomes_healthy", lambda state, seconds: True)
    with pytest.raises(ServiceError, match=r"password of the server that runs is gone: `ezhoi down`"):
        local.up(tmp_path)


def test_what_ends_with_the_server_is_said_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answers:
        def healthy(self) -> bool:
            return True

        def post(self, path: str, body: Any) -> Any:
            assert body["flow_runs"]["state"]["type"]["any_"] == ["RUNNING", "PENDING"]
            return [{"name": "wise-owl"}, {"name": "calm-ant"}]

    monkeypatch.setattr(Local, "api", property(lambda self: Answers()))
    monkeypatch.setattr(local.reaper, "reap_quietly", lambda folder, api: None)
    child, server = started()
    local.write(tmp_path, Local(4211, server, {}, None, True))
    said: list[str] = []
    assert local.down(tmp_path, said.append) == ["server"] and child.wait() == -signal.SIGTERM
    assert len(said) == 1 and "2 runs are at work and will be marked Crashed: calm-ant, wise-owl." in said[0]
    assert "goes on from the last shard, answer or checkpoint" in said[0]


def test_the_signature_changes_with_what_is_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in deployment.SOURCES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((local.ROOT / name).read_bytes())
    before = deployment.signature()
    monkeypatch.setattr(deployment, "ROOT", tmp_path)
    moved = deployment.signature()
    (tmp_path / "flows" / "prefect.yaml").write_text("deployments: []\n")
    assert len({before, moved, deployment.signature()}) == 3


def test_prefect_yaml_declares_what_the_readme_names() -> None:
    import yaml

    from flows.server.stage_name import StageName

    tree = yaml.safe_load((local.ROOT / "prefect.yaml").read_text())
    declared = {d["name"]: d for d in tree["deployments"]}
    assert {"full", "world", "describe", "embed", "train", "utpl", "evaluate"} <= set(declared) and "pull" not in tree
    for found in declared.values():
        assert found["work_pool"]["name"] in local.POOLS and found["description"] and "ezhoi" in found["tags"]
        named = found["parameters"].get("targets", []) + found["parameters"].get("reuse", [])
        assert set(named) <= set(StageName)
    for name in ("full", "train", "utpl"):
        assert declared[name]["work_pool"]["name"] == "ezhoi-gpu", "a worker of that pool runs one training a GPU"


@pytest.mark.slow
def test_up_launch_down(fake: Any, tmp_path: Path) -> None:
    """The whole way of `make run`, beside another server's port, with a user's foreign Prefect settings; then what fails."""
    home = tmp_path / "home"
    database(home / "prefect", local.server_environment(home, 0))
    environment = fake.environment(EZHOI_HOME=str(home), PREFECT_API_URL="http://192.0.2.1/api", EZHOI__SEED="7")
    settings = [word for setting in fake.settings for word in ("--set", setting)]

    def process(*words: str, fails: bool = False) -> str:
        command = [sys.executable, "-m", "flows.cli.app", *words]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=400)
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def ezhoi(*words: str, fails: bool = False) -> str:
        done = CliRunner().invoke(app, words, env=environment)
        assert bool(done.exit_code) == fails, done.output
        return f"{done.output}{done.exception}" if fails else done.output

    try:
        first = process("launch", *settings)
        assert "starting the Prefect server" in first and "deploying" in first
        assert f"{len(NAMES)} stages: {len(NAMES)} computed" in first and "after UTPL      20.00" in first
        assert f"all runs: {fake.root / '.site' / 'index.html'}" in first
        assert f"report: {fake.root}" in first and "/v2/artifacts/artifact/" in first
        assert f"password in {home / 'password'}" in first
        state = local.read(home)
        said = ezhoi("up")
        assert "nothing was running" not in said and local.read(home) == state
        assert "by themselves" not in said, "only the checkout's own server is found in the checkout"
        assert _answer_of_plain_prefect(said, fake.environment()).count("ezhoi/full") == 1
        recorded = process("run", "--record", *settings)
        assert (
            f"{len(NAMES)} stages: {len(NAMES)} cached" in recorded and state.api_url.removesuffix("/api") in recorded
        )
        assert f"{len(NAMES)} stages: {len(NAMES)} cached" in ezhoi("follow")
        manifest = json.loads(ezhoi("artifacts", "show", "detections", *settings, "--json"))
        assert manifest["seed"] == 7, "the shell's EZHOI__SEED did not reach the run"
        assert "no deployment 'nope'; deployments: describe, embed, evaluate, full, train" in ezhoi(
            "launch", "-d", "nope", *settings, fails=True
        )
        assert "unknown key" in ezhoi("launch", "--set", "a.b=1", fails=True)
        Path(fake.weights).unlink()
        failed = process("launch", *settings, fails=True)
        assert "deploying" not in failed and "ended Failed" in failed and "does not exist" in failed
        assert "Traceback" not in failed
        assert _who_says(state.password, home, fake.root) == {home / "password", home / "prefect" / "profiles.toml"}
        shown = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
        assert shown and not [line for line in shown if state.password in line]
    finally:
        stopped = ezhoi("down")
    assert "ezhoi-gpu, ezhoi-cpu, server" in stopped and "nothing was running" in ezhoi("down")
    assert not state.api.healthy()
    assert not (home / "prefect" / "profiles.toml").exists(), "whoever has the port by then is told no password"


def _answer_of_plain_prefect(said: str, environment: dict[str, str]) -> str:
    """What `prefect deployment ls` finds with the variables that `ezhoi up` says, and no other."""
    line = next(line for line in said.splitlines() if line.startswith("for plain prefect commands: "))
    command = f"{line.partition(': ')[2]}; exec {sys.executable} -m prefect deployment ls"
    done = subprocess.run(["sh", "-c", command], env=environment, cwd="/", capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _who_says(password: str, *folders: Path) -> set[Path]:
    """The files with the password: as it is, or as it is sent."""
    sent = base64.b64encode(password.encode())
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path for path in found if password.encode() in (text := path.read_bytes()) or sent in text}
