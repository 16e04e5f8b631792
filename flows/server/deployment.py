"""Deploy `prefect.yaml` to the local server, when it has changed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from flows.server import local
from flows.server.local import ROOT, Local, Say
from pipeline.errors import ServiceError
from pipeline.store import digest

FLOW = "ezhoi"
FLOWS = (FLOW, "ezhoi-ablation")
"""Flows that people ask for; `ezhoi-share` helps them."""
SOURCES = (
    "prefect.yaml",
    "flows/ezhoi.py",
    "flows/ablate.py",
    "flows/share.py",
    "flows/server/parameters.py",
    "flows/server/stage_name.py",
)
"""What a deployment records: the declarations, and the flow's parameters as the run form shows them."""


def deploy(folder: Path, *, force: bool = False, say: Say = lambda line: None) -> Local:
    """Deploy to the server that runs, unless nothing changed since the last time; the new state.

    Raises ServiceError with the end of the log if Prefect refuses.
    """
    with local.locked(folder):
        state = local.read(folder)
        wanted = signature()
        if state.deployed == wanted and not force and state.api.get(f"/deployments/name/{FLOW}/full") is not None:
            return state
        local.wait_for_pools(folder, state)
        say("deploying prefect.yaml")
        path = folder / "logs" / "deploy.log"
        with path.open("w", encoding="utf-8") as log:
            done = subprocess.run(
                [sys.executable, "-m", "prefect", "deploy", "--all", "--no-prompt"],
                cwd=ROOT,
                env=local.environment(folder, state.port or 0, password=state.password),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if done.returncode:
            raise ServiceError(f"`prefect deploy --all` failed.\n{local.tail(path, 20)}")
        state = replace(state, deployed=wanted)
        local.write(folder, state)
    return state


def signature() -> str:
    """Digest of what is deployed, where it lies included: a deployment records the checkout's path."""
    return digest.of_value([str(ROOT), [[name, digest.of_file(ROOT / name)] for name in SOURCES]])
