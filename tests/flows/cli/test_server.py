"""What `ezhoi launch` and `follow` show while a run is at work."""

from __future__ import annotations

import io
import sys

import pytest

from flows.cli.server import _Waiting
from flows.server.following import RunState, TaskState

RUN = RunState("id", "brave-otter", "Running", False, "", ())


def task(percent: float | None) -> TaskState:
    return TaskState("seen", "Running", False, 0.0, percent)


class Stream(io.StringIO):
    """What stands in for a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_for_each_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = _Waiting()
    for percent in (None, 0.0, 10.0, 26.0, 49.0, 50.0, 99.0):
        waiting.show(RUN, task(percent))
    waiting.show(RUN, None)
    waiting.clear()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [line.split() for line in shown.err.splitlines()] == [
        ["seen", "running"],
        ["seen", "running", "25", "%"],
        ["seen", "running", "50", "%"],
        ["seen", "running", "75", "%"],
    ]


def test_a_terminal_gets_one_line_that_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it shows, rich sends stdout to the terminal; a result has to go where stdout goes."""
    terminal, out = Stream(), Stream()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("TERM", "xterm")
    waiting = _Waiting()
    waiting.show(RUN, None)
    waiting.show(RUN, task(40.0))
    waiting.clear()
    print("seen computed")
    assert "seen              running 40 %" in terminal.getvalue() and out.getvalue() == "seen computed\n"
    waiting.show(RUN, task(None))
    waiting.clear()
    assert terminal.getvalue().count("seen              running") == 2
