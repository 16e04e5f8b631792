"""What docs/prefect.md and docs/runs.md say works."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.server import local
from pipeline.engine.run import run
from pipeline.store import runs
from pipeline.store.store import Store

PAGE = (local.ROOT / "docs" / "prefect.md").read_text()
SERVED = ("up", "deploy", "launch", "follow", "down")


def test_every_picture_is_there_and_small() -> None:
    names = re.findall(r"!\[.*?\]\((.*?)\)", PAGE)
    assert len(names) == 3 and all((local.ROOT / "docs" / name).stat().st_size < 400_000 for name in names)


def test_every_deployment_is_in_the_table() -> None:
    import yaml

    declared = {d["name"] for d in yaml.safe_load((local.ROOT / "prefect.yaml").read_text())["deployments"]}
    assert {name for name in declared if f"| `{name}` " not in PAGE} == set()


def test_the_commands_without_a_server(fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("EZHOI__STORE__ROOT", str(fake.root))
    monkeypatch.setenv("EZHOI__CLIP__WEIGHTS", str(fake.weights))
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "home"))
    run(fake.config())
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    words = [shlex.split(line)[1:] for line in lines if line.startswith("ezhoi ")]
    tried = [w for w in words if w[0] not in SERVED and "s3://bucket" not in " ".join(w)]
    assert len(tried) >= 4
    for arguments in tried:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, (arguments, result.output, result.exception)


def test_the_commands_about_runs(fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EZHOI__STORE__ROOT", str(fake.root))
    monkeypatch.setenv("EZHOI__CLIP__WEIGHTS", str(fake.weights))
    monkeypatch.chdir(tmp_path)
    for settings in ((), ("utpl.steps=7",)):
        run(fake.config(*settings))
    names = dict(zip("AB", (record.id for record in runs.records(Store(fake.root))), strict=True))
    (block,) = re.findall(r"```sh\n(.*?)```", (local.ROOT / "docs" / "runs.md").read_text(), flags=re.DOTALL)
    for line in block.splitlines():
        arguments = [names.get(word, word) for word in shlex.split(line.split("  #")[0])[1:]]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, (arguments, result.output, result.exception)


def test_the_scripts_for_slurm_are_whole() -> None:
    section = PAGE.partition("## On Slurm")[2].partition("\n## ")[0]
    scripts = re.findall(r"```sh\n(#!/bin/bash\n.*?)```", section, flags=re.DOTALL)
    assert len(scripts) == 3
    for script in scripts:
        checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        options = [line for line in script.splitlines() if line.startswith("#SBATCH")]
        assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", line) for line in options) and len(options) >= 4
        first = next(i for i, line in enumerate(script.splitlines()) if not line.startswith("#"))
        assert not [line for line in script.splitlines()[first:] if line.startswith("#SBATCH")], (
            "Slurm reads no further"
        )
        words = shlex.split(script.strip().splitlines()[-1])
        program = next(number for number, word in enumerate(words) if word.startswith(".venv/bin/"))
        assert words[0] == "exec" and words[program] in (".venv/bin/ezhoi", ".venv/bin/prefect")
        if words[program].endswith("ezhoi"):
            CliRunner().invoke(app, [*words[program + 1 :], "--help"], catch_exceptions=False)


class _Inbox(BaseHTTPRequestHandler):
    received: list[dict[str, Any]] = []  # noqa: RUF012 -- one inbox

    def do_POST(self) -> None:
        type(self).received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Silence."""


@pytest.fixture
def inbox() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Inbox)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.mark.slow
def test_the_automation_sends_a_message_when_a_run_fails(
    recorded: Any, inbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    made: dict[str, Any] = {}
    exec(code.replace("https://chat.example.org/hook", inbox), made)
    monkeypatch.setenv("EZHOI_FAKE_FAIL", "descriptions")
    try:
        recorded.run()
        assert recorded.state.is_failed()
        deadline = time.monotonic() + 60
        while not _Inbox.received:
            assert time.monotonic() < deadline, "no message came"
            time.sleep(0.2)
    finally:  # the server is that of all tests: it would tell of every run that fails in them
        made["Automation"].read(name="ezhoi: a run failed").delete()
    assert "descriptions.csv row 7: no such class 'fly pig'" in _Inbox.received[0]["text"]
