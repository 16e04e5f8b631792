"""The Prefect flow, with one thin task for each stage. Prefect shows and schedules; the store decides what is computed.

    prefect deployment run ezhoi/full -p profile=demo -p setting=uv
    prefect deployment run ezhoi/utpl -p seen=3f2a9c -p 'overrides=["utpl.steps=200"]'

work after `ezhoi up` and `ezhoi deploy`, with PREFECT_API_URL as `ezhoi up` says.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import Flow, Task, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.runtime import deployment as this_deployment
from prefect.runtime import flow_run as this_flow
from prefect.runtime import task_run as this_task
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL, PREFECT_CLIENT_CUSTOM_HEADERS
from prefect.states import Completed, Failed
from pydantic import BaseModel, ConfigDict

from flows.pages import html, lineage, naming, plans, progress, results
from flows.pages.states import counts, state_name
from flows.server import ending, local, output, reaper
from flows.server.api import Api
from flows.server.helpers import Workers
from flows.server.parameters import (
    AS_IN_PROFILE,
    Fingerprint,
    Override,
    Profile,
    Request,
    RunReference,
    Seed,
    SettingName,
    resolve,
)
from flows.server.stage_name import StageName
from pipeline.engine.execute import AskHelpers, Outcome, no_helpers
from pipeline.engine.run import Run
from pipeline.engine.stage import Stage
from pipeline.errors import EzhoiError
from pipeline.outside.escaping import brief, plain


class Ref(BaseModel):
    """What a task returns: a reference to an artifact, never data."""

    model_config = ConfigDict(frozen=True)

    stage: str
    fingerprint: str
    digest: str


def released(flow: Flow[..., State], flow_run: FlowRun, state: State) -> None:
    """Remove the run's note once the server knows how the run ended; without it, a run whose server died would stay Running."""
    with contextlib.suppress(OSError):
        reaper.release(local.home(), str(flow_run.id))


def failed(error: Exception) -> State:
    """The state of a run that ends by an error which a user can correct.

    The message of such an error says all; a traceback would bury it. A fault of this program is raised again.
    """
    if (says := ending.foreseen(error)) is None:
        raise error
    return Failed(message=brief(says))


@flow(
    name="ezhoi",
    description="Zero-shot human-object interaction detection, from images and class names to the evaluated detector.",
    persist_result=False,
    on_completion=[released],
    on_failure=[released],
)
def ezhoi(
    profile: Profile = "demo",
    setting: SettingName = AS_IN_PROFILE,
    seed: Seed = None,
    overrides: list[Override] = [],  # noqa: B006 -- the run form shows the defaults; nothing changes them
    targets: list[StageName] = [StageName.evaluation, StageName.bundle],  # noqa: B006
    force: list[StageName] = [],  # noqa: B006
    reuse: list[StageName] = [],  # noqa: B006
    seen: Fingerprint = None,
    pins: dict[StageName, str] = {},  # noqa: B006
    against: RunReference = None,
    dry_run: bool = False,
) -> State:
    """Run the targets and everything they need; what is intact in the store is not computed again.

    Args:
        profile: demo (the rendered world), hico-vitb, hico-vitl, vcoco-vitb, vcoco-vitl, or the path of a YAML file.
        setting: Zero-shot setting, which tells the unseen classes; "profile" takes that of the profile.
        seed: Seed of initial weights, batches and detection noise; the profile's if left out.
        overrides: Changes to the profile, one key=value each, such as seen.epochs=3. `ezhoi config keys` lists the keys.
        targets: The stages to make. Everything they need is made too.
        force: Stages to compute again even if the store has them.
        reuse: Stages that must not be computed: the newest artifact that fits is used, or the run is refused.
        seen: Fingerprint (or its start) of the trained checkpoint to use. The same as pins {"seen": ...}.
        pins: Artifacts to use for stages, {"stage": "fingerprint"}, instead of what the configuration asks for.
        against: Id of the run with which the result is compared; the run that differs in the fewest keys if left out.
        dry_run: Only show the plan: which stages would run, why, and how long they took last time and should take now.
    """
    register()
    # One client for all pages: each new one would ask the server for its version first.
    with get_client(sync_client=True) as client:
        try:
            request = resolve(
                profile=profile,
                setting=setting,
                seed=seed,
                overrides=overrides,
                targets=targets,
                force=force,
                reuse=reuse,
                pins=dict(pins) | ({"seen": seen} if seen is not None else {}),
                against=against,
            )
            if dry_run:
                return _planned(request, client)
            given = {"profile": profile, "setting": setting, "seed": seed, "overrides": overrides}
            return _run(request, client, given)
        except Exception as error:
            return failed(error)


def _planned(request: Request, client: SyncPrefectClient) -> State:
    """Show what a run would do."""
    statuses = request.plan()
    for line in plans.lines(statuses):
        get_run_logger().info("%s", line)
    lineage.publish_plan(client, statuses, title=request.title, flow_run=uuid_of(this_flow.get_id()))
    return Completed(name="Planned", message=plans.summary(statuses))


