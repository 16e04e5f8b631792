"""A study without a server: results in the store are taken, other trials run one after the other in this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from pipeline.config.tree import Config
from pipeline.engine import run as runner
from pipeline.errors import EzhoiError
from pipeline.store.opening import store_of
from pipeline.studies import order
from pipeline.studies.cost import cost
from pipeline.studies.study import Trial, evaluation
from pipeline.studies.table import Table
from pipeline.work.work import Progress, silent

log = logging.getLogger("ezhoi.studies")


@dataclass(frozen=True)
class Ended:
    """How a trial ended."""

    trial: Trial
    word: str
    """cached, computed or failed."""
    seconds: float
    reading: dict[str, float]
    """{group: mAP in percent}; empty for a failed trial."""
    why: str = ""
    """Why it failed."""


Tell = Callable[[Ended], None]
Watching = Callable[[], AbstractContextManager[Progress]]


def collect(table: Table, tell: Tell = lambda ended: None) -> list[Trial]:
    """Take what the store has into the table, and return the trials that it lacks, in order."""
    lacking = []
    for trial in table.study.trials():
        if not look_up(table, trial, tell):
            lacking.append(trial)
    return lacking


def look_up(table: Table, trial: Trial, tell: Tell = lambda ended: None) -> bool:
    """Take a trial's evaluation into the table if the store has it, and return whether it has."""
    started = time.perf_counter()
    config = table.study.config(trial)
    if (found := evaluation(config)) is None:
        return False
    reading = table.add(trial, found, cost(found, store_of(config)))
    tell(Ended(trial, "cached", time.perf_counter() - started, reading))
    return True


def carry_out(
    table: Table, *, deployment: str, tell: Tell = lambda ended: None, watching: Watching = lambda: nullcontext(silent)
) -> None:
    """Run what the store lacks; the table grows in the store trial by trial. A trial that fails is listed and ends nothing.

    Args:
        deployment: The name of the command or deployment in the runs' records.
        tell: Called with every trial that has ended.
        watching: A context for a running trial; it gives the function that shows its progress.
    """
    store = store_of(table.study.config(table.study.trials()[0]))
    table.remember(store)
    lacking = collect(table, tell)
    table.write(store)
    queue = order.queue(table.study, lacking)
    while (trial := queue.take()) is not None:
        if look_up(table, trial, tell):
            queue.end(trial, well=True)
        else:
            with watching() as progress:
                ended = run_one(table, trial, deployment=deployment, progress=progress)
            tell(ended)
            queue.end(trial, well=not ended.why)
        table.write(store)


def run_one(table: Table, trial: Trial, *, deployment: str, progress: Progress = silent) -> Ended:
    """Run a trial in this process and take it into the table, as done or as failed."""
    started = time.perf_counter()
    try:
        config: Config = table.study.config(trial)
        outcomes = runner.run(config, targets=("evaluation",), deployment=deployment, progress=progress)
    except Exception as error:
        if not isinstance(error, EzhoiError | OSError):  # nobody foresaw it, so where it happened is worth its lines
            log.error("%s", trial, exc_info=error)
        why = str(error) if isinstance(error, EzhoiError | OSError) else f"{type(error).__name__}: {error}"
        table.failed[trial] = why
        return Ended(trial, "failed", time.perf_counter() - started, {}, why)
    word = "cached" if all(outcome.hit for outcome in outcomes.values()) else "computed"
    made = outcomes["evaluation"].artifact
    reading = table.add(trial, made, cost(made, store_of(config)))
    return Ended(trial, word, time.perf_counter() - started, reading)
