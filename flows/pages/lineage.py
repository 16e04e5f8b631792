"""Publish a run's lineage as Prefect artifacts from the flow; a cached stage has a page in this run too."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate
from prefect.exceptions import PrefectException

from flows.pages import markdown, plans
from flows.pages.site import FOLDER
from flows.pages.states import counts, word
from pipeline.engine import changes
from pipeline.engine.execute import Outcome
from pipeline.engine.run import Run
from pipeline.engine.status import StageStatus
from pipeline.outside.escaping import code
from pipeline.report.sample import sample
from pipeline.store import runs
from pipeline.store.artifact import Artifact

log = logging.getLogger("ezhoi.lineage")

PROXY_ALONE = frozenset({502, 503, 504})
"""Statuses of a proxy whose server does not answer."""


class RunPages:
    """The pages of one run. Each links to the version of its inputs' pages that this run published.

    Pages are made in a separate thread while the next stages run; `close` waits for the last one. If the server does not answer
    then, the pages that are left are given up: each would be tried for a minute, and a run could end a quarter of an hour late.
    """

    def __init__(self, client: SyncPrefectClient, steps: Run, *, flow_run: UUID | None) -> None:
        self._client, self._steps, self._flow_run = client, steps, flow_run
        self._published: dict[str, UUID] = {}
        self._previous = steps.against or runs.relative(steps.store, steps.record)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pages")
        self._closing = self._unanswered = False

    def stage(self, outcome: Outcome, *, task_run: UUID | None) -> None:
        """Publish a new version of the stage's page, attached to the task run; this returns at once."""
        self._submit(self._stage, outcome, dict(self._steps.artifacts), task_run)

    def close(self, outcomes: Sequence[Outcome], *, state: str) -> None:
        """Publish the run's lineage page, and wait until all pages are there."""
        if outcomes:
            self._submit(self._run, outcomes, state)
        self._closing, self._unanswered = True, False
        self._thread.shutdown(wait=True)

    def _submit(self, work: Callable[..., None], *arguments: object) -> None:
        # Prefect keeps its settings, so also the server's address, in the context, which a thread does not inherit.
        self._thread.submit(copy_context().run, work, *arguments).add_done_callback(_complain)

    def _stage(self, outcome: Outcome, artifacts: dict[str, Artifact], task_run: UUID | None) -> None:
        config, store = self._steps.config, self._steps.store
        text = markdown.stage_page(
            outcome,
            inputs=artifacts,
            link=self._link,
            changes=changes.since(self._previous, {outcome.stage: outcome.artifact}, store),
            sample=sample(outcome.artifact, artifacts, root=store.root, images=config.data.root),
        )
        fingerprint = outcome.artifact.fingerprint[:12]
        identity = self._create(
            ArtifactCreate(
                key=markdown.key(outcome.stage),
                type="markdown",
                description=f"{outcome.stage} {fingerprint} ({word(outcome)})",
                data=text,
                flow_run_id=self._flow_run,
                task_run_id=task_run,
            )
        )
        if identity is not None:
            self._published[outcome.stage] = identity

    def _run(self, outcomes: Sequence[Outcome], state: str) -> None:
        title = markdown.run_title(self._steps.record)
        artifacts = {o.stage: o.artifact for o in outcomes}
        changed = changes.since(self._steps.relative or self._previous, artifacts, self._steps.store)
        all_runs = code(str(self._steps.store.root / FOLDER / "index.html"))
        self._create(
            ArtifactCreate(
                key=markdown.LINEAGE_KEY,
                type="markdown",
                description=f"{title}: {state}, {counts(outcomes)}",
                data=markdown.run_page(
                    outcomes,
                    title=title,
                    state=state,
                    link=self._link,
                    changes=changed,
                    verdict=self._steps.verdict() if state == "completed" else None,
                )
                + f"\nAll runs of the store as pages: {all_runs}, which `ezhoi site` brings up to date.\n",
                flow_run_id=self._flow_run,
            )
        )

    def _create(self, page: ArtifactCreate) -> UUID | None:
        """Publish a page and return its id; None, with a warning, if that was not possible."""
        if self._closing and self._unanswered:
            log.warning("the page %s is given up: the server does not answer", page.key)
            return None
        with forgiving():
            try:
                identity = self._client.create_artifact(page).id
            except httpx.HTTPError as error:
                answer = error.response if isinstance(error, httpx.HTTPStatusError) else None
                self._unanswered = answer is None or answer.status_code in PROXY_ALONE
                raise
            self._unanswered = False
            return identity
        return None

    def _link(self, artifact: Artifact) -> str:
        """The link to the version that this run published, or to all versions if it could not publish one."""
        identity = self._published.get(artifact.stage)
        return markdown.in_prefect(artifact) if identity is None else f"../artifact/{identity}"


def _complain(page: Future[None]) -> None:
    """Log what went wrong with a page; it ends no run."""
    if (error := page.exception()) is not None:
        log.warning("a page could not be made: %s", error, exc_info=error)


def publish_plan(
    client: SyncPrefectClient, statuses: Sequence[StageStatus], *, title: str, flow_run: UUID | None
) -> None:
    """Publish a new version of the page of dry runs."""
    create(
        client,
        ArtifactCreate(
            key=plans.KEY,
            type="markdown",
            description=f"{title}: {plans.summary(statuses)}",
            data=plans.page(statuses, title=title),
            flow_run_id=flow_run,
        ),
    )


def create(client: SyncPrefectClient, artifact: ArtifactCreate) -> UUID | None:
    """Publish an artifact and return its id; None, with a warning, if that was not possible."""
    with forgiving():
        return client.create_artifact(artifact).id
    return None


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    """Make a page that cannot be published a warning: it must not end a training that runs well."""
    try:
        yield
    except (httpx.HTTPError, PrefectException) as error:
        log.warning("an artifact page could not be published: %s", error)
