"""`ezhoi run`: the pipeline in this process."""

from __future__ import annotations

import gc
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import (
    display,
    options,
    server,
    status,
)
from flows.pages import results
from flows.server import ending, local, parameters
from flows.server.stage_name import StageName
from pipeline.engine.execute import Outcome
from pipeline.engine.graph import WHOLE
from pipeline.errors import EzhoiError, ServiceError
from pipeline.outside.escaping import plain


def run(
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    targets: options.Targets = None,
    force: options.Force = None,
    reuse: options.Reuse = None,
    pins: options.Pins = None,
    against: options.Against = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would run, why and how long.")] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Show this run in the local Prefect server (started if necessary).")
    ] = False,
) -> None:
    """Run the pipeline in this process; what is intact in the store is not computed again.

    A run that was interrupted continues where it was. A run that evaluates something new ends with a comparison with the
    earlier run whose configuration is the most similar: the difference, its interval, and what was changed.

    Example: ezhoi run --set setting=uo --set utpl.steps=100
    """
    asked: dict[str, Any] = {
        "targets": targets or list(map(StageName, WHOLE)),
        "force": force or [],
        "reuse": reuse or [],
        "pins": options.pinned(pins),
        "against": against,
    }
    if record:
        _recorded(profile, overrides or [], asked | {"dry_run": dry_run})
        return
    request = parameters.resolve(profile=profile, overrides=overrides or [], **asked)
    if dry_run:
        status.show(request.plan(), request)
        return
    _run(request)


def _run(request: parameters.Request) -> None:
    from flows.pages import html, states
    from pipeline.engine import run as runner

    started = last = time.perf_counter()
    outcomes: list[Outcome] = []

    def show(outcome: Outcome) -> None:
        nonlocal last
        now = time.perf_counter()
        typer.echo(display.stage_line(outcome.stage, states.word(outcome), now - last, str(outcome.choice or "")))
        outcomes.append(outcome)
        last = now

    answer: list[str] = []
    pages: list[Path] = []

    def conclude(steps: runner.Run) -> None:
        answer.extend(steps.answer())
        if (page := html.write(steps, outcomes)) is not None:
            pages.append(page)
            typer.echo(f"lineage: {page}")

    with display.watching() as progress:
        runner.run(
            request.config,
            targets=request.targets,
            force=request.force,
            given=request.given,
            deployment="ezhoi run",
            against=request.against,
            progress=progress,
            on_outcome=show,
            on_end=conclude,
        )
    root = request.config.store.root
    took = time.perf_counter() - started
    typer.echo(f"{len(outcomes)} stages in {took:.1f} s: {states.counts(outcomes)}; store {root}")
    report = html.report_of(pages[0] if pages else None)
    for outcome in outcomes:
        if outcome.stage == "evaluation":
            typer.echo("\n" + "\n".join([*results.result_lines(outcome.artifact, report), *map(plain, answer)]))
        if outcome.stage == "bundle":
            typer.echo(results.use_line(outcome.artifact))


def _recorded(profile: str, overrides: list[str], asked: dict[str, Any]) -> None:
    """Call the flow in this process; its states and pages are in the local server."""
    given = parameters.portable(profile=profile, overrides=overrides)
    state = local.up(local.home(), lambda line: typer.echo(line, err=True))
    ours = local.environment(local.home(), state.port or 0, password=state.password)
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ.update(ours)
    # Prefect reads the environment when it is first imported, so not before this line. Its import makes objects to keep,
    # and looking for garbage among them costs a seventh of it.
    gc.disable()
    from flows.cli.recorded import record

    gc.enable()
    try:
        result = record(profile=given.profile, overrides=given.overrides, **asked)
    except ServiceError as error:
        ending.say(str(error))
        sys.stdout.flush()
        os._exit(1)
    if not result.completed:
        raise EzhoiError(result.message)
    typer.echo(result.message)
    if StageName.evaluation in asked["targets"] and not asked["dry_run"]:
        server.show_result(given.config, result.flow_run)
    server.show_links(state, result.flow_run)
