"""The other workers of a run's pool, asked to help with its image stages: each gets a run of `ezhoi-share/share`."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flows.server.api import Api, cancel_run
from pipeline.engine import provenance
from pipeline.engine.ingredients import Ingredients
from pipeline.engine.stage import Stage

log = logging.getLogger("ezhoi.helpers")


@dataclass(frozen=True)
class Workers:
    """A `pipeline.engine.execute.AskHelpers`. Where the server refuses, the run only goes without help."""

    api: Api
    flow_run: str
    parameters: dict[str, Any]
    """The parameters of the run that determine its configuration."""
    most: int
    """The most workers that are asked."""

    @contextmanager
    def __call__(self, stage: Stage, need: Ingredients) -> Iterator[int]:
        """Ask for help before the stage begins; helpers that have not begun when it ends are cancelled."""
        asked: list[str] = []
        try:
            self._ask(stage, need, asked)
        except Exception as error:
            log.warning("%d other workers were asked to help with %s, then: %s", len(asked), stage.name, error)
        try:
            yield len(asked)
        finally:
            try:
                for run in asked:
                    self._dismiss(run)
            except Exception as error:
                log.warning("help that %s does not need any more could not be cancelled: %s", stage.name, error)

    def _ask(self, stage: Stage, need: Ingredients, asked: list[str]) -> None:
        """Ask for a run for each other worker that is online; the ids of these runs go to `asked`."""
        mine = self.api.get(f"/flow_runs/{self.flow_run}") or {}
        deployment = self.api.get("/deployments/name/ezhoi-share/share")
        pool = mine.get("work_pool_name")
        if self.most < 1 or deployment is None or pool is None or deployment["work_pool_name"] != pool:
            return
        workers = self.api.post(f"/work_pools/{pool}/workers/filter", {}) or []
        others = sum(worker.get("status") == "ONLINE" for worker in workers) - 1
        parameters = self.parameters | {
            "stage": stage.name,
            "inputs": {record.stage: record.fingerprint for record in need.inputs},
            "fingerprint": need.fingerprint,
            "code": provenance.code_digest(stage.name),
            "helpers": min(others, self.most),
        }
        for helper in range(1, parameters["helpers"] + 1):
            body = {
                "name": f"{stage.name}-for-{mine['name']}-{helper}",
                "idempotency_key": uuid.uuid4().hex,
                "parameters": parameters | {"helper": helper},
                "state": {"type": "SCHEDULED"},
            }
            asked.append(str(self.api.post(f"/deployments/{deployment['id']}/create_flow_run", body)["id"]))
        if asked:
            log.info("%s: %d other workers of %s are asked to help with it", stage.name, len(asked), pool)

    def _dismiss(self, run: str) -> None:
        """Cancel a run if no worker has taken it; one that has begun finds no shard left and ends by itself."""
        found = self.api.get(f"/flow_runs/{run}")
        if found is not None and found["state_type"] == "SCHEDULED":
            cancel_run(self.api, run, why="The stage is done without it.")
