"""A Prefect server of one's own: the lines of docs/prefect.md, run as they stand there against a fresh one."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from served_prefect import PASSWORD, database

from flows.pages.markdown import LINEAGE_KEY
from flows.server import following, local, processes
from flows.server.api import Api

PAGE = (local.ROOT / "docs" / "prefect.md").read_text()
SECTION = PAGE.partition("## A Prefect server of your own")[2].partition("\n## ")[0]
ADDRESS, ASKED = "http://127.0.0.1:4200", "user:password"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Api]:
    """Prefect's own server, as its manual starts it, with a home of its own and a password."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "EZHOI_"))}
    more = {"PREFECT_HOME": str(tmp_path / "server"), "PREFECT_SERVER_API_AUTH_STRING": PASSWORD, "DO_NOT_TRACK": "1"}
    database(tmp_path / "server", kept | more)
    api = Api(f"http://127.0.0.1:{port}/api", password=PASSWORD)
    with (tmp_path / "server.log").open("w") as log:
        command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
        child = subprocess.Popen(
            command, env=kept | more, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = time.monotonic() + 180
    while not api.healthy():
        assert child.poll() is None and time.monotonic() < deadline, (tmp_path / "server.log").read_text()
        time.sleep(0.2)
    yield api
    _end(child)


def _end(child: subprocess.Popen[Any]) -> None:
    """End a process and the whole group that it leads."""
    if (leader := processes.identify(child.pid)) is not None:
        processes.stop(leader)
    child.wait()


@pytest.mark.slow
def test_the_documented_lines(own: Api, fake: Any, tmp_path: Path) -> None:
    (lines,) = re.findall(r"```sh\n(.*?)```", SECTION, flags=re.DOTALL)
    assert len(lines.splitlines()) <= 10 and ADDRESS in lines and f"={ASKED} " in lines
    script = lines.replace(ADDRESS, own.url.removesuffix("/api")).replace(ASKED, f"'{PASSWORD}'")
    environment = fake.environment(
        HOME=str(tmp_path / "user"),
        PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        EZHOI__STORE__ROOT=str(fake.root),
        EZHOI__CLIP__WEIGHTS=str(fake.weights),
        EZHOI_HOME=str(tmp_path / "home"),
    )
    said = tmp_path / "said.log"
    with said.open("w") as log:
        child = subprocess.Popen(
            ["bash", "-e", "-c", script],
            env=environment,
            cwd=local.ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = child.wait(300)
        finally:
            _end_group(child)
    assert code == 0, said.read_text()
    run = following.look(own, following.newest_run(own))
    assert run.state == "Completed" and run.message.endswith(" computed")
    assert {p["name"] for p in own.post("/work_pools/filter", {})} >= set(local.POOLS)
    declared = yaml.safe_load((local.ROOT / "prefect.yaml").read_text())["deployments"]
    assert {d["name"] for d in own.post("/deployments/filter", {})} == {d["name"] for d in declared}
    pages = own.post("/artifacts/filter", {"artifacts": {"type": {"any_": ["markdown"]}}})
    assert LINEAGE_KEY in {page["key"] for page in pages}
    links = [link for page in pages for link in re.findall(r"\]\(<?([^)>\s]+)", page["data"])]
    assert any("/runs/flow-run/" in link or "../" in link for link in links)
    assert {link for link in links if "127.0.0.1" in link or "localhost" in link} == set()
    assert PASSWORD not in said.read_text()


def _end_group(child: subprocess.Popen[Any]) -> None:
    """The workers that the shell left in the background go on after it: the group outlives its leader."""
    child.poll()
    for member in _group(child.pid):
        if (process := processes.identify(member)) is not None:
            os.kill(process.pid, 9)


def _group(leader: int) -> list[int]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader:
                found.append(process.pid)
        except ProcessLookupError:
            continue
    return found
