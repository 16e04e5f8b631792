"""The console script: `ezhoi` from its first moment, before what it imports is there.

Until `flows/server/ending.py` listens, nothing has begun. A signal then ends the process at once, with a line and the exit code
that it has later too. Python's own handler would show where in which library it was, and the system's would say nothing. At
the end nothing is left to stop: Python then takes large libraries apart, which may last a second, and the exit code is known.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Import the command line and run it; ends with its exit code."""
    atexit.register(_ignore)  # the first that is registered is the last that is called
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)
    from flows.cli.app import main as command_line

    command_line()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """Say so and leave; modules that are half imported are not asked to close anything."""
    with contextlib.suppress(OSError):
        os.write(2, f"stopped by {signal.Signals(number).name}. Nothing had begun\n".encode())
    os._exit(128 + number)


def _ignore() -> None:
    """Let signals change nothing more."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
