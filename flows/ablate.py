"""The ablation as a Prefect flow: a study (`flows/study.py`) whose form offers its rows.

    prefect deployment run ezhoi-ablation/ablate -p 'settings=["uv"]' -p 'seeds=[0]'

works after `ezhoi up` and `ezhoi deploy`; `ezhoi ablate` is the same without a server.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.ezhoi import failed, register, released
from flows.server.parameters import Override, Profile
from flows.study import AtOnce, cancelled, conduct
from pipeline.studies import ablation
from pipeline.studies.ablation import KEYS, RowKey

KEY = "ezhoi-ablation"
"""The key of the table's page."""


@flow(
    name="ezhoi-ablation",
    description="What each part of the model is worth: cumulative rows, over seeds and zero-shot settings.",
    persist_result=False,
    on_completion=[released],
    on_failure=[released],
    on_cancellation=[cancelled],
)
def ablate(
    profile: Profile = "demo",
    overrides: list[Override] = [],  # noqa: B006 -- the run form shows the defaults; nothing changes them
    rows: list[RowKey] = list(KEYS),  # noqa: B006
    settings: list[str] = ["uv", "rf_uc"],  # noqa: B006
    seeds: list[int] = [0, 1, 2],  # noqa: B006
    full: bool = False,
    at_once: AtOnce = None,
) -> State:
    """Run every row in every setting with every seed; what is intact in the store is not computed again.

    Args:
        profile: demo (the rendered world), hico-vitb, hico-vitl, vcoco-vitb, vcoco-vitl, or the path of a YAML file.
        overrides: Changes to the profile, one key=value each; they win over the short schedule.
        rows: The rows of the table; each has the parts of all rows before it.
        settings: Zero-shot settings, the dataset's or your own (data.settings among the overrides).
        seeds: The seeds over which the table gives mean and spread.
        full: Train as long as the profile says, instead of the short schedule.
        at_once: The most trials that run at the same time; as many as the pool's workers take if left out.
    """
    register()
    try:
        study = ablation.study(
            profile=profile, overrides=overrides, rows=rows, settings=settings, seeds=seeds, full=full
        )
        return conduct(study, key=KEY, at_once=at_once)
    except Exception as error:
        return failed(error)
