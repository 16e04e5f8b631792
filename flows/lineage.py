"""Publish a run's lineage as Prefect artifacts, from the flow: a cached stage has its page in this run too."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectException

from flows import pages, plans
from pipeline import changes
from pipeline.plan import StageStatus
from pipeline.report.sample import sample
from pipeline.runner import Outcome, Run
from pipeline.store import runs
from pipeline.store.artifact import Artifact

log = logging.getLogger("ezhoi.lineage")
Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]


class RunPages:
    """The pages of one run. Each links to the very version of its inputs' pages that this run published.

    Pages are made in a thread of their own while the next stages run; `close` waits for the last one.
    """

    def __init__(self, client: SyncPrefectClient, steps: Run, *, flow_run: UUID | None) -> None:
        self._client, self._steps, self._flow_run = client, steps, flow_run
        self._published: dict[str, UUID] = {}
        self._previous = runs.previous(steps.store, steps.record)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pages")

    def stage(self, outcome: Outcome, *, task_run: UUID | None) -> None:
        """A new version of the stage's page, attached to the task run; returns at once."""
        self._thread.submit(self._stage, outcome, dict(self._steps.artifacts), task_run)

    def close(self, outcomes: Sequence[Outcome], *, state: str) -> None:
        """Publish the run's lineage page, and wait until all pages are there."""
        if outcomes:
            self._thread.submit(self._run, outcomes, state)
        self._thread.shutdown(wait=True)

    def _stage(self, outcome: Outcome, artifacts: dict[str, Artifact], task_run: UUID | None) -> None:
        config, store = self._steps.config, self._steps.store
        text = pages.stage_page(
            outcome,
            inputs=artifacts,
            link=self._link,
            changes=changes.since(self._previous, {outcome.stage: outcome.artifact}, store),
            sample=sample(outcome.artifact, artifacts, root=store.root, images=config.data.root),
        )
        digest = outcome.artifact.digest[:12]
        identity = _create(
            self._client,
            ArtifactCreate(
                key=pages.key(outcome.stage),
                type="markdown",
                description=f"{outcome.stage} {digest} ({pages.state_name(outcome)})",
                data=text,
                flow_run_id=self._flow_run,
                task_run_id=task_run,
            ),
        )
        if identity is not None:
            self._published[outcome.stage] = identity

    def _run(self, outcomes: Sequence[Outcome], state: str) -> None:
        title = pages.run_title(self._steps.record)
        artifacts = {o.stage: o.artifact for o in outcomes}
        changed = changes.since(self._previous, artifacts, self._steps.store)
        hits = sum(o.hit for o in outcomes)
        _create(
            self._client,
            ArtifactCreate(
                key=pages.LINEAGE_KEY,
                type="markdown",
                description=f"{title}: {state}, {hits} of {len(outcomes)} stages from the store",
                data=pages.run_page(outcomes, title=title, state=state, link=self._link, changes=changed),
                flow_run_id=self._flow_run,
            ),
        )

    def _link(self, artifact: Artifact) -> str:
        """The version that this run published; the key's history if it could not be."""
        identity = self._published.get(artifact.stage)
        return pages.in_prefect(artifact) if identity is None else f"../artifact/{identity}"


def publish_plan(
    client: SyncPrefectClient, statuses: Sequence[StageStatus], *, title: str, flow_run: UUID | None
) -> None:
    """A new version of the page of dry runs."""
    _create(
        client,
        ArtifactCreate(
            key=plans.KEY,
            type="markdown",
            description=f"{title}: {plans.summary(statuses)}",
            data=plans.page(statuses, title=title),
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
