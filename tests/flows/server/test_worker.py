"""What a worker of `ezhoi up` starts for a run."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from flows.server import engine, worker
from flows.server.worker import AtOnce


@pytest.mark.parametrize(
    ("named", "started"), [(None, shlex.join([sys.executable, engine.__file__])), ("theirs --now", "theirs --now")]
)
def test_a_run_is_our_engine_unless_its_deployment_or_pool_names_a_command(named: str | None, started: str) -> None:
    job = AtOnce(command=named, name=None)
    job.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4()))
    assert job.command == started


def test_a_worker_that_was_started_in_the_background_of_a_shell_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """There SIGINT is ignored, by which Prefect stops a worker that gets SIGTERM."""
    seen: list[Any] = []
    monkeypatch.setattr("prefect.cli.app", lambda: seen.append(signal.getsignal(signal.SIGINT)))
    monkeypatch.setattr(worker.ProcessWorker, "job_configuration", None)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        worker.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.default_int_handler] and worker.ProcessWorker.job_configuration is AtOnce
