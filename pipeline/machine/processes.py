"""Which process is which: a process id alone is reused by the system, its start time and the boot tell it apart."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process of this machine, past or present."""

    pid: int
    start: str
    """Start time as the system gives it; never parsed, only compared."""
    boot: str
    """Id of the machine's boot; empty where the system has none."""

    def alive(self) -> bool:
        """Whether this very process still runs (one that ended and waits to be collected does not)."""
        return identify(self.pid) == self


def identify(pid: int) -> Process | None:
    """The process that now has this id."""
    if PROC.is_dir():
        try:
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        state, start = fields[0], fields[19]
        return None if state in "ZX" else Process(pid, start, _boot())
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)
    return Process(pid, shown.stdout.strip(), "") if shown.stdout.strip() else None


def current() -> Process:
    """This process."""
    process = identify(os.getpid())
    if process is None:
        raise RuntimeError("this system tells nothing about its processes")
    return process


def machine() -> str:
    """Where process ids mean the same as here: the host's name, and on Linux its boot and the space of its process ids.

    Two containers of one host have ids of their own, and so do two machines that are both called `localhost`.
    """
    try:
        space = str((PROC / "self" / "ns" / "pid").readlink())
    except OSError:
        space = ""
    return " ".join(part for part in (socket.gethostname(), _boot(), space) if part)


def _boot() -> str:
    try:
        return (PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    except OSError:
        return ""
