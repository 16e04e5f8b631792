"""Which process is which: a process id alone is reused by the system, its start time and the boot tell it apart."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
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


def stop(process: Process, *, patience: float = 10.0) -> bool:
    """End a process and its whole group, which it must lead: SIGTERM, and SIGKILL after `patience` seconds.

    False if it was gone already; nothing is sent then, since the id may belong to another process by now.
    """
    if not process.alive():
        return False
    _signal_group(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while process.alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    # The group outlives its leader where a member ignored SIGTERM; its id is not reused while a member is left.
    _signal_group(process.pid, signal.SIGKILL)
    while process.alive():
        time.sleep(0.05)
    return True


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _boot() -> str:
    try:
        return (PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    except OSError:
        return ""
