"""The console script before the command line is imported."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
INTERRUPTED_IMPORT = """
import importlib.abc, os, signal, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "flows.cli.app":
            os.kill(os.getpid(), signal.SIGINT)
        return None

signal.signal(signal.SIGINT, {handler})
sys.meta_path.insert(0, Finder())
sys.argv = ["ezhoi", "config", "keys"]
from flows.cli.entry import main
main()
"""


def ended(handler: str) -> subprocess.CompletedProcess[str]:
    code = INTERRUPTED_IMPORT.format(handler=handler)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def test_ctrl_c_while_the_program_is_imported_ends_it_without_a_traceback() -> None:
    done = ended("signal.default_int_handler")
    assert done.returncode == -signal.SIGINT and done.stderr == "" and done.stdout == ""


def test_one_that_is_ignored_stays_so() -> None:
    """A shell ignores SIGINT for what it starts in the background."""
    done = ended("signal.SIG_IGN")
    assert done.returncode == 0 and "seen.epochs" in done.stdout
