"""How plain `prefect` commands find the server of `ezhoi up`."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from served_prefect import PASSWORD

from flows.server import local, profile
from flows.server.api import Api


def test_prefect_finds_server_and_password_in_the_checkout(api: Api, forks: Any, fake: Any, tmp_path: Path) -> None:
    """Nothing is exported: the checkout's pyproject.toml names the profile."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    shutil.copy(local.ROOT / "pyproject.toml", checkout)
    environment = fake.environment(HOME=str(tmp_path / "user"))
    profile.write(checkout / ".ezhoi", api.url, PASSWORD)
    assert stat.S_IMODE(profile.path(checkout / ".ezhoi").stat().st_mode) == 0o600
    api.post("/work_pools/", {"name": "found-by-itself", "type": "process"})

    def prefect() -> subprocess.CompletedProcess[str]:
        command = forks.command("prefect", "work-pool", "ls")
        return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=200)

    found = prefect()
    assert found.returncode == 0 and "found-by-" in found.stdout, found.stdout + found.stderr
    profile.remove(checkout / ".ezhoi")
    lost = prefect()
    assert lost.returncode == 1 and "No Prefect API URL provided" in lost.stdout + lost.stderr, (
        "it started its own server"
    )


def test_only_the_checkouts_own_home_is_found_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert profile.found_in(local.ROOT / ".ezhoi") == local.ROOT
    assert profile.found_in(tmp_path) is None
    assert profile.export(tmp_path / "a b", "http://127.0.0.1:4210/api") == (
        f"export PREFECT_PROFILES_PATH='{tmp_path}/a b/prefect/profiles.toml' PREFECT_API_URL=http://127.0.0.1:4210/api"
    )
