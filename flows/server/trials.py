"""The trials of a study as runs of the work pool: asked for, looked after, cancelled.

A trial is a run of `ezhoi/full`. A tag identifies its work, so that a trial which two studies want at once runs only once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flows.server.api import Api, cancel_run
from flows.server.parameters import portable
from flows.server.reaper import FINAL
from pipeline.errors import EzhoiError, ServiceError
from pipeline.store.store import Store
from pipeline.studies import order, running
from pipeline.studies.running import Ended, Tell
from pipeline.studies.study import Study, Trial
from pipeline.studies.table import Table

log = logging.getLogger("ezhoi.studies")
DEPLOYMENT = "ezhoi/full"
POLL_SECONDS = 1.0
REAP_SECONDS = 30.0
PATIENCE_SECONDS = 300.0
"""Seconds that the server may be silent before the study gives up; its trials go on."""
QUEUED = 2
"""How many trials may wait for a worker; more of them would only delay the runs of other people."""
AT_WORK = ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED")
_DELETED = {"type": "CANCELLED", "message": "its run was deleted"}
Submit = Callable[[Trial, dict[str, Any], list[str]], str]
"""Asks for a run with these parameters and tags, and returns its id."""


def tag(study: Study, trial: Trial) -> str:
    """The tag of a trial's runs: equal work in the same store has the same tag."""
    return f"trial {order.identity(study.config(trial))[:16]}"


def parameters(study: Study, trial: Trial) -> dict[str, Any]:
    """The parameters of `ezhoi/full` for the trial, with paths that mean the same to a worker in another folder.

    EZHOI__* variables of this process are among them: the study's own configurations have them (`Study.config`), and a trial
    of another worker is to be the same run, in the same store.
    """
    found = portable(profile=study.profile, overrides=study.overrides_of(trial), folder=study.folder)
    return {"profile": found.profile, "overrides": found.overrides}


