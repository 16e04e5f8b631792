"""`ezhoi doctor`: finds what is wrong, says what to do, and is quiet where all is well."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import checks
from flows.cli.app import app
from flows.cli.checks import Finding
from flows.server import local, processes
from flows.server.local import Local
from flows.server.processes import Process
from pipeline.engine.graph import NAMES
from pipeline.engine.run import run
from pipeline.work import devices


def levels(found: list[Finding]) -> list[str]:
    return [f.level for f in found]


def test_the_environment_and_what_is_known_not_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(list(checks.environment())) == ["ok"]
    real = checks.importlib.metadata.version
    monkeypatch.setattr(
        checks.importlib.metadata, "version", lambda name: "0.165.0" if name == "fastapi" else real(name)
    )
    found = list(checks.environment())
    assert levels(found) == ["ok", "bad"] and found[1].do == "pip install 'fastapi<0.151'"


def test_no_server_a_dead_one_and_a_silent_one(tmp_path: Path) -> None:
    assert levels(list(checks.server(tmp_path))) == ["note"]
    local.write(tmp_path, Local(4211, Process(1, "never", "another"), {}, None))
    (dead,) = checks.server(tmp_path)
    assert dead.level == "bad" and "process is gone" in dead.says and dead.do == "ezhoi up"
    local.write(tmp_path, Local(1, processes.current(), {}, None))
    (silent,) = checks.server(tmp_path)
    assert silent.level == "bad" and "does not answer" in silent.says


class Server:
    """Answers what the doctor asks about runs and workers."""

    url = "http://127.0.0.1:1/api"

    def __init__(self, runs: list[dict[str, Any]], workers: list[dict[str, Any]] | None = None) -> None:
        self.runs, self.workers = runs, workers

    def get(self, path: str) -> Any:
        return None if self.workers is None else {}

    def post(self, path: str, body: Any) -> Any:
        if path.endswith("workers/filter"):
            return self.workers
        wanted = body["flow_runs"]["state"]["type"]["any_"]
        return [run for run in self.runs if run["state_type"] in wanted]


def a_run(state: str, minutes: float) -> dict[str, Any]:
    since = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)
    identity = f"{state}-{minutes}"
    return {
        "id": identity,
        "name": identity,
        "state_type": state,
        "state_name": state.title(),
        "state": {"timestamp": since.isoformat()},
        "next_scheduled_start_time": None,
    }


def test_runs_that_nobody_executes_are_named_and_living_ones_are_not(tmp_path: Path) -> None:
    runs = [a_run("RUNNING", 30), a_run("RUNNING", 40), a_run("PENDING", 1), a_run("SCHEDULED", 9)]
    noted = tmp_path / "runs" / "RUNNING-40.json"
    noted.parent.mkdir()
    from flows.server import reaper

    reaper.register(tmp_path, "RUNNING-40", api=Server.url)
    found = list(checks.stuck_runs(tmp_path, Server(runs)))  # type: ignore[arg-type]
    assert levels(found) == ["bad", "bad"]
    assert "RUNNING-30" in found[0].says and found[0].do.endswith("prefect flow-run cancel RUNNING-30")
    assert "SCHEDULED-9" in found[1].says and "no worker takes it" in found[1].says
    assert levels(list(checks.stuck_runs(tmp_path, Server(runs[1:3])))) == ["ok"]  # type: ignore[arg-type]


def test_runs_that_a_schedule_plans_for_later_do_not_wait(tmp_path: Path) -> None:
    later = a_run("SCHEDULED", 1)
    later["next_scheduled_start_time"] = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=3)).isoformat()
    (found,) = checks.stuck_runs(tmp_path, Server([later, a_run("PENDING", 1)]))  # type: ignore[arg-type]
    assert found.says == "1 at work or waiting, none stuck; 1 planned for later"


def test_the_database_and_how_often_it_was_locked(tmp_path: Path) -> None:
    for name, content in {"prefect/prefect.db": b"x" * 3000, "prefect/prefect.db-wal": b"x" * 1096}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (well,) = checks._database(tmp_path)
    assert well.level == "ok" and well.says.startswith("4.1 kB of runs")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "server.log").write_bytes(b"\xff\n(sqlite3.OperationalError) database is locked\n" * 3)
    (busy,) = checks._database(tmp_path)
    assert busy.level == "note" and '4.1 kB; 3 times "database is locked"' in busy.says and "PostgreSQL" in busy.do


def test_a_pool_without_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(workers: Any, mine: Process | None = None) -> list[Finding]:
        monkeypatch.setattr(Local, "api", property(lambda self: Server([], workers)))
        state = Local(1, None, dict.fromkeys(local.POOLS, mine) if mine else {})
        return list(checks._workers(state, tmp_path))

    assert levels(look([{"name": "w", "status": "ONLINE"}])) == ["ok", "ok"]
    gone = look([{"name": "w", "status": "OFFLINE"}])
    assert levels(gone) == ["bad", "bad"] and "no worker" in gone[0].says and "ezhoi-gpu.log" in gone[0].do
    assert levels(look([], processes.current())) == ["note", "note"]
    assert "no work pool" in look(None)[0].says
    # The server calls a worker alive for a minute after it was killed.
    heard = [{"name": local.worker_name(local.POOLS[0]), "status": "ONLINE"}]
    assert look(heard, Process(1, "never", "another"))[0].level == "bad"
    assert look(heard, processes.current())[0].level == "ok"


def test_the_store(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config = fake.config()
    assert levels(list(checks.store(config))) == ["ok", "ok"], "an empty one is well"
    made = run(config)
    made["seen"].artifact.path("main.parquet").unlink()
    scratch = fake.root / ".work" / "f00" / "scratch"
    scratch.mkdir(parents=True)
    (scratch / "shard").write_text("1")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    found = list(checks.store(config))
    assert levels(found) == ["ok", "note", "note", "bad"]
    assert f"{len(NAMES)} artifacts" in found[0].says and "main.parquet: missing" in found[1].says
    assert "1 interrupted stages" in found[2].says and "1 B free" in found[3].says and "gc" in found[3].do


def test_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(list(checks.gpus())) in (["note"], ["ok"] * len(devices.gpus()))
    monkeypatch.setattr(devices, "taken", lambda: {"cuda:0": True, "cuda:1": False})
    assert [f.says for f in checks.gpus()] == ["cuda:0: a stage holds it", "cuda:1: free"]


class Models(BaseHTTPRequestHandler):
    """A language model's server that serves one model, to those who know the key."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == "Bearer secret"
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [{"id": "llava"}]}).encode())

    def log_message(self, *arguments: object) -> None:
        """Silence."""


