"""A study as a Prefect flow: its trials are runs of the work pool, and its table is a page that grows.

    prefect deployment run ezhoi-study/study -p file=ablation -p 'settings=["uv"]' -p at_once=2

works after `ezhoi up` and `ezhoi deploy`; `ezhoi study FILE --launch` is the same, followed to its end, and without
`--launch` one trial runs after the other in the command's own process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from prefect import Flow, Task, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.runtime import deployment as this_deployment
from prefect.runtime import flow_run as this_flow
from prefect.runtime import task_run as this_task
from prefect.states import Completed, Failed
from pydantic import Field, WithJsonSchema

from flows.ezhoi import api_of_this_run, failed, register, released, uuid_of
from flows.pages.lineage import create, forgiving
from flows.pages.progress import ProgressPages
from flows.server import local, reaper, trials
from flows.server.parameters import Override
from flows.server.trials import Served
from pipeline.config.section import named_path
from pipeline.errors import ServiceError
from pipeline.outside.escaping import plain
from pipeline.store.opening import store_of
from pipeline.studies import file as files
from pipeline.studies import running
from pipeline.studies.running import Ended
from pipeline.studies.study import Study, Trial
from pipeline.studies.table import Table, reading_line, summary_line

AtOnce = Annotated[int | None, WithJsonSchema({"type": ["integer", "null"], "minimum": 1, "title": "at_once"})]
Seeds = list[Annotated[int, Field(ge=0)]]
Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]


def cancelled(flow: Flow[..., State], flow_run: FlowRun, state: State) -> None:
    """Cancel the trials of a study that was cancelled, called by the flow as it ends or by the worker after it."""
    released(flow, flow_run, state)
    if (api := api_of_this_run()) is not None:
        names = trials.cancel(api, str(flow_run.id))
        logging.getLogger("ezhoi.studies").info("cancelled: %s", ", ".join(names) or "no trial was at work")


@flow(
    name="ezhoi-study",
    description="Variants of a profile compared over settings and seeds, the trials side by side on the work pool.",
    persist_result=False,
    on_completion=[released],
    on_failure=[released],
    on_cancellation=[cancelled],
)
def study(
    file: str = "ablation",
    overrides: list[Override] = [],  # noqa: B006 -- the run form shows the defaults; nothing changes them
    variants: list[str] = [],  # noqa: B006
    settings: list[str] = [],  # noqa: B006
    seeds: Seeds = [],  # noqa: B006
    at_once: AtOnce = None,
    folder: str = "",
) -> State:
    """Run every variant in every setting with every seed; what is intact in the store is not computed again.

    Args:
        file: The study: a YAML file on the worker's machine (docs/studies.md), or a name such as ablation.
        overrides: Changes to the profile in all trials, one key=value each; they win over those of the file.
        variants: Only these variants; all if empty.
        settings: These zero-shot settings instead of the file's.
        seeds: These seeds instead of the file's.
        at_once: The most trials that run at the same time; as many as the pool's workers take if left out.
        folder: Where relative paths of the configuration start; the folder in which runs start if empty.
    """
    register()
    try:
        read = files.read(file, given=tuple(overrides), folder=named_path(folder, of="folder") if folder else None)
        chosen = read.part(variants=variants, settings=settings, seeds=seeds)
        chosen.check()
        return conduct(chosen, key=f"ezhoi-study-{chosen.name.replace('_', '-')}", at_once=at_once)
    except Exception as error:
        return failed(error)


def conduct(study: Study, *, key: str, at_once: int | None = None) -> State:
    """Carry out a study in this flow run: its trials are runs of the work pool if a worker runs it, else tasks in this process.

    Args:
        key: The key of the table's page.
        at_once: The most trials that run at the same time.
    """
    table = Table(study)
    store = store_of(study.config(study.trials()[0]))
    flow_run, logger = uuid_of(this_flow.get_id()), get_run_logger()
    with get_client(sync_client=True) as client:
        page = _Page(client, table, key, flow_run)
        if flow_run is not None:
            with forgiving():
                client.update_flow_run(flow_run, name=study.title)
        api = api_of_this_run()
        try:
            if api is not None and flow_run is not None and this_deployment.get_id():
                teller = _teller(table, logger)
                _serve(Served(api, table, store, _submit, teller, logger.info, page.show, at_once=at_once))
            else:
                _run_here(table, client, page.show, logger)
        except ServiceError as error:
            return Failed(message=f"{summary_line(table)}; {error}. Its trials go on; the same study again goes on too")
        where = table.write(store)
        page.show()
    if table.failed:
        reasons = [f"{trial}: {why}" for trial, why in table.failed.items()]
        return Failed(message="; ".join([summary_line(table), *reasons]))
    return Completed(message=f"{summary_line(table)}: {where}")


def _serve(served: Served) -> None:
    """Let workers run the trials; a signal that ends this process ends them too."""
    home = local.home()
    served.reap = lambda: reaper.reap_quietly(home, served.api)
    try:
        served.carry_out()
    except Exception:
        raise
    except BaseException:  # no error, but a signal: cancelled, or stopped
        trials.cancel(served.api, str(this_flow.get_id()))
        raise


def _submit(trial: Trial, parameters: dict[str, Any], tags: list[str]) -> str:
    """Ask for a run that the server shows as a part of this one."""
    try:
        run = run_deployment(
            trials.DEPLOYMENT, parameters=parameters, flow_run_name=str(trial), tags=tags, timeout=0, as_subflow=True
        )
    except Exception as error:  # of several libraries; what is wrong with the parameters was refused before
        raise ServiceError(f"{trial} could not be asked for: {error}") from error
    return str(run.id)  # type: ignore[union-attr]


def _run_here(table: Table, client: SyncPrefectClient, grown: Callable[[], None], logger: Logger) -> None:
    """Run one trial after the other, each as a task of this run."""
    progress = ProgressPages(client, logger=logger, flow_run=uuid_of(this_flow.get_id()))
    tell, store = _teller(table, logger), store_of(table.study.config(table.study.trials()[0]))
    table.remember(store)
    for trial in table.study.trials():
        _task(trial, table, progress, tell)(return_state=True)
        table.write(store)
        grown()
    progress.close()


def _task(trial: Trial, table: Table, progress: ProgressPages, tell: running.Tell) -> Task[[], State]:
    @task(name=str(trial), task_run_name=str(trial), cache_policy=NO_CACHE, persist_result=False)
    def run() -> State:
        progress.begin(uuid_of(this_task.get_id()))
        ended = running.run_one(table, trial, deployment="study", progress=progress)
        tell(ended)
        if ended.why:
            return Failed(message=ended.why)
        return Completed(name="Cached" if ended.word == "cached" else "Completed", message=reading_line(ended.reading))

    return run


def _teller(table: Table, logger: Logger) -> running.Tell:
    def tell(ended: Ended) -> None:
        done, of = len(table.found) + len(table.failed), len(table.study.trials())
        says = f"failed: {ended.why}" if ended.why else f"{ended.word}, {reading_line(ended.reading)}"
        logger.log(
            logging.ERROR if ended.why else logging.INFO,
            "%s",
            plain(f"{done:>3} of {of}  {ended.trial}  {ended.seconds:.1f} s  {says}"),
        )

    return tell


class _Page:
    """The table's page: made once, then changed whenever the table has grown."""

    def __init__(self, client: SyncPrefectClient, table: Table, key: str, flow_run: UUID | None) -> None:
        self._client, self._table, self._key, self._flow_run = client, table, key, flow_run
        self._page: UUID | None = None

    def show(self) -> None:
        title, text = summary_line(self._table), self._table.as_markdown()
        if self._page is not None:
            with forgiving():
                self._client.update_artifact(self._page, ArtifactUpdate(data=text, description=title))
            return
        about = {"key": self._key, "type": "markdown", "description": title, "data": text}
        self._page = create(self._client, ArtifactCreate(flow_run_id=self._flow_run, **about))
