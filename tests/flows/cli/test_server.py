"""What `ezhoi launch` and `follow` show while a run is at work."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.cli.server import _Waiting
from flows.server import local
from flows.server.following import RunState, TaskState
from pipeline.errors import EzhoiError

RUN = RunState("id", "brave-otter", "Running", False, "", ())


def task(percent: float | None) -> TaskState:
    return TaskState("seen", "Running", False, 0.0, percent)


class Stream(io.StringIO):
    """A stand-in for a terminal."""

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


@pytest.mark.parametrize("deployment", ["full", "utpl"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "seen.epoch=3"), "unknown key 'seen.epoch'. Did you mean 'seen.epochs'?"),
        (("--profile", "none.yaml"), "none.yaml"),
        (("--pin", "seen=0123abcd"), "'seen/0123abcd'"),
        (("--pin", "seen"), "expected stage=fingerprint"),
        (("--against", "20200101"), "no run '20200101'; `ezhoi runs` lists them"),
        (("--set", "setting=nothing"), "nothing"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_started(
    words: tuple[str, ...], message: str, deployment: str, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "up", lambda *_, **__: pytest.fail("the server was started for a run that is none"))
    store = [word for setting in fake.settings for word in ("--set", setting)]
    refused = CliRunner().invoke(app, ["launch", "--deployment", deployment, *store, *words]).exception
    assert isinstance(refused, EzhoiError) and message in str(refused), repr(refused)
    assert len(str(refused).splitlines()) <= 2
