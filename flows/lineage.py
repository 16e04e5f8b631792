"""Publish a run's lineage as Prefect artifacts, from the flow: a cached stage has its page in this run too."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectException

from flows import pages
from pipeline.plan import StageStatus
from pipeline.runner import Outcome
from pipeline.store.artifact import Artifact

log = logging.getLogger("ezhoi.lineage")
Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]


def publish_stage(
    client: SyncPrefectClient,
    outcome: Outcome,
    *,
    inputs: Mapping[str, Artifact],
    flow_run: UUID | None,
    task_run: UUID | None,
) -> None:
    """A new version of the stage's page, attached to the task run."""
    digest = outcome.artifact.digest[:12]
    _create(
        client,
        ArtifactCreate(
            key=pages.key(outcome.stage),
            type="markdown",
            description=f"{outcome.stage} {digest} ({pages.state_name(outcome)})",
            data=pages.stage_page(outcome, inputs=inputs),
            flow_run_id=flow_run,
            task_run_id=task_run,
        ),
    )


def publish_run(
    client: SyncPrefectClient, outcomes: Sequence[Outcome], *, title: str, state: str, flow_run: UUID | None
) -> None:
    """A new version of the lineage page."""
    hits = sum(o.hit for o in outcomes)
    _create(
        client,
        ArtifactCreate(
            key=pages.LINEAGE_KEY,
            type="markdown",
            description=f"{title}: {state}, {hits} of {len(outcomes)} stages from the store",
            data=pages.run_page(outcomes, title=title, state=state),
            flow_run_id=flow_run,
        ),
    )


def publish_plan(
    client: SyncPrefectClient, statuses: Sequence[StageStatus], *, title: str, flow_run: UUID | None
) -> None:
    """A new version of the page of dry runs."""
    _create(
        client,
        ArtifactCreate(
            key=pages.PLAN_KEY,
            type="markdown",
            description=f"{title}: {pages.plan_summary(statuses)}",
            data=pages.plan_page(statuses, title=title),
            flow_run_id=flow_run,
        ),
    )


class ProgressPages:
    """Progress of long stages: a Prefect progress artifact at most once a second, a log line at most every ten."""

    def __init__(self, client: SyncPrefectClient, *, logger: Logger, flow_run: UUID | None) -> None:
        self._client = client
        self._logger = logger
        self._flow_run = flow_run
        self._task_run: UUID | None = None
        self._artifact: UUID | None = None
        self._shown = self._logged = 0.0

    def begin(self, task_run: UUID | None) -> None:
        """A stage's task starts; what comes next is its progress."""
        self._task_run, self._artifact = task_run, None
        self._shown = self._logged = time.monotonic()

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        """See `pipeline.work.Progress`."""
        now, percent = time.monotonic(), 100.0 * done / max(total, 1)
        if now - self._shown >= 1.0 or (done >= total and self._artifact is not None):
            self._shown = now
            self._show(stage, percent, note)
        if now - self._logged >= 10.0:
            self._logged = now
            self._logger.info("%s: %d of %d%s", stage, done, total, f", {note}" if note else "")

    def _show(self, stage: str, percent: float, note: str) -> None:
        description = f"{stage}{f': {note}' if note else ''}"
        if self._artifact is not None:
            with _forgiving():
                self._client.update_artifact(self._artifact, ArtifactUpdate(data=percent, description=description))
            return
        self._artifact = _create(
            self._client,
            ArtifactCreate(
                key=f"{pages.key(stage)}-progress",
                type="progress",
                description=description,
                data=percent,
                flow_run_id=self._flow_run,
                task_run_id=self._task_run,
            ),
        )


def _create(client: SyncPrefectClient, artifact: ArtifactCreate) -> UUID | None:
    with _forgiving():
        return client.create_artifact(artifact).id
    return None


@contextlib.contextmanager
def _forgiving() -> Iterator[None]:
    """A page that cannot be published is a warning: it must not end a training that runs well."""
    try:
        yield
    except (httpx.HTTPError, PrefectException) as error:
        log.warning("an artifact page could not be published: %s", error)
