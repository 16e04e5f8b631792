"""The Prefect profile with which plain `prefect` commands find the server that `ezhoi up` started.

In the checkout they read it by themselves: its pyproject.toml (`[tool.prefect]`) names the file. Elsewhere
$PREFECT_PROFILES_PATH does, in the line that `ezhoi up` prints.
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
    """Note the server's address and its password (empty for none) for its owner alone."""
    lines = ['active = "ezhoi"', "", "[profiles.ezhoi]", f"PREFECT_API_URL = {json.dumps(api_url)}"]
    lines += [f"PREFECT_API_AUTH_STRING = {json.dumps(password)}"] if password else []
    home.write_secret(path(folder), "\n".join(lines) + "\n")


def remove(folder: Path) -> None:
    """The server is stopped: whoever takes its port, or is named by another PREFECT_API_URL, is told no password."""
    path(folder).unlink(missing_ok=True)


def found_in(folder: Path) -> Path | None:
    """The folder in which `prefect` commands find the profile by themselves; None if there is none."""
    return home.ROOT if home.in_checkout() and folder == home.ROOT / ".ezhoi" else None


def export(folder: Path, api_url: str) -> str:
    """The shell's command after which `prefect` commands find it anywhere. The password stays in the file."""
    return f"export PREFECT_PROFILES_PATH={shlex.quote(str(path(folder)))} PREFECT_API_URL={api_url}"
