from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from flows.pages import progress
from flows.pages.progress import ProgressPages, describe


class Client:
    """Counts what is published."""

    def __init__(self) -> None:
        self.created: list[Any] = []
        self.updated: list[Any] = []

    def create_artifact(self, artifact: Any) -> Any:
        self.created.append(artifact)
        return SimpleNamespace(id=uuid4())

    def update_artifact(self, identity: Any, artifact: Any) -> None:
        self.updated.append((identity, artifact))


def test_rate_and_rest() -> None:
    assert describe(1, 9, "", since_first=1, seconds=5) == "1 of 9"
    assert describe(30, 90, "loss 0.31", since_first=21, seconds=10) == "30 of 90, loss 0.31, 2 a second, 30 s left"
    assert describe(90, 90, "", since_first=81, seconds=40) == "90 of 90, 2 a second"


def test_a_training_publishes_a_bar_and_a_curve_and_not_more_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    client, logger = Client(), logging.getLogger("test")
    shown = ProgressPages(client, logger=logger, flow_run=uuid4())  # type: ignore[arg-type]
    shown.begin(uuid4())
    lines: list[str] = []
    monkeypatch.setattr(logger, "info", lambda text, *values: lines.append(text % values))
    for step in range(600):  # a minute, ten steps a second
        now[0] = step / 10
        shown("seen", step + 1, 600, f"loss {1 / (step + 1):.4f}")
        if shown._pending is not None:
            shown._pending.result()
    shown.close()
    assert [(a.key, a.type) for a in client.created] == [
        ("ezhoi-seen-progress", "progress"),
        ("ezhoi-seen-curve", "markdown"),
    ]
    assert 25 <= len(client.updated) <= 36 and 4 <= len(lines) <= 7
    assert "10 a second" in lines[-1] and "left" in lines[-1]
    bars = [a for _, a in client.updated if isinstance(a.data, float)]
    assert bars[-1].data == 100.0
    drawn = [a for _, a in client.updated if isinstance(a.data, str)]
    assert "after 600 steps" in drawn[-1].description and "data:image/svg+xml" in drawn[-1].data


def test_a_slow_server_does_not_hold_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading
    import time

    gate = threading.Event()
    client = Client()
    slow = client.create_artifact
    monkeypatch.setattr(client, "create_artifact", lambda artifact: gate.wait(10) and slow(artifact))
    monkeypatch.setattr(progress, "SHOW_SECONDS", 0.0)
    shown = ProgressPages(client, logger=logging.getLogger("test"), flow_run=None)  # type: ignore[arg-type]
    shown.begin(None)
    start = time.monotonic()
    for step in range(50):
        shown("detections", step + 1, 100, "")
    assert time.monotonic() - start < 5
    gate.set()
    shown.close()
    assert len(client.created) == 1