def _run(request: Request, client: SyncPrefectClient, given: dict[str, Any]) -> State:
    """Run it; `given` are the parameters from which the configuration comes."""
    shown = progress.ProgressPages(client, logger=get_run_logger(), flow_run=uuid_of(this_flow.get_id()))
    steps = Run(
        request.config,
        request.store,
        force=request.force,
        progress=shown,
        given=request.given,
        deployment=this_deployment.get_name() or "",
        flow_run=this_flow.get_id() or "",
        ask_helpers=_ask_helpers(given, most=request.config.images.runtime.helpers),
        waiting=shown.waiting,
        targets=request.targets,
        against=request.against,
    )
    naming.name(client, steps.record, flow_run=uuid_of(this_flow.get_id()))
    published = lineage.RunPages(client, steps, flow_run=uuid_of(this_flow.get_id()))
    return _Recorded(steps=steps, pages=published, progress=shown).run(request.stages)


def _ask_helpers(given: dict[str, Any], *, most: int) -> AskHelpers:
    api, run = api_of_this_run(), this_flow.get_id()
    return Workers(api, run, given, most) if api and run else no_helpers


def api_of_this_run() -> Api | None:
    """The server that records this run, with the credentials that Prefect has for it; None for a temporary one."""
    url = PREFECT_API_URL.value()
    if url is None:
        return None
    password, key = PREFECT_API_AUTH_STRING.value(), PREFECT_API_KEY.value()
    return Api(url, password=password or "", key=key or "", headers=PREFECT_CLIENT_CUSTOM_HEADERS.value())


@dataclass
class _Recorded:
    """A run whose stages are tasks."""

    steps: Run
    pages: lineage.RunPages
    progress: progress.ProgressPages
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)

    def run(self, stages: tuple[Stage, ...]) -> State:
        end, state = "failed", None
        try:
            for stage in stages:
                state = self._stage(stage)
                if not state.is_completed():
                    return Failed(message=state.message or f"{stage.name} ended {state.name}")
            end = "completed"
        finally:
            self.steps.finish(end)
            outcomes = list(self.outcomes.values())
            self.progress.close()
            answer = self.steps.answer() if end == "completed" else []
            self.pages.close(outcomes, state=end)
            page = html.write(self.steps, outcomes)
            self._conclude(answer, page)
        return Completed(message=f"{len(stages)} stages: {counts(self.outcomes.values())}")

    def _conclude(self, answer: list[str], page: Path | None) -> None:
        """Write the last lines of the log: the result, its comparison, and where to look."""
        logger = get_run_logger()
        evaluated = self.outcomes.get("evaluation")
        report = html.report_of(page)
        for line in results.result_lines(evaluated.artifact, report) if evaluated is not None and answer else []:
            logger.info("%s", line)
        for line in answer:
            logger.info("%s", plain(line))
        if page is not None:
            logger.info("lineage: %s", page)

    def _stage(self, stage: Stage) -> State:
        """Run one stage as a task and publish its page.

        `wait_for` draws the edges of the run's graph. Passing the references as arguments too would draw each twice.
        """
        upstream = [self.states[edge.stage] for edge in stage.inputs if edge.stage in self.states]
        state: State = self._task(stage)(wait_for=upstream, return_state=True)
        self.states[stage.name] = state
        if state.is_completed():
            self.pages.stage(self.outcomes[stage.name], task_run=state.state_details.task_run_id)
        return state

    def _task(self, stage: Stage) -> Task[[], State]:
        @task(name=stage.name, task_run_name=stage.name, cache_policy=NO_CACHE, persist_result=False)
        def step() -> State:
            self.progress.begin(uuid_of(this_task.get_id()))
            try:
                outcome = self.steps.step(stage)
            except EzhoiError as error:  # its message says all; a traceback would bury it
                return Failed(message=brief(_named(stage, str(error))))
            self.outcomes[stage.name] = outcome
            seconds = outcome.artifact.manifest.duration
            chosen = f"{outcome.choice}; " if outcome.choice else ""
            return Completed(
                name=state_name(outcome),
                message=f"{chosen}{stage.name} {outcome.artifact.fingerprint[:12]} ({seconds:.1f} s when it was made)",
                data=_ref(outcome),
            )

        return step


def _named(stage: Stage, says: str) -> str:
    return says if says.startswith((stage.name, f"stage {stage.name}")) else f"{stage.name}: {says}"


def _ref(outcome: Outcome) -> Ref:
    return Ref(stage=outcome.stage, fingerprint=outcome.artifact.fingerprint, digest=outcome.artifact.digest)


def register() -> None:
    """Leave a note of this process, outlive the worker that reads its output, and look after runs whose process is gone."""
    output.outlive_reader()
    ending.hang_up_as_termination()
    api, run, home = api_of_this_run(), this_flow.get_id(), local.home()
    if api is None or run is None:  # Prefect's own temporary server: nobody will ask it afterwards
        return
    try:
        reaper.register(home, run, api=api.url)
    except OSError as error:
        get_run_logger().warning("%s cannot be written (%s): if killed, this run stays Running", home, error)
    reaper.reap_quietly(home, api)


def uuid_of(text: str | None) -> UUID | None:
    """An id from Prefect's runtime, which is a text or nothing."""
    return UUID(text) if text else None