@dataclass
class Served:
    """A study whose trials are runs in a Prefect server."""

    api: Api
    table: Table
    store: Store
    submit: Submit
    tell: Tell = lambda ended: None
    note: Callable[[str], None] = log.info
    """Called with a message about a trial that another study is running."""
    grown: Callable[[], None] = lambda: None
    """Called whenever the table has changed and is in the store."""
    reap: Callable[[], None] = lambda: None
    """Marks runs whose process is gone."""
    at_once: int | None = None
    """The most trials at the same time; None: as many as the pool's workers take."""
    runs: dict[Trial, str] = field(default_factory=dict)
    """{trial: id of its run}, including runs that other studies asked for."""
    others: set[Trial] = field(default_factory=set)
    """Trials that another study has asked for."""
    since: dict[Trial, float] = field(default_factory=dict)

    def carry_out(self) -> None:
        """Run what the store lacks; a trial that fails, or is cancelled, is listed and ends nothing.

        Raises:
            ServiceError: the server refuses, or is silent for minutes.
        """
        if self.api.get(f"/deployments/name/{DEPLOYMENT}") is None:
            raise ServiceError(f"the server has no deployment {DEPLOYMENT}, as which trials run; `ezhoi deploy`")
        self.table.remember(self.store)
        queue = order.queue(self.table.study, running.collect(self.table, self.tell))
        self._grow()
        answered = reaped = time.monotonic()
        while True:
            try:
                states = self._states()
                for trial, run in list(self.runs.items()):
                    if (state := states.get(run, _DELETED))["type"] in FINAL:
                        self._end(queue, trial, state)
                waiting = sum(states.get(run, {}).get("type") == "SCHEDULED" for run in self.runs.values())
                self._start(queue, QUEUED - waiting)
                answered = time.monotonic()
            except ServiceError:
                if time.monotonic() - answered > PATIENCE_SECONDS:
                    raise
            if not self.runs and not queue.waiting:
                return
            if time.monotonic() - reaped > REAP_SECONDS:
                reaped = time.monotonic()
                self.reap()
            time.sleep(POLL_SECONDS)

    def _states(self) -> dict[str, dict[str, Any]]:
        """{run: its state} of the runs that this study looks after."""
        found: dict[str, dict[str, Any]] = {}
        ids = list(self.runs.values())
        for first in range(0, len(ids), 100):  # the server tells of 200 runs at a time
            asked = {"flow_runs": {"id": {"any_": ids[first : first + 100]}}}
            for run in self.api.post("/flow_runs/filter", asked) or []:
                found[run["id"]] = run["state"] or {"type": "PENDING"}
        return found

    def _start(self, queue: order.Queue, most: int) -> None:
        """Start up to so many trials, without those that the store has by now or that another study is running."""
        while most > 0 and (self.at_once is None or len(self.runs) < self.at_once):
            if (trial := queue.take()) is None:
                return
            if running.look_up(self.table, trial, self.tell):
                queue.end(trial, well=True)
                self._grow()
                continue
            try:
                self._ask(trial)
            except EzhoiError as error:
                if isinstance(error, ServiceError):
                    queue.put_back(trial)
                    raise
                self._failed(queue, trial, str(error))
                continue
            most -= 1

    def _ask(self, trial: Trial) -> None:
        study, name = self.table.study, tag(self.table.study, trial)
        chosen = {"tags": {"all_": [name]}, "state": {"type": {"any_": list(AT_WORK)}}}
        there = self.api.post("/flow_runs/filter", {"flow_runs": chosen, "limit": 1}) or []
        if there:
            self.runs[trial] = str(there[0]["id"])
            self.others.add(trial)
            self.note(f"{trial}: another study is running it, as {there[0]['name']}")
        else:
            self.runs[trial] = self.submit(trial, parameters(study, trial), [name, f"study {study.name}"])
        self.since[trial] = time.monotonic()

    def _end(self, queue: order.Queue, trial: Trial, state: dict[str, Any]) -> None:
        """Handle a run that has ended: its result is in the store, it failed, or it was another study's and is now ours."""
        del self.runs[trial]
        foreign = trial in self.others
        self.others.discard(trial)
        if running.look_up(self.table, trial):
            taken = time.monotonic() - self.since[trial]
            self.tell(Ended(trial, "computed", taken, self.table.reading(trial)))
            queue.end(trial, well=True)
            self._grow()
        elif foreign:
            queue.put_back(trial)
        elif state["type"] == "COMPLETED":
            self._failed(
                queue, trial, f"its run completed, and {self.store.place} has no evaluation: do the workers see it?"
            )
        else:
            message = state.get("message") or ""
            self._failed(queue, trial, message if state["type"] == "FAILED" else f"{state['type'].lower()}: {message}")

    def _failed(self, queue: order.Queue, trial: Trial, why: str) -> None:
        self.table.failed[trial] = why
        self.tell(Ended(trial, "failed", time.monotonic() - self.since.get(trial, time.monotonic()), {}, why))
        queue.end(trial, well=False)
        self._grow()

    def _grow(self) -> None:
        self.table.write(self.store)
        self.grown()


def cancel(api: Api, study_run: str) -> list[str]:
    """Cancel the unfinished runs that a study's flow run has asked for, and return their names."""
    at_work = [state for state in AT_WORK if state != "CANCELLING"]
    chosen = {"parent_flow_run_id": {"any_": [study_run]}, "state": {"type": {"any_": at_work}}}
    cancelled: dict[str, str] = {}
    while found := api.post("/flow_runs/filter", {"flow_runs": chosen}) or []:  # 200 runs at a time
        fresh = [run for run in found if run["id"] not in cancelled]
        for run in fresh:
            cancel_run(api, run["id"], why="Its study was cancelled.")
            cancelled[run["id"]] = str(run["name"])
        if not fresh:
            break
    return list(cancelled.values())
