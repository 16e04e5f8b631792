"""Which process is which: the system reuses process ids, so the start time and the boot belong to the identity."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
TICKS = 100
"""Parts of a second: the precision of the start time of a process."""


@dataclass(frozen=True)
class Process:
    """One process of this machine, past or present."""

    pid: int
    start: str
    """When it started, in hundredths of a second since the boot; it is only compared."""
    boot: str
    """The id of the machine's boot; empty where the system has none."""

    def alive(self) -> bool:
        """Whether this very process still runs; one that has ended and waits to be collected does not."""
        return identify(self.pid) == self


def identify(pid: int) -> Process | None:
    """The process that now has this id."""
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        # Both are times of the clock, which is set now and then; their difference does not change with it.
        started = process.create_time() - psutil.boot_time()
    except (psutil.Error, ValueError, OverflowError):  # no process can have such a number
        return None
    return Process(pid, str(round(started * TICKS)), _boot())


def current() -> Process:
    """This process."""
    process = identify(os.getpid())
    if process is None:
        raise RuntimeError("this system tells nothing about its processes")
    return process


def machine() -> str:
    """The place within which process ids are unique: the host's name, and on Linux its boot and its space of process ids.

    It tells apart two containers of one host, and two machines that are both called `localhost`.
    """
    try:
        space = str((PROC / "self" / "ns" / "pid").readlink())
    except OSError:
        space = ""
    return " ".join(part for part in (socket.gethostname(), _boot(), space) if part)


def _boot() -> str:
    try:
        return (PROC / "sys" / "kernel" / "random" / "boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
