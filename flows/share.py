"""The flow of a worker that helps another run with an image stage; runs ask for it (`flows/server/helpers.py`)."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.ezhoi import failed, register, released
from flows.server.parameters import AS_IN_PROFILE, Override, Profile, Seed, SettingName, resolve
from flows.server.stage_name import StageName
from pipeline.engine import execute, graph, provenance
from pipeline.engine.ingredients import ingredients
from pipeline.errors import EzhoiError, StoreError
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store
from pipeline.work.work import Place


@flow(
    name="ezhoi-share",
    description="Helps another run with an image stage: computes shards of it until none is left.",
    persist_result=False,
    on_completion=[released],
    on_failure=[released],
)
def share(
    stage: StageName,
    inputs: dict[StageName, str],
    fingerprint: str,
    code: str,
    helper: Annotated[int, Field(ge=0)] = 0,
    helpers: Annotated[int, Field(ge=0)] = 0,
    profile: Profile = "demo",
    setting: SettingName = AS_IN_PROFILE,
    seed: Seed = None,
    overrides: list[Override] = [],  # noqa: B006 -- the run form shows the defaults; nothing changes them
) -> State:
    """Compute shards that no other worker has published; the run that asked for help publishes the stage.

    Args:
        stage: The stage to help with.
        inputs: Fingerprints of the artifacts that the run computes it from.
        fingerprint: Fingerprint of the artifact that the run makes.
        code: Digest of the run's code of this stage.
        helper: Which of the run's helpers this is, from 1; 0 if the run did not ask for it.
        helpers: How many helpers the run asked for.
        profile: As in the run that is helped.
        setting: As in the run that is helped.
        seed: As in the run that is helped.
        overrides: As in the run that is helped.
    """
    register()
    try:
        request = resolve(profile=profile, setting=setting, seed=seed, overrides=overrides)
        declared = graph.stage(stage).resolved(request.config)
        found = {str(name): _input(request.store, name, inputs[name]) for name in inputs}
        if provenance.code_digest(stage) != code:
            raise EzhoiError(f"this worker has other code of the stage {stage} than the run that asks for help")
        need = ingredients(declared, config=request.config, inputs=found)
        if need.fingerprint != fingerprint:
            raise EzhoiError(
                f"here the stage {stage} would be {need.fingerprint}, not {fingerprint}: the files that it "
                "reads, or EZHOI__* variables, differ from those of the run that asks for help"
            )
        made = execute.help_with(
            declared,
            config=request.config,
            store=request.store,
            inputs=found,
            fingerprint=fingerprint,
            place=Place(helper, 1 + helpers) if 0 < helper <= helpers else None,
        )
    except Exception as error:
        return failed(error)
    return Completed(message=f"{made} shards of {stage} made here" if made else f"{stage}: no shard was left to make")


def _input(store: Store, stage: str, fingerprint: str) -> Artifact:
    artifact = store.get(stage, fingerprint)
    if artifact is None:
        raise StoreError(
            f"{store.place} has no {stage}/{fingerprint}, so this worker does not see the store of the run that asks for "
            "help. Choose a store.root that all workers of the pool see, or images.runtime.helpers=0"
        )
    return artifact
