"""The Prefect profile with which plain `prefect` commands find the server that `ezhoi up` started.

In the checkout they read it by themselves, because its pyproject.toml (`[tool.prefect]`) names the file. Elsewhere the line
that `ezhoi up` prints names it in $PREFECT_PROFILES_PATH.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from pipeline.machine import home


def path(folder: Path) -> Path:
    """The profile of the server that keeps its state in `folder`."""
    return folder / "prefect" / "profiles.toml"


def write(folder: Path, api_url: str, password: str) -> None:
    """Write the server's address and its password (empty for none), readable by their owner alone."""
    lines = ['active = "ezhoi"', "", "[profiles.ezhoi]", f"PREFECT_API_URL = {json.dumps(api_url)}"]
    lines += [f"PREFECT_API_AUTH_STRING = {json.dumps(password)}"] if password else []
    home.write_secret(path(folder), "\n".join(lines) + "\n")


def remove(folder: Path) -> None:
    """Remove the profile of a stopped server, so that no other server on its port is told the password."""
    path(folder).unlink(missing_ok=True)


def found_in(folder: Path) -> Path | None:
    """The folder in which `prefect` commands find the profile by themselves; None if there is none."""
    return home.ROOT if home.in_checkout() and folder == home.ROOT / ".ezhoi" else None


def export(folder: Path, api_url: str) -> str:
    """The shell command after which `prefect` commands find the profile anywhere. The password stays in the file."""
    return f"export PREFECT_PROFILES_PATH={shlex.quote(str(path(folder)))} PREFECT_API_URL={api_url}"
