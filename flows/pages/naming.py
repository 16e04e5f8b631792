"""A flow run's name and tags in Prefect: what was asked for, instead of two random words."""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient

from flows.pages.lineage import forgiving
from pipeline.store.runs import RunRecord

LONGEST = 150
"""The most letters of a name, which Prefect shows in one line."""


def name(client: SyncPrefectClient, record: RunRecord, *, flow_run: UUID | None) -> None:
    """Name the run, as in `utpl · uv · seed 5 · disparities.template=contrast-v2`; setting and seed become further tags."""
    if flow_run is None:
        return
    said = record.name if len(record.name) <= LONGEST else f"{record.name[: LONGEST - 1]}…"
    with forgiving():
        tags = {*client.read_flow_run(flow_run).tags, record.setting, f"seed {record.seed}"}
        client.update_flow_run(flow_run, name=said, tags=sorted(tags))
