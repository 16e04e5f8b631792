"""Following a run of a server that is played."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flows.server import following
from flows.server.following import RunState, TaskState
from flows.server.local import Local
from pipeline.errors import ServiceError

TASK = TaskState("seen", "Running", False, 0.0)
RUN = RunState("1", "brave-otter", "Running", False, "", (TASK,))
ENDED = replace(RUN, state="Completed", final=True, tasks=(replace(TASK, state="Completed", final=True),))


class Clock:
    """Time that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    played = Clock()
    monkeypatch.setattr(following, "time", played)
    return played


def test_a_long_run_is_looked_at_less_often(clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def look(api: object, run: str) -> RunState:
        return RUN if clock.now < 1200 else ENDED

    monkeypatch.setattr(following, "look", look)
    seen = list(following.follow(tmp_path, Local(4211), "1"))
    assert seen[-1] == ENDED and set(seen[:-1]) == {RUN}
    assert clock.slept[:41] == [0.5] * 41 and clock.slept[-1] == 2.0, "twice a second in the first twenty seconds"
    assert clock.slept == sorted(clock.slept) and 1200 <= clock.now < 1202


def test_a_silent_server_is_asked_for_a_minute(clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def look(api: object, run: str) -> RunState:
        raise ServiceError("gone")

    monkeypatch.setattr(following, "look", look)
    with pytest.raises(ServiceError, match="gone"):
        list(following.follow(tmp_path, Local(4211), "1"))
    assert 60 < clock.now - 1000 < 62
