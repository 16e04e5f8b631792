"""The console script: `ezhoi` from its first moment, before what it imports is there.

Until `flows/server/ending.py` listens, nothing has begun, so Ctrl-C ends the process as SIGTERM does then: at once, by the
signal, without a word. Python's own handler would show where in which library it was.
"""

from __future__ import annotations

import signal


def main() -> None:
    """Import the command line and run it; ends with its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from flows.cli.app import main as command_line

    command_line()
