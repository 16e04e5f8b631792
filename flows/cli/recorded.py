"""Run the Prefect flow in this process. This module imports Prefect, so set its environment first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.ezhoi import ezhoi
from pipeline.errors import ServiceError


@dataclass(frozen=True)
class Recorded:
    """How the run ended."""

    completed: bool
    message: str
    flow_run: str


def record(**parameters: Any) -> Recorded:
    """Call the flow with its parameters; the server that PREFECT_API_URL names shows it.

    Raises:
        ServiceError: the server is gone. Prefect would try for minutes to deliver its last events before this process
            ends; a caller that has nothing else to do leaves by `os._exit`.
    """
    # Our reaper watches processes, so nobody needs heartbeats, and each run would wait a second to end their thread.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        try:
            state = ezhoi(**parameters, return_state=True)
        except httpx.TransportError as error:
            raise ServiceError(
                f"the Prefect server does not answer any more ({error}). Run again: what was computed is kept"
            ) from error
    return Recorded(state.is_completed(), state.message or state.name or "", str(state.state_details.flow_run_id))
