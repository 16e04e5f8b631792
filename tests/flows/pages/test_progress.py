from __future__ import annotations

import logging
import threading
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from flows.pages import lineage, progress
from flows.pages.progress import ProgressPages, describe
from pipeline.engine.graph import stage
from pipeline.engine.run import Run
from pipeline.store.opening import store_of


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


def test_what_is_published_in_a_thread_goes_to_the_server_of_the_run(
    fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect keeps its settings in the context: without it, a thread publishes to a temporary server of its own."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setattr(progress, "SHOW_SECONDS", 0.0)
    seen: list[str | None] = []

    class Server(Client):
        def create_artifact(self, artifact: Any) -> Any:
            seen.append(PREFECT_API_URL.value())
            return super().create_artifact(artifact)

    server = "http://127.0.0.1:1/api"
    with temporary_settings({PREFECT_API_URL: server}):
        shown = ProgressPages(Server(), logger=logging.getLogger("test"), flow_run=uuid4())  # type: ignore[arg-type]
        shown.begin(uuid4())
        shown("seen", 4, 5, "")
        shown.close()
        steps = Run(fake.config(), store_of(fake.config()))
        published = lineage.RunPages(Server(), steps, flow_run=uuid4())  # type: ignore[arg-type]
        published.close([steps.step(stage("vocabulary"))], state="completed")
    assert len(seen) == 2 and set(seen) == {server}


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


def test_a_wait_is_a_line_in_the_log_and_a_page_that_says_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    client = Client()
    shown = ProgressPages(client, logger=logging.getLogger("test"), flow_run=uuid4())  # type: ignore[arg-type]
    shown.begin(uuid4())
    shown.waiting("seen", "waits for run 20260131T120000-0a1b2c of full (process 7 on vm, at it since noon)")
    shown("seen", 1, 9, "")
    shown.close()
    assert caplog.messages == ["seen waits for run 20260131T120000-0a1b2c of full (process 7 on vm, at it since noon)"]
    (page,) = client.created
    assert (page.key, page.description) == ("ezhoi-waiting", caplog.messages[0])
    ((_, over),) = client.updated
    assert over.description.startswith("over after 0.0 s: seen waits for run 2026")


def test_the_end_is_shown_though_the_page_is_still_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOW_SECONDS", 0.0)
    go_on = threading.Event()

    class Busy(Client):
        def create_artifact(self, artifact: Any) -> Any:
            assert go_on.wait(60)
            return super().create_artifact(artifact)

    client = Busy()
    pages = ProgressPages(client, logger=logging.getLogger("test"), flow_run=uuid4())  # type: ignore[arg-type]
    pages.begin(uuid4())
    pages("detections", 1, 2, "")
    monkeypatch.setattr(progress, "SHOW_SECONDS", 60.0)
    pages("detections", 2, 2, "")
    go_on.set()
    pages.close()
    assert [page.data for page in client.created] == [50.0]
    assert [page.data for _, page in client.updated] == [100.0]
