"""A study that the workers of the local Prefect server carry out, followed to its end."""

from __future__ import annotations

import re
import time
from pathlib import Path

import typer

from flows.server import deployment, following, local
from flows.server.parameters import written_out
from pipeline.config.loading import dotted, key_of, load, of_environment
from pipeline.errors import EzhoiError
from pipeline.machine.home import expanded
from pipeline.outside.escaping import plain
from pipeline.store.opening import store_of
from pipeline.studies import file, running
from pipeline.studies.study import Study
from pipeline.studies.table import Table

LOG_SECONDS = 2.5
"""Seconds after which the last lines of a run's log have reached the server."""
TRIAL = re.compile(r" *\d+ of \d+  ")
"""The beginning of the log line of a trial that has ended."""


def follow(table: Table, *, file_name: str, at_once: int | None) -> None:
    """Start the server and deploy if necessary, run the study there, show trials as they end, and fill the table.

    Ctrl-C stops following, not the study. EzhoiError says why the study failed, unless it is the failure of a trial.
    """
    study = table.study
    folder = local.home()
    local.up(folder, _say)
    state = deployment.deploy(folder, say=_say)
    parameters = {
        "file": _absolute(file_name),
        "overrides": overrides(study),
        "variants": [variant.name for variant in study.variants],
        "settings": list(study.settings),
        "seeds": list(study.seeds),
        "at_once": at_once,
        "folder": str(Path.cwd()),
    }
    run = following.trigger(state.api, flow="ezhoi-study", deployment="study", parameters=parameters)
    typer.echo(f"study:   {state.ui_url}/runs/flow-run/{run}", err=True)
    ended, printed = "", 0
    try:
        for seen in following.follow(local.home(), state, run):
            if seen.final:
                time.sleep(LOG_SECONDS)
            lines = following.lines(state.api, run, after=printed)
            printed += len(lines)
            for line in filter(TRIAL.match, lines):
                _say(plain(line))
            ended = "" if seen.state == "Completed" else f"study {study.name} ended {seen.state}: {seen.message}"
    except KeyboardInterrupt:
        _say(f"\nThe study goes on. The same command joins it; `prefect flow-run cancel {run}` ends it and its trials.")
        raise SystemExit(130) from None
    table.remember(store_of(study.config(study.trials()[0])))
    running.collect(table)
    table.recall_failures()
    if ended and not table.failed:
        raise EzhoiError(ended)


def overrides(study: Study) -> list[str]:
    """The overrides that make a worker's study this one: those that were given, and what variables of this environment change.

    Variables yield to the file, where overrides win over it; so of those only what the file leaves open is handed over.
    Relative paths stay so: they start in the folder, which is a parameter of its own.
    """
    config = load(profile=study.profile, overrides=[*study.common, *study.given], folder=study.folder)
    of_file = set(map(key_of, study.common))
    variables = [
        v for v in dotted(of_environment().values()) if key_of(v) not in of_file and not study.settles(key_of(v))
    ]
    return written_out([*variables, *study.given], config)


def _absolute(name: str) -> str:
    """The name of a study as a worker finds it, which runs in another folder."""
    return name if name in file.packaged() else str(expanded(name).absolute())


def _say(line: str) -> None:
    typer.echo(line, err=True)
