"""Ending processes that this project started; `pipeline.machine.processes` tells which process is which."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from pipeline.machine.processes import Process, current, identify

__all__ = ["Process", "current", "identify", "stop"]


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
