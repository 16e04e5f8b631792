"""The ablation as a Prefect flow: one thin task a run, the table as an artifact.

    prefect deployment run ezhoi-ablation/ablate -p 'settings=["uv"]' -p 'seeds=[0]'

works after `ezhoi up` and `ezhoi deploy`; `ezhoi ablate` is the same without a server.
"""

from __future__ import annotations

from prefect import Task, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run as this_flow
from prefect.runtime import task_run as this_task
from prefect.states import Completed, Failed

from flows.ezhoi import register, released, uuid_of
from flows.pages import lineage
from flows.pages.progress import ProgressPages
from flows.server.parameters import Override, Profile
from pipeline.engine import run as runner
from pipeline.errors import EzhoiError
from pipeline.store.opening import store_of
from pipeline.studies import ablation
from pipeline.studies.ablation import KEYS, Design, RowKey, Table, Trial

KEY = "ezhoi-ablation"
"""Of the table's page."""


@flow(
    name="ezhoi-ablation",
    description="What each part of the model is worth: cumulative rows, over seeds and zero-shot settings.",
    persist_result=False,
    on_completion=[released],
    on_failure=[released],
)
def ablate(
    profile: Profile = "demo",
    overrides: list[Override] = [],  # noqa: B006 -- the run form shows the defaults; nothing changes them
    rows: list[RowKey] = list(KEYS),  # noqa: B006
    settings: list[str] = ["uv", "rf_uc"],  # noqa: B006
    seeds: list[int] = [0, 1, 2],  # noqa: B006
    full: bool = False,
) -> State:
    """Run every row in every setting with every seed; what is in the store, intact, is not computed again.

    Args:
        profile: demo (the rendered world), hico-vitb, hico-vitl, or the path of a YAML file.
        overrides: Changes to the profile, one key=value each; they go before the short schedule.
        rows: The rows of the table; each has the parts of all rows before it.
        settings: Zero-shot settings, the dataset's or your own (data.settings among the overrides).
        seeds: Seeds; the spread is over them.
        full: Train as long as the profile says, instead of the short schedule.
    """
    register()
    with get_client(sync_client=True) as client:
        logger, flow_run = get_run_logger(), uuid_of(this_flow.get_id())
        try:
            design = Design(profile, tuple(overrides), tuple(rows), tuple(settings), tuple(seeds), full)
        except EzhoiError as error:
            return Failed(message=str(error))
        table, failed = Table(design), list[str]()
        shown = ProgressPages(client, logger=logger, flow_run=flow_run)
        for trial in design.trials():
            state = _task(trial, table, shown)(return_state=True)
            if state.is_completed():
                logger.info("%s: %s", trial, state.message)
                page = table.write(store_of(design.config(trial)))
            else:
                failed.append(f"{trial}: {state.message}")
        title = ablation.summary(table)
        shown.close()
        lineage.create(
            client,
            ArtifactCreate(key=KEY, type="markdown", description=title, data=table.as_markdown(), flow_run_id=flow_run),
        )
        if failed:
            return Failed(message="; ".join([title, *failed]))
        return Completed(message=f"{title}: {page}")


def _task(trial: Trial, table: Table, progress: ProgressPages) -> Task[[], State]:
    @task(name=str(trial), task_run_name=str(trial), cache_policy=NO_CACHE, persist_result=False)
    def run() -> State:
        progress.begin(uuid_of(this_task.get_id()))
        try:
            outcomes = runner.run(table.design.config(trial), deployment="ablate", progress=progress)
        except EzhoiError as error:
            return Failed(message=str(error))
        found = table.add(trial, outcomes["evaluation"].artifact)
        name = "Cached" if all(o.hit for o in outcomes.values()) else "Completed"
        return Completed(name=name, message=ablation.reading(found))

    return run
