"""Deploy `prefect.yaml` to the local server, when it has changed.

A deployment records the folder in which it was made; its runs start there. Nothing should be written into the folder of an
installed package, so for one a copy of the file, with whole paths of its flows, is deployed from `~/.ezhoi`.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from flows.server import local
from flows.server.local import ROOT, Local, Say
from pipeline.errors import ServiceError
from pipeline.machine.files import atomic
from pipeline.machine.home import workplace
from pipeline.store import digest

FLOW = "ezhoi"
FLOWS = (FLOW, "ezhoi-ablation", "ezhoi-predict", "ezhoi-study")
"""Flows that people ask for; `ezhoi-share` helps them."""
DECLARED = ROOT / "flows" / "prefect.yaml"
"""The file of deployments; in a checkout it is a link to the checkout's `prefect.yaml`."""
SOURCES = (
    "flows/prefect.yaml",
    "flows/ezhoi.py",
    "flows/ablate.py",
    "flows/predict.py",
    "flows/share.py",
    "flows/study.py",
    "flows/server/parameters.py",
    "flows/server/stage_name.py",
)
"""The files from which a deployment is recorded: the declarations, and the flows' parameters as run forms show them."""


def deploy(folder: Path, *, force: bool = False, say: Say = lambda line: None) -> Local:
    """Deploy to the server that runs, unless nothing changed since the last time; return the new state.

    Raises ServiceError with the end of the log if Prefect refuses.
    """
    with local.locked(folder):
        state = local.read(folder)
        wanted = signature()
        if state.deployed == wanted and not force and state.api.get(f"/deployments/name/{FLOW}/full") is not None:
            return state
        local.wait_for_pools(folder, state)
        say("deploying prefect.yaml")
        write_declarations(workplace())
        path = folder / "logs" / "deploy.log"
        with path.open("w", encoding="utf-8") as log:
            done = subprocess.run(
                [sys.executable, "-m", "prefect", "deploy", "--all", "--no-prompt"],
                cwd=workplace(),
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


def declared(name: str) -> dict[str, Any] | None:
    """The parameters of a deployment of the flow `ezhoi` in `prefect.yaml`; None if it declares none of that name."""
    found = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))["deployments"]
    return next((d["parameters"] for d in found if d["name"] == name and d["entrypoint"].endswith(f":{FLOW}")), None)


def write_declarations(folder: Path) -> None:
    """Write `prefect.yaml` into a folder, where `prefect deploy` looks for it; the checkout has it already."""
    if folder == ROOT:
        return
    text = DECLARED.read_text(encoding="utf-8")
    with atomic(folder / "prefect.yaml") as temporary:
        temporary.write_text(text.replace("entrypoint: flows/", f"entrypoint: {ROOT}/flows/"), encoding="utf-8")


def signature() -> str:
    """Digest of what is deployed, and of where flows lie and runs start, which a deployment records."""
    return digest.of_value([str(ROOT), str(workplace()), [[name, digest.of_file(ROOT / name)] for name in SOURCES]])
