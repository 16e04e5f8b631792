"""A machine that only trains along: how its waiting ends."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from pipeline.engine import execute
from pipeline.engine.run import run
from pipeline.errors import ConfigError, EzhoiError
from pipeline.store.opening import store_of


@pytest.fixture
def meeting() -> Any:
    """Settings of machine 1, and machine 0's port, at which nobody listens yet."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        settings = ["seen.runtime.machines=2", "seen.runtime.machine=1", f"seen.runtime.rendezvous=127.0.0.1:{port}"]
        yield settings, server


def test_it_gives_up_where_machine_0_does_not_come(fake: Any, meeting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "LOOK_SECONDS", 0.1)
    settings, _ = meeting
    with pytest.raises(
        EzhoiError, match=r"machine 1 waits for machine 0 at 127.0.0.1:.*within seen.runtime.patience_s = 1 s"
    ):
        run(fake.config(*settings, "seen.runtime.patience_s=1"), targets=("seen",))
    assert "seen" not in fake.executed()


def test_what_another_run_makes_meanwhile_is_used(fake: Any, meeting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine 0 waited for a run that made it, so it never listens."""
    settings, _ = meeting

    def sleep(seconds: float) -> None:
        run(fake.config(), targets=("seen",))

    monkeypatch.setattr("pipeline.engine.execute.time.sleep", sleep)
    assert run(fake.config(*settings), targets=("seen",))["seen"].hit
    assert fake.executed().count("seen") == 1


def test_it_publishes_nothing_and_says_if_nobody_did(fake: Any, meeting: Any) -> None:
    settings, server = meeting
    server.listen()
    with pytest.raises(EzhoiError, match=r"machine 0 trained to the end and did not publish"):
        run(fake.config(*settings), targets=("seen",))
    assert store_of(fake.config()).artifacts("seen") == []
    assert not [path for path in fake.root.glob(".work/*") if path.is_dir()]


def test_nothing_is_computed_where_it_is_not_known_which_machine_this_is(
    fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(ConfigError, match=r"Set seen.runtime.machine "):
        run(fake.config("seen.runtime.machines=2"), targets=("seen",))
    assert fake.executed() == []
    run(fake.config(), targets=("seen",))
    run(fake.config("seen.runtime.machines=2"), targets=("seen",))
