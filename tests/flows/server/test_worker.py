"""What a worker of `ezhoi up` starts for a run."""

from __future__ import annotations

import shlex
import sys
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from flows.server import engine
from flows.server.worker import AtOnce


@pytest.mark.parametrize(
    ("named", "started"), [(None, shlex.join([sys.executable, engine.__file__])), ("theirs --now", "theirs --now")]
)
def test_a_run_is_our_engine_unless_its_deployment_or_pool_names_a_command(named: str | None, started: str) -> None:
    job = AtOnce(command=named, name=None)
    job.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4()))
    assert job.command == started
    assert job._command_configured, "or Prefect starts another process first"