@pytest.fixture
def models() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Models)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def test_the_language_model(fake: Any, models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*settings: str) -> Finding:
        (found,) = checks.language_model(fake.config(*settings))
        return found

    asked = ("descriptions.source=llm", f"llm.runtime.base_url={models}", "llm.model=llava")
    lexicon = look("descriptions.source=lexicon")
    assert lexicon.level == "ok" and "not needed" in lexicon.says
    assert "401" in look(*asked).says
    monkeypatch.setenv("EZHOI_LLM_API_KEY", "secret")
    assert look(*asked).level == "ok" and "secret" not in look(*asked).says
    assert "serves llava, not other" in look(*asked[:2], "llm.model=other").says
    assert look(asked[0], "llm.runtime.base_url=http://127.0.0.1:1/v1").level == "bad"


def test_the_files_that_the_configuration_names(fake: Any, tmp_path: Path) -> None:
    """Files of keys that no stage reads under the configuration may be missing."""
    settings = (f"descriptions.edits={tmp_path}", f"detections.path={tmp_path / 'boxes.parquet'}")
    (found,) = checks.files(fake.config())
    assert (found.level, found.says) == ("ok", "clip.weights: there")
    (found,) = checks.files(fake.config(*settings))
    assert (found.level, found.says) == ("bad", f"descriptions.edits = {tmp_path} is a folder; expected a file")
    found_all = list(checks.files(fake.config(*settings, "detections.source=parquet")))
    missing = f"detections.path = {tmp_path / 'boxes.parquet'} does not exist"
    assert [f.says for f in found_all if f.level == "bad"] == [missing, found.says]


def test_the_command(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZHOI__STORE__ROOT", str(fake.root))
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "home"))
    well = CliRunner().invoke(app, ["doctor"])
    assert well.exit_code == 0 and "BAD" not in well.output and "ezhoi up, if you want" in well.output
    local.write(_made(tmp_path / "home"), Local(4211, Process(1, "never", "another"), {}, None))
    found = CliRunner().invoke(app, ["doctor", "--json"])
    assert found.exit_code == 1 and [f for f in json.loads(found.output) if f["level"] == "bad"]


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
