"""The console script before the command line is imported."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
INTERRUPTED_IMPORT = """
import importlib.abc, os, signal, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "flows.cli.app":
            os.kill(os.getpid(), signal.{name})
        return None

signal.signal(signal.{name}, {handler})
sys.meta_path.insert(0, Finder())
sys.argv = ["ezhoi", "config", "keys"]
from flows.cli.entry import main
main()
"""


def ended(name: str, handler: str) -> subprocess.CompletedProcess[str]:
    code = INTERRUPTED_IMPORT.format(name=name, handler=handler)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("name", "handler"),
    [("SIGINT", "signal.default_int_handler"), ("SIGTERM", "signal.SIG_DFL"), ("SIGHUP", "signal.SIG_DFL")],
)
def test_a_signal_while_the_program_is_imported_is_one_line_as_it_is_later(name: str, handler: str) -> None:
    done = ended(name, handler)
    assert done.returncode == 128 + signal.Signals[name] and done.stdout == ""
    assert done.stderr == f"stopped by {name}. Nothing had begun\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_one_that_is_ignored_stays_so(name: str) -> None:
    """A shell ignores SIGINT for what it starts in the background, and nohup SIGHUP for all."""
    done = ended(name, "signal.SIG_IGN")
    assert done.returncode == 0 and "seen.epochs" in done.stdout


TAKEN_APART = """
import os, signal, sys

class Last:
    def __del__(self, kill=os.kill, process=os.getpid(), number=signal.{name}):
        kill(process, number)

sys.argv = ["ezhoi", "config", "{word}"]
last = Last()
from flows.cli.entry import main
main()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(("word", "code"), [("keys", 0), ("nothing", 2)])
def test_a_signal_when_all_is_done_changes_no_exit_code(name: str, word: str, code: int) -> None:
    """It comes while Python takes modules apart, which knows no handlers any more."""
    text = TAKEN_APART.format(name=name, word=word)
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code and "stopped" not in done.stderr
